package lockkeeper.peers;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.shared.VersionedValue;
import org.apache.curator.retry.ExponentialBackoffRetry;

/**
 * Takes part in Curator's recipes on behalf of a test.
 *
 * <p>Arguments: connect string, name. Then one command per line on standard input and one answer
 * per line on standard output:
 *
 * <pre>
 * (start)                              ready
 * latch PATH COUNT ORACLE              done     leads COUNT times through a LeaderLatch
 * selector PATH COUNT ORACLE           done     the same through a LeaderSelector
 * rw PATH COUNT ORACLE                 done     locks COUNT times, every fourth time to write
 * semaphore PATH COUNT ORACLE MAX      done     takes one of MAX leases COUNT times
 * double PATH MEMBERS ROUNDS           done     enters and leaves PATH/0, PATH/1, ...
 * count PATH COUNT                     done     adds one COUNT times
 * value PATH COUNT TEXT                done     appends TEXT COUNT times
 * set PATH | remove PATH               done     a barrier
 * wait PATH MILLISECONDS               done | timeout
 * quit                                 (exits)
 * </pre>
 *
 * <p>Whoever leads or holds tells the oracle. Any failure prints {@code failed TEXT} and ends the
 * process with 1.
 */
public final class CuratorRecipesPeer {
    private static final int SESSION_TIMEOUT_MS = 10_000;
    private static final int CONNECT_TIMEOUT_MS = 15_000;
    private static final int PATIENCE_S = 60;
    private static final int SESSIONS = 2;

    private final String connect;
    private final String name;

    private CuratorRecipesPeer(String connect, String name) {
        this.connect = connect;
        this.name = name;
    }

    public static void main(String[] args) {
        int code = 0;
        try {
            new CuratorRecipesPeer(args[0], args[1]).serve();
        } catch (Exception e) {
            e.printStackTrace();
            say("failed " + e);
            code = 1;
        }
        System.exit(code);
    }

    /** What one session does. */
    private interface Work {
        void run(String who, CuratorFramework client) throws Exception;
    }

    private void serve() throws Exception {
        BufferedReader commands =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (CuratorFramework client = open()) {
            client.blockUntilConnected();
            say("ready");
            for (String line = commands.readLine(); line != null; line = commands.readLine()) {
                String[] words = line.trim().split(" ");
                if (words[0].equals("quit")) {
                    return;
                }
                say(carryOut(client, words));
            }
        }
    }

    private String carryOut(CuratorFramework client, String[] words) throws Exception {
        String path = words[1];
        switch (words[0]) {
            case "latch":
                inSessions((who, own) -> latch(own, who, path, number(words[2]), words[3]));
                return "done";
            case "selector":
                inSessions((who, own) -> selector(own, who, path, number(words[2]), words[3]));
                return "done";
            case "rw":
                inSessions((who, own) -> readWrite(own, who, path, number(words[2]), words[3]));
                return "done";
            case "semaphore":
                inSessions((who, own) ->
                        semaphore(own, who, path, number(words[2]), words[3], number(words[4])));
                return "done";
            case "double":
                inSessions((who, own) -> rounds(own, path, number(words[2]), number(words[3])));
                return "done";
            case "count":
                inSessions((who, own) -> count(own, path, number(words[2])));
                return "done";
            case "value":
                inSessions((who, own) -> value(own, path, number(words[2]), words[3]));
                return "done";
            case "set":
                new DistributedBarrier(client, path).setBarrier();
                return "done";
            case "remove":
                new DistributedBarrier(client, path).removeBarrier();
                return "done";
            case "wait":
                boolean opened = new DistributedBarrier(client, path)
                        .waitOnBarrier(number(words[2]), TimeUnit.MILLISECONDS);
                return opened ? "done" : "timeout";
            default:
                throw new IllegalArgumentException("unknown command: " + words[0]);
        }
    }

    private void inSessions(Work work) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(SESSIONS);
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < SESSIONS; i++) {
            String who = name + "-" + i;
            running.add(threads.submit(() -> {
                try (CuratorFramework client = open()) {
                    work.run(who, client);
                }
                return null;
            }));
        }
        for (Future<?> each : running) {
            each.get();
        }
        threads.shutdown();
    }

    private void latch(CuratorFramework client, String who, String path, int count, String oracle)
            throws Exception {
        try (OracleLink link = new OracleLink(oracle)) {
            for (int i = 0; i < count; i++) {
                try (LeaderLatch latch = new LeaderLatch(client, path, who)) {
                    latch.start();
                    latch.await();
                    lead(client, link, who, path);
                }
            }
        }
    }

    private void selector(CuratorFramework client, String who, String path, int count, String oracle)
            throws Exception {
        CountDownLatch terms = new CountDownLatch(count);
        List<Exception> failures = new ArrayList<>();
        try (OracleLink link = new OracleLink(oracle)) {
            LeaderSelectorListenerAdapter body = new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework leader) {
                    if (terms.getCount() == 0) {
                        return;
                    }
                    try {
                        lead(leader, link, who, path);
                    } catch (Exception e) {
                        failures.add(e);
                    }
                    terms.countDown();
                }
            };
            try (LeaderSelector selector = new LeaderSelector(client, path, body)) {
                selector.setId(who);
                selector.autoRequeue();
                selector.start();
                terms.await();
            }
        }
        if (!failures.isEmpty()) {
            throw failures.get(0);
        }
    }

    private void readWrite(CuratorFramework client, String who, String path, int count, String oracle)
            throws Exception {
        InterProcessReadWriteLock lock = new InterProcessReadWriteLock(client, path);
        try (OracleLink link = new OracleLink(oracle)) {
            for (int i = 0; i < count; i++) {
                if (i % 4 == 0) {
                    lock.writeLock().acquire();
                    try {
                        lead(client, link, who, path);
                    } finally {
                        lock.writeLock().release();
                    }
                } else {
                    lock.readLock().acquire();
                    try {
                        link.share(who);
                        link.exit(who);
                    } finally {
                        lock.readLock().release();
                    }
                }
            }
        }
    }

    private void semaphore(
            CuratorFramework client, String who, String path, int count, String oracle, int max)
            throws Exception {
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, path, max);
        try (OracleLink link = new OracleLink(oracle)) {
            for (int i = 0; i < count; i++) {
                Lease lease = semaphore.acquire();
                try {
                    link.share(who);
                    link.exit(who);
                } finally {
                    semaphore.returnLease(lease);
                }
            }
        }
    }

    private void rounds(CuratorFramework client, String path, int members, int rounds)
            throws Exception {
        for (int i = 0; i < rounds; i++) {
            DistributedDoubleBarrier barrier =
                    new DistributedDoubleBarrier(client, path + "/" + i, members);
            if (!barrier.enter(PATIENCE_S, TimeUnit.SECONDS)) {
                throw new IllegalStateException("round " + i + ": not entered");
            }
            if (!barrier.leave(PATIENCE_S, TimeUnit.SECONDS)) {
                throw new IllegalStateException("round " + i + ": not left");
            }
        }
    }

    private void count(CuratorFramework client, String path, int count) throws Exception {
        try (SharedCount shared = new SharedCount(client, path, 0)) {
            shared.start();
            for (int i = 0; i < count; i++) {
                VersionedValue<Integer> seen;
                do {
                    seen = shared.getVersionedValue();
                } while (!shared.trySetCount(seen, seen.getValue() + 1));
            }
        }
    }

    private void value(CuratorFramework client, String path, int count, String text)
            throws Exception {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try (SharedValue shared = new SharedValue(client, path, new byte[0])) {
            shared.start();
            for (int i = 0; i < count; i++) {
                VersionedValue<byte[]> seen;
                byte[] next;
                do {
                    seen = shared.getVersionedValue();
                    next = ByteBuffer.allocate(seen.getValue().length + bytes.length)
                            .put(seen.getValue())
                            .put(bytes)
                            .array();
                } while (!shared.trySetValue(seen, next));
            }
        }
    }

    /** Enters and leaves as the one that is first in the queue. */
    private static void lead(CuratorFramework client, OracleLink link, String who, String path)
            throws Exception {
        String first = null;
        for (String child : client.getChildren().forPath(path)) {
            if (first == null || sequence(child) < sequence(first)) {
                first = child;
            }
        }
        long czxid = client.checkExists().forPath(path + "/" + first).getCzxid();
        link.enter(who, Long.toString(czxid), Integer.toString(sequence(first)));
        link.exit(who);
    }

    private static int sequence(String node) {
        return Integer.parseInt(node.substring(node.length() - 10));
    }

    private static int number(String word) {
        return Integer.parseInt(word);
    }

    private CuratorFramework open() {
        CuratorFramework client = CuratorFrameworkFactory.newClient(
                connect, SESSION_TIMEOUT_MS, CONNECT_TIMEOUT_MS,
                new ExponentialBackoffRetry(50, 10, 2000));
        client.start();
        return client;
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
