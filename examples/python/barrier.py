"""Workers start each round together and end it together.

    python barrier.py [--connect host:2181] [--workers 4] [--rounds 5]

Each row is a round of a double barrier: how far apart the workers came, how far apart they went in,
and how far apart they came out. Nobody goes in before all are there, so the second number is small
however large the first one is. A countdown latch says when all workers have finished.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Dict, List

import lockkeeper

from stage import play

PATH = "/lockkeeper/examples/python-barrier"

Times = Dict[str, List[List[float]]]


def spread_ms(moments: List[float]) -> float:
    """How far apart they are."""
    return (max(moments) - min(moments)) * 1000


def work(hosts: str, path: str, name: str, workers: int, times: Times) -> None:
    """One worker: in every round it comes late by chance, works for as long by chance."""
    with lockkeeper.connect(hosts) as client:
        barrier = client.double_barrier(path + "/rounds", workers)
        for number, came in enumerate(times["came"]):
            time.sleep(random.uniform(0, 0.05))
            came.append(time.monotonic())
            with barrier.round(number).enter(timeout=60) as party:
                times["in"][number].append(time.monotonic())
                time.sleep(random.uniform(0, 0.05))
                party.raise_if_lost()
            times["out"][number].append(time.monotonic())
        client.countdown_latch(path + "/finished", workers).count_down(name)


def story(hosts: str, workers: int, rounds: int) -> None:
    """Lets them meet and looks whether anybody went in too early."""
    times: Times = {what: [[] for _ in range(rounds)] for what in ("came", "in", "out")}
    # A path is good for one run: arrivals stay.
    path = "%s/%d" % (PATH, time.time_ns())
    threads = [
        threading.Thread(target=work, args=(hosts, path, "worker-%d" % i, workers, times))
        for i in range(1, workers + 1)
    ]
    for thread in threads:
        thread.start()
    with lockkeeper.connect(hosts) as client:
        client.countdown_latch(path + "/finished", workers).wait(timeout=60 * rounds)
    for thread in threads:
        thread.join()
    print("round  came within  went in within  came out within   (ms)")
    early = 0
    for number in range(rounds):
        came, entered, left = (times[what][number] for what in ("came", "in", "out"))
        words = number, spread_ms(came), spread_ms(entered), spread_ms(left)
        print("%5d  %11.1f  %14.1f  %15.1f" % words)
        early += sum(moment < max(came) for moment in entered)
    print("in before all had come: %d" % early)


if __name__ == "__main__":
    play("Workers meet at a double barrier.", {"workers": 4, "rounds": 5}, story)
