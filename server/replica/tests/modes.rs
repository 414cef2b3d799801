//! What an operator may switch on: sessions of one server alone, and reads without a leader.

mod common;

use common::ensemble::Ensemble;
use common::{TICK_MS, TIMEOUT_MS, create, exists, hello, read, set};
use lockkeeper_replica::{LocalSessions, Settings};
use lockkeeper_wire::multi::{MultiOp, MultiRequest};
use lockkeeper_wire::request::{CreateRequest, SyncPath};
use lockkeeper_wire::{
    Acl, ConnectRequest, CreateMode, ErrorCode, Reader, Record, ReplyHeader, Request, SessionId,
    Zxid,
};

const PERSISTENT: CreateMode = CreateMode::Persistent;
const EPHEMERAL: CreateMode = CreateMode::Ephemeral;

fn local(settings: Settings) -> Settings {
    Settings {
        local_sessions: Some(LocalSessions { upgrade: false }),
        ..settings
    }
}

fn upgradable(settings: Settings) -> Settings {
    Settings {
        local_sessions: Some(LocalSessions { upgrade: true }),
        ..settings
    }
}

fn read_only(settings: Settings) -> Settings {
    Settings {
        read_only: true,
        ..local(settings)
    }
}

fn read_only_without_local_sessions(settings: Settings) -> Settings {
    Settings {
        read_only: true,
        ..settings
    }
}

#[test]
fn a_local_session_costs_no_transaction_and_writes_like_any_other() {
    let mut ensemble = Ensemble::configured(3, local);
    for sid in 1..=3 {
        let before = ensemble.member(sid).store.last_zxid();
        let one = ensemble.connected(sid);
        assert_eq!(ensemble.member(sid).store.last_zxid(), before);
        let path = format!("/a{sid}");
        ensemble.submit(sid, one, 1, create(&path, PERSISTENT));
        ensemble.submit(sid, one, 2, read(&path, false));
        ensemble.submit(sid, one, 3, create("/mine", EPHEMERAL));
        let code = ErrorCode::EPHEMERAL_ON_LOCAL_SESSION.0;
        assert_eq!(ensemble.replies(sid, one, 3), [(1, 0), (2, 0), (3, code)]);
        // It is known here alone.
        let session = ensemble.member(sid).clients.session(one);
        let other = sid % 3 + 1;
        let elsewhere = ensemble.handshake(other, &hello(session, Zxid::ZERO));
        ensemble.settle();
        assert_eq!(
            ensemble.member(other).clients.granted(elsewhere).timeout_ms,
            0
        );
        let again = ensemble.resumed(sid, session);
        ensemble.submit(sid, again, 4, Request::CloseSession);
        assert_eq!(ensemble.replies(sid, again, 1), [(4, 0)]);
        let late = ensemble.handshake(sid, &hello(session, Zxid::ZERO));
        ensemble.settle();
        assert_eq!(ensemble.member(sid).clients.granted(late).timeout_ms, 0);
        ensemble.assert_same();
    }
}

#[test]
fn a_local_session_that_is_not_heard_of_ends() {
    let mut ensemble = Ensemble::configured(3, local);
    let follower = ensemble.followers()[0];
    let (one, silent) = (ensemble.connected(follower), ensemble.connected(follower));
    ensemble.member(follower).silent.insert(silent);
    let from_ms = ensemble.now_ms;
    ensemble.until("its end", |ensemble| {
        !ensemble.member(follower).clients.is_open(silent)
    });
    assert!(ensemble.now_ms - from_ms >= TIMEOUT_MS as u64);
    ensemble.pass(3 * TIMEOUT_MS as u64);
    assert!(ensemble.member(follower).clients.is_open(one));
}

#[test]
fn the_first_ephemeral_makes_a_local_session_one_like_others() {
    let part = CreateRequest {
        path: "/mine".into(),
        data: None,
        acl: Some(Acl::open()),
        flags: EPHEMERAL.into(),
    };
    let multi = Request::Multi(MultiRequest {
        ops: vec![MultiOp::Create(part)],
    });
    for request in [create("/mine", EPHEMERAL), multi] {
        for sid in 1..=3 {
            let mut ensemble = Ensemble::configured(3, upgradable);
            let one = ensemble.connected(sid);
            let session = ensemble.member(sid).clients.session(one);
            ensemble.submit(sid, one, 1, request.clone());
            ensemble.submit(sid, one, 2, read("/mine", false));
            assert_eq!(ensemble.replies(sid, one, 2), [(1, 0), (2, 0)]);
            // Now it moves like any other, and ends on all members.
            let other = sid % 3 + 1;
            let moved = ensemble.resumed(other, session);
            ensemble.disconnect(sid, one);
            ensemble.member(other).silent.insert(moved);
            ensemble.until("its end", |ensemble| {
                !ensemble.member(other).clients.is_open(moved)
            });
            ensemble.assert_same();
            assert!(!exists(&ensemble.member(sid).store, "/mine"));
        }
    }
}

/// All members lose one another, and one of them has searched long enough.
fn alone(configure: fn(Settings) -> Settings) -> Ensemble {
    let mut ensemble = Ensemble::configured(3, configure);
    let one = ensemble.connected(1);
    ensemble.submit(1, one, 1, create("/a", PERSISTENT));
    ensemble.replies(1, one, 1);
    ensemble.assert_same();
    for sid in 1..=3 {
        ensemble.cut_off(sid);
    }
    ensemble.until("a server without a leader", |ensemble| {
        ensemble.member(1).replica.is_read_only()
    });
    ensemble
}

fn undemanding() -> ConnectRequest {
    ConnectRequest {
        read_only: Some(true),
        ..hello(SessionId::NONE, Zxid::ZERO)
    }
}

#[test]
fn a_server_without_a_leader_serves_reads_to_those_who_accept_it() {
    let mut ensemble = alone(read_only);
    let demanding = ensemble.handshake(1, &hello(SessionId::NONE, Zxid::ZERO));
    assert!(ensemble.member(1).clients.closed.contains(&demanding));
    assert_eq!(ensemble.member(1).clients.frames(demanding), [""; 0]);

    let one = ensemble.handshake(1, &undemanding());
    let granted = ensemble.member(1).clients.granted(one);
    assert_eq!(granted.read_only, Some(true));
    assert_eq!(granted.timeout_ms, TIMEOUT_MS);
    let sync = Request::Sync(SyncPath { path: None });
    ensemble.submit(1, one, 1, read("/a", true));
    ensemble.submit(1, one, 2, set("/a"));
    ensemble.submit(1, one, 3, sync);
    let refused = ErrorCode::NOT_READ_ONLY.0;
    assert_eq!(
        ensemble.member(1).clients.replies(one),
        [(1, 0), (2, refused), (3, refused)]
    );
    let two = ensemble.handshake(1, &undemanding());
    ensemble.member(1).clients.granted(two);
    ensemble.submit(1, two, 1, Request::CloseSession);
    assert_eq!(ensemble.member(1).clients.replies(two), [(1, 0)]);

    // It ends with the search, and whoever is there has to come again.
    for sid in 1..=3 {
        ensemble.rejoin(sid);
    }
    ensemble.until("a leader", |ensemble| {
        let members = ensemble.members.values();
        let mut serving = members.map(|member| &member.replica);
        serving.all(|replica| replica.is_serving() && !replica.is_read_only())
    });
    assert!(!ensemble.member(1).clients.is_open(one));
    let again = ensemble.connected(1);
    ensemble.submit(1, again, 1, set("/a"));
    assert_eq!(ensemble.replies(1, again, 1), [(1, 0)]);
    ensemble.assert_same();
}

#[test]
fn no_session_begins_without_a_leader_unless_sessions_may_be_local() {
    let mut ensemble = alone(read_only_without_local_sessions);
    let one = ensemble.handshake(1, &undemanding());
    let frames = ensemble.member(1).clients.frames(one);
    let header = ReplyHeader::decode(&mut Reader::new(&frames[0])).expect("a header");
    assert_eq!(header.err, ErrorCode::NOT_READ_ONLY);
    assert_eq!((frames.len(), frames[0].len()), (1, 16));
    assert!(ensemble.member(1).clients.closed.contains(&one));
}

#[test]
fn a_short_search_serves_nobody() {
    let mut ensemble = Ensemble::configured(3, read_only);
    for sid in 1..=3 {
        ensemble.cut_off(sid);
    }
    ensemble.until("the search", |ensemble| {
        ensemble
            .members
            .values()
            .all(|member| !member.replica.is_serving())
    });
    ensemble.pass(1000);
    assert!(!ensemble.member(1).replica.is_read_only());
    ensemble.pass(2000 + 5 * TICK_MS);
    assert!(ensemble.member(1).replica.is_read_only());
}
