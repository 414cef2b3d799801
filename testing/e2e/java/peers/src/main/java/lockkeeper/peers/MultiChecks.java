package lockkeeper.peers;

import static lockkeeper.peers.Checks.is;
import static lockkeeper.peers.Checks.isTrue;
import static lockkeeper.peers.TreeChecks.bytes;
import static lockkeeper.peers.TreeChecks.make;

import java.util.List;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Transaction;
import org.apache.zookeeper.ZooDefs.Ids;

/** Transactions: all or nothing, one zxid, an answer per part. */
final class MultiChecks {
    private MultiChecks() { }

    static void addTo(Checks checks) {
        checks.add("multi-applies-all", (zk, root) -> {
            make(zk, root + "/old", CreateMode.PERSISTENT);
            List<OpResult> results = zk.multi(List.of(
                    Op.create(root + "/a", bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                    Op.create(root + "/a/s-", bytes(""), Ids.OPEN_ACL_UNSAFE,
                            CreateMode.PERSISTENT_SEQUENTIAL),
                    Op.setData(root + "/a", bytes("2"), 0),
                    Op.check(root + "/a", 1),
                    Op.delete(root + "/old", -1)));
            is("sequential part", root + "/a/s-0000000000",
                    ((OpResult.CreateResult) results.get(1)).getPath());
            is("stat of the set", 1, ((OpResult.SetDataResult) results.get(2)).getStat().getVersion());
            is("check part", new OpResult.CheckResult(), results.get(3));
            is("delete part", new OpResult.DeleteResult(), results.get(4));
            is("one zxid", zk.exists(root + "/a", false).getMzxid(),
                    zk.exists(root + "/a/s-0000000000", false).getCzxid());
            is("deleted", null, zk.exists(root + "/old", false));
        });
        checks.add("multi-applies-nothing", (zk, root) -> {
            try {
                zk.multi(List.of(
                        Op.create(root + "/a", bytes(""), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                        Op.check(root, 99),
                        Op.delete(root + "/none", -1)));
                throw new AssertionError("a failed check let the transaction through");
            } catch (KeeperException e) {
                is("error of the whole", Code.BADVERSION, e.code());
                List<OpResult> results = e.getResults();
                is("before the failure", Code.OK.intValue(), code(results.get(0)));
                is("the failure", Code.BADVERSION.intValue(), code(results.get(1)));
                is("after it", Code.RUNTIMEINCONSISTENCY.intValue(), code(results.get(2)));
            }
            is("nothing was created", null, zk.exists(root + "/a", false));
        });
        checks.add("multi-empty", (zk, root) ->
                is("results", List.of(), zk.multi(List.of())));
        checks.add("multi-read", (zk, root) -> {
            make(zk, root + "/a", CreateMode.PERSISTENT);
            List<OpResult> results = zk.multi(List.of(
                    Op.getData(root), Op.getChildren(root), Op.getData(root + "/none")));
            is("data", bytes(""), ((OpResult.GetDataResult) results.get(0)).getData());
            is("children", List.of("a"), ((OpResult.GetChildrenResult) results.get(1)).getChildren());
            is("a missing znode fails alone", Code.NONODE.intValue(), code(results.get(2)));
        });
        checks.add("transaction-builder", (zk, root) -> {
            Transaction txn = zk.transaction();
            txn.create(root + "/a", bytes("x"), Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
            txn.check(root + "/a", 0);
            txn.delete(root + "/a", 0);
            is("parts", 3, txn.commit().size());
            isTrue("gone again", zk.exists(root + "/a", false) == null);
        });
    }

    private static int code(OpResult result) {
        return ((OpResult.ErrorResult) result).getErr();
    }
}
