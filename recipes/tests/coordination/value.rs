//! Shared values and counts.

use lockkeeper::CreateMode;
use lockkeeper::Outcome;
use lockkeeper_e2e::proxy::{Action, Rule, op};
use lockkeeper_recipes::{RecipeError, SharedCount, SharedValue};
use tokio::task::JoinSet;

use crate::common::{Lane, connect, fresh_path, server};

#[tokio::test(flavor = "multi_thread")]
async fn t84_a_znode_made_again_with_the_same_version_is_news() {
    let client = connect(&server().await).await;
    let path = fresh_path("t84");
    let value = SharedValue::new(&client, &path).unwrap();
    let mut changes = value.changes();
    assert_eq!(changes.next().await.unwrap(), None);
    assert_eq!(value.get().await.unwrap(), None);
    let first = value.set("a").await.unwrap();
    assert_eq!(changes.next().await.unwrap(), Some(first.clone()));

    client.delete(&path, None).await.unwrap();
    client
        .create(&path, "a", CreateMode::Persistent)
        .await
        .unwrap();
    let again = loop {
        // Whether the gap is seen is a matter of time.
        if let Some(again) = changes.next().await.unwrap() {
            break again;
        }
    };
    assert_eq!((again.version, again.value), (first.version, first.value));
    assert!(again.revision > first.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn t83_counting_by_comparing_counts_each_once() {
    let server = server().await;
    let path = fresh_path("t83");
    let mut counters = JoinSet::new();
    for _ in 0..5 {
        let count = SharedCount::new(&connect(&server).await, &path).unwrap();
        counters.spawn(async move {
            for _ in 0..20 {
                loop {
                    let seen = count.get().await.unwrap();
                    let next = seen.as_ref().map_or(1, |seen| seen.value + 1);
                    match count.try_set(seen.as_ref(), next).await {
                        Ok(set) => break assert_eq!(set.value, next),
                        Err(RecipeError::Changed { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    }
    counters.join_all().await;
    let count = SharedCount::new(&connect(&server).await, &path).unwrap();
    assert_eq!(count.get().await.unwrap().unwrap().value, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn t83_a_write_whose_reply_is_lost_is_not_known_and_not_sent_again() {
    let lane = Lane::open().await;
    let path = fresh_path("t83-lost");
    let count = SharedCount::new(&lane.client, &path).unwrap();
    let one = count.set(1).await.unwrap();
    lane.proxy
        .install(Rule::reply(op::SET_DATA).then(Action::Cut));
    let error = count.try_set(Some(&one), 2).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(count.get().await.unwrap().unwrap().value, 2);
    let error = count.try_set(Some(&one), 2).await.unwrap_err();
    assert!(matches!(error, RecipeError::Changed { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t85_data_that_is_no_count_is_refused() {
    let client = connect(&server().await).await;
    let path = fresh_path("t85");
    let value = SharedValue::new(&client, &path).unwrap();
    let count = SharedCount::new(&client, &path).unwrap();
    for data in ["", "123", "12345", "192.0.2.1"] {
        value.set(data).await.unwrap();
        let error = count.get().await.unwrap_err();
        assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    }
    let set = count.set(-5).await.unwrap();
    let mut changes = count.changes();
    assert_eq!(changes.next().await.unwrap(), Some(set));
    assert_eq!(
        &value.get().await.unwrap().unwrap().value[..],
        [255, 255, 255, 251]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t84_a_version_that_servers_take_for_any_is_not_compared() {
    let client = connect(&server().await).await;
    let value = SharedValue::new(&client, &fresh_path("wrapped")).unwrap();
    let mut seen = value.set("a").await.unwrap();
    seen.version = -1;
    let error = value.try_set(Some(&seen), "b").await.unwrap_err();
    assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    assert_eq!(value.get().await.unwrap().unwrap().value, "a");
}
