//! The barrier and the znode it shares with Curator's and kazoo's.

use std::time::Duration;

use lockkeeper::{CreateMode, Outcome};
use lockkeeper_e2e::proxy::{Action, Rule, op};
use lockkeeper_recipes::{Barrier, RecipeError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::common::{Lane, PATIENCE, connect, eventually, fresh_path, kill_session, server};

#[tokio::test(flavor = "multi_thread")]
async fn t76_one_delete_releases_a_hundred_and_a_change_of_data_nobody() {
    let server = server().await;
    let lane = Lane::open().await;
    let path = fresh_path("t76");
    let keeper = connect(&server).await;
    let barrier = Barrier::new(&keeper, &path).unwrap();
    assert!(barrier.close().await.unwrap());
    assert!(!barrier.close().await.unwrap(), "it is closed already");

    let mut waiters = JoinSet::new();
    for _ in 0..10 {
        let client = connect(&lane.proxy.connect_string()).await;
        for _ in 0..10 {
            let barrier = Barrier::new(&client, &path).unwrap();
            waiters.spawn(async move { barrier.wait().await });
        }
    }
    let reads = || {
        lane.proxy
            .count(lockkeeper_e2e::proxy::Direction::Reply, op::GET_DATA)
    };
    eventually("all wait", async || reads() >= 100).await;
    // The change wakes everybody; nobody goes, and all look again, with a new watch.
    keeper.set(&path, "news", None).await.unwrap();
    eventually("all look again", async || reads() >= 200).await;
    assert!(waiters.try_join_next().is_none(), "a change is no opening");

    assert!(barrier.open().await.unwrap());
    assert!(!barrier.open().await.unwrap(), "it is open already");
    while let Some(waited) = timeout(PATIENCE, waiters.join_next()).await.unwrap() {
        waited.unwrap().unwrap();
    }
    barrier.wait().await.unwrap();
    assert!(!barrier.is_closed().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn t29_a_barrier_takes_the_loss_of_any_reply() {
    for opcode in [op::CREATE2, op::GET_DATA, op::DELETE, op::EVENT, op::SYNC] {
        let lane = Lane::open().await;
        let path = fresh_path("t29-barrier");
        let flaky = Barrier::new(&lane.client, &path).unwrap();
        lane.proxy.install(Rule::reply(opcode).then(Action::Cut));
        flaky.close().await.unwrap();
        let waiter = flaky.clone();
        let waiter = tokio::spawn(async move { waiter.wait().await });
        let gate = Barrier::new(&lane.client, &path).unwrap();
        assert!(gate.is_closed().await.unwrap(), "{opcode}");
        gate.open().await.unwrap();
        timeout(PATIENCE, waiter).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_at_its_deadline_and_says_so() {
    let client = connect(&server().await).await;
    let barrier = Barrier::new(&client, &fresh_path("deadline")).unwrap();
    barrier.close().await.unwrap();
    let waited = barrier.wait_timeout(Duration::from_millis(50)).await;
    assert_eq!(waited, Err(RecipeError::TimedOut));
    assert!(barrier.is_closed().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_that_has_children_says_what_to_change() {
    let client = connect(&server().await).await;
    let path = fresh_path("children");
    let barrier = Barrier::new(&client, &path).unwrap();
    barrier.close().await.unwrap();
    let child = format!("{path}/child");
    client
        .create(&child, "", CreateMode::Persistent)
        .await
        .unwrap();
    let error = barrier.open().await.unwrap_err();
    assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    assert!(Barrier::new(&client, "no/path").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_whose_reply_is_lost_with_the_session_says_that_it_may_have_happened() {
    let server = server().await;
    let lane = Lane::open().await;
    let path = fresh_path("doubt");
    let barrier = Barrier::new(&lane.client, &path).unwrap();
    barrier.close().await.unwrap();
    barrier.open().await.unwrap();
    lane.proxy
        .install(Rule::reply(op::CREATE2).then(Action::Cut));
    lane.proxy.refuse().unwrap();
    let closing = tokio::spawn(async move { barrier.close().await });
    let other = connect(&server).await;
    eventually("closed", async || {
        other.exists(&path).await.unwrap().is_some()
    })
    .await;
    kill_session(&server, &lane.client).await;
    lane.proxy.admit().unwrap();
    let error = timeout(PATIENCE, closing)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
}
