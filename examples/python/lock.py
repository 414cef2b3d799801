"""Several contenders pass a fenced lock around, each with a session of its own.

    python lock.py --connect host:2181 [--contenders 4] [--rounds 5]

Prints who holds the lock, with which fence, and how long the hand-off from one holder to the next
took. The resource that the lock protects keeps the highest fence it has seen, which is what makes
a holder that comes late harmless.

Without --connect it starts a server of its own: the program that the environment variable
LOCKKEEPER_SERVER names, or else `cargo run -p lockkeeper-server` in this repository.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Iterator, List, Optional

import lockkeeper

LOCK_PATH = "/examples/lock"
ROOT = Path(__file__).parents[2]


class Resource:
    """What only one may change at a time: it refuses whoever is older than the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fence = 0
        self._left_at: Optional[float] = None
        self.handoffs_ms: List[float] = []

    def enter(self, name: str, fence: int) -> None:
        """Checks the fence and reports how long nobody was here."""
        with self._lock:
            if fence <= self._fence:
                raise RuntimeError("%s came late: %d after %d" % (name, fence, self._fence))
            self._fence = fence
            handoff = ""
            if self._left_at is not None:
                self.handoffs_ms.append((time.monotonic() - self._left_at) * 1000)
                handoff = "  hand-off %.2f ms" % self.handoffs_ms[-1]
            print("%-12s fence %d%s" % (name, fence, handoff), flush=True)

    def leave(self) -> None:
        """Notes when the holder began to give the lock back."""
        with self._lock:
            self._left_at = time.monotonic()


def contend(hosts: str, name: str, rounds: int, resource: Resource) -> None:
    """One contender: takes the lock again and again."""
    with lockkeeper.connect(hosts) as client:
        lock = client.lock(LOCK_PATH, timeout=30, label=name)
        for _ in range(rounds):
            with lock as guard:
                resource.enter(name, guard.fence)
                time.sleep(0.01)
                guard.raise_if_lost()
                resource.leave()


def tell_story(hosts: str, contenders: int, rounds: int) -> None:
    """Lets them all run and sums up."""
    resource = Resource()
    threads = [
        threading.Thread(target=contend, args=(hosts, "contender-%d" % i, rounds, resource))
        for i in range(1, contenders + 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handoffs = sorted(resource.handoffs_ms)
    if len(handoffs) != contenders * rounds - 1:
        raise SystemExit("somebody did not finish")
    if handoffs:
        print(
            "%d hand-offs, median %.2f ms, longest %.2f ms"
            % (len(handoffs), handoffs[len(handoffs) // 2], handoffs[-1])
        )


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """Runs a server on a free port with data that goes with it; gives its connect string."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "zoo.cfg")
        config.write_text(
            "dataDir=%s/data\nclientPort=%d\nclientPortAddress=127.0.0.1\n" % (folder, port)
        )
        Path(folder, "data").mkdir()
        program = os.environ.get("LOCKKEEPER_SERVER")
        cargo = ["cargo", "run", "--quiet", "-p", "lockkeeper-server", "--"]
        command = [program] if program else cargo
        server = subprocess.Popen([*command, str(config)], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            yield "127.0.0.1:%d" % port
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Contenders pass a fenced lock around.")
    parser.add_argument("--connect", metavar="HOST:PORT", help="an ensemble that runs already")
    parser.add_argument("--contenders", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        hosts = options.connect or stack.enter_context(own_server())
        tell_story(hosts, options.contenders, options.rounds)


if __name__ == "__main__":
    main()
