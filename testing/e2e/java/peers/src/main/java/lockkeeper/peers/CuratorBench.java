package lockkeeper.peers;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.ExponentialBackoffRetry;

/** Curator's recipes under measurement, by the orders that head {@code bench/src/program.rs}. */
public final class CuratorBench {
    private static final int SESSION_TIMEOUT_MS = 30_000;
    private static final int CONNECT_TIMEOUT_MS = 30_000;

    /** Opens and closes sessions: a client may take a tenth of a second to close. */
    private static final ExecutorService AT_ONCE = Executors.newFixedThreadPool(50);

    private final BufferedReader orders =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    public static void main(String[] args) {
        int code = 0;
        try {
            new CuratorBench().obey();
        } catch (Exception e) {
            e.printStackTrace();
            say("failed " + e);
            code = 1;
        }
        System.exit(code);
    }

    private void obey() throws Exception {
        say("ready");
        for (String line = orders.readLine(); line != null; line = orders.readLine()) {
            String[] words = line.split(" ");
            if (words.length != 4) {
                return;
            }
            int count = Integer.parseInt(words[3]);
            switch (words[0]) {
                case "pairs":
                    pairs(words[1], words[2]);
                    break;
                case "handoffs":
                    handOffs(words[1], words[2], count);
                    break;
                case "failovers":
                    failOvers(words[1], words[2], count);
                    break;
                case "updates":
                    updates(words[1], words[2], count);
                    break;
                default:
                    throw new IllegalArgumentException(line);
            }
            say("ended");
        }
    }

    /** Does work for so many nanoseconds; returns the times it took. */
    private interface Work {
        List<Long> during(long wallNanos) throws Exception;
    }

    /** Carries out the orders of one work. */
    private void follow(Work work) throws Exception {
        say("begun");
        for (String line = next(); line.startsWith("go "); line = next()) {
            List<Long> took = work.during(Long.parseLong(line.substring(3)) * 1_000_000);
            took.sort(null);
            say(String.format(
                    Locale.ROOT, "went %d %.1f %.1f", took.size(), at(took, 50), at(took, 99)));
        }
    }

    private String next() throws IOException {
        String line = orders.readLine();
        if (line == null) {
            throw new IOException("the input ended amid a work");
        }
        return line;
    }

    /** The time in microseconds that so many in a hundred keep within. */
    private static double at(List<Long> sorted, int percent) {
        return sorted.isEmpty() ? 0 : sorted.get(sorted.size() * percent / 100) / 1e3;
    }

    /** Does something again and again; it says what is to be counted as its time. */
    private static List<Long> repeat(long wallNanos, Callable<Long> turn) throws Exception {
        long start = System.nanoTime();
        List<Long> took = new ArrayList<>();
        while (System.nanoTime() - start < wallNanos) {
            took.add(turn.call());
        }
        return took;
    }

    private void pairs(String connect, String path) throws Exception {
        try (CuratorFramework client = open(connect)) {
            InterProcessMutex mutex = new InterProcessMutex(client, path);
            follow(wall -> repeat(wall, () -> {
                long start = System.nanoTime();
                mutex.acquire();
                mutex.release();
                return System.nanoTime() - start;
            }));
        }
    }

    /** What contenders tell each other; only the holder of the lock writes here. */
    private static final class Course {
        private List<Long> took = new ArrayList<>();
        private long released;
        private volatile boolean over;

        synchronized void got() {
            if (released != 0) {
                took.add(System.nanoTime() - released);
            }
        }

        synchronized void releasing() {
            released = System.nanoTime();
        }

        synchronized List<Long> take() {
            List<Long> taken = took;
            took = new ArrayList<>();
            return taken;
        }
    }

    private void handOffs(String connect, String path, int count) throws Exception {
        List<CuratorFramework> clients = openAll(connect, count);
        Course course = new Course();
        List<Thread> threads = new ArrayList<>();
        for (CuratorFramework client : clients) {
            threads.add(new Thread(() -> contend(client, path, course)));
        }
        threads.forEach(Thread::start);
        follow(wall -> {
            course.take();
            Thread.sleep(wall / 1_000_000);
            return course.take();
        });
        course.over = true;
        for (Thread thread : threads) {
            thread.join();
        }
        closeAll(clients);
    }

    private static void contend(CuratorFramework client, String path, Course course) {
        InterProcessMutex mutex = new InterProcessMutex(client, path);
        try {
            while (!course.over) {
                mutex.acquire();
                course.got();
                course.releasing();
                mutex.release();
            }
        } catch (Exception e) {
            // The others go on without it, and the harness finds the trace in the log.
            e.printStackTrace();
        }
    }

    /** Who leads since when. */
    private static final class Act {
        private final int index;
        private final long nanos = System.nanoTime();

        Act(int index) {
            this.index = index;
        }
    }

    private void failOvers(String connect, String path, int count) throws Exception {
        BlockingQueue<Act> acts = new LinkedBlockingQueue<>();
        List<CuratorFramework> clients = openAll(connect, count);
        for (int i = 0; i < count; i++) {
            stand(clients.get(i), path, i, acts);
        }
        int[] leader = {acts.take().index};
        try (CuratorFramework onlooker = open(connect)) {
            awaitCandidates(onlooker, path, count);
            follow(wall -> repeat(wall, () -> {
                long closing = System.nanoTime();
                clients.get(leader[0]).close();
                Act act = acts.take();
                clients.set(leader[0], open(connect));
                stand(clients.get(leader[0]), path, leader[0], acts);
                leader[0] = act.index;
                awaitCandidates(onlooker, path, count);
                return act.nanos - closing;
            }));
        }
        closeAll(clients);
    }

    private static void stand(CuratorFramework client, String path, int index, BlockingQueue<Act> acts)
            throws Exception {
        LeaderLatch latch = new LeaderLatch(client, path, Integer.toString(index));
        latch.addListener(new LeaderLatchListener() {
            @Override
            public void isLeader() {
                acts.add(new Act(index));
            }

            @Override
            public void notLeader() {}
        });
        latch.start();
    }

    private static void awaitCandidates(CuratorFramework onlooker, String path, int count)
            throws Exception {
        while (onlooker.getChildren().forPath(path).size() < count) {
            Thread.sleep(1);
        }
    }

    /** How many have not seen the latest value, and when the last one has. */
    private static final class Round {
        private final byte[] value;
        private final CountDownLatch missing;

        Round(byte[] value, int count) {
            this.value = value;
            this.missing = new CountDownLatch(count);
        }
    }

    private void updates(String connect, String path, int count) throws Exception {
        try (CuratorFramework publisher = open(connect)) {
            publisher.create().forPath(path, "0".getBytes(StandardCharsets.UTF_8));
            List<CuratorFramework> clients = openAll(connect, count);
            List<CuratorCache> caches = new ArrayList<>();
            Round[] round = {null};
            CountDownLatch initialized = new CountDownLatch(count);
            for (CuratorFramework client : clients) {
                CuratorCache cache = CuratorCache.build(
                        client, path, CuratorCache.Options.SINGLE_NODE_CACHE);
                cache.listenable().addListener(CuratorCacheListener.builder()
                        .forChanges((before, now) -> arrived(round, now.getData()))
                        .forInitialized(initialized::countDown)
                        .build());
                cache.start();
                caches.add(cache);
            }
            initialized.await();
            int[] published = {0};
            follow(wall -> repeat(wall, () -> {
                byte[] value =
                        Integer.toString(++published[0]).getBytes(StandardCharsets.UTF_8);
                Round now = new Round(value, count);
                synchronized (round) {
                    round[0] = now;
                }
                long start = System.nanoTime();
                publisher.setData().forPath(path, value);
                now.missing.await();
                return System.nanoTime() - start;
            }));
            caches.forEach(CuratorCache::close);
            closeAll(clients);
        }
    }

    private static void arrived(Round[] round, byte[] value) {
        Round now;
        synchronized (round) {
            now = round[0];
        }
        if (Arrays.equals(now.value, value)) {
            now.missing.countDown();
        }
    }

    private static List<CuratorFramework> openAll(String connect, int count) throws Exception {
        Callable<CuratorFramework> opening = () -> open(connect);
        List<CuratorFramework> clients = new ArrayList<>();
        for (Future<CuratorFramework> each : AT_ONCE.invokeAll(Collections.nCopies(count, opening))) {
            clients.add(each.get());
        }
        return clients;
    }

    private static void closeAll(List<CuratorFramework> clients) throws Exception {
        List<Callable<Void>> tasks = new ArrayList<>();
        for (CuratorFramework client : clients) {
            tasks.add(() -> {
                client.close();
                return null;
            });
        }
        for (Future<Void> each : AT_ONCE.invokeAll(tasks)) {
            each.get();
        }
    }

    /** A connected session. */
    private static CuratorFramework open(String connect) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(
                connect, SESSION_TIMEOUT_MS, CONNECT_TIMEOUT_MS,
                new ExponentialBackoffRetry(50, 10, 2000));
        client.start();
        client.blockUntilConnected();
        return client;
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
