//! What operators and other libraries do to a queue of readers and writers.

use lockkeeper::path::parent;
use lockkeeper::{Acl, CreateMode, ErrorCode, Op, acl};
use lockkeeper_recipes::{GuardState, Layout, LockError, LossReason, Mutex, RwLock};

use crate::common::{PATIENCE, assert_clean, children, connect, eventually, fresh_path, server};
use crate::{granted, reader, writer};

#[tokio::test(flavor = "multi_thread")]
async fn t47_t48_holders_and_waiters_whose_znodes_are_deleted_are_told() {
    let client = connect(&server().await).await;
    let path = fresh_path("t47");
    let lock = RwLock::new(&client, &path).unwrap();
    let reading = lock.read().await.unwrap();
    let waiting = writer(&lock, 1).await;
    let names = children(&client, &path).await;
    let own = names.iter().find(|name| name.contains("__WRIT__")).unwrap();
    client.delete(&format!("{path}/{own}"), None).await.unwrap();
    let told = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert_eq!(told.unwrap().unwrap_err(), LockError::NodeGone);
    client.delete(reading.path(), None).await.unwrap();
    let lost = tokio::time::timeout(PATIENCE, reading.lost())
        .await
        .unwrap();
    assert_eq!(lost, GuardState::Lost(LossReason::NodeDeleted));
    let error = reading.release().await.unwrap_err();
    assert_eq!(error, LockError::Lost(LossReason::NodeDeleted));
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t49_after_a_recursive_delete_the_waiters_are_served() {
    let client = connect(&server().await).await;
    let path = fresh_path("t49");
    let lock = RwLock::builder(&client, &path)
        .requeue(true)
        .build()
        .unwrap();
    let writing = lock.write().await.unwrap();
    let (next, last) = (writer(&lock, 1).await, reader(&lock, 2).await);
    let names = children(&client, &path).await;
    let mut ops: Vec<Op> = names
        .iter()
        .map(|name| Op::delete(&format!("{path}/{name}"), None))
        .collect();
    ops.push(Op::delete(&path, None));
    ops.push(Op::delete(parent(&path).unwrap(), None));
    client.multi(ops).await.unwrap();
    let lost = tokio::time::timeout(PATIENCE, writing.lost())
        .await
        .unwrap();
    assert_eq!(lost, GuardState::Lost(LossReason::NodeDeleted));
    let next = tokio::spawn(async { granted(next).await.release().await.unwrap() });
    let last = tokio::spawn(async { granted(last).await.release().await.unwrap() });
    next.await.unwrap();
    last.await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t51_foreign_children_do_not_count() {
    let client = connect(&server().await).await;
    let path = fresh_path("t51");
    let lock = RwLock::new(&client, &path).unwrap();
    lock.read().await.unwrap().release().await.unwrap();
    for name in [
        "foo",
        "!",
        "0000000000",
        "__WRIT__",
        "latch-0000000000",
        "лок-0000000000",
    ] {
        let foreign = format!("{path}/{name}");
        client
            .create(&foreign, "", CreateMode::Persistent)
            .await
            .unwrap();
    }
    let reading = lock.try_read().await.unwrap();
    let writing = writer(&lock, 1).await;
    reading.release().await.unwrap();
    granted(writing).await.release().await.unwrap();
    assert_eq!(children(&client, &path).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_layouts_are_waited_for_and_refused_when_asked() {
    let client = connect(&server().await).await;
    let path = fresh_path("layouts");
    let of = |layout| RwLock::builder(&client, &path).layout(layout);
    let kazoo = of(Layout::Kazoo).build().unwrap();
    let curator = of(Layout::Curator).build().unwrap();
    let reading = kazoo.read().await.unwrap();
    curator.try_read().await.unwrap().release().await.unwrap();
    assert_eq!(curator.try_write().await.unwrap_err(), LockError::Busy);
    let strict = of(Layout::Curator)
        .refuse_blind_names(true)
        .build()
        .unwrap();
    let name = reading.path()[path.len() + 1..].to_owned();
    let conflict = LockError::LayoutConflict { name };
    assert_eq!(strict.read().await.unwrap_err(), conflict);
    assert_eq!(strict.write().await.unwrap_err(), conflict);
    eventually("they have left", async || {
        children(&client, &path).await.len() == 1
    })
    .await;
    let next = writer(&curator, 1).await;
    assert_eq!(kazoo.try_read().await.unwrap_err(), LockError::Busy);
    reading.release().await.unwrap();
    let writing = granted(next).await;

    // A mutex of Curator's is no part of its read/write lock: neither would wait.
    let mutex = Mutex::builder(&client, &path).refuse_blind_names(true);
    let error = mutex.build().unwrap().lock().await.unwrap_err();
    assert!(
        matches!(error, LockError::LayoutConflict { .. }),
        "{error:?}"
    );
    writing.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t52_missing_permissions_are_errors() {
    let client = connect(&server().await).await;
    let path = fresh_path("t52");
    // A persistent parent: its ACL is to outlive its children.
    let lock = RwLock::builder(&client, &path)
        .layout(Layout::Kazoo)
        .build()
        .unwrap();
    let writing = lock.write().await.unwrap();
    let allowed = vec![Acl::new(acl::READ | acl::ADMIN, "world", "anyone")];
    client.set_acl(&path, allowed, None).await.unwrap();
    for error in [
        lock.read().await.unwrap_err(),
        lock.write().await.unwrap_err(),
    ] {
        assert_eq!(code(&error), Some(ErrorCode::NO_AUTH), "{error:?}");
    }
    // What may not become a reader goes, as soon as it may.
    let error = writing.downgrade().await.unwrap_err();
    assert_eq!(code(&error), Some(ErrorCode::NO_AUTH), "{error:?}");
    client.set_acl(&path, Acl::open(), None).await.unwrap();
    assert_clean(&client, &path).await;

    let reading = lock.read().await.unwrap();
    let allowed = vec![Acl::new(acl::ALL - acl::CREATE, "world", "anyone")];
    client.set_acl(&path, allowed, None).await.unwrap();
    let error = reading.try_upgrade().await.unwrap_err();
    assert_eq!(code(&error), Some(ErrorCode::NO_AUTH), "{error:?}");
    reading.release().await.unwrap();
    assert_clean(&client, &path).await;
}

fn code(error: &LockError) -> Option<ErrorCode> {
    match error {
        LockError::Client(error) => error.code(),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_path_is_refused_before_anything_is_sent() {
    let client = connect(&server().await).await;
    assert!(matches!(
        RwLock::new(&client, "no/slash"),
        Err(LockError::Client(_))
    ));
}
