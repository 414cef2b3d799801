//! Lost replies, lost links and lost sessions.

use std::time::Duration;

use lockkeeper::State;
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{GuardState, LockError, LossReason, RwLock};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::{granted, writer};

#[tokio::test(flavor = "multi_thread")]
async fn t21_creates_whose_request_or_reply_is_lost_leave_one_znode() {
    for rule in [
        Rule::reply(op::CREATE2).then(Action::Cut),
        Rule::request(op::CREATE2).then(Action::CutAt(40)),
    ] {
        let lane = Lane::open().await;
        let path = fresh_path("t21");
        let lock = RwLock::new(&lane.client, &path).unwrap();
        lock.read().await.unwrap().release().await.unwrap();
        let lost = lane.proxy.install(rule.clone());
        let reading = lock.read().await.unwrap();
        assert!(lost.fired());
        assert_eq!(children(&lane.client, &path).await.len(), 1);
        reading.release().await.unwrap();
        let lost = lane.proxy.install(rule);
        let writing = lock.write().await.unwrap();
        assert!(lost.fired());
        assert_eq!(children(&lane.client, &path).await.len(), 1);
        let stat = lane.client.exists(writing.path()).await.unwrap().unwrap();
        assert_eq!(writing.fence().get(), stat.czxid.0);
        writing.release().await.unwrap();
        assert_clean(&lane.client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_survives_a_lost_request_and_a_lost_reply() {
    for rule in [
        Rule::reply(op::MULTI).then(Action::Cut),
        Rule::request(op::MULTI).then(Action::Cut),
    ] {
        let lane = Lane::open().await;
        let client = connect(&server().await).await;
        let path = fresh_path("turning");
        let lock = RwLock::new(&lane.client, &path).unwrap();
        let writing = lock.write().await.unwrap();
        let next = writer(&RwLock::new(&client, &path).unwrap(), 1).await;
        let lost = lane.proxy.install(rule.clone());
        let reading = writing.downgrade().await.unwrap();
        assert!(lost.fired());
        reading.confirm().await.unwrap();
        assert_eq!(children(&client, &path).await.len(), 2);
        assert!(!next.is_finished());
        next.abort();
        eventually("the writer has left", async || {
            children(&client, &path).await.len() == 1
        })
        .await;
        let lost = lane.proxy.install(rule);
        let writing = reading.try_upgrade().await.unwrap();
        assert!(lost.fired());
        assert_eq!(children(&client, &path).await.len(), 2);
        writing.release().await.unwrap();
        reading.release().await.unwrap();
        assert_clean(&client, &path).await;
    }
}

/// It does not wait behind the writers that it was to keep out.
#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_whose_new_znode_is_deleted_does_not_queue_again() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("deleted");
    let builder = RwLock::builder(&lane.client, &path).requeue(true);
    let lock = builder.build().unwrap();
    let writing = lock.write().await.unwrap();
    let next = writer(&RwLock::new(&client, &path).unwrap(), 1).await;
    let listing = lane
        .proxy
        .install(Rule::request(op::GET_CHILDREN).then(Action::Hold));
    let turning = tokio::spawn(writing.downgrade());
    listing.await_fired(PATIENCE).unwrap();
    let mut own = None;
    eventually("it has turned", async || {
        let mut names = children(&client, &path).await.into_iter();
        own = names.find(|name| name.contains("__READ__"));
        own.is_some()
    })
    .await;
    let own = format!("{path}/{}", own.unwrap());
    client.delete(&own, None).await.unwrap();
    listing.release();
    let next = granted(next).await;
    let told = tokio::time::timeout(PATIENCE, turning).await;
    let error = told.expect("told in time").unwrap().unwrap_err();
    assert_eq!(error, LockError::NodeGone);
    next.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_dropped_with_its_transaction_in_flight_leaves_nothing() {
    for direction in [Direction::Request, Direction::Reply] {
        let lane = Lane::open().await;
        let client = connect(&server().await).await;
        let path = fresh_path("dropped");
        let lock = RwLock::new(&lane.client, &path).unwrap();
        let writing = lock.write().await.unwrap();
        let rule = match direction {
            Direction::Request => Rule::request(op::MULTI),
            Direction::Reply => Rule::reply(op::MULTI),
        };
        let held = lane.proxy.install(rule.then(Action::Hold));
        let turning = tokio::spawn(writing.downgrade());
        held.await_fired(PATIENCE).unwrap();
        turning.abort();
        assert!(turning.await.unwrap_err().is_cancelled());
        lane.proxy.cut();
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_a_release_without_a_link_happens_when_the_link_is_back() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t15");
    let reading = RwLock::new(&lane.client, &path)
        .unwrap()
        .read()
        .await
        .unwrap();
    let next = writer(&RwLock::new(&client, &path).unwrap(), 1).await;
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    eventually("suspended", async || {
        lane.client.state() == State::Suspended
    })
    .await;
    drop(reading);
    lane.proxy.admit().unwrap();
    granted(next).await.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_a_session_that_dies_lets_the_next_kind_in_with_a_larger_fence() {
    let server = server().await;
    let path = fresh_path("t30");
    let other = connect(&server).await;
    let there = RwLock::new(&other, &path).unwrap();
    for _ in 0..4 {
        let client = connect(&server).await;
        let lock = RwLock::new(&client, &path).unwrap();
        let readers = [lock.read().await.unwrap(), lock.read().await.unwrap()];
        let next = writer(&there, 2).await;
        kill_session(&server, &client).await;
        for reader in &readers {
            let state = tokio::time::timeout(PATIENCE, reader.lost()).await.unwrap();
            assert_eq!(state, GuardState::Lost(LossReason::Expired));
        }
        let next = granted(next).await;
        assert!(readers.iter().all(|reader| reader.fence() < next.fence()));
        next.release().await.unwrap();
    }
    assert_clean(&other, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t29_any_one_frame_may_be_lost() {
    let opcodes = [
        op::CREATE2,
        op::GET_CHILDREN,
        op::EXISTS,
        op::GET_DATA,
        op::DELETE,
        op::MULTI,
        op::EVENT,
    ];
    let server = server().await;
    for opcode in opcodes {
        for way in [Direction::Request, Direction::Reply] {
            for nth in 1..=2 {
                lose(&server, opcode, way, nth).await;
            }
        }
    }
}

/// Readers and writers on one flaky link and one good one: all are served, none is left.
async fn lose(server: &str, opcode: i32, way: Direction, nth: usize) {
    let lane = Lane::open().await;
    let path = fresh_path("t29");
    let client = connect(server).await;
    let flaky = RwLock::new(&lane.client, &path).unwrap();
    let steady = RwLock::new(&client, &path).unwrap();
    flaky.read().await.unwrap().release().await.unwrap();
    let rule = match way {
        Direction::Request => Rule::request(opcode),
        Direction::Reply => Rule::reply(opcode),
    };
    lane.proxy.install(rule.nth(nth).then(Action::Cut));
    let tasks = [&flaky, &steady, &flaky].map(|lock| {
        let lock = lock.clone();
        tokio::spawn(async move {
            let writing = lock.write_timeout(PATIENCE).await?;
            tokio::time::sleep(Duration::from_millis(1)).await;
            let reading = writing.downgrade().await?;
            match reading.try_upgrade().await {
                Ok(writing) => writing.release().await?,
                Err(LockError::UpgradeConflict) => {}
                Err(error) => return Err(error),
            }
            reading.release().await
        })
    });
    for task in tasks {
        let ended = tokio::time::timeout(PATIENCE, task).await;
        let result = ended.expect("in time").unwrap();
        assert!(result.is_ok(), "{way:?} {nth} of {opcode}: {result:?}");
    }
    assert_clean(&client, &path).await;
}
