"""The client for asyncio.

    from lockkeeper import aio

    async with aio.Client("127.0.0.1:2181") as client:
        async with client.lock("/jobs/nightly", timeout=10) as guard:
            await run_job(fence=guard.fence)

Completions reach the loop in batches, through one descriptor that it watches, so that a thousand
replies cost one wake-up. Works on every loop that has ``add_reader``, such as uvloop.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import (
    Callable,
    Dict,
    Generator,
    List,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
)

from ._base import BaseClient, BaseGuard, is_open
from ._lock import _DEFAULT, _call, _Default
from ._lockkeeper import Contest, Hold, Holder, Pending, Queue, Stat
from ._values import (
    Acl,
    Data,
    GuardState,
    Layout,
    Mode,
    acl_entries,
    as_bytes,
    mode_number,
)
from .errors import ClosedError, LockkeeperError

__all__ = ["Client", "Guard", "Lock"]

T = TypeVar("T")


class _Completions:
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

    async def run(self, pending: Pending[T], undo: Callable[[T], object]) -> T:
        """Runs an operation that cancellation takes back: by dropping it, or by ``undo``."""
        future, ticket = self._start(pending)
        try:
            return await future
        except BaseException:
            # Cancelled, or closed with its coroutine; after a failure of its own this does nothing.
            self._queue.cancel(ticket)
            # It may have succeeded after the task was told to stop.
            if future.done() and not future.cancelled() and future.exception() is None:
                undo(future.result())
            raise

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


SelfClient = TypeVar("SelfClient", bound="Client")


class Client(BaseClient):
    """A session with an ensemble, for one event loop; takes the settings of
    :class:`lockkeeper.Client`.

    A call sends its request at once and returns a :class:`asyncio.Future`: requests go out in the
    order of the calls, whether awaited or not, so several can be under way without a task for each.
    Cancelling one drops the answer; a write that was cancelled may have been carried out.

    Not for several threads: call it from the loop that it was connected in.
    """

    _completions: Optional[_Completions] = None

    async def connect(self: SelfClient) -> SelfClient:
        """Connects and returns the client. Raises as :meth:`lockkeeper.Client.connect`."""
        if self._completions is not None:
            return self
        completions = _Completions(asyncio.get_running_loop())
        self._completions = completions
        try:
            session = await completions.run(self._opening(), lambda session: None)
        except BaseException:
            self._completions = None
            completions.close()
            raise
        self._session = session
        return self

    async def close(self) -> None:
        """Ends the session: its ephemerals and locks go. Calls made before are carried out."""
        completions, self._completions = self._completions, None
        if completions is None or self._session is None:
            return
        try:
            await completions.submit(self._session.close())
        finally:
            completions.close()

    async def __aenter__(self: SelfClient) -> SelfClient:
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

    def create(
        self,
        path: str,
        data: Data = b"",
        mode: Mode = "persistent",
        acl: Optional[Sequence[Acl]] = None,
        ttl: Optional[float] = None,
        makepath: bool = False,
    ) -> asyncio.Future[str]:
        """As :meth:`lockkeeper.Client.create`."""
        session = self._open_session()
        return self._submit(
            session.create(path, as_bytes(data), mode_number(mode), acl_entries(acl), ttl, makepath)
        )

    def get(self, path: str) -> asyncio.Future[Tuple[bytes, Stat]]:
        """As :meth:`lockkeeper.Client.get`."""
        return self._submit(self._open_session().get(path))

    def set(self, path: str, data: Data, version: Optional[int] = None) -> asyncio.Future[Stat]:
        """As :meth:`lockkeeper.Client.set`."""
        return self._submit(self._open_session().set(path, as_bytes(data), version))

    def delete(self, path: str, version: Optional[int] = None) -> asyncio.Future[None]:
        """As :meth:`lockkeeper.Client.delete`."""
        return self._submit(self._open_session().delete(path, version))

    def exists(self, path: str) -> asyncio.Future[Optional[Stat]]:
        """As :meth:`lockkeeper.Client.exists`."""
        return self._submit(self._open_session().exists(path))

    def children(self, path: str) -> asyncio.Future[List[str]]:
        """As :meth:`lockkeeper.Client.children`."""
        return self._submit(self._open_session().children(path))

    def sync(self, path: str = "/") -> asyncio.Future[None]:
        """As :meth:`lockkeeper.Client.sync`."""
        return self._submit(self._open_session().sync(path))

    def add_auth(self, scheme: str, credential: Data) -> asyncio.Future[None]:
        """As :meth:`lockkeeper.Client.add_auth`."""
        return self._submit(self._open_session().add_auth(scheme, as_bytes(credential)))

    def lock(
        self,
        path: str,
        timeout: Optional[float] = None,
        layout: Layout = "curator",
        label: str = "",
        acl: Optional[Sequence[Acl]] = None,
        requeue: bool = False,
        refuse_blind_names: bool = False,
    ) -> Lock:
        """A lock on a path, to be awaited or used in ``async with``; sends nothing.

        Arguments are those of :meth:`lockkeeper.Client.lock`.
        """
        contest = self._contest(path, layout, label, acl, requeue, refuse_blind_names)
        return Lock(contest, path, timeout, self._running())

    def _running(self) -> _Completions:
        if self._completions is None:
            raise ClosedError("client is not connected, or closed")
        return self._completions

    def _submit(self, pending: Pending[T]) -> asyncio.Future[T]:
        return self._running().submit(pending)

    def __del__(self) -> None:
        super().__del__()
        completions = self._completions
        if completions is not None and self._session is not None and is_open(self._session):
            completions.close()


class Lock:
    """A lock on a path, from :meth:`Client.lock`; see :class:`lockkeeper.Lock`.

        guard = await client.lock(path, timeout=10)     # release it yourself
        async with client.lock(path, timeout=10) as guard:
            ...

    Cancelling the task that waits, at any moment, takes its contender out of the queue.
    """

    def __init__(
        self,
        contest: Contest,
        path: str,
        timeout: Optional[float],
        completions: _Completions,
    ) -> None:
        self._contest = contest
        self._path = path
        self._timeout = timeout
        self._completions = completions
        self._entered: Dict[Optional[asyncio.Task[object]], List[Guard]] = {}

    @property
    def path(self) -> str:
        """The path that contenders share."""
        return self._path

    async def acquire(self, timeout: Union[float, None, _Default] = _DEFAULT) -> Guard:
        """As :meth:`lockkeeper.Lock.acquire`."""
        limit = self._timeout if isinstance(timeout, _Default) else timeout
        pending = self._contest.acquire(limit)
        return Guard(await self._completions.run(pending, Hold.release), self._completions)

    async def try_acquire(self) -> Optional[Guard]:
        """As :meth:`lockkeeper.Lock.try_acquire`."""
        pending = self._contest.try_acquire()
        hold = await self._completions.run(pending, lambda hold: hold and hold.release())
        return None if hold is None else Guard(hold, self._completions)

    def holders(self) -> asyncio.Future[List[Holder]]:
        """As :meth:`lockkeeper.Lock.holders`."""
        return self._completions.submit(self._contest.holders())

    def queue_position(self) -> asyncio.Future[int]:
        """As :meth:`lockkeeper.Lock.queue_position`."""
        return self._completions.submit(self._contest.queue_position())

    def __await__(self) -> Generator[object, None, Guard]:
        return self.acquire().__await__()

    async def __aenter__(self) -> Guard:
        guard = await self.acquire()
        self._entered.setdefault(asyncio.current_task(), []).append(guard)
        return guard

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        task = asyncio.current_task()
        guards = self._entered[task]
        guard = guards.pop()
        if not guards:
            del self._entered[task]
        await guard.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return "<lockkeeper.aio.Lock %s>" % self._path


class Guard(BaseGuard):
    """A lock that is held; see :class:`lockkeeper.Guard` for what that does not promise."""

    def __init__(self, hold: Hold, completions: _Completions) -> None:
        super().__init__(hold)
        self._completions = completions

    def release(self) -> asyncio.Future[None]:
        """As :meth:`lockkeeper.Guard.release`; the release starts at the call."""
        return self._completions.submit(self._hold.release())

    def confirm(self) -> asyncio.Future[None]:
        """As :meth:`lockkeeper.Guard.confirm`."""
        return self._completions.submit(self._hold.confirm())

    async def lost(self) -> Optional[GuardState]:
        """Waits until the lock must not be relied on, and says how; ``None`` after a release.

        Meant to run beside the work that the lock protects.
        """
        word = await self._completions.run(self._hold.lost(), lambda word: None)
        return None if word is None else GuardState(word)

    def on_lost(self, callback: Callable[[GuardState], object]) -> None:
        """Calls ``callback`` once, in the loop, when the lock must not be relied on any more.

        What it raises goes to :func:`sys.unraisablehook`. After a release it is not called.
        """

        def done(future: asyncio.Future[Optional[str]]) -> None:
            if future.cancelled() or future.exception() is not None:
                return
            word = future.result()
            if word is not None:
                _call(callback, GuardState(word))

        self._completions.submit(self._hold.lost()).add_done_callback(done)

    async def __aenter__(self) -> Guard:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            await self.release()
        except LockkeeperError:
            if error is None:
                raise
