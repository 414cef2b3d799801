//! What operators, revokers and other libraries do to a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockkeeper::path::parent;
use lockkeeper::{Acl, Client, CreateMode, ErrorCode, Op, acl};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{GuardState, Layout, LockError, LossReason, Mutex};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, enqueue, eventually, fresh_path, granted,
    other_contender, prepared, server,
};

#[tokio::test(flavor = "multi_thread")]
async fn t47_a_holder_whose_znode_is_deleted_is_told() {
    let client = connect(&server().await).await;
    let path = fresh_path("t47");
    let lock = Mutex::new(&client, &path).unwrap();
    let guard = lock.lock().await.unwrap();
    client.delete(guard.path(), None).await.unwrap();
    let lost = tokio::time::timeout(PATIENCE, guard.lost()).await.unwrap();
    assert_eq!(lost, GuardState::Lost(LossReason::NodeDeleted));
    let error = guard.confirm().await.unwrap_err();
    assert_eq!(error, LockError::Lost(LossReason::NodeDeleted));
    assert_eq!(guard.release().await.unwrap_err(), error);
    lock.lock().await.unwrap().release().await.unwrap();
}

/// The holder does not know yet: the event is still on its way when it gives the lock back.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_finds_the_znode_gone_says_lost() {
    let lane = Lane::open().await;
    let path = fresh_path("gone");
    let lock = prepared(&lane.client, &path).await;
    let looks = lane.proxy.count(Direction::Reply, op::EXISTS);
    let guard = lock.lock().await.unwrap();
    // The watch on the own znode is set once its read is answered.
    eventually("watched", async || {
        lane.proxy.count(Direction::Reply, op::EXISTS) > looks
    })
    .await;
    let event = lane
        .proxy
        .install(Rule::reply(op::EVENT).then(Action::Hold));
    let operator = connect(&server().await).await;
    operator.delete(guard.path(), None).await.unwrap();
    event.await_fired(PATIENCE).unwrap();
    assert_eq!(guard.state(), GuardState::Held);
    let deletes = lane.proxy.count(Direction::Request, op::DELETE);
    let release = tokio::spawn(guard.release());
    eventually("the delete is on its way", async || {
        lane.proxy.count(Direction::Request, op::DELETE) > deletes
    })
    .await;
    event.release();
    let lost = release.await.unwrap().unwrap_err();
    assert_eq!(lost, LockError::Lost(LossReason::NodeDeleted));
}

#[tokio::test(flavor = "multi_thread")]
async fn t48_a_waiter_whose_znode_is_deleted_is_told_or_queues_again() {
    let client = connect(&server().await).await;
    for requeue in [false, true] {
        let path = fresh_path("t48");
        let lock = Mutex::builder(&client, &path)
            .requeue(requeue)
            .build()
            .unwrap();
        let guard = lock.lock().await.unwrap();
        let waiter = enqueue(&lock, 1).await;
        let own = other_contender(&client, &path, guard.path()).await;
        let follower = enqueue(&lock, 2).await;
        client.delete(&own, None).await.unwrap();
        if requeue {
            eventually("at the tail", async || {
                let names = children(&client, &path).await;
                names.len() == 3 && !names.iter().any(|name| own.ends_with(name.as_str()))
            })
            .await;
        } else {
            assert_eq!(waiter.await.unwrap().unwrap_err(), LockError::NodeGone);
            guard.release().await.unwrap();
            granted(follower).await.release().await.unwrap();
            assert_clean(&client, &path).await;
            continue;
        }
        guard.release().await.unwrap();
        let second = granted(follower).await;
        assert!(!waiter.is_finished());
        second.release().await.unwrap();
        granted(waiter).await.release().await.unwrap();
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t49_after_a_recursive_delete_one_of_the_waiters_holds() {
    let client = connect(&server().await).await;
    let path = fresh_path("t49");
    let lock = Mutex::builder(&client, &path)
        .requeue(true)
        .build()
        .unwrap();
    let guard = lock.lock().await.unwrap();
    let waiters = [enqueue(&lock, 1).await, enqueue(&lock, 2).await];
    let mut ops: Vec<Op> = children(&client, &path)
        .await
        .iter()
        .map(|name| Op::delete(&format!("{path}/{name}"), None))
        .collect();
    ops.push(Op::delete(&path, None));
    ops.push(Op::delete(parent(&path).unwrap(), None));
    client.multi(ops).await.unwrap();
    assert_eq!(
        guard.lost().await,
        GuardState::Lost(LossReason::NodeDeleted)
    );
    let guards = waiters.map(|waiter| {
        tokio::spawn(async move {
            let guard = granted(waiter).await;
            guard.confirm().await.unwrap();
            guard.release().await.unwrap();
        })
    });
    for guard in guards {
        guard.await.unwrap();
    }
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t50_a_parent_that_keeps_vanishing_is_made_again() {
    let server = server().await;
    let client = connect(&server).await;
    let cleaner = connect(&server).await;
    let path = fresh_path("t50");
    let lock = Mutex::new(&client, &path).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopping, target) = (Arc::clone(&stop), path.clone());
    let cleaning = tokio::spawn(async move {
        let mut removed = 0;
        while !stopping.load(Ordering::Relaxed) {
            if cleaner.delete(&target, None).await.is_ok() {
                removed += 1;
                let _ = cleaner.delete(parent(&target).unwrap(), None).await;
            }
        }
        removed
    });
    for _ in 0..300 {
        let guard = lock.lock_timeout(PATIENCE).await.unwrap();
        guard.release().await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    assert!(cleaning.await.unwrap() > 0);
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t51_foreign_children_do_not_count() {
    let client = connect(&server().await).await;
    let path = fresh_path("t51");
    let lock = prepared(&client, &path).await;
    for name in [
        "foo",
        "!",
        "0000000000",
        "latch-0000000000",
        "zámek-0000000000",
        "lock-",
    ] {
        let foreign = format!("{path}/{name}");
        client
            .create(&foreign, "", CreateMode::Persistent)
            .await
            .unwrap();
    }
    assert_eq!(lock.queue_position().await.unwrap(), 0);
    let guard = lock.try_lock().await.unwrap();
    let waiter = enqueue(&lock, 1).await;
    guard.release().await.unwrap();
    granted(waiter).await.release().await.unwrap();
    assert_eq!(children(&client, &path).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_layouts_are_waited_for_and_refused_when_asked() {
    let client = connect(&server().await).await;
    let path = fresh_path("layouts");
    let lock_as = |layout| {
        Mutex::builder(&client, &path)
            .layout(layout)
            .build()
            .unwrap()
    };
    let kazoo = lock_as(Layout::Kazoo).lock().await.unwrap();
    let curator = enqueue(&lock_as(Layout::Curator), 1).await;
    let strict = Mutex::builder(&client, &path)
        .refuse_blind_names(true)
        .build()
        .unwrap();
    let name = kazoo.path()[path.len() + 1..].to_owned();
    assert_eq!(
        strict.lock().await.unwrap_err(),
        LockError::LayoutConflict { name }
    );
    let go = enqueue_after_leaver(&lock_as(Layout::GoZk), 2).await;
    kazoo.release().await.unwrap();
    granted(curator).await.release().await.unwrap();
    granted(go).await.release().await.unwrap();
    strict.lock().await.unwrap().release().await.unwrap();
    assert_clean(&client, &path).await;
}

/// As [`enqueue`], once the strict contender of before has left.
async fn enqueue_after_leaver(
    lock: &Mutex,
    position: usize,
) -> tokio::task::JoinHandle<Result<lockkeeper_recipes::Guard, LockError>> {
    eventually("left", async || {
        lock.queue_position().await.unwrap() == position
    })
    .await;
    enqueue(lock, position).await
}

#[tokio::test(flavor = "multi_thread")]
async fn parents_are_containers_or_persistent_by_layout() {
    let client = connect(&server().await).await;
    for (layout, removable) in [
        (Layout::Curator, "container"),
        (Layout::Kazoo, "persistent"),
    ] {
        let path = fresh_path(removable);
        let lock = Mutex::builder(&client, &path)
            .layout(layout)
            .build()
            .unwrap();
        lock.lock().await.unwrap().release().await.unwrap();
        // Clients cannot see the difference; both must be there and take children.
        assert!(client.exists(&path).await.unwrap().is_some());
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t52_missing_permissions_are_errors_and_no_storm() {
    let client = connect(&server().await).await;
    let path = fresh_path("t52");
    // A persistent parent: its ACL is to outlive its children.
    let builder = Mutex::builder(&client, &path).layout(Layout::Kazoo);
    let lock = builder.build().unwrap();
    let guard = lock.lock().await.unwrap();
    allow(&client, &path, acl::READ | acl::ADMIN).await;
    let error = lock.lock().await.unwrap_err();
    assert_eq!(code(&error), Some(ErrorCode::NO_AUTH), "{error:?}");
    let error = guard.release().await.unwrap_err();
    assert!(matches!(error, LockError::ReleaseRefused(_)), "{error:?}");
    assert_eq!(code(&error), Some(ErrorCode::NO_AUTH), "{error:?}");
    // The deletion goes on being tried, and works once it is allowed again.
    client.set_acl(&path, Acl::open(), None).await.unwrap();
    assert_clean(&client, &path).await;

    // Without permission to list, the znode that was created for it goes again.
    allow(&client, &path, acl::ALL - acl::READ).await;
    let error = lock.lock().await.unwrap_err();
    assert_eq!(code(&error), Some(ErrorCode::NO_AUTH), "{error:?}");
    eventually("nothing of the session is left", async || {
        client.ephemerals(None).await.unwrap().is_empty()
    })
    .await;
}

/// What deletes the znode in the end is the end of the session.
#[tokio::test(flavor = "multi_thread")]
async fn t52_a_refused_delete_does_not_keep_the_client_open() {
    let server = server().await;
    let admin = connect(&server).await;
    let path = fresh_path("t52-client");
    let layout = Layout::Kazoo;
    for waits in [false, true] {
        let client = connect(&server).await;
        let lock = Mutex::builder(&client, &path).layout(layout).build();
        let lock = lock.unwrap();
        let guard = lock.lock().await.unwrap();
        allow(&admin, &path, acl::READ | acl::ADMIN).await;
        if waits {
            guard.release().await.unwrap_err();
        } else {
            drop(guard);
        }
        drop((lock, client));
        assert_clean(&admin, &path).await;
        admin.set_acl(&path, Acl::open(), None).await.unwrap();
    }
}

async fn allow(client: &Client, path: &str, permissions: i32) {
    let acl = vec![Acl::new(permissions, "world", "anyone")];
    client.set_acl(path, acl, None).await.unwrap();
}

fn code(error: &LockError) -> Option<ErrorCode> {
    match error {
        LockError::Client(error) | LockError::ReleaseRefused(error) => error.code(),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t67_revocation_is_a_signal_in_both_spellings() {
    let client = connect(&server().await).await;
    let path = fresh_path("t67");
    let lock = Mutex::new(&client, &path).unwrap();
    for word in ["__REVOKE__", "unlock"] {
        let guard = lock.lock().await.unwrap();
        assert!(!guard.is_revoked());
        client
            .set(guard.path(), "something else", None)
            .await
            .unwrap();
        client.set(guard.path(), word, None).await.unwrap();
        tokio::time::timeout(PATIENCE, guard.revoked())
            .await
            .unwrap();
        assert_eq!(guard.state(), GuardState::Held);
        guard.release().await.unwrap();
    }
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t67_a_request_to_a_znode_that_is_gone_is_none_to_the_next() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t67-requeued");
    let guard = Mutex::new(&client, &path).unwrap().lock().await.unwrap();
    let builder = Mutex::builder(&lane.client, &path).requeue(true);
    let waiter = enqueue(&builder.build().unwrap(), 1).await;
    let own = other_contender(&client, &path, guard.path()).await;
    let reads = || lane.proxy.count(Direction::Reply, op::GET_DATA);
    // The one ahead has been read; the next read is of the own znode.
    eventually("it waits", async || reads() == 1).await;
    client.set(&own, "unlock", None).await.unwrap();
    eventually("it has read the request", async || reads() == 2).await;
    client.delete(&own, None).await.unwrap();
    eventually("queued again", async || {
        let names = children(&client, &path).await;
        names.len() == 2 && names.iter().all(|name| !own.ends_with(name.as_str()))
    })
    .await;
    guard.release().await.unwrap();
    let guard = granted(waiter).await;
    assert!(!guard.is_revoked());
    guard.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guarded_writes_go_through_only_under_the_lock() {
    let client = connect(&server().await).await;
    let path = fresh_path("write");
    let target = format!("{path}-data");
    let guard = prepared(&client, &path).await.lock().await.unwrap();
    client
        .create(&target, "0", CreateMode::Persistent)
        .await
        .unwrap();
    let results = guard
        .write(vec![Op::set(&target, "1", None)])
        .await
        .unwrap();
    assert_eq!(results.len(), 1);
    client.delete(guard.path(), None).await.unwrap();
    let late = guard.write(vec![Op::set(&target, "2", None)]).await;
    assert_eq!(late.unwrap_err(), LockError::Lost(LossReason::NodeDeleted));
    assert_eq!(client.get(&target).await.unwrap().bytes(), b"1");
}
