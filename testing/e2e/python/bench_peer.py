"""What the Python programs under measurement share: the orders that head `bench/src/program.rs`."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import line_peer


def obey(works):
    """Takes orders until `quit` or the end of the input.

    `works` are functions by name; each gets connect string, path, count and `follow`, opens what it
    needs, hands `follow` a function of an interval in seconds that returns times in seconds, and
    closes everything.
    """
    line_peer.say("ready")
    for line in sys.stdin:
        words = line.split()
        if len(words) != 4:
            return 0
        count = int(words[3])
        # At the default of 5 ms, the threads of a thousand clients do little but ask for the
        # interpreter's lock; with few threads it makes no difference.
        sys.setswitchinterval(0.005 if count < 1000 else 0.5)
        works[words[0]](words[1], words[2], count, _follow)
        line_peer.say("ended")
    return 0


def _follow(work):
    """Carries out the orders of one work."""
    line_peer.say("begun")
    for line in sys.stdin:
        words = line.split()
        if words[0] != "go":
            return
        took = sorted(work(int(words[1]) / 1e3))
        at = [took[len(took) * percent // 100] * 1e6 if took else 0 for percent in (50, 99)]
        line_peer.say("went %d %.1f %.1f" % (len(took), at[0], at[1]))
    raise EOFError("the input ended amid a work")


def at_once(action, items):
    """The results of an action on many items, some at a time: closing a session takes a while."""
    with ThreadPoolExecutor(50) as threads:
        return list(threads.map(action, items))


def repeat(seconds, turn):
    """Does something again and again; it returns what is to be counted as its time."""
    start = time.perf_counter()
    took = []
    while time.perf_counter() - start < seconds:
        took.append(turn())
    return took


def timed(action):
    """A turn that counts the whole time of an action."""

    def turn():
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    return turn


class Round:
    """A value that is on its way to so many watchers."""

    def __init__(self, value, count):
        self.value = value
        self._missing = count
        self._lock = threading.Lock()
        self._done = threading.Event()

    def arrived(self, value):
        """A watcher has got this one."""
        if value == self.value:
            with self._lock:
                self._missing -= 1
                if self._missing == 0:
                    self._done.set()

    def wait(self):
        """Returns when all watchers have it."""
        self._done.wait()
