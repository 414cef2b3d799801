//! Every operation against a running server: the one that `LOCKKEEPER_TEST_SERVER` names, such as
//! `127.0.0.1:2181`, or one of our own that all tests of the process share.

use std::sync::OnceLock;
use std::time::Duration;

use futures::future::join_all;
use lockkeeper::{
    Acl, AddWatchMode, Client, CreateMode, CreateOptions, Error, ErrorCode, EventType, Op,
    OpResult, Outcome, ReadOp, ReadResult, State, WatchEnd, WatchItem,
};
use lockkeeper_server::embed::{Embedded, embed};

fn server() -> String {
    static OWN: OnceLock<Embedded> = OnceLock::new();
    std::env::var("LOCKKEEPER_TEST_SERVER").unwrap_or_else(|_| {
        let own = OWN.get_or_init(|| embed().start().expect("it can start"));
        own.connect_string()
    })
}

/// A client below a fresh chroot of its own.
async fn fresh(name: &str) -> (Client, String) {
    let server = server();
    let root = Client::connect(&server).await.unwrap();
    let path = format!("/{name}-{:x}", root.random());
    root.create(&path, "", CreateMode::Persistent)
        .await
        .unwrap();
    root.close().await.unwrap();
    let connect = format!("{server}{path}");
    let client = Client::builder(&connect)
        .session_timeout(Duration::from_secs(6))
        .connect()
        .await
        .unwrap();
    (client, connect)
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
    result.unwrap_err().code().unwrap()
}

#[tokio::test]
async fn znodes() {
    let (client, _) = fresh("znodes").await;
    let made = client
        .create("/a", "one", CreateMode::Persistent)
        .await
        .unwrap();
    assert_eq!(made.path, "/a");
    assert_eq!(client.get("/a").await.unwrap().stat, made.stat);
    assert_eq!(
        code(client.create("/a", "", CreateMode::Persistent).await),
        ErrorCode::NODE_EXISTS
    );
    assert_eq!(code(client.get("/b").await), ErrorCode::NO_NODE);
    assert_eq!(client.exists("/b").await, Ok(None));
    let stat = client.set("/a", "two", Some(0)).await.unwrap();
    assert_eq!(stat.version, 1);
    let stale = client.set("/a", "three", Some(0)).await.unwrap_err();
    assert_eq!(stale.code(), Some(ErrorCode::BAD_VERSION));
    assert_eq!(stale.outcome(), Outcome::NotApplied);
    assert_eq!(client.get("/a").await.unwrap().bytes(), b"two");
    assert!(client.last_zxid() >= stat.mzxid);

    let first = client
        .create("/a/n-", "", CreateMode::PersistentSequential)
        .await
        .unwrap();
    assert_eq!(first.path, "/a/n-0000000000");
    let own = client
        .create("/a/e", "", CreateMode::Ephemeral)
        .await
        .unwrap();
    assert_eq!(own.stat.ephemeral_owner, client.session_id());
    client
        .create("/c", "", CreateMode::Container)
        .await
        .unwrap();
    let ttl = CreateOptions::new(CreateMode::PersistentTtl).ttl(Duration::from_secs(60));
    client.create("/t", "", ttl).await.unwrap();
    let mut children = client.children("/a").await.unwrap();
    children.sort();
    assert_eq!(children, ["e", "n-0000000000"]);
    let mut shared = client.children_shared("/a").await.unwrap();
    shared.sort();
    assert_eq!(shared, ["e", "n-0000000000"]);
    let (names, stat) = client.children_with_stat("/a").await.unwrap();
    assert_eq!(names.len(), stat.num_children as usize);
    assert_eq!(client.count_descendants("/").await, Ok(5));
    assert_eq!(client.ephemerals(None).await.unwrap(), ["/a/e"]);
    assert_eq!(client.ephemerals(Some("/b")).await.unwrap(), [""; 0]);
    assert_eq!(code(client.delete("/a", None).await), ErrorCode::NOT_EMPTY);
    client.delete("/a/n-0000000000", Some(0)).await.unwrap();
    client.sync("/").await.unwrap();
    client.config().await.unwrap();
    client.close().await.unwrap();
    client.close().await.unwrap();
    assert_eq!(client.state(), State::Closed);
    assert!(matches!(client.get("/a").await, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn acls_and_identities() {
    let (client, connect) = fresh("acls").await;
    client.add_auth("digest", "ann:secret").await.unwrap();
    let users = client.who_am_i().await.unwrap();
    assert!(
        users
            .iter()
            .any(|one| one.scheme == "digest" && one.user == "ann")
    );
    let mine = CreateOptions::new(CreateMode::Persistent).acl(Acl::creator_all());
    client.create("/mine", "x", mine).await.unwrap();
    let (acl, stat) = client.acl("/mine").await.unwrap();
    assert_eq!((acl.len(), stat.aversion), (1, 0));

    let other = Client::connect(&connect).await.unwrap();
    assert_eq!(code(other.get("/mine").await), ErrorCode::NO_AUTH);
    let known = Client::builder(&connect)
        .auth("digest", "ann:secret")
        .connect()
        .await
        .unwrap();
    assert_eq!(known.get("/mine").await.unwrap().bytes(), b"x");
    let stat = client.set_acl("/mine", Acl::open(), Some(0)).await.unwrap();
    assert_eq!(stat.aversion, 1);
    assert_eq!(other.get("/mine").await.unwrap().bytes(), b"x");

    let refused = other.add_auth("no-such-scheme", "").await;
    assert!(
        matches!(refused, Err(Error::AuthFailed { .. })),
        "{refused:?}"
    );
    let mut states = other.states();
    while states.next().await.state != State::AuthFailed {}
}

#[tokio::test]
async fn multis() {
    let (client, _) = fresh("multis").await;
    let results = client
        .multi(vec![
            Op::create("/a", "1", CreateMode::Persistent),
            Op::create("/a/s-", "", CreateMode::EphemeralSequential),
            Op::create("/c", "", CreateMode::Container),
            Op::set("/a", "2", Some(0)),
            Op::check("/a", Some(1)),
            Op::delete("/a/s-0000000000", None),
        ])
        .await
        .unwrap();
    assert!(matches!(&results[1], OpResult::Created { path, .. } if path == "/a/s-0000000000"));
    assert!(matches!(results[3], OpResult::Set(stat) if stat.version == 1));
    assert_eq!(results[4..], [OpResult::Checked, OpResult::Deleted]);

    let failed = client
        .multi(vec![Op::set("/a", "3", None), Op::check("/none", None)])
        .await
        .unwrap_err();
    let code = ErrorCode::NO_NODE;
    assert_eq!(failed, Error::Multi { index: 1, code });
    assert_eq!(client.multi(vec![]).await, Ok(vec![]));

    let read = client
        .multi_read(vec![
            ReadOp::get("/a"),
            ReadOp::children("/"),
            ReadOp::get("/none"),
        ])
        .await
        .unwrap();
    assert!(matches!(&read[0], ReadResult::Znode(znode) if znode.bytes() == b"2"));
    assert!(matches!(&read[1], ReadResult::Children(names) if names.len() == 2));
    assert_eq!(read[2], ReadResult::Failed(ErrorCode::NO_NODE));
}

#[tokio::test]
async fn one_shot_watches() {
    let (client, connect) = fresh("one-shot").await;
    let other = Client::connect(&connect).await.unwrap();
    let (none, made) = client.exists_watched("/a").await.unwrap();
    assert_eq!(none, None);
    other
        .create("/a", "1", CreateMode::Persistent)
        .await
        .unwrap();
    let event = made.await.unwrap();
    assert_eq!(
        (event.kind, event.path.as_str()),
        (EventType::NodeCreated, "/a")
    );

    let (_, changed) = client.get_watched("/a").await.unwrap();
    let (_, unwanted) = client.get_watched("/a").await.unwrap();
    drop(unwanted);
    let (_, child) = client.children_watched("/").await.unwrap();
    other.set("/a", "2", None).await.unwrap();
    assert_eq!(changed.await.unwrap().kind, EventType::NodeDataChanged);
    other
        .create("/b", "", CreateMode::Persistent)
        .await
        .unwrap();
    let event = child.await.unwrap();
    assert_eq!(
        (event.kind, event.path.as_str()),
        (EventType::NodeChildrenChanged, "/")
    );

    assert!(client.get_watched("/none").await.is_err());
    let (_, last) = client.get_watched("/a").await.unwrap();
    client.close().await.unwrap();
    assert_eq!(last.await, Err(WatchEnd::Closed));
}

#[tokio::test]
async fn persistent_watches() {
    let (client, connect) = fresh("persistent").await;
    let other = Client::connect(&connect).await.unwrap();
    let mut all = client
        .watch("/", AddWatchMode::PersistentRecursive)
        .await
        .unwrap();
    let mut one = client.watch("/a", AddWatchMode::Persistent).await.unwrap();
    other
        .create("/a", "", CreateMode::Persistent)
        .await
        .unwrap();
    other
        .create("/a/b", "", CreateMode::Persistent)
        .await
        .unwrap();
    other.delete("/a/b", None).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        match all.next().await.unwrap() {
            WatchItem::Event(event) => seen.push((event.kind, event.path)),
            WatchItem::Rearmed => panic!("the link is good"),
        }
    }
    let expected = [
        (EventType::NodeCreated, "/a".to_owned()),
        (EventType::NodeCreated, "/a/b".to_owned()),
        (EventType::NodeDeleted, "/a/b".to_owned()),
    ];
    assert_eq!(seen, expected);
    assert!(
        matches!(one.next().await, Ok(WatchItem::Event(e)) if e.kind == EventType::NodeCreated)
    );

    // The last watcher of the path takes the server's watch with it.
    drop(one);
    drop(all);
    client.sync("/").await.unwrap();
    let mut again = client.watch("/a", AddWatchMode::Persistent).await.unwrap();
    other.set("/a", "1", None).await.unwrap();
    let item = again.next().await.unwrap();
    assert!(matches!(item, WatchItem::Event(e) if e.kind == EventType::NodeDataChanged));
}

#[tokio::test]
async fn pipelines_keep_their_order() {
    let (client, _) = fresh("pipeline").await;
    client
        .create("/n", "", CreateMode::Persistent)
        .await
        .unwrap();
    let writes = join_all((0..2000).map(|at| client.set("/n", at.to_string(), Some(at))));
    for (at, stat) in (1..).zip(writes.await) {
        assert_eq!(stat.unwrap().version, at);
    }
    let too_long = client.set("/n", vec![0; 2 << 20], None).await;
    assert!(matches!(too_long, Err(Error::Misuse(_))), "{too_long:?}");
    let big = vec![7; 1_000_000];
    client.set("/n", big.clone(), None).await.unwrap();
    assert_eq!(client.get("/n").await.unwrap().bytes(), big);
}

#[tokio::test]
async fn a_session_is_resumed_and_ends_once() {
    let (client, connect) = fresh("resume").await;
    client
        .create("/mine", "", CreateMode::Ephemeral)
        .await
        .unwrap();
    let resumed = Client::builder(&connect)
        .resume(client.credentials())
        .connect()
        .await
        .unwrap();
    assert_eq!(resumed.session_id(), client.session_id());
    let credentials = resumed.credentials();
    resumed.close().await.unwrap();
    let mut states = client.states();
    while states.next().await.state != State::Expired {}
    let gone = Client::builder(&connect)
        .resume(credentials)
        .connect()
        .await;
    assert!(
        matches!(gone, Err(Error::SessionExpired { .. })),
        "{gone:?}"
    );
    assert_eq!(client.lease_deadline(), None);
}
