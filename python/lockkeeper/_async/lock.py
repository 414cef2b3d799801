"""The lock and its guard."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Dict, Generator, List, Optional, Type, Union

from .._base import DEFAULT, Default, NativeAcquiring
from .._lockkeeper import Contest, Hold, Holder
from .connection import Port
from .kept import Kept


class Acquiring:
    """Something to acquire, by a call, or by ``async with`` for the length of a block."""

    def __init__(self, native: NativeAcquiring, path: str, timeout: Optional[float], port: Port) -> None:
        self._native = native
        self._path = path
        self._timeout = timeout
        self._port = port
        self._entered: Dict[object, List[Guard]] = {}

    @property
    def path(self) -> str:
        """The path that contenders share."""
        return self._path

    async def acquire(self, timeout: Union[float, None, Default] = DEFAULT) -> Guard:
        """Waits for it, for at most ``timeout`` seconds; by default for as long as it was told.

        Raises :class:`LockTimeout`, :class:`ContenderGone`, :class:`LayoutConflict`, and what ends
        a session.
        """
        limit = self._timeout if isinstance(timeout, Default) else timeout
        return await self._port.take(self._native.acquire(limit), Guard)

    async def try_acquire(self) -> Optional[Guard]:
        """Takes it if nobody keeps it from us; else ``None``. To find it busy costs a read."""
        hold = await self._port.run(self._native.try_acquire())
        return None if hold is None else Guard(hold, self._port)

    def queue_position(self) -> asyncio.Future[int]:
        """How many a new contender would find ahead of it in the queue."""
        return self._port.submit(self._native.queue_position())

    def __await__(self) -> Generator[object, None, Guard]:
        return self.acquire().__await__()

    async def __aenter__(self) -> Guard:
        guard = await self.acquire()
        self._entered.setdefault(self._port.caller(), []).append(guard)
        return guard

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        caller = self._port.caller()
        guards = self._entered[caller]
        guard = guards.pop()
        if not guards:
            del self._entered[caller]
        await guard.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return "<lockkeeper.%s %s>" % (type(self).__name__, self._path)


class Lock(Acquiring):
    """A lock on a path, from :meth:`Client.lock`.

        async with client.lock("/jobs/nightly", timeout=10) as guard:
            await store.write(data, fence=guard.fence)

    At most one contender is first; they are served in the order in which they queued. Every
    acquisition is a contender of its own, also two by one lock object, so whoever acquires twice
    waits for itself.

    Leaving the block releases the lock, and raises :class:`LockLost` if it had been lost: what was
    done in the block may have been done while somebody else held it. An exception that is on its
    way out already goes on unchanged.

    An acquisition that fails, times out or is given up leaves nothing on the server.
    """

    _native: Contest

    def holders(self) -> asyncio.Future[List[Holder]]:
        """Who holds the lock: nobody or one. For people, since it may have changed already."""
        return self._port.submit(self._native.holders())


class Guard(Kept):
    """A lock or a lease that is held, until it is released, lost or forgotten.

    Not promised: that this process is the only one that acts. The ensemble keeps two contenders
    from being first at once; it cannot keep a process that was paused from acting after its
    session expired. Watching the guard makes the window small, comparing :attr:`fence` at the
    resource closes it.
    """

    _noun = "lock"
    _native: Hold

    @property
    def fence(self) -> int:
        """The number to hand to the resource with every write: larger for every later holder.

        A resource that refuses smaller numbers than the largest it has seen cannot be harmed by
        a holder that was paused while the lock went on. It is a zxid.
        """
        return self._native.fence

    @property
    def is_revoked(self) -> bool:
        """Whether somebody asked for the lock. It is still held; giving it up is a courtesy."""
        return self._native.revoked

    def remaining(self) -> float:
        """Seconds for which the lock would stay ours if the link broke now; 0.0 if it is not."""
        return self._native.remaining()

    def release(self) -> asyncio.Future[None]:
        """Gives the lock back and waits until its znode is gone; the second time does nothing.

        Raises :class:`LockLost` if the lock had been lost before: the last chance to notice;
        :class:`NoAuth` if the server refuses to delete the znode, which then stays until the
        session ends or a later attempt, made in the background, succeeds. While the link is down
        it waits for the link or the session's end; given up, the release goes on in the
        background.
        """
        return self._port.submit(self._native.release())

    def confirm(self) -> asyncio.Future[None]:
        """Proves by a write that the lock is held now; raises :class:`LockLost` otherwise."""
        return self._port.submit(self._native.confirm())

    async def _give_back(self) -> None:
        await self.release()

    def __repr__(self) -> str:
        words = type(self).__name__, self.path, self.fence, self.state.value
        return "<lockkeeper.%s %s fence=%d %s>" % words
