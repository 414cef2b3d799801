"""Our Python package under measurement."""

import bench_peer
import line_peer
import lockkeeper


def pairs(connect, path, _count, follow):
    with lockkeeper.connect(connect, timeout=30) as client:
        lock = client.lock(path)

        def pair():
            lock.acquire().release()

        follow(lambda seconds: bench_peer.repeat(seconds, bench_peer.timed(pair)))


def gets(connect, path, _count, follow):
    with lockkeeper.connect(connect, timeout=30) as client:
        client.create(path, b"x" * 100)
        get = bench_peer.timed(lambda: client.get(path))
        follow(lambda seconds: bench_peer.repeat(seconds, get))


def main():
    return bench_peer.obey({work.__name__: work for work in (pairs, gets)})


line_peer.run(main)
