//! Who waits for whom, who is woken, and the ways to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lockkeeper_e2e::four_letter::{ask, metric};
use lockkeeper_e2e::proxy::{Direction, op};
use lockkeeper_recipes::{Fence, GuardState, Layout, LockError, RwLock};
use lockkeeper_server::embed::embed;
use tokio::sync::Mutex as Log;

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, eventually, fresh_path, server,
};
use crate::{granted, queued, reader, writer};

#[tokio::test(flavor = "multi_thread")]
async fn readers_hold_together_and_a_writer_alone() {
    let client = connect(&server().await).await;
    for layout in [Layout::Curator, Layout::GoZk, Layout::Kazoo] {
        let path = fresh_path("together");
        let lock = RwLock::builder(&client, &path)
            .layout(layout)
            .build()
            .unwrap();
        let (first, second) = (lock.read().await.unwrap(), lock.read().await.unwrap());
        assert_eq!(lock.try_write().await.unwrap_err(), LockError::Busy);
        let writing = writer(&lock, 2).await;
        assert_eq!(lock.try_read().await.unwrap_err(), LockError::Busy);
        let third = reader(&lock, 3).await;
        first.release().await.unwrap();
        assert!(!writing.is_finished() && !third.is_finished());
        assert_eq!(second.state(), GuardState::Held);
        second.release().await.unwrap();
        let writing = granted(writing).await;
        assert!(!third.is_finished());
        assert_eq!(lock.try_read().await.unwrap_err(), LockError::Busy);
        writing.release().await.unwrap();
        let third = granted(third).await;
        lock.try_read().await.unwrap().release().await.unwrap();
        third.release().await.unwrap();
        lock.try_write().await.unwrap().release().await.unwrap();
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_of_the_libraries() {
    let client = connect(&server().await).await;
    for (layout, reads, writes) in [
        (
            Layout::Curator,
            "-__READ__0000000000",
            "-__WRIT__0000000001",
        ),
        (Layout::Kazoo, "__rlock__0000000000", "__lock__0000000001"),
    ] {
        let path = fresh_path("names");
        let lock = RwLock::builder(&client, &path)
            .layout(layout)
            .build()
            .unwrap();
        let reading = lock.read().await.unwrap();
        assert!(reading.path().ends_with(reads), "{}", reading.path());
        reading.release().await.unwrap();
        let writing = lock.write().await.unwrap();
        assert!(writing.path().ends_with(writes), "{}", writing.path());
        writing.release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_lock_costs_one_round_trip_and_a_busy_one_no_write() {
    let lane = Lane::open().await;
    let path = fresh_path("free");
    let lock = RwLock::new(&lane.client, &path).unwrap();
    lock.read().await.unwrap().release().await.unwrap();
    let requests = |from: usize| -> Vec<i32> {
        let seen = lane.proxy.seen();
        let sent = seen[from..].iter();
        let sent = sent.filter(|it| it.direction == Direction::Request && it.opcode != op::PING);
        sent.map(|it| it.opcode).collect()
    };
    let before = lane.proxy.seen().len();
    let reading = lock.read().await.unwrap();
    assert_eq!(requests(before)[..2], [op::CREATE2, op::GET_CHILDREN]);
    reading.release().await.unwrap();
    let before = lane.proxy.seen().len();
    let writing = lock.write().await.unwrap();
    assert_eq!(requests(before)[..2], [op::CREATE2, op::GET_CHILDREN]);
    eventually("its watch is set", async || requests(before).len() == 3).await;
    let before = lane.proxy.seen().len();
    assert_eq!(lock.try_read().await.unwrap_err(), LockError::Busy);
    assert_eq!(lock.try_write().await.unwrap_err(), LockError::Busy);
    assert_eq!(requests(before), [op::GET_CHILDREN; 2]);
    writing.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t56_a_writers_end_wakes_its_readers_and_no_others() {
    const READERS: usize = 50;
    let server = embed().start().unwrap();
    let connect_string = server.connect_string();
    let deleted = || {
        let answer = ask(server.address(), "mntr").unwrap();
        let metric = |name: &str| metric(&answer, name).unwrap() as usize;
        (
            metric("zk_sum_node_deleted_watch_count"),
            metric("zk_max_node_deleted_watch_count"),
        )
    };
    let path = fresh_path("t56");
    let client = connect(&connect_string).await;
    let lock = RwLock::new(&client, &path).unwrap();
    let first = lock.write().await.unwrap();
    let (mut early, mut late) = (Vec::new(), Vec::new());
    let mut sessions = Vec::new();
    let mut middle = None;
    for number in 0..2 * READERS {
        if number == READERS {
            middle = Some(writer(&lock, 1 + READERS).await);
        }
        let session = connect(&connect_string).await;
        let queue = RwLock::new(&session, &path).unwrap();
        let position = 1 + number + usize::from(number >= READERS);
        let task = reader(&queue, position).await;
        match number < READERS {
            true => early.push(task),
            false => late.push(task),
        }
        sessions.push(session);
    }
    let middle = middle.unwrap();
    // A reader watches the nearest writer, and its own znode; so do the writers.
    let watches = || {
        let answer = ask(server.address(), "mntr").unwrap();
        metric(&answer, "zk_watch_count").unwrap() as usize
    };
    eventually("all of them watch", async || {
        watches() == 2 * (2 * READERS) + 1 + 2
    })
    .await;
    let before = deleted();
    assert_eq!(before, (0, 0));
    first.release().await.unwrap();
    let mut guards = Vec::new();
    for task in early {
        guards.push(granted(task).await);
    }
    assert!(!middle.is_finished() && late.iter().all(|task| !task.is_finished()));
    let woken = deleted();
    assert_eq!(
        woken,
        (READERS, READERS),
        "of readers, by the first writer's end"
    );

    for guard in guards {
        guard.release().await.unwrap();
    }
    let middle = granted(middle).await;
    let (sum, max) = deleted();
    assert!(
        sum - woken.0 <= READERS,
        "{sum} after {woken:?}: the writer alone was woken"
    );
    assert_eq!(max, READERS);
    middle.release().await.unwrap();
    let mut guards = Vec::new();
    for task in late {
        guards.push(granted(task).await);
    }
    assert_eq!(deleted(), (sum + READERS, READERS));
    drop(guards);
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t57_a_random_mix_keeps_writers_alone_and_the_order_of_creation() {
    const TASKS: usize = 20;
    const ROUNDS: usize = 250;
    let server = server().await;
    let path = fresh_path("t57");
    let readers = Arc::new(AtomicUsize::new(0));
    let writers = Arc::new(AtomicUsize::new(0));
    let entered: Arc<Log<Vec<(Fence, bool)>>> = Arc::default();
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        let lock = RwLock::new(&connect(&server).await, &path).unwrap();
        let (readers, writers) = (Arc::clone(&readers), Arc::clone(&writers));
        let entered = Arc::clone(&entered);
        tasks.push(tokio::spawn(async move {
            let mut random = number as u32 + 1;
            for _ in 0..ROUNDS {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if random >> 30 == 0 {
                    let guard = lock.write().await.unwrap();
                    entered.lock().await.push((guard.fence(), true));
                    assert_eq!(writers.fetch_add(1, Ordering::SeqCst), 0, "another writer");
                    assert_eq!(
                        readers.load(Ordering::SeqCst),
                        0,
                        "a reader beside a writer"
                    );
                    tokio::task::yield_now().await;
                    writers.fetch_sub(1, Ordering::SeqCst);
                    drop(guard);
                } else {
                    let guard = lock.read().await.unwrap();
                    entered.lock().await.push((guard.fence(), false));
                    readers.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(
                        writers.load(Ordering::SeqCst),
                        0,
                        "a writer beside a reader"
                    );
                    tokio::task::yield_now().await;
                    readers.fetch_sub(1, Ordering::SeqCst);
                    drop(guard);
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let entered = entered.lock().await;
    assert_eq!(entered.len(), TASKS * ROUNDS);
    let mut last_writer = None;
    let mut largest = None;
    let mut writes = 0;
    for &(fence, is_writer) in entered.iter() {
        assert!(
            Some(fence) > last_writer,
            "{fence} came in behind a later writer"
        );
        if is_writer {
            assert!(
                Some(fence) > largest,
                "a writer waited for a later contender"
            );
            last_writer = Some(fence);
            writes += 1;
        }
        largest = largest.max(Some(fence));
    }
    assert!(writes > 0 && writes < entered.len());
    let client = connect(&server).await;
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_end_waiting_of_both_kinds() {
    let client = connect(&server().await).await;
    let path = fresh_path("deadline");
    let lock = RwLock::new(&client, &path).unwrap();
    let writing = lock.write().await.unwrap();
    let short = Duration::from_millis(50);
    let until = || client.now() + short;
    assert_eq!(
        lock.read_timeout(short).await.unwrap_err(),
        LockError::TimedOut
    );
    assert_eq!(
        lock.write_timeout(short).await.unwrap_err(),
        LockError::TimedOut
    );
    assert_eq!(
        lock.read_until(until()).await.unwrap_err(),
        LockError::TimedOut
    );
    assert_eq!(
        lock.write_until(until()).await.unwrap_err(),
        LockError::TimedOut
    );
    queued(&lock, 1).await;
    writing.release().await.unwrap();
    lock.read_timeout(PATIENCE)
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    lock.write_timeout(PATIENCE)
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t5_a_writer_that_leaves_the_queue_lets_the_readers_behind_it_in() {
    let client = connect(&server().await).await;
    let path = fresh_path("t5");
    let lock = RwLock::new(&client, &path).unwrap();
    let reading = lock.read().await.unwrap();
    let leaving = writer(&lock, 1).await;
    let behind = reader(&lock, 2).await;
    leaving.abort();
    granted(behind).await.release().await.unwrap();
    reading.release().await.unwrap();
    assert_eq!(children(&client, &path).await, [""; 0]);
}
