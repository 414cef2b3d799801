"""The client for asyncio.

    from lockkeeper import aio

    async with aio.Client("127.0.0.1:2181") as client:
        async with client.lock("/jobs/nightly", timeout=10) as guard:
            await run_job(fence=guard.fence)

A call on a znode sends its request at once and returns a :class:`asyncio.Future`: requests go out
in the order of the calls, whether awaited or not, so several can be under way without a task for
each. Cancelling one drops the answer; a write that was cancelled may have been carried out.

Recipes are coroutines. Cancelling the task that waits for one, at any moment, takes back what it
was doing: a contender leaves the queue, a party the barrier.

A client is for one event loop, the one that it was connected in, and not for several threads. Works
on every loop that has ``add_reader``, such as uvloop.
"""

from ._async.barrier import Barrier, CountdownLatch, DoubleBarrier, Party, Rendezvous
from ._async.changes import Changes
from ._async.client import Client
from ._async.config import Config, ConfigChanges, ConfigSet
from ._async.election import Candidate, CandidateStates, Election, Leader
from ._async.group import Group, Membership
from ._async.lock import Guard, Lock
from ._async.rwlock import ReadGuard, RwLock, WriteGuard
from ._async.semaphore import Semaphore
from ._async.value import SharedCount, SharedValue

__all__ = [
    "Barrier",
    "Candidate",
    "CandidateStates",
    "Changes",
    "Client",
    "Config",
    "ConfigChanges",
    "ConfigSet",
    "CountdownLatch",
    "DoubleBarrier",
    "Election",
    "Group",
    "Guard",
    "Leader",
    "Lock",
    "Membership",
    "Party",
    "ReadGuard",
    "Rendezvous",
    "RwLock",
    "Semaphore",
    "SharedCount",
    "SharedValue",
    "WriteGuard",
]
