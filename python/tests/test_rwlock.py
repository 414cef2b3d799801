"""Read/write locks and semaphores, both ways."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Coroutine, List

import pytest

import lockkeeper
from lockkeeper import Client, GuardState, LockTimeout, aio

from support import PATIENCE_S, left, wait_until
from test_aio import run, until


def test_readers_hold_together_and_writers_alone(client: Client, other: Client, path: str) -> None:
    lock, theirs = client.rwlock(path), other.rwlock(path)
    with lock.read(timeout=PATIENCE_S) as reader, theirs.read(timeout=PATIENCE_S) as second:
        assert reader.is_valid and second.is_valid
        assert theirs.try_write() is None and theirs.queue_position() == 2
        with pytest.raises(LockTimeout):
            theirs.write(timeout=0.1)
    with lock.write(timeout=PATIENCE_S) as writer:
        assert writer.fence > reader.fence
        assert theirs.try_read() is None
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(theirs.read, PATIENCE_S)
            wait_until(lambda: lock.queue_position() == 2, "it waits")
            below = writer.downgrade()
            waiting.result(PATIENCE_S).release()
        assert writer.state is GuardState.RELEASED
        with pytest.raises(ValueError, match="no right to write"):
            writer.downgrade()
        below.release()
    assert lock.queue_position() == 0


def test_a_reader_becomes_a_writer(client: Client, other: Client, path: str) -> None:
    lock, theirs = client.rwlock(path), other.rwlock(path)
    reader, second = lock.read(), theirs.read()
    with pytest.raises(LockTimeout):
        reader.upgrade(timeout=0.1)
    wait_until(lambda: lock.queue_position() == 2, "what was given up is gone")
    with ThreadPoolExecutor(1) as threads:
        upgraded = threads.submit(reader.upgrade, PATIENCE_S)
        wait_until(lambda: lock.queue_position() == 3, "it waits")
        with pytest.raises(lockkeeper.UpgradeConflict):
            second.upgrade()
        second.release()
        with upgraded.result(PATIENCE_S) as writer:
            assert writer.fence > reader.fence
    reader.release()


def test_so_many_leases_and_no_more(client: Client, other: Client, path: str) -> None:
    place = path + "/s"
    mine, theirs = client.semaphore(place, 2), other.semaphore(place, 2, timeout=0.1)
    with mine as first:
        second = theirs.acquire(timeout=PATIENCE_S)
        assert second.fence > first.fence and mine.held() == 2
        assert theirs.try_acquire() is None
        with pytest.raises(LockTimeout):
            theirs.acquire()
        second.release()
    leases = mine.acquire_many(2, timeout=PATIENCE_S)
    assert len({lease.path for lease in leases}) == 2
    with pytest.raises(LockTimeout):
        with theirs:
            pass
    for lease in leases:
        lease.release()
    assert mine.acquire_many(0) == [] and mine.queue_position() == 0
    with theirs.try_acquire() or pytest.fail("it is free"):
        pass
    with pytest.raises(lockkeeper.Conflict, match="ask for fewer"):
        mine.acquire_many(3)
    with pytest.raises(lockkeeper.Conflict, match="records a limit"):
        client.semaphore(place, 3).acquire()
    for wrong in (lambda: client.semaphore(place, 0), lambda: mine.acquire_many(-1)):
        with pytest.raises(ValueError):
            wrong()
    anything: Any = client
    with pytest.raises(TypeError):
        anything.semaphore(place, "many")


def test_a_shared_limit_is_raised(client: Client, other: Client, path: str) -> None:
    limit = client.shared_count(path + "/limit")
    limit.set(1)
    semaphore = client.semaphore(path + "/s", limit)
    with semaphore, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(semaphore.acquire, PATIENCE_S)
        wait_until(lambda: semaphore.held() == 2, "it waits")
        other.shared_count(path + "/limit").set(2)
        waiting.result(PATIENCE_S).release()


def test_a_strict_lock(client: Client, path: str) -> None:
    with client.lock(path, timeout=PATIENCE_S, strict=True) as guard:
        stat = client.exists(guard.path)
        assert stat is not None and stat.mzxid == guard.fence > stat.czxid


def test_in_asyncio(client: Client, hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as own:
            lock = own.rwlock(path + "/rw")
            async with lock.read() as reader, lock.read():
                assert await lock.try_write() is None
            async with lock.read() as reader:
                async with reader.upgrade(timeout=PATIENCE_S) as writer:
                    async with await writer.downgrade():
                        assert await lock.queue_position() == 2
            semaphore = own.semaphore(path + "/s", 3, timeout=PATIENCE_S)
            async with semaphore as one, semaphore as two:
                assert one.path != two.path and await semaphore.held() == 2
            guard = await semaphore
            await guard.release()
            calls: List[Callable[[], Coroutine[Any, Any, object]]] = [
                lambda: semaphore.acquire_many(3),
                lambda: lock.write(),
                lambda: own.election(path + "/e").lead(),
            ]
            for call in calls:
                for step in range(40):
                    task = asyncio.create_task(call())
                    await asyncio.sleep(step * 0.0002)
                    task.cancel()
                    try:
                        taken: Any = await task
                    except asyncio.CancelledError:
                        continue
                    for guard in taken if isinstance(taken, list) else [taken]:
                        await guard.release()

            places = ("/rw", "/e", "/s/leases", "/s/locks")
            for place in places:
                await until(lambda: left(client, path + place) == [], "nothing is left")

    run(body)
