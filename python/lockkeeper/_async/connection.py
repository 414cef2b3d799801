"""How the asyncio face waits, and how its client connects.

Completions reach the loop in batches, through one descriptor that it watches, so that a thousand
replies cost one wake-up.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import (
    Any,
    AsyncContextManager,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Generic,
    Optional,
    Protocol,
    Tuple,
    Type,
    TypeVar,
)

from .._base import BaseClient, give_back, is_open
from .._lockkeeper import Pending, Queue
from ..errors import ClosedError, LockkeeperError, LockLost

T = TypeVar("T")
G = TypeVar("G")
Managed = TypeVar("Managed", bound=AsyncContextManager[Any])


class Revocable(Protocol):
    """What may be lost."""

    @property
    def path(self) -> str: ...
    async def lost(self) -> object: ...


class Port:
    """The bridge between the native half and one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue = Queue()
        self._is_closed = False
        self._fd = self._queue.fileno()
        # The loop keeps the queue, and so the descriptor, for as long as it watches it.
        loop.add_reader(self._fd, self._queue.drain)

    def submit(self, pending: Pending[T]) -> asyncio.Future[T]:
        """A future of an operation whose answer may be ignored."""
        return self._start(pending)[0]

    async def run(self, pending: Pending[T]) -> T:
        """Runs an operation that cancellation takes back."""
        future, ticket = self._start(pending)
        try:
            return await future
        except BaseException:
            # Cancelled, or closed with its coroutine; after a failure of its own this does nothing.
            self._queue.cancel(ticket)
            # It may have succeeded after the task was told to stop.
            if future.done() and not future.cancelled() and future.exception() is None:
                give_back(future.result())
            raise

    async def take(self, pending: Pending[T], make: Callable[[T, Port], G]) -> G:
        """Runs an operation and makes something of its result."""
        return make(await self.run(pending), self)

    async def under(self, right: Revocable, body: Callable[[], Awaitable[T]]) -> T:
        """Runs a body; if the right to do so is lost, it is cancelled and waited for."""
        watch = asyncio.ensure_future(right.lost())
        work = asyncio.ensure_future(body())
        try:
            await asyncio.wait([watch, work], return_when=asyncio.FIRST_COMPLETED)
            is_lost = not work.done()
        finally:
            watch.cancel()
            work.cancel()
            # Its failure means that the client is gone, which the next call says as well.
            await asyncio.gather(watch, return_exceptions=True)
            await asyncio.wait([work])
        if is_lost and work.cancelled():
            raise LockLost("lost while the work was done", path=right.path)
        return work.result()

    def follow(
        self,
        pending: Pending[T],
        step: Callable[[T], Optional[Pending[T]]],
        end: Callable[[LockkeeperError], object] = lambda error: None,
    ) -> None:
        """Calls ``step`` in the loop with the result, and again with that of what it returns."""

        def done(future: asyncio.Future[T]) -> None:
            error = future.exception()
            if isinstance(error, LockkeeperError):
                end(error)
                return
            following = step(future.result())
            try:
                if following is not None:
                    self.follow(following, step, end)
            except ClosedError as closed:
                end(closed)

        self._start(pending)[0].add_done_callback(done)

    def caller(self) -> object:
        """Who calls: the running task."""
        return asyncio.current_task()

    def _start(self, pending: Pending[T]) -> Tuple[asyncio.Future[T], int]:
        if self._is_closed:
            # Nobody would ever complete the future.
            raise ClosedError("client is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        return future, self._queue.start(pending, future)

    def close(self) -> None:
        """Stops watching; futures that are left end with :class:`ClosedError`. From any thread."""
        self._is_closed = True
        if self._loop.is_closed():
            return
        try:
            running: Optional[asyncio.AbstractEventLoop] = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            self._stop()
        else:
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._loop.remove_reader(self._fd)
        self._queue.drain()
        self._queue.clear()


def entering(coroutine: Coroutine[Any, Any, Managed]) -> Entering[Managed]:
    """A coroutine that may be awaited, or entered by ``async with``."""
    return Entering(coroutine)


class Entering(Coroutine[Any, Any, Managed], Generic[Managed]):
    """A coroutine whose result is entered where it is used in ``async with``."""

    def __init__(self, coroutine: Coroutine[Any, Any, Managed]) -> None:
        self._coroutine = coroutine
        self._entered: Optional[Managed] = None

    def __await__(self) -> Generator[Any, None, Managed]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    async def __aenter__(self) -> Managed:
        self._entered = await self._coroutine
        return self._entered

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._entered is not None:
            await self._entered.__aexit__(kind, error, trace)


Self = TypeVar("Self", bound="Connection")


class Connection(BaseClient):
    """A client's session, and its event loop."""

    _port: Optional[Port] = None

    async def connect(self: Self) -> Self:
        """Connects and returns the client. Does nothing if it is connected.

        Raises :class:`Unreachable`, :class:`AuthFailed`, :class:`SessionExpired` or, for settings
        that cannot be, :class:`InvalidArgument`.
        """
        if self._port is not None:
            return self
        port = Port(asyncio.get_running_loop())
        self._port = port
        try:
            session = await port.run(self._opening())
        except BaseException:
            self._port = None
            port.close()
            raise
        self._session = session
        return self

    async def close(self) -> None:
        """Ends the session: its ephemerals and locks go. Calls made before are carried out."""
        port, self._port = self._port, None
        if port is None or self._session is None:
            return
        try:
            await port.submit(self._session.close())
        finally:
            port.close()

    async def __aenter__(self: Self) -> Self:
        return await self.connect()

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            await self.close()
        except LockkeeperError:
            if error is None:
                raise

    def _running(self) -> Port:
        if self._port is None:
            raise ClosedError("client is not connected, or closed")
        return self._port

    def _submit(self, pending: Pending[T]) -> asyncio.Future[T]:
        return self._running().submit(pending)

    def __del__(self) -> None:
        super().__del__()
        port = self._port
        if port is not None and self._session is not None and is_open(self._session):
            port.close()
