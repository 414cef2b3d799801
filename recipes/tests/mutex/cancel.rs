//! Dropping things: futures at any moment, guards on any thread, clients under way.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use lockkeeper::Error;
use lockkeeper_e2e::proxy::{Action, Rule, op};
use lockkeeper_recipes::{LockError, Mutex};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, enqueue, eventually, fresh_path, granted,
    prepared, server,
};

#[tokio::test(flavor = "multi_thread")]
async fn t39_t43_a_future_dropped_at_any_moment_leaves_nothing() {
    let client = connect(&server().await).await;
    for contended in [false, true] {
        // The parents are missing in the first rounds, so that their creation is cut short too.
        for micros in (0..4000).step_by(80) {
            let path = fresh_path("t39");
            let lock = Mutex::new(&client, &path).unwrap();
            let guard = match contended {
                true => Some(lock.lock().await.unwrap()),
                false => None,
            };
            let cut = Duration::from_micros(micros);
            let dropped = tokio::time::timeout(cut, lock.lock()).await;
            drop(dropped);
            drop(guard);
            let next = lock.lock_timeout(PATIENCE).await.unwrap();
            next.release().await.unwrap();
            assert_clean(&client, &path).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t40_a_guard_may_be_dropped_on_a_thread_without_a_runtime() {
    let client = connect(&server().await).await;
    let path = fresh_path("t40");
    let guard = Mutex::new(&client, &path).unwrap().lock().await.unwrap();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_wish_dropped_with_its_create_in_flight_leaves_no_ghost() {
    let lane = Lane::open().await;
    let path = fresh_path("t41");
    let lock = prepared(&lane.client, &path).await;
    let client = connect(&server().await).await;
    let lost = lane
        .proxy
        .install(Rule::reply(op::CREATE2).then(Action::Hold));
    let waiting = lock.clone();
    let waiter = tokio::spawn(async move { waiting.lock().await });
    lost.await_fired(PATIENCE).unwrap();
    assert_eq!(children(&client, &path).await.len(), 1);
    waiter.abort();
    assert!(waiter.await.unwrap_err().is_cancelled());
    lane.proxy.cut();
    assert_clean(&client, &path).await;
    lock.lock().await.unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_closing_the_client_ends_every_wait() {
    let server = server().await;
    let holder = connect(&server).await;
    let path = fresh_path("t42");
    let guard = Mutex::new(&holder, &path).unwrap().lock().await.unwrap();
    let client = connect(&server).await;
    let lock = Mutex::new(&client, &path).unwrap();
    let waiters: Vec<_> = (0..100)
        .map(|_| {
            let lock = lock.clone();
            tokio::spawn(async move { lock.lock().await })
        })
        .collect();
    eventually("all wait", async || {
        lock.queue_position().await.unwrap() == 101
    })
    .await;
    client.close().await.unwrap();
    for waiter in waiters {
        let ended = tokio::time::timeout(Duration::from_secs(1), waiter).await;
        let error = ended.expect("ends at once").unwrap().unwrap_err();
        assert!(
            matches!(error, LockError::Client(Error::Closed { .. })),
            "{error:?}"
        );
    }
    assert_eq!(children(&holder, &path).await.len(), 1);
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_panic_under_the_guard_releases() {
    let client = connect(&server().await).await;
    let path = fresh_path("t44");
    let lock = Mutex::new(&client, &path).unwrap();
    let section = AssertUnwindSafe(async {
        let _guard = lock.lock().await.unwrap();
        panic!("on purpose");
    });
    assert!(section.catch_unwind().await.is_err());
    lock.lock().await.unwrap().release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t46_a_select_loop_does_not_pile_up_znodes() {
    let client = connect(&server().await).await;
    let path = fresh_path("t46");
    let lock = Mutex::new(&client, &path).unwrap();
    let guard = lock.lock().await.unwrap();
    let mut most = 0;
    for round in 0..500 {
        let tick = Duration::from_micros(round % 7 * 300);
        assert_eq!(
            lock.lock_timeout(tick).await.unwrap_err(),
            LockError::TimedOut
        );
        if round % 50 == 0 {
            most = most.max(lock.queue_position().await.unwrap());
        }
    }
    assert!(most < 100, "{most} contenders at once");
    eventually("only the holder is left", async || {
        lock.queue_position().await.unwrap() == 1
    })
    .await;
    guard.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_its_handle_until_the_release_is_done() {
    let server = server().await;
    let path = fresh_path("last");
    let watcher = connect(&server).await;
    let client = connect(&server).await;
    let lock = Mutex::new(&client, &path).unwrap();
    let guard = lock.lock().await.unwrap();
    let next = enqueue(&Mutex::new(&watcher, &path).unwrap(), 1).await;
    drop((lock, client));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!next.is_finished());
    drop(guard);
    granted(next).await.release().await.unwrap();
    assert_clean(&watcher, &path).await;
}
