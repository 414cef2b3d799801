//! Strict locks: fences that are written, deadlines that a quorum vouches for.

use std::time::Duration;

use lockkeeper::{Client, Error};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{GuardState, Identity, LockError, LossReason, Mutex};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, enqueue, fresh_path, granted, kill_session,
    other_contender, prepared, server,
};

fn strict(client: &Client, path: &str) -> Mutex {
    let builder = Mutex::builder(client, path).strict(true);
    builder.label("strict").build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_fence_is_the_zxid_of_a_write_by_the_holder() {
    let lane = Lane::open().await;
    let (client, path) = (&lane.client, fresh_path("strict"));
    prepared(client, &path).await;
    let lock = strict(client, &path);
    let first = lock.lock().await.unwrap();
    assert_eq!(lane.proxy.count(Direction::Request, op::SET_DATA), 1);
    let next = enqueue(&lock, 1).await;

    let znode = client.get(first.path()).await.unwrap();
    assert_eq!(first.fence().get(), znode.stat.mzxid.0);
    assert!(znode.stat.mzxid > znode.stat.czxid);
    let holder = lock.holder().await.unwrap().unwrap();
    assert_eq!(holder.fence, Some(first.fence()));
    let identity = holder.identity.unwrap();
    assert_eq!(identity.label, "strict");
    assert_eq!(identity.pid, Identity::of_process().pid);
    assert!(!first.is_revoked());
    assert_eq!(first.state(), GuardState::Held);
    assert!(first.remaining() > Duration::ZERO);

    let fence = first.fence();
    first.release().await.unwrap();
    let second = granted(next).await;
    assert!(second.fence() > fence);
    assert!(!second.is_revoked());
    // By the end of the first one: the own claim wakes nobody.
    assert_eq!(lock.wakeups(), 1);
    second.release().await.unwrap();
    assert_clean(client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_a_claim_that_finds_its_znode_gone_grants_nothing() {
    for requeue in [false, true] {
        let lane = Lane::open().await;
        let path = fresh_path("t20");
        prepared(&lane.client, &path).await;
        let builder = Mutex::builder(&lane.client, &path).strict(true);
        let lock = builder.requeue(requeue).build().unwrap();
        let claim = lane
            .proxy
            .install(Rule::request(op::SET_DATA).then(Action::Hold));
        let waiting = lock.clone();
        let waiter = tokio::spawn(async move { waiting.lock().await });
        claim.await_fired(PATIENCE).unwrap();
        let operator = connect(&server().await).await;
        let own = other_contender(&operator, &path, "").await;
        operator.delete(&own, None).await.unwrap();
        claim.release();
        if requeue {
            let guard = granted(waiter).await;
            assert_ne!(guard.path(), own);
            guard.release().await.unwrap();
        } else {
            assert_eq!(waiter.await.unwrap().unwrap_err(), LockError::NodeGone);
        }
        assert_clean(&operator, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_a_claim_of_a_session_that_is_over_grants_nothing() {
    let server = server().await;
    let lane = Lane::open().await;
    let path = fresh_path("t20-expired");
    prepared(&lane.client, &path).await;
    let lock = strict(&lane.client, &path);
    let claim = lane
        .proxy
        .install(Rule::request(op::SET_DATA).then(Action::Hold));
    let waiter = tokio::spawn(async move { lock.lock().await });
    claim.await_fired(PATIENCE).unwrap();
    kill_session(&server, &lane.client).await;
    let error = waiter.await.unwrap().unwrap_err();
    assert!(
        matches!(error, LockError::Client(Error::SessionExpired { .. })),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_overwrites_no_revocation_unread() {
    let lane = Lane::open().await;
    let path = fresh_path("revoked");
    prepared(&lane.client, &path).await;
    let lock = strict(&lane.client, &path);
    let claim = lane
        .proxy
        .install(Rule::request(op::SET_DATA).then(Action::Hold));
    let waiting = lock.clone();
    let waiter = tokio::spawn(async move { waiting.lock().await });
    claim.await_fired(PATIENCE).unwrap();
    let revoker = connect(&server().await).await;
    let own = other_contender(&revoker, &path, "").await;
    revoker.set(&own, "__REVOKE__", None).await.unwrap();
    claim.release();
    let guard = granted(waiter).await;
    assert!(guard.is_revoked());
    let holder = lock.holder().await.unwrap().unwrap();
    assert_eq!(holder.fence, Some(guard.fence()));
    // What is written later is a matter of the watch.
    revoker.set(&own, "unlock", None).await.unwrap();
    assert_eq!(lock.holder().await.unwrap().unwrap().fence, None);
    guard.release().await.unwrap();
    assert_clean(&revoker, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_reply_is_lost_is_made_again() {
    for direction in [Direction::Request, Direction::Reply] {
        let lane = Lane::open().await;
        let path = fresh_path("lost");
        prepared(&lane.client, &path).await;
        let rule = match direction {
            Direction::Request => Rule::request(op::SET_DATA),
            Direction::Reply => Rule::reply(op::SET_DATA),
        };
        let lost = lane.proxy.install(rule.then(Action::Cut));
        let guard = strict(&lane.client, &path).lock().await.unwrap();
        assert!(lost.fired());
        let znode = lane.client.get(guard.path()).await.unwrap();
        assert_eq!(guard.fence().get(), znode.stat.mzxid.0);
        assert!(!guard.is_revoked());
        assert_eq!(children(&lane.client, &path).await.len(), 1);
        guard.release().await.unwrap();
        assert_clean(&lane.client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_nobody_wants_any_more_leaves_nothing() {
    let lane = Lane::open().await;
    let path = fresh_path("abandoned");
    prepared(&lane.client, &path).await;
    let lock = strict(&lane.client, &path);
    let client = connect(&server().await).await;
    let claim = lane
        .proxy
        .install(Rule::reply(op::SET_DATA).then(Action::Hold));
    let waiter = tokio::spawn(async move { lock.lock().await });
    claim.await_fired(PATIENCE).unwrap();
    waiter.abort();
    assert!(waiter.await.unwrap_err().is_cancelled());
    assert_clean(&client, &path).await;
    claim.release();
}

/// The deadline is kept ahead by requests of the guard's own, on a client that does nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_hold_outlasts_its_timeout() {
    let lane = Lane::open().await;
    let path = fresh_path("beats");
    let guard = strict(&lane.client, &path).lock().await.unwrap();
    let timeout = lane.client.negotiated_timeout();
    let syncs = lane.proxy.count(Direction::Request, op::SYNC);
    let mut states = guard.states();
    assert_eq!(states.next().await, Some(GuardState::Held));
    let changed = tokio::time::timeout(timeout * 3 / 2, states.next()).await;
    assert!(changed.is_err(), "{changed:?}");
    assert_eq!(guard.state(), GuardState::Held);
    assert!(lane.proxy.count(Direction::Request, op::SYNC) >= syncs + 3);
    guard.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

/// The server answers pings, and reads, and nothing that takes a quorum.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_guard_is_possibly_lost_when_only_pings_are_answered() {
    let lane = Lane::open().await;
    let path = fresh_path("pings");
    let guard = strict(&lane.client, &path).lock().await.unwrap();
    let ordinary = Mutex::new(&lane.client, &format!("{path}-ordinary")).unwrap();
    let ordinary = ordinary.lock().await.unwrap();
    for nth in 1..=100 {
        for opcode in [op::SYNC, op::MULTI] {
            let rule = Rule::request(opcode).nth(nth);
            lane.proxy.install(rule.then(Action::Drop));
        }
    }
    let lost = tokio::time::timeout(PATIENCE, guard.lost()).await.unwrap();
    assert_eq!(lost, GuardState::PossiblyLost);
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert_eq!(ordinary.state(), GuardState::Held);
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_strict_guard_is_held_again_by_a_quorums_word() {
    let lane = Lane::open().await;
    let path = fresh_path("t33-strict");
    let lock = strict(&lane.client, &path);
    let operator = connect(&server().await).await;
    for deleted in [false, true] {
        let guard = lock.lock().await.unwrap();
        let fence = guard.fence();
        let mut states = guard.states();
        assert_eq!(states.next().await, Some(GuardState::Held));
        let checks = lane.proxy.count(Direction::Reply, op::MULTI);
        lane.proxy.refuse().unwrap();
        lane.proxy.cut();
        assert_eq!(states.next().await, Some(GuardState::Suspended));
        assert!(guard.remaining() > Duration::ZERO);
        if deleted {
            operator.delete(guard.path(), None).await.unwrap();
        }
        lane.proxy.admit().unwrap();
        if deleted {
            let lost = GuardState::Lost(LossReason::NodeDeleted);
            assert_eq!(states.next().await, Some(lost));
            continue;
        }
        assert_eq!(states.next().await, Some(GuardState::Held));
        assert!(lane.proxy.count(Direction::Reply, op::MULTI) > checks);
        assert_eq!(guard.fence(), fence);
        guard.release().await.unwrap();
    }
    assert_clean(&operator, &path).await;
}
