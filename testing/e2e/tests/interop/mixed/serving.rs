//! What clients are promised, with any member of any make between them.

use std::time::Duration;

use lockkeeper::{AddWatchMode, Client, CreateMode, ErrorCode, EventType, Op, Outcome, WatchItem};
use lockkeeper_e2e::{Ensemble, Proxy, Server, four_letter};

use super::{SESSION, connect_each};
use crate::common::{LONG, connect, eventually};

const SHORT_SESSION: Duration = Duration::from_secs(2);

/// All of it, through each member and between any two.
pub(super) async fn through_every_member(ensemble: &Ensemble) {
    let clients = connect_each(ensemble).await;
    for (i, client) in clients.iter().enumerate() {
        in_time(
            "writes are seen by all",
            writes_are_seen_by_all(i, client, &clients),
        )
        .await;
        in_time(
            "refusals leave nothing",
            refusals_leave_nothing(i, client, &clients),
        )
        .await;
    }
    for (i, watcher) in clients.iter().enumerate() {
        for (j, writer) in clients.iter().enumerate() {
            in_time(
                "watches fire",
                watches_fire(watcher, writer, &format!("/watched-{i}-{j}")),
            )
            .await;
        }
    }
    for (i, client) in clients.iter().enumerate() {
        in_time(
            "ephemerals end with their session",
            ephemerals_end_with_their_session(ensemble, i, client, &clients),
        )
        .await;
        let to = (i + 1) % clients.len();
        in_time("sessions move", sessions_move(ensemble, (i, to), &clients)).await;
    }
    in_time(
        "silent sessions expire",
        silent_sessions_expire(ensemble, &clients),
    )
    .await;
    for client in clients {
        client.close().await.expect("an orderly end");
    }
    ensemble.members().iter().for_each(digests_match);
}

/// Every transaction carries the digest of its proposer's tree, which the others compare with
/// theirs. That is asked of a fresh ensemble only: a server of 3.9 that has continued on a snapshot
/// of 3.8 goes on with a digest that fits nobody's.
fn digests_match(member: &Server) {
    let counters = member.four_letter("mntr").expect("it answers");
    let mismatches = four_letter::metric(&counters, "zk_digest_mismatches_count");
    assert_eq!(mismatches, Some(0.0), "{}", member.peer());
}

/// A watch that does not fire has no deadline of its own.
async fn in_time(what: &str, check: impl Future<Output = ()>) {
    let checked = tokio::time::timeout(LONG, check).await;
    checked.unwrap_or_else(|_| panic!("{what}: not within {LONG:?}"));
}

async fn writes_are_seen_by_all(i: usize, client: &Client, all: &[Client]) {
    let top = format!("/from-{i}");
    let created = client.create(&top, "0", CreateMode::Persistent);
    let created = created.await.expect("a free path").stat.czxid;
    let set = client.set(&top, "1", Some(0)).await.expect("its version");
    assert!(set.mzxid > created);
    let sequential = format!("{top}/s-");
    let results = client.multi(vec![
        Op::create(&sequential, "", CreateMode::PersistentSequential),
        Op::set(&top, "2", Some(1)),
        Op::check(&top, Some(2)),
        Op::create(&format!("{top}/gone"), "", CreateMode::Persistent),
        Op::delete(&format!("{top}/gone"), None),
    ]);
    results.await.expect("every part holds");
    let next = client.create(&sequential, "", CreateMode::PersistentSequential);
    // Two children were made before it, of which one is gone.
    let next = next.await.expect("it may be made").path;
    assert_eq!(next, format!("{top}/s-0000000002"));
    let own = client.get(&top).await.expect("it is there");
    assert_eq!(own.data.as_deref(), Some(&b"2"[..]));
    for other in all {
        other.sync(&top).await.expect("a reply");
        assert_eq!(other.get(&top).await.expect("it is there"), own);
        let mut children = other.children(&top).await.expect("it is there");
        children.sort();
        assert_eq!(children, ["s-0000000000", "s-0000000002"]);
        assert!(other.last_zxid() >= own.stat.mzxid);
    }
}

async fn refusals_leave_nothing(i: usize, client: &Client, all: &[Client]) {
    let top = format!("/from-{i}");
    let never = format!("/never-{i}");
    let refused = |result: Result<(), lockkeeper::Error>, code| {
        let error = result.expect_err("it must be refused");
        assert_eq!(error.code(), Some(code), "{error}");
        assert_eq!(error.outcome(), Outcome::NotApplied);
    };
    let again = client.create(&top, "", CreateMode::Persistent).await;
    refused(again.map(drop), ErrorCode::NODE_EXISTS);
    let set = client.set(&top, "", Some(77)).await;
    refused(set.map(drop), ErrorCode::BAD_VERSION);
    refused(client.delete(&top, None).await, ErrorCode::NOT_EMPTY);
    let orphan = client.create(&format!("{never}/x"), "", CreateMode::Persistent);
    refused(orphan.await.map(drop), ErrorCode::NO_NODE);
    let multi = client.multi(vec![
        Op::create(&never, "", CreateMode::Persistent),
        Op::set(&top, "never", None),
        Op::check(&top, Some(77)),
    ]);
    refused(multi.await.map(drop), ErrorCode::BAD_VERSION);
    for other in all {
        other.sync(&top).await.expect("a reply");
        assert_eq!(other.exists(&never).await.expect("a reply"), None);
        let own = other.get(&top).await.expect("it is there");
        assert_eq!(own.data.as_deref(), Some(&b"2"[..]));
    }
}

/// Events of all kinds arrive before anything that shows what caused them.
async fn watches_fire(watcher: &Client, writer: &Client, path: &str) {
    let (none, created) = watcher.exists_watched(path).await.expect("a reply");
    assert_eq!(none, None);
    let create = writer.create(path, "0", CreateMode::Persistent);
    create.await.expect("a free path");
    let event = created.await.expect("the session lives");
    assert_eq!((event.kind, &*event.path), (EventType::NodeCreated, path));

    let (znode, changed) = watcher.get_watched(path).await.expect("it is there");
    assert_eq!(znode.data.as_deref(), Some(&b"0"[..]));
    let (children, listed) = watcher.children_watched(path).await.expect("it is there");
    assert_eq!(children, [""; 0]);
    writer.set(path, "1", None).await.expect("it is there");
    let event = changed.await.expect("the session lives");
    assert_eq!(event.kind, EventType::NodeDataChanged);
    let seen = watcher.get(path).await.expect("it is there");
    assert_eq!(seen.data.as_deref(), Some(&b"1"[..]));
    // Not on one path with the others, of which servers of 3.8 keep only one kind.
    let child = format!("{path}/child");
    let below = watcher.watch(&child, AddWatchMode::PersistentRecursive);
    let mut below = below.await.expect("a reply");
    let create = writer.create(&child, "", CreateMode::Persistent);
    create.await.expect("a free path");
    let event = listed.await.expect("the session lives");
    assert_eq!(event.kind, EventType::NodeChildrenChanged);
    writer.set(&child, "1", None).await.expect("it is there");
    let grandchild = format!("{child}/child");
    let create = writer.create(&grandchild, "", CreateMode::Persistent);
    create.await.expect("a free path");
    for path in [&grandchild, &child, path] {
        writer.delete(path, None).await.expect("it has no child");
    }
    for (kind, place) in [
        (EventType::NodeCreated, &child),
        (EventType::NodeDataChanged, &child),
        (EventType::NodeCreated, &grandchild),
        (EventType::NodeDeleted, &grandchild),
        (EventType::NodeDeleted, &child),
    ] {
        match below.next().await.expect("the session lives") {
            WatchItem::Event(event) => assert_eq!((event.kind, &event.path), (kind, place)),
            WatchItem::Rearmed => panic!("the link was lost"),
        }
    }
}

async fn ephemerals_end_with_their_session(
    ensemble: &Ensemble,
    i: usize,
    client: &Client,
    all: &[Client],
) {
    let path = format!("/ephemeral-{i}");
    let owner = connect(&ensemble.members()[i].connect_string(), SESSION).await;
    let create = owner.create(&path, "", CreateMode::Ephemeral);
    create.await.expect("a free path");
    let mut gone = Vec::new();
    for other in all {
        other.sync(&path).await.expect("a reply");
        let (stat, watch) = other.exists_watched(&path).await.expect("a reply");
        assert_eq!(
            stat.expect("it is there").ephemeral_owner,
            owner.session_id()
        );
        gone.push(watch);
    }
    let below = client.create(&format!("{path}/x"), "", CreateMode::Persistent);
    let error = below.await.expect_err("an ephemeral has no children");
    assert_eq!(error.code(), Some(ErrorCode::NO_CHILDREN_FOR_EPHEMERALS));
    owner.close().await.expect("an orderly end");
    for watch in gone {
        let event = watch.await.expect("the session lives");
        assert_eq!(event.kind, EventType::NodeDeleted);
    }
}

/// From one member to another and back, with an ephemeral and a watch.
async fn sessions_move(ensemble: &Ensemble, (from, to): (usize, usize), all: &[Client]) {
    let (path, watched) = (format!("/moves-{from}"), format!("/from-{from}"));
    let address = |i: usize| ensemble.members()[i].address();
    let proxy = Proxy::start(address(from)).expect("a port is free");
    let client = connect(&proxy.connect_string(), SESSION).await;
    let session = client.session_id();
    let create = client.create(&path, "", CreateMode::Ephemeral);
    create.await.expect("a free path");
    for (i, place) in [to, from].into_iter().enumerate() {
        let (_, changed) = client.get_watched(&watched).await.expect("it is there");
        proxy.redirect(address(place));
        proxy.cut();
        eventually("an answer elsewhere", async || {
            client.exists(&path).await.is_ok_and(|stat| stat.is_some())
        })
        .await;
        let set = all[place].set(&watched, "moved", None).await;
        let set = set.expect("it is there");
        let event = changed.await.expect("the session lives");
        assert_eq!(event.kind, EventType::NodeDataChanged);
        let shown = client.exists(&watched).await.expect("a reply");
        assert_eq!(shown, Some(set), "the event was early");
        let write = client.set(&path, format!("{i}"), None).await;
        let stat = write.expect("the session has moved whole");
        assert_eq!(
            (stat.ephemeral_owner, stat.version),
            (session, i as i32 + 1)
        );
        assert_eq!(client.session_id(), session);
    }
    client.close().await.expect("an orderly end");
}

/// Sessions of the same timeout with each member: those that are silent end, those that only ping
/// live.
async fn silent_sessions_expire(ensemble: &Ensemble, all: &[Client]) {
    let mut pinging = Vec::new();
    let mut silent = Vec::new();
    for (i, member) in ensemble.members().iter().enumerate() {
        let client = connect(&member.connect_string(), SHORT_SESSION).await;
        let create = client.create(&format!("/pinging-{i}"), "", CreateMode::Ephemeral);
        create.await.expect("a free path");
        pinging.push(client);
        let proxy = Proxy::start(member.address()).expect("a port is free");
        let client = connect(&proxy.connect_string(), SHORT_SESSION).await;
        let create = client.create(&format!("/silent-{i}"), "", CreateMode::Ephemeral);
        create.await.expect("a free path");
        proxy.black_hole();
        silent.push((client, proxy));
    }
    for (i, other) in all.iter().enumerate() {
        for path in (0..all.len()).map(|i| format!("/silent-{i}")) {
            eventually("the end of a silent session", async || {
                other.exists(&path).await.expect("a reply").is_none()
            })
            .await;
        }
        let path = format!("/pinging-{i}");
        let stat = other.exists(&path).await.expect("a reply");
        let stat = stat.expect("pings keep a session");
        assert_eq!(stat.ephemeral_owner, pinging[i].session_id());
    }
    for client in pinging {
        client.close().await.expect("the session lives");
    }
}
