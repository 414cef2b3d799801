package lockkeeper.peers;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.ExponentialBackoffRetry;

/**
 * Contends for Curator's InterProcessMutex on behalf of a test.
 *
 * <p>Arguments: connect string, lock path, name. Then one command per line on standard input and
 * one answer per line on standard output, the same as every other mutex peer:
 *
 * <pre>
 * (start)                                ready
 * acquire MILLISECONDS                   acquired FENCE SEQUENCE NODE | timeout
 * release                                released
 * run COUNT ORACLE SESSIONS              done TOTAL
 * quit                                   (exits)
 * </pre>
 *
 * <p>{@code run} opens that many sessions, each of which takes the lock COUNT times and reports
 * each turn to the oracle. Any failure prints {@code failed TEXT} and ends the process with 1.
 */
public final class CuratorMutexPeer {
    private static final int SESSION_TIMEOUT_MS = 10_000;
    private static final int CONNECT_TIMEOUT_MS = 15_000;

    private final String connect;
    private final String path;
    private final String name;

    private CuratorMutexPeer(String connect, String path, String name) {
        this.connect = connect;
        this.path = path;
        this.name = name;
    }

    public static void main(String[] args) {
        int code = 0;
        try {
            new CuratorMutexPeer(args[0], args[1], args[2]).serve();
        } catch (Exception e) {
            e.printStackTrace();
            say("failed " + e);
            code = 1;
        }
        System.exit(code);
    }

    /** A mutex that shows the name of its own contender. */
    private static final class Mutex extends InterProcessMutex {
        Mutex(CuratorFramework client, String path) {
            super(client, path);
        }

        String node() {
            return getLockPath();
        }
    }

    private void serve() throws Exception {
        BufferedReader commands =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (CuratorFramework client = open()) {
            Mutex mutex = new Mutex(client, path);
            say("ready");
            for (String line = commands.readLine(); line != null; line = commands.readLine()) {
                String[] words = line.trim().split(" ");
                switch (words[0]) {
                    case "acquire":
                        if (mutex.acquire(Long.parseLong(words[1]), TimeUnit.MILLISECONDS)) {
                            say("acquired " + describe(client, mutex.node()));
                        } else {
                            say("timeout");
                        }
                        break;
                    case "release":
                        mutex.release();
                        say("released");
                        break;
                    case "run":
                        int count = Integer.parseInt(words[1]);
                        int sessions = Integer.parseInt(words[3]);
                        runAll(count, words[2], sessions);
                        say("done " + count * sessions);
                        break;
                    case "quit":
                        return;
                    default:
                        throw new IllegalArgumentException("unknown command: " + line);
                }
            }
        }
    }

    private void runAll(int count, String oracle, int sessions) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(sessions);
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < sessions; i++) {
            String who = name + "-" + i;
            running.add(threads.submit(() -> {
                run(who, count, oracle);
                return null;
            }));
        }
        for (Future<?> each : running) {
            each.get();
        }
        threads.shutdown();
    }

    private void run(String who, int count, String oracle) throws Exception {
        try (CuratorFramework client = open();
                OracleLink link = new OracleLink(oracle)) {
            Mutex mutex = new Mutex(client, path);
            for (int i = 0; i < count; i++) {
                mutex.acquire();
                try {
                    String[] words = describe(client, mutex.node()).split(" ");
                    link.enter(who, words[0], words[1]);
                    link.exit(who);
                } finally {
                    mutex.release();
                }
            }
        }
    }

    /** Fence, sequence number and name of a contender. */
    private static String describe(CuratorFramework client, String node) throws Exception {
        long czxid = client.checkExists().forPath(node).getCzxid();
        int sequence = Integer.parseInt(node.substring(node.length() - 10));
        return czxid + " " + sequence + " " + node.substring(node.lastIndexOf('/') + 1);
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
