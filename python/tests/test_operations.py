"""Reads, writes and what refuses them."""

from __future__ import annotations

import datetime
import pickle

import pytest

import lockkeeper
from lockkeeper import Acl, Client, CreateMode


def test_a_znode_from_creation_to_deletion(client: Client, path: str) -> None:
    assert client.create(path + "/a", b"one") == path + "/a"
    data, stat = client.get(path + "/a")
    assert (data, stat.version, stat.data_length, stat.num_children) == (b"one", 0, 3, 0)
    assert client.set(path + "/a", b"two", version=0).version == 1
    assert client.get(path + "/a")[0] == b"two"
    assert client.children(path) == ["a"]
    client.delete(path + "/a", version=1)
    assert client.exists(path + "/a") is None
    assert client.children(path) == []


def test_data_is_any_bytes(client: Client, path: str) -> None:
    for data in (b"", b"\0\xff", bytearray(b"x"), memoryview(b"xyz")[1:], b"x" * 500_000):
        client.set(path, data)
        assert client.get(path)[0] == bytes(data)


def test_modes(client: Client, path: str) -> None:
    assert client.create(path + "/s-", mode="persistent_sequential") == path + "/s-0000000000"
    made = client.create(path + "/e-", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    assert made == path + "/e-0000000001"
    stat = client.exists(made)
    assert stat is not None and stat.ephemeral_owner == client.session_id
    client.create(path + "/c", mode="container")
    client.create(path + "/t", mode="persistent_ttl", ttl=3600)
    with pytest.raises(lockkeeper.NoChildrenForEphemerals):
        client.create(made + "/child")


def test_makepath(client: Client, path: str) -> None:
    client.create(path + "/a/b/c", b"deep", makepath=True)
    assert client.get(path + "/a/b/c")[0] == b"deep"
    client.create(path + "/a/b/d", makepath=True)
    made = client.create(path + "/x/y/", mode="persistent_sequential", makepath=True)
    assert made == path + "/x/y/0000000000"
    with pytest.raises(lockkeeper.NodeExists):
        client.create(path + "/a/b/c", makepath=True)


def test_stat_is_a_value(client: Client, path: str) -> None:
    stat = client.exists(path)
    assert stat is not None
    same = client.get(path)[1]
    assert stat == same and hash(stat) == hash(same)
    assert stat != client.set(path, b"")
    assert "version=0" in repr(stat)
    age = datetime.datetime.now(datetime.timezone.utc) - stat.created
    assert abs(age.total_seconds()) < 60 and stat.modified == stat.created
    with pytest.raises(AttributeError):
        stat.version = 3  # type: ignore[misc]


def test_access_lists(client: Client, other: Client, path: str) -> None:
    client.create(path + "/read", b"r", acl=[Acl(lockkeeper.READ, "world", "anyone")])
    with pytest.raises(lockkeeper.NoAuth):
        client.set(path + "/read", b"")
    client.add_auth("digest", b"alice:secret")
    client.create(path + "/own", acl=lockkeeper.CREATOR_ALL)
    with pytest.raises(lockkeeper.NoAuth):
        other.get(path + "/own")
    other.add_auth("digest", b"alice:secret")
    assert other.get(path + "/own")[0] == b""
    with pytest.raises(lockkeeper.InvalidACL):
        client.create(path + "/bad", acl=[])


def test_credentials_given_at_the_start(hosts: str, path: str) -> None:
    with lockkeeper.connect(
        hosts, auth=[("digest", "bob:secret")], default_acl=lockkeeper.CREATOR_ALL
    ) as bob:
        bob.create(path + "/own")
    with lockkeeper.connect(hosts) as nobody, pytest.raises(lockkeeper.NoAuth):
        nobody.get(path + "/own")


def test_chroot(client: Client, hosts: str, path: str) -> None:
    with lockkeeper.connect(hosts + path) as inside:
        assert inside.create("/a", b"x") == "/a"
        inside.sync()
        assert inside.children("/") == ["a"]
    assert client.get(path + "/a")[0] == b"x"


def test_refusals_carry_the_facts(client: Client, path: str) -> None:
    with pytest.raises(lockkeeper.NoNode) as caught:
        client.get(path + "/none")
    error = caught.value
    assert (error.code, error.op, error.path) == (-101, "get", path + "/none")
    assert error.maybe_applied is False
    assert path in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is lockkeeper.NoNode
    assert (copy.code, copy.op, copy.path, str(copy)) == (-101, "get", error.path, str(error))
    client.create(path + "/a/b", makepath=True)
    with pytest.raises(lockkeeper.NodeExists):
        client.create(path + "/a")
    with pytest.raises(lockkeeper.BadVersion):
        client.set(path, b"", version=7)
    with pytest.raises(lockkeeper.NotEmpty):
        client.delete(path + "/a")
    with pytest.raises(lockkeeper.NoNode):
        client.create(path + "/none/a")


def test_the_tree_of_exceptions() -> None:
    assert issubclass(lockkeeper.NoNode, lockkeeper.OperationError)
    assert issubclass(lockkeeper.ConnectionLoss, ConnectionError)
    assert issubclass(lockkeeper.SessionExpired, ConnectionError)
    assert issubclass(lockkeeper.LockTimeout, TimeoutError)
    assert issubclass(lockkeeper.OperationTimeout, TimeoutError)
    assert issubclass(lockkeeper.InvalidArgument, ValueError)
    assert issubclass(lockkeeper.ForkedError, lockkeeper.ClosedError)
    for name in lockkeeper.__all__:
        value = getattr(lockkeeper, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, lockkeeper.LockkeeperError)
