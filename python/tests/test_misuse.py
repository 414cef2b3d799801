"""Arguments that cannot be, clients that are closed: exceptions of the right kind, and no panics."""

from __future__ import annotations

import gc
import socket
from typing import Any, Callable, List

import pytest

import lockkeeper
from lockkeeper import Client

from support import kill_session, wait_until


def test_wrong_types(client: Client, path: str) -> None:
    anything: Any = client
    calls: List[Callable[[], Any]] = [
        lambda: anything.get(7),
        lambda: anything.get(None),
        lambda: anything.get(b"/bytes"),
        lambda: anything.get(),
        lambda: anything.create(path + "/a", "text"),
        lambda: anything.create(path + "/a", 5),
        lambda: anything.create(path + "/a", acl="world"),
        lambda: anything.create(path + "/a", acl=[(1, 2, 3)]),
        lambda: anything.create(path + "/a", mode="persistent_ttl", ttl="long"),
        lambda: anything.set(path, None),
        lambda: anything.set(path, b"", version="1"),
        lambda: anything.lock(3),
        lambda: anything.lock(path, timeout="soon").acquire(),
        lambda: anything.lock(path, label=1),
        lambda: anything.barrier(3),
        lambda: anything.barrier(path).wait("soon"),
        lambda: anything.double_barrier(path, "two"),
        lambda: anything.double_barrier(path, 2).round("first"),
        lambda: anything.countdown_latch(path),
        lambda: anything.countdown_latch(path, 2).count_down(7),
        lambda: anything.rendezvous(path).fill("text"),
        lambda: anything.rendezvous(path).occupy(None),
        lambda: anything.rendezvous(path).vacated(b"data"),
        lambda: anything.shared_value(path).set("text"),
        lambda: anything.shared_value(path).try_set(b"previous", b"next"),
        lambda: anything.shared_count(path).set(1.5),
        lambda: anything.config(path, check="check"),
        lambda: anything.config_set(path).publish(7),
        lambda: anything.config_set(path).publish({"key": "text"}),
        lambda: anything.config_set(path).publish({7: b"value"}),
        lambda: anything.group(path).join(7),
        lambda: anything.group(path).join("id", "text"),
        lambda: lockkeeper.connect(5),  # type: ignore[arg-type]
        lambda: lockkeeper.connect("localhost", auth="digest"),  # type: ignore[arg-type]
        lambda: lockkeeper.connect("localhost", resume=3),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_wrong_values(client: Client, path: str) -> None:
    anything: Any = client
    calls: List[Callable[[], Any]] = [
        lambda: client.get("no-slash"),
        lambda: client.get("/a//b"),
        lambda: client.get("/nul\0"),
        lambda: client.get("/\ud800"),
        lambda: client.create(path + "/a", ttl=5),
        lambda: client.create(path + "/a", mode="persistent_ttl"),
        lambda: client.create(path + "/a", mode="persistent_ttl", ttl=-1),
        lambda: client.create(path + "/a", mode="persistent_ttl", ttl=float("nan")),
        lambda: anything.create(path + "/a", mode="forever"),
        lambda: client.lock("relative"),
        lambda: anything.lock(path, layout="mine"),
        lambda: client.lock(path, timeout=-1).acquire(),
        lambda: client.lock(path, timeout=float("nan")).acquire(),
        lambda: client.barrier("relative"),
        lambda: client.barrier(path).wait(timeout=-1),
        lambda: client.double_barrier(path, 0),
        lambda: client.double_barrier(path, -1),
        lambda: client.double_barrier(path, 5_001),
        lambda: client.double_barrier(path, 2).enter(timeout=float("nan")),
        lambda: client.countdown_latch(path, 0),
        lambda: client.rendezvous(""),
        lambda: client.shared_value("relative"),
        lambda: client.shared_value(path).changes().next(timeout=-1),
        lambda: client.config("relative"),
        lambda: anything.config_set(path, layout="mine"),
        lambda: client.group("/a/"),
        lambda: client.group(path).join("id", timeout=float("nan")),
        lambda: lockkeeper.connect(""),
        lambda: lockkeeper.connect("host:port"),
        lambda: lockkeeper.connect("localhost", timeout=0),
        lambda: lockkeeper.connect("localhost", timeout=float("inf")),
        lambda: lockkeeper.connect("localhost", connect_timeout=-1),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()
    with pytest.raises(OverflowError):
        client.set(path, b"", version=2**31)
    assert client.get(path)[0] == b""


def test_data_above_the_limit_is_never_sent(client: Client, path: str) -> None:
    with pytest.raises(lockkeeper.InvalidArgument, match="jute.maxbuffer"):
        client.set(path, b"x" * 2_000_000)
    assert client.get(path)[0] == b""


def test_a_lock_waits_for_any_time(client: Client, path: str) -> None:
    for timeout in (1e300, float("inf"), 10**6, None):
        with client.lock(path, timeout=timeout):
            pass


def test_a_closed_client(hosts: str) -> None:
    client = Client(hosts)
    assert client.state == "closed"
    with pytest.raises(lockkeeper.ClosedError, match="connect"):
        client.get("/")
    client.close()
    with client:
        assert client.connect() is client
        assert client.get("/")
        lock = client.lock("/never")
        waits: List[Callable[[], Any]] = [
            lock.acquire,
            lock.try_acquire,
            client.barrier("/never").wait,
            client.double_barrier("/never", 2).enter,
            client.countdown_latch("/never", 2).wait,
            client.rendezvous("/never").filled,
            lambda: client.rendezvous("/never").occupy(b"data"),
            client.shared_value("/never").changes().next,
            client.config_set("/never").follow,
            client.group("/never").view().next,
            lambda: client.group("/never").join("id"),
            client.rwlock("/never").read,
            client.semaphore("/never", 2).acquire,
            client.election("/never").lead,
            client.election("/never").join().lead,
            client.election("/never").observe().next,
        ]
    client.close()
    assert client.state == "closed"
    for call in (lambda: client.get("/"), *waits):
        with pytest.raises(lockkeeper.ClosedError):
            call()


def test_an_expired_client(hosts: str) -> None:
    with lockkeeper.connect(hosts) as client:
        kill_session(client, hosts)
        wait_until(lambda: client.state is lockkeeper.SessionState.EXPIRED, "expired")
        with pytest.raises(lockkeeper.SessionExpired) as caught:
            client.get("/")
        assert caught.value.op == "get"
        assert caught.value.path == "/"


def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(lockkeeper.Unreachable) as caught:
            lockkeeper.connect("127.0.0.1:%d" % closed.getsockname()[1], connect_timeout=0.3)
    assert isinstance(caught.value, ConnectionError)


def test_somebody_there_who_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = "127.0.0.1:%d" % silent.getsockname()[1]
        with pytest.raises(lockkeeper.Unreachable):
            lockkeeper.connect(address, connect_timeout=0.2)


def test_what_is_forgotten_warns(hosts: str) -> None:
    client = lockkeeper.connect(hosts)
    guard = client.lock("/forgotten").acquire()
    with pytest.warns(ResourceWarning, match="lock was not released"):
        del guard
        gc.collect()
    with pytest.warns(ResourceWarning, match="client was not closed"):
        del client
        gc.collect()
