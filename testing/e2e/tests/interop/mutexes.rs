//! Locks of different libraries on one path: who waits for whom, and that nobody overtakes.

use std::io;
use std::process::Command;
use std::time::Duration;

use lockkeeper_e2e::contend::{Contest, contend};
use lockkeeper_e2e::proxy::{Action, Rule, op};
use lockkeeper_e2e::{Ensemble, MutexPeer, Peer, Proxy, Server, Settings};

const SHORT: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_secs(30);
const PATH: &str = "/lock";

pub(crate) type Connect = fn(&str, &str, &str) -> io::Result<MutexPeer>;

const CURATOR: Connect = MutexPeer::curator;
const KAZOO: Connect = MutexPeer::kazoo;
const KAZOO_STOCK: Connect = MutexPeer::kazoo_stock;

/// The C lock; `cargo xtask interop` builds the program and names it.
const C: Connect = |connect, path, name| {
    let program = std::env::var_os("LOCKKEEPER_C_MUTEX")
        .ok_or_else(|| io::Error::other("LOCKKEEPER_C_MUTEX names no program"))?;
    MutexPeer::from_command(Command::new(program), connect, path, name)
};

/// Every library that keeps to Curator's layout. A new one gets a line here and is in all tests
/// below that go through them.
const LIBRARIES: [(&str, Connect); 5] = [
    ("curator", CURATOR),
    ("kazoo", KAZOO),
    OWN[0],
    OWN[1],
    OWN[2],
];

/// Our own mutex, from each language.
pub(crate) const OWN: [(&str, Connect); 3] = [
    ("lockkeeper", lockkeeper),
    ("lockkeeper-c", C),
    ("lockkeeper-python", MutexPeer::lockkeeper_python),
];

/// Our own mutex, from Rust.
pub(crate) fn lockkeeper(connect: &str, lock_path: &str, name: &str) -> io::Result<MutexPeer> {
    let command = Command::new(env!("CARGO_BIN_EXE_lockkeeper-mutex"));
    MutexPeer::from_command(command, connect, lock_path, name)
}

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
fn libraries_of_one_layout_wait_for_each_other() {
    for peer in Peer::under_test() {
        let server = Server::standalone(peer).expect("it starts");
        for (one, holder) in LIBRARIES {
            for (other, newcomer) in LIBRARIES {
                assert!(
                    waits(&server, holder, newcomer),
                    "{peer}: {one} then {other}"
                );
            }
        }
    }
}

/// The server has made the contender, but the client does not learn of it: it must find its znode
/// again instead of queueing behind it.
#[test]
fn a_lost_reply_to_create_leaves_one_contender() {
    for peer in Peer::under_test() {
        for (library, connect) in LIBRARIES {
            let server = Server::standalone(peer).expect("it starts");
            let proxy = Proxy::start(server.address()).expect("a loopback port");
            // The first acquisition makes the parents, so that the next create is the contender's.
            let mut contender = connect(&proxy.connect_string(), PATH, library).expect("a session");
            contender
                .acquire(LONG)
                .expect("it answers")
                .expect("the lock is free");
            contender.release().expect("it holds");

            let create = Rule::reply(op::CREATE).or(op::CREATE2);
            let lost = proxy.install(create.then(Action::Cut));
            let grant = contender
                .acquire(LONG)
                .expect("it answers")
                .expect("the lock is free");
            lost.await_fired(LONG).expect("it creates a contender");
            let dump = server.four_letter("dump").expect("it answers");
            let ephemerals: Vec<&str> = dump
                .lines()
                .filter_map(|line| line.trim().strip_prefix("/lock/"))
                .collect();
            assert_eq!(ephemerals, [grant.znode], "{peer}, {library}");
            contender.release().expect("it holds");
        }
    }
}

/// A holder that dies, and one that hangs: the server passes the lock on with the session's end.
#[test]
fn a_silent_holder_loses_the_lock_with_its_session() {
    let settings = Settings::default().config("maxSessionTimeout", "3000");
    for peer in Peer::under_test() {
        let server = Server::standalone_with(peer, settings.clone()).expect("it starts");
        let connect = server.connect_string();
        let mut fence = 0;
        for (library, holder) in LIBRARIES {
            for kill in [true, false] {
                let mut holder = holder(&connect, PATH, "holder").expect("it connects");
                let mut newcomer = MutexPeer::kazoo(&connect, PATH, "next").expect("it connects");
                let first = holder
                    .acquire(LONG)
                    .expect("it answers")
                    .expect("the lock is free");
                newcomer.begin_acquire(LONG).expect("it listens");
                let process = holder.lines_mut().process_mut();
                if kill {
                    process.kill()
                } else {
                    process.pause()
                }
                .expect("it runs");
                let next = newcomer.end_acquire(LONG).expect("it answers");
                let next = next.expect("the session ended");
                assert!(
                    first.fence > fence && next.fence > first.fence,
                    "{peer}, {library}"
                );
                fence = next.fence;
                newcomer.release().expect("it holds");
            }
        }
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
fn libraries_contend_for_one_lock() {
    for peer in Peer::every() {
        let server = Server::standalone(peer).expect("it starts");
        run_contest(&server.connect_string());
    }
}

#[test]
fn libraries_contend_on_an_ensemble() {
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
    let mut peers: Vec<MutexPeer> = LIBRARIES
        .iter()
        .map(|(name, library)| library(connect, PATH, name).expect("it connects"))
        .collect();
    let report = contend(&mut peers, contest).expect("everyone finishes");
    assert_eq!(report.violations, [""; 0]);
    assert_eq!(
        report.total(),
        200 * u32::try_from(peers.len()).expect("a handful")
    );
    assert_eq!(
        report.entries.len(),
        4 * peers.len(),
        "{:?}",
        report.entries
    );
    assert!(report.handovers > 50, "hardly any contention: {report:?}");
    eprintln!("{report:?}");
    for peer in peers {
        peer.quit().expect("an orderly end");
    }
}
