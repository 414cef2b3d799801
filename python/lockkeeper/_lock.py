"""The blocking lock and its guard."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Callable, Dict, List, Optional, Type, Union

from ._base import BaseGuard
from ._lockkeeper import Contest, Hold, Holder, Pending
from ._values import GuardState
from .errors import LockkeeperError


class _Default:
    """The type of an argument that was not given, where ``None`` means something."""


_DEFAULT = _Default()


class Lock:
    """A lock on a path, from :meth:`Client.lock`.

        with client.lock("/jobs/nightly", timeout=10) as guard:
            store.write(data, fence=guard.fence)

    At most one contender is first; they are served in the order in which they queued. Every
    acquisition is a contender of its own, also two by one lock object, so a thread that acquires
    twice waits for itself.

    Leaving the ``with`` block releases the lock, and raises :class:`LockLost` if it had been lost:
    what was done in the block may have been done while somebody else held it. An exception that is
    on its way out already goes on unchanged.

    An acquisition that fails, times out or is interrupted leaves nothing on the server.
    """

    def __init__(self, contest: Contest, path: str, timeout: Optional[float]) -> None:
        self._contest = contest
        self._path = path
        self._timeout = timeout
        self._entered: Dict[int, List[Guard]] = {}

    @property
    def path(self) -> str:
        """The path that contenders share."""
        return self._path

    def acquire(self, timeout: Union[float, None, _Default] = _DEFAULT) -> Guard:
        """Waits for the lock, for at most ``timeout`` seconds; by default as the lock was told.

        Raises :class:`LockTimeout`, :class:`ContenderGone`, :class:`LayoutConflict`, and what ends
        a session.
        """
        limit = self._timeout if isinstance(timeout, _Default) else timeout
        return Guard(self._contest.acquire(limit).wait())

    def try_acquire(self) -> Optional[Guard]:
        """Takes the lock if nobody is in the queue; else ``None``. A busy lock costs one read."""
        hold = self._contest.try_acquire().wait()
        return None if hold is None else Guard(hold)

    def holders(self) -> List[Holder]:
        """Who holds the lock: nobody or one. For people, since it may have changed already."""
        return self._contest.holders().wait()

    def queue_position(self) -> int:
        """How many a new contender would find ahead of it; 0 if the lock is free."""
        return self._contest.queue_position().wait()

    def __enter__(self) -> Guard:
        guard = self.acquire()
        self._entered.setdefault(threading.get_ident(), []).append(guard)
        return guard

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        thread = threading.get_ident()
        guards = self._entered[thread]
        guard = guards.pop()
        if not guards:
            del self._entered[thread]
        guard.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return "<lockkeeper.Lock %s>" % self._path


class Guard(BaseGuard):
    """A lock that is held, until it is released, lost or forgotten.

    Not promised: that this process is the only one that acts. The ensemble keeps two contenders
    from being first at once; it cannot keep a process that was paused from acting after its
    session expired. Watching the guard makes the window small, comparing :attr:`fence` at the
    resource closes it.
    """

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold)
        self._watch: Optional[_Watch] = None

    def release(self) -> None:
        """Gives the lock back and waits until its znode is gone; the second time does nothing.

        Raises :class:`LockLost` if the lock had been lost before: the last chance to notice;
        :class:`NoAuth` if the server refuses to delete the znode, which then stays until the
        session ends or a later attempt, made in the background, succeeds. While the link is down
        it waits for the link or the session's end; interrupted, the release goes on in the
        background.
        """
        self._hold.release().wait()

    def confirm(self) -> None:
        """Proves by a write that the lock is held now; raises :class:`LockLost` otherwise."""
        self._hold.confirm().wait()

    def on_lost(self, callback: Callable[[GuardState], object]) -> None:
        """Calls ``callback`` once when the lock must not be relied on any more.

        It gets :attr:`GuardState.POSSIBLY_LOST` or :attr:`GuardState.LOST` and runs on a thread
        named ``lockkeeper-lost``; what it raises goes to :func:`sys.unraisablehook`. If the lock is
        lost already it is called at once; after a release it is not called.
        """
        if self._watch is None:
            self._watch = _Watch(self._hold.lost())
        self._watch.add(callback)

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            self.release()
        except LockkeeperError:
            if error is None:
                raise


class _Watch:
    """The callbacks of one guard and the thread that waits for them. Does not keep the guard."""

    def __init__(self, lost: Pending[Optional[str]]) -> None:
        self._lost = lost
        self._lock = threading.Lock()
        self._callbacks: List[Callable[[GuardState], object]] = []
        self._state: Optional[GuardState] = None
        threading.Thread(target=self._run, name="lockkeeper-lost", daemon=True).start()

    def add(self, callback: Callable[[GuardState], object]) -> None:
        """Registers a callback, or has it called if the lock is lost."""
        with self._lock:
            state = self._state
            if state is None:
                self._callbacks.append(callback)
                return
        thread = threading.Thread(target=_call, args=(callback, state), name="lockkeeper-lost")
        thread.daemon = True
        thread.start()

    def _run(self) -> None:
        try:
            word = self._lost.wait()
        except LockkeeperError:
            # The interpreter ends.
            return
        if word is None:
            return
        with self._lock:
            self._state = GuardState(word)
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _call(callback, self._state)


class _Unraisable:
    """What :func:`sys.unraisablehook` takes."""

    def __init__(self, error: BaseException, source: object) -> None:
        self.exc_type: Type[BaseException] = type(error)
        self.exc_value: Optional[BaseException] = error
        self.exc_traceback: Optional[TracebackType] = error.__traceback__
        self.err_msg: Optional[str] = "Exception ignored in the callback of a lost lock"
        self.object: object = source


def _call(callback: Callable[[GuardState], object], state: GuardState) -> None:
    try:
        callback(state)
    except BaseException as error:
        sys.unraisablehook(_Unraisable(error, callback))
