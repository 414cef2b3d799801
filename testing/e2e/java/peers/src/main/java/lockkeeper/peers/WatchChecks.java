package lockkeeper.peers;

import static lockkeeper.peers.Checks.fails;
import static lockkeeper.peers.Checks.is;
import static lockkeeper.peers.Checks.sync;
import static lockkeeper.peers.TreeChecks.bytes;
import static lockkeeper.peers.TreeChecks.make;

import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;

/**
 * Watches of all kinds. "No event" is checked without waiting: a later sync on the same connection
 * is answered behind every event that was due before it.
 */
final class WatchChecks {
    private WatchChecks() { }

    static void addTo(Checks checks) {
        checks.add("watch-data-once", (zk, root) -> {
            Checks.Events events = new Checks.Events();
            zk.getData(root, events, null);
            zk.setData(root, bytes("1"), -1);
            is("event", "NodeDataChanged " + root, events.next());
            zk.setData(root, bytes("2"), -1);
            sync(zk, root);
            events.isEmpty();
        });
        checks.add("watch-children-once", (zk, root) -> {
            Checks.Events events = new Checks.Events();
            zk.getChildren(root, events);
            zk.setData(root, bytes("data is no concern of this watch"), -1);
            make(zk, root + "/a", CreateMode.PERSISTENT);
            is("event", "NodeChildrenChanged " + root, events.next());
            make(zk, root + "/b", CreateMode.PERSISTENT);
            sync(zk, root);
            events.isEmpty();
        });
        checks.add("watch-exists-before-create", (zk, root) -> {
            Checks.Events events = new Checks.Events();
            String path = root + "/a";
            is("missing", null, zk.exists(path, events));
            make(zk, path, CreateMode.PERSISTENT);
            is("event", "NodeCreated " + path, events.next());
            zk.exists(path, events);
            zk.delete(path, -1);
            is("event", "NodeDeleted " + path, events.next());
        });
        checks.add("watch-deleted", (zk, root) -> {
            Checks.Events data = new Checks.Events();
            Checks.Events children = new Checks.Events();
            Checks.Events parent = new Checks.Events();
            String path = make(zk, root + "/a", CreateMode.PERSISTENT);
            zk.getData(path, data, null);
            zk.getChildren(path, children);
            zk.getChildren(root, parent);
            zk.delete(path, -1);
            is("data watch", "NodeDeleted " + path, data.next());
            is("child watch", "NodeDeleted " + path, children.next());
            is("watch of the parent", "NodeChildrenChanged " + root, parent.next());
        });
        checks.add("watch-persistent", (zk, root) -> {
            Checks.Events events = new Checks.Events();
            zk.addWatch(root, events, AddWatchMode.PERSISTENT);
            zk.setData(root, bytes("1"), -1);
            zk.setData(root, bytes("2"), -1);
            make(zk, root + "/a", CreateMode.PERSISTENT);
            zk.setData(root + "/a", bytes("not watched"), -1);
            is("first", "NodeDataChanged " + root, events.next());
            is("second", "NodeDataChanged " + root, events.next());
            is("third", "NodeChildrenChanged " + root, events.next());
            sync(zk, root);
            events.isEmpty();
        });
        checks.add("watch-persistent-recursive", (zk, root) -> {
            Checks.Events events = new Checks.Events();
            zk.addWatch(root, events, AddWatchMode.PERSISTENT_RECURSIVE);
            make(zk, root + "/a", CreateMode.PERSISTENT);
            make(zk, root + "/a/b", CreateMode.EPHEMERAL);
            zk.setData(root + "/a/b", bytes("x"), -1);
            zk.delete(root + "/a/b", -1);
            is("first", "NodeCreated " + root + "/a", events.next());
            is("second", "NodeCreated " + root + "/a/b", events.next());
            is("third", "NodeDataChanged " + root + "/a/b", events.next());
            is("fourth", "NodeDeleted " + root + "/a/b", events.next());
            sync(zk, root);
            events.isEmpty();
        });
        checks.add("watch-seen-by-others", (zk, root) -> {
            try (ZooKeeper other = checks.open(event -> { })) {
                Checks.Events events = new Checks.Events();
                sync(other, root);
                other.addWatch(root, events, AddWatchMode.PERSISTENT_RECURSIVE);
                make(zk, root + "/a", CreateMode.PERSISTENT);
                is("event", "NodeCreated " + root + "/a", events.next());
            }
        });
        checks.add("watch-removed", (zk, root) -> {
            Checks.Events events = new Checks.Events();
            zk.addWatch(root, events, AddWatchMode.PERSISTENT);
            zk.removeWatches(root, events, Watcher.WatcherType.Persistent, false);
            is("goodbye", "PersistentWatchRemoved " + root, events.next());
            zk.setData(root, bytes("1"), -1);
            sync(zk, root);
            events.isEmpty();
        });
        checks.add("watch-removed-one-of-two-kinds", (zk, root) -> {
            Checks.Events data = new Checks.Events();
            Checks.Events children = new Checks.Events();
            zk.getData(root, data, null);
            zk.getChildren(root, children);
            zk.removeAllWatches(root, Watcher.WatcherType.Data, false);
            is("goodbye", "DataWatchRemoved " + root, data.next());
            make(zk, root + "/a", CreateMode.PERSISTENT);
            is("the other kind lives", "NodeChildrenChanged " + root, children.next());
        });
        checks.add("watch-removed-unknown", (zk, root) ->
                fails(Code.NOWATCHER, () ->
                        zk.removeAllWatches(root + "/none", Watcher.WatcherType.Any, false)));
    }
}
