//! What users rely on when three members serve them: their sessions.

mod common;

use bytes::Bytes;
use common::ensemble::Ensemble;
use common::{TICK_MS, TIMEOUT_MS, create, exists, hello, read};
use lockkeeper_wire::{
    CreateMode, ErrorCode, ForwardedRequest, LearnerPacket, OpCode, Request, SessionId, Zxid,
};

const PERSISTENT: CreateMode = CreateMode::Persistent;
const EPHEMERAL: CreateMode = CreateMode::Ephemeral;
const NO_NODE: i32 = ErrorCode::NO_NODE.0;

/// After this a session that was not heard of has ended: its timeout, two ticks, and the way of the
/// last touch.
const EXPIRED_MS: u64 = TIMEOUT_MS as u64 + 3 * TICK_MS;

#[test]
fn a_session_moves_and_its_old_connection_writes_no_more() {
    let mut ensemble = Ensemble::of(3);
    let leader = ensemble.leader();
    let followers = ensemble.followers();
    // From learner to learner, to the leader, and from it.
    for (from, to) in [
        (followers[0], followers[1]),
        (followers[1], leader),
        (leader, followers[0]),
    ] {
        let one = ensemble.connected(from);
        let session = ensemble.member(from).clients.session(one);
        ensemble.submit(from, one, 1, create("/mine", EPHEMERAL));
        assert_eq!(ensemble.replies(from, one, 1), [(1, 0)]);
        let two = ensemble.resumed(to, session);
        ensemble.submit(to, two, 2, create("/here", EPHEMERAL));
        assert_eq!(ensemble.replies(to, two, 1), [(2, 0)]);
        // The old connection may still read; its first write ends it without an answer.
        ensemble.submit(from, one, 3, read("/mine", false));
        assert_eq!(ensemble.replies(from, one, 1), [(3, 0)]);
        ensemble.submit(from, one, 4, create("/late", PERSISTENT));
        ensemble.until("the end of the old connection", |ensemble| {
            !ensemble.member(from).clients.is_open(one)
        });
        assert_eq!(ensemble.member(from).clients.replies(one), []);
        ensemble.submit(to, two, 5, read("/late", false));
        ensemble.submit(to, two, 6, Request::CloseSession);
        assert_eq!(ensemble.replies(to, two, 2), [(5, NO_NODE), (6, 0)]);
        ensemble.assert_same();
        let store = &ensemble.member(to).store;
        assert!(!exists(store, "/mine") && !exists(store, "/here"));
    }
}

#[test]
fn a_session_that_nobody_knows_is_refused_by_a_follower() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let one = ensemble.handshake(
        follower,
        &hello(SessionId(0x0300_0000_0000_0007), Zxid::ZERO),
    );
    ensemble.settle();
    assert_eq!(ensemble.member(follower).clients.granted(one).timeout_ms, 0);
    let mut wrong = hello(SessionId(0x0300_0000_0000_0007), Zxid::ZERO);
    wrong.password = None;
    let two = ensemble.handshake(follower, &wrong);
    assert_eq!(ensemble.member(follower).clients.granted(two).timeout_ms, 0);
}

#[test]
fn requests_in_the_same_piece_as_a_resumed_handshake_wait_for_the_leaders_word() {
    let mut ensemble = Ensemble::of(3);
    let followers = ensemble.followers();
    let one = ensemble.connected(followers[0]);
    let session = ensemble.member(followers[0]).clients.session(one);
    let two = ensemble.handshake(followers[1], &hello(session, Zxid::ZERO));
    ensemble.submit(followers[1], two, 1, read("/", false));
    ensemble.submit(followers[1], two, 2, create("/a", PERSISTENT));
    assert_eq!(ensemble.member(followers[1]).clients.frames(two), [""; 0]);
    let replies = ensemble.replies(followers[1], two, 3);
    assert_eq!(replies[1..], [(1, 0), (2, 0)]);
}

#[test]
fn sessions_live_as_long_as_a_follower_hears_of_them() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let (one, silent) = (ensemble.connected(follower), ensemble.connected(follower));
    let session = ensemble.member(follower).clients.session(silent);
    for (connection, path) in [(one, "/one"), (silent, "/silent")] {
        ensemble.submit(follower, connection, 1, create(path, EPHEMERAL));
        assert_eq!(ensemble.replies(follower, connection, 1), [(1, 0)]);
    }
    ensemble.member(follower).silent.insert(silent);
    let from_ms = ensemble.now_ms;
    ensemble.until("the end of the silent session", |ensemble| {
        !ensemble.member(follower).clients.is_open(silent)
    });
    let lived_ms = ensemble.now_ms - from_ms;
    assert!(
        (TIMEOUT_MS as u64..=EXPIRED_MS).contains(&lived_ms),
        "{lived_ms} ms"
    );
    ensemble.assert_same();
    let store = &ensemble.member(follower).store;
    assert!(exists(store, "/one") && !exists(store, "/silent"));
    // It cannot be resumed anywhere.
    for sid in 1..=3 {
        let late = ensemble.handshake(sid, &hello(session, Zxid::ZERO));
        ensemble.settle();
        assert_eq!(ensemble.member(sid).clients.granted(late).timeout_ms, 0);
    }
    ensemble.pass(5 * EXPIRED_MS);
    assert!(ensemble.member(follower).clients.is_open(one));
}

#[test]
fn a_contact_just_before_the_connection_broke_counts() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let one = ensemble.connected(follower);
    let session = ensemble.member(follower).clients.session(one);
    ensemble.pass(TIMEOUT_MS as u64 / 2);
    ensemble.disconnect(follower, one);
    let from_ms = ensemble.now_ms;
    ensemble.until("the end of the session", |ensemble| {
        let leader = ensemble.leader();
        let store = &ensemble.member(leader).store;
        store.session_timeout_ms(session).is_none()
    });
    assert!(ensemble.now_ms - from_ms >= TIMEOUT_MS as u64);
}

#[test]
fn ephemerals_go_in_one_transaction_on_all_members() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let one = ensemble.connected(follower);
    for at in 0..5 {
        let path = format!("/e{at}");
        ensemble.submit(follower, one, at, create(&path, EPHEMERAL));
    }
    ensemble.replies(follower, one, 5);
    ensemble.assert_same();
    let before = ensemble.member(follower).store.last_zxid();
    ensemble.member(follower).silent.insert(one);
    ensemble.until("the end of the session", |ensemble| {
        !ensemble.member(follower).clients.is_open(one)
    });
    ensemble.assert_same();
    for member in ensemble.members.values() {
        assert_eq!(member.store.last_zxid(), before.next());
        assert_eq!(member.store.counts().ephemerals, 0);
    }
}

#[test]
fn a_new_leader_gives_every_session_its_full_timeout() {
    let mut ensemble = Ensemble::of(3);
    let (old, follower) = (ensemble.leader(), ensemble.followers()[0]);
    let one = ensemble.connected(follower);
    let session = ensemble.member(follower).clients.session(one);
    ensemble.assert_same();
    ensemble.crash(old);
    ensemble.until("a leader", |ensemble| {
        ensemble
            .members
            .values()
            .all(|member| member.replica.is_serving())
    });
    let from_ms = ensemble.now_ms;
    ensemble.until("the end of the session", |ensemble| {
        ensemble
            .member(follower)
            .store
            .session_timeout_ms(session)
            .is_none()
    });
    let lived_ms = ensemble.now_ms - from_ms;
    assert!(lived_ms >= TIMEOUT_MS as u64 - 2 * TICK_MS, "{lived_ms} ms");
    ensemble.assert_same();
}

#[test]
fn a_client_that_has_seen_more_is_sent_to_another_member() {
    let mut ensemble = Ensemble::of(3);
    let (leader, follower) = (ensemble.leader(), ensemble.followers()[0]);
    let one = ensemble.connected(leader);
    ensemble.settle();
    ensemble.hold_back(follower);
    ensemble.submit(leader, one, 1, create("/a", PERSISTENT));
    ensemble.replies(leader, one, 1);
    let seen = ensemble.member(leader).store.last_zxid();
    let late = ensemble.handshake(follower, &hello(SessionId::NONE, seen));
    assert!(ensemble.member(follower).clients.closed.contains(&late));
    assert_eq!(ensemble.member(follower).clients.frames(late), [""; 0]);
    ensemble.release(follower);
    ensemble.settle();
    ensemble.handshake(follower, &hello(SessionId::NONE, seen));
}

#[test]
fn a_session_that_the_leader_does_not_begin_is_refused() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let one = ensemble.connected(follower);
    let next = SessionId(ensemble.member(follower).clients.session(one).0 + 1);
    let malformed = ForwardedRequest {
        session: next,
        cxid: 0,
        op: OpCode::CreateSession.into(),
        body: Bytes::new(),
        identities: None,
    };
    ensemble.forge(follower, LearnerPacket::Request(malformed));
    let refused = ensemble.handshake(follower, &hello(SessionId::NONE, Zxid::ZERO));
    ensemble.settle();
    let clients = &mut ensemble.member(follower).clients;
    assert_eq!(clients.granted(refused).timeout_ms, 0);
    assert!(clients.closed.contains(&refused));
    let two = ensemble.connected(follower);
    ensemble.submit(follower, two, 1, create("/a", PERSISTENT));
    assert_eq!(ensemble.replies(follower, two, 1), [(1, 0)]);
}
