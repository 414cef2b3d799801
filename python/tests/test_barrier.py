"""Places to wait for others, blocking: barrier, double barrier, countdown latch, rendezvous."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Iterator, List, TypeVar

import pytest

import lockkeeper
from lockkeeper import Client, GuardState, LockLost, OperationTimeout

from support import PATIENCE_S, kill_session, wait_for_empty, wait_until

T = TypeVar("T")


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[], T]], Future[T]]]:
    """Starts a call on a thread of its own."""
    with ThreadPoolExecutor(8) as threads:
        yield threads.submit


def test_a_barrier_holds_until_it_is_opened(
    client: Client, other: Client, path: str, start: Callable[..., Future[None]]
) -> None:
    barrier, theirs = client.barrier(path + "/gate"), other.barrier(path + "/gate")
    theirs.wait()
    assert barrier.close() is True and theirs.close() is False
    assert theirs.is_closed() is True
    with pytest.raises(OperationTimeout) as caught:
        theirs.wait(timeout=0.1)
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.op, caught.value.path) == ("wait", path + "/gate")
    waiting = [start(theirs.wait) for _ in range(3)]
    assert barrier.open() is True and barrier.open() is False
    for wait in waiting:
        assert wait.result(PATIENCE_S) is None
    assert barrier.is_closed() is False


def test_a_barrier_with_children_is_somebody_elses(client: Client, path: str) -> None:
    client.create(path + "/child")
    with pytest.raises(lockkeeper.Conflict, match="path of its own") as caught:
        client.barrier(path).open()
    assert not caught.value.maybe_applied


def test_parties_meet_and_part(
    client: Client, other: Client, path: str, start: Callable[..., Future[None]]
) -> None:
    inside: List[List[str]] = []

    def meet(own: Client) -> None:
        barrier = own.double_barrier(path, 2)
        for number in range(3):
            with barrier.round(number).enter(timeout=PATIENCE_S) as party:
                assert party.is_valid
                assert party.members is not None
                assert party.path.rsplit("/", 1)[1] in party.members
                party.raise_if_lost()
                inside.append(party.members)
            assert party.state is GuardState.RELEASED
            party.leave()

    for meeting in [start(meet, own) for own in (client, other)]:
        meeting.result(PATIENCE_S)
    assert len(inside) == 6 and all(len(members) == 2 for members in inside)


def test_a_party_that_waits_in_vain_leaves(client: Client, other: Client, path: str) -> None:
    barrier = client.double_barrier(path + "/b", 2)
    with pytest.raises(OperationTimeout):
        barrier.enter(timeout=0.1)
    wait_for_empty(other, path + "/b")


def test_who_comes_late_is_told(
    client: Client, other: Client, path: str, start: Callable[..., Future[lockkeeper.Party]]
) -> None:
    barriers = [own.double_barrier(path, 2) for own in (client, other)]
    entered = [start(barrier.enter) for barrier in barriers]
    parties = [entering.result(PATIENCE_S) for entering in entered]
    with pytest.raises(lockkeeper.Conflict, match="take the next round"):
        barriers[0].enter(timeout=PATIENCE_S)
    with pytest.raises(OperationTimeout):
        parties[0].leave(timeout=0.1)
    parties[1].leave()


def test_an_exception_inside_does_not_wait_for_the_others(client: Client, path: str) -> None:
    with pytest.raises(ZeroDivisionError):
        with client.double_barrier(path, 1).enter(timeout=PATIENCE_S):
            raise ZeroDivisionError
    wait_until(lambda: "ready" in client.children(path), "the party has left")


def test_a_party_is_told_that_it_is_lost(hosts: str, path: str) -> None:
    with lockkeeper.connect(hosts) as client:
        told: Future[GuardState] = Future()
        party = client.double_barrier(path, 1).enter(timeout=PATIENCE_S)
        party.on_lost(told.set_result)
        kill_session(client, hosts)
        assert told.result(PATIENCE_S) in (GuardState.POSSIBLY_LOST, GuardState.LOST)
        wait_until(lambda: party.state is GuardState.LOST, "lost for good")
        assert party.lost() is GuardState.LOST
        with pytest.raises(LockLost, match="place in the barrier") as caught:
            party.raise_if_lost()
        assert caught.value.reason == "expired"


def test_a_latch_counts_everybody_once(
    client: Client, other: Client, path: str, start: Callable[..., Future[None]]
) -> None:
    latch, theirs = client.countdown_latch(path + "/l", 3), other.countdown_latch(path + "/l", 3)
    assert latch.count_down("a") == 2
    assert theirs.count_down("a") == 2
    assert theirs.count_down() == 1
    with pytest.raises(TimeoutError):
        theirs.wait(timeout=0.1)
    waiting = start(theirs.wait)
    assert latch.count_down("c") == 0
    waiting.result(PATIENCE_S)
    assert theirs.remaining() == 0
    latch.wait()
    latch.reset()
    assert theirs.remaining() == 3
    with pytest.raises(lockkeeper.Conflict, match="same count"):
        client.countdown_latch(path + "/l", 4).remaining()
    with pytest.raises(lockkeeper.Conflict, match="can stand in a path"):
        latch.count_down("a/b")


def test_whoever_waits_gets_what_is_left(
    client: Client, other: Client, path: str, start: Callable[..., Future[lockkeeper.Filled]]
) -> None:
    mine, theirs = client.rendezvous(path), other.rendezvous(path)
    with pytest.raises(TimeoutError):
        theirs.filled(timeout=0.1)
    waiting = start(theirs.filled)
    mine.fill(b"here")
    met = waiting.result(PATIENCE_S)
    assert (met.data, met.stat.version) == (b"here", 1)
    assert met == theirs.filled()
    with pytest.raises(TimeoutError):
        theirs.vacated(met, timeout=0.1)
    gone = start(theirs.vacated, met)
    client.delete(path)
    gone.result(PATIENCE_S)
    for refused in (lambda: mine.fill(b""), lambda: mine.occupy(b"")):
        with pytest.raises(lockkeeper.Conflict, match="give it some data"):
            refused()


def test_a_place_is_occupied_by_one(client: Client, other: Client, path: str) -> None:
    mine, theirs = client.rendezvous(path + "/m"), other.rendezvous(path + "/m")
    with mine.occupy(b"mine") as guard:
        met = theirs.filled()
        assert met.data == b"mine" and met.stat.czxid == guard.fence
        with pytest.raises(OperationTimeout):
            theirs.occupy(b"theirs", timeout=0.1)
    theirs.vacated(met, timeout=PATIENCE_S)
    with theirs.occupy(b"theirs", timeout=PATIENCE_S):
        assert mine.filled().data == b"theirs"
    wait_until(lambda: client.exists(path + "/m") is None, "it is free")
