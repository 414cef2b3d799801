//! The latch that counts arrivals.

use std::time::Duration;

use lockkeeper::CreateMode;
use lockkeeper::path::join;
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{CountdownLatch, RecipeError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::common::{Lane, PATIENCE, children, connect, eventually, fresh_path, server};

#[tokio::test(flavor = "multi_thread")]
async fn t79_it_opens_at_a_hundred_distinct_arrivals_and_not_before() {
    const COUNT: usize = 100;
    let server = server().await;
    let lane = Lane::open().await;
    let path = fresh_path("t79");
    let watcher = CountdownLatch::new(&connect(&server).await, &path, COUNT).unwrap();
    let waiting = watcher.clone();
    let waiting = tokio::spawn(async move { waiting.wait().await });

    // Some arrivals' replies are lost, so they are sent twice.
    let flaky = CountdownLatch::new(&lane.client, &path, COUNT).unwrap();
    for arrival in 0..COUNT - 1 {
        if arrival % 20 == 0 {
            lane.proxy
                .install(Rule::reply(op::CREATE2).then(Action::Cut));
        }
        let missing = flaky.count_down().await.unwrap();
        assert_eq!(missing, COUNT - 1 - arrival);
    }
    // The same name twice is one arrival.
    assert_eq!(watcher.remaining().await.unwrap(), 1);
    assert!(!waiting.is_finished());
    assert_eq!(flaky.count_down_as("last").await.unwrap(), 0);
    timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(flaky.count_down_as("last").await.unwrap(), 0);
    assert_eq!(watcher.remaining().await.unwrap(), 0);
    assert!(lane.proxy.count(Direction::Request, op::CREATE2) > COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn t79_arrivals_of_many_at_once_open_it() {
    let server = server().await;
    let path = fresh_path("t79-many");
    let mut arrivals = JoinSet::new();
    for _ in 0..20 {
        let latch = CountdownLatch::new(&connect(&server).await, &path, 20).unwrap();
        arrivals.spawn(async move {
            latch.count_down().await.unwrap();
            latch.wait_timeout(PATIENCE).await.unwrap();
        });
    }
    arrivals.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_arrival_that_dies_before_it_opens_the_latch_holds_nobody() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("dead");
    let latch = CountdownLatch::new(&lane.client, &path, 2).unwrap();
    assert_eq!(latch.count_down().await.unwrap(), 1);
    let listings = || lane.proxy.count(Direction::Reply, op::GET_CHILDREN);
    let before = listings();
    let waiting = tokio::spawn(async move { latch.wait().await });
    eventually("it waits", async || listings() > before).await;
    // As if its process had ended right behind the create.
    let arrival = join(&path, "d-dead");
    client
        .create(&arrival, "", CreateMode::Persistent)
        .await
        .unwrap();
    timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_closes_it_and_a_wrong_count_is_refused() {
    let client = connect(&server().await).await;
    let path = fresh_path("reset");
    let latch = CountdownLatch::new(&client, &path, 1).unwrap();
    latch.count_down().await.unwrap();
    latch.wait_timeout(PATIENCE).await.unwrap();
    latch.reset().await.unwrap();
    assert_eq!(latch.remaining().await.unwrap(), 1);
    let waited = latch.wait_timeout(Duration::from_millis(50)).await;
    assert_eq!(waited, Err(RecipeError::TimedOut));

    let other = CountdownLatch::new(&client, &path, 2).unwrap();
    for error in [
        other.count_down().await.unwrap_err(),
        other.wait().await.unwrap_err(),
    ] {
        assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    }
    assert!(CountdownLatch::new(&client, &path, 0).is_err());
    for id in ["a\0b", "a/b"] {
        let error = latch.count_down_as(id).await.unwrap_err();
        assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_latch_that_was_about_to_open_stays_closed_after_a_reset() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("reset-first");
    let latch = CountdownLatch::new(&client, &path, 2).unwrap();
    latch.count_down().await.unwrap();
    let last = CountdownLatch::new(&lane.client, &path, 2).unwrap();
    assert_eq!(last.remaining().await.unwrap(), 1);
    // The last one has arrived and seen that all are there; what it makes of it is on its way.
    let opens = Rule::request(op::MULTI).or(op::CREATE2).nth(2);
    let held = lane.proxy.install(opens.then(Action::Hold));
    let arriving = tokio::spawn(async move { last.count_down().await });
    held.await_fired(PATIENCE).unwrap();
    latch.reset().await.unwrap();
    held.release();
    assert_eq!(timeout(PATIENCE, arriving).await.unwrap().unwrap(), Ok(2));
    assert_eq!(latch.remaining().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_fails_if_the_latch_opens_meanwhile() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("reset-second");
    let latch = CountdownLatch::new(&client, &path, 2).unwrap();
    latch.count_down().await.unwrap();
    let resetting = CountdownLatch::new(&lane.client, &path, 2).unwrap();
    let held = lane
        .proxy
        .install(Rule::request(op::MULTI).then(Action::Hold));
    let reset = tokio::spawn(async move { resetting.reset().await });
    held.await_fired(PATIENCE).unwrap();
    assert_eq!(latch.count_down().await.unwrap(), 0);
    held.release();
    let error = timeout(PATIENCE, reset)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    assert_eq!(latch.remaining().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_arrives_at_an_open_latch_leaves_no_znode() {
    let client = connect(&server().await).await;
    let path = fresh_path("open");
    let latch = CountdownLatch::new(&client, &path, 1).unwrap();
    for _ in 0..3 {
        assert_eq!(latch.count_down().await.unwrap(), 0);
    }
    assert_eq!(children(&client, &path).await.len(), 2, "one and `done`");
}
