//! Watches of all kinds. "No event" is checked without waiting: an event that is due comes before
//! the reply to any later request of its session.

use futures::FutureExt;
use lockkeeper::{AddWatchMode, CreateMode, ErrorCode, EventType, WatchItem};

use super::stage::{Stage, cut, next_event, refusal, told};

use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};

pub(super) async fn data_once(stage: Stage) {
    let (client, root) = (&stage.client, &stage.root);
    let (_, watch) = client.get_watched(root).await.unwrap();
    client.set(root, "1", None).await.unwrap();
    client.set(root, "2", None).await.unwrap();
    assert_eq!(told(watch.await.unwrap()), (NodeDataChanged, root.clone()));
}

pub(super) async fn children_once(stage: Stage) {
    let (client, root) = (&stage.client, &stage.root);
    let (_, mut watch) = client.children_watched(root).await.unwrap();
    client
        .set(root, "data is no concern of this watch", None)
        .await
        .unwrap();
    assert!((&mut watch).now_or_never().is_none());
    stage.plain("a").await;
    assert_eq!(
        told(watch.await.unwrap()),
        (NodeChildrenChanged, root.clone())
    );
}

pub(super) async fn creation_and_deletion(stage: Stage) {
    let (client, path) = (&stage.client, stage.path("a"));
    let (stat, watch) = client.exists_watched(&path).await.unwrap();
    assert_eq!(stat, None);
    stage.plain("a").await;
    assert_eq!(told(watch.await.unwrap()), (NodeCreated, path.clone()));
    let (_, watch) = client.exists_watched(&path).await.unwrap();
    client.delete(&path, None).await.unwrap();
    assert_eq!(told(watch.await.unwrap()), (NodeDeleted, path.clone()));
    assert_eq!(refusal(client.get_watched(&path).await), ErrorCode::NO_NODE);
}

pub(super) async fn deletion_reaches_all_kinds(stage: Stage) {
    let (client, path) = (&stage.client, stage.plain("a").await);
    let (_, data) = client.get_watched(&path).await.unwrap();
    let (_, children) = client.children_watched(&path).await.unwrap();
    let (_, parent) = client.children_watched(&stage.root).await.unwrap();
    client.delete(&path, None).await.unwrap();
    assert_eq!(told(data.await.unwrap()), (NodeDeleted, path.clone()));
    assert_eq!(told(children.await.unwrap()), (NodeDeleted, path));
    assert_eq!(
        told(parent.await.unwrap()),
        (NodeChildrenChanged, stage.root)
    );
}

pub(super) async fn persistent(stage: Stage) {
    let (client, root) = (&stage.client, &stage.root);
    let mut watch = client.watch(root, AddWatchMode::Persistent).await.unwrap();
    client.set(root, "1", None).await.unwrap();
    client.set(root, "2", None).await.unwrap();
    let path = stage.plain("a").await;
    client.set(&path, "not watched", None).await.unwrap();
    for kind in [NodeDataChanged, NodeDataChanged, NodeChildrenChanged] {
        assert_eq!(next_event(&mut watch).await, (kind, root.clone()));
    }
    client.sync(root).await.unwrap();
    assert!(watch.next().now_or_never().is_none());
}

pub(super) async fn recursive(stage: Stage) {
    let (client, root) = (&stage.client, &stage.root);
    let mode = AddWatchMode::PersistentRecursive;
    let mut watch = client.watch(root, mode).await.unwrap();
    let outer = stage.plain("a").await;
    let inner = stage.make("a/b", CreateMode::Ephemeral).await.path;
    client.set(&inner, "x", None).await.unwrap();
    client.delete(&inner, None).await.unwrap();
    let expected = [
        (NodeCreated, outer),
        (NodeCreated, inner.clone()),
        (NodeDataChanged, inner.clone()),
        (NodeDeleted, inner),
    ];
    for event in expected {
        assert_eq!(next_event(&mut watch).await, event);
    }
    client.sync(root).await.unwrap();
    assert!(watch.next().now_or_never().is_none());
}

pub(super) async fn an_event_comes_before_a_later_reply(stage: Stage) {
    let other = stage.open().await;
    let mode = AddWatchMode::Persistent;
    let mut watch = other.watch(&stage.root, mode).await.unwrap();
    for version in 1..50 {
        stage.client.set(&stage.root, "", None).await.unwrap();
        let mut seen = 0;
        while seen < version {
            seen = other.get(&stage.root).await.unwrap().stat.version;
        }
        // Whoever sees the new data has been told of it.
        let event = watch.next().now_or_never().expect("the event is here");
        assert!(matches!(event, Ok(WatchItem::Event(_))), "{event:?}");
    }
    other.close().await.unwrap();
}

pub(super) async fn a_dropped_watch_is_taken_back(stage: Stage) {
    let client = &stage.client;
    let mode = AddWatchMode::Persistent;
    let first = client.watch(&stage.root, mode).await.unwrap();
    let mut second = client.watch(&stage.root, mode).await.unwrap();
    let (_, once) = client.get_watched(&stage.root).await.unwrap();
    drop((first, once));
    client.set(&stage.root, "", None).await.unwrap();
    // The other watch of the same path is none of theirs.
    assert_eq!(
        next_event(&mut second).await,
        (NodeDataChanged, stage.root.clone())
    );
    drop(second);
    client.sync(&stage.root).await.unwrap();
}

pub(super) async fn one_shot_watches_survive_a_cut(stage: Stage) {
    let other = stage.open().await;
    let root = &stage.root;
    let none = stage.path("none");
    let (_, data) = other.get_watched(root).await.unwrap();
    let (_, children) = other.children_watched(root).await.unwrap();
    let (_, created) = other.exists_watched(&none).await.unwrap();
    cut(&stage, &other).await;
    // The reply comes behind the watches, so they are armed again by now.
    other.sync(root).await.unwrap();
    stage.client.set(root, "after", None).await.unwrap();
    stage.plain("none").await;
    assert_eq!(told(data.await.unwrap()), (NodeDataChanged, root.clone()));
    assert_eq!(
        told(children.await.unwrap()),
        (NodeChildrenChanged, root.clone())
    );
    assert_eq!(told(created.await.unwrap()), (NodeCreated, none));
    other.close().await.unwrap();
}

pub(super) async fn what_was_missed_is_told_after_a_cut(stage: Stage) {
    let other = stage.open().await;
    let root = &stage.root;
    let (gone, new) = (stage.plain("gone").await, stage.path("new"));
    let (_, data) = other.get_watched(root).await.unwrap();
    let (_, children) = other.children_watched(root).await.unwrap();
    let (_, deleted) = other.exists_watched(&gone).await.unwrap();
    let (_, created) = other.exists_watched(&new).await.unwrap();
    stage.proxy.refuse().unwrap();
    stage.proxy.cut();
    stage.client.set(root, "missed", None).await.unwrap();
    stage.client.delete(&gone, None).await.unwrap();
    stage.plain("new").await;
    stage.proxy.admit().unwrap();
    assert_eq!(told(data.await.unwrap()), (NodeDataChanged, root.clone()));
    assert_eq!(
        told(children.await.unwrap()),
        (NodeChildrenChanged, root.clone())
    );
    assert_eq!(told(deleted.await.unwrap()), (NodeDeleted, gone));
    assert_eq!(told(created.await.unwrap()), (NodeCreated, new));
    other.close().await.unwrap();
}

pub(super) async fn persistent_watches_survive_a_cut(stage: Stage) {
    let other = stage.open().await;
    let root = &stage.root;
    let below = stage.plain("below").await;
    let mut one = other.watch(root, AddWatchMode::Persistent).await.unwrap();
    // Not on one path: for servers up to 3.8 the second mode takes the place of the first.
    let mode = AddWatchMode::PersistentRecursive;
    let mut all = other.watch(&below, mode).await.unwrap();
    cut(&stage, &other).await;
    // What happened meanwhile is not known, and the watch says so.
    assert_eq!(one.next().await, Ok(WatchItem::Rearmed));
    assert_eq!(all.next().await, Ok(WatchItem::Rearmed));
    stage.plain("a").await;
    let path = stage.plain("below/b").await;
    assert_eq!(
        next_event(&mut one).await,
        (NodeChildrenChanged, root.clone())
    );
    assert_eq!(next_event(&mut all).await, (NodeCreated, path));
    other.close().await.unwrap();
}
