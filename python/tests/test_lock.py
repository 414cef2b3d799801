"""The blocking lock: exclusion, deadlines, loss."""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import Any, List

import pytest

import lockkeeper
from lockkeeper import Client, GuardState, LockLost, LockTimeout

from support import PATIENCE_S, kill_session, wait_for_empty, wait_until


def test_two_clients_take_turns(client: Client, other: Client, path: str) -> None:
    order: List[str] = []
    mine, theirs = client.lock(path, label="mine"), other.lock(path, timeout=PATIENCE_S)

    def contend() -> None:
        with theirs as guard:
            order.append("theirs")
            fences.append(guard.fence)

    with mine as guard:
        fences = [guard.fence]
        assert guard.state is GuardState.HELD and guard.is_valid
        assert 0 < guard.remaining() < 10
        assert guard.path.startswith(path + "/_c_")
        guard.raise_if_lost()
        guard.confirm()
        thread = threading.Thread(target=contend)
        thread.start()
        wait_until(lambda: other.lock(path).queue_position() == 2, "both queued")
        order.append("mine")
    thread.join()
    assert order == ["mine", "theirs"]
    assert fences[0] < fences[1]
    assert client.children(path) == []


def test_the_fence_is_the_czxid(client: Client, path: str) -> None:
    with client.lock(path) as guard:
        stat = client.exists(guard.path)
        assert stat is not None and stat.czxid == guard.fence


def test_holders(client: Client, other: Client, path: str) -> None:
    lock = other.lock(path)
    assert lock.holders() == [] and lock.queue_position() == 0
    with client.lock(path, label="nightly") as guard:
        (holder,) = lock.holders()
        assert holder.label == "nightly" and holder.pid is not None
        assert (holder.path, holder.fence) == (guard.path, guard.fence)
        assert holder.session_id == client.session_id
        assert lock.queue_position() == 1


def test_a_deadline_leaves_no_znode(client: Client, other: Client, path: str) -> None:
    with client.lock(path):
        began = time.monotonic()
        with pytest.raises(LockTimeout) as caught:
            other.lock(path, timeout=0.2).acquire()
        assert 0.2 <= time.monotonic() - began < 2
        assert caught.value.op == "acquire" and caught.value.path == path
        with pytest.raises(TimeoutError):
            other.lock(path).acquire(timeout=0)
        wait_until(lambda: len(client.children(path)) == 1, "only the holder is left")


def test_try(client: Client, other: Client, path: str) -> None:
    guard = client.lock(path).try_acquire()
    assert guard is not None
    assert other.lock(path).try_acquire() is None
    guard.release()
    with other.lock(path).try_acquire() or pytest.fail("it is free"):
        pass


def test_release_is_once(client: Client, path: str) -> None:
    with client.lock(path) as guard:
        guard.release()
        assert guard.state is GuardState.RELEASED and not guard.is_valid
        assert guard.remaining() == 0.0
        with pytest.raises(LockLost) as caught:
            guard.raise_if_lost()
        assert caught.value.reason == "released"
        with pytest.raises(ValueError):
            guard.confirm()
        guard.release()


@pytest.mark.parametrize("layout", ["curator", "kazoo", "go-zk"])
def test_layouts(client: Client, path: str, layout: Any) -> None:
    with client.lock(path, layout=layout) as guard:
        assert ("__lock__" in guard.path) == (layout == "kazoo")
        if layout == "kazoo":
            with pytest.raises(lockkeeper.LayoutConflict):
                client.lock(path, timeout=1, refuse_blind_names=True).acquire()


def test_one_lock_object_in_many_threads(client: Client, path: str) -> None:
    lock = client.lock(path, timeout=PATIENCE_S)
    inside: List[int] = []
    fences: List[int] = []

    def contend() -> None:
        for _ in range(10):
            with lock as guard:
                inside.append(1)
                fences.append(guard.fence)
                assert len(inside) == 1
                inside.pop()

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fences) == 40 and fences == sorted(fences)


def test_a_killed_session_is_told_at_the_end_of_the_block(hosts: str, path: str) -> None:
    with lockkeeper.connect(hosts) as client:
        with pytest.raises(LockLost) as caught:
            with client.lock(path) as guard:
                kill_session(client, hosts)
                wait_until(lambda: not guard.is_valid, "lost")
                wait_until(lambda: guard.state is GuardState.LOST, "lost for good")
                assert guard.remaining() == 0.0
                with pytest.raises(LockLost):
                    guard.raise_if_lost()
        assert caught.value.reason == "expired"


def test_a_deleted_znode(client: Client, other: Client, path: str) -> None:
    told: queue.Queue[GuardState] = queue.Queue()
    with pytest.raises(LockLost) as caught:
        with client.lock(path) as guard:
            guard.on_lost(told.put)
            guard.on_lost(told.put)
            other.delete(guard.path)
            assert told.get(timeout=PATIENCE_S) is GuardState.LOST
            assert told.get(timeout=PATIENCE_S) is GuardState.LOST
            guard.on_lost(told.put)
            assert told.get(timeout=PATIENCE_S) is GuardState.LOST
            with pytest.raises(LockLost):
                guard.confirm()
    assert caught.value.reason == "node_deleted"


def test_an_exception_in_the_block_goes_before_the_loss(
    client: Client, other: Client, path: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        with client.lock(path) as guard:
            other.delete(guard.path)
            wait_until(lambda: guard.state is GuardState.LOST, "lost")
            raise ZeroDivisionError


def test_no_callback_after_a_release(client: Client, path: str) -> None:
    told: List[GuardState] = []
    with client.lock(path) as guard:
        guard.on_lost(told.append)
    names = [thread.name for thread in threading.enumerate()]
    wait_until(
        lambda: "lockkeeper-events" not in [thread.name for thread in threading.enumerate()],
        "the thread ended, of " + repr(names),
    )
    assert told == []


def test_a_callback_that_raises(
    client: Client, other: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: queue.Queue[Any] = queue.Queue()
    monkeypatch.setattr(sys, "unraisablehook", seen.put)

    def callback(state: GuardState) -> None:
        raise KeyError(state)

    guard = client.lock(path).acquire()
    guard.on_lost(callback)
    other.delete(guard.path)
    assert isinstance(seen.get(timeout=PATIENCE_S).exc_value, KeyError)
    with pytest.raises(LockLost):
        guard.release()


def test_a_contender_that_is_deleted_while_it_waits(
    client: Client, other: Client, path: str
) -> None:
    with client.lock(path) as guard:
        failures: queue.Queue[BaseException] = queue.Queue()

        def contend() -> None:
            try:
                other.lock(path).acquire()
            except lockkeeper.LockError as error:
                failures.put(error)

        thread = threading.Thread(target=contend)
        thread.start()
        holder = guard.path.rsplit("/", 1)[1]
        wait_until(lambda: len(client.children(path)) == 2, "queued")
        (waiter,) = set(client.children(path)) - {holder}
        client.delete(path + "/" + waiter)
        assert isinstance(failures.get(timeout=PATIENCE_S), lockkeeper.ContenderGone)
        thread.join()
    wait_for_empty(client, path)
