"""A client of ZooKeeper ensembles: fenced locks, barriers, and what else needs an agreement.

    import lockkeeper

    with lockkeeper.connect("zk1:2181,zk2:2181") as client:
        with client.lock("/jobs/nightly", timeout=10) as guard:
            run_job(fence=guard.fence)

Calls block, release the interpreter while they do, and end with ``KeyboardInterrupt`` within a
tenth of a second of Ctrl-C; a write that was interrupted may have been carried out. A client is for
any number of threads. The same for asyncio is :mod:`lockkeeper.aio`; what can go wrong is
:mod:`lockkeeper.errors`.

A client belongs to the process that made it. After a fork (``multiprocessing``, gunicorn with
preload, Celery) the child creates its own; the parent's client, used there, raises
:class:`ForkedError` and does no harm.
"""

from . import _process as _process
from ._config import ConfigStatus, Revision, Snapshot
from ._lockkeeper import (
    Filled,
    Holder,
    Joined,
    KnownLeader,
    Left,
    Member,
    Participant,
    Stat,
    Versioned,
)
from ._sync.barrier import Barrier, CountdownLatch, DoubleBarrier, Party, Rendezvous
from ._sync.changes import Changes
from ._sync.client import Client
from ._sync.config import Config, ConfigChanges, ConfigSet
from ._sync.connect import connect
from ._sync.election import Candidate, CandidateStates, Election, Leader
from ._sync.group import Group, Membership
from ._sync.lock import Guard, Lock
from ._sync.rwlock import ReadGuard, RwLock, WriteGuard
from ._sync.semaphore import Semaphore
from ._sync.value import SharedCount, SharedValue
from ._values import (
    ADMIN,
    ALL,
    CREATE,
    CREATOR_ALL,
    DELETE,
    OPEN,
    READ,
    READ_ONLY,
    WRITE,
    Acl,
    CandidateState,
    CandidateStatus,
    CreateMode,
    GuardState,
    SessionState,
)
from .errors import (
    AuthFailed,
    BadArguments,
    BadVersion,
    Changed,
    ClosedError,
    Conflict,
    ConnectionLoss,
    ContenderGone,
    ForkedError,
    InvalidACL,
    InvalidArgument,
    LayoutConflict,
    LockError,
    LockkeeperError,
    LockLost,
    LockTimeout,
    NoAuth,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotEmpty,
    NotReadOnly,
    OperationError,
    OperationTimeout,
    ProtocolError,
    QueueFull,
    QuotaExceeded,
    SessionExpired,
    Unimplemented,
    Unreachable,
    UpgradeConflict,
)

__all__ = [
    "ADMIN",
    "ALL",
    "CREATE",
    "CREATOR_ALL",
    "DELETE",
    "OPEN",
    "READ",
    "READ_ONLY",
    "WRITE",
    "Acl",
    "AuthFailed",
    "BadArguments",
    "BadVersion",
    "Barrier",
    "Candidate",
    "CandidateState",
    "CandidateStates",
    "CandidateStatus",
    "Changed",
    "Changes",
    "Client",
    "ClosedError",
    "Config",
    "ConfigChanges",
    "ConfigSet",
    "ConfigStatus",
    "Conflict",
    "ConnectionLoss",
    "ContenderGone",
    "CountdownLatch",
    "CreateMode",
    "DoubleBarrier",
    "Election",
    "Filled",
    "ForkedError",
    "Group",
    "Guard",
    "GuardState",
    "Holder",
    "InvalidACL",
    "InvalidArgument",
    "Joined",
    "KnownLeader",
    "LayoutConflict",
    "Leader",
    "Left",
    "Lock",
    "LockError",
    "LockLost",
    "LockTimeout",
    "LockkeeperError",
    "Member",
    "Membership",
    "NoAuth",
    "NoChildrenForEphemerals",
    "NoNode",
    "NodeExists",
    "NotEmpty",
    "NotReadOnly",
    "OperationError",
    "OperationTimeout",
    "Participant",
    "Party",
    "ProtocolError",
    "QueueFull",
    "QuotaExceeded",
    "ReadGuard",
    "Rendezvous",
    "Revision",
    "RwLock",
    "Semaphore",
    "SessionExpired",
    "SessionState",
    "SharedCount",
    "SharedValue",
    "Snapshot",
    "Stat",
    "Unimplemented",
    "Unreachable",
    "UpgradeConflict",
    "Versioned",
    "WriteGuard",
    "connect",
]
