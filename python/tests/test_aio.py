"""The asyncio client: the same operations and locks, and cancellation at any moment."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, Awaitable, Callable, List

import pytest

import lockkeeper
from lockkeeper import Client, GuardState, LockLost, LockTimeout, aio

from support import PATIENCE_S, kill_session, wait_for_empty, wait_until


def run(body: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's coroutine, for so long at most."""

    async def bounded() -> None:
        await asyncio.wait_for(body(), PATIENCE_S * 2)

    asyncio.run(bounded())


async def until(true: Callable[[], object], what: str) -> None:
    """As ``wait_until``, in a thread."""
    await asyncio.get_running_loop().run_in_executor(None, wait_until, true, what)


def test_operations(hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as client:
            assert await client.create(path + "/a", b"one") == path + "/a"
            data, stat = await client.get(path + "/a")
            assert (data, stat.version) == (b"one", 0)
            assert (await client.set(path + "/a", b"two", version=0)).version == 1
            assert await client.children(path) == ["a"]
            await client.sync(path)
            await client.delete(path + "/a")
            assert await client.exists(path + "/a") is None
            assert await client.create(path + "/x/y", makepath=True) == path + "/x/y"
            with pytest.raises(lockkeeper.NoNode) as caught:
                await client.get(path + "/none")
            assert (caught.value.op, caught.value.path) == ("get", path + "/none")
            anything: Any = client
            with pytest.raises(TypeError):
                anything.get(5)
            with pytest.raises(ValueError):
                await client.get("relative")

    run(body)


def test_requests_go_out_in_the_order_of_the_calls(hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as client:
            sets = [client.set(path, b"%d" % i) for i in range(500)]
            last = client.get(path)
            stats = await asyncio.gather(*sets)
            assert [stat.version for stat in stats] == list(range(1, 501))
            assert (await last)[0] == b"499"

    run(body)


def test_contenders_take_turns(hosts: str, path: str) -> None:
    async def body() -> None:
        fences: List[int] = []

        async def contend(client: aio.Client) -> None:
            for _ in range(5):
                async with client.lock(path, timeout=PATIENCE_S) as guard:
                    fences.append(guard.fence)
                    await guard.confirm()
                    await asyncio.sleep(0)
                    assert fences[-1] == guard.fence

        async with aio.Client(hosts) as one, aio.Client(hosts) as two:
            await asyncio.gather(*(contend(client) for client in (one, two, one, two)))
            assert len(fences) == 20 and fences == sorted(fences)
            guard = await one.lock(path, timeout=1)
            assert guard.is_valid and guard.state is GuardState.HELD
            assert await two.lock(path).try_acquire() is None
            assert [holder.fence for holder in await two.lock(path).holders()] == [guard.fence]
            assert await two.lock(path).queue_position() == 1
            with pytest.raises(LockTimeout):
                await two.lock(path, timeout=0.1)
            await guard.release()

    run(body)


def test_cancelling_leaves_no_znode(client: Client, hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as own:
            lock = own.lock(path)
            async with lock:
                waiters = [asyncio.ensure_future(lock.acquire()) for _ in range(5)]
                await until(lambda: len(client.children(path)) == 6, "all queued")
                for waiter in waiters:
                    waiter.cancel()
                results = await asyncio.gather(*waiters, return_exceptions=True)
                assert all(isinstance(result, asyncio.CancelledError) for result in results)
                await until(lambda: len(client.children(path)) == 1, "only the holder is left")
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(lock.acquire(), 0.1)
            await until(lambda: client.children(path) == [], "all gone")

    run(body)


def test_cancelling_at_any_moment(client: Client, hosts: str, path: str) -> None:
    """Also between the grant and the task's next step."""

    async def body() -> None:
        async with aio.Client(hosts) as own:
            for step in range(60):
                task = asyncio.ensure_future(own.lock(path).acquire())
                await asyncio.sleep(step * 0.0001)
                task.cancel()
                try:
                    guard = await task
                except asyncio.CancelledError:
                    continue
                await guard.release()
            await until(lambda: client.children(path) == [], "all gone")

    run(body)


def test_loss(client: Client, hosts: str, path: str) -> None:
    async def body() -> None:
        told: List[GuardState] = []
        async with aio.Client(hosts) as own:
            with pytest.raises(LockLost) as caught:
                async with own.lock(path) as guard:
                    guard.on_lost(told.append)
                    lost = asyncio.ensure_future(guard.lost())
                    await asyncio.sleep(0)
                    client.delete(guard.path)
                    assert await lost is GuardState.LOST
                    with pytest.raises(LockLost):
                        guard.raise_if_lost()
            assert caught.value.reason == "node_deleted"
            await until(lambda: told == [GuardState.LOST], "told")

            async with own.lock(path) as guard:
                lost = asyncio.ensure_future(guard.lost())
                await asyncio.sleep(0)
            assert await lost is None

    run(body)


def test_a_killed_session(hosts: str, path: str) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        async with aio.Client(hosts) as own:
            with pytest.raises(LockLost) as caught:
                async with own.lock(path) as guard:
                    credentials = own.credentials
                    thief = await loop.run_in_executor(
                        None, lambda: lockkeeper.connect(hosts, resume=credentials)
                    )
                    await loop.run_in_executor(None, thief.close)
                    await guard.lost()
                    await until(lambda: guard.state is GuardState.LOST, "lost for good")
            assert caught.value.reason == "expired"
            with pytest.raises(lockkeeper.SessionExpired):
                await own.get("/")

    run(body)


def test_closed(hosts: str) -> None:
    async def body() -> None:
        client = aio.Client(hosts)
        with pytest.raises(lockkeeper.ClosedError):
            client.get("/")
        async with client:
            waiting = client.lock("/closed-aio").acquire()
            guard = await client.lock("/closed-aio")
            task = asyncio.ensure_future(waiting)
            await asyncio.sleep(0.05)
        with pytest.raises(lockkeeper.ClosedError):
            await task
        assert not guard.is_valid
        with pytest.raises(lockkeeper.ClosedError):
            await guard.release()
        assert guard.state is GuardState.RELEASED
        with pytest.raises(lockkeeper.ClosedError):
            client.get("/")
        await client.close()

    run(body)


def test_a_forgotten_client_warns(hosts: str) -> None:
    async def body() -> None:
        client = await aio.Client(hosts).connect()
        with pytest.warns(ResourceWarning, match="client was not closed"):
            del client
            gc.collect()
        await asyncio.sleep(0.01)

    run(body)


def test_cancelled_connect(hosts: str) -> None:
    async def body() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(aio.Client("127.0.0.1:1", connect_timeout=None).connect(), 0.1)

    run(body)
