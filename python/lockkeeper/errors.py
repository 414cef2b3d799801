"""What can go wrong, as a tree of exceptions below :class:`LockkeeperError`.

Classes that say what a built-in exception says derive from it too: ``except TimeoutError`` sees
:class:`LockTimeout`, ``except ConnectionError`` sees :class:`ConnectionLoss`.

``maybe_applied`` answers the question that decides a retry: whether the ensemble may have carried
the request out although it failed.
"""

from __future__ import annotations

from typing import Any, Optional


class LockkeeperError(Exception):
    """The root of all exceptions of this package."""

    code: Optional[int]
    """The server's code, if it answered with one, such as -101."""
    op: Optional[str]
    """The method that was called, such as ``"get"``."""
    path: Optional[str]
    """The path it was called with."""
    maybe_applied: bool
    """Whether a write may have been carried out although it failed."""

    def __init__(
        self,
        message: str = "",
        *,
        code: Optional[int] = None,
        op: Optional[str] = None,
        path: Optional[str] = None,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.op = op
        self.path = path
        self.maybe_applied = maybe_applied

    def __reduce__(self) -> Any:
        # The facts are attributes, so they travel between processes beside the message.
        return type(self), (str(self),), self.__dict__


class OperationError(LockkeeperError):
    """The server refused an operation; the subclass or ``code`` says why."""


class NoNode(OperationError):
    """There is no znode at the path, or no parent for a new one."""


class NodeExists(OperationError):
    """There is a znode at the path."""


class BadVersion(OperationError):
    """The znode has another version than the one given."""


class NotEmpty(OperationError):
    """The znode has children."""


class NoAuth(OperationError):
    """The znode's access list denies this client the operation."""


class NoChildrenForEphemerals(OperationError):
    """The parent is ephemeral."""


class InvalidACL(OperationError):
    """The access list is empty or has an entry that the server does not know."""


class NotReadOnly(OperationError):
    """A write went to a server that lost its quorum."""


class QuotaExceeded(OperationError):
    """The znode's quota would be exceeded."""


class Unimplemented(OperationError):
    """The server does not know the operation, or has it switched off."""


class BadArguments(OperationError):
    """The server does not accept an argument."""


class ConnectionLoss(LockkeeperError, ConnectionError):
    """The link broke between request and reply; see ``maybe_applied``. The session goes on."""


class Unreachable(LockkeeperError, ConnectionError):
    """No server took the session within the time set for connecting."""


class SessionExpired(LockkeeperError, ConnectionError):
    """The session is over, and with it its ephemerals and locks. Connect a new client."""


class AuthFailed(LockkeeperError):
    """The ensemble refused a credential, which ends the client."""


class ClosedError(LockkeeperError):
    """The client is closed, or was never connected."""


class ForkedError(ClosedError):
    """The client was made before a fork and is used in the child. Create one there."""


class OperationTimeout(LockkeeperError, TimeoutError):
    """The call's ``timeout`` passed, or the client's ``call_timeout``; see ``maybe_applied``.

    The session goes on. A call that was to wait has left nothing on the server.
    """


class QueueFull(LockkeeperError):
    """Too many calls wait for replies."""


class ProtocolError(LockkeeperError):
    """The server sent what cannot be understood."""


class InvalidArgument(LockkeeperError, ValueError):
    """An argument cannot be, whatever the server: a path, a time, a connect string."""


class Changed(LockkeeperError):
    """Somebody else was faster: it is no longer what was to be replaced. Read it again."""


class Conflict(LockkeeperError):
    """What is at the path does not go with what was asked for; the message says what to change."""


class LockError(LockkeeperError):
    """A lock was not taken, or is not held any more."""


class LockTimeout(LockError, TimeoutError):
    """The lock was not granted in time. Nothing of the attempt is left on the server."""


class LockLost(LockError):
    """A lock, a leadership or a place is not held any more, or cannot be relied on.

    What was done under it may have been done while somebody else held it.
    """

    reason: str
    """``"expired"``, ``"node_deleted"``, ``"closed"``, ``"released"``, or ``"unknown"`` while the
    link is down and the session may have ended."""

    def __init__(self, message: str = "", *, reason: str = "unknown", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.reason = reason


class ContenderGone(LockError):
    """Somebody deleted this contender's znode while it waited. Try again, or use ``requeue``."""


class UpgradeConflict(LockError):
    """Another writer waits already, so that two would wait for each other.

    Release the read lock and take the write lock from scratch: what was read may change between.
    """


class LayoutConflict(LockError):
    """The path holds a contender whose library does not wait for this layout's names."""


_BY_NAME = {
    name: value
    for name, value in list(globals().items())
    if isinstance(value, type) and issubclass(value, LockkeeperError)
}


def _make(
    name: str,
    message: str,
    code: Optional[int],
    op: Optional[str],
    path: Optional[str],
    maybe_applied: bool,
    reason: Optional[str],
) -> LockkeeperError:
    """Makes the exception of a native failure."""
    # Refusals are named by ZooKeeper; the rare ones have no class of their own.
    kind = _BY_NAME.get(name, OperationError)
    facts: dict[str, Any] = {
        "code": code,
        "op": op,
        "path": path,
        "maybe_applied": maybe_applied,
    }
    if reason is not None:
        facts["reason"] = reason
    return kind(message, **facts)
