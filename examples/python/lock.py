"""Several contenders pass a fenced lock around, each with a session of its own.

    python lock.py [--connect host:2181] [--contenders 4] [--rounds 5]

Prints who holds the lock, with which fence, and how long the hand-off from one holder to the next
took. The resource that the lock protects keeps the highest fence it has seen, which is what makes
a holder that comes late harmless.
"""

from __future__ import annotations

import threading
import time
from typing import List, Optional

import lockkeeper

from stage import play

LOCK_PATH = "/lockkeeper/examples/lock"


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


def story(hosts: str, contenders: int, rounds: int) -> None:
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


if __name__ == "__main__":
    play("Contenders pass a fenced lock around.", {"contenders": 4, "rounds": 5}, story)
