"""Configurations: what was published last and passed the check."""

from __future__ import annotations

from types import TracebackType
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Dict,
    Generic,
    Mapping,
    Optional,
    Type,
    TypeVar,
    overload,
)

from .. import _lockkeeper as native
from .._config import ConfigStatus, Look, Revision, Snapshot, settled
from .._values import Data, as_bytes
from ..errors import ClosedError, LockkeeperError
from .connection import Entering, Port, entering
from .lock import Guard

T = TypeVar("T")
Raw = TypeVar("Raw")
Self = TypeVar("Self", bound="Config[Any]")


class Config(Generic[T]):
    """A configuration that is being followed, until it is closed or forgotten.

        def limit(data: bytes) -> int:
            if not 1 <= int(data) <= 1000:
                raise ValueError("limit must be from 1 to 1000")
            return int(data)

        async with client.config("/app/limit", check=limit, seed=10) as config:
            use(config.good.value)
            async for snapshot in config.changes():
                print(snapshot.status, snapshot.good)

    From :meth:`Client.config` and :meth:`ConfigSet.follow`. Whoever uses it reads the last good
    value without a request. What the check refuses, by raising, changes nothing but the snapshot's
    status and reason.

    The first value is checked where this was opened, later ones in the event loop, or where there
    is none on a thread named ``lockkeeper-events``. Of several values in quick succession the last
    one counts.
    """

    def __init__(
        self,
        session: native.Session,
        port: Port,
        looks: native.Changes[Optional[Look[Raw]]],
        check: Callable[[Raw], T],
        known: Snapshot[T],
    ) -> None:
        latest = native.Latest(session, known)
        self._session = session
        self._port = port
        self._looks: native.Changes[Any] = looks
        self._latest = latest

        # Neither of them keeps this object.
        def step(look: Optional[Look[Raw]]) -> Any:
            if look is None:
                end(ClosedError("configuration is closed"))
                return None
            latest.set(settled(latest.get()[1], look, check, BaseException))
            return looks.next()

        def end(error: LockkeeperError) -> None:
            _, known = latest.get()
            if known.status is not ConfigStatus.ENDED:
                latest.set(Snapshot(known.good, ConfigStatus.ENDED, reason=str(error)))

        port.follow(looks.next(), step, end)

    @property
    def snapshot(self) -> Snapshot[T]:
        """What is known now."""
        return self._latest.get()[1]

    @property
    def good(self) -> Optional[Revision[T]]:
        """The last value that passed the check, or the seed; ``None`` before there was one."""
        return self.snapshot.good

    @property
    def is_stale(self) -> bool:
        """Whether changes may be on their way unseen, because the client has no link now."""
        return self._session.state != "connected"

    def changes(self) -> ConfigChanges[T]:
        """What is known and each change of it, the present first. Ends behind ``ENDED``."""
        return ConfigChanges(self, self._latest, self._port)

    def close(self) -> None:
        """Stops following; the last good value stays."""
        self._looks.close()

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<lockkeeper.Config %s>" % (self.snapshot,)

    def __del__(self) -> None:
        try:
            self._looks.close()
        except (AttributeError, ClosedError):
            # It was never opened, or belongs to another process.
            pass


class ConfigChanges(AsyncIterator[Snapshot[T]], Generic[T]):
    """The changes of a :class:`Config`, which they keep; the latest counts, others may be left out."""

    def __init__(
        self, config: Config[T], latest: native.Latest[Snapshot[T]], port: Port
    ) -> None:
        self._config = config
        self._latest = latest
        self._port = port
        self._seen = -1
        self._is_over = False

    async def next(self, timeout: Optional[float] = None) -> Snapshot[T]:
        """Waits for the next one, for at most ``timeout`` seconds; behind ``ENDED`` for ever.

        Raises :class:`OperationTimeout`, and :class:`ClosedError` when the client is closed.
        """
        count, snapshot = self._latest.get()
        if count == self._seen:
            await self._port.run(self._latest.after(self._seen, timeout))
            count, snapshot = self._latest.get()
        self._seen = count
        self._is_over = snapshot.status is ConfigStatus.ENDED
        return snapshot

    async def __anext__(self) -> Snapshot[T]:
        if self._is_over:
            raise StopAsyncIteration
        return await self.next()


async def opened(
    session: native.Session,
    port: Port,
    opening: native.Pending[native.Changes[Optional[Look[Raw]]]],
    check: Callable[[Raw], T],
    seed: Optional[T],
) -> Config[T]:
    """A configuration behind the first look at it."""
    looks = await port.run(opening)
    look = await port.run(looks.next())
    known = Snapshot(None if seed is None else Revision(seed, 0), ConfigStatus.ABSENT)
    if look is not None:
        known = settled(known, look, check)
    return Config(session, port, looks, check, known)


def checker(check: Optional[Callable[[Raw], Any]]) -> Callable[[Raw], Any]:
    """The check, or one that everything passes."""
    if check is None:
        return lambda value: value
    if not callable(check):
        raise TypeError("check must be callable, not %s" % type(check).__name__)
    return check


class ConfigSet:
    """A configuration of several keys that is published as a whole, from :meth:`Client.config_set`.

        keys = {"host": b"db1", "port": b"5432"}
        async with client.lock("/app/publisher") as guard:
            await client.config_set("/app/config").publish(keys, guard)

        async with client.config_set("/app/config").follow() as config:     # in any process
            connect(**config.good.value)

    Readers never act on half of one, whenever the publisher dies. A key is one element of a path;
    there may be 5,000 of them.
    """

    def __init__(self, config_set: native.ConfigSet, session: native.Session, port: Port) -> None:
        self._native = config_set
        self._session = session
        self._port = port

    async def publish(self, keys: Mapping[str, Data], guard: Optional[Guard] = None) -> int:
        """Publishes ``keys`` in place of all there were, and returns the zxid that orders it.

        With a guard every write fails unless the lock is held, so that a publisher that was deposed
        changes nothing; a lock that is released meanwhile goes behind this call.

        Raises :class:`LockLost` if the guard is lost, :class:`Changed` if somebody else has
        published meanwhile, :class:`Conflict` if a key is no name, there are too many, or the
        layout needs a guard: readers see nothing of it then.
        """
        data = {key: as_bytes(value) for key, value in dict(keys).items()}
        hold = None if guard is None else guard._native
        return await self._port.run(self._native.publish(data, hold))

    @overload
    def follow(
        self, *, seed: Optional[Dict[str, bytes]] = None
    ) -> Entering[Config[Dict[str, bytes]]]: ...
    @overload
    def follow(
        self, check: Callable[[Dict[str, bytes]], T], seed: Optional[T] = None
    ) -> Entering[Config[T]]: ...
    def follow(
        self, check: Optional[Callable[[Dict[str, bytes]], Any]] = None, seed: Any = None
    ) -> Entering[Config[Any]]:
        """Follows what is published; returns behind the first look. As :meth:`Client.config`."""
        opening = self._native.follow()
        return entering(opened(self._session, self._port, opening, checker(check), seed))
