"""Runs every operation that kazoo has against a server.

Arguments: connect string, then optionally `--harness` (someone answers requests on standard
input). Prints `ok NAME` or `failed NAME: REASON` per check, then `summary PASSED FAILED`; exits
with 1 if anything failed.

"No event" is checked without waiting, after a later reply on the same connection. kazoo calls
watchers on a thread of their own, so such a check may miss an event too many, but never invents one.
"""

import queue
import sys
import traceback

import line_peer
from kazoo import exceptions
from kazoo.client import KazooClient, KazooState
from kazoo.security import make_acl, make_digest_acl, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE

PATIENCE_S = 15
CHECKS = []


def check(body):
    """Registers a check; its name is the function's, with dashes."""
    CHECKS.append((body.__name__.replace("_", "-"), body))
    return body


class Context:
    """What a check gets: a session others share, an empty znode of its own, ways to open more."""

    def __init__(self, connect, zk, root):
        self.connect = connect
        self.zk = zk
        self.root = root
        self.opened = []

    def open(self, **settings):
        """A session of its own for this check."""
        client = KazooClient(hosts=self.connect, timeout=10, **settings)
        client.start(timeout=PATIENCE_S)
        self.opened.append(client)
        return client

    def close(self):
        for client in self.opened:
            client.stop()
            client.close()


class Events(queue.Queue):
    """Watch events in the order of their arrival."""

    def __call__(self, event):
        self.put("%s %s" % (event.type, event.path))

    def next(self):
        return self.get(timeout=PATIENCE_S)


def same(what, expected, actual):
    assert expected == actual, "%s: expected %r but got %r" % (what, expected, actual)


def fails(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError("expected %s but the call succeeded" % error.__name__)


def await_gone(zk, path):
    events = Events()
    while zk.exists(path, watch=events):
        events.next()


@check
def create_persistent(c):
    same("path", c.root + "/a", c.zk.create(c.root + "/a", b"x"))
    same("owner", 0, c.zk.exists(c.root + "/a").ephemeralOwner)
    fails(exceptions.NodeExistsError, c.zk.create, c.root + "/a")
    fails(exceptions.NoNodeError, c.zk.create, c.root + "/none/a")


@check
def create_sequence(c):
    same("first", c.root + "/s0000000000", c.zk.create(c.root + "/s", sequence=True))
    same("second", c.root + "/s0000000001", c.zk.create(c.root + "/s", sequence=True))


@check
def create_ephemeral(c):
    path = c.zk.create(c.root + "/e", ephemeral=True)
    same("owner", c.zk.client_id[0], c.zk.exists(path).ephemeralOwner)
    fails(exceptions.NoChildrenForEphemeralsError, c.zk.create, path + "/x")


@check
def create_ephemeral_sequence(c):
    path = c.zk.create(c.root + "/e-", ephemeral=True, sequence=True)
    same("path", c.root + "/e-0000000000", path)
    same("owner", c.zk.client_id[0], c.zk.exists(path).ephemeralOwner)


@check
def create_with_stat(c):
    path, stat = c.zk.create(c.root + "/a", b"abc", include_data=True)
    same("stat in the reply", c.zk.exists(path), stat)
    same("length", 3, stat.dataLength)


@check
def make_path(c):
    c.zk.ensure_path(c.root + "/a/b/c")
    c.zk.create(c.root + "/d/e", makepath=True)
    same("children", ["a", "d"], sorted(c.zk.get_children(c.root)))


@check
def get_and_set(c):
    stat = c.zk.set(c.root, b"two", version=0)
    same("version", 1, stat.version)
    same("read", (b"two", stat), c.zk.get(c.root))
    fails(exceptions.BadVersionError, c.zk.set, c.root, b"x", version=0)
    fails(exceptions.NoNodeError, c.zk.get, c.root + "/none")


@check
def large_data(c):
    data = bytes(i * 31 % 256 for i in range(1_000_000))
    c.zk.create(c.root + "/large", data)
    same("data", data, c.zk.get(c.root + "/large")[0])


@check
def exists(c):
    same("missing", None, c.zk.exists(c.root + "/none"))
    same("children", 0, c.zk.exists(c.root).numChildren)


@check
def delete(c):
    c.zk.create(c.root + "/a/b", makepath=True)
    fails(exceptions.NotEmptyError, c.zk.delete, c.root + "/a")
    fails(exceptions.BadVersionError, c.zk.delete, c.root + "/a/b", version=7)
    c.zk.delete(c.root + "/a", recursive=True)
    fails(exceptions.NoNodeError, c.zk.delete, c.root + "/a")


@check
def children(c):
    for name in "cab":
        c.zk.create(c.root + "/" + name)
    names, stat = c.zk.get_children(c.root, include_data=True)
    same("names", ["a", "b", "c"], sorted(names))
    same("cversion", 3, stat.cversion)


@check
def many_at_once(c):
    results = [c.zk.create_async(c.root + "/s-", sequence=True) for _ in range(200)]
    paths = [result.get(timeout=PATIENCE_S) for result in results]
    same("order of the answers", ["%s/s-%010d" % (c.root, i) for i in range(200)], paths)


@check
def transaction(c):
    txn = c.zk.transaction()
    txn.create(c.root + "/a", b"1")
    txn.set_data(c.root + "/a", b"2", version=0)
    txn.check(c.root + "/a", 1)
    txn.create(c.root + "/s-", sequence=True)
    txn.delete(c.root + "/a")
    results = txn.commit()
    same("parts", 5, len(results))
    same("create", c.root + "/a", results[0])
    same("set", 1, results[1].version)
    same("check and delete", [True, True], [results[2], results[4]])
    same("left", [results[3][len(c.root) + 1 :]], c.zk.get_children(c.root))


@check
def transaction_rolls_back(c):
    txn = c.zk.transaction()
    txn.create(c.root + "/a")
    txn.check(c.root, 99)
    txn.delete(c.root + "/none")
    results = [type(result) for result in txn.commit()]
    expected = [
        exceptions.RolledBackError,
        exceptions.BadVersionError,
        exceptions.RuntimeInconsistency,
    ]
    same("results", expected, results)
    same("nothing was created", None, c.zk.exists(c.root + "/a"))


@check
def acls(c):
    path = c.zk.create(c.root + "/a")
    same("open", OPEN_ACL_UNSAFE, c.zk.get_acls(path)[0])
    same("aversion", 1, c.zk.set_acls(path, READ_ACL_UNSAFE, version=0).aversion)
    fails(exceptions.NoAuthError, c.zk.set, path, b"x")
    unknown = [make_acl("no-such-scheme", "x", all=True)]
    fails(exceptions.InvalidACLError, c.zk.create, c.root + "/b", acl=unknown)


@check
def digest_auth(c):
    alice = c.open(auth_data=[("digest", "alice:one")])
    bob = c.open()
    acl = make_digest_acl("alice", "one", all=True)
    path = alice.create(c.root + "/a", b"secret", acl=[acl])
    fails(exceptions.NoAuthError, bob.get, path)
    bob.add_auth("digest", "alice:one")
    same("data", b"secret", bob.get(path)[0])
    alice.delete(path)


@check
def watch_data(c):
    events = Events()
    c.zk.get(c.root, watch=events)
    c.zk.set(c.root, b"1")
    same("event", "CHANGED " + c.root, events.next())
    c.zk.set(c.root, b"2")
    c.zk.sync(c.root)
    assert events.empty(), "a one-shot watch fired twice"


@check
def watch_children(c):
    events = Events()
    c.zk.get_children(c.root, watch=events)
    c.zk.create(c.root + "/a")
    same("event", "CHILD " + c.root, events.next())


@check
def watch_exists(c):
    events = Events()
    path = c.root + "/a"
    same("missing", None, c.zk.exists(path, watch=events))
    c.zk.create(path)
    same("event", "CREATED " + path, events.next())
    c.zk.exists(path, watch=events)
    c.zk.delete(path)
    same("event", "DELETED " + path, events.next())


@check
def sync(c):
    same("path", c.root, c.zk.sync(c.root))


@check
def ephemeral_after_close(c):
    other = c.open()
    other.create(c.root + "/e", ephemeral=True)
    other.create(c.root + "/p")
    other.stop()
    await_gone(c.zk, c.root + "/e")
    same("left", ["p"], c.zk.get_children(c.root))


@check
def chroot(c):
    inside = c.open()
    inside.chroot = c.root
    inside.create("/a", b"x")
    same("seen from outside", ["a"], c.zk.get_children(c.root))


@check
def server_version(c):
    version = c.zk.server_version()
    assert version >= (3, 6), "srvr says %r" % (version,)


@check
def four_letter_word(c):
    same("ruok", "imok", c.zk.command(b"ruok"))


def reconnect(c):
    """Needs the harness: every connection is cut once."""
    states = queue.Queue()
    other = c.open()
    other.add_listener(states.put)
    events = Events()
    path = other.create(c.root + "/e", ephemeral=True)
    other.get(c.root, watch=lambda event: event.type != "NONE" and events(event))
    session = other.client_id[0]
    line_peer.say("please cut")
    same("the answer of the harness", "cut", sys.stdin.readline().rstrip())
    same("first", KazooState.SUSPENDED, states.get(timeout=PATIENCE_S))
    same("then", KazooState.CONNECTED, states.get(timeout=PATIENCE_S))
    same("session", session, other.client_id[0])
    same("owner", session, other.exists(path).ephemeralOwner)


def main():
    connect = sys.argv[1]
    if "--harness" in sys.argv[2:]:
        check(reconnect)
    zk = KazooClient(hosts=connect, timeout=10)
    zk.start(timeout=PATIENCE_S)
    top = zk.create("/kazoo-ops-", sequence=True)
    failed = 0
    for name, body in CHECKS:
        # A cut connection is a matter of one check; the others retry past it.
        context = Context(connect, zk, zk.retry(zk.create, top + "/" + name))
        try:
            body(context)
            line_peer.say("ok " + name)
        except Exception as error:
            failed += 1
            traceback.print_exc()
            line_peer.say("failed %s: %r" % (name, error))
        finally:
            context.close()
    if not failed:
        zk.retry(zk.delete, top, recursive=True)
    zk.stop()
    zk.close()
    line_peer.say("summary %d %d" % (len(CHECKS) - failed, failed))
    return 1 if failed else 0


line_peer.run(main)
