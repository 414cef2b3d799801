"""A publisher changes a configuration of three keys; readers follow it and never act on half.

    python config.py [--connect host:2181] [--publications 5] [--readers 3]

Each row is a publication: its revision, what it says, and how long until the last reader had it.
Two publications go wrong on purpose: one does not pass the readers' check, so they keep what they
have, and one comes from a publisher that has lost its lock, so nobody sees it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Dict, NamedTuple

import lockkeeper
from lockkeeper import ConfigStatus, aio

from stage import play

PATH = "/lockkeeper/examples/python-config"


class Limits(NamedTuple):
    """What the readers make of the keys."""

    host: str
    soft: int
    hard: int


def limits(keys: Dict[str, bytes]) -> Limits:
    """Reads and checks: a soft limit above the hard one is a mistake, or half of a change."""
    found = Limits(keys["host"].decode(), int(keys["soft"]), int(keys["hard"]))
    if found.soft > found.hard:
        raise ValueError("soft %d is above hard %d" % (found.soft, found.hard))
    return found


def keys_of(host: str, soft: int, hard: int) -> Dict[str, bytes]:
    """What is published."""
    return {"host": host.encode(), "soft": b"%d" % soft, "hard": b"%d" % hard}


async def caught_up(reader: aio.Config[Limits], revision: int) -> lockkeeper.Snapshot[Limits]:
    """What a reader knows once it has looked at a revision, or at a later one."""
    async for snapshot in reader.changes():
        if snapshot.revision >= revision:
            return snapshot
    raise SystemExit("a reader has lost its session")


async def publish(hosts: str, publications: int, readers: int) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(aio.Client(hosts)) for _ in range(readers + 1)]
        published = clients[0].config_set(PATH)
        guard = await clients[0].lock(PATH + "-publisher", timeout=30)
        print("published under a lock with fence %d\n" % guard.fence)
        await published.publish(keys_of("db0", 1, 2), guard)
        following = [
            await stack.enter_async_context(client.config_set(PATH).follow(check=limits))
            for client in clients[1:]
        ]
        print("revision      host  soft  hard  last reader after")
        for number in range(1, publications + 1):
            begun = time.monotonic()
            keys = keys_of("db%d" % number, 10 * number, 20 * number)
            revision = await published.publish(keys, guard)
            seen = await asyncio.gather(*(caught_up(reader, revision) for reader in following))
            took_ms = (time.monotonic() - begun) * 1000
            for snapshot in seen[:1]:
                assert snapshot.good is not None
                row = (revision, *snapshot.good.value, took_ms)
                print("%-12d  %-4s  %4d  %4d  %14.1f ms" % row)

        bad = await published.publish(keys_of("db9", 2, 1), guard)
        seen = await asyncio.gather(*(caught_up(reader, bad) for reader in following))
        for snapshot in seen:
            good = snapshot.good
            if snapshot.status is not ConfigStatus.REJECTED or good is None or good.revision == bad:
                raise SystemExit("a reader acted on what it was to reject")
        for reason in {snapshot.reason for snapshot in seen}:
            print("\nrejected: %s; the last good one stands" % reason)

        # An operator takes the lock away; the publisher has not noticed yet.
        await clients[-1].delete(guard.path)
        try:
            await published.publish(keys_of("db10", 1, 2), guard)
        except lockkeeper.LockLost as lost:
            print("refused: the publisher has lost its lock: %s" % lost.reason)
        else:
            raise SystemExit("a deposed publisher was not refused")


def story(hosts: str, publications: int, readers: int) -> None:
    asyncio.run(publish(hosts, publications, readers))


if __name__ == "__main__":
    about = "A configuration is published as a whole, under a lock."
    play(about, {"publications": 5, "readers": 3}, story)
