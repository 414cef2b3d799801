//! Configurations of several keys that are published as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockkeeper::path::join;
use lockkeeper::{Acl, CreateMode, Outcome, Zxid, acl};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{
    ConfigSet, ConfigStatus, Keys, LossReason, Mutex, RecipeError, SetLayout, Snapshot,
};
use tokio::time::timeout;

use crate::common::{
    Lane, PATIENCE, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::config::find;

/// So many keys with one stamp in all of them.
fn stamped(stamp: u64) -> Keys {
    let count = 3 + stamp % 4;
    let keys = (0..count).map(|key| (format!("key-{key}"), stamp.to_string().into()));
    keys.collect()
}

fn stamp_of(keys: &Keys) -> u64 {
    let text = std::str::from_utf8(keys.values().next().expect("not empty")).unwrap();
    let stamp = text.parse().unwrap();
    assert_eq!(*keys, stamped(stamp), "half a configuration");
    stamp
}

async fn published(layout: SetLayout) {
    let server = server().await;
    let path = fresh_path("set");
    let (publisher, reader) = (connect(&server).await, connect(&server).await);
    let set = ConfigSet::new(&publisher, &path).unwrap().layout(layout);
    let lock = Mutex::new(&publisher, &fresh_path("publisher")).unwrap();
    let config = ConfigSet::new(&reader, &path).unwrap().layout(layout);
    let config = config.follow().open().await.unwrap();
    assert_eq!(config.snapshot().status, ConfigStatus::Absent);
    let mut changes = config.changes();
    let guard = lock.lock().await.unwrap();
    let mut last = Zxid(0);
    for stamp in 1..=10 {
        let revision = set.publish(&stamped(stamp), Some(&guard)).await.unwrap();
        assert!(revision > last);
        last = revision;
        let is_it = |s: &Snapshot<Keys>| s.good.as_ref().is_some_and(|g| g.revision == revision);
        let snapshot = find(&mut changes, is_it).await;
        assert_eq!(stamp_of(&snapshot.good.unwrap().value), stamp);
    }
    // Whoever comes now finds the last one.
    let late = ConfigSet::new(&reader, &path).unwrap().layout(layout);
    let late = late.follow().open().await.unwrap();
    assert_eq!(late.good().unwrap().revision, last);

    // A deposed publisher changes nothing.
    publisher.delete(guard.path(), None).await.unwrap();
    let refused = set.publish(&stamped(99), Some(&guard)).await.unwrap_err();
    assert_eq!(refused, RecipeError::Lost(LossReason::NodeDeleted));
    let late = ConfigSet::new(&reader, &path).unwrap().layout(layout);
    let late = late.follow().open().await.unwrap();
    assert_eq!(late.good().unwrap().revision, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn t82_sets_are_published_whole_in_versions_and_by_a_holder_only() {
    published(SetLayout::Versions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t82_sets_are_published_whole_in_place_and_by_a_holder_only() {
    published(SetLayout::Ready).await;
}

/// Publishers die at every step, links break at every step, readers come and go.
async fn torn(layout: SetLayout) {
    let server = server().await;
    let path = fresh_path("torn");
    let lock_path = fresh_path("torn-publisher");
    let is_over = Arc::new(AtomicBool::new(false));
    let lane = Lane::open().await;
    let follower = connect(&server).await;
    let config = ConfigSet::new(&follower, &path).unwrap().layout(layout);
    let config = config.follow().open().await.unwrap();
    let mut changes = config.changes();
    let reader = {
        let (path, is_over, client) = (path.clone(), Arc::clone(&is_over), lane.client.clone());
        tokio::spawn(async move {
            let mut seen = 0;
            while !is_over.load(Ordering::Relaxed) {
                let config = ConfigSet::new(&client, &path).unwrap().layout(layout);
                let config = config.follow().open().await.unwrap();
                if let Some(good) = config.good() {
                    let stamp = stamp_of(&good.value);
                    assert!(stamp >= seen, "back from {seen} to {stamp}");
                    seen = stamp;
                }
            }
        })
    };
    for stamp in 1..=60_u64 {
        let publisher = connect(&server).await;
        let lock = Mutex::new(&publisher, &lock_path).unwrap();
        let guard = lock.lock_timeout(PATIENCE).await.unwrap();
        let set = ConfigSet::new(&publisher, &path).unwrap().layout(layout);
        let keys = stamped(stamp);
        if stamp % 3 == 0 {
            set.publish(&keys, Some(&guard)).await.unwrap();
        } else {
            let cut = Duration::from_micros(stamp * 40);
            drop(timeout(cut, set.publish(&keys, Some(&guard))).await);
        }
        if stamp % 7 == 0 {
            lane.proxy.cut();
        }
        kill_session(&server, &publisher).await;
    }
    let last = |s: &Snapshot<Keys>| s.good.as_ref().is_some_and(|g| stamp_of(&g.value) == 60);
    find(&mut changes, last).await;
    is_over.store(true, Ordering::Relaxed);
    reader.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t80_no_reader_sees_half_of_versions() {
    torn(SetLayout::Versions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t80_no_reader_sees_half_of_what_is_changed_in_place() {
    torn(SetLayout::Ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t81_a_reader_that_pauses_while_its_version_is_collected_reads_the_next() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t81");
    let set = ConfigSet::new(&client, &path)
        .unwrap()
        .keep(1, Duration::ZERO);
    set.publish(&stamped(1), None).await.unwrap();
    // The pointer is read; the listing of the directory waits.
    let held = lane
        .proxy
        .install(Rule::request(op::GET_CHILDREN).then(Action::Hold));
    let reader = ConfigSet::new(&lane.client, &path).unwrap();
    let reader = tokio::spawn(async move { reader.follow().open().await });
    held.await_fired(PATIENCE).unwrap();
    set.publish(&stamped(2), None).await.unwrap();
    eventually("the first version is collected", async || {
        children(&client, &join(&path, "versions")).await.len() == 1
    })
    .await;
    held.release();
    let config = timeout(PATIENCE, reader).await.unwrap().unwrap().unwrap();
    assert_eq!(stamp_of(&config.good().unwrap().value), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_whose_reply_is_lost_finds_out() {
    for layout in [SetLayout::Versions, SetLayout::Ready] {
        let lane = Lane::open().await;
        let path = fresh_path("lost");
        let set = ConfigSet::new(&lane.client, &path).unwrap().layout(layout);
        let lock = Mutex::new(&lane.client, &fresh_path("lost-publisher")).unwrap();
        let guard = lock.lock().await.unwrap();
        set.publish(&stamped(1), Some(&guard)).await.unwrap();
        let multis = lane.proxy.count(Direction::Request, op::MULTI);
        assert_eq!(multis, 1, "what is small goes in one transaction");
        let lost = lane.proxy.install(Rule::reply(op::MULTI).then(Action::Cut));
        let revision = set.publish(&stamped(2), Some(&guard)).await.unwrap();
        assert!(lost.fired());
        let config = set.follow().open().await.unwrap();
        assert_eq!(config.good().unwrap().revision, revision);
        assert_eq!(stamp_of(&config.good().unwrap().value), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_set_is_rejected_and_the_last_good_one_stands() {
    let client = connect(&server().await).await;
    let path = fresh_path("broken");
    let set = ConfigSet::new(&client, &path).unwrap();
    set.publish(&stamped(1), None).await.unwrap();
    let config = set.follow().open().await.unwrap();
    let mut changes = config.changes();
    let current = join(&path, "current");
    for pointer in ["v-missing", "../x", "", "versions"] {
        client.set(&current, pointer, None).await.unwrap();
        let is_rejected = |s: &Snapshot<Keys>| matches!(s.status, ConfigStatus::Rejected { .. });
        let snapshot = find(&mut changes, is_rejected).await;
        assert_eq!(stamp_of(&snapshot.good.unwrap().value), 1);
    }
    set.publish(&stamped(2), None).await.unwrap();
    find(&mut changes, |s| s.status == ConfigStatus::Good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_numbers_of_keys_are_bounded() {
    let client = connect(&server().await).await;
    let path = fresh_path("names");
    let set = ConfigSet::new(&client, &path).unwrap();
    for key in ["", "a/b", "..", "a\0"] {
        let keys = Keys::from([(key.to_owned(), "x".into())]);
        let error = set.publish(&keys, None).await.unwrap_err();
        assert!(matches!(error, RecipeError::Conflict { .. }), "{key:?}");
    }
    let many: Keys = (0..5_001).map(|i| (i.to_string(), "".into())).collect();
    assert!(matches!(
        set.publish(&many, None).await,
        Err(RecipeError::Conflict { .. })
    ));
    let in_place = set.clone().layout(SetLayout::Ready);
    let unguarded = in_place.publish(&stamped(1), None).await;
    assert!(matches!(unguarded, Err(RecipeError::Conflict { .. })));
    // As many and as much as may be: several transactions.
    let large: Keys = (0..5_000)
        .map(|i| (format!("{i:04}"), vec![b'x'; 300].into()))
        .collect();
    set.publish(&large, None).await.unwrap();
    let config = set.follow().open().await.unwrap();
    assert_eq!(config.good().unwrap().value, large);
    set.publish(&Keys::new(), None).await.unwrap();
    let config = set.follow().open().await.unwrap();
    assert!(config.good().unwrap().value.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_for_a_while_is_followed_afterwards() {
    let client = connect(&server().await).await;
    for layout in [SetLayout::Versions, SetLayout::Ready] {
        let path = fresh_path("unreadable");
        let lock = Mutex::new(&client, &fresh_path("unreadable-publisher")).unwrap();
        let guard = lock.lock().await.unwrap();
        let set = ConfigSet::new(&client, &path).unwrap().layout(layout);
        set.publish(&stamped(1), Some(&guard)).await.unwrap();
        let config = set.follow().open().await.unwrap();
        let mut changes = config.changes();
        // The mark may be read, the names of the keys may not.
        let (mark, hidden) = match layout {
            SetLayout::Ready => ("ready", path.clone()),
            _ => ("current", {
                let versions = join(&path, "versions");
                let name = children(&client, &versions).await.remove(0);
                join(&versions, &name)
            }),
        };
        let mark = join(&path, mark);
        let no_read = Acl::new(acl::ALL & !acl::READ, "world", "anyone");
        client.set_acl(&hidden, vec![no_read], None).await.unwrap();
        let data = client.get(&mark).await.unwrap().data.unwrap_or_default();
        client.set(&mark, data, None).await.unwrap();
        let is_unreadable = |s: &Snapshot<_>| matches!(s.status, ConfigStatus::Unreadable(_));
        let snapshot = find(&mut changes, is_unreadable).await;
        assert_eq!(stamp_of(&snapshot.good.unwrap().value), 1);
        client.set_acl(&hidden, Acl::open(), None).await.unwrap();
        find(&mut changes, |s| s.status == ConfigStatus::Good).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_deleted_whole_while_it_is_read_is_absent_and_followed_on() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("deleted");
    let set = ConfigSet::new(&client, &path)
        .unwrap()
        .layout(SetLayout::Ready);
    let lock = Mutex::new(&client, &fresh_path("deleted-publisher")).unwrap();
    let guard = lock.lock().await.unwrap();
    set.publish(&Keys::new(), Some(&guard)).await.unwrap();
    let held = lane
        .proxy
        .install(Rule::request(op::GET_CHILDREN).then(Action::Hold));
    let reader = ConfigSet::new(&lane.client, &path).unwrap();
    let reader = reader.layout(SetLayout::Ready);
    let reader = tokio::spawn(async move { reader.follow().open().await });
    held.await_fired(PATIENCE).unwrap();
    client.delete(&join(&path, "ready"), None).await.unwrap();
    client.delete(&path, None).await.unwrap();
    held.release();
    let config = timeout(PATIENCE, reader).await.unwrap().unwrap().unwrap();
    assert_eq!(config.snapshot().status, ConfigStatus::Absent);
    set.publish(&stamped(2), Some(&guard)).await.unwrap();
    find(&mut config.changes(), |s| s.status == ConfigStatus::Good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_in_doubt_stays_in_doubt_when_the_guard_is_lost_behind_it() {
    let lane = Lane::open().await;
    let operator = connect(&server().await).await;
    let path = fresh_path("doubt");
    let set = ConfigSet::new(&lane.client, &path)
        .unwrap()
        .layout(SetLayout::Ready);
    let lock = Mutex::new(&lane.client, &fresh_path("doubt-publisher")).unwrap();
    let guard = lock.lock().await.unwrap();
    set.publish(&stamped(1), Some(&guard)).await.unwrap();
    let ready = join(&path, "ready");
    let before = operator.exists(&ready).await.unwrap().unwrap().czxid;
    lane.proxy.install(Rule::reply(op::MULTI).then(Action::Cut));
    lane.proxy.refuse().unwrap();
    let own = guard.path().to_owned();
    let publishing = tokio::spawn(async move { set.publish(&stamped(2), Some(&guard)).await });
    eventually("it is published", async || {
        operator.exists(&ready).await.unwrap().unwrap().czxid > before
    })
    .await;
    operator.delete(&own, None).await.unwrap();
    lane.proxy.admit().unwrap();
    let error = timeout(PATIENCE, publishing)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_pointed_to_again_is_not_collected() {
    let lane = Lane::open().await;
    let operator = connect(&server().await).await;
    let path = fresh_path("rollback");
    let current = join(&path, "current");
    let set = ConfigSet::new(&lane.client, &path)
        .unwrap()
        .keep(1, Duration::ZERO);
    set.publish(&stamped(1), None).await.unwrap();
    let first = operator.get(&current).await.unwrap().data.unwrap();
    // The second version is published, and the end of the first is on its way.
    let end = Rule::request(op::MULTI).nth(2).then(Action::Hold);
    let held = lane.proxy.install(end);
    let publishing = tokio::spawn(async move { set.publish(&stamped(2), None).await });
    held.await_fired(PATIENCE).unwrap();
    operator.set(&current, first, None).await.unwrap();
    held.release();
    timeout(PATIENCE, publishing)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let set = ConfigSet::new(&operator, &path).unwrap();
    let config = set.follow().open().await.unwrap();
    assert_eq!(config.snapshot().status, ConfigStatus::Good);
    assert_eq!(stamp_of(&config.good().unwrap().value), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_mends_what_an_operator_has_deleted() {
    let client = connect(&server().await).await;
    let path = fresh_path("mended");
    let set = ConfigSet::new(&client, &path).unwrap();
    set.publish(&stamped(4), None).await.unwrap();
    let versions = join(&path, "versions");
    let version = join(&versions, &children(&client, &versions).await[0]);
    for key in children(&client, &version).await {
        client.delete(&join(&version, &key), None).await.unwrap();
    }
    client.delete(&version, None).await.unwrap();
    client.delete(&versions, None).await.unwrap();
    set.publish(&stamped(2), None).await.unwrap();
    let config = set.follow().open().await.unwrap();
    assert_eq!(stamp_of(&config.good().unwrap().value), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_deleted_does_not_keep_the_others() {
    let client = connect(&server().await).await;
    let path = fresh_path("stuck");
    let versions = join(&path, "versions");
    let set = ConfigSet::new(&client, &path).unwrap();
    let set = set.keep(1, Duration::ZERO);
    set.publish(&stamped(1), None).await.unwrap();
    let first = join(&versions, &children(&client, &versions).await[0]);
    let foreign = join(&first, "key-0/foreign");
    client
        .create(&foreign, "", CreateMode::Persistent)
        .await
        .unwrap();
    for stamp in 2..5 {
        set.publish(&stamped(stamp), None).await.unwrap();
    }
    assert_eq!(children(&client, &versions).await.len(), 2);
}
