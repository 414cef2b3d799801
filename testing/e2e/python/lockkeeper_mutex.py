"""Contends for Lockkeeper's own Python lock on behalf of a test.

Arguments: connect string, lock path, name. Commands and answers are those of `kazoo_mutex.py`.
"""

import sys

import line_peer
import lockkeeper


class Peer:
    """The settings of one process and its commands."""

    def __init__(self, connect, path, name):
        self.connect = connect
        self.path = path
        self.name = name

    def serve(self):
        """Answers commands until the end of the input."""
        with lockkeeper.connect(self.connect) as client:
            lock = client.lock(self.path, label=self.name)
            guard = None
            line_peer.say("ready")
            for line in sys.stdin:
                words = line.split()
                if words[0] == "acquire":
                    try:
                        guard = lock.acquire(timeout=int(words[1]) / 1000)
                    except lockkeeper.LockTimeout:
                        line_peer.say("timeout")
                    else:
                        line_peer.say("acquired %d %d %s" % describe(guard))
                elif words[0] == "release":
                    guard.release()
                    line_peer.say("released")
                elif words[0] == "run":
                    count, sessions = int(words[1]), int(words[3])
                    line_peer.run_sessions(
                        self.name, sessions, lambda who: self._run(who, count, words[2])
                    )
                    line_peer.say("done %d" % (count * sessions))
                elif words[0] == "quit":
                    break
                else:
                    raise ValueError("unknown command: " + line)

    def _run(self, who, count, oracle):
        link = line_peer.OracleLink(oracle)
        with lockkeeper.connect(self.connect) as client:
            lock = client.lock(self.path, label=who)
            for _ in range(count):
                with lock as guard:
                    fence, sequence, _znode = describe(guard)
                    link.enter(who, fence, sequence)
                    link.exit(who)
        link.close()


def describe(guard):
    """Fence, sequence number and name of a held contender."""
    znode = guard.path.rsplit("/", 1)[1]
    return guard.fence, int(znode[-10:]), znode


def main():
    connect, path, name = sys.argv[1:4]
    Peer(connect, path, name).serve()
    return 0


line_peer.run(main)
