package lockkeeper.peers;

import static lockkeeper.peers.Checks.awaitGone;
import static lockkeeper.peers.Checks.is;
import static lockkeeper.peers.TreeChecks.bytes;
import static lockkeeper.peers.TreeChecks.make;

import java.util.List;
import java.util.TreeSet;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/** Sessions: what a close takes away, what a lost connection leaves, chroots. */
final class SessionChecks {
    private SessionChecks() { }

    static void addTo(Checks checks) {
        checks.add("close-removes-ephemerals", (zk, root) -> {
            ZooKeeper other = checks.open(event -> { });
            make(other, root + "/e", CreateMode.EPHEMERAL);
            make(other, root + "/p", CreateMode.PERSISTENT);
            other.close();
            awaitGone(zk, root + "/e");
            is("left", List.of("p"), zk.getChildren(root, false));
        });
        checks.add("ephemerals", (zk, root) -> {
            try (ZooKeeper other = checks.open(event -> { })) {
                make(other, root + "/a", CreateMode.EPHEMERAL);
                make(other, root + "/b", CreateMode.EPHEMERAL);
                make(other, root + "/p", CreateMode.PERSISTENT);
                is("all", new TreeSet<>(List.of(root + "/a", root + "/b")),
                        new TreeSet<>(other.getEphemerals()));
                is("by prefix", List.of(root + "/b"), other.getEphemerals(root + "/b"));
            }
        });
        checks.add("negotiated-timeout", (zk, root) ->
                is("milliseconds", Checks.SESSION_TIMEOUT_MS, zk.getSessionTimeout()));
        checks.add("chroot", (zk, root) -> {
            try (ZooKeeper inside = checks.openUnder(root)) {
                Checks.Events events = new Checks.Events();
                inside.addWatch("/", events, AddWatchMode.PERSISTENT_RECURSIVE);
                is("path without the root", "/a", make(inside, "/a", CreateMode.PERSISTENT));
                is("event without the root", "NodeCreated /a", events.next());
                is("seen from outside", List.of("a"), zk.getChildren(root, false));
            }
        });
        checks.add("session-handed-over", (zk, root) -> {
            ZooKeeper first = checks.open(event -> { });
            make(first, root + "/e", CreateMode.EPHEMERAL);
            try (ZooKeeper second = checks.open(event -> { }, first)) {
                is("same session", first.getSessionId(), second.getSessionId());
                is("owner", second.getSessionId(), zk.exists(root + "/e", false).getEphemeralOwner());
            }
            // The first handle may have won the session back; whoever has it last closes it.
            first.close();
            awaitGone(zk, root + "/e");
        });
        checks.addWithHarness("reconnect", (zk, root) -> {
            Checks.Events states = new Checks.Events();
            try (ZooKeeper other = checks.open(states)) {
                Checks.Events once = new Checks.Events();
                Checks.Events lasting = new Checks.Events();
                make(other, root + "/e", CreateMode.EPHEMERAL);
                other.getData(root, once, null);
                other.addWatch(root, lasting, AddWatchMode.PERSISTENT_RECURSIVE);
                long id = other.getSessionId();
                states.awaitState(KeeperState.SyncConnected);
                checks.cutConnections();
                states.awaitState(KeeperState.Disconnected);
                states.awaitState(KeeperState.SyncConnected);
                is("same session", id, other.getSessionId());
                other.setData(root, bytes("after"), -1);
                is("ephemeral survived", id, other.exists(root + "/e", false).getEphemeralOwner());
                is("one-shot watch survived", "NodeDataChanged " + root, once.next());
                is("lasting watch survived", "NodeDataChanged " + root, lasting.next());
            }
        });
    }
}
