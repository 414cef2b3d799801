"""Forks: a child refuses its parent's client, opens its own, and leaves the parent's alone."""

from __future__ import annotations

import os
import warnings
from typing import Callable

import pytest

import lockkeeper
from lockkeeper import Client, GuardState

from support import PATIENCE_S, finish, python


def in_child(body: Callable[[], None]) -> int:
    """Runs a function in a forked child; returns its exit status."""
    with warnings.catch_warnings():
        # Newer interpreters warn of forks beside threads, which is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            body()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_both_sides_go_on(client: Client, hosts: str, path: str) -> None:
    lock = client.lock(path)
    latch = client.countdown_latch(path + "/latch", 1)
    with lock as guard, client.double_barrier(
        path + "/double", 1
    ).enter() as party, client.election(path + "/election").join() as candidate:

        def child() -> None:
            for call in (
                lambda: client.get("/"),
                lambda: client.session_id,
                lambda: client.close(),
                lambda: lock.acquire(),
                lambda: guard.release(),
                lambda: guard.state,
                lambda: guard.on_lost(print),
                lambda: client.barrier(path),
                lambda: latch.count_down(),
                lambda: party.state,
                lambda: party.lost(),
                lambda: party.leave(),
                lambda: client.election(path),
                lambda: candidate.state,
                lambda: candidate.lead(),
            ):
                with pytest.raises(lockkeeper.ForkedError, match="create the client after the fork"):
                    call()
            with lockkeeper.connect(hosts) as own:
                own.create(path + "/child", b"here")
                assert own.lock(path).queue_position() == 1
                with own.lock(path + "/other", timeout=PATIENCE_S) as theirs:
                    assert theirs.is_valid

        assert in_child(child) == 0
        assert guard.state is GuardState.HELD and party.state is GuardState.HELD
        guard.confirm()
    assert latch.count_down() == 0
    assert client.get(path + "/child")[0] == b"here"


def test_dropping_in_the_child_harms_nobody(hosts: str, path: str) -> None:
    client = lockkeeper.connect(hosts)
    guard = client.lock(path).acquire()

    def child() -> None:
        nonlocal client, guard
        warnings.simplefilter("error")
        del guard
        del client

    assert in_child(child) == 0
    guard.confirm()
    guard.release()
    client.close()


def test_a_child_of_a_child(client: Client, hosts: str) -> None:
    def child() -> None:
        with lockkeeper.connect(hosts) as own:

            def grandchild() -> None:
                with pytest.raises(lockkeeper.ForkedError):
                    own.get("/")
                with lockkeeper.connect(hosts) as other:
                    other.get("/")

            assert in_child(grandchild) == 0
            own.get("/")

    assert in_child(child) == 0
    client.get("/")


POOL = """
import multiprocessing, sys, lockkeeper
hosts, path = sys.argv[1:]
def add(_):
    with lockkeeper.connect(hosts) as client:
        with client.lock(path + "/lock", timeout=20):
            data, stat = client.get(path)
            client.set(path, str(int(data or b"0") + 1).encode(), stat.version)
    return 1
if __name__ == "__main__":
    with lockkeeper.connect(hosts) as client:
        with multiprocessing.get_context("fork").Pool(3) as pool:
            print(sum(pool.map(add, range(9))))
        print(client.get(path)[0].decode())
"""


def test_a_pool_of_workers(hosts: str, path: str) -> None:
    assert finish(python(POOL, hosts, path)) == ["9", "9"]
