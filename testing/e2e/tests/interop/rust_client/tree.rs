//! The tree: creating in every mode, reading, writing, deleting, and what the stat says.

use std::collections::BTreeSet;

use bytes::Bytes;
use lockkeeper::{CreateMode, CreateOptions, Error, ErrorCode, SessionId};

use super::stage::{ENOUGH_TIME_TO_LIVE, Stage, refusal};

pub(super) async fn create_persistent(stage: Stage) {
    let made = stage.make("a", CreateMode::Persistent).await;
    let client = &stage.client;
    assert_eq!(made.path, stage.path("a"));
    assert_eq!(client.exists(&made.path).await.unwrap(), Some(made.stat));
    let stat = made.stat;
    assert_eq!((stat.version, stat.cversion, stat.aversion), (0, 0, 0));
    assert_eq!((stat.czxid, stat.czxid), (stat.mzxid, stat.pzxid));
    assert_eq!(stat.ephemeral_owner, SessionId::NONE);
    let again = client.create(&made.path, "", CreateMode::Persistent).await;
    assert_eq!(refusal(again), ErrorCode::NODE_EXISTS);
    let orphan = client.create(&stage.path("none/b"), "", CreateMode::Persistent);
    assert_eq!(refusal(orphan.await), ErrorCode::NO_NODE);
}

pub(super) async fn create_sequential(stage: Stage) {
    let mode = CreateMode::PersistentSequential;
    assert_eq!(stage.make("s", mode).await.path, stage.path("s0000000000"));
    stage.plain("plain").await;
    assert_eq!(stage.make("s", mode).await.path, stage.path("s0000000002"));
    assert_eq!(stage.make("", mode).await.path, stage.path("0000000003"));
    let mode = CreateMode::EphemeralSequential;
    let made = stage.make("e-", mode).await;
    assert_eq!(made.path, stage.path("e-0000000004"));
    assert_eq!(made.stat.ephemeral_owner, stage.client.session_id());
}

pub(super) async fn create_ephemeral(stage: Stage) {
    let made = stage.make("e", CreateMode::Ephemeral).await;
    assert_eq!(made.stat.ephemeral_owner, stage.client.session_id());
    let below = format!("{}/x", made.path);
    let below = stage
        .client
        .create(&below, "", CreateMode::Persistent)
        .await;
    assert_eq!(refusal(below), ErrorCode::NO_CHILDREN_FOR_EPHEMERALS);
}

pub(super) async fn create_container(stage: Stage) {
    let made = stage.make("c", CreateMode::Container).await;
    stage.plain("c/child").await;
    let stat = stage.client.exists(&made.path).await.unwrap().unwrap();
    // Its mark stays inside the server.
    assert_eq!(stat.ephemeral_owner, SessionId::NONE);
    assert_eq!(stat.num_children, 1);
}

pub(super) async fn create_with_a_time_to_live(stage: Stage) {
    let options = |mode| CreateOptions::new(mode).ttl(ENOUGH_TIME_TO_LIVE);
    let made = stage.make("t", options(CreateMode::PersistentTtl)).await;
    assert_eq!(made.stat.ephemeral_owner, SessionId::NONE);
    let sequential = options(CreateMode::PersistentSequentialTtl);
    let made = stage.make("t-", sequential).await;
    assert_eq!(made.path, stage.path("t-0000000001"));
    let path = stage.path("no-ttl");
    let without = stage.client.create(&path, "", CreateMode::PersistentTtl);
    assert!(matches!(without.await, Err(Error::Misuse(_))));
}

pub(super) async fn get_and_set(stage: Stage) {
    let client = &stage.client;
    let before = stage.make("a", CreateMode::Persistent).await;
    let path = &before.path;
    let after = client.set(path, "two", Some(0)).await.unwrap();
    assert_eq!((after.version, after.data_length), (1, 3));
    assert!(after.mzxid > before.stat.mzxid && after.czxid == before.stat.czxid);
    let read = client.get(path).await.unwrap();
    assert_eq!((read.bytes(), read.stat), (&b"two"[..], after));
    let stale = client.set(path, "x", Some(0)).await;
    assert_eq!(refusal(stale), ErrorCode::BAD_VERSION);
    assert_eq!(client.set(path, "three", None).await.unwrap().version, 2);
    let none = stage.path("none");
    assert_eq!(refusal(client.get(&none).await), ErrorCode::NO_NODE);
    let set = client.set(&none, "x", None).await;
    assert_eq!(refusal(set), ErrorCode::NO_NODE);
    assert_eq!(client.exists(&none).await.unwrap(), None);
}

pub(super) async fn empty_and_large_data(stage: Stage) {
    let path = stage.plain("empty").await;
    let empty = stage.client.get(&path).await.unwrap();
    assert_eq!(empty.data, Some(Bytes::new()));
    let data: Bytes = (0..1_000_000u32).map(|i| (i * 31) as u8).collect();
    let path = stage.path("large");
    let create = stage
        .client
        .create(&path, data.clone(), CreateMode::Persistent);
    create.await.unwrap();
    assert_eq!(stage.client.get(&path).await.unwrap().data, Some(data));
    let too_long = stage.client.set(&path, vec![0; 1_048_576], None).await;
    assert!(matches!(too_long, Err(Error::Misuse(_))));
}

pub(super) async fn unicode_names(stage: Stage) {
    let name = "z\u{e4}hler-\u{9375}";
    let path = stage.plain(name).await;
    assert_eq!(path, stage.path(name));
    assert_eq!(stage.client.children(&stage.root).await.unwrap(), [name]);
}

pub(super) async fn delete(stage: Stage) {
    let client = &stage.client;
    let path = stage.plain("a").await;
    let below = stage.plain("a/b").await;
    assert_eq!(
        refusal(client.delete(&path, None).await),
        ErrorCode::NOT_EMPTY
    );
    client.delete(&below, None).await.unwrap();
    assert_eq!(
        refusal(client.delete(&path, Some(7)).await),
        ErrorCode::BAD_VERSION
    );
    client.delete(&path, Some(0)).await.unwrap();
    assert_eq!(
        refusal(client.delete(&path, None).await),
        ErrorCode::NO_NODE
    );
}

pub(super) async fn children(stage: Stage) {
    let client = &stage.client;
    for name in ["c", "a", "b"] {
        stage.plain(name).await;
    }
    let names: BTreeSet<String> = client
        .children(&stage.root)
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(names, ["a", "b", "c"].map(String::from).into());
    client.delete(&stage.path("b"), None).await.unwrap();
    let (names, stat) = client.children_with_stat(&stage.root).await.unwrap();
    assert_eq!((names.len(), stat.num_children), (2, 2));
    // It counts coming and going.
    assert_eq!(stat.cversion, 4);
    assert_eq!(stat.pzxid, client.last_zxid());
    assert!(client.children(&stage.path("a")).await.unwrap().is_empty());
    let none = client.children(&stage.path("none")).await;
    assert_eq!(refusal(none), ErrorCode::NO_NODE);
}

pub(super) async fn count_descendants(stage: Stage) {
    for name in ["a", "a/b", "a/b/c"] {
        stage.plain(name).await;
    }
    assert_eq!(
        stage.client.count_descendants(&stage.root).await.unwrap(),
        3
    );
}

pub(super) async fn sync(stage: Stage) {
    let other = stage.open().await;
    for version in 1..20 {
        stage.client.set(&stage.root, "", None).await.unwrap();
        // Not awaited: the read behind it in the queue sees what it brings.
        let _synced = other.sync(&stage.root);
        assert_eq!(other.get(&stage.root).await.unwrap().stat.version, version);
    }
    other.sync(&stage.path("none")).await.unwrap();
    other.close().await.unwrap();
}

pub(super) async fn requests_overlap_in_order(stage: Stage) {
    let path = stage.path("s-");
    let mode = CreateMode::PersistentSequential;
    let calls: Vec<_> = (0..200)
        .map(|_| stage.client.create(&path, "", mode))
        .collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().path, format!("{path}{i:010}"));
    }
}

pub(super) async fn paths_are_checked_before_they_are_sent(stage: Stage) {
    for path in ["", "a", "/a/", "//", "/a/../b", "/a\0", "/\u{1f512}"] {
        let result = stage.client.get(path).await;
        assert!(
            matches!(result, Err(Error::Misuse(_))),
            "{path:?}: {result:?}"
        );
    }
}
