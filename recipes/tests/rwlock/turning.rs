//! Writers that become readers, and readers that become writers.

use std::time::Duration;

use lockkeeper::Op;
use lockkeeper_recipes::{GuardState, Layout, LockError, LossReason, RwLock};

use crate::common::{
    PATIENCE, assert_clean, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::{granted, queued, reader, writer};

#[tokio::test(flavor = "multi_thread")]
async fn t59_nobody_writes_between_writing_and_reading() {
    let client = connect(&server().await).await;
    for layout in [Layout::Curator, Layout::Kazoo] {
        let path = fresh_path("t59");
        let lock = RwLock::builder(&client, &path)
            .layout(layout)
            .build()
            .unwrap();
        let writing = lock.write().await.unwrap();
        let (fence, number) = (writing.fence(), last_ten(writing.path()));
        let (lost, mut states) = (writing.lost(), writing.states());
        assert_eq!(states.next().await, Some(GuardState::Held));
        let beside = reader(&lock, 1).await;
        let next = writer(&lock, 2).await;
        let behind = reader(&lock, 3).await;

        let reading = writing.downgrade().await.unwrap();
        // The next writer's is larger than all before it, and this reader is one of them.
        assert_eq!(reading.fence(), fence);
        assert_eq!(last_ten(reading.path()), number);
        reading.confirm().await.unwrap();
        // The write guard was given up, not lost.
        assert_eq!(states.next().await, None);
        let beside = granted(beside).await;
        beside.release().await.unwrap();
        // The next writer has seen the writer go, and has to see who came in its place.
        let early = tokio::time::timeout(Duration::from_millis(200), lost).await;
        assert!(early.is_err(), "{early:?}");
        assert!(!next.is_finished() && !behind.is_finished());
        assert_eq!(reading.state(), GuardState::Held);
        reading.release().await.unwrap();
        let next = granted(next).await;
        assert!(next.fence() > fence);
        next.release().await.unwrap();
        granted(behind).await.release().await.unwrap();
        assert_clean(&client, &path).await;
    }
}

fn last_ten(path: &str) -> String {
    path[path.len() - 10..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn t59_a_writer_that_waits_behind_another_sees_the_reader_of_the_one_before() {
    let client = connect(&server().await).await;
    let path = fresh_path("t59b");
    let lock = RwLock::new(&client, &path).unwrap();
    let writing = lock.write().await.unwrap();
    let between = writer(&lock, 1).await;
    let last = writer(&lock, 2).await;
    let reading = writing.downgrade().await.unwrap();
    between.abort();
    eventually("one has left", async || {
        children(&client, &path).await.len() == 2
    })
    .await;
    let early = tokio::time::timeout(Duration::from_millis(200), async {
        while !last.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(early.await.is_err(), "wrote beside a reader");
    reading.release().await.unwrap();
    granted(last).await.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t60_of_two_readers_that_want_to_write_one_is_told_so() {
    let client = connect(&server().await).await;
    let path = fresh_path("t60");
    let lock = RwLock::new(&client, &path).unwrap();
    let (first, second) = (lock.read().await.unwrap(), lock.read().await.unwrap());
    let upgrading = tokio::spawn(async move {
        let writing = first.try_upgrade().await;
        (first, writing)
    });
    queued(&lock, 3).await;
    assert_eq!(
        second.try_upgrade().await.unwrap_err(),
        LockError::UpgradeConflict
    );
    assert_eq!(second.state(), GuardState::Held);
    queued(&lock, 3).await;
    assert!(!upgrading.is_finished());
    second.release().await.unwrap();
    let (first, writing) = tokio::time::timeout(PATIENCE, upgrading)
        .await
        .unwrap()
        .unwrap();
    let writing = writing.unwrap();
    assert!(writing.fence() > first.fence());
    assert_eq!(lock.try_read().await.unwrap_err(), LockError::Busy);
    // Back to reading, with nobody in between.
    let next = writer(&lock, 2).await;
    writing.release().await.unwrap();
    first.confirm().await.unwrap();
    assert!(!next.is_finished());
    first.release().await.unwrap();
    granted(next).await.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_upgrade_at_once_never_wait_for_each_other() {
    let server = server().await;
    let clients = [connect(&server).await, connect(&server).await];
    for _ in 0..30 {
        let path = fresh_path("race");
        let mut guards = Vec::new();
        for client in &clients {
            guards.push(RwLock::new(client, &path).unwrap().read().await.unwrap());
        }
        let tasks: Vec<_> = guards
            .into_iter()
            .map(|guard| {
                tokio::spawn(async move {
                    let won = match guard.try_upgrade().await {
                        Ok(_) => true,
                        Err(error) => {
                            assert_eq!(error, LockError::UpgradeConflict);
                            false
                        }
                    };
                    guard.release().await.unwrap();
                    won
                })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            let ended = tokio::time::timeout(PATIENCE, task).await;
            winners += usize::from(ended.expect("no deadlock").unwrap());
        }
        assert!(winners >= 1);
        assert_clean(&clients[0], &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_conflicts_with_a_writer_that_waits() {
    let client = connect(&server().await).await;
    let path = fresh_path("waits");
    let lock = RwLock::new(&client, &path).unwrap();
    let reading = lock.read().await.unwrap();
    let waiting = writer(&lock, 1).await;
    assert_eq!(
        reading.try_upgrade().await.unwrap_err(),
        LockError::UpgradeConflict
    );
    reading.release().await.unwrap();
    granted(waiting).await.release().await.unwrap();
    // Alone, it is at once.
    let reading = lock.read().await.unwrap();
    let writing = reading.try_upgrade().await.unwrap();
    reading.release().await.unwrap();
    writing.confirm().await.unwrap();
    let reading = writing.downgrade().await.unwrap();
    reading.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_an_upgrade_or_downgrade_dropped_at_any_moment_leaves_nothing() {
    let client = connect(&server().await).await;
    for micros in (0..4000).step_by(100) {
        let path = fresh_path("t39");
        let lock = RwLock::new(&client, &path).unwrap();
        let cut = Duration::from_micros(micros);
        drop(tokio::time::timeout(cut, lock.write()).await);
        drop(tokio::time::timeout(cut, lock.read()).await);
        let reading = lock.read_timeout(PATIENCE).await.unwrap();
        let other = lock.read_timeout(PATIENCE).await.unwrap();
        // One that has to wait, and one that need not.
        drop(tokio::time::timeout(cut, reading.try_upgrade()).await);
        other.release().await.unwrap();
        drop(tokio::time::timeout(cut, reading.try_upgrade()).await);
        reading.release().await.unwrap();
        let writing = lock.write_timeout(PATIENCE).await.unwrap();
        drop(tokio::time::timeout(cut, writing.downgrade()).await);
        let writing = lock.write_timeout(PATIENCE).await.unwrap();
        writing.release().await.unwrap();
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_neither_upgraded_nor_downgraded() {
    let server = server().await;
    let client = connect(&server).await;
    let path = fresh_path("lost");
    let lock = RwLock::new(&client, &path).unwrap();
    let lost = LockError::Lost(LossReason::NodeDeleted);

    let reading = lock.read().await.unwrap();
    // In one piece with the create, so that no moment is too early to see it.
    client
        .multi(vec![Op::delete(reading.path(), None)])
        .await
        .unwrap();
    assert_eq!(reading.try_upgrade().await.unwrap_err(), lost);
    let writing = lock.write().await.unwrap();
    client.delete(writing.path(), None).await.unwrap();
    assert_eq!(writing.downgrade().await.unwrap_err(), lost);
    assert_clean(&client, &path).await;

    let reading = lock.read().await.unwrap();
    kill_session(&server, &client).await;
    let state = tokio::time::timeout(PATIENCE, reading.lost())
        .await
        .unwrap();
    assert_eq!(state, GuardState::Lost(LossReason::Expired));
    let expired = LockError::Lost(LossReason::Expired);
    assert_eq!(reading.try_upgrade().await.unwrap_err(), expired);
    assert_clean(&connect(&server).await, &path).await;
}
