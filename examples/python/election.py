"""Candidates, each with a session of its own, lead one after the other; an observer tells who.

    python election.py [--connect host:2181] [--candidates 4] [--terms 2]

Each candidate leads for so many terms. Its work is a coroutine that is cancelled when the term is
lost: an operator deletes every second leader's znode, and its candidate stands again at the tail.
Each row is a term: who leads, with which fence, and how it ended.
"""

from __future__ import annotations

import asyncio
from typing import List

from lockkeeper import aio

from stage import play

PATH = "/lockkeeper/examples/python-election"


async def stand(hosts: str, name: str, terms: int, fences: List[int]) -> None:
    """A candidate: leads until it has had its terms."""
    async with aio.Client(hosts) as client:
        led = 0

        async def lead(leader: aio.Leader) -> None:
            nonlocal led
            led += 1
            fences.append(leader.fence)
            ended = "resigned"
            try:
                if len(fences) % 2 == 0:
                    # An operator is at work; the leader finds out.
                    await client.delete(leader.path)
                    await leader.lost()
                    await asyncio.sleep(60)
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                ended = "lost"
                raise
            finally:
                print("%-12s fence %-6d %s" % (name, leader.fence, ended), flush=True)

        election = client.election(PATH, name, publish=True)
        while led < terms:
            await election.run(lead)


async def observe(hosts: str, seen: List[int]) -> None:
    """Somebody who does not stand and wants to know who leads."""
    async with aio.Client(hosts) as client:
        async for leader in client.election(PATH).observe():
            if not seen or leader.fence > seen[-1]:
                seen.append(leader.fence)


async def elect(hosts: str, candidates: int, terms: int) -> None:
    fences: List[int] = []
    seen: List[int] = []
    observer = asyncio.create_task(observe(hosts, seen))
    names = ["candidate-%d" % number for number in range(1, candidates + 1)]
    await asyncio.gather(*(stand(hosts, name, terms, fences) for name in names))
    while not seen or seen[-1] < fences[-1]:
        await asyncio.sleep(0.01)
    observer.cancel()
    if fences != sorted(set(fences)) or not set(seen) <= set(fences) | {seen[0]}:
        raise SystemExit("a fence is not larger than the one before")
    print("%d terms, each fence larger than the one before" % len(fences))


def story(hosts: str, candidates: int, terms: int) -> None:
    asyncio.run(elect(hosts, candidates, terms))


if __name__ == "__main__":
    play("Candidates lead one after the other.", {"candidates": 4, "terms": 2}, story)
