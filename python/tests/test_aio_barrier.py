"""Places to wait for others, in asyncio: the same, and cancellation at any moment."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Coroutine, List

import pytest

import lockkeeper
from lockkeeper import Client, GuardState, OperationTimeout, aio

from support import PATIENCE_S, left
from test_aio import run, until


def test_a_barrier_holds_until_it_is_opened(hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as one, aio.Client(hosts) as two:
            barrier, theirs = one.barrier(path), two.barrier(path)
            assert await barrier.close() is False
            waiting = asyncio.ensure_future(theirs.wait())
            with pytest.raises(OperationTimeout):
                await theirs.wait(timeout=0.1)
            assert not waiting.done()
            assert await barrier.open() is True
            await waiting
            assert await theirs.is_closed() is False

    run(body)


def test_parties_meet_and_part(hosts: str, path: str) -> None:
    async def body() -> None:
        async def meet(client: aio.Client) -> List[str]:
            barrier = client.double_barrier(path, 2)
            party = await barrier.round(0).enter(timeout=PATIENCE_S)
            await party.leave(timeout=PATIENCE_S)
            async with barrier.round(1).enter(timeout=PATIENCE_S) as party:
                assert party.is_valid and party.members is not None
            assert party.state is GuardState.RELEASED and await party.lost() is None
            return party.members

        async with aio.Client(hosts) as one, aio.Client(hosts) as two:
            mine, theirs = await asyncio.gather(meet(one), meet(two))
            assert mine == theirs and len(mine) == 2

    run(body)


def test_latch_and_rendezvous(client: Client, hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as one, aio.Client(hosts) as two:
            latch, point = two.countdown_latch(path + "/l", 2), two.rendezvous(path + "/r")
            opened, filled = asyncio.create_task(latch.wait()), asyncio.create_task(point.filled())
            assert await one.countdown_latch(path + "/l", 2).count_down("a") == 1
            assert await latch.remaining() == 1
            assert await latch.count_down("b") == 0
            await opened
            async with one.rendezvous(path + "/r").occupy(b"here") as guard:
                met = await filled
                assert met.data == b"here" and met.stat.czxid == guard.fence
                gone = asyncio.create_task(point.vacated(met))
            await gone
            await one.rendezvous(path + "/r").fill(b"stays")
            assert (await point.filled()).data == b"stays"
            await latch.reset()
            assert await latch.remaining() == 2
            with pytest.raises(lockkeeper.Conflict):
                await point.occupy(b"no room")

    run(body)


@pytest.mark.parametrize("steps", [60])
def test_cancelling_at_any_moment_leaves_nothing(
    client: Client, hosts: str, path: str, steps: int
) -> None:
    """Also between the moment of success and the task's next step."""

    async def body() -> None:
        async with aio.Client(hosts) as own:
            calls: List[Callable[[], Coroutine[Any, Any, object]]] = [
                lambda: own.double_barrier(path + "/two", 2).enter(),
                lambda: own.rendezvous(path + "/place").occupy(b"here"),
            ]
            for call in calls:
                for step in range(steps):
                    task = asyncio.create_task(call())
                    await asyncio.sleep(step * 0.0001)
                    task.cancel()
                    try:
                        kept: Any = await task
                    except asyncio.CancelledError:
                        continue
                    await kept.release()
            await until(lambda: client.exists(path + "/place") is None, "the place is free")
            await until(lambda: left(client, path + "/two") == [], "no party is left")

    run(body)


def test_an_exception_inside_does_not_wait_for_the_others(
    client: Client, hosts: str, path: str
) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as own:
            with pytest.raises(ZeroDivisionError):
                async with own.double_barrier(path, 1).enter():
                    raise ZeroDivisionError
            await until(lambda: client.children(path) == ["ready"], "the party has left")

    run(body)


def test_a_client_that_is_closed_ends_every_wait(hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as own:
            barrier = own.barrier(path)
            waits = [
                asyncio.ensure_future(barrier.wait()),
                asyncio.ensure_future(own.double_barrier(path + "/d", 2).enter()),
                asyncio.ensure_future(own.countdown_latch(path + "/l", 2).wait()),
                asyncio.ensure_future(own.rendezvous(path + "/r").filled()),
            ]
            await asyncio.sleep(0.05)
        for ended in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(ended, lockkeeper.ClosedError)
        with pytest.raises(lockkeeper.ClosedError):
            await barrier.wait()
        with pytest.raises(lockkeeper.ClosedError):
            own.barrier(path)

    run(body)
