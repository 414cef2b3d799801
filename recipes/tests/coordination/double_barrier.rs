//! The double barrier: who is counted in, who is not, and how they come out.

use std::time::Duration;

use lockkeeper::path::join;
use lockkeeper::{Client, CreateMode};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{DoubleBarrier, GuardState, LossReason, Party, RecipeError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::common::{
    Lane, PATIENCE, children, connect, eventually, fresh_path, kill_session, server,
};

/// Enters on clients of their own, and returns them in the order in which they came in.
async fn enter(clients: &[Client], path: &str) -> Vec<Party> {
    let mut parties = JoinSet::new();
    for client in clients {
        let barrier = DoubleBarrier::new(client, path, clients.len()).unwrap();
        parties.spawn(async move { barrier.enter_timeout(PATIENCE).await.unwrap() });
    }
    parties.join_all().await
}

async fn clients(count: usize) -> Vec<Client> {
    let server = server().await;
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(connect(&server).await);
    }
    clients
}

/// Waits until so many parties stand before the barrier.
async fn arrived(client: &Client, path: &str, count: usize) {
    eventually("arrived", async || {
        children(client, path).await.len() == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t77_nobody_enters_with_four_of_five() {
    let lane = Lane::open().await;
    let path = fresh_path("t77");
    let all = clients(6).await;
    let mut waiting = JoinSet::new();
    for client in &all[..3] {
        let barrier = DoubleBarrier::new(client, &path, 5).unwrap();
        waiting.spawn(async move { barrier.enter().await });
    }
    let flaky = DoubleBarrier::new(&lane.client, &path, 5).unwrap();
    waiting.spawn(async move { flaky.enter().await });
    arrived(&all[0], &path, 4).await;

    // Session events, a party that gives up, and a child that is no party make no fifth.
    lane.proxy.cut();
    let ghost = DoubleBarrier::new(&all[4], &path, 5).unwrap();
    let foreign = join(&path, "foreign");
    all[4]
        .create(&foreign, "", CreateMode::Persistent)
        .await
        .unwrap();
    all[4]
        .create(&join(&path, "other"), "", CreateMode::Ephemeral)
        .await
        .unwrap();
    eventually("the link is back", async || {
        lane.client.exists(&path).await.is_ok()
    })
    .await;
    assert!(waiting.try_join_next().is_none());
    assert!(!children(&all[0], &path).await.contains(&"ready".to_owned()));

    let fifth = ghost.enter().await.unwrap();
    let mut parties = vec![fifth];
    while let Some(entered) = timeout(PATIENCE, waiting.join_next()).await.unwrap() {
        parties.push(entered.unwrap().unwrap());
    }
    assert_eq!(parties.len(), 5);
    let members = parties[0].members().unwrap().to_vec();
    assert_eq!(members.len(), 5);
    assert!(
        parties
            .iter()
            .all(|party| party.members() == Some(&members[..]))
    );

    let late = DoubleBarrier::new(&all[5], &path, 5).unwrap();
    let refused = late.enter().await.unwrap_err();
    assert!(matches!(refused, RecipeError::Conflict { .. }), "{refused}");

    let leaving = parties
        .into_iter()
        .map(|party| party.leave_timeout(PATIENCE));
    for left in futures::future::join_all(leaving).await {
        left.unwrap();
    }
    let mut rest = children(&all[0], &path).await;
    rest.sort();
    assert_eq!(rest, ["foreign", "other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t77_a_party_that_timed_out_is_not_counted() {
    let path = fresh_path("t77-ghost");
    let all = clients(2).await;
    let first = DoubleBarrier::new(&all[0], &path, 2).unwrap();
    let second = DoubleBarrier::new(&all[1], &path, 2).unwrap();
    for _ in 0..5 {
        let timed_out = first.enter_timeout(Duration::from_millis(20)).await;
        assert_eq!(timed_out.unwrap_err(), RecipeError::TimedOut);
    }
    arrived(&all[0], &path, 0).await;
    let entering = tokio::spawn(async move { second.enter().await });
    arrived(&all[0], &path, 1).await;
    assert!(!entering.is_finished());
    let party = first.enter_timeout(PATIENCE).await.unwrap();
    let other = entering.await.unwrap().unwrap();
    drop(other);
    party.leave_timeout(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t78_a_crash_of_the_lowest_or_the_highest_holds_nobody() {
    let server = server().await;
    for highest in [false, true] {
        let path = fresh_path("t78");
        let all = clients(4).await;
        let mut parties = enter(&all, &path).await;
        parties.sort_by(|a, b| a.path().cmp(b.path()));
        let victim = if highest {
            parties.pop().unwrap()
        } else {
            parties.remove(0)
        };
        let mut owner = None;
        for client in &all {
            let stat = client.exists(victim.path()).await.unwrap().unwrap();
            if stat.ephemeral_owner == client.session_id() {
                owner = Some(client);
            }
        }
        let leaving: Vec<_> = parties
            .into_iter()
            .map(|party| tokio::spawn(party.leave_timeout(PATIENCE)))
            .collect();
        kill_session(&server, owner.unwrap()).await;
        let lost = timeout(PATIENCE, victim.lost()).await.unwrap();
        assert_eq!(lost, GuardState::Lost(LossReason::Expired));
        for left in leaving {
            left.await.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t78_rounds_follow_each_other() {
    let path = fresh_path("t78-rounds");
    let all = clients(3).await;
    let mut runs = JoinSet::new();
    for client in &all {
        let barrier = DoubleBarrier::new(client, &path, all.len()).unwrap();
        runs.spawn(async move {
            for number in 0..20 {
                let party = barrier.round(number).enter_timeout(PATIENCE).await.unwrap();
                party.leave_timeout(PATIENCE).await.unwrap();
            }
        });
    }
    runs.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t29_a_double_barrier_takes_the_loss_of_any_frame() {
    let opcodes = [
        op::CREATE2,
        op::MULTI,
        op::GET_CHILDREN,
        op::GET_DATA,
        op::EXISTS,
        op::DELETE,
        op::EVENT,
    ];
    for opcode in opcodes {
        for way in [Direction::Request, Direction::Reply] {
            let lane = Lane::open().await;
            let path = fresh_path("t29-double");
            let steady = connect(&server().await).await;
            let rule = match way {
                Direction::Request => Rule::request(opcode),
                Direction::Reply => Rule::reply(opcode),
            };
            lane.proxy.install(rule.then(Action::Cut));
            let parties = enter(&[lane.client.clone(), steady.clone()], &path).await;
            let leaving = parties
                .into_iter()
                .map(|party| party.leave_timeout(PATIENCE));
            for left in futures::future::join_all(leaving).await {
                left.unwrap_or_else(|error| panic!("{way:?} of {opcode}: {error:?}"));
            }
            eventually("nothing is left", async || {
                children(&steady, &path).await.is_empty()
            })
            .await;
        }
    }
}

/// Curator's parties take `ready` away while the last one of the meeting is still to notice it.
#[tokio::test(flavor = "multi_thread")]
async fn t77_a_ready_that_is_gone_again_has_let_in_who_stood_there() {
    let lane = Lane::open().await;
    let other = connect(&server().await).await;
    let path = fresh_path("t77-gone");
    let barrier = DoubleBarrier::new(&lane.client, &path, 2).unwrap();
    let listings = lane.proxy.count(Direction::Reply, op::GET_CHILDREN);
    let entering = tokio::spawn(async move { barrier.enter().await });
    eventually("it has looked", async || {
        lane.proxy.count(Direction::Reply, op::GET_CHILDREN) > listings
    })
    .await;
    let event = lane
        .proxy
        .install(Rule::reply(op::EVENT).then(Action::Hold));
    let ready = join(&path, "ready");
    other
        .create(&ready, "192.0.2.1", CreateMode::Persistent)
        .await
        .unwrap();
    event.await_fired(PATIENCE).unwrap();
    other.delete(&ready, None).await.unwrap();
    event.release();
    let party = timeout(PATIENCE, entering).await.unwrap().unwrap().unwrap();
    assert_eq!(party.members(), None);
    party.leave_timeout(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t48_a_party_whose_znode_is_deleted_does_not_wait_for_ever() {
    let path = fresh_path("t48-double");
    let all = clients(1).await;
    let barrier = DoubleBarrier::new(&all[0], &path, 2).unwrap();
    let entering = tokio::spawn(async move { barrier.enter().await });
    arrived(&all[0], &path, 1).await;
    let own = join(&path, &children(&all[0], &path).await[0]);
    all[0].delete(&own, None).await.unwrap();
    let error = timeout(PATIENCE, entering)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert_eq!(error, RecipeError::Lost(LossReason::NodeDeleted));
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_the_end_of_the_client_ends_the_wait_with_its_own_error() {
    let server = server().await;
    for kill in [false, true] {
        for _ in 0..20 {
            let path = fresh_path("t42-double");
            let client = connect(&server).await;
            let barrier = DoubleBarrier::new(&client, &path, 2).unwrap();
            let entering = tokio::spawn(async move { barrier.enter().await });
            arrived(&client, &path, 1).await;
            match kill {
                true => kill_session(&server, &client).await,
                false => client.close().await.unwrap(),
            }
            let ended = timeout(PATIENCE, entering).await.unwrap().unwrap();
            let error = ended.unwrap_err();
            assert!(matches!(error, RecipeError::Client(_)), "{error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_an_enter_dropped_at_any_moment_leaves_nothing() {
    let all = clients(2).await;
    for micros in (0..4000).step_by(100) {
        let path = fresh_path("t39-double");
        let first = DoubleBarrier::new(&all[0], &path, 2).unwrap();
        let cut = Duration::from_micros(micros);
        drop(timeout(cut, first.enter()).await);
        eventually("nothing is left", async || {
            children(&all[1], &path).await.is_empty()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_must_be_some() {
    let client = connect(&server().await).await;
    for parties in [0, 5_001] {
        assert!(DoubleBarrier::new(&client, "/a", parties).is_err());
    }
}
