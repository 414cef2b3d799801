//! What users rely on when three members serve them.

mod common;

use bytes::Bytes;
use common::ensemble::Ensemble;
use common::{TICK_MS, TIMEOUT_MS, create, exists, hello, read, set};
use lockkeeper_wire::multi::{MultiOp, MultiRequest, MultiResponse, MultiResult};
use lockkeeper_wire::request::{CreateRequest, SyncPath};
use lockkeeper_wire::{
    Acl, CreateMode, ErrorCode, ForwardedRequest, LearnerPacket, OpCode, Reader, Record,
    ReplyHeader, Request, SessionId, Zxid,
};

const PERSISTENT: CreateMode = CreateMode::Persistent;
const EPHEMERAL: CreateMode = CreateMode::Ephemeral;
const NO_NODE: i32 = ErrorCode::NO_NODE.0;

/// After this a session that was not heard of has ended: its timeout, two ticks, and the way of the
/// last touch.
const EXPIRED_MS: u64 = TIMEOUT_MS as u64 + 3 * TICK_MS;

fn sync() -> Request {
    Request::Sync(SyncPath {
        path: Some("/".into()),
    })
}

#[test]
fn a_write_through_a_follower_is_on_every_member() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let one = ensemble.connected(follower);
    ensemble.submit(follower, one, 1, create("/a", PERSISTENT));
    assert_eq!(ensemble.replies(follower, one, 1), [(1, 0)]);
    assert!(exists(&ensemble.member(follower).store, "/a"));
    ensemble.assert_same();
    for member in ensemble.members.values() {
        assert!(exists(&member.store, "/a"), "{:?}", member.sid);
    }
}

#[test]
fn a_session_reads_what_it_has_written_on_every_member() {
    for leads in [true, false] {
        let mut ensemble = Ensemble::of(3);
        let sid = match leads {
            true => ensemble.leader(),
            false => ensemble.followers()[0],
        };
        let (one, other) = (ensemble.connected(sid), ensemble.connected(sid));
        ensemble.submit(sid, one, 1, read("/a", false));
        ensemble.submit(sid, one, 2, create("/a", PERSISTENT));
        ensemble.submit(sid, one, 3, read("/a", false));
        ensemble.submit(sid, one, 4, read("/b", false));
        ensemble.submit(sid, one, 5, create("/b", PERSISTENT));
        ensemble.submit(sid, one, 6, read("/b", false));
        // Nobody waits for another session's writes.
        ensemble.submit(sid, other, 1, read("/a", false));
        assert_eq!(ensemble.member(sid).clients.replies(other), [(1, NO_NODE)]);
        assert_eq!(
            ensemble.replies(sid, one, 6),
            [(1, NO_NODE), (2, 0), (3, 0), (4, NO_NODE), (5, 0), (6, 0)]
        );
        ensemble.assert_same();
    }
}

#[test]
fn a_failed_write_is_answered_in_its_place() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let one = ensemble.connected(follower);
    let before = ensemble.member(follower).store.last_zxid();
    ensemble.submit(follower, one, 1, set("/none"));
    ensemble.submit(follower, one, 2, create("/a", PERSISTENT));
    ensemble.submit(follower, one, 3, create("/a", PERSISTENT));
    let exists = ErrorCode::NODE_EXISTS.0;
    assert_eq!(
        ensemble.replies(follower, one, 3),
        [(1, NO_NODE), (2, 0), (3, exists)]
    );
    // Each of them has taken a zxid.
    assert_eq!(
        ensemble.member(follower).store.last_zxid(),
        Zxid(before.0 + 3)
    );
    ensemble.assert_same();
}

#[test]
fn a_sync_holds_back_what_is_behind_it() {
    for leads in [true, false] {
        let mut ensemble = Ensemble::of(3);
        let sid = match leads {
            true => ensemble.leader(),
            false => ensemble.followers()[0],
        };
        let one = ensemble.connected(sid);
        ensemble.submit(sid, one, 1, create("/a", PERSISTENT));
        ensemble.submit(sid, one, 2, sync());
        ensemble.submit(sid, one, 3, read("/b", false));
        ensemble.submit(sid, one, 4, create("/b", PERSISTENT));
        ensemble.submit(sid, one, 5, sync());
        ensemble.submit(sid, one, 6, read("/b", false));
        ensemble.submit(sid, one, 7, Request::Ping);
        assert_eq!(
            ensemble.replies(sid, one, 7),
            [
                (1, 0),
                (2, 0),
                (3, NO_NODE),
                (4, 0),
                (5, 0),
                (6, 0),
                (-2, 0)
            ]
        );
    }
}

#[test]
fn behind_a_sync_a_follower_shows_what_the_leader_has_committed() {
    let mut ensemble = Ensemble::of(3);
    let (leader, follower) = (ensemble.leader(), ensemble.followers()[0]);
    let (writer, reader) = (ensemble.connected(leader), ensemble.connected(follower));
    ensemble.hold_back(follower);
    ensemble.submit(leader, writer, 1, create("/a", PERSISTENT));
    assert_eq!(ensemble.replies(leader, writer, 1), [(1, 0)]);
    // This member has not heard of it, and a read says so.
    ensemble.submit(follower, reader, 1, read("/a", false));
    ensemble.submit(follower, reader, 2, sync());
    ensemble.submit(follower, reader, 3, read("/a", false));
    ensemble.settle();
    let replies = ensemble.member(follower).clients.replies(reader);
    assert_eq!(replies, [(1, NO_NODE)]);
    ensemble.release(follower);
    assert_eq!(ensemble.replies(follower, reader, 2), [(2, 0), (3, 0)]);
}

#[test]
fn a_leader_that_has_lost_its_quorum_answers_no_sync() {
    let mut ensemble = Ensemble::of(3);
    let old = ensemble.leader();
    let reader = ensemble.connected(old);
    ensemble.cut_off(old);
    ensemble.submit(old, reader, 1, sync());
    ensemble.submit(old, reader, 2, read("/a", false));
    ensemble.until("the end of the old leader's service", |ensemble| {
        !ensemble.member(old).replica.is_serving()
    });
    let clients = &mut ensemble.member(old).clients;
    assert_eq!(clients.replies(reader), []);
    assert!(!clients.is_open(reader));
}

#[test]
fn writes_under_way_end_with_their_leader_and_nobody_is_told_a_lie() {
    let mut ensemble = Ensemble::of(3);
    let (old, follower) = (ensemble.leader(), ensemble.followers()[0]);
    let (here, there) = (ensemble.connected(old), ensemble.connected(follower));
    let session = ensemble.member(follower).clients.session(there);
    ensemble.cut_off(old);
    ensemble.submit(old, here, 1, create("/lost", PERSISTENT));
    ensemble.submit(follower, there, 1, create("/lost-too", PERSISTENT));
    ensemble.until("another leader", |ensemble| {
        let others = ensemble.members.values_mut();
        let mut others = others.filter(|member| member.sid.0 != old);
        others.all(|member| member.replica.is_serving() && !member.clients.is_open(there))
            && !ensemble.member(old).replica.is_serving()
    });
    assert_ne!(ensemble.leader(), old);
    for (sid, connection) in [(old, here), (follower, there)] {
        let clients = &mut ensemble.member(sid).clients;
        assert_eq!(clients.replies(connection), []);
        assert!(!clients.is_open(connection));
    }
    // The session goes on, and what the old leader alone had logged is gone.
    let again = ensemble.resumed(follower, session);
    ensemble.submit(follower, again, 2, create("/a", PERSISTENT));
    assert_eq!(ensemble.replies(follower, again, 1), [(2, 0)]);
    ensemble.rejoin(old);
    ensemble.until("the old leader's return", |ensemble| {
        ensemble.member(old).replica.is_serving()
    });
    ensemble.assert_same();
    let store = &ensemble.member(old).store;
    assert!(exists(store, "/a") && !exists(store, "/lost") && !exists(store, "/lost-too"));
}

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
fn a_member_far_behind_gets_the_state_as_a_whole() {
    let mut ensemble = Ensemble::forgetful(3, 5);
    let (leader, follower) = (ensemble.leader(), ensemble.followers()[0]);
    let (one, two) = (ensemble.connected(leader), ensemble.connected(follower));
    ensemble.submit(follower, two, 1, create("/mine", EPHEMERAL));
    ensemble.replies(follower, two, 1);
    let session = ensemble.member(follower).clients.session(two);
    ensemble.cut_off(follower);
    for at in 0..20 {
        ensemble.submit(leader, one, at, create(&format!("/n{at}"), PERSISTENT));
    }
    ensemble.replies(leader, one, 20);
    ensemble.rejoin(follower);
    ensemble.until("its return", |ensemble| {
        ensemble.member(follower).replica.is_serving()
            && exists(&ensemble.member(follower).store, "/n19")
    });
    // Sessions came with it.
    let again = ensemble.resumed(follower, session);
    ensemble.submit(follower, again, 2, Request::CloseSession);
    assert_eq!(ensemble.replies(follower, again, 1), [(2, 0)]);
    ensemble.assert_same();
    assert!(!exists(&ensemble.member(leader).store, "/mine"));
}

/// A session waits on its learner for the transaction of each of its requests, whatever they are.
#[test]
fn what_a_learner_sends_and_nobody_understands_becomes_an_error() {
    let mut ensemble = Ensemble::of(3);
    let follower = ensemble.followers()[0];
    let one = ensemble.connected(follower);
    ensemble.assert_same();
    let session = ensemble.member(follower).clients.session(one);
    let before = ensemble.member(follower).store.last_zxid();
    let requests = [
        (OpCode::Create.into(), "\0\0\0\x09/a"),
        (OpCode::CreateSession.into(), "\0"),
        (OpCode::Check.into(), "\0\0\0\x01/\0\0\0\0"),
        (OpCode::DeleteContainer.into(), "\0\0\0\x01/"),
        (OpCode::GetData.into(), "\0\0\0\x01/\0"),
        (999, ""),
    ];
    for (op, body) in requests {
        let request = ForwardedRequest {
            session,
            cxid: 7,
            op,
            body: Bytes::from(body),
            identities: None,
        };
        ensemble.forge(follower, LearnerPacket::Request(request));
    }
    ensemble.submit(follower, one, 8, create("/a", PERSISTENT));
    assert_eq!(ensemble.replies(follower, one, 1), [(8, 0)]);
    let taken = requests.len() as i64 + 1;
    let last = ensemble.member(follower).store.last_zxid();
    assert_eq!(last, Zxid(before.0 + taken));
    ensemble.assert_same();
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

#[test]
fn a_multi_is_answered_as_it_was_asked_on_every_member() {
    let mut ensemble = Ensemble::of(3);
    for sid in 1..=3 {
        let one = ensemble.connected(sid);
        let part = |path: String| CreateRequest {
            path: path.into(),
            data: None,
            acl: Some(Acl::open()),
            flags: PERSISTENT.into(),
        };
        let ops = vec![
            MultiOp::Create(part(format!("/a{sid}"))),
            MultiOp::Create2(part(format!("/b{sid}"))),
        ];
        ensemble.submit(sid, one, 1, Request::Multi(MultiRequest { ops }));
        ensemble.until("a reply", |ensemble| {
            ensemble.member(sid).clients.has_sent(one)
        });
        let frame = &ensemble.member(sid).clients.frames(one)[0];
        let mut reader = Reader::new(frame);
        let header = ReplyHeader::decode(&mut reader).expect("a header");
        assert_eq!(header.err, ErrorCode::OK);
        let reply = MultiResponse::decode(&mut reader).expect("a reply");
        let [MultiResult::Create(_), MultiResult::Create2(body)] = &reply.results[..] else {
            panic!("{reply:?}");
        };
        assert_eq!(body.stat.czxid, header.zxid);
    }
    ensemble.assert_same();
}

#[test]
fn nobody_is_served_without_a_quorum() {
    let mut ensemble = Ensemble::of(3);
    let leader = ensemble.leader();
    for follower in ensemble.followers() {
        ensemble.cut_off(follower);
    }
    ensemble.until("the end of the service", |ensemble| {
        ensemble
            .members
            .values()
            .all(|member| !member.replica.is_serving())
    });
    let one = ensemble.handshake(leader, &hello(SessionId::NONE, Zxid::ZERO));
    let clients = &mut ensemble.member(leader).clients;
    assert!(clients.closed.contains(&one));
    assert_eq!(clients.frames(one), [""; 0]);
}

#[test]
fn a_watch_on_a_follower_tells_of_a_write_elsewhere_before_anything_shows_it() {
    let mut ensemble = Ensemble::of(3);
    let (leader, follower) = (ensemble.leader(), ensemble.followers()[0]);
    let (writer, watcher) = (ensemble.connected(leader), ensemble.connected(follower));
    ensemble.submit(leader, writer, 1, create("/a", PERSISTENT));
    ensemble.replies(leader, writer, 1);
    ensemble.assert_same();
    ensemble.submit(follower, watcher, 1, read("/a", true));
    ensemble.submit(leader, writer, 2, set("/a"));
    ensemble.submit(follower, watcher, 2, sync());
    ensemble.submit(follower, watcher, 3, read("/a", false));
    assert_eq!(
        ensemble.replies(follower, watcher, 4),
        [(1, 0), (-1, 0), (2, 0), (3, 0)]
    );
}

#[test]
fn a_member_that_comes_back_has_what_was_written_meanwhile() {
    let mut ensemble = Ensemble::of(3);
    let (leader, follower) = (ensemble.leader(), ensemble.followers()[0]);
    let one = ensemble.connected(leader);
    ensemble.cut_off(follower);
    for at in 0..20 {
        ensemble.submit(leader, one, at, create(&format!("/n{at}"), PERSISTENT));
    }
    ensemble.replies(leader, one, 20);
    ensemble.crash(follower);
    ensemble.rejoin(follower);
    ensemble.until("its return", |ensemble| {
        ensemble.member(follower).replica.is_serving()
    });
    ensemble.assert_same();
    assert!(exists(&ensemble.member(follower).store, "/n19"));
}
