//! Lost replies, lost links and lost sessions.

use std::time::Duration;

use lockkeeper::{Error, State};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{CandidateState, Election, LockError, LossReason};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::{election, ids, joined, leading, state};

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_candidate_whose_create_is_lost_stands_once() {
    for rule in [
        Rule::reply(op::CREATE2).then(Action::Cut),
        Rule::request(op::CREATE2).then(Action::CutAt(40)),
    ] {
        let lane = Lane::open().await;
        let path = fresh_path("t21");
        let election = election(&lane.client, &path, "a");
        election.lead().await.unwrap().resign().await.unwrap();
        let lost = lane.proxy.install(rule);
        let candidate = election.join();
        let leader = leading(&candidate).await;
        assert!(lost.fired());
        assert_eq!(children(&lane.client, &path).await.len(), 1);
        let stat = lane.client.exists(leader.path()).await.unwrap().unwrap();
        assert_eq!(leader.fence().get(), stat.czxid.0);
        candidate.close().await.unwrap();
        assert_clean(&lane.client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requeueing_whose_reply_or_request_is_lost_is_done_once() {
    for rule in [
        Rule::reply(op::MULTI).then(Action::Cut),
        Rule::request(op::MULTI).then(Action::Cut),
    ] {
        let lane = Lane::open().await;
        let client = connect(&server().await).await;
        let path = fresh_path("requeue");
        let (a, b) = (
            election(&lane.client, &path, "a"),
            election(&client, &path, "b"),
        );
        let (first, second) = (joined(&a, 0).await, joined(&b, 1).await);
        let term = leading(&first).await;
        let lost = lane.proxy.install(rule);
        let resigned = tokio::time::timeout(PATIENCE, first.resign()).await;
        resigned.unwrap().unwrap();
        assert!(lost.fired());
        leading(&second).await;
        assert_eq!(ids(&b).await, ["b", "a"]);
        second.close().await.unwrap();
        assert!(leading(&first).await.fence() > term.fence());
        first.close().await.unwrap();
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_closed_in_the_middle_of_requeueing_leaves_nothing() {
    for direction in [Direction::Request, Direction::Reply] {
        let lane = Lane::open().await;
        let client = connect(&server().await).await;
        let path = fresh_path("closed");
        let election = election(&lane.client, &path, "a");
        let candidate = joined(&election, 0).await;
        leading(&candidate).await;
        let rule = match direction {
            Direction::Request => Rule::request(op::MULTI),
            Direction::Reply => Rule::reply(op::MULTI),
        };
        let held = lane.proxy.install(rule.then(Action::Hold));
        let resigning = tokio::spawn(candidate.resign());
        held.await_fired(PATIENCE).unwrap();
        let closing = tokio::spawn(candidate.close());
        lane.proxy.cut();
        let both = async { (resigning.await.unwrap(), closing.await.unwrap()) };
        let (resigned, closed) = tokio::time::timeout(PATIENCE, both).await.unwrap();
        resigned.unwrap();
        closed.unwrap();
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_closed_while_it_resigns_waits_for_the_znode_of_its_term() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("pending");
    let election = election(&lane.client, &path, "a");
    let candidate = joined(&election, 0).await;
    leading(&candidate).await;
    // The transaction never arrives, so the znode is left to a deletion of its own.
    let moved = lane
        .proxy
        .install(Rule::request(op::MULTI).then(Action::Hold));
    let deleted = lane
        .proxy
        .install(Rule::request(op::DELETE).then(Action::Hold));
    drop(candidate.resign());
    moved.await_fired(PATIENCE).unwrap();
    let closing = tokio::spawn(candidate.close());
    lane.proxy.cut();
    deleted.await_fired(PATIENCE).unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), async {
        while !closing.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(early.await.is_err(), "closed before its znode is gone");
    deleted.release();
    let closed = tokio::time::timeout(PATIENCE, closing).await.unwrap();
    closed.unwrap().unwrap();
    assert_eq!(children(&client, &path).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_lost_in_the_middle_of_requeueing_is_reported_and_the_candidate_stands_again() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("twice");
    let election = election(&lane.client, &path, "a");
    let candidate = joined(&election, 0).await;
    let term = leading(&candidate).await;
    let held = lane
        .proxy
        .install(Rule::request(op::MULTI).then(Action::Hold));
    let resigning = tokio::spawn(candidate.resign());
    held.await_fired(PATIENCE).unwrap();
    client.delete(term.path(), None).await.unwrap();
    held.release();
    let lost = LockError::Lost(LossReason::NodeDeleted);
    assert_eq!(resigning.await.unwrap(), Err(lost));
    let fence = term.fence();
    state(
        &candidate,
        |state| matches!(state, CandidateState::Leading(next) if *next > fence),
    )
    .await;
    assert_eq!(children(&client, &path).await.len(), 1);
    candidate.close().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t69_two_gaps_in_a_row_change_nothing() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t69");
    let here = election(&lane.client, &path, "a");
    let (leader, waiter) = (joined(&here, 0).await, joined(&here, 1).await);
    let term = leading(&leader).await;
    let names = children(&client, &path).await;
    let mut states = waiter.states();
    assert_eq!(states.next().await, Some(CandidateState::Waiting));
    for _ in 0..2 {
        let connections = lane.proxy.seen().last().unwrap().connection;
        lane.proxy.cut();
        eventually("a new link", async || {
            lane.client.state() == State::Connected
                && lane.proxy.seen().last().unwrap().connection > connections
        })
        .await;
    }
    state(&leader, |state| {
        *state == CandidateState::Leading(term.fence())
    })
    .await;
    term.confirm().await.unwrap();
    assert_eq!(waiter.state(), CandidateState::Waiting);
    assert_eq!(children(&client, &path).await.len(), names.len());
    assert!(
        children(&client, &path)
            .await
            .iter()
            .all(|name| names.contains(name))
    );
    leader.close().await.unwrap();
    leading(&waiter).await;
    waiter.close().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t73_a_resignation_without_a_link_stays_pending() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t73");
    let (a, b) = (
        election(&lane.client, &path, "a"),
        election(&client, &path, "b"),
    );
    let (first, second) = (joined(&a, 0).await, joined(&b, 1).await);
    leading(&first).await;
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    eventually("suspended", async || {
        lane.client.state() == State::Suspended
    })
    .await;
    let resigning = tokio::spawn(first.resign());
    state(&first, |state| *state == CandidateState::Waiting).await;
    assert_eq!(ids(&b).await, ["a", "b"]);
    assert!(!resigning.is_finished());
    lane.proxy.admit().unwrap();
    let resigned = tokio::time::timeout(PATIENCE, resigning).await.unwrap();
    resigned.unwrap().unwrap();
    assert_eq!(ids(&b).await, ["b", "a"]);
    leading(&second).await;
    first.close().await.unwrap();
    second.close().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_t31_a_session_that_dies_ends_leading_and_waiting() {
    let server = server().await;
    let client = connect(&server).await;
    let other = connect(&server).await;
    let path = fresh_path("t30");
    let election_here = election(&client, &path, "a");
    let (leader, waiter) = (
        joined(&election_here, 0).await,
        joined(&election_here, 1).await,
    );
    let next = joined(&election(&other, &path, "b"), 2).await;
    let fence = leading(&leader).await.fence();
    kill_session(&server, &client).await;
    let ended = |state: &CandidateState| matches!(state, CandidateState::Ended(_));
    let lost = LockError::Lost(LossReason::Expired);
    assert_eq!(state(&leader, ended).await, CandidateState::Ended(lost));
    let end = state(&waiter, ended).await;
    assert!(
        matches!(
            end,
            CandidateState::Ended(LockError::Client(Error::SessionExpired { .. }))
        ),
        "{end:?}"
    );
    assert!(leading(&next).await.fence() > fence);
    next.close().await.unwrap();
    leader.close().await.unwrap();
    assert_clean(&other, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t29_any_one_reply_may_be_lost() {
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

/// Two on one flaky link and a third one on a good link: all lead once, none is left.
async fn lose(server: &str, opcode: i32, way: Direction, nth: usize) {
    let lane = Lane::open().await;
    let path = fresh_path("t29");
    let client = connect(server).await;
    let publishing = |client| {
        Election::builder(client, &path)
            .publish(true)
            .build()
            .unwrap()
    };
    let (flaky, steady) = (publishing(&lane.client), publishing(&client));
    flaky.lead().await.unwrap().resign().await.unwrap();
    let rule = match way {
        Direction::Request => Rule::request(opcode),
        Direction::Reply => Rule::reply(opcode),
    };
    lane.proxy.install(rule.nth(nth).then(Action::Cut));
    let tasks = [&flaky, &steady, &flaky].map(|election| {
        let candidate = election.join();
        tokio::spawn(async move {
            let leader = candidate.await_leadership().await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
            let fence = leader.fence();
            candidate.resign().await?;
            candidate.close().await?;
            Ok::<_, LockError>(fence)
        })
    });
    for task in tasks {
        let led = tokio::time::timeout(PATIENCE, task).await;
        let result = led.expect("in time").unwrap();
        assert!(result.is_ok(), "{way:?} {nth} of {opcode}: {result:?}");
    }
    assert_clean(&client, &path).await;
}
