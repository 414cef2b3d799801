//! Work that is done as leader and stops with leadership.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lockkeeper::{Error, State};
use lockkeeper_recipes::{Election, GuardState, LockError, LossPolicy, LossReason};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::{election, ids};

/// Tells when it is dropped.
struct Tell(UnboundedSender<&'static str>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_ends_the_term() {
    let client = connect(&server().await).await;
    let path = fresh_path("body");
    let election = election(&client, &path, "a");
    for round in 0..3 {
        let value = election
            .run(async |leader| {
                leader.confirm().await.unwrap();
                round
            })
            .await;
        assert_eq!(value.unwrap(), round);
        assert_eq!(children(&client, &path).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t72_a_body_is_cancelled_with_its_term_and_runs_again_in_the_next() {
    // The gap between lease and session is to be long enough for a slow machine.
    let lane = Lane::open_for(Duration::from_secs(9)).await;
    let path = fresh_path("t72");
    let (tell, mut told) = unbounded_channel();
    let builder = Election::builder(&lane.client, &path).id("runner");
    let election = builder.build().unwrap();
    let terms = Arc::new(AtomicU32::new(0));
    let running = {
        let terms = Arc::clone(&terms);
        tokio::spawn(async move {
            election
                .run(|leader| {
                    let term = terms.fetch_add(1, Ordering::Relaxed);
                    let tell = tell.clone();
                    async move {
                        let _ = tell.send("started");
                        let told = Tell(tell);
                        if term == 0 {
                            pending::<()>().await;
                        }
                        drop(told);
                        leader.fence()
                    }
                })
                .await
        })
    };
    let mut next = async || {
        let told = tokio::time::timeout(PATIENCE, told.recv()).await;
        told.expect("in time").unwrap()
    };
    assert_eq!(next().await, "started");
    let first = crate::election(&lane.client, &path, "")
        .candidates()
        .await
        .unwrap();
    let other = connect(&server().await).await;
    let watcher = crate::election(&other, &path, "");

    // The link is gone for longer than the lease, but not for longer than the session.
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    assert_eq!(next().await, "dropped");
    lane.proxy.admit().unwrap();
    let outcome = async {
        assert_eq!(next().await, "started");
        assert_eq!(next().await, "dropped");
        running.await.unwrap()
    };
    match tokio::time::timeout(PATIENCE, outcome).await.unwrap() {
        Ok(fence) => assert!(fence > first[0].fence),
        Err(error) => panic!("the session was to outlive the gap: {error}"),
    }
    assert_eq!(terms.load(Ordering::Relaxed), 2);
    assert_eq!(ids(&watcher).await, [""; 0]);
    assert_clean(&other, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strict_policy_stops_at_the_first_sign() {
    for policy in [LossPolicy::Strict, LossPolicy::Deadline] {
        let lane = Lane::open().await;
        let path = fresh_path("strict");
        let builder = Election::builder(&lane.client, &path).policy(policy);
        let election = builder.build().unwrap();
        let candidate = election.join();
        let leader = crate::leading(&candidate).await;
        let fence = leader.fence();
        let lost = tokio::spawn(leader.lost());
        lane.proxy.refuse().unwrap();
        lane.proxy.cut();
        eventually("suspended", async || {
            lane.client.state() == State::Suspended
        })
        .await;
        crate::state(&candidate, |state| {
            *state == lockkeeper_recipes::CandidateState::Suspended(fence)
        })
        .await;
        match policy {
            LossPolicy::Strict => {
                assert_eq!(lost.await.unwrap(), GuardState::Suspended);
                assert!(!leader.is_leading() && candidate.leader().is_none());
            }
            _ => {
                assert!(leader.is_leading() && candidate.leader().is_some());
                assert!(!lost.is_finished());
            }
        }
        lane.proxy.admit().unwrap();
        // The same term goes on.
        assert_eq!(crate::leading(&candidate).await.fence(), fence);
        candidate.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_stands_again_under_a_session_that_is_over() {
    let server = server().await;
    let client = connect(&server).await;
    let path = fresh_path("over");
    let (tell, mut told) = unbounded_channel();
    let election = election(&client, &path, "a");
    let running = tokio::spawn(async move {
        election
            .run(|_| {
                let _ = tell.send("started");
                pending::<()>()
            })
            .await
    });
    assert_eq!(told.recv().await, Some("started"));
    kill_session(&server, &client).await;
    let ended = tokio::time::timeout(PATIENCE, running).await;
    let error = ended.expect("in time").unwrap().unwrap_err();
    assert!(
        matches!(error, LockError::Client(Error::SessionExpired { .. })),
        "{error:?}"
    );
    assert_clean(&connect(&server).await, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_in_a_term_that_is_over_is_told() {
    let client = connect(&server().await).await;
    let path = fresh_path("late");
    let election = election(&client, &path, "a");
    let over = GuardState::Lost(LossReason::NodeDeleted);
    let ended = election
        .run(async |leader| {
            let mut states = leader.states();
            client.delete(leader.path(), None).await.unwrap();
            // Sees the loss in the same poll in which it would be cancelled, and is asked first.
            while states.next().await != Some(over) {}
        })
        .await;
    assert_eq!(ended, Err(LockError::Lost(LossReason::NodeDeleted)));
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_panic_in_the_body_ends_the_term() {
    let client = connect(&server().await).await;
    let path = fresh_path("t44");
    let election = election(&client, &path, "a");
    let standing = election.clone();
    let panicked = tokio::spawn(async move { standing.run(async |_| panic!("on purpose")).await });
    assert!(panicked.await.unwrap_err().is_panic());
    election.lead().await.unwrap().resign().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_deletes_the_leader_cancels_its_body() {
    let client = connect(&server().await).await;
    let path = fresh_path("operator");
    let election = election(&client, &path, "a");
    let (tell, mut told) = unbounded_channel();
    let running = tokio::spawn(async move {
        let mut terms = 0;
        election
            .run(move |leader| {
                terms += 1;
                let (last, tell) = (terms == 2, tell.clone());
                async move {
                    let _ = tell.send(leader.path().to_owned());
                    match last {
                        true => leader.state(),
                        false => pending().await,
                    }
                }
            })
            .await
    });
    let first = told.recv().await.unwrap();
    client.delete(&first, None).await.unwrap();
    let second = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
    assert_ne!(second.unwrap(), first);
    assert_eq!(running.await.unwrap().unwrap(), GuardState::Held);
    assert_clean(&client, &path).await;
}
