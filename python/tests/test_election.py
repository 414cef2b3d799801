"""Elections, both ways: terms in their order, candidates that go on, observers."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List

import pytest

import lockkeeper
from lockkeeper import CandidateStatus, Client, Leader, LockLost, LockTimeout, aio

from support import PATIENCE_S, kill_session, wait_for_empty, wait_until
from test_aio import run, until


def test_terms_follow_each_other(client: Client, other: Client, path: str) -> None:
    mine, theirs = client.election(path, "mine"), other.election(path, "theirs")
    with mine.lead(timeout=PATIENCE_S) as leader:
        assert leader.is_leading and leader.is_valid
        leader.raise_if_lost()
        leader.confirm()
        assert theirs.try_lead() is None
        with pytest.raises(LockTimeout) as caught:
            theirs.lead(timeout=0.1)
        assert caught.value.op == "lead"
        wait_until(lambda: len(mine.candidates()) == 1, "the znode of the attempt is gone")
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(theirs.lead, PATIENCE_S)
            wait_until(lambda: len(mine.candidates()) == 2, "both stand")
            first, second = mine.candidates()
            assert (first.id, first.position, first.fence) == ("mine", 0, leader.fence)
            assert (second.id, second.session_id) == ("theirs", other.session_id)
            leader.release()
            with waiting.result(PATIENCE_S) as successor:
                assert successor.fence > leader.fence
    assert not leader.is_leading
    with pytest.raises(LockLost, match="leadership was released"):
        leader.raise_if_lost()
    assert mine.candidates() == []


def test_a_body_runs_anew_when_its_term_is_lost(client: Client, other: Client, path: str) -> None:
    fences: List[int] = []

    def body(leader: Leader) -> str:
        fences.append(leader.fence)
        if len(fences) == 1:
            other.delete(leader.path)
            wait_until(lambda: not leader.is_leading, "lost")
            leader.raise_if_lost()
        return "done"

    assert client.election(path).run(body) == "done"
    assert len(fences) == 2 and fences[0] < fences[1]

    def returns_late(leader: Leader) -> None:
        other.delete(leader.path)
        wait_until(lambda: not leader.is_leading, "lost")

    with pytest.raises(LockLost):
        client.election(path).run(returns_late)

    def fails(leader: Leader) -> None:
        raise LockLost("of something else")

    with pytest.raises(LockLost, match="something else"):
        client.election(path).run(fails)
    wait_for_empty(client, path)


def test_a_candidate_goes_on_standing(client: Client, other: Client, path: str) -> None:
    election = client.election(path)
    with election.join() as candidate, other.election(path).join() as rival:
        states = candidate.states()
        first = candidate.lead(timeout=PATIENCE_S)
        wait_until(lambda: rival.state.status is CandidateStatus.WAITING, "it stands")
        wait_until(lambda: len(election.candidates()) == 2, "both stand")
        candidate.resign()
        with rival.lead(timeout=PATIENCE_S) as theirs:
            assert theirs.fence > first.fence and not first.is_leading
            with pytest.raises(LockTimeout):
                candidate.lead(timeout=0.1)
        second = candidate.lead(timeout=PATIENCE_S)
        assert second.fence > theirs.fence
        assert candidate.state == (CandidateStatus.LEADING, second.fence, None)
    with pytest.raises(ValueError, match="closed"):
        candidate.lead()
    seen = list(states)
    assert seen[-1].status is CandidateStatus.CLOSED and states.next() is None
    assert election.candidates() == []


def test_a_candidate_ends_with_its_session(hosts: str, path: str) -> None:
    with lockkeeper.connect(hosts) as client, client.election(path).join() as candidate:
        leader = candidate.lead(timeout=PATIENCE_S)
        kill_session(client, hosts)
        *_, last = candidate.states()
        assert last.status is CandidateStatus.ENDED and last.is_final
        assert last.reason is not None and "expired" in last.reason
        with pytest.raises(LockLost):
            leader.raise_if_lost()


def test_observers_see_leaders(client: Client, other: Client, path: str) -> None:
    place = path + "/e"
    leaders = other.election(place).observe()
    with pytest.raises(lockkeeper.OperationTimeout):
        leaders.next(timeout=0.05)
    for number in range(3):
        election = client.election(place, "leader-%d" % number, publish=True)
        with election.lead(timeout=PATIENCE_S) as leader:
            known = leaders.next(timeout=PATIENCE_S)
            assert (known.id, known.fence) == ("leader-%d" % number, leader.fence)
            assert known.is_confirmed and known.path == leader.path


def test_a_forgotten_candidate_warns_and_leaves(client: Client, path: str) -> None:
    candidate = client.election(path).join()
    candidate.lead(timeout=PATIENCE_S).release()
    with pytest.warns(ResourceWarning, match="candidate was not closed"):
        del candidate
    wait_for_empty(client, path)


@pytest.mark.parametrize("policy", ["deadline", "strict"])
@pytest.mark.parametrize("layout", ["latch", "selector", "kazoo"])
def test_settings(client: Client, path: str, layout: Any, policy: Any) -> None:
    with client.election(path, layout=layout, policy=policy).lead(timeout=PATIENCE_S) as leader:
        assert leader.is_leading
        assert ("-latch-" in leader.path) == (layout == "latch")
    anything: Any = client
    for settings in ({"layout": "mine"}, {"policy": "lax"}):
        with pytest.raises(ValueError):
            anything.election(path, **settings)


def test_in_asyncio(client: Client, hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as one, aio.Client(hosts) as two:
            async with one.election(path).lead() as leader:
                assert leader.is_leading
                waiting = asyncio.create_task(two.election(path).lead())
                await until(lambda: len(client.children(path)) == 2, "both stand")
                waiting.cancel()
                await until(lambda: len(client.children(path)) == 1, "one is left")
            async with one.election(path).join() as candidate:
                async for state in candidate.states():
                    if state.status is CandidateStatus.LEADING:
                        break
                async with candidate.lead() as leader:
                    assert leader.fence == state.fence
                ended = asyncio.create_task(two.election(path).lead(timeout=PATIENCE_S))
                await candidate.close()
                await (await ended).release()

    run(body)


def test_a_coroutine_is_cancelled_when_its_term_is_lost(
    client: Client, hosts: str, path: str
) -> None:
    async def body() -> None:
        fences: List[int] = []
        cleaned: List[int] = []

        async def work(leader: aio.Leader) -> str:
            fences.append(leader.fence)
            if len(fences) > 2:
                return "done"
            try:
                await asyncio.get_running_loop().run_in_executor(None, client.delete, leader.path)
                await asyncio.sleep(3600)
            finally:
                # What was cancelled ends before the next term.
                await asyncio.sleep(0.01)
                cleaned.append(leader.fence)
            return "not reached"

        async with aio.Client(hosts) as own:
            assert await own.election(path).run(work) == "done"
            assert fences == sorted(set(fences)) and cleaned == fences[:2]

            started = asyncio.Event()
            ended: List[str] = []

            async def waits(leader: aio.Leader) -> None:
                started.set()
                try:
                    await asyncio.sleep(3600)
                finally:
                    ended.append("body")

            running = asyncio.create_task(own.election(path).run(waits))
            await started.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert ended == ["body"]

            async def fails(leader: aio.Leader) -> None:
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await own.election(path).run(fails)
            await until(lambda: client.children(path) == [], "nobody stands")

    run(body)


def test_a_client_that_is_closed_ends_the_body(hosts: str, path: str) -> None:
    async def body() -> None:
        problems: List[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: problems.append(context))
        started = asyncio.Event()

        async def waits(leader: aio.Leader) -> None:
            started.set()
            await asyncio.sleep(3600)

        client = await aio.Client(hosts).connect()
        running = asyncio.create_task(client.election(path).run(waits))
        await started.wait()
        await client.close()
        with pytest.raises(lockkeeper.ClosedError):
            await running
        gc.collect()
        assert problems == []

    run(body)
