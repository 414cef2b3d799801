//! Our client and our mutex while the server they work with dies: alone, or as a leader.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockkeeper::{Client, CreateMode, Outcome, Zxid};
use lockkeeper_e2e::oracle::OracleLink;
use lockkeeper_e2e::{Ensemble, Oracle, Peer, Server, wait};
use tokio::sync::mpsc;

use crate::common::{LONG, assert_clean, connect, eventually, mutex, turn};
use crate::mutexes::OWN;

/// Writes before the leader dies, and again afterwards.
const WRITES: usize = 100;

/// A write either was acknowledged, and is there for good, or its outcome is unknown. The session
/// goes on with another member, and what the client has seen never goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_with_the_leader() {
    for peer in Peer::every() {
        let mut ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        let leader = ensemble.await_leader().expect("someone leads");
        let builder =
            Client::builder(ensemble.connect_string()).session_timeout(Duration::from_secs(10));
        let client = builder.connect().await.expect("a session");
        let session = client.session_id();
        let held = client.create("/held", "", CreateMode::Ephemeral);
        held.await.expect("a free path");
        let parent = client.create("/run", "", CreateMode::Persistent);
        parent.await.expect("a free path");

        let (acknowledged, mut progress) = mpsc::unbounded_channel();
        let writer = tokio::spawn(write_until_closed(client.clone(), acknowledged));
        let mut safe = BTreeSet::new();
        while safe.len() < WRITES {
            safe.insert(progress.recv().await.expect("the writer goes on"));
        }
        ensemble.member_mut(leader).kill().expect("it runs");
        let second = ensemble.await_leader().expect("someone else leads");
        assert_ne!(second, leader, "{peer}");
        let killed_after = safe.len();
        while safe.len() < killed_after + WRITES {
            let next = tokio::time::timeout(LONG, progress.recv()).await;
            safe.insert(
                next.expect("the client moves on")
                    .expect("the writer goes on"),
            );
        }
        progress.close();
        while let Some(path) = progress.recv().await {
            safe.insert(path);
        }
        writer.await.expect("no write breaks the order of zxids");

        assert_eq!(client.session_id(), session, "{peer}");
        let held = client.exists("/held").await.expect("a reply");
        let held = held.expect("the session has lived on");
        assert_eq!(held.ephemeral_owner, session, "{peer}");
        ensemble
            .member_mut(leader)
            .restart()
            .expect("it comes back");
        for member in ensemble.members() {
            let reader = Client::connect(&member.connect_string()).await;
            let reader = reader.expect("a session");
            let lost = missing(&reader, &safe).await;
            assert!(lost.is_empty(), "{peer}: lost {lost:?}");
            reader.close().await.expect("an orderly end");
        }
        client.close().await.expect("an orderly end");
    }
}

/// The same for a server alone, which comes back on what it has on disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_in_a_crash() {
    for peer in Peer::every() {
        let mut server = Server::standalone(peer).expect("it starts");
        let builder =
            Client::builder(server.connect_string()).session_timeout(Duration::from_secs(30));
        let client = builder.connect().await.expect("a session");
        let parent = client.create("/run", "", CreateMode::Persistent);
        parent.await.expect("a free path");
        let (acknowledged, mut progress) = mpsc::unbounded_channel();
        let writer = tokio::spawn(write_until_closed(client.clone(), acknowledged));
        let mut safe = BTreeSet::new();
        for _ in 0..3 {
            let wanted = safe.len() + WRITES;
            while safe.len() < wanted {
                let next = tokio::time::timeout(LONG, progress.recv()).await;
                safe.insert(
                    next.expect("the server is back")
                        .expect("the writer goes on"),
                );
            }
            server.kill().expect("it runs");
            server.restart().expect("it starts on its data");
        }
        progress.close();
        while let Some(path) = progress.recv().await {
            safe.insert(path);
        }
        writer.await.expect("no write breaks the order of zxids");
        let lost = missing(&client, &safe).await;
        assert!(lost.is_empty(), "{peer}: lost {lost:?}");
        client.close().await.expect("an orderly end");
    }
}

/// Those of the paths that are not there.
async fn missing(client: &Client, paths: &BTreeSet<String>) -> Vec<String> {
    client.sync("/run").await.expect("a reply");
    let names = client.children("/run").await.expect("it is there");
    let there: BTreeSet<String> = names.iter().map(|name| format!("/run/{name}")).collect();
    paths.difference(&there).cloned().collect()
}

/// Creates znodes until nobody listens; tells the path of each that the server has acknowledged.
async fn write_until_closed(client: Client, acknowledged: mpsc::UnboundedSender<String>) {
    let mut last = Zxid::ZERO;
    loop {
        let write = client.create("/run/w-", "", CreateMode::PersistentSequential);
        match write.await {
            Ok(created) => {
                let seen = client.last_zxid();
                assert!(created.stat.czxid > last, "{last} then {created:?}");
                assert!(seen >= created.stat.czxid, "{seen} behind {created:?}");
                last = created.stat.czxid;
                if acknowledged.send(created.path).is_err() {
                    return;
                }
            }
            Err(error) => {
                assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
                assert!(!error.is_final(), "{error}");
            }
        }
    }
}

/// The mutex outlives its leader in every language: nobody is let in twice, and those who wait get their turn.
#[test]
fn the_mutex_survives_its_leader() {
    const SESSIONS: u32 = 4;
    const TURNS: u32 = 100;
    for peer in Peer::every() {
        let mut ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        let leader = ensemble.await_leader().expect("someone leads");
        let connect = ensemble.connect_string();
        let oracle = Oracle::start().expect("a loopback port");
        let mut contenders = OWN.map(|(name, own)| {
            let mut contender = own(&connect, "/lock", name).expect("it connects");
            let begun = contender.begin_run(TURNS, oracle.address(), SESSIONS);
            begun.expect("it listens");
            contender
        });
        let turns = || oracle.report().total();
        wait::until("some turns", LONG, || (turns() > 50).then_some(())).expect("they contend");
        ensemble.member_mut(leader).kill().expect("it runs");
        let killed_after = turns();
        for contender in &mut contenders {
            let total = contender.end_run(LONG).unwrap_or_else(|error| {
                let violations = oracle.report().violations;
                panic!("{peer}: {error}\n{violations:?}");
            });
            assert_eq!(total, SESSIONS * TURNS, "{peer}");
        }
        let report = oracle.report();
        assert_eq!(report.violations, [""; 0], "{peer}");
        let turns_of_all = OWN.len() as u32 * SESSIONS * TURNS;
        assert_eq!(report.total(), turns_of_all, "{peer}");
        assert!(report.total() > killed_after, "{peer}: it died too late");
        for contender in contenders {
            contender.quit().expect("an orderly end");
        }
    }
}

/// Members go down and come back one after the other, the leader last, under fifty contenders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t35_a_rolling_restart_loses_no_waiter_and_lets_nobody_in_twice() {
    for peer in Peer::under_test() {
        restart_all(peer).await;
    }
}

async fn restart_all(peer: Peer) {
    const CONTENDERS: usize = 50;
    let mut ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
    let servers = ensemble.connect_string();
    let oracle = Oracle::start().expect("a loopback port");
    let is_over = Arc::new(AtomicBool::new(false));
    let contenders: Vec<_> = (0..CONTENDERS)
        .map(|i| {
            let (servers, is_over) = (servers.clone(), Arc::clone(&is_over));
            tokio::spawn(contend(servers, oracle.address(), i, is_over))
        })
        .collect();
    let all_have_turns = async || {
        let before = oracle.report().entries;
        eventually("a turn for everybody", async || {
            let now = oracle.report().entries;
            let had = |(who, turns)| before.get(who).unwrap_or(&0) < turns;
            now.len() == CONTENDERS && now.iter().all(had)
        })
        .await;
    };
    all_have_turns().await;
    let leader = ensemble.await_leader().expect("someone leads");
    for place in 1..=3 {
        let member = ensemble.member_mut((leader + place) % 3);
        member.terminate(LONG).expect("it runs");
        member.restart().expect("it comes back");
        all_have_turns().await;
    }
    is_over.store(true, Ordering::Relaxed);
    for contender in contenders {
        contender
            .await
            .expect("every turn is granted and given back");
    }
    let report = oracle.report();
    assert_eq!(report.violations, [""; 0]);
    println!("{peer}: {} turns", report.total());
    assert_clean(&connect(&servers, SESSION).await).await;
}

const SESSION: Duration = Duration::from_secs(20);

/// Takes turns until it is over.
async fn contend(servers: String, oracle: SocketAddr, number: usize, is_over: Arc<AtomicBool>) {
    let client = connect(&servers, SESSION).await;
    let mut oracle = OracleLink::open(oracle).await.expect("it listens");
    let (lock, who) = (mutex(&client), format!("contender-{number}"));
    while !is_over.load(Ordering::Relaxed) {
        let guard = lock.lock().await.expect("a grant");
        turn(&mut oracle, &who, &guard).await;
        guard.release().await.expect("it is held");
    }
    client.close().await.expect("an orderly end");
}
