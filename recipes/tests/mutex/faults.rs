//! Lost replies, lost links and lost sessions.

use std::time::Duration;

use lockkeeper::{Client, CreateMode, Error, Op, State};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{Guard, GuardState, LockError, LossReason, Mutex};

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

#[tokio::test(flavor = "multi_thread")]
async fn t26_a_second_znode_under_the_own_guid_is_deleted() {
    let lane = Lane::open().await;
    let path = fresh_path("t26");
    let lock = prepared(&lane.client, &path).await;
    let client = connect(&server().await).await;
    let held = lane
        .proxy
        .install(Rule::reply(op::CREATE2).then(Action::Hold));
    let waiter = tokio::spawn(async move { lock.lock().await });
    held.await_fired(PATIENCE).unwrap();
    let own = children(&client, &path).await.remove(0);
    let stem = format!("{path}/{}", &own[..own.len() - 10]);
    let mode = CreateMode::EphemeralSequential;
    let corpse = client.create(&stem, "", mode).await.unwrap().path;
    lane.proxy.cut();
    let guard = granted(waiter).await;
    assert_eq!(guard.path(), format!("{path}/{own}"));
    eventually("the second one is deleted", async || {
        client.exists(&corpse).await.unwrap().is_none()
    })
    .await;
    guard.release().await.unwrap();
    assert_clean(&client, &path).await;
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
async fn t17_t30_the_holder_of_an_expired_session_is_told_and_fences_grow() {
    let server = server().await;
    let path = fresh_path("t17");
    let mut fences = Vec::new();
    for _ in 0..8 {
        let client = connect(&server).await;
        let guard = Mutex::new(&client, &path).unwrap().lock().await.unwrap();
        fences.push(guard.fence());
        let follower = connect(&server).await;
        let next = enqueue(&Mutex::new(&follower, &path).unwrap(), 1).await;
        let lost = guard.lost();
        let mut states = guard.states();
        assert_eq!(states.next().await, Some(GuardState::Held));
        kill_session(&server, &client).await;
        let state = tokio::time::timeout(PATIENCE, lost).await.unwrap();
        assert_eq!(state, GuardState::Lost(LossReason::Expired));
        while let Some(state) = states.next().await {
            assert_ne!(state, GuardState::Held);
        }
        assert_eq!(guard.remaining(), Duration::ZERO);
        let error = guard.write(vec![Op::check("/", None)]).await.unwrap_err();
        assert_eq!(error, LockError::Lost(LossReason::Expired));
        assert_eq!(guard.release().await.unwrap_err(), error);
        let next = granted(next).await;
        fences.push(next.fence());
        next.release().await.unwrap();
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
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
async fn t32_a_holder_cut_off_knows_before_the_next_one_enters() {
    let lane = Lane::open().await;
    let path = fresh_path("t32");
    let lock = prepared(&lane.client, &path).await;
    let guard = lock.lock().await.unwrap();
    let client = connect(&server().await).await;
    let next = enqueue(&Mutex::new(&client, &path).unwrap(), 1).await;

    lane.proxy.black_hole();
    let lost = tokio::spawn(guard.lost());
    let next = granted(next).await;
    assert!(lost.is_finished(), "the next holder entered first");
    assert!(!lost.await.unwrap().is_safe());
    assert!(!guard.state().is_safe());
    drop(next);
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_short_gap_suspends_the_guard_and_changes_nothing() {
    let lane = Lane::open().await;
    let path = fresh_path("t33");
    let lock = prepared(&lane.client, &path).await;
    let guard = lock.lock().await.unwrap();
    let fence = guard.fence();
    let client = connect(&server().await).await;
    let next = enqueue(&Mutex::new(&client, &path).unwrap(), 1).await;
    let mut states = guard.states();
    assert_eq!(states.next().await, Some(GuardState::Held));
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    assert_eq!(states.next().await, Some(GuardState::Suspended));
    assert!(guard.remaining() > Duration::ZERO);
    lane.proxy.admit().unwrap();
    assert_eq!(states.next().await, Some(GuardState::Held));
    assert_eq!(guard.fence(), fence);
    guard.confirm().await.unwrap();
    assert!(!next.is_finished());
    guard.release().await.unwrap();
    assert_eq!(states.next().await, None);
    granted(next).await.release().await.unwrap();
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

/// The process stops for longer than the lease, and finds an event that keeps the link alive.
#[test]
fn t36_a_lease_that_ran_out_on_a_live_link_is_carried_on_by_proof() {
    let pausing = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    pausing.block_on(async {
        let server = server().await;
        let builder = Client::builder(&server).session_timeout(Duration::from_secs(6));
        let client = builder.connect().await.unwrap();
        let path = fresh_path("t36");
        let guard = Mutex::new(&client, &path).unwrap().lock().await.unwrap();
        let mut states = guard.states();
        assert_eq!(states.next().await, Some(GuardState::Held));
        let own = guard.path().to_owned();
        let other = elsewhere.spawn(async move {
            let client = connect(&server).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            client.set(&own, "x", None).await.unwrap();
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let generation = client.states().next().await.generation;
        // Beyond the lease of 4.2 s, well within the timeout.
        std::thread::sleep(Duration::from_millis(4500));
        assert_eq!(guard.state(), GuardState::PossiblyLost);
        assert_eq!(states.next().await, Some(GuardState::PossiblyLost));
        let healed = tokio::time::timeout(PATIENCE, states.next()).await;
        assert_eq!(healed.unwrap(), Some(GuardState::Held));
        assert_eq!(client.states().next().await.generation, generation);
        other.await.unwrap();
        guard.release().await.unwrap();
    });
    elsewhere.shutdown_background();
}
