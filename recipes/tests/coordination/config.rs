//! Configuration: checked values.

use lockkeeper::{Client, CreateMode, Zxid};
use lockkeeper_recipes::{Config, ConfigChanges, ConfigStatus, SharedValue, Snapshot};
use tokio::time::timeout;

use crate::common::{Lane, PATIENCE, connect, eventually, fresh_path, kill_session, server};

/// The first snapshot of which `holds` is true.
pub(crate) async fn find<T: Clone>(
    changes: &mut ConfigChanges<T>,
    holds: impl Fn(&Snapshot<T>) -> bool,
) -> Snapshot<T> {
    let found = async {
        loop {
            let snapshot = changes.next().await.expect("the client lives");
            if holds(&snapshot) {
                return snapshot;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("told in time")
}

/// Numbers only.
async fn number(client: &Client, path: &str) -> Config<u32> {
    let builder = Config::of_value(client, path).unwrap();
    let builder = builder.check(|bytes| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        text.parse().map_err(|_| format!("{text:?} is no number"))
    });
    builder.seed(7).open().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_value_stands_whatever_is_written() {
    let server = server().await;
    let (client, operator) = (connect(&server).await, connect(&server).await);
    let path = fresh_path("config");
    let config = number(&client, &path).await;
    assert_eq!(config.snapshot().status, ConfigStatus::Absent);
    assert_eq!(config.good().unwrap().value, 7);
    assert_eq!(config.good().unwrap().revision, Zxid(0));

    let mut changes = config.changes();
    changes.next().await.unwrap();
    let parent = lockkeeper::path::parent(&path).unwrap();
    operator
        .create(parent, "", CreateMode::Persistent)
        .await
        .unwrap();
    let made = operator
        .create(&path, "12", CreateMode::Persistent)
        .await
        .unwrap();
    let snapshot = find(&mut changes, |snapshot| {
        snapshot.status == ConfigStatus::Good
    })
    .await;
    let good = snapshot.good.unwrap();
    assert_eq!((good.value, good.revision), (12, made.stat.mzxid));

    let set = operator.set(&path, "twelve", None).await.unwrap();
    let snapshot = find(&mut changes, |s| s.status != ConfigStatus::Good).await;
    let reason = "\"twelve\" is no number".to_owned();
    let revision = set.mzxid;
    assert_eq!(snapshot.status, ConfigStatus::Rejected { revision, reason });
    assert_eq!(snapshot.good.unwrap().value, 12);

    operator.delete(&path, None).await.unwrap();
    let snapshot = find(&mut changes, |s| s.status == ConfigStatus::Absent).await;
    assert_eq!(snapshot.good.unwrap().value, 12);

    kill_session(&server, &client).await;
    let snapshot = find(&mut changes, |s| matches!(s.status, ConfigStatus::Ended(_))).await;
    assert_eq!(snapshot.good.unwrap().value, 12);
    assert_eq!(changes.next().await, None);
    assert!(config.is_stale());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_behind_a_broken_link_is_told_when_it_is_back() {
    let lane = Lane::open().await;
    let operator = connect(&server().await).await;
    let path = fresh_path("gap");
    lockkeeper_recipes::SharedValue::new(&operator, &path)
        .unwrap()
        .set("1")
        .await
        .unwrap();
    let config = number(&lane.client, &path).await;
    let mut changes = config.changes();
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    eventually("the link is down", async || config.is_stale()).await;
    operator.set(&path, "2", None).await.unwrap();
    operator.set(&path, "3", None).await.unwrap();
    assert_eq!(config.good().unwrap().value, 1);
    lane.proxy.admit().unwrap();
    find(&mut changes, |s| s.good.as_ref().unwrap().value == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_panics_refuses_and_the_next_value_is_followed() {
    let client = connect(&server().await).await;
    let path = fresh_path("panic");
    let value = SharedValue::new(&client, &path).unwrap();
    let open = async || {
        let builder = Config::of_value(&client, &path).unwrap();
        let builder = builder.check(|bytes| match &bytes[..] {
            b"bad" => panic!("a bug in a check"),
            good => Ok(good.to_vec()),
        });
        builder.open().await.unwrap()
    };
    value.set("good").await.unwrap();
    let config = open().await;
    let mut changes = config.changes();
    let set = value.set("bad").await.unwrap();
    let is_rejected = |s: &Snapshot<_>| matches!(s.status, ConfigStatus::Rejected { revision, .. } if revision == set.revision);
    let snapshot = find(&mut changes, is_rejected).await;
    assert_eq!(snapshot.good.unwrap().value, b"good");
    assert!(is_rejected(&open().await.snapshot()), "at the first look");
    value.set("better").await.unwrap();
    find(&mut changes, |s| {
        s.good.as_ref().unwrap().value == b"better"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_client_ends_a_configuration_with_a_word() {
    let client = connect(&server().await).await;
    let config = number(&client, &fresh_path("closed")).await;
    let mut changes = config.changes();
    client.close().await.unwrap();
    find(&mut changes, |s| matches!(s.status, ConfigStatus::Ended(_))).await;
    assert_eq!(changes.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_nobody_wants_keeps_no_client_open() {
    let client = connect(&server().await).await;
    let path = fresh_path("dropped");
    let config = number(&client, &path).await;
    let weak = client.downgrade();
    drop(client);
    assert!(
        weak.upgrade().is_some(),
        "the configuration is a user of it"
    );
    drop(config);
    eventually("nobody has the client", async || weak.upgrade().is_none()).await;
}
