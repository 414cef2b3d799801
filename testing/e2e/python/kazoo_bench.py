"""kazoo's recipes under measurement."""

import queue
import threading
import time

import bench_peer
import line_peer
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.recipe.watchers import DataWatch


def pairs(connect, path, _count, follow):
    client = session(connect)
    lock = client.Lock(path)

    def pair():
        lock.acquire()
        lock.release()

    follow(lambda seconds: bench_peer.repeat(seconds, bench_peer.timed(pair)))
    close(client)


class Course:
    """What contenders tell each other; only the holder of the lock writes here."""

    def __init__(self):
        self.took = []
        self.released = None
        self.over = False

    def during(self, seconds):
        """The hand-offs of an interval that begins now."""
        self.took = []
        time.sleep(seconds)
        return self.took[:]


def handoffs(connect, path, count, follow):
    clients = bench_peer.at_once(session, [connect] * count)
    course = Course()
    threads = [threading.Thread(target=contend, args=(it, path, course)) for it in clients]
    for thread in threads:
        thread.start()
    follow(course.during)
    course.over = True
    for thread in threads:
        thread.join()
    bench_peer.at_once(close, clients)


def contend(client, path, course):
    lock = client.Lock(path)
    while not course.over:
        lock.acquire()
        if course.released is not None:
            course.took.append(time.perf_counter() - course.released)
        course.released = time.perf_counter()
        lock.release()


class Candidate:
    """A session that stands for election and says when it leads."""

    def __init__(self, connect, path, index, acts):
        self._client = session(connect)
        self._index = index
        self._acts = acts
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._stand, args=(path,))
        self._thread.start()

    def _stand(self, path):
        try:
            self._client.Election(path, str(self._index)).run(self._lead)
        except KazooException:
            # Its session is closed.
            pass

    def _lead(self):
        self._acts.put((self._index, time.perf_counter()))
        self._closed.wait()

    def close(self):
        self._client.stop()
        self._closed.set()

    def join(self):
        self._thread.join()
        self._client.close()


def failovers(connect, path, count, follow):
    acts = queue.Queue()
    onlooker = session(connect)
    candidates = [Candidate(connect, path, i, acts) for i in range(count)]
    leader, _ = acts.get()

    def await_candidates():
        while len(onlooker.get_children(path)) < count:
            time.sleep(0.001)

    def turn():
        nonlocal leader
        closing = time.perf_counter()
        candidates[leader].close()
        index, acted = acts.get()
        candidates[leader].join()
        candidates[leader] = Candidate(connect, path, leader, acts)
        leader = index
        await_candidates()
        return acted - closing

    await_candidates()
    follow(lambda seconds: bench_peer.repeat(seconds, turn))
    for candidate in candidates:
        candidate.close()
        candidate.join()
    close(onlooker)


def updates(connect, path, count, follow):
    publisher = session(connect)
    publisher.create(path, b"0")
    round = bench_peer.Round(b"0", count)
    clients = bench_peer.at_once(session, [connect] * count)
    for client in clients:
        DataWatch(client, path, lambda data, _stat: round.arrived(data))
    round.wait()
    published = 0

    def turn():
        nonlocal published, round
        published += 1
        value = str(published).encode()
        round = bench_peer.Round(value, count)
        start = time.perf_counter()
        publisher.set(path, value)
        round.wait()
        return time.perf_counter() - start

    follow(lambda seconds: bench_peer.repeat(seconds, turn))
    bench_peer.at_once(close, clients)
    close(publisher)


def gets(connect, path, _count, follow):
    client = session(connect)
    client.create(path, b"x" * 100)
    get = bench_peer.timed(lambda: client.get(path))
    follow(lambda seconds: bench_peer.repeat(seconds, get))
    close(client)


def session(connect):
    client = KazooClient(hosts=connect, timeout=30)
    client.start(timeout=30)
    return client


def close(client):
    client.stop()
    client.close()


def main():
    works = (pairs, handoffs, failovers, updates, gets)
    return bench_peer.obey({work.__name__: work for work in works})


line_peer.run(main)
