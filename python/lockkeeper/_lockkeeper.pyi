"""The native half; see the Python classes around it for what the methods mean."""

import asyncio
from datetime import datetime
from types import GenericAlias
from typing import Any, Dict, Generic, List, Optional, Sequence, Tuple, TypeVar, Union, final

from ._config import Look
from ._values import Fares

_T = TypeVar("_T")

@final
class Stat:
    """A znode's metadata at one moment."""

    @property
    def czxid(self) -> int:
        """Transaction that created the znode."""
    @property
    def mzxid(self) -> int:
        """Transaction that last set its data."""
    @property
    def ctime(self) -> int:
        """Leader's clock at creation, ms since 1970."""
    @property
    def mtime(self) -> int:
        """Leader's clock when the data was last set, ms since 1970."""
    @property
    def version(self) -> int:
        """Times the data was set."""
    @property
    def cversion(self) -> int:
        """Children created and deleted, each counted once."""
    @property
    def aversion(self) -> int:
        """Times the ACL was set."""
    @property
    def ephemeral_owner(self) -> int:
        """The session an ephemeral belongs to; 0 for every other kind."""
    @property
    def data_length(self) -> int:
        """Bytes of data."""
    @property
    def num_children(self) -> int:
        """Children now."""
    @property
    def pzxid(self) -> int:
        """Transaction that last created or deleted a child, or the znode itself."""
    @property
    def created(self) -> datetime:
        """When the znode was created, in UTC."""
    @property
    def modified(self) -> datetime:
        """When its data was last set, in UTC."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class Holder:
    """Who holds a lock, as others see it."""

    @property
    def path(self) -> str:
        """Path of its znode."""
    @property
    def fence(self) -> Optional[int]:
        """Its fence; ``None`` if it cannot be told."""
    @property
    def session_id(self) -> int:
        """The session that holds."""
    @property
    def queued_ms(self) -> int:
        """When it queued, ms since 1970 on the leader's clock."""
    @property
    def host(self) -> Optional[str]:
        """Its machine; ``None`` if another library wrote the data."""
    @property
    def pid(self) -> Optional[int]:
        """Its process; ``None`` if another library wrote the data."""
    @property
    def label(self) -> Optional[str]:
        """What it calls itself; ``None`` if another library wrote the data."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class Pending(Generic[_T]):
    def wait(self) -> _T: ...

@final
class Queue:
    def __new__(cls) -> Queue: ...
    def fileno(self) -> int: ...
    def start(self, pending: Pending[_T], future: asyncio.Future[_T]) -> int: ...
    def cancel(self, ticket: int) -> None: ...
    def drain(self) -> None: ...
    def clear(self) -> None: ...

@final
class Session:
    @staticmethod
    def open(
        hosts: str,
        timeout: float,
        connect_timeout: Optional[float],
        call_timeout: Optional[float],
        read_only: bool,
        auth: Sequence[Tuple[str, bytes]],
        default_acl: Optional[Sequence[Tuple[int, str, str]]],
        resume: Optional[Tuple[int, bytes]],
    ) -> Pending[Session]: ...
    def create(
        self,
        path: str,
        bytes: bytes,
        mode: int,
        acl: Optional[Sequence[Tuple[int, str, str]]],
        ttl: Optional[float],
        makepath: bool,
    ) -> Pending[str]: ...
    def delete(self, path: str, version: Optional[int]) -> Pending[None]: ...
    def exists(self, path: str) -> Pending[Optional[Stat]]: ...
    def get(self, path: str) -> Pending[Tuple[bytes, Stat]]: ...
    def set(self, path: str, bytes: bytes, version: Optional[int]) -> Pending[Stat]: ...
    def children(self, path: str) -> Pending[List[str]]: ...
    def sync(self, path: str) -> Pending[None]: ...
    def add_auth(self, scheme: str, credential: bytes) -> Pending[None]: ...
    def close(self) -> Pending[None]: ...
    @property
    def session_id(self) -> int: ...
    @property
    def credentials(self) -> Tuple[int, bytes]: ...
    @property
    def timeout(self) -> float: ...
    @property
    def state(self) -> str: ...

@final
class Contest:
    def __new__(
        cls,
        session: Session,
        path: str,
        names: str,
        label: str,
        entries: Optional[Sequence[Tuple[int, str, str]]],
        requeue: bool,
        refuse_blind_names: bool,
        strict: bool,
    ) -> Contest: ...
    def acquire(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def try_acquire(self) -> Pending[Optional[Hold]]: ...
    def holders(self) -> Pending[List[Holder]]: ...
    def queue_position(self) -> Pending[int]: ...

@final
class Hold:
    @property
    def fence(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> Optional[str]: ...
    @property
    def revoked(self) -> bool: ...
    @property
    def stands(self) -> bool: ...
    def remaining(self) -> float: ...
    def release(self) -> Pending[None]: ...
    def confirm(self) -> Pending[None]: ...
    def lost(self) -> Pending[Optional[str]]: ...
    def upgrade(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def downgrade(self) -> Pending[Hold]: ...

@final
class RwLock:
    def __new__(
        cls,
        session: Session,
        path: str,
        names: str,
        label: str,
        entries: Optional[Sequence[Tuple[int, str, str]]],
        requeue: bool,
        refuse_blind_names: bool,
    ) -> RwLock: ...
    def read(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def try_read(self) -> Pending[Optional[Hold]]: ...
    def write(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def try_write(self) -> Pending[Optional[Hold]]: ...
    def queue_position(self) -> Pending[int]: ...

@final
class Semaphore:
    def __new__(
        cls,
        session: Session,
        path: str,
        limit: Union[SharedCount, Tuple[int, bool]],
        label: str,
        entries: Optional[Sequence[Tuple[int, str, str]]],
        requeue: bool,
    ) -> Semaphore: ...
    def acquire(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def acquire_many(self, leases: int, timeout: Optional[float]) -> Pending[List[Hold]]: ...
    def try_acquire(self) -> Pending[Optional[Hold]]: ...
    def held(self) -> Pending[int]: ...
    def queue_position(self) -> Pending[int]: ...

@final
class Election:
    def __new__(
        cls,
        session: Session,
        path: str,
        id: Optional[str],
        layout: str,
        policy: str,
        publish: bool,
        entries: Optional[Sequence[Tuple[int, str, str]]],
        refuse_blind_names: bool,
    ) -> Election: ...
    def lead(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def try_lead(self) -> Pending[Optional[Hold]]: ...
    def join(self) -> Candidate: ...
    def candidates(self) -> Pending[List[Participant]]: ...
    def observe(self) -> Changes[KnownLeader]: ...

@final
class Candidate:
    @property
    def state(self) -> Fares: ...
    def states(self) -> Changes[Optional[Fares]]: ...
    def lead(self, timeout: Optional[float]) -> Pending[Hold]: ...
    def resign(self) -> Pending[None]: ...
    def close(self) -> Pending[None]: ...

@final
class Participant:
    """A candidate as others see it."""

    @property
    def id(self) -> str:
        """What it calls itself."""
    @property
    def position(self) -> int:
        """How many are ahead of it; 0 for the leader."""
    @property
    def fence(self) -> int:
        """Its fence, if it leads."""
    @property
    def session_id(self) -> int:
        """Its session."""
    @property
    def queued_ms(self) -> int:
        """When it joined, ms since 1970 on the leader's clock."""
    @property
    def path(self) -> str:
        """Path of its znode."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class KnownLeader:
    """A leader as an observer knows it."""

    @property
    def id(self) -> str:
        """What it calls itself."""
    @property
    def fence(self) -> int:
        """The fence of its term; every later leader's is larger."""
    @property
    def path(self) -> str:
        """Path of its znode."""
    @property
    def is_confirmed(self) -> bool:
        """Whether that znode was there when the record was read; if not, the term is over."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class Barrier:
    def __new__(cls, session: Session, path: str) -> Barrier: ...
    def close(self) -> Pending[bool]: ...
    def open(self) -> Pending[bool]: ...
    def is_closed(self) -> Pending[bool]: ...
    def wait(self, timeout: Optional[float]) -> Pending[None]: ...

@final
class DoubleBarrier:
    def __new__(cls, session: Session, path: str, parties: int) -> DoubleBarrier: ...
    def round(self, number: int) -> DoubleBarrier: ...
    def enter(self, timeout: Optional[float]) -> Pending[Party]: ...

@final
class Party:
    @property
    def members(self) -> Optional[List[str]]: ...
    @property
    def path(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> Optional[str]: ...
    def release(self, timeout: Optional[float] = None) -> Pending[None]: ...
    def lost(self) -> Pending[Optional[str]]: ...

@final
class CountdownLatch:
    def __new__(cls, session: Session, path: str, arrivals: int) -> CountdownLatch: ...
    def count_down(self, id: Optional[str]) -> Pending[int]: ...
    def remaining(self) -> Pending[int]: ...
    def reset(self) -> Pending[None]: ...
    def wait(self, timeout: Optional[float]) -> Pending[None]: ...

@final
class Rendezvous:
    def __new__(cls, session: Session, path: str) -> Rendezvous: ...
    def fill(self, bytes: bytes) -> Pending[None]: ...
    def occupy(self, bytes: bytes, timeout: Optional[float]) -> Pending[Hold]: ...
    def filled(self, timeout: Optional[float]) -> Pending[Filled]: ...
    def vacated(self, met: Filled, timeout: Optional[float]) -> Pending[None]: ...

@final
class Filled:
    """What stands at a meeting point."""

    @property
    def data(self) -> bytes:
        """The data; not empty."""
    @property
    def stat(self) -> Stat:
        """The znode's metadata: ``version`` counts refills, ``mzxid`` orders them."""
    def __eq__(self, other: object, /) -> bool: ...

@final
class Changes(Generic[_T]):
    def next(self, timeout: Optional[float] = None) -> Pending[_T]: ...
    def close(self) -> None: ...

@final
class Latest(Generic[_T]):
    def __new__(cls, session: Session, object: _T) -> Latest[_T]: ...
    def get(self) -> Tuple[int, _T]: ...
    def set(self, object: _T) -> None: ...
    def after(self, seen: int, timeout: Optional[float]) -> Pending[bool]: ...

@final
class SharedValue:
    def __new__(cls, session: Session, path: str) -> SharedValue: ...
    def get(self) -> Pending[Optional[Versioned[bytes]]]: ...
    def set(self, bytes: bytes) -> Pending[Versioned[bytes]]: ...
    def try_set(
        self, previous: Optional[Versioned[bytes]], bytes: bytes
    ) -> Pending[Versioned[bytes]]: ...
    def changes(self) -> Changes[Optional[Versioned[bytes]]]: ...

@final
class SharedCount:
    def __new__(cls, session: Session, path: str) -> SharedCount: ...
    def get(self) -> Pending[Optional[Versioned[int]]]: ...
    def set(self, number: int) -> Pending[Versioned[int]]: ...
    def try_set(
        self, previous: Optional[Versioned[int]], number: int
    ) -> Pending[Versioned[int]]: ...
    def changes(self) -> Changes[Optional[Versioned[int]]]: ...

@final
class Versioned(Generic[_T]):
    """A state of a shared value or of a shared count."""

    @property
    def value(self) -> _T:
        """The value."""
    @property
    def revision(self) -> int:
        """The zxid of the write that made it: larger means later."""
    @property
    def version(self) -> int:
        """The znode's data version, which ``try_set`` compares."""
    @classmethod
    def __class_getitem__(cls, of: Any, /) -> GenericAlias: ...
    def __eq__(self, other: object, /) -> bool: ...

def follow_value(session: Session, path: str) -> Pending[Changes[Optional[Look[bytes]]]]: ...

@final
class ConfigSet:
    def __new__(cls, session: Session, path: str, layout: str) -> ConfigSet: ...
    def publish(self, keys: Dict[str, bytes], hold: Optional[Hold]) -> Pending[int]: ...
    def follow(self) -> Pending[Changes[Optional[Look[Dict[str, bytes]]]]]: ...

@final
class Group:
    def __new__(cls, session: Session, path: str, layout: str) -> Group: ...
    def join(self, id: str, bytes: bytes, timeout: Optional[float]) -> Pending[Membership]: ...
    def members(self) -> Pending[List[Member]]: ...
    def view(self) -> Changes[Union[Joined, Left]]: ...

@final
class Membership:
    @property
    def path(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> Optional[str]: ...
    def update(self, bytes: bytes) -> Pending[None]: ...
    def release(self) -> Pending[None]: ...
    def lost(self) -> Pending[Optional[str]]: ...

@final
class Member:
    """A member as others see it."""

    @property
    def id(self) -> str:
        """What it calls itself."""
    @property
    def data(self) -> bytes:
        """What it says about itself."""
    @property
    def path(self) -> str:
        """Path of its znode."""
    @property
    def session_id(self) -> int:
        """The session that is a member."""
    @property
    def joined(self) -> int:
        """When it joined: the zxid of its znode's creation."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class Joined:
    """A member is there."""

    @property
    def member(self) -> Member:
        """Who it is."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class Left:
    """A member has left, or its session has ended."""

    @property
    def member(self) -> Member:
        """Who it is."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

def after_fork_in_child() -> None: ...
def stop() -> None: ...
