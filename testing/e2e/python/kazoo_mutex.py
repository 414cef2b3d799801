"""Contends for kazoo's lock on behalf of a test.

Arguments: connect string, lock path, name, then optionally `--stock`. One command per line on
standard input, one answer per line on standard output, the same as every other mutex peer:

    (start)                      ready
    acquire MILLISECONDS         acquired FENCE SEQUENCE NODE | timeout
    release                      released
    run COUNT ORACLE SESSIONS    done TOTAL
    quit                         (exits)

Stock kazoo names its contenders `<uuid>__lock__<sequence>`, which Curator sorts behind every name
of its own and so never waits for. The subclass below names them `<uuid>-lock-<sequence>` and
respects whatever has `-lock-` before the digits: with it the two exclude each other.
"""

import sys

import line_peer
from kazoo.client import KazooClient
from kazoo.exceptions import LockTimeout
from kazoo.recipe.lock import Lock


class CuratorLock(Lock):
    """kazoo's lock in the layout of Curator's mutex."""

    _NODE_NAME = "-lock-"
    _EXCLUDE_NAMES = ["-lock-"]


class Peer:
    """The settings of one process and its commands."""

    def __init__(self, connect, path, name, lock_type):
        self.connect = connect
        self.path = path
        self.name = name
        self.lock_type = lock_type

    def serve(self):
        """Answers commands until the end of the input."""
        client = self._open()
        lock = self.lock_type(client, self.path, self.name)
        line_peer.say("ready")
        for line in sys.stdin:
            words = line.split()
            if words[0] == "acquire":
                try:
                    got = lock.acquire(timeout=int(words[1]) / 1000)
                except LockTimeout:
                    got = False
                line_peer.say("acquired %d %d %s" % self._describe(lock) if got else "timeout")
                if not got:
                    # A lock object that gave up would look for its old znode the next time.
                    lock = self.lock_type(client, self.path, self.name)
            elif words[0] == "release":
                lock.release()
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
        client.stop()
        client.close()

    def _run(self, who, count, oracle):
        client = self._open()
        link = line_peer.OracleLink(oracle)
        lock = self.lock_type(client, self.path, who)
        for _ in range(count):
            lock.acquire()
            try:
                fence, sequence, _node = self._describe(lock)
                link.enter(who, fence, sequence)
                link.exit(who)
            finally:
                lock.release()
        link.close()
        client.stop()
        client.close()

    def _describe(self, lock):
        """Fence, sequence number and name of a held contender."""
        stat = lock.client.exists(self.path + "/" + lock.node)
        return stat.czxid, int(lock.node[-10:]), lock.node

    def _open(self):
        client = KazooClient(hosts=self.connect, timeout=10)
        client.start(timeout=15)
        return client


def main():
    connect, path, name = sys.argv[1:4]
    stock = "--stock" in sys.argv[4:]
    Peer(connect, path, name, Lock if stock else CuratorLock).serve()
    return 0


line_peer.run(main)
