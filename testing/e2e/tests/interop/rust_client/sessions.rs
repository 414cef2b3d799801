//! Sessions: what a close takes away, what a lost connection leaves, who may have one again.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use lockkeeper::{
    AddWatchMode, Client, CreateMode, Error, EventType, Outcome, State, WatchEnd, Zxid,
};
use lockkeeper_e2e::proxy::{Action, Rule, op};

use super::stage::{Kind, PATIENCE, SESSION_TIMEOUT, Stage, cut, next_event, told};

pub(super) async fn close_removes_ephemerals(stage: Stage) {
    let other = stage.open().await;
    let path = stage.path("e");
    other
        .create(&path, "", CreateMode::Ephemeral)
        .await
        .unwrap();
    stage.client.sync(&path).await.unwrap();
    let (stat, watch) = stage.client.exists_watched(&path).await.unwrap();
    assert_eq!(stat.unwrap().ephemeral_owner, other.session_id());
    other.close().await.unwrap();
    assert_eq!(other.state(), State::Closed);
    assert!(matches!(other.get("/").await, Err(Error::Closed { .. })));
    assert_eq!(told(watch.await.unwrap()), (EventType::NodeDeleted, path));
}

pub(super) async fn ephemerals(stage: Stage) {
    let other = stage.open().await;
    for (name, mode) in [
        ("a", CreateMode::Ephemeral),
        ("b", CreateMode::Ephemeral),
        ("p", CreateMode::Persistent),
    ] {
        other.create(&stage.path(name), "", mode).await.unwrap();
    }
    let all: BTreeSet<String> = other.ephemerals(None).await.unwrap().into_iter().collect();
    assert_eq!(all, [stage.path("a"), stage.path("b")].into());
    let some = other.ephemerals(Some(&stage.path("b"))).await.unwrap();
    assert_eq!(some, [stage.path("b")]);
    other.close().await.unwrap();
}

pub(super) async fn negotiated_timeout(stage: Stage) {
    assert_eq!(stage.client.negotiated_timeout(), SESSION_TIMEOUT);
    let short = stage.builder().session_timeout(Duration::from_millis(1));
    let short = short.connect().await.unwrap();
    // Two ticks.
    assert_eq!(short.negotiated_timeout(), Duration::from_secs(1));
    short.close().await.unwrap();
}

pub(super) async fn chroot(stage: Stage) {
    let connect = format!("{}{}", stage.proxy.connect_string(), stage.root);
    let inside = Client::connect(&connect).await.unwrap();
    let mode = AddWatchMode::PersistentRecursive;
    let mut watch = inside.watch("/", mode).await.unwrap();
    let made = inside
        .create("/a", "x", CreateMode::Persistent)
        .await
        .unwrap();
    assert_eq!(made.path, "/a");
    assert_eq!(
        next_event(&mut watch).await,
        (EventType::NodeCreated, "/a".into())
    );
    let (_, once) = inside.get_watched("/a").await.unwrap();
    cut(&stage, &inside).await;
    stage.client.set(&stage.path("a"), "y", None).await.unwrap();
    assert_eq!(
        told(once.await.unwrap()),
        (EventType::NodeDataChanged, "/a".into())
    );
    assert_eq!(inside.children("/").await.unwrap(), ["a"]);
    let ephemeral = inside
        .create("/e", "", CreateMode::Ephemeral)
        .await
        .unwrap();
    assert_eq!(
        inside.ephemerals(Some("/e")).await.unwrap(),
        [ephemeral.path]
    );
    inside.close().await.unwrap();
}

pub(super) async fn configuration(stage: Stage) {
    let config = stage.client.config().await.unwrap();
    let text = String::from_utf8(config.bytes().to_vec()).unwrap();
    match stage.kind {
        Kind::Standalone => assert_eq!(text, "", "{}", stage.peer),
        Kind::Ensemble => {
            assert!(
                text.contains("server.1=") && text.contains("version="),
                "{text}"
            );
        }
    }
}

pub(super) async fn a_cut_keeps_the_session(stage: Stage) {
    let other = stage.open().await;
    let (session, path) = (other.session_id(), stage.path("e"));
    other
        .create(&path, "", CreateMode::Ephemeral)
        .await
        .unwrap();
    for _ in 0..3 {
        cut(&stage, &other).await;
        let stat = other.exists(&path).await.unwrap().unwrap();
        assert_eq!(
            (stat.ephemeral_owner, other.session_id()),
            (session, session)
        );
        other.set(&path, "again", None).await.unwrap();
    }
    // Calls made without a link wait for the next one.
    stage.proxy.refuse().unwrap();
    stage.proxy.cut();
    let mut states = other.states();
    while states.next().await.state != State::Suspended {}
    let waiting = other.set(&path, "last", None);
    stage.proxy.admit().unwrap();
    assert_eq!(waiting.await.unwrap().version, 4);
    other.close().await.unwrap();
}

/// Whatever server the client is led to, it shows nothing older than what was seen before.
///
/// Few turns, because after a link that did not last the client waits longer each time.
pub(super) async fn zxids_never_go_back(stage: Stage) {
    let other = stage.open().await;
    let mut last = Zxid::ZERO;
    for turn in 0..5 {
        let stat = other.set(&stage.root, "", None).await.unwrap();
        assert!(stat.mzxid > last);
        stage
            .proxy
            .redirect(stage.members[turn % stage.members.len()]);
        cut(&stage, &other).await;
        assert_eq!(
            other.exists(&stage.root).await.unwrap().unwrap().mzxid,
            stat.mzxid
        );
        assert!(other.last_zxid() >= stat.mzxid);
        last = stat.mzxid;
    }
    other.close().await.unwrap();
}

pub(super) async fn a_session_is_handed_over(stage: Stage) {
    let first = stage.open().await;
    let path = stage.path("e");
    first
        .create(&path, "", CreateMode::Ephemeral)
        .await
        .unwrap();
    let direct = Client::builder(stage.members[0].to_string()).resume(first.credentials());
    // From here on the first client is as good as dead: nothing leads it back.
    stage.proxy.refuse().unwrap();
    stage.proxy.cut();
    let second = direct.connect().await.unwrap();
    assert_eq!(second.session_id(), first.session_id());
    second.set(&path, "mine", None).await.unwrap();
    second.close().await.unwrap();
    stage.proxy.admit().unwrap();
    assert!(matches!(
        first.get("/").await,
        Err(Error::SessionExpired { .. })
    ));
    assert_eq!(stage.client.exists(&path).await.unwrap(), None);
}

pub(super) async fn a_session_closed_elsewhere_is_expired(stage: Stage) {
    let victim = stage.open().await;
    let path = stage.path("e");
    victim
        .create(&path, "", CreateMode::Ephemeral)
        .await
        .unwrap();
    let (_, once) = victim.get_watched(&path).await.unwrap();
    let killer = stage.builder().resume(victim.credentials());
    killer.connect().await.unwrap().close().await.unwrap();
    let mut states = victim.states();
    while !states.next().await.state.is_final() {}
    assert_eq!(victim.state(), State::Expired);
    let error = victim.set(&path, "", None).await.unwrap_err();
    let outcome = Outcome::NotApplied;
    assert_eq!(error, Error::SessionExpired { outcome });
    // Whether the deletion was told before the end is up to the server.
    let end = once.await.map(|event| event.kind);
    assert!(matches!(
        end,
        Ok(EventType::NodeDeleted) | Err(WatchEnd::SessionExpired)
    ));
    assert!(victim.close().await.is_err());
    stage.client.sync(&path).await.unwrap();
    assert_eq!(stage.client.exists(&path).await.unwrap(), None);
}

pub(super) async fn a_wrong_password_is_an_expiry(stage: Stage) {
    let owner = stage.open().await;
    let path = stage.path("e");
    owner
        .create(&path, "", CreateMode::Ephemeral)
        .await
        .unwrap();
    let mut forged = owner.credentials();
    forged.password = Bytes::from_static(&[7; 16]);
    let thief = stage.builder().resume(forged).connect().await;
    assert!(
        matches!(thief, Err(Error::SessionExpired { .. })),
        "{thief:?}"
    );
    // The attempt may cost the owner its link, on Apache's server, but never its session.
    stage.client.sync(&path).await.unwrap();
    assert!(stage.client.exists(&path).await.unwrap().is_some());
    let still = tokio::time::timeout(PATIENCE, owner.exists(&path))
        .await
        .unwrap();
    assert!(still.unwrap().is_some());
    owner.close().await.unwrap();
}

pub(super) async fn a_lost_reply_is_an_unknown_outcome(stage: Stage) {
    let other = stage.open().await;
    let lost = stage
        .proxy
        .install(Rule::reply(op::CREATE2).then(Action::Cut));
    let path = stage.path("a");
    let made = other.create(&path, "", CreateMode::Persistent).await;
    let outcome = Outcome::Unknown;
    assert_eq!(made.unwrap_err(), Error::ConnectionLoss { outcome });
    lost.await_fired(PATIENCE).unwrap();
    assert!(other.exists(&path).await.unwrap().is_some());
    // A read is asked again.
    let lost = stage
        .proxy
        .install(Rule::reply(op::GET_DATA).then(Action::Cut));
    other.get(&path).await.unwrap();
    lost.await_fired(PATIENCE).unwrap();
    other.close().await.unwrap();
}
