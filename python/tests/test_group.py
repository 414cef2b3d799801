"""Groups, both ways: who is there, who comes and who goes."""

from __future__ import annotations

import asyncio
from typing import Any, List

import pytest

import lockkeeper
from lockkeeper import Client, GuardState, Joined, Left, aio

from support import PATIENCE_S, kill_session, wait_until
from test_aio import run


def test_members_come_and_go(client: Client, other: Client, path: str) -> None:
    group, theirs = client.group(path), other.group(path)
    view = theirs.view()
    with pytest.raises(lockkeeper.OperationTimeout):
        view.next(timeout=0.05)
    with group.join("one", b"here") as one:
        event = view.next(timeout=PATIENCE_S)
        assert isinstance(event, Joined)
        assert (event.member.id, event.member.data) == ("one", b"here")
        assert event.member.session_id == client.session_id
        assert (one.path, one.is_valid) == (path + "/one", True)
        with theirs.join("two"):
            came = view.next(timeout=PATIENCE_S)
            assert [member.id for member in group.members()] == ["one", "two"]
            assert theirs.members()[0] == event.member
            with pytest.raises(lockkeeper.OperationTimeout):
                theirs.join("one", timeout=0.1)
            with pytest.raises(lockkeeper.Conflict, match="leave first"):
                group.join("one")
            one.update(b"moved")
            assert [member.data for member in theirs.members()] == [b"moved", b""]
    assert one.state is GuardState.RELEASED
    one.leave()
    with pytest.raises(ValueError, match="given back"):
        one.update(b"late")
    gone = [view.next(timeout=PATIENCE_S) for _ in range(2)]
    assert all(isinstance(event, Left) for event in gone)
    assert {event.member.id for event in gone} == {"one", "two"}
    assert came.member in [event.member for event in gone] and came not in gone
    assert group.members() == []


def test_kazoo_parties_have_no_room_for_data(client: Client, path: str) -> None:
    group = client.group(path, layout="kazoo")
    with group.join("host-7") as member:
        assert member.path.endswith("__party__")
        assert [member.id for member in group.members()] == ["host-7"]
        with pytest.raises(lockkeeper.Conflict, match="no room"):
            member.update(b"data")
    with pytest.raises(lockkeeper.Conflict, match="no room"):
        group.join("host-8", b"data")
    with pytest.raises(lockkeeper.Conflict, match="can stand in a path"):
        client.group(path).join("a/b")
    anything: Any = client
    with pytest.raises(ValueError, match="layout"):
        anything.group(path, layout="mine")


def test_a_membership_ends_with_its_session(hosts: str, other: Client, path: str) -> None:
    view = other.group(path).view()
    with lockkeeper.connect(hosts) as own:
        told: List[GuardState] = []
        member = own.group(path).join("one")
        member.on_lost(told.append)
        assert isinstance(view.next(timeout=PATIENCE_S), Joined)
        kill_session(own, hosts)
        assert isinstance(view.next(timeout=PATIENCE_S), Left)
        wait_until(lambda: member.state is GuardState.LOST, "lost")
        wait_until(lambda: told, "told")
        with pytest.raises(lockkeeper.LockLost, match="membership"):
            member.raise_if_lost()


def test_a_member_whose_znode_is_deleted_comes_back(
    client: Client, other: Client, path: str
) -> None:
    with client.group(path).join("one", b"data") as member:
        before = other.exists(member.path)
        other.delete(member.path)

        def is_back() -> bool:
            now = other.exists(path + "/one")
            return now is not None and before is not None and now.czxid > before.czxid

        wait_until(is_back, "it came back")
        wait_until(lambda: member.state is GuardState.HELD, "it knows")
    assert other.children(path) == []


def test_in_asyncio(client: Client, hosts: str, path: str) -> None:
    async def body() -> None:
        async with aio.Client(hosts) as one, aio.Client(hosts) as two:
            view = two.group(path).view()
            async with one.group(path).join("one", b"here") as member:
                await member.update(b"there")
                (found,) = await two.group(path).members()
                assert (found.id, found.data) == ("one", b"there")
                assert isinstance(await view.next(), Joined)
            async for event in view:
                assert isinstance(event, Left) and event.member.id == "one"
                break
            assert await member.lost() is None
            for step in range(40):
                task = asyncio.create_task(one.group(path).join("cancelled"))
                await asyncio.sleep(step * 0.0001)
                task.cancel()
                try:
                    await (await task).leave()
                except asyncio.CancelledError:
                    pass

            async def is_empty() -> None:
                while await two.group(path).members():
                    await asyncio.sleep(0.01)

            await asyncio.wait_for(is_empty(), PATIENCE_S)

    run(body)
