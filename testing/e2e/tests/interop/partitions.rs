//! Our mutex while members of the ensemble lose sight of each other, or lag behind.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lockkeeper::Client;
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_e2e::{Ensemble, Peer, Proxy, Server, Settings};
use lockkeeper_recipes::{GuardState, LossReason, Mutex};

use crate::common::{
    LONG, assert_clean, connect, contenders, enqueue, eventually, granted, mutex, prepared,
};

const SHORT_SESSION: Duration = Duration::from_secs(4);
const LONG_SESSION: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_a_holder_left_with_a_deposed_leader_knows_before_the_majority_grants() {
    for peer in Peer::under_test() {
        depose_the_leader_of_a_holder(peer).await;
    }
}

async fn depose_the_leader_of_a_holder(peer: Peer) {
    let (ensemble, network) =
        Ensemble::start_apart(&[peer; 3], &Settings::default()).expect("it starts");
    let leader = ensemble.await_leader().expect("someone leads");
    let members = ensemble.members();
    let address = |place: usize| members[(leader + place) % 3].connect_string();
    let holder = connect(&address(0), SHORT_SESSION).await;
    let majority = format!("{},{}", address(1), address(2));
    let waiter = connect(&majority, LONG_SESSION).await;
    let guard = prepared(&holder).await.lock().await.expect("a free lock");
    let next = enqueue(&mutex(&waiter), 1).await;

    let lost = tokio::spawn(guard.lost());
    let lost = tokio::spawn(async move { (lost.await, Instant::now()) });
    network.isolate(leader);
    let (next, granted_at) = granted(next).await;
    assert!(lost.is_finished(), "the next holder entered first");
    let (lost, lost_at) = lost.await.expect("it does not panic");
    assert_eq!(lost.expect("it does not panic"), GuardState::PossiblyLost);
    assert!(!guard.state().is_safe());
    println!(
        "told {:?} before the grant",
        granted_at.duration_since(lost_at)
    );
    assert!(next.fence() > guard.fence());
    next.confirm().await.expect("it is held");

    // Back with the others, the deposed leader tells the old holder how it ended.
    network.heal();
    eventually("the end", async || {
        guard.state() == GuardState::Lost(LossReason::Expired)
    })
    .await;
    next.release().await.expect("it is held");
    assert_clean(&waiter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t22_a_follower_that_lags_does_not_hide_what_was_created() {
    for peer in Peer::under_test() {
        create_beside_a_follower_that_lags(peer).await;
    }
}

async fn create_beside_a_follower_that_lags(peer: Peer) {
    let (ensemble, network) =
        Ensemble::start_apart(&[peer; 3], &Settings::default()).expect("it starts");
    let leader = ensemble.await_leader().expect("someone leads");
    let follower = (leader + 1) % 3;
    let members = ensemble.members();
    let proxy = Proxy::start(members[leader].address()).expect("a port is free");
    let client = connect(&proxy.connect_string(), LONG_SESSION).await;
    let beside = connect(&members[leader].connect_string(), LONG_SESSION).await;
    let behind = connect(&members[follower].connect_string(), LONG_SESSION).await;
    let lock = prepared(&client).await;
    behind.sync("/").await.expect("a reply");

    network.hold_commits(follower);
    proxy.redirect(members[follower].address());
    let lost = proxy.install(Rule::reply(op::CREATE2).then(Action::Cut));
    let creates = proxy.count(Direction::Request, op::CREATE2);
    let waiting = lock.clone();
    let waiter = tokio::spawn(async move { waiting.lock().await });
    lost.await_fired(LONG).expect("it creates a contender");
    // The contender is there, but not for those who ask the follower.
    assert_eq!(contenders(&beside).await.len(), 1);
    assert_eq!(contenders(&behind).await.len(), 0);
    // The create's commit, and what the look-up sent ahead of its listing.
    eventually("a sync", async || {
        proxy.count(Direction::Request, op::SYNC) == 1
    })
    .await;
    network.await_held(2, LONG).expect("both wait their turn");
    assert!(!waiter.is_finished());
    network.release_commits();

    let guard = waiter.await.expect("it does not panic").expect("a grant");
    let stat = beside.exists(guard.path()).await.expect("a reply");
    assert_eq!(guard.fence().get(), stat.expect("it is there").czxid.0);
    assert_eq!(contenders(&beside).await.len(), 1);
    assert_eq!(proxy.count(Direction::Request, op::CREATE2), creates + 1);
    guard.release().await.expect("it is held");
    assert_clean(&beside).await;
}

/// The follower goes on answering pings, so the ordinary guard's deadline moves on with them while
/// the leader lets the session expire. The strict guards count what a quorum must have heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36b_a_strict_guard_behind_a_cut_off_follower_knows_before_the_next_grant() {
    for peer in Peer::under_test() {
        cut_off_the_follower_of_a_holder(peer).await;
    }
}

async fn cut_off_the_follower_of_a_holder(peer: Peer) {
    // The follower notices only after syncLimit ticks: long after the sessions are over.
    let settings = Settings::default().config("syncLimit", "60");
    let (ensemble, network) = Ensemble::start_apart(&[peer; 3], &settings).expect("it starts");
    let leader = ensemble.await_leader().expect("someone leads");
    let follower = (leader + 1) % 3;
    let behind = ensemble.members()[follower].connect_string();
    let beside = ensemble.members()[leader].connect_string();
    let waiter = connect(&beside, LONG_SESSION).await;
    let lock = |client: &Client, path: &str, strict: bool| {
        let builder = Mutex::builder(client, path).strict(strict);
        builder.build().expect("a path")
    };
    let (ordinary, strict) = ("/lock/ordinary", "/lock/strict");
    let mut held = Vec::new();
    for (path, is_strict) in [(ordinary, false), (strict, true)] {
        // Sessions of their own: a strict guard makes its whole client leave such a follower.
        let holder = connect(&behind, SHORT_SESSION).await;
        let guard = lock(&holder, path, is_strict).lock().await;
        held.push(guard.expect("a free lock"));
    }
    let [late, told] = &held[..] else {
        unreachable!("two were taken");
    };
    let next_ordinary = enqueue(&lock(&waiter, ordinary, false), 1).await;
    let next_strict = enqueue(&lock(&waiter, strict, true), 1).await;
    assert!(held.iter().all(|guard| guard.state() == GuardState::Held));

    let lost = tokio::spawn(told.lost());
    let lost = tokio::spawn(async move { (lost.await, Instant::now()) });
    network.sever(leader, follower);
    let (next, _) = granted(next_ordinary).await;
    assert_eq!(late.state(), GuardState::Held, "the ordinary bound is late");
    next.release().await.expect("it is held");

    let (next, granted_at) = granted(next_strict).await;
    assert!(lost.is_finished(), "the next holder entered first");
    let (lost, lost_at) = lost.await.expect("it does not panic");
    assert_eq!(lost.expect("it does not panic"), GuardState::PossiblyLost);
    println!(
        "told {:?} before the grant",
        granted_at.duration_since(lost_at)
    );
    assert!(next.fence() > told.fence());
    next.confirm().await.expect("it is held");
    next.release().await.expect("it is held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_a_create_that_arrives_after_its_session_has_moved_makes_no_contender() {
    for peer in Peer::under_test() {
        let ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        let member = |place: usize| ensemble.members()[place].address();
        arrive_late(member(0), member(1)).await;
        let server = Server::standalone(peer).expect("it starts");
        arrive_late(server.address(), server.address()).await;
    }
}

/// Holds a create on its way to one server until the session has gone over to the other.
async fn arrive_late(server: SocketAddr, other: SocketAddr) {
    let proxy = Proxy::start(server).expect("a port is free");
    let client = connect(&proxy.connect_string(), SHORT_SESSION).await;
    let beside = connect(&server.to_string(), LONG_SESSION).await;
    let lock = prepared(&client).await;
    let late = proxy.install(Rule::request(op::CREATE2).then(Action::Hold));
    proxy.redirect(other);
    let waiting = lock.clone();
    let waiter = tokio::spawn(async move { waiting.lock().await });
    late.await_fired(LONG).expect("it creates a contender");
    // Nothing comes over the link any more, so the client leaves it.
    let guard = waiter.await.expect("it does not panic").expect("a grant");
    beside.sync("/").await.expect("a reply");
    let held = contenders(&beside).await;
    assert_eq!(held.len(), 1);
    late.release();
    eventually("the old link is worked off", async || {
        proxy.connections() == 1
    })
    .await;
    // Goes the way of the late create, behind it.
    beside.sync("/").await.expect("a reply");
    assert_eq!(contenders(&beside).await, held);
    guard.confirm().await.expect("it is held");
    guard.release().await.expect("it is held");
    assert_clean(&beside).await;
}
