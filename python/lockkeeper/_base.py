"""What the blocking client and the asyncio one share: settings, the session, and its facts."""

from __future__ import annotations

import sys
import warnings
from types import TracebackType
from typing import Any, Callable, Optional, Protocol, Sequence, Tuple, Type, TypeVar

from ._lockkeeper import Hold, Membership, Party, Pending, Session
from ._values import Acl, Auth, GuardState, SessionState, acl_entries, auth_pairs
from .errors import ClosedError, LockLost

T = TypeVar("T")


class BaseClient:
    """Settings of a client, and its session once it is connected."""

    def __init__(
        self,
        hosts: str,
        timeout: float = 10.0,
        auth: Optional[Auth] = None,
        *,
        connect_timeout: Optional[float] = 30.0,
        call_timeout: Optional[float] = None,
        read_only: bool = False,
        default_acl: Optional[Sequence[Acl]] = None,
        resume: Optional[Tuple[int, bytes]] = None,
    ) -> None:
        """Takes the settings; sends nothing.

        ``hosts`` is ``host:port[,host:port]*[/chroot]``. Times are seconds: ``timeout`` is the
        session timeout asked for, which the server brings into its limits; ``connect_timeout``
        bounds connecting (``None``: not at all) and ``call_timeout`` every call.

        ``auth`` is a list such as ``[("digest", "user:password")]``. ``default_acl`` is the
        access list of znodes created without one. ``read_only`` accepts a server that has lost
        its quorum. ``resume`` takes over the session whose ``credentials`` it is given.
        """
        self._session: Optional[Session] = None
        self._hosts = hosts
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._call_timeout = call_timeout
        self._read_only = read_only
        self._auth = auth_pairs(auth)
        self._default_acl = acl_entries(default_acl)
        self._resume = resume

    @property
    def session_id(self) -> int:
        """The session's id."""
        return self._open_session().session_id

    @property
    def credentials(self) -> Tuple[int, bytes]:
        """The session's id and password, with which it can be taken over. A secret."""
        return self._open_session().credentials

    @property
    def timeout(self) -> float:
        """The session timeout that the server has set, seconds."""
        return self._open_session().timeout

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        if self._session is None:
            return SessionState.CLOSED
        return SessionState(self._session.state)

    def _opening(self) -> Pending[Session]:
        return Session.open(
            self._hosts,
            self._timeout,
            self._connect_timeout,
            self._call_timeout,
            self._read_only,
            self._auth,
            self._default_acl,
            self._resume,
        )

    def _open_session(self) -> Session:
        if self._session is None:
            raise ClosedError("client is not connected: call connect(), or use it in a with block")
        return self._session

    def __repr__(self) -> str:
        return "<lockkeeper.Client %s %s>" % (self._hosts, self.state.value)

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is not None and is_open(session):
            # The session is closed in the background, when the last guard is gone too.
            warn_unclosed("client was not closed: use it in a with block", self)


class NativeKept(Protocol):
    """What the native half hands out to be kept."""

    @property
    def path(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> Optional[str]: ...
    def release(self) -> Pending[None]: ...
    def lost(self) -> Pending[Optional[str]]: ...


class NativeAcquiring(Protocol):
    """What the native half acquires from."""

    def acquire(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def try_acquire(self) -> Pending[Optional[Hold]]: ...
    def queue_position(self) -> Pending[int]: ...


class BaseKept:
    """The facts of something that is kept, which stands in the ensemble by a znode."""

    _native: Any
    _noun = ""

    @property
    def path(self) -> str:
        """Path of the znode that stands for it."""
        path: str = self._native.path
        return path

    @property
    def state(self) -> GuardState:
        """What may be relied on now. Looks at the clock, so a process that was paused sees it."""
        return GuardState(self._native.state)

    @property
    def is_valid(self) -> bool:
        """Whether it is ours now, and nobody else's, as far as this process can know."""
        return self.state in (GuardState.HELD, GuardState.SUSPENDED)

    def raise_if_lost(self) -> None:
        """Raises :class:`LockLost` unless it may be relied on."""
        state = self.state
        if state is GuardState.LOST:
            reason = self._native.reason or "unknown"
            raise LockLost("%s was lost" % self._noun, path=self.path, reason=reason)
        if state is GuardState.POSSIBLY_LOST:
            text = "%s may have been lost: the link is down" % self._noun
            raise LockLost(text, path=self.path)
        if state is GuardState.RELEASED:
            raise LockLost("%s was released" % self._noun, path=self.path, reason="released")

    def __repr__(self) -> str:
        return "<lockkeeper.%s %s %s>" % (type(self).__name__, self.path, self.state.value)

    def __del__(self) -> None:
        native = getattr(self, "_native", None)
        if native is not None and is_held(native):
            # It is given back in the background.
            warn_unclosed("%s was not released: use it in a with block" % self._noun, self)


class Default:
    """The type of an argument that was not given, where ``None`` means something."""


DEFAULT = Default()


def is_open(session: Session) -> bool:
    """Whether the session still has to be closed by this process."""
    try:
        return session.state not in ("closed", "expired", "auth_failed")
    except ClosedError:
        return False


def is_held(kept: NativeKept) -> bool:
    """Whether the thing still has to be given back by this process."""
    try:
        return kept.state not in ("released", "lost")
    except ClosedError:
        return False


def give_back(result: object) -> None:
    """Gives back what nobody waits for any more, if it is something to be kept."""
    for thing in result if isinstance(result, list) else [result]:
        if isinstance(thing, (Hold, Membership, Party)):
            # Not waited for: it goes in the background.
            thing.release()


class _Unraisable:
    """What :func:`sys.unraisablehook` takes."""

    def __init__(self, error: BaseException, source: object) -> None:
        self.exc_type: Type[BaseException] = type(error)
        self.exc_value: Optional[BaseException] = error
        self.exc_traceback: Optional[TracebackType] = error.__traceback__
        self.err_msg: Optional[str] = "Exception ignored in a callback of lockkeeper"
        self.object: object = source


def call_back(callback: Callable[[T], object], value: T) -> None:
    """Calls a callback with nobody above it who could take its exceptions."""
    try:
        callback(value)
    except BaseException as error:
        sys.unraisablehook(_Unraisable(error, callback))


def warn_unclosed(text: str, source: Any) -> None:
    """Warns of a thing that was left to the garbage collector."""
    warnings.warn("%s: %r" % (text, source), ResourceWarning, stacklevel=3, source=source)
