//! How many may hold, and who says so.

use lockkeeper::CreateMode;
use lockkeeper_recipes::{GuardState, Limit, LockError, Semaphore, SharedCount};

use crate::common::{PATIENCE, connect, eventually, fresh_path, server};
use crate::{assert_empty, granted, queued};

fn limit_error(error: LockError) -> String {
    match error {
        LockError::Limit { what, .. } => what,
        error => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_limit_refuses_every_other() {
    let client = connect(&server().await).await;
    let path = fresh_path("recorded");
    let three = Semaphore::new(&client, &path, 3).unwrap();
    let lease = three.acquire().await.unwrap();
    let five = Semaphore::new(&client, &path, 5).unwrap();
    let what = limit_error(five.acquire().await.unwrap_err());
    assert!(what.contains("limit of 3, not 5"), "{what}");
    limit_error(five.try_acquire().await.unwrap_err());
    // Who does not ask does not mind.
    let fixed = Semaphore::builder(&client, &path, Limit::Fixed(5))
        .build()
        .unwrap();
    fixed.acquire().await.unwrap().release().await.unwrap();
    lease.release().await.unwrap();
    assert_empty(&client, &path).await;
    client.set(&path, "8 ", None).await.unwrap();
    let eight = Semaphore::new(&client, &path, 8).unwrap();
    eight.acquire().await.unwrap().release().await.unwrap();
    for data in ["many", "-1", "3.5", "99999999999999999999999"] {
        client.set(&path, data, None).await.unwrap();
        limit_error(three.acquire().await.unwrap_err());
    }
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_come_first_with_different_limits_one_is_refused() {
    let server = server().await;
    let clients = [connect(&server).await, connect(&server).await];
    for _ in 0..20 {
        let path = fresh_path("first");
        let tasks = [2, 3].map(|limit| {
            let semaphore = Semaphore::new(&clients[limit - 2], &path, limit).unwrap();
            tokio::spawn(async move { semaphore.acquire_timeout(PATIENCE).await })
        });
        let mut refused = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(lease) => lease.release().await.unwrap(),
                Err(error) => {
                    limit_error(error);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1);
        assert_empty(&clients[0], &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t62_a_shared_count_that_falls_ends_nothing_and_one_that_rises_admits() {
    let server = server().await;
    let path = fresh_path("t62");
    let client = connect(&server).await;
    let operator = SharedCount::new(&connect(&server).await, &format!("{path}-limit")).unwrap();
    operator.set(3).await.unwrap();
    let count = SharedCount::new(&client, &format!("{path}-limit")).unwrap();
    let builder = Semaphore::builder(&client, &path, Limit::Shared(count));
    let semaphore = builder.build().unwrap();
    let mut leases = semaphore.acquire_many(3).await.unwrap();
    operator.set(1).await.unwrap();
    assert_eq!(semaphore.try_acquire().await.unwrap_err(), LockError::Busy);
    let mut waiting = Vec::new();
    eventually("the gate is free", async || {
        semaphore.queue_position().await.unwrap() == 0
    })
    .await;
    for position in 0..4 {
        waiting.push(queued(&semaphore, position).await);
    }
    // One that goes makes no room yet.
    leases.pop().unwrap().release().await.unwrap();
    eventually("two and one that waits", async || {
        semaphore.held().await.unwrap() == 3
    })
    .await;
    assert!(leases.iter().all(|lease| lease.state() == GuardState::Held));
    assert!(waiting.iter().all(|task| !task.is_finished()));
    operator.set(5).await.unwrap();
    let last = waiting.pop().unwrap();
    for task in waiting {
        leases.push(granted(task).await);
    }
    assert_eq!(leases.len(), 5);
    assert!(!last.is_finished());
    operator.set(0).await.unwrap();
    operator.set(6).await.unwrap();
    leases.push(granted(last).await);
    for lease in leases {
        lease.release().await.unwrap();
    }
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_count_that_says_nothing_is_an_error_and_no_hang() {
    let client = connect(&server().await).await;
    let path = fresh_path("nothing");
    let at = format!("{path}-limit");
    let count = SharedCount::new(&client, &at).unwrap();
    let builder = Semaphore::builder(&client, &path, Limit::Shared(count.clone()));
    let semaphore = builder.build().unwrap();
    let what = limit_error(semaphore.acquire().await.unwrap_err());
    assert!(what.contains("missing"), "{what}");
    limit_error(semaphore.try_acquire().await.unwrap_err());
    client
        .create(&at, "three", CreateMode::Persistent)
        .await
        .unwrap();
    let what = limit_error(semaphore.acquire().await.unwrap_err());
    assert!(what.contains("5 bytes"), "{what}");
    limit_error(semaphore.try_acquire().await.unwrap_err());
    assert_empty(&client, &path).await;

    // Also while somebody waits.
    count.set(-1).await.unwrap();
    let waiting = queued(&semaphore, 0).await;
    eventually("a lease is to be admitted", async || {
        semaphore.held().await.unwrap() == 1
    })
    .await;
    client.delete(&at, None).await.unwrap();
    let told = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap();
    limit_error(told.unwrap_err());
    assert_empty(&client, &path).await;
}
