"""The client: operations on znodes, and the recipes."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar, Union, overload

from .. import _lockkeeper as native
from .._lockkeeper import Stat
from .._values import (
    Acl,
    Data,
    ElectionLayout,
    GroupLayout,
    Layout,
    LossPolicy,
    Mode,
    SetLayout,
    acl_entries,
    as_bytes,
    mode_number,
)
from .barrier import Barrier, CountdownLatch, DoubleBarrier, Rendezvous
from .config import Config, ConfigSet, checker, opened
from .connection import Connection, Entering, entering
from .election import Election
from .group import Group
from .lock import Lock
from .rwlock import RwLock
from .semaphore import Semaphore
from .value import SharedCount, SharedValue

T = TypeVar("T")


class Client(Connection):
    """A session with an ensemble.

        async with Client("127.0.0.1:2181") as client:
            await client.create("/config", b"v1")
            data, stat = await client.get("/config")

    Requests go out in the order of the calls.

    A lost link is repaired in the background. Meanwhile calls wait, and those whose reply was lost
    raise :class:`ConnectionLoss`, whose ``maybe_applied`` says whether a write may have been
    carried out. Belongs to its process: see the package's words on forks.
    """

    def create(
        self,
        path: str,
        data: Data = b"",
        mode: Mode = "persistent",
        acl: Optional[Sequence[Acl]] = None,
        ttl: Optional[float] = None,
        makepath: bool = False,
    ) -> asyncio.Future[str]:
        """Creates a znode and returns its path, which for sequential modes has a number appended.

        ``ttl`` is seconds and belongs to the TTL modes. ``makepath`` creates missing ancestors.
        Raises :class:`NodeExists`, :class:`NoNode` (no parent), :class:`NoAuth`,
        :class:`NoChildrenForEphemerals`, :class:`InvalidACL`.
        """
        session = self._open_session()
        return self._submit(
            session.create(path, as_bytes(data), mode_number(mode), acl_entries(acl), ttl, makepath)
        )

    def get(self, path: str) -> asyncio.Future[Tuple[bytes, Stat]]:
        """A znode's data and metadata. Raises :class:`NoNode`, :class:`NoAuth`."""
        return self._submit(self._open_session().get(path))

    def set(self, path: str, data: Data, version: Optional[int] = None) -> asyncio.Future[Stat]:
        """Sets a znode's data; ``version`` is the one it must have.

        Raises :class:`NoNode`, :class:`BadVersion`, :class:`NoAuth`.
        """
        return self._submit(self._open_session().set(path, as_bytes(data), version))

    def delete(self, path: str, version: Optional[int] = None) -> asyncio.Future[None]:
        """Deletes a znode without children; ``version`` is the one it must have.

        Raises :class:`NoNode`, :class:`BadVersion`, :class:`NotEmpty`, :class:`NoAuth`.
        """
        return self._submit(self._open_session().delete(path, version))

    def exists(self, path: str) -> asyncio.Future[Optional[Stat]]:
        """A znode's metadata, or ``None`` if there is none at the path."""
        return self._submit(self._open_session().exists(path))

    def children(self, path: str) -> asyncio.Future[List[str]]:
        """Names of a znode's children, in no order. Raises :class:`NoNode`, :class:`NoAuth`."""
        return self._submit(self._open_session().children(path))

    def sync(self, path: str = "/") -> asyncio.Future[None]:
        """Brings the server up to what the leader had committed: a later read sees it."""
        return self._submit(self._open_session().sync(path))

    def add_auth(self, scheme: str, credential: Data) -> asyncio.Future[None]:
        """Shows a credential to this server and all that follow. A refusal ends the client."""
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
        strict: bool = False,
    ) -> Lock:
        """A lock on a path, for ``async with``; sends nothing.

        ``timeout`` is how many seconds acquiring may take, ``None`` for as long as it takes.
        ``layout`` is the library whose locks share the path, the same for all its users.
        ``label`` is what :meth:`Lock.holders` calls this contender. ``acl`` is for its znode.
        ``requeue`` queues again at the tail when somebody deletes the waiting znode, instead of
        raising :class:`ContenderGone`; ``refuse_blind_names`` raises :class:`LayoutConflict` when
        the queue holds a contender that does not wait for this layout's names.

        ``strict`` counts only what a quorum has vouched for, in grants, fences and guards, at the
        cost of a write for each grant; all users of a path need the same.
        """
        contest = native.Contest(
            self._open_session(),
            path,
            layout,
            label,
            acl_entries(acl),
            requeue,
            refuse_blind_names,
            strict,
        )
        return Lock(contest, path, timeout, self._running())

    def rwlock(
        self,
        path: str,
        layout: Layout = "curator",
        label: str = "",
        acl: Optional[Sequence[Acl]] = None,
        requeue: bool = False,
        refuse_blind_names: bool = False,
    ) -> RwLock:
        """A lock for one writer or many readers; sends nothing. Arguments as :meth:`lock`."""
        entries = acl_entries(acl)
        lock = native.RwLock(
            self._open_session(), path, layout, label, entries, requeue, refuse_blind_names
        )
        return RwLock(lock, self._running())

    def semaphore(
        self,
        path: str,
        limit: Union[int, SharedCount],
        timeout: Optional[float] = None,
        label: str = "",
        acl: Optional[Sequence[Acl]] = None,
        requeue: bool = False,
        recorded: bool = True,
    ) -> Semaphore:
        """So many leases at once, for ``async with``; sends nothing.

        ``limit`` is a number, which the path records so that whoever was given another one is
        refused with :class:`Conflict`, unless ``recorded`` is false, as in Curator. Or it is what a
        shared count says now. The other arguments are as those of :meth:`lock`.
        """
        number = limit._native if isinstance(limit, SharedCount) else (limit, recorded)
        entries = acl_entries(acl)
        leases = native.Semaphore(self._open_session(), path, number, label, entries, requeue)
        return Semaphore(leases, path, timeout, self._running())

    def election(
        self,
        path: str,
        id: Optional[str] = None,
        layout: ElectionLayout = "latch",
        policy: LossPolicy = "deadline",
        publish: bool = False,
        acl: Optional[Sequence[Acl]] = None,
        refuse_blind_names: bool = False,
    ) -> Election:
        """An election on a path; sends nothing.

        ``id`` is what this participant calls itself, by default ``host:pid``. With ``publish``
        each leader makes itself known to :meth:`Election.observe`, at the cost of a write per term.
        ``policy`` says what ends leadership while the link is down: ``"deadline"`` that somebody
        else could lead, ``"strict"`` that it is down. The other arguments are as those of
        :meth:`lock`.
        """
        election = native.Election(
            self._open_session(),
            path,
            id,
            layout,
            policy,
            publish,
            acl_entries(acl),
            refuse_blind_names,
        )
        return Election(election, self._running())

    def barrier(self, path: str) -> Barrier:
        """A gate that holds everybody until it is opened; sends nothing."""
        return Barrier(native.Barrier(self._open_session(), path), self._running())

    def double_barrier(self, path: str, parties: int) -> DoubleBarrier:
        """A place where so many parties wait for each other; sends nothing.

        ``parties`` is 1 to 5,000, the same for all.
        """
        barrier = native.DoubleBarrier(self._open_session(), path, parties)
        return DoubleBarrier(barrier, self._running())

    def countdown_latch(self, path: str, count: int) -> CountdownLatch:
        """A latch that opens for good after so many arrivals; sends nothing.

        ``count`` is 1 to 5,000, the same for all.
        """
        latch = native.CountdownLatch(self._open_session(), path, count)
        return CountdownLatch(latch, self._running())

    def config_set(self, path: str, layout: SetLayout = "versions") -> ConfigSet:
        """A configuration of several keys, to publish and to follow; sends nothing.

        With ``"versions"`` each version is a directory of its own and one write points to it; with
        ``"ready"`` the keys are changed in place under the mark of the ZooKeeper paper, for which a
        publisher needs a guard.
        """
        session = self._open_session()
        return ConfigSet(native.ConfigSet(session, path, layout), session, self._running())

    @overload
    def config(self, path: str, *, seed: Optional[bytes] = None) -> Entering[Config[bytes]]: ...
    @overload
    def config(
        self, path: str, check: Callable[[bytes], T], seed: Optional[T] = None
    ) -> Entering[Config[T]]: ...
    def config(
        self, path: str, check: Optional[Callable[[bytes], Any]] = None, seed: Any = None
    ) -> Entering[Config[Any]]:
        """Follows the data of a znode; returns behind the first look, however that went.

        ``check`` makes a value of what is published, or refuses it by raising; the text of what it
        raises is the snapshot's ``reason``. ``seed`` is good before anything is published.
        """
        session = self._open_session()
        opening = native.follow_value(session, path)
        return entering(opened(session, self._running(), opening, checker(check), seed))

    def group(self, path: str, layout: GroupLayout = "curator") -> Group:
        """A group at a path, to be joined and to be watched; sends nothing.

        ``layout`` is the library whose members share the path, Curator's ``GroupMember`` or kazoo's
        ``Party``, which has no room for data.
        """
        return Group(native.Group(self._open_session(), path, layout), self._running())

    def rendezvous(self, path: str) -> Rendezvous:
        """A path that is known before what will stand there; sends nothing."""
        return Rendezvous(native.Rendezvous(self._open_session(), path), self._running())

    def shared_value(self, path: str) -> SharedValue:
        """Bytes that several processes share; sends nothing."""
        return SharedValue(native.SharedValue(self._open_session(), path), self._running())

    def shared_count(self, path: str) -> SharedCount:
        """A number that several processes share; sends nothing."""
        return SharedCount(native.SharedCount(self._open_session(), path), self._running())
