"""What the blocking client and the asyncio one share: settings, the session, and its facts."""

from __future__ import annotations

import warnings
from typing import Any, Optional, Sequence, Tuple

from ._lockkeeper import Contest, Hold, Pending, Session
from ._values import Acl, Auth, GuardState, Layout, SessionState, acl_entries, auth_pairs
from .errors import ClosedError, LockLost


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

    def _contest(
        self,
        path: str,
        layout: Layout,
        label: str,
        acl: Optional[Sequence[Acl]],
        requeue: bool,
        refuse_blind_names: bool,
    ) -> Contest:
        return self._open_session().lock(
            path, layout, label, acl_entries(acl), requeue, refuse_blind_names
        )

    def __repr__(self) -> str:
        return "<%s %s %s>" % (type(self).__module__, self._hosts, self.state.value)

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is not None and is_open(session):
            # The session is closed in the background, when the last guard is gone too.
            warn_unclosed("client was not closed: use it in a with block", self)


class BaseGuard:
    """The facts of a lock that is held."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold

    @property
    def fence(self) -> int:
        """The number to hand to the resource with every write: larger for every later holder.

        A resource that refuses smaller numbers than the largest it has seen cannot be harmed by
        a holder that was paused while the lock went on. It is the zxid that created the znode.
        """
        return self._hold.fence

    @property
    def path(self) -> str:
        """Path of the znode that stands for this hold."""
        return self._hold.path

    @property
    def state(self) -> GuardState:
        """What may be relied on now. Looks at the clock, so a process that was paused sees it."""
        return GuardState(self._hold.state)

    @property
    def is_valid(self) -> bool:
        """Whether nobody else can hold the lock now, as far as this process can know."""
        return self.state in (GuardState.HELD, GuardState.SUSPENDED)

    @property
    def is_revoked(self) -> bool:
        """Whether somebody asked for the lock. It is still held; giving it up is a courtesy."""
        return self._hold.revoked

    def remaining(self) -> float:
        """Seconds for which the lock would stay ours if the link broke now; 0.0 if it is not."""
        return self._hold.remaining()

    def raise_if_lost(self) -> None:
        """Raises :class:`LockLost` unless the lock may be relied on."""
        state = self.state
        if state is GuardState.LOST:
            raise LockLost("lock was lost", path=self.path, reason=self._hold.reason or "unknown")
        if state is GuardState.POSSIBLY_LOST:
            raise LockLost("lock may have been lost: the link is down", path=self.path)
        if state is GuardState.RELEASED:
            raise LockLost("lock was released", path=self.path, reason="released")

    def __repr__(self) -> str:
        return "<%s.Guard %s fence=%d %s>" % (
            type(self).__module__,
            self.path,
            self.fence,
            self.state.value,
        )

    def __del__(self) -> None:
        hold = getattr(self, "_hold", None)
        if hold is not None and is_held(hold):
            # It is released in the background.
            warn_unclosed("lock was not released: use it in a with block", self)


def is_open(session: Session) -> bool:
    """Whether the session still has to be closed by this process."""
    try:
        return session.state not in ("closed", "expired", "auth_failed")
    except ClosedError:
        return False


def is_held(hold: Hold) -> bool:
    """Whether the lock still has to be released by this process."""
    try:
        return hold.state not in ("released", "lost")
    except ClosedError:
        return False


def warn_unclosed(text: str, source: Any) -> None:
    """Warns of a thing that was left to the garbage collector."""
    warnings.warn("%s: %r" % (text, source), ResourceWarning, stacklevel=3, source=source)
