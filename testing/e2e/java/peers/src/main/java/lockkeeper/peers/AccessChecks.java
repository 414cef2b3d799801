package lockkeeper.peers;

import static lockkeeper.peers.Checks.afterSetAcl;
import static lockkeeper.peers.Checks.fails;
import static lockkeeper.peers.Checks.is;
import static lockkeeper.peers.Checks.isTrue;
import static lockkeeper.peers.TreeChecks.bytes;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/**
 * Who may do what: ACLs, digest authentication, and who the server thinks we are.
 *
 * <p>That exists needs READ holds for servers since 3.8.4 and 3.9.2.
 */
final class AccessChecks {
    private AccessChecks() { }

    static void addTo(Checks checks) {
        checks.add("acl-get-and-set", (zk, root) -> {
            zk.create(root + "/a", bytes(""), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            Stat stat = new Stat();
            is("open", Ids.OPEN_ACL_UNSAFE, zk.getACL(root + "/a", stat));
            is("aversion", 0, stat.getAversion());
            is("aversion after set", 1, zk.setACL(root + "/a", Ids.READ_ACL_UNSAFE, 0).getAversion());
            is("read only", Ids.READ_ACL_UNSAFE, zk.getACL(root + "/a", null));
            afterSetAcl(() -> fails(Code.NOAUTH, () -> zk.setData(root + "/a", bytes("x"), -1)));
            fails(Code.NOAUTH, () -> zk.setACL(root + "/a", Ids.OPEN_ACL_UNSAFE, -1));
        });
        checks.add("acl-rejects", (zk, root) -> {
            fails(Code.INVALIDACL, () -> zk.create(root + "/a", bytes(""), Ids.CREATOR_ALL_ACL,
                    CreateMode.PERSISTENT));
            List<ACL> unknown = Arrays.asList(new ACL(Perms.ALL, new Id("no-such-scheme", "x")));
            fails(Code.INVALIDACL,
                    () -> zk.create(root + "/a", bytes(""), unknown, CreateMode.PERSISTENT));
        });
        checks.add("acl-digest", (zk, root) -> {
            try (ZooKeeper alice = checks.open(event -> { }); ZooKeeper bob = checks.open(event -> { })) {
                alice.addAuthInfo("digest", bytes("alice:one"));
                alice.create(root + "/a", bytes("secret"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
                String id = DigestAuthenticationProvider.generateDigest("alice:one");
                is("auth became the digest", List.of(new ACL(Perms.ALL, new Id("digest", id))),
                        alice.getACL(root + "/a", null));
                fails(Code.NOAUTH, () -> bob.getData(root + "/a", false, null));
                fails(Code.NOAUTH, () -> bob.exists(root + "/a", false));
                bob.addAuthInfo("digest", bytes("alice:wrong"));
                fails(Code.NOAUTH, () -> bob.getData(root + "/a", false, null));
                bob.addAuthInfo("digest", bytes("alice:one"));
                is("data", bytes("secret"), bob.getData(root + "/a", false, null));
                alice.delete(root + "/a", -1);
            }
        });
        checks.add("acl-create-and-delete-belong-to-the-parent", (zk, root) -> {
            List<ACL> noCreate = Arrays.asList(
                    new ACL(Perms.READ | Perms.DELETE | Perms.ADMIN, Ids.ANYONE_ID_UNSAFE));
            zk.create(root + "/p", bytes(""), noCreate, CreateMode.PERSISTENT);
            fails(Code.NOAUTH, () -> zk.create(root + "/p/x", bytes(""), Ids.OPEN_ACL_UNSAFE,
                    CreateMode.PERSISTENT));
            zk.setACL(root + "/p", Ids.OPEN_ACL_UNSAFE, -1);
            afterSetAcl(() -> zk.create(
                    root + "/p/x", bytes(""), Ids.READ_ACL_UNSAFE, CreateMode.PERSISTENT));
            zk.delete(root + "/p/x", -1);
        });
        checks.add("who-am-i", (zk, root) -> {
            try (ZooKeeper alice = checks.open(event -> { })) {
                alice.addAuthInfo("digest", bytes("alice:one"));
                List<String> schemes = alice.whoAmI().stream()
                        .map(ClientInfo::getAuthScheme).sorted().collect(Collectors.toList());
                is("schemes", List.of("digest", "ip"), schemes);
                isTrue("the user is named without the password", alice.whoAmI().stream()
                        .anyMatch(info -> info.getUser().equals("alice")));
            }
        });
    }
}
