//! Lost replies, lost links and lost sessions.

use std::time::Duration;

use lockkeeper::{Error, State};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{GuardState, LockError, LossReason, Semaphore};

use crate::common::{
    Lane, PATIENCE, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::{assert_empty, granted, queued};

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_lease_whose_create_is_lost_is_adopted() {
    // The first create is the gate's, the second one the lease's.
    for nth in 1..=2 {
        let lane = Lane::open().await;
        let path = fresh_path("t21");
        let semaphore = Semaphore::new(&lane.client, &path, 1).unwrap();
        semaphore.acquire().await.unwrap().release().await.unwrap();
        assert_empty(&lane.client, &path).await;
        let rule = Rule::reply(op::CREATE2).nth(nth).then(Action::Cut);
        let lost = lane.proxy.install(rule);
        let lease = semaphore.acquire().await.unwrap();
        assert!(lost.fired());
        assert_eq!(
            children(&lane.client, &format!("{path}/leases"))
                .await
                .len(),
            1
        );
        lease.confirm().await.unwrap();
        lease.release().await.unwrap();
        assert_empty(&lane.client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_a_lease_that_goes_before_it_is_claimed_was_never_granted() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t20");
    let semaphore = Semaphore::new(&lane.client, &path, 1).unwrap();
    semaphore.acquire().await.unwrap().release().await.unwrap();
    assert_empty(&client, &path).await;
    let held = lane
        .proxy
        .install(Rule::request(op::SET_DATA).then(Action::Hold));
    let asking = semaphore.clone();
    let asking = tokio::spawn(async move { asking.acquire().await });
    held.await_fired(PATIENCE).unwrap();
    let own = children(&client, &format!("{path}/leases")).await.remove(0);
    client
        .delete(&format!("{path}/leases/{own}"), None)
        .await
        .unwrap();
    held.release();
    let told = tokio::time::timeout(PATIENCE, asking).await.unwrap();
    assert_eq!(told.unwrap().unwrap_err(), LockError::NodeGone);
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_t31_a_session_that_dies_ends_holding_and_waiting() {
    let server = server().await;
    let path = fresh_path("t30");
    let other = connect(&server).await;
    let there = Semaphore::new(&other, &path, 2).unwrap();
    let client = connect(&server).await;
    let semaphore = Semaphore::new(&client, &path, 2).unwrap();
    let leases = semaphore.acquire_many(2).await.unwrap();
    eventually("the gate is free", async || {
        there.queue_position().await.unwrap() == 0
    })
    .await;
    let waiting = queued(&semaphore, 0).await;
    let next = queued(&there, 1).await;
    kill_session(&server, &client).await;
    let told = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    let error = told.unwrap().unwrap_err();
    assert!(
        matches!(error, LockError::Client(Error::SessionExpired { .. })),
        "{error:?}"
    );
    for lease in leases {
        let lost = tokio::time::timeout(PATIENCE, lease.lost()).await.unwrap();
        assert_eq!(lost, GuardState::Lost(LossReason::Expired));
    }
    granted(next).await.release().await.unwrap();
    assert_empty(&other, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_short_gap_changes_nothing_for_holder_and_waiter() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t33");
    let semaphore = Semaphore::new(&lane.client, &path, 1).unwrap();
    let lease = semaphore.acquire().await.unwrap();
    eventually("the gate is free", async || {
        semaphore.queue_position().await.unwrap() == 0
    })
    .await;
    let waiting = queued(&semaphore, 0).await;
    eventually("it waits", async || semaphore.held().await.unwrap() == 2).await;
    let before = children(&client, &format!("{path}/leases")).await.len();
    let mut states = lease.states();
    assert_eq!(states.next().await, Some(GuardState::Held));
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    assert_eq!(states.next().await, Some(GuardState::Suspended));
    eventually("suspended", async || {
        lane.client.state() == State::Suspended
    })
    .await;
    lane.proxy.admit().unwrap();
    assert_eq!(states.next().await, Some(GuardState::Held));
    assert_eq!(
        children(&client, &format!("{path}/leases")).await.len(),
        before
    );
    assert!(!waiting.is_finished());
    // What happens without a link is seen when it is back.
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    client.delete(lease.path(), None).await.unwrap();
    lane.proxy.admit().unwrap();
    granted(waiting).await.release().await.unwrap();
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_closing_the_client_ends_every_wait() {
    let server = server().await;
    let other = connect(&server).await;
    let path = fresh_path("t42");
    let client = connect(&server).await;
    let semaphore = Semaphore::new(&client, &path, 1).unwrap();
    let lease = semaphore.acquire().await.unwrap();
    eventually("the gate is free", async || {
        semaphore.queue_position().await.unwrap() == 0
    })
    .await;
    let waiting = [queued(&semaphore, 0).await, queued(&semaphore, 1).await];
    client.close().await.unwrap();
    for task in waiting {
        let ended = tokio::time::timeout(PATIENCE, task).await.unwrap();
        let error = ended.unwrap().unwrap_err();
        assert!(
            matches!(error, LockError::Client(Error::Closed { .. })),
            "{error:?}"
        );
    }
    let closed = GuardState::Lost(LossReason::Closed);
    eventually("the lease is lost", async || lease.state() == closed).await;
    assert_empty(&other, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t29_any_one_frame_may_be_lost() {
    let opcodes = [
        op::CREATE2,
        op::GET_CHILDREN,
        op::EXISTS,
        op::GET_DATA,
        op::SET_DATA,
        op::DELETE,
        op::EVENT,
    ];
    let server = server().await;
    for opcode in opcodes {
        for way in [Direction::Request, Direction::Reply] {
            for nth in 1..=3 {
                lose(&server, opcode, way, nth).await;
            }
        }
    }
}

/// Two on one flaky link and a third one on a good link, for two leases: all get one, none is left.
async fn lose(server: &str, opcode: i32, way: Direction, nth: usize) {
    let lane = Lane::open().await;
    let path = fresh_path("t29");
    let client = connect(server).await;
    let flaky = Semaphore::new(&lane.client, &path, 2).unwrap();
    let steady = Semaphore::new(&client, &path, 2).unwrap();
    flaky.acquire().await.unwrap().release().await.unwrap();
    let rule = match way {
        Direction::Request => Rule::request(opcode),
        Direction::Reply => Rule::reply(opcode),
    };
    lane.proxy.install(rule.nth(nth).then(Action::Cut));
    let tasks = [(&flaky, 1), (&steady, 2), (&flaky, 2)].map(|(semaphore, leases)| {
        let semaphore = semaphore.clone();
        tokio::spawn(async move {
            let leases = semaphore.acquire_many_timeout(leases, PATIENCE).await?;
            tokio::time::sleep(Duration::from_millis(1)).await;
            for lease in leases {
                lease.release().await?;
            }
            Ok::<_, LockError>(())
        })
    });
    for task in tasks {
        let result = task.await.unwrap();
        assert!(result.is_ok(), "{way:?} {nth} of {opcode}: {result:?}");
    }
    assert_empty(&client, &path).await;
}
