//! Lost replies, lost links and lost sessions.

use std::time::Duration;

use lockkeeper::path::join;
use lockkeeper::{Acl, Client, CreateMode, Error, State, acl};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{Guard, GuardState, LockError, Mutex};
use tokio::task::JoinHandle;

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, enqueue, eventually, fresh_path, granted,
    kill_session, other_contender, prepared, server,
};

async fn next_holder(server: &str, path: &str) -> Guard {
    let client = connect(server).await;
    let lock = Mutex::new(&client, path).unwrap();
    lock.lock_timeout(PATIENCE)
        .await
        .expect("nothing blocks the queue")
}

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_create_whose_reply_is_lost_is_adopted() {
    let lane = Lane::open().await;
    let path = fresh_path("t21");
    let lock = prepared(&lane.client, &path).await;
    let lost = lane
        .proxy
        .install(Rule::reply(op::CREATE2).then(Action::Cut));
    let creates = lane.proxy.count(Direction::Request, op::CREATE2);

    let guard = lock.lock().await.unwrap();
    assert!(lost.fired());
    assert_eq!(
        lane.proxy.count(Direction::Request, op::CREATE2),
        creates + 1
    );
    assert_eq!(lane.proxy.count(Direction::Request, op::SYNC), 1);
    assert_eq!(children(&lane.client, &path).await.len(), 1);
    let stat = lane.client.exists(guard.path()).await.unwrap().unwrap();
    assert_eq!(guard.fence().get(), stat.czxid.0);
    guard.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_a_create_cut_before_its_last_byte_is_sent_again() {
    let lane = Lane::open().await;
    let path = fresh_path("t23");
    let lock = prepared(&lane.client, &path).await;
    let lost = lane
        .proxy
        .install(Rule::request(op::CREATE2).then(Action::CutAt(40)));
    let guard = lock.lock().await.unwrap();
    assert!(lost.fired());
    assert_eq!(children(&lane.client, &path).await.len(), 1);
    guard.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_a_session_that_dies_with_a_create_in_flight_adopts_nothing() {
    let server = server().await;
    let lane = Lane::open().await;
    let path = fresh_path("t24");
    let lock = prepared(&lane.client, &path).await;
    let held = lane
        .proxy
        .install(Rule::reply(op::CREATE2).then(Action::Hold));
    let waiter = tokio::spawn(async move { lock.lock().await });
    held.await_fired(PATIENCE).unwrap();
    kill_session(&server, &lane.client).await;
    let error = waiter.await.unwrap().unwrap_err();
    assert!(
        matches!(error, LockError::Client(Error::SessionExpired { .. })),
        "{error:?}"
    );
    next_holder(&server, &path).await.release().await.unwrap();
}

/// Lets the create of a lock on this path happen, but not its client know: the name of its znode.
async fn create_in_doubt(lane: &Lane, beside: &Client, lock: &Mutex, path: &str) -> InDoubt {
    let held = lane
        .proxy
        .install(Rule::reply(op::CREATE2).then(Action::Hold));
    let waiting = lock.clone();
    let waiter = tokio::spawn(async move { waiting.lock().await });
    held.await_fired(PATIENCE).unwrap();
    let own = join(path, &children(beside, path).await.remove(0));
    let stem = own[..own.len() - 10].to_owned();
    InDoubt { waiter, own, stem }
}

struct InDoubt {
    waiter: JoinHandle<Result<Guard, LockError>>,
    own: String,
    /// The path without the number.
    stem: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn t25_a_corpse_under_the_own_guid_is_waited_for_and_not_adopted() {
    let lane = Lane::open().await;
    let path = fresh_path("t25");
    let lock = prepared(&lane.client, &path).await;
    let beside = connect(&server().await).await;
    let InDoubt { waiter, own, stem } = create_in_doubt(&lane, &beside, &lock, &path).await;
    // What another session has left under the same guid is all there is, and stays for now.
    let mode = CreateMode::EphemeralSequential;
    let corpse = beside.create(&stem, "", mode).await.unwrap();
    beside.delete(&own, None).await.unwrap();
    let no_delete = Acl::new(acl::ALL - acl::DELETE, "world", "anyone");
    beside.set_acl(&path, vec![no_delete], None).await.unwrap();
    lane.proxy.cut();
    eventually("it queues behind", async || {
        lock.queue_position().await.unwrap() == 2
    })
    .await;
    // Its listing is answered, and so is the look at the one ahead.
    eventually("it waits", async || {
        lane.proxy.count(Direction::Reply, op::GET_DATA) > 0
    })
    .await;
    assert!(!waiter.is_finished());

    beside.set_acl(&path, Acl::open(), None).await.unwrap();
    let guard = granted(waiter).await;
    assert!(beside.exists(&corpse.path).await.unwrap().is_none());
    assert!(guard.fence().get() > corpse.stat.czxid.0);
    guard.confirm().await.unwrap();
    guard.release().await.unwrap();
    assert_clean(&beside, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t26_of_two_znodes_under_the_own_guid_the_lower_one_is_kept() {
    let lane = Lane::open().await;
    let path = fresh_path("t26");
    let lock = prepared(&lane.client, &path).await;
    let beside = connect(&server().await).await;
    let InDoubt { waiter, own, stem } = create_in_doubt(&lane, &beside, &lock, &path).await;
    // The same session makes a second one, and does not hear of it either.
    let mode = CreateMode::EphemeralSequential;
    let second = tokio::spawn(lane.client.create(&stem, "", mode));
    eventually("two", async || children(&beside, &path).await.len() == 2).await;
    lane.proxy.cut();
    assert!(second.await.unwrap().is_err());
    let guard = granted(waiter).await;
    assert_eq!(guard.path(), own);
    eventually("the second one is deleted", async || {
        children(&beside, &path).await.len() == 1
    })
    .await;
    // It was no wish of its own, so nobody holds after this one.
    guard.release().await.unwrap();
    assert_clean(&beside, &path).await;
    let creates = lane.proxy.count(Direction::Request, op::CREATE2);
    lock.lock().await.unwrap().release().await.unwrap();
    assert_eq!(
        lane.proxy.count(Direction::Request, op::CREATE2),
        creates + 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t28_a_delete_whose_reply_is_lost_is_done() {
    let lane = Lane::open().await;
    let path = fresh_path("t28");
    let lock = prepared(&lane.client, &path).await;
    let guard = lock.lock().await.unwrap();
    let lost = lane
        .proxy
        .install(Rule::reply(op::DELETE).then(Action::Cut));
    guard.release().await.unwrap();
    assert!(lost.fired());
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t29_any_one_reply_may_be_lost() {
    let opcodes = [
        op::CREATE2,
        op::GET_CHILDREN,
        op::EXISTS,
        op::GET_DATA,
        op::DELETE,
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

/// Two contenders on one flaky link and a third one on a good link: all are served, none is left.
async fn lose(server: &str, opcode: i32, way: Direction, nth: usize) {
    let lane = Lane::open().await;
    let path = fresh_path("t29");
    let flaky = prepared(&lane.client, &path).await;
    let client = connect(server).await;
    let steady = Mutex::new(&client, &path).unwrap();
    let rule = match way {
        Direction::Request => Rule::request(opcode),
        Direction::Reply => Rule::reply(opcode),
    };
    lane.proxy.install(rule.nth(nth).then(Action::Cut));
    let tasks = [&flaky, &steady, &flaky].map(|lock| {
        let lock = lock.clone();
        tokio::spawn(async move {
            let guard = lock.lock_timeout(PATIENCE).await?;
            let fence = guard.fence();
            tokio::time::sleep(Duration::from_millis(2)).await;
            guard.release().await.map(|()| fence)
        })
    });
    for task in tasks {
        let result = task.await.unwrap();
        assert!(result.is_ok(), "{way:?} {nth} of {opcode}: {result:?}");
    }
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_a_release_without_a_link_happens_when_the_link_is_back() {
    let lane = Lane::open().await;
    let path = fresh_path("t15");
    let lock = prepared(&lane.client, &path).await;
    let guard = lock.lock().await.unwrap();
    let client = connect(&server().await).await;
    let next = enqueue(&Mutex::new(&client, &path).unwrap(), 1).await;

    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    eventually("suspended", async || {
        lane.client.state() == State::Suspended
    })
    .await;
    drop(guard);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!next.is_finished());
    lane.proxy.admit().unwrap();
    granted(next).await.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_a_release_ends_with_the_session_if_that_comes_first() {
    let server = server().await;
    let lane = Lane::open().await;
    let path = fresh_path("t16");
    let lock = prepared(&lane.client, &path).await;
    let guard = lock.lock().await.unwrap();
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    eventually("suspended", async || {
        lane.client.state() == State::Suspended
    })
    .await;
    let release = tokio::spawn(guard.release());
    kill_session(&server, &lane.client).await;
    let next = next_holder(&server, &path).await;
    lane.proxy.admit().unwrap();
    release.await.unwrap().unwrap();
    assert_eq!(next.state(), GuardState::Held);
    next.confirm().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_waiter_whose_session_dies_is_told() {
    let server = server().await;
    let path = fresh_path("t31");
    let holder = connect(&server).await;
    let guard = Mutex::new(&holder, &path).unwrap().lock().await.unwrap();
    let client = connect(&server).await;
    let waiter = enqueue(&Mutex::new(&client, &path).unwrap(), 1).await;
    kill_session(&server, &client).await;
    let error = waiter.await.unwrap().unwrap_err();
    assert!(
        matches!(error, LockError::Client(Error::SessionExpired { .. })),
        "{error:?}"
    );
    guard.release().await.unwrap();
    assert_clean(&holder, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t38_spurious_events_grant_nothing() {
    let lane = Lane::open().await;
    let path = fresh_path("t38");
    let client = connect(&server().await).await;
    let guard = prepared(&client, &path).await.lock().await.unwrap();
    let lock = Mutex::new(&lane.client, &path).unwrap();
    let waiter = enqueue(&lock, 1).await;
    let own = other_contender(&client, &path, guard.path()).await;
    for round in 0..10 {
        lane.proxy.cut();
        client
            .set(guard.path(), format!("{round}"), None)
            .await
            .unwrap();
        client.set(&own, format!("{round}"), None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(!waiter.is_finished());
    }
    guard.release().await.unwrap();
    granted(waiter).await.release().await.unwrap();
    assert_clean(&client, &path).await;
}
