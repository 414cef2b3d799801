"""The blocking client."""

from __future__ import annotations

from types import TracebackType
from typing import List, Optional, Sequence, Tuple, Type, TypeVar

from ._base import BaseClient
from ._lock import Lock
from ._lockkeeper import Stat
from ._values import Acl, Auth, Data, Layout, Mode, acl_entries, as_bytes, mode_number
from .errors import LockkeeperError

Self = TypeVar("Self", bound="Client")


class Client(BaseClient):
    """A session with an ensemble, for any number of threads.

        with Client("127.0.0.1:2181") as client:
            client.create("/config", b"v1")
            data, stat = client.get("/config")

    Every call blocks until its reply, without holding the interpreter. Ctrl-C ends it within a
    tenth of a second; a write that was interrupted may have been carried out. Requests of all
    threads go out in the order of the calls.

    A lost link is repaired in the background. Meanwhile calls wait, and those whose reply was lost
    raise :class:`ConnectionLoss`, whose ``maybe_applied`` says whether a write may have been
    carried out. Belongs to its process: see the package's words on forks.
    """

    def connect(self: Self) -> Self:
        """Connects and returns the client. Does nothing if it is connected.

        Raises :class:`Unreachable`, :class:`AuthFailed`, :class:`SessionExpired` or, for settings
        that cannot be, :class:`InvalidArgument`.
        """
        if self._session is None:
            self._session = self._opening().wait()
        return self

    def close(self) -> None:
        """Ends the session: its ephemerals and locks go. Calls made before are carried out."""
        if self._session is not None:
            self._session.close().wait()

    def __enter__(self: Self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            self.close()
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
    ) -> str:
        """Creates a znode and returns its path, which for sequential modes has a number appended.

        ``ttl`` is seconds and belongs to the TTL modes. ``makepath`` creates missing ancestors.
        Raises :class:`NodeExists`, :class:`NoNode` (no parent), :class:`NoAuth`,
        :class:`NoChildrenForEphemerals`, :class:`InvalidACL`.
        """
        session = self._open_session()
        return session.create(
            path, as_bytes(data), mode_number(mode), acl_entries(acl), ttl, makepath
        ).wait()

    def get(self, path: str) -> Tuple[bytes, Stat]:
        """A znode's data and metadata. Raises :class:`NoNode`, :class:`NoAuth`."""
        return self._open_session().get(path).wait()

    def set(self, path: str, data: Data, version: Optional[int] = None) -> Stat:
        """Sets a znode's data; ``version`` is the one it must have.

        Raises :class:`NoNode`, :class:`BadVersion`, :class:`NoAuth`.
        """
        return self._open_session().set(path, as_bytes(data), version).wait()

    def delete(self, path: str, version: Optional[int] = None) -> None:
        """Deletes a znode without children; ``version`` is the one it must have.

        Raises :class:`NoNode`, :class:`BadVersion`, :class:`NotEmpty`, :class:`NoAuth`.
        """
        self._open_session().delete(path, version).wait()

    def exists(self, path: str) -> Optional[Stat]:
        """A znode's metadata, or ``None`` if there is none at the path."""
        return self._open_session().exists(path).wait()

    def children(self, path: str) -> List[str]:
        """Names of a znode's children, in no order. Raises :class:`NoNode`, :class:`NoAuth`."""
        return self._open_session().children(path).wait()

    def sync(self, path: str = "/") -> None:
        """Brings the server up to what the leader had committed: a later read sees it."""
        self._open_session().sync(path).wait()

    def add_auth(self, scheme: str, credential: Data) -> None:
        """Shows a credential to this server and all that follow. A refusal ends the client."""
        self._open_session().add_auth(scheme, as_bytes(credential)).wait()

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
        """A lock on a path, for ``with``; sends nothing.

        ``timeout`` is how many seconds acquiring may take, ``None`` for as long as it takes.
        ``layout`` is the library whose locks share the path, the same for all its users.
        ``label`` is what :meth:`Lock.holders` calls this contender. ``acl`` is for its znode.
        ``requeue`` queues again at the tail when somebody deletes the waiting znode, instead of
        raising :class:`ContenderGone`; ``refuse_blind_names`` raises :class:`LayoutConflict` when
        the queue holds a contender that does not wait for this layout's names.
        """
        contest = self._contest(path, layout, label, acl, requeue, refuse_blind_names)
        return Lock(contest, path, timeout)


def connect(
    hosts: str,
    timeout: float = 10.0,
    auth: Optional[Auth] = None,
    *,
    connect_timeout: Optional[float] = 30.0,
    call_timeout: Optional[float] = None,
    read_only: bool = False,
    default_acl: Optional[Sequence[Acl]] = None,
    resume: Optional[Tuple[int, bytes]] = None,
) -> Client:
    """A connected :class:`Client` with these settings."""
    return Client(
        hosts,
        timeout,
        auth,
        connect_timeout=connect_timeout,
        call_timeout=call_timeout,
        read_only=read_only,
        default_acl=default_acl,
        resume=resume,
    ).connect()
