"""Configurations, both ways: checked values, sets that are published as a whole."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List

import pytest

import lockkeeper
from lockkeeper import Client, ConfigStatus, Revision, Snapshot, aio

from support import PATIENCE_S, kill_session, left, wait_until
from test_aio import run, until

ABSENT, ENDED = ConfigStatus.ABSENT, ConfigStatus.ENDED
GOOD, REJECTED = ConfigStatus.GOOD, ConfigStatus.REJECTED


def limit(data: bytes) -> int:
    """Numbers from 1 to 100."""
    number = int(data)
    if not 1 <= number <= 100:
        raise ValueError("limit must be from 1 to 100, not %d" % number)
    return number


def threads_of_events() -> int:
    """How many threads wait for events."""
    return sum(thread.name == "lockkeeper-events" for thread in threading.enumerate())


def test_the_last_good_value_stands(client: Client, other: Client, path: str) -> None:
    place = path + "/limit"
    with client.config(place, check=limit, seed=7) as config:
        assert config.snapshot == Snapshot(Revision(7, 0), ABSENT)
        assert not config.is_stale
        changes = config.changes()
        assert changes.next() == config.snapshot
        other.create(place, b"12")
        good = changes.next(timeout=PATIENCE_S)
        assert good.status is GOOD and good.good is not None
        assert good.good.value == 12 and config.good == good.good
        for bad, reason in ((b"500", "limit must be from 1 to 100, not 500"), (b"x", "invalid")):
            stat = other.set(place, bad)
            snapshot = changes.next(timeout=PATIENCE_S)
            assert snapshot.status is REJECTED and snapshot.good == good.good
            assert snapshot.reason is not None and snapshot.reason.startswith(reason)
            assert snapshot.revision == stat.mzxid
        other.delete(place)
        assert changes.next(timeout=PATIENCE_S) == Snapshot(good.good, ABSENT)
        with pytest.raises(lockkeeper.OperationTimeout):
            changes.next(timeout=0.05)
    assert next(changes).status is ENDED and list(changes) == []
    assert config.good == good.good


def test_without_a_check_everything_is_good(client: Client, path: str) -> None:
    with client.config(path) as config:
        assert config.good == Revision(b"", config.snapshot.revision)
        anything: Any = client
        with pytest.raises(TypeError, match="callable"):
            anything.config(path, check=5)


def test_a_check_may_do_what_it_likes(client: Client, other: Client, path: str) -> None:
    """Call the client, take its time, raise what ends threads: others are not kept from working."""
    raised: List[BaseException] = [SystemExit("wild"), KeyboardInterrupt(), RecursionError()]

    def check(data: bytes) -> bytes:
        assert client.exists(path) is not None
        if data == b"slow":
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline:
                client.get(path)
        if data == b"wild":
            raise raised.pop()
        return data

    with client.config(path, check=check) as config:
        changes = config.changes()
        next(changes)
        for word in (b"slow", b"wild", b"fine", b"wild", b"slow", b"wild", b"last"):
            other.set(path, word)
            snapshot = changes.next(timeout=PATIENCE_S)
            assert snapshot.status is (REJECTED if word == b"wild" else GOOD)
        assert config.good is not None and config.good.value == b"last" and not raised


def test_the_first_value_is_checked_by_whoever_opens(client: Client, path: str) -> None:
    def check(data: bytes) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.config(path, check=check)
    assert client.get(path)


def test_a_configuration_ends_with_its_session(hosts: str, path: str) -> None:
    with lockkeeper.connect(hosts) as client:
        config = client.config(path)
        with ThreadPoolExecutor(1) as threads:
            told = threads.submit(list, config.changes())
            kill_session(client, hosts)
            *_, last = told.result(PATIENCE_S)
        assert last.status is ENDED and last.good is not None
        assert last.reason is not None and "expired" in last.reason
        assert config.is_stale


def test_a_forgotten_configuration_ends(client: Client, path: str) -> None:
    before = threads_of_events()
    config = client.config(path)
    assert threads_of_events() == before + 1
    del config
    gc.collect()
    wait_until(lambda: threads_of_events() == before, "nobody waits for it")


def test_a_set_is_published_as_a_whole(client: Client, other: Client, path: str) -> None:
    place = path + "/app"
    config_set = client.config_set(place)
    with other.config_set(place).follow() as config:
        assert config.snapshot.status is ABSENT
        changes = config.changes()
        next(changes)
        first = config_set.publish({"host": b"db1", "port": bytearray(b"5432")})
        good = changes.next(timeout=PATIENCE_S).good
        assert good == Revision({"host": b"db1", "port": b"5432"}, first)
        with client.lock(path + "/publisher") as guard:
            second = config_set.publish({"host": b"db2"}, guard)
            assert second > first
            assert changes.next(timeout=PATIENCE_S).good == Revision({"host": b"db2"}, second)
            other.delete(guard.path)
            with pytest.raises(lockkeeper.LockLost):
                config_set.publish({"host": b"late"}, guard)
            with pytest.raises(lockkeeper.LockLost):
                guard.release()
        with pytest.raises(ValueError, match="given back"):
            config_set.publish({"host": b"late"}, guard)
        with pytest.raises(lockkeeper.Conflict, match="can stand in a path"):
            config_set.publish({"a/b": b""})
        assert config.good is not None and config.good.value == {"host": b"db2"}


def test_a_set_in_place_needs_a_guard(client: Client, path: str) -> None:
    config_set = client.config_set(path + "/app", layout="ready")
    with pytest.raises(lockkeeper.Conflict, match="take a lock first"):
        config_set.publish({"host": b"db1"})

    def ports(keys: Dict[str, bytes]) -> List[int]:
        return [int(value) for value in keys.values()]

    with client.lock(path + "/publisher") as guard:
        config_set.publish({"a": b"1", "b": b"2"}, guard)
        with config_set.follow(check=ports) as config:
            assert config.good is not None and sorted(config.good.value) == [1, 2]
            changes = config.changes()
            next(changes)
            config_set.publish({"a": b"one"}, guard)
            while changes.next(timeout=PATIENCE_S).status is not REJECTED:
                pass
            assert sorted(config.good.value) == [1, 2]


def test_in_asyncio(client: Client, hosts: str, path: str) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.get_ident()
        checked_by: List[int] = []

        def check(data: bytes) -> int:
            checked_by.append(threading.get_ident())
            return limit(data)

        async with aio.Client(hosts) as own:
            async with own.config(path, check=check, seed=1) as config:
                assert config.snapshot.status is REJECTED and config.good == Revision(1, 0)
                changes = config.changes()
                await changes.next()
                seen: List[Snapshot[int]] = []
                await loop.run_in_executor(None, client.set, path, b"5")
                async for snapshot in changes:
                    seen.append(snapshot)
                    if snapshot.status is GOOD:
                        await loop.run_in_executor(None, client.set, path, b"five")
                    else:
                        break
                assert [snapshot.status for snapshot in seen] == [GOOD, REJECTED]
                assert seen[1].good == seen[0].good
                assert set(checked_by) == {thread}
                waiting = asyncio.create_task(changes.next())
                await asyncio.sleep(0.01)
                waiting.cancel()
            await until(lambda: config.snapshot.status is ENDED, "closed")

            config_set = own.config_set(path + "/set")
            await config_set.publish({"a": b"1"})
            follower = await config_set.follow()
            assert follower.good is not None and follower.good.value == {"a": b"1"}
            async with own.lock(path + "/publisher") as guard:
                publishing = asyncio.ensure_future(config_set.publish({"a": b"2"}, guard))
                await asyncio.sleep(0)
                publishing.cancel()
                # The lock goes when the call under it is gone.
            await until(lambda: left(client, path + "/publisher") == [], "released")
        await until(lambda: follower.snapshot.status is ENDED, "ended with the client")

    run(body)


def test_a_fork_sees_no_configuration_of_its_parent(client: Client, path: str) -> None:
    from test_fork import in_child

    config = client.config(path)
    changes = config.changes()

    def child() -> None:
        for call in (
            lambda: config.good,
            lambda: config.close(),
            lambda: changes.next(),
            lambda: client.shared_value(path),
        ):
            with pytest.raises(lockkeeper.ForkedError):
                call()

    assert in_child(child) == 0
    client.set(path, b"on")
    wait_until(lambda: config.good is not None and config.good.value == b"on", "it goes on")
    config.close()
