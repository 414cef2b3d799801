"""What is known of a configuration, whichever way its user waits."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Callable, Generic, Optional, Tuple, Type, TypeVar

T = TypeVar("T")
Raw = TypeVar("Raw")

Look = Tuple[str, int, Optional[Raw], Optional[str]]
"""What one look found: a word, its revision, the value if it is whole, what is wrong if not."""


class ConfigStatus(str, enum.Enum):
    """How the latest look at a configuration went."""

    ABSENT = "absent"
    """Nothing is published."""
    ENDED = "ended"
    """The session is over, or the configuration was closed: no change will follow."""
    GOOD = "good"
    """What is published is the last good value."""
    REJECTED = "rejected"
    """What is published failed the check, or is not whole."""
    UNREADABLE = "unreadable"
    """The server does not show it, for want of a permission, say. It is asked again."""


@dataclass(frozen=True)
class Revision(Generic[T]):
    """A value that passed the check."""

    value: T
    revision: int
    """The zxid of the write that published it: larger means later. 0 for the seed."""


@dataclass(frozen=True)
class Snapshot(Generic[T]):
    """What is known of a configuration."""

    good: Optional[Revision[T]]
    """The last value that passed the check, or the seed; ``None`` before there was one."""
    status: ConfigStatus
    """How the latest look went. Unless it is ``GOOD``, the last good value stands."""
    revision: int = 0
    """The zxid of what was looked at; 0 if that is nothing."""
    reason: Optional[str] = None
    """What is wrong with it."""


def settled(
    known: Snapshot[T],
    look: Look[Raw],
    check: Callable[[Raw], T],
    refusals: Type[BaseException] = Exception,
) -> Snapshot[T]:
    """What is known behind another look; a check refuses a value by raising one of these."""
    word, revision, value, reason = look
    status, good = ConfigStatus(word), known.good
    if value is not None:
        try:
            good = Revision(check(value), revision)
        except refusals as error:
            status, reason = ConfigStatus.REJECTED, str(error) or type(error).__name__
    return Snapshot(good, status, revision, reason)
