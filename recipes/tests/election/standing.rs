//! Who leads, in which order, and what others see.

use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use lockkeeper_e2e::proxy::{Direction, op};
use lockkeeper_recipes::{
    CandidateState, Election, ElectionLayout, Fence, GuardState, LockError, LossReason,
};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::{election, ids, joined, leading, state};

#[tokio::test(flavor = "multi_thread")]
async fn t68_one_leads_per_fence_and_observers_see_each_in_order() {
    const CANDIDATES: usize = 10;
    let server = server().await;
    let path = fresh_path("t68");
    let watching = connect(&server).await;
    let all = election(&watching, &path, "");
    let mut standing = Vec::new();
    for number in 0..CANDIDATES {
        let client = connect(&server).await;
        let builder = Election::builder(&client, &path).id(format!("candidate {number}"));
        let candidate = joined(&builder.publish(true).build().unwrap(), number).await;
        standing.push((client, candidate));
    }
    let mut observers = [all.observe(), all.observe()];
    let mut fences = Vec::new();
    for number in 0..CANDIDATES {
        let leader = leading(&standing[0].1).await;
        fences.push(leader.fence());
        for (_, other) in &standing[1..] {
            assert_eq!(other.state(), CandidateState::Waiting);
        }
        for observer in &mut observers {
            let seen = tokio::time::timeout(PATIENCE, observer.next()).await;
            let seen = seen.unwrap().unwrap();
            assert_eq!(seen.id, format!("candidate {number}"));
            assert_eq!(
                (seen.fence, seen.path.as_str()),
                (leader.fence(), leader.path())
            );
            assert!(seen.is_confirmed);
        }
        let (client, candidate) = standing.remove(0);
        kill_session(&server, &client).await;
        let end = state(&candidate, |state| {
            matches!(state, CandidateState::Ended(_))
        })
        .await;
        let reason = LossReason::Expired;
        assert_eq!(end, CandidateState::Ended(LockError::Lost(reason)));
        assert_eq!(leader.state(), GuardState::Lost(reason));
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    assert_clean(&watching, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_are_listed_with_what_others_need_to_know() {
    let server = server().await;
    let clients = join_all((0..3).map(|_| connect(&server))).await;
    for layout in [
        ElectionLayout::Latch,
        ElectionLayout::Selector,
        ElectionLayout::Kazoo,
    ] {
        let path = fresh_path("list");
        let mut standing = Vec::new();
        for (position, client) in clients.iter().enumerate() {
            let builder = Election::builder(client, &path).id(format!("número {position}"));
            standing.push(joined(&builder.layout(layout).build().unwrap(), position).await);
        }
        let all = election(&clients[0], &path, "");
        let leader = leading(&standing[0]).await;
        let seen = all.candidates().await.unwrap();
        assert_eq!(
            (seen[0].fence, seen[0].path.as_str()),
            (leader.fence(), leader.path())
        );
        for (position, (client, candidate)) in clients.iter().zip(&seen).enumerate() {
            assert_eq!(candidate.id, format!("número {position}"));
            assert_eq!(candidate.position, position);
            assert_eq!(candidate.session, client.session_id());
            assert!(candidate.queued_ms > 1_600_000_000_000);
        }
        drop(standing);
        assert_clean(&clients[0], &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_by_the_hundred_are_listed_in_order() {
    let client = connect(&server().await).await;
    let path = fresh_path("many");
    let all = election(&client, &path, "somebody");
    let standing: Vec<_> = (0..150).map(|_| all.join()).collect();
    eventually("all have joined", async || ids(&all).await.len() == 150).await;
    let fences: Vec<Fence> = all
        .candidates()
        .await
        .unwrap()
        .iter()
        .map(|it| it.fence)
        .collect();
    assert!(fences.is_sorted_by(|a, b| a < b));
    drop(standing);
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_election_costs_one_round_trip() {
    let lane = Lane::open().await;
    let path = fresh_path("free");
    let election = election(&lane.client, &path, "a");
    election.lead().await.unwrap().resign().await.unwrap();
    let before = lane.proxy.seen().len();
    let leader = election.lead().await.unwrap();
    let seen = lane.proxy.seen()[before..].to_vec();
    let at = |direction, opcode| {
        seen.iter()
            .position(|it| (it.direction, it.opcode) == (direction, opcode))
    };
    let listing = at(Direction::Request, op::GET_CHILDREN);
    assert!(listing < at(Direction::Reply, op::CREATE2), "{seen:?}");
    let stat = lane.client.exists(leader.path()).await.unwrap().unwrap();
    assert_eq!(leader.fence().get(), stat.czxid.0);
    leader.resign().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_resigns_queues_at_the_tail_in_one_transaction() {
    let server = server().await;
    let path = fresh_path("resign");
    let lane = Lane::open().await;
    let a = election(&lane.client, &path, "a");
    let candidate = joined(&a, 0).await;
    let client = connect(&server).await;
    let (b, c) = (election(&client, &path, "b"), election(&client, &path, "c"));
    let (second, _third) = (joined(&b, 1).await, joined(&c, 2).await);
    let first_term = leading(&candidate).await;
    let creates = lane.proxy.count(Direction::Request, op::CREATE2);

    candidate.resign().await.unwrap();
    assert_eq!(ids(&a).await, ["b", "c", "a"]);
    assert_eq!(first_term.state(), GuardState::Lost(LossReason::Resigned));
    assert_eq!(candidate.state(), CandidateState::Waiting);
    assert!(candidate.leader().is_none());
    assert_eq!(lane.proxy.count(Direction::Request, op::MULTI), 1);
    assert_eq!(lane.proxy.count(Direction::Request, op::DELETE), 0);
    assert_eq!(lane.proxy.count(Direction::Request, op::CREATE2), creates);
    leading(&second).await;
    // Who does not lead has nothing to give up.
    candidate.resign().await.unwrap();
    assert_eq!(ids(&a).await, ["b", "c", "a"]);
    second.resign().await.unwrap();
    drop(_third);
    let second_term = leading(&candidate).await;
    assert!(second_term.fence() > first_term.fence());
    assert_eq!(
        candidate.state(),
        CandidateState::Leading(second_term.fence())
    );
    candidate.close().await.unwrap();
    second.close().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_ends_for_all_of_its_handles() {
    let client = connect(&server().await).await;
    let path = fresh_path("handles");
    let election = election(&client, &path, "a");
    let leader = election.lead().await.unwrap();
    let other = leader.clone();
    drop(leader);
    other.confirm().await.unwrap();
    let (another, lost) = (other.clone(), other.lost());
    other.resign().await.unwrap();
    let over = GuardState::Lost(LossReason::Resigned);
    assert_eq!(tokio::time::timeout(PATIENCE, lost).await.unwrap(), over);
    assert_eq!(another.state(), over);
    let error = another.confirm().await.unwrap_err();
    assert_eq!(error, LockError::Lost(LossReason::Resigned));
    another.resign().await.unwrap();

    // A candidate stands again when a handle of its term resigns.
    let candidate = election.join();
    let term = leading(&candidate).await;
    let fence = term.fence();
    term.resign().await.unwrap();
    let next = state(
        &candidate,
        |state| matches!(state, CandidateState::Leading(next) if *next > fence),
    );
    next.await;
    candidate.close().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_may_be_tried_for_or_awaited_for_a_time() {
    let client = connect(&server().await).await;
    let path = fresh_path("try");
    let election = election(&client, &path, "a");
    let leader = election.try_lead().await.unwrap();
    assert_eq!(election.try_lead().await.unwrap_err(), LockError::Busy);
    let short = Duration::from_millis(50);
    assert_eq!(
        election.lead_timeout(short).await.unwrap_err(),
        LockError::TimedOut
    );
    let deadline = client.now() + short;
    assert_eq!(
        election.lead_until(deadline).await.unwrap_err(),
        LockError::TimedOut
    );
    eventually("the others have left", async || {
        children(&client, &path).await.len() == 1
    })
    .await;
    leader.resign().await.unwrap();
    election
        .lead_timeout(PATIENCE)
        .await
        .unwrap()
        .resign()
        .await
        .unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_come_in_order_and_end() {
    let client = connect(&server().await).await;
    let path = fresh_path("states");
    let election = election(&client, &path, "a");
    let blocker = election.lead().await.unwrap();
    let candidate = joined(&election, 1).await;
    let mut states = candidate.states();
    assert_eq!(states.next().await, Some(CandidateState::Waiting));
    // A future that is dropped, as in a `select`, has told nothing and forgets nothing.
    assert_eq!(states.next().now_or_never(), None);
    assert_eq!(states.next().now_or_never(), None);
    blocker.resign().await.unwrap();
    let leading = states.next().await;
    let fence = candidate.leader().unwrap().fence();
    assert_eq!(leading, Some(CandidateState::Leading(fence)));
    let late = candidate.states();
    candidate.close().await.unwrap();
    assert_eq!(states.next().await, Some(CandidateState::Closed));
    for mut stream in [states, late] {
        while let Some(state) = stream.next().await {
            assert_eq!(state, CandidateState::Closed);
        }
    }
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_t43_dropping_at_any_moment_leaves_nothing() {
    let client = connect(&server().await).await;
    for contended in [false, true] {
        // The parents are missing in the first rounds, so that their creation is cut short too.
        for micros in (0..4000).step_by(100) {
            let path = fresh_path("t39");
            let builder = Election::builder(&client, &path).publish(true);
            let election = builder.build().unwrap();
            let leader = match contended {
                true => Some(election.lead().await.unwrap()),
                false => None,
            };
            let cut = Duration::from_micros(micros);
            drop(tokio::time::timeout(cut, election.lead()).await);
            let candidate = election.join();
            drop(tokio::time::timeout(cut, candidate.await_leadership()).await);
            let resigning = candidate.resign();
            drop(tokio::time::timeout(cut, resigning).await);
            drop(candidate);
            drop(leader);
            let next = election.lead_timeout(PATIENCE).await.unwrap();
            next.resign().await.unwrap();
            assert_clean(&client, &path).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_closing_the_client_ends_every_candidate() {
    let server = server().await;
    let other = connect(&server).await;
    let path = fresh_path("t42");
    let client = connect(&server).await;
    let election = election(&client, &path, "a");
    let standing = [joined(&election, 0).await, joined(&election, 1).await];
    let leader = leading(&standing[0]).await;
    client.close().await.unwrap();
    for candidate in &standing {
        state(candidate, |state| matches!(state, CandidateState::Ended(_))).await;
        assert!(candidate.await_leadership().await.is_err());
        assert!(candidate.leader().is_none());
    }
    assert_eq!(leader.state(), GuardState::Lost(LossReason::Closed));
    assert_clean(&other, &path).await;
}
