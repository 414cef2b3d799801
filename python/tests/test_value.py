"""Shared values and counts, both ways."""

from __future__ import annotations

import asyncio
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any, List, Optional

import pytest

import lockkeeper
from lockkeeper import Client, Versioned, aio

from support import PATIENCE_S
from test_aio import run


def test_states_follow_their_revisions(client: Client, other: Client, path: str) -> None:
    mine, theirs = client.shared_value(path + "/v"), other.shared_value(path + "/v")
    assert mine.get() is None
    first = mine.try_set(None, b"one")
    assert (first.value, first.version) == (b"one", 0)
    with pytest.raises(lockkeeper.Changed) as caught:
        theirs.try_set(None, b"two")
    assert (caught.value.op, caught.value.maybe_applied) == ("try_set", False)
    second = theirs.set(bytearray(b"two"))
    assert second.revision > first.revision and second != first
    with pytest.raises(lockkeeper.Changed):
        mine.try_set(first, b"three")
    other.sync()
    assert theirs.get() == second
    third = mine.try_set(second, b"three")
    assert (third.value, third.version) == (b"three", 2)


def test_a_count(client: Client, other: Client, path: str) -> None:
    count = client.shared_count(path + "/c")
    state: Optional[Versioned[int]] = count.try_set(None, -5)
    while state is not None and state.value < 3:
        state = count.try_set(state, state.value + 1)
    client.sync()
    assert count.get() == state
    assert client.get(path + "/c")[0] == b"\0\0\0\3"
    anything: Any = count
    with pytest.raises(OverflowError):
        count.set(2**31)
    with pytest.raises(TypeError):
        anything.set("7")
    with pytest.raises(ValueError, match="shared count"):
        anything.try_set(client.shared_value(path + "/c").get(), 7)
    other.set(path + "/c", b"seven")
    client.sync()
    with pytest.raises(lockkeeper.Conflict, match="5 bytes"):
        count.get()


def test_changes_are_iterated(client: Client, other: Client, path: str) -> None:
    value = client.shared_value(path + "/v")
    changes = value.changes()
    assert changes.next() is None
    with pytest.raises(lockkeeper.OperationTimeout):
        changes.next(timeout=0.1)
    other.shared_value(path + "/v").set(b"first")
    seen: List[bytes] = []
    with ThreadPoolExecutor(1) as threads:

        def follow() -> None:
            for state in changes:
                assert state is not None
                seen.append(state.value)
                if state.value == b"last":
                    return

        following = threads.submit(follow)
        for number in range(20):
            other.set(path + "/v", b"%d" % number)
        other.set(path + "/v", b"last")
        following.result(PATIENCE_S)
    assert seen[-1] == b"last" and len(seen) == len(set(seen))


def test_two_threads_may_ask_for_the_next_one(client: Client, path: str) -> None:
    changes = client.shared_value(path).changes()
    changes.next()
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(changes.next, PATIENCE_S) for _ in range(2)]
        client.set(path, b"1")
        wait(waiting, PATIENCE_S, FIRST_COMPLETED)
        client.set(path, b"2")
    states = [waited.result() for waited in waiting]
    assert {state.value for state in states if state} == {b"1", b"2"}


def test_in_asyncio(hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as one, aio.Client(hosts) as two:
            count, theirs = one.shared_count(path + "/c"), two.shared_count(path + "/c")
            changes = theirs.changes()
            assert await changes.next() is None
            with pytest.raises(lockkeeper.OperationTimeout):
                await changes.next(timeout=0.05)
            # A wait that is cancelled loses nothing.
            for _ in range(10):
                task = asyncio.create_task(changes.next())
                await asyncio.sleep(0.001)
                task.cancel()
            await count.set(1)
            async for state in changes:
                assert state is not None
                if state.value == 9:
                    break
                await theirs.try_set(state, state.value + 1)
            with pytest.raises(lockkeeper.Changed):
                await count.try_set(None, 5)
            waiting = asyncio.ensure_future(one.shared_value(path + "/none").changes().next())
            assert await waiting is None
            ended = asyncio.ensure_future(changes.next())
            await asyncio.sleep(0.01)
            await two.close()
            with pytest.raises(lockkeeper.ClosedError):
                await ended

    run(body)
