"""Blocking calls: other threads run, Ctrl-C is answered, the interpreter ends in peace."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import List

import pytest

import lockkeeper
from lockkeeper import Client

from support import finish, python, wait_until


def test_other_threads_run_while_a_call_blocks(client: Client, other: Client, path: str) -> None:
    counted = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal counted
        while not stop.is_set():
            counted += 1
            time.sleep(0.001)

    with client.lock(path):
        thread = threading.Thread(target=count)
        thread.start()
        with pytest.raises(TimeoutError):
            other.lock(path).acquire(timeout=0.5)
        stop.set()
        thread.join()
    assert counted > 50


WAITS = """
import sys, threading, time, lockkeeper
hosts, path = sys.argv[1:]
main = threading.get_ident()
def tell():
    while sys._current_frames()[main].f_code.co_name not in ("run", "take"):
        time.sleep(0.001)
    print("waiting", flush=True)
with lockkeeper.connect(hosts) as client:
    threading.Thread(target=tell, daemon=True).start()
    try:
        CALL
    except KeyboardInterrupt:
        print("interrupted", time.monotonic(), flush=True)
        sys.stdin.readline()
"""


@pytest.mark.parametrize(
    "call",
    [
        "client.lock(path + '/lock').acquire()",
        "client.barrier(path + '/barrier').wait()",
        "client.double_barrier(path + '/double', 2).enter()",
        "client.countdown_latch(path + '/latch', 2).wait()",
        "client.rendezvous(path + '/empty').filled()",
        "client.rendezvous(path + '/taken').occupy(b'x')",
        "list(client.shared_value(path + '/empty').changes())",
        "list(client.config(path + '/empty').changes())",
        "list(client.group(path + '/empty').view())",
        "client.group(path).join('taken')",
        "client.rwlock(path + '/rwlock').read()",
        "client.semaphore(path + '/semaphore', 1).acquire()",
        "client.election(path + '/election').lead()",
        "client.election(path + '/election').run(print)",
        "list(client.election(path + '/election').observe())",
    ],
)
def test_ctrl_c_ends_a_wait_and_takes_its_znode_away(
    client: Client, hosts: str, path: str, call: str
) -> None:
    client.barrier(path + "/barrier").close()
    client.create(path + "/double")
    client.countdown_latch(path + "/latch", 2).remaining()
    with contextlib.ExitStack() as stack:
        stack.enter_context(client.lock(path + "/lock"))
        stack.enter_context(client.rwlock(path + "/rwlock").write())
        stack.enter_context(client.semaphore(path + "/semaphore", 1))
        stack.enter_context(client.election(path + "/election").lead())
        stack.enter_context(client.rendezvous(path + "/taken").occupy(b"here"))
        before = tree(client, path)
        process = python(WAITS.replace("CALL", call), hosts, path)
        assert process.stdout and process.stdout.readline() == "waiting\n"
        if any(word in call for word in ("lock(", "double", "semaphore", "lead", "run")):
            wait_until(lambda: tree(client, path) != before, "its znode is there")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        word, at = process.stdout.readline().split()
        assert word == "interrupted"
        # CLOCK_MONOTONIC is one clock for all processes; a busy machine gets some grace.
        assert float(at) - began < 0.1 + 0.4
        # The session lives on, so it is the client that removes the znode.
        wait_until(lambda: tree(client, path) == before, "its znode is gone")
        assert process.poll() is None
        finish(process)


def tree(client: Client, path: str) -> List[str]:
    """The paths of all znodes below a path that are not gone when they are looked at."""
    paths: List[str] = []
    try:
        for name in client.children(path):
            paths += [path + "/" + name, *tree(client, path + "/" + name)]
    except lockkeeper.NoNode:
        pass
    return sorted(paths)


CONNECTS = """
import socket, threading, lockkeeper
accepted = []
def accept():
    accepted.append(silent.accept())
    print("connecting", flush=True)
with socket.create_server(("127.0.0.1", 0)) as silent:
    threading.Thread(target=accept, daemon=True).start()
    try:
        lockkeeper.connect("127.0.0.1:%d" % silent.getsockname()[1], connect_timeout=None)
    except KeyboardInterrupt:
        print("interrupted")
    accepted[0][0].close()
"""


def test_ctrl_c_ends_a_connect() -> None:
    process = python(CONNECTS)
    assert process.stdout and process.stdout.readline() == "connecting\n"
    process.send_signal(signal.SIGINT)
    assert finish(process) == ["interrupted"]


ENDS = """
import atexit, sys, threading, time
# Hooks run last in, first out: this one waits behind the one of lockkeeper.
ended = threading.Event()
atexit.register(ended.wait, 10)
import lockkeeper
hosts, path = sys.argv[1:]
client = lockkeeper.connect(hosts)
guard = client.lock(path).acquire()
guard.on_lost(print)
def wait():
    try:
        client.lock(path).acquire()
    except lockkeeper.ClosedError:
        print("ended", flush=True)
        ended.set()
threading.Thread(target=wait, daemon=True).start()
while client.lock(path).queue_position() < 2:
    time.sleep(0.01)
"""


def test_the_interpreter_ends_while_threads_block(hosts: str, path: str) -> None:
    process = python(ENDS, hosts, path)
    output, complaints = process.communicate(timeout=20)
    assert process.returncode == 0, complaints
    assert output == "ended\n"
    assert "Fatal" not in complaints and "panicked" not in complaints
