//! What operators and others do to leases and to the queue in front of them.

use std::time::Duration;

use lockkeeper::path::parent;
use lockkeeper::{Acl, CreateMode, ErrorCode, Op, acl};
use lockkeeper_recipes::{GuardState, Limit, LockError, LossReason, Semaphore};

use crate::common::{PATIENCE, children, connect, eventually, fresh_path, server};
use crate::{assert_empty, granted, queued};

#[tokio::test(flavor = "multi_thread")]
async fn t47_a_holder_whose_lease_is_deleted_is_told() {
    let client = connect(&server().await).await;
    let path = fresh_path("t47");
    let semaphore = Semaphore::new(&client, &path, 1).unwrap();
    let lease = semaphore.acquire().await.unwrap();
    let next = queued(&semaphore, 0).await;
    client.delete(lease.path(), None).await.unwrap();
    let lost = tokio::time::timeout(PATIENCE, lease.lost()).await.unwrap();
    assert_eq!(lost, GuardState::Lost(LossReason::NodeDeleted));
    let error = lease.release().await.unwrap_err();
    assert_eq!(error, LockError::Lost(LossReason::NodeDeleted));
    granted(next).await.release().await.unwrap();
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t48_a_waiter_that_loses_its_lease_or_its_place_is_told_or_queues_again() {
    let client = connect(&server().await).await;
    for folder in ["leases", "locks"] {
        for requeue in [false, true] {
            let path = fresh_path("t48");
            let builder = Semaphore::builder(&client, &path, Limit::Recorded(1));
            let semaphore = builder.requeue(requeue).build().unwrap();
            let lease = semaphore.acquire().await.unwrap();
            let gate_free = async || semaphore.queue_position().await.unwrap() == 0;
            eventually("the gate is free", gate_free).await;
            let waiting = queued(&semaphore, 0).await;
            eventually("it waits", async || semaphore.held().await.unwrap() == 2).await;
            let own = children(&client, &format!("{path}/{folder}")).await;
            let own = own.iter().map(|name| format!("{path}/{folder}/{name}"));
            let own: Vec<String> = own.filter(|own| own != lease.path()).collect();
            client.delete(&own[0], None).await.unwrap();
            if requeue {
                lease.release().await.unwrap();
                granted(waiting).await.release().await.unwrap();
            } else {
                let told = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
                assert_eq!(told.unwrap().unwrap_err(), LockError::NodeGone);
                lease.release().await.unwrap();
            }
            assert_empty(&client, &path).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t49_after_a_recursive_delete_the_waiters_are_served() {
    let client = connect(&server().await).await;
    let path = fresh_path("t49");
    let builder = Semaphore::builder(&client, &path, Limit::Recorded(1));
    let semaphore = builder.requeue(true).build().unwrap();
    let lease = semaphore.acquire().await.unwrap();
    eventually("the gate is free", async || {
        semaphore.queue_position().await.unwrap() == 0
    })
    .await;
    let waiting = [queued(&semaphore, 0).await, queued(&semaphore, 1).await];
    eventually("one waits", async || semaphore.held().await.unwrap() == 2).await;
    let mut ops = Vec::new();
    for folder in ["leases", "locks"] {
        let folder = format!("{path}/{folder}");
        for name in children(&client, &folder).await {
            ops.push(Op::delete(&format!("{folder}/{name}"), None));
        }
        ops.push(Op::delete(&folder, None));
    }
    ops.push(Op::delete(&path, None));
    client.multi(ops).await.unwrap();
    let lost = tokio::time::timeout(PATIENCE, lease.lost()).await.unwrap();
    assert_eq!(lost, GuardState::Lost(LossReason::NodeDeleted));
    let released =
        waiting.map(|task| tokio::spawn(async { granted(task).await.release().await.unwrap() }));
    for task in released {
        task.await.unwrap();
    }
    assert_eq!(client.get(&path).await.unwrap().bytes(), b"1");
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t51_foreign_children_are_no_leases() {
    let client = connect(&server().await).await;
    let path = fresh_path("t51");
    let semaphore = Semaphore::new(&client, &path, 1).unwrap();
    semaphore.acquire().await.unwrap().release().await.unwrap();
    for name in [
        "foo",
        "lease-",
        "lease-1",
        "_c_x-lock-0000000000",
        "лиз-0000000000",
    ] {
        let foreign = format!("{path}/leases/{name}");
        client
            .create(&foreign, "", CreateMode::Persistent)
            .await
            .unwrap();
    }
    assert_eq!(semaphore.held().await.unwrap(), 0);
    let lease = semaphore.try_acquire().await.unwrap();
    let next = queued(&semaphore, 0).await;
    lease.release().await.unwrap();
    granted(next).await.release().await.unwrap();
    let left = children(&client, &format!("{path}/leases")).await;
    assert_eq!(left.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_count_whatever_their_numbers() {
    let client = connect(&server().await).await;
    let path = fresh_path("numbers");
    let semaphore = Semaphore::new(&client, &path, 1).unwrap();
    semaphore.acquire().await.unwrap().release().await.unwrap();
    // Behind the end of the server's numbers, those of newcomers are no larger.
    let theirs = format!("{path}/leases/_c_theirs-lease-2147483647");
    client
        .create(&theirs, "", CreateMode::Ephemeral)
        .await
        .unwrap();
    assert_eq!(semaphore.try_acquire().await.unwrap_err(), LockError::Busy);
    let waiting = queued(&semaphore, 0).await;
    eventually("it waits", async || semaphore.held().await.unwrap() == 2).await;
    let early = tokio::time::timeout(Duration::from_millis(200), async {
        while !waiting.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(early.await.is_err(), "admitted beside another");
    client.delete(&theirs, None).await.unwrap();
    granted(waiting).await.release().await.unwrap();
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t52_missing_permissions_are_errors_and_leave_nothing() {
    let client = connect(&server().await).await;
    let path = fresh_path("t52");
    let above = parent(&path).unwrap();
    for folder in [
        above,
        &path,
        &format!("{path}/locks"),
        &format!("{path}/leases"),
    ] {
        client
            .create(folder, "", CreateMode::Persistent)
            .await
            .unwrap();
    }
    let semaphore = Semaphore::new(&client, &path, 1).unwrap();
    let allow = async |folder: &str, permissions: i32| {
        let at = format!("{path}{folder}");
        let acl = vec![Acl::new(permissions, "world", "anyone")];
        client.set_acl(&at, acl, None).await.unwrap();
    };
    for (folder, permissions) in [
        // Where the limit is to be recorded, the first time.
        ("", acl::ALL - acl::WRITE),
        ("/leases", acl::ALL - acl::CREATE),
        ("/leases", acl::ALL - acl::READ),
        ("/locks", acl::ALL - acl::CREATE),
        ("", acl::ALL - acl::READ),
    ] {
        allow(folder, permissions).await;
        let error = semaphore.acquire().await.unwrap_err();
        let LockError::Client(error) = error else {
            panic!("{folder} {permissions}: {error:?}");
        };
        assert_eq!(error.code(), Some(ErrorCode::NO_AUTH));
        allow(folder, acl::ALL).await;
        assert_empty(&client, &path).await;
    }
    semaphore.acquire().await.unwrap().release().await.unwrap();
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_path_is_refused_before_anything_is_sent() {
    let client = connect(&server().await).await;
    assert!(matches!(
        Semaphore::new(&client, "no/slash", 1),
        Err(LockError::Client(_))
    ));
}
