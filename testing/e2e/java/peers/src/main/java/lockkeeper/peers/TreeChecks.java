package lockkeeper.peers;

import static lockkeeper.peers.Checks.fails;
import static lockkeeper.peers.Checks.is;
import static lockkeeper.peers.Checks.isTrue;
import static lockkeeper.peers.Checks.sync;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeSet;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** The tree: creating in every mode, reading, writing, deleting, and what the stat says. */
final class TreeChecks {
    private static final long HOUR_MS = 3_600_000;

    private TreeChecks() { }

    static void addTo(Checks checks, boolean ttl, boolean ensemble) {
        checks.add("create-persistent", (zk, root) -> {
            String path = root + "/a";
            is("path", path, make(zk, path, CreateMode.PERSISTENT));
            Stat stat = zk.exists(path, false);
            is("owner", 0L, stat.getEphemeralOwner());
            is("version", 0, stat.getVersion());
            is("czxid is mzxid", stat.getCzxid(), stat.getMzxid());
            is("czxid is pzxid", stat.getCzxid(), stat.getPzxid());
            fails(Code.NODEEXISTS, () -> make(zk, path, CreateMode.PERSISTENT));
            fails(Code.NONODE, () -> make(zk, root + "/none/b", CreateMode.PERSISTENT));
        });
        checks.add("create-persistent-sequential", (zk, root) -> {
            is("first", root + "/s0000000000", make(zk, root + "/s", CreateMode.PERSISTENT_SEQUENTIAL));
            make(zk, root + "/plain", CreateMode.PERSISTENT);
            is("third", root + "/s0000000002", make(zk, root + "/s", CreateMode.PERSISTENT_SEQUENTIAL));
            is("only digits", root + "/0000000003", make(zk, root + "/", CreateMode.PERSISTENT_SEQUENTIAL));
        });
        checks.add("create-ephemeral", (zk, root) -> {
            String path = make(zk, root + "/e", CreateMode.EPHEMERAL);
            is("owner", zk.getSessionId(), zk.exists(path, false).getEphemeralOwner());
            fails(Code.NOCHILDRENFOREPHEMERALS, () -> make(zk, path + "/x", CreateMode.PERSISTENT));
        });
        checks.add("create-ephemeral-sequential", (zk, root) -> {
            String path = make(zk, root + "/e-", CreateMode.EPHEMERAL_SEQUENTIAL);
            is("path", root + "/e-0000000000", path);
            is("owner", zk.getSessionId(), zk.exists(path, false).getEphemeralOwner());
        });
        checks.add("create-container", (zk, root) -> {
            String path = make(zk, root + "/c", CreateMode.CONTAINER);
            make(zk, path + "/child", CreateMode.PERSISTENT);
            is("its mark stays inside the server", 0L, zk.exists(path, false).getEphemeralOwner());
        });
        if (ttl) {
            checks.add("create-with-ttl", (zk, root) -> {
                Stat stat = new Stat();
                zk.create(root + "/t", new byte[0], Ids.OPEN_ACL_UNSAFE,
                        CreateMode.PERSISTENT_WITH_TTL, stat, HOUR_MS);
                is("its mark stays inside the server", 0L,
                        zk.exists(root + "/t", false).getEphemeralOwner());
                is("sequential", root + "/t-0000000001", zk.create(root + "/t-", new byte[0],
                        Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, stat, HOUR_MS));
            });
        }
        checks.add("create-with-stat", (zk, root) -> {
            Stat stat = new Stat();
            zk.create(root + "/a", bytes("abc"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, stat);
            is("stat in the reply", zk.exists(root + "/a", false), stat);
            is("length", 3, stat.getDataLength());
        });
        checks.add("get-and-set", (zk, root) -> {
            String path = make(zk, root + "/a", CreateMode.PERSISTENT);
            Stat before = zk.exists(path, false);
            Stat after = zk.setData(path, bytes("two"), 0);
            is("version", 1, after.getVersion());
            isTrue("mzxid moved", after.getMzxid() > before.getMzxid());
            is("czxid stayed", before.getCzxid(), after.getCzxid());
            Stat read = new Stat();
            is("data", bytes("two"), zk.getData(path, false, read));
            is("stat of the read", after, read);
            fails(Code.BADVERSION, () -> zk.setData(path, bytes("x"), 0));
            is("any version", 2, zk.setData(path, bytes("three"), -1).getVersion());
            fails(Code.NONODE, () -> zk.getData(root + "/none", false, null));
            fails(Code.NONODE, () -> zk.setData(root + "/none", bytes("x"), -1));
        });
        checks.add("null-and-empty-data", (zk, root) -> {
            zk.create(root + "/null", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            is("null data", null, zk.getData(root + "/null", false, null));
            zk.create(root + "/empty", new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            is("empty data", new byte[0], zk.getData(root + "/empty", false, null));
        });
        checks.add("large-data", (zk, root) -> {
            byte[] data = new byte[1_000_000];
            for (int i = 0; i < data.length; i++) {
                data[i] = (byte) (i * 31);
            }
            zk.create(root + "/large", data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            is("data", data, zk.getData(root + "/large", false, null));
        });
        checks.add("unicode-names", (zk, root) -> {
            String path = make(zk, root + "/z\u00e4hler-\u9375", CreateMode.PERSISTENT);
            is("children", List.of("z\u00e4hler-\u9375"), zk.getChildren(root, false));
            isTrue("exists", zk.exists(path, false) != null);
        });
        checks.add("exists", (zk, root) -> {
            is("missing", null, zk.exists(root + "/none", false));
            isTrue("present", zk.exists(root, false) != null);
        });
        checks.add("delete", (zk, root) -> {
            String path = make(zk, root + "/a", CreateMode.PERSISTENT);
            make(zk, path + "/b", CreateMode.PERSISTENT);
            fails(Code.NOTEMPTY, () -> zk.delete(path, -1));
            zk.delete(path + "/b", -1);
            fails(Code.BADVERSION, () -> zk.delete(path, 7));
            zk.delete(path, 0);
            fails(Code.NONODE, () -> zk.delete(path, -1));
        });
        checks.add("children", (zk, root) -> {
            for (String name : List.of("c", "a", "b")) {
                make(zk, root + "/" + name, CreateMode.PERSISTENT);
            }
            is("names", new TreeSet<>(List.of("a", "b", "c")), new TreeSet<>(zk.getChildren(root, false)));
            zk.delete(root + "/b", -1);
            Stat stat = new Stat();
            zk.getChildren(root, false, stat);
            is("number", 2, stat.getNumChildren());
            is("cversion counts both ways", 4, stat.getCversion());
            is("pzxid is of the last change", zk.exists(root, false).getPzxid(), stat.getPzxid());
            is("leaf", List.of(), zk.getChildren(root + "/a", false));
            fails(Code.NONODE, () -> zk.getChildren(root + "/none", false));
        });
        checks.add("all-children-number", (zk, root) -> {
            make(zk, root + "/a", CreateMode.PERSISTENT);
            make(zk, root + "/a/b", CreateMode.PERSISTENT);
            make(zk, root + "/a/b/c", CreateMode.PERSISTENT);
            is("descendants", 3, zk.getAllChildrenNumber(root));
        });
        checks.add("sync", (zk, root) -> sync(zk, root));
        if (ensemble) {
            checks.add("config", (zk, root) -> {
                String config = new String(zk.getConfig(false, null), StandardCharsets.UTF_8);
                isTrue("names member 1: " + config, config.contains("server.1="));
                isTrue("ends with a version: " + config, config.contains("version="));
            });
        }
    }

    static String make(ZooKeeper zk, String path, CreateMode mode) throws Exception {
        return zk.create(path, new byte[0], Ids.OPEN_ACL_UNSAFE, mode);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
