package lockkeeper.peers;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AsyncCallback;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.CreateMode;

/**
 * Named checks against one server, each in a fresh subtree with a session that others share.
 *
 * <p>A check that needs the harness to break its connection asks for it over standard output and
 * waits for the answer on standard input; see {@link #cutConnections}.
 */
final class Checks {
    static final int SESSION_TIMEOUT_MS = 10_000;
    private static final long PATIENCE_MS = 15_000;

    /** One check: gets a live session and the path of an empty znode of its own. */
    interface Body {
        void run(ZooKeeper zk, String root) throws Exception;
    }

    /** A call that is expected to fail. */
    interface Call {
        void run() throws Exception;
    }

    private final String connect;
    private final boolean harness;
    private final Map<String, Body> bodies = new LinkedHashMap<>();
    private final BufferedReader answers =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    Checks(String connect, boolean harness) {
        this.connect = connect;
        this.harness = harness;
    }

    void add(String name, Body body) {
        if (bodies.put(name, body) != null) {
            throw new IllegalArgumentException("two checks named " + name);
        }
    }

    /** Adds a check that can run only when a harness sits at the other end of standard input. */
    void addWithHarness(String name, Body body) {
        if (harness) {
            add(name, body);
        }
    }

    /** Runs everything; returns how many failed. */
    int runAll() throws Exception {
        int failed = 0;
        try (ZooKeeper zk = open(event -> { })) {
            String top = zk.create(
                    "/java-ops-", new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
            for (Map.Entry<String, Body> each : bodies.entrySet()) {
                String root = zk.create(
                        top + "/" + each.getKey(), new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
                try {
                    each.getValue().run(zk, root);
                    System.out.println("ok " + each.getKey());
                } catch (Exception | AssertionError e) {
                    failed++;
                    System.out.println("failed " + each.getKey() + ": " + e);
                    e.printStackTrace();
                }
                System.out.flush();
            }
            if (failed == 0) {
                ZKUtil.deleteRecursive(zk, top);
            }
        }
        System.out.println("summary " + (bodies.size() - failed) + " " + failed);
        return failed;
    }

    /** A connected session. */
    ZooKeeper open(Watcher watcher) throws Exception {
        return open(watcher, null);
    }

    /** A session with a chroot. */
    ZooKeeper openUnder(String chroot) throws Exception {
        return connected(watch -> new ZooKeeper(connect + chroot, SESSION_TIMEOUT_MS, watch), e -> { });
    }

    /** A connected session, the one of {@code other} when given. */
    ZooKeeper open(Watcher watcher, ZooKeeper other) throws Exception {
        return connected(
                watch -> other == null
                        ? new ZooKeeper(connect, SESSION_TIMEOUT_MS, watch)
                        : new ZooKeeper(connect, SESSION_TIMEOUT_MS, watch,
                                other.getSessionId(), other.getSessionPasswd()),
                watcher);
    }

    private interface Opener {
        ZooKeeper open(Watcher watcher) throws IOException;
    }

    private static ZooKeeper connected(Opener opener, Watcher watcher) throws Exception {
        CountDownLatch up = new CountDownLatch(1);
        ZooKeeper zk = opener.open(event -> {
            if (event.getState() == Watcher.Event.KeeperState.SyncConnected) {
                up.countDown();
            }
            watcher.process(event);
        });
        if (!up.await(PATIENCE_MS, TimeUnit.MILLISECONDS)) {
            zk.close();
            throw new AssertionError("no connection within " + PATIENCE_MS + " ms");
        }
        return zk;
    }

    /** Has the harness cut every connection, and returns once it has. */
    void cutConnections() throws IOException {
        System.out.println("please cut");
        System.out.flush();
        is("the answer of the harness", "cut", answers.readLine());
    }

    /** Events in the order of their arrival. */
    static final class Events implements Watcher {
        private final BlockingQueue<WatchedEvent> queue = new LinkedBlockingQueue<>();

        @Override
        public void process(WatchedEvent event) {
            queue.add(event);
        }

        /** The next event about a znode, as "type path"; connection events are skipped. */
        String next() throws InterruptedException {
            while (true) {
                WatchedEvent event = queue.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
                if (event == null) {
                    throw new AssertionError("no event within " + PATIENCE_MS + " ms");
                }
                if (event.getType() != Event.EventType.None) {
                    return event.getType() + " " + event.getPath();
                }
            }
        }

        /** Waits for a change of the connection. */
        void awaitState(Event.KeeperState state) throws InterruptedException {
            WatchedEvent event;
            do {
                event = queue.poll(PATIENCE_MS, TimeUnit.MILLISECONDS);
                if (event == null) {
                    throw new AssertionError("not " + state + " within " + PATIENCE_MS + " ms");
                }
            } while (event.getState() != state);
        }

        void isEmpty() {
            is("events left over", 0, queue.size());
        }
    }

    static void is(String what, Object expected, Object actual) {
        if (!Objects.deepEquals(expected, actual)) {
            throw new AssertionError(what + ": expected " + expected + " but got " + actual);
        }
    }

    static void isTrue(String what, boolean holds) {
        is(what, true, holds);
    }

    static void fails(KeeperException.Code code, Call call) throws Exception {
        try {
            call.run();
        } catch (KeeperException e) {
            is("error", code, e.code());
            return;
        }
        throw new AssertionError("expected " + code + " but the call succeeded");
    }

    /**
     * Repeats a call that must succeed or fail in the end.
     *
     * <p>A leader up to 3.8.7 and 3.9.6 judges by the list before setACL until it has applied the
     * new one itself, which may be after a follower has answered.
     */
    static void afterSetAcl(Call call) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MS);
        while (true) {
            try {
                call.run();
                return;
            } catch (KeeperException | AssertionError e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
            }
        }
    }

    /** Sends sync and waits for its reply, so that everything sent before has been answered. */
    static void sync(ZooKeeper zk, String path) throws Exception {
        CountDownLatch answered = new CountDownLatch(1);
        int[] code = new int[1];
        AsyncCallback.VoidCallback callback = (rc, p, context) -> {
            code[0] = rc;
            answered.countDown();
        };
        zk.sync(path, callback, null);
        isTrue("sync answered", answered.await(PATIENCE_MS, TimeUnit.MILLISECONDS));
        is("sync result", KeeperException.Code.OK.intValue(), code[0]);
    }

    /** Waits until a znode is gone, by watching it. */
    static void awaitGone(ZooKeeper zk, String path) throws Exception {
        Events events = new Events();
        while (zk.exists(path, events) != null) {
            events.next();
        }
    }
}
