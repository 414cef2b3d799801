"""What calls take and give besides bytes and paths."""

from __future__ import annotations

import enum
from typing import List, Literal, NamedTuple, Optional, Sequence, Tuple, Union


class CreateMode(str, enum.Enum):
    """The kind of znode that ``create`` makes."""

    PERSISTENT = "persistent"
    """Stays until it is deleted."""
    EPHEMERAL = "ephemeral"
    """Goes with the session; has no children."""
    PERSISTENT_SEQUENTIAL = "persistent_sequential"
    """Persistent, with a number of ten digits appended to its name."""
    EPHEMERAL_SEQUENTIAL = "ephemeral_sequential"
    """Ephemeral, with a number of ten digits appended to its name."""
    CONTAINER = "container"
    """Removed by the server some time after its last child."""
    PERSISTENT_TTL = "persistent_ttl"
    """Removed when it has no children and was not changed for its time to live."""
    PERSISTENT_SEQUENTIAL_TTL = "persistent_sequential_ttl"
    """The same with a number of ten digits appended to its name."""


Mode = Union[
    CreateMode,
    Literal[
        "persistent",
        "ephemeral",
        "persistent_sequential",
        "ephemeral_sequential",
        "container",
        "persistent_ttl",
        "persistent_sequential_ttl",
    ],
]
"""A kind of znode, or its name."""

Layout = Literal["curator", "kazoo", "go-zk"]
"""The library whose names a lock's znodes have; all users of a path need the same."""

ElectionLayout = Literal["latch", "selector", "kazoo"]
"""Whose names an election's znodes have: those of Curator's ``LeaderLatch`` or ``LeaderSelector``,
or kazoo's; all users of a path need the same."""

LossPolicy = Literal["deadline", "strict"]
"""What ends leadership: that somebody else could lead, or already that the link is down."""

GroupLayout = Literal["curator", "kazoo"]
"""The library whose names a group's znodes have; all users of a path need the same."""

SetLayout = Literal["versions", "ready"]
"""How the keys of a configuration lie; all users of a path need the same."""

Data = Union[bytes, bytearray, memoryview]
"""Data of a znode; copied at the call."""


class SessionState(str, enum.Enum):
    """Where a client's session stands."""

    CONNECTED = "connected"
    CONNECTED_READ_ONLY = "connected_read_only"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    AUTH_FAILED = "auth_failed"
    CLOSED = "closed"


class GuardState(str, enum.Enum):
    """What the holder of a lock may rely on."""

    HELD = "held"
    """Connected, and the znode is there."""
    SUSPENDED = "suspended"
    """The link is down, but nobody else can hold the lock before ``remaining()`` is used up."""
    POSSIBLY_LOST = "possibly_lost"
    """The session may have expired by now: stop. May turn back into ``HELD``."""
    LOST = "lost"
    """The lock is not held any more."""
    RELEASED = "released"
    """It was given back by its holder."""


class CandidateStatus(str, enum.Enum):
    """How a candidate fares, in a word."""

    WAITING = "waiting"
    """It stands in the queue."""
    LEADING = "leading"
    """It leads."""
    SUSPENDED = "suspended"
    """The link is down, but nobody else can lead yet."""
    POSSIBLY_LOST = "possibly_lost"
    """The session may have expired, and somebody else may lead: stop."""
    CLOSED = "closed"
    """It left the queue because it was closed. Final."""
    ENDED = "ended"
    """It stands no more: its session is over, or the server refused. Final."""


Fares = Tuple[str, Optional[int], Optional[str]]
"""The same in a word, with the fence of its term and why it ended."""


class CandidateState(NamedTuple):
    """How a candidate fares. Each term has its fence, by which terms are told apart."""

    status: CandidateStatus
    fence: Optional[int] = None
    """The fence of its term, if it has one."""
    reason: Optional[str] = None
    """Why it ended."""

    @property
    def is_final(self) -> bool:
        """Whether no other state will follow."""
        return self.status in (CandidateStatus.CLOSED, CandidateStatus.ENDED)

    @staticmethod
    def of(fares: Fares) -> CandidateState:
        """Out of what the native half tells."""
        word, fence, reason = fares
        return CandidateState(CandidateStatus(word), fence, reason)


READ = 1
WRITE = 2
CREATE = 4
DELETE = 8
ADMIN = 16
ALL = 31


class Acl(NamedTuple):
    """One entry of an access list: permissions, or'ed, for an id of a scheme."""

    perms: int
    scheme: str
    id: str


OPEN = [Acl(ALL, "world", "anyone")]
"""Everybody may do everything."""
READ_ONLY = [Acl(READ, "world", "anyone")]
"""Everybody may read."""
CREATOR_ALL = [Acl(ALL, "auth", "")]
"""Whoever is authenticated on the creating connection may do everything."""

Auth = Sequence[Tuple[str, Union[str, bytes]]]
"""Credentials: a scheme such as ``"digest"`` and what belongs to it, such as ``"user:password"``."""

_NUMBERS = {mode.value: number for number, mode in enumerate(CreateMode)}


def mode_number(mode: Mode) -> int:
    """The number of a kind on the wire."""
    number = _NUMBERS.get(mode)
    if number is None:
        raise ValueError("mode must be a CreateMode or its name, not %r" % (mode,))
    return number


def as_bytes(data: Data) -> bytes:
    """Bytes of whatever holds bytes. Text is refused: only the caller knows its encoding."""
    if type(data) is bytes:
        return data
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError("data must be bytes, not %s" % type(data).__name__)


def auth_pairs(auth: Optional[Auth]) -> List[Tuple[str, bytes]]:
    """Credentials as bytes; text is UTF-8."""
    if isinstance(auth, (str, bytes)):
        raise TypeError("auth must be a list of (scheme, credential)")
    return [
        (scheme, text.encode() if isinstance(text, str) else as_bytes(text))
        for scheme, text in auth or ()
    ]


def acl_entries(acl: Optional[Sequence[Acl]]) -> Optional[List[Acl]]:
    """An access list as the native half takes it."""
    return None if acl is None else list(acl)
