//! Locks of different libraries on one path: who waits for whom, and that nobody overtakes.

use std::time::Duration;

use lockkeeper_e2e::contend::{Contest, contend};
use lockkeeper_e2e::{Ensemble, MutexPeer, Peer, Server};

const SHORT: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_secs(30);
const PATH: &str = "/lock";

type Connect = fn(&str, &str, &str) -> std::io::Result<MutexPeer>;

const CURATOR: Connect = MutexPeer::curator;
const KAZOO: Connect = MutexPeer::kazoo;
const KAZOO_STOCK: Connect = MutexPeer::kazoo_stock;

/// Holds with one library and knocks with the other; returns whether the newcomer was kept out.
fn waits(server: &Server, holder: Connect, newcomer: Connect) -> bool {
    let connect = server.connect_string();
    let mut holder = holder(&connect, PATH, "holder").expect("it connects");
    let mut newcomer = newcomer(&connect, PATH, "newcomer").expect("it connects");
    let first = holder
        .acquire(LONG)
        .expect("it answers")
        .expect("the lock is free");
    let second = newcomer.acquire(SHORT).expect("it answers");
    let waited = second.is_none();
    if waited {
        newcomer.begin_acquire(LONG).expect("it listens");
        holder.release().expect("it holds");
        let second = newcomer
            .end_acquire(LONG)
            .expect("it answers")
            .expect("the lock is free");
        assert!(second.fence > first.fence, "{first:?} then {second:?}");
    } else {
        holder.release().expect("it holds");
    }
    newcomer.release().expect("it holds");
    holder.quit().expect("an orderly end");
    newcomer.quit().expect("an orderly end");
    waited
}

#[test]
fn curator_and_kazoo_in_its_layout_wait_for_each_other() {
    for peer in Peer::under_test() {
        let server = Server::standalone(peer).expect("it starts");
        assert!(waits(&server, CURATOR, KAZOO), "{peer}");
        assert!(waits(&server, KAZOO, CURATOR), "{peer}");
    }
}

/// The reason why a layout is chosen per path: these two take no notice of each other.
#[test]
fn curator_and_stock_kazoo_walk_past_each_other() {
    let server = Server::standalone(Peer::Apache39).expect("it starts");
    assert!(!waits(&server, CURATOR, KAZOO_STOCK));
    assert!(!waits(&server, KAZOO_STOCK, CURATOR));
    assert!(waits(&server, KAZOO_STOCK, KAZOO_STOCK));
}

#[test]
fn curator_and_kazoo_contend_for_one_lock() {
    for peer in Peer::under_test() {
        let server = Server::standalone(peer).expect("it starts");
        run_contest(&server.connect_string());
    }
}

#[test]
fn curator_and_kazoo_contend_on_an_ensemble() {
    for peer in Peer::under_test() {
        let ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        run_contest(&ensemble.connect_string());
    }
}

/// Shows that the oracle can say no.
#[test]
fn curator_and_stock_kazoo_are_caught_inside_together() {
    let server = Server::standalone(Peer::Apache39).expect("it starts");
    let connect = server.connect_string();
    let mut peers = [
        MutexPeer::curator(&connect, PATH, "curator").expect("it connects"),
        MutexPeer::kazoo_stock(&connect, PATH, "kazoo").expect("it connects"),
    ];
    let contest = Contest {
        sessions: 2,
        acquisitions: 200,
        patience: LONG,
    };
    let error = contend(&mut peers, contest).expect_err("they do not exclude each other");
    assert!(error.to_string().contains("violation"), "{error}");
}

/// Two hundred acquisitions by each library, from four sessions each.
fn run_contest(connect: &str) {
    let contest = Contest {
        sessions: 4,
        acquisitions: 50,
        patience: Duration::from_secs(300),
    };
    let mut peers = vec![
        MutexPeer::curator(connect, PATH, "curator").expect("it connects"),
        MutexPeer::kazoo(connect, PATH, "kazoo").expect("it connects"),
    ];
    let report = contend(&mut peers, contest).expect("everyone finishes");
    assert_eq!(report.violations, [""; 0]);
    assert_eq!(report.total(), 400);
    assert_eq!(report.entries.len(), 8, "{:?}", report.entries);
    assert!(report.handovers > 50, "hardly any contention: {report:?}");
    for peer in peers {
        peer.quit().expect("an orderly end");
    }
}
