//! What users rely on when three members serve them: their requests.

mod common;

use bytes::Bytes;
use common::ensemble::Ensemble;
use common::{create, exists, hello, read, set};
use lockkeeper_wire::multi::{MultiOp, MultiRequest, MultiResponse, MultiResult};
use lockkeeper_wire::request::{CreateRequest, SyncPath};
use lockkeeper_wire::{
    Acl, CreateMode, ErrorCode, ForwardedRequest, LearnerPacket, OpCode, Reader, Record,
    ReplyHeader, Request, SessionId, Zxid,
};

const PERSISTENT: CreateMode = CreateMode::Persistent;
const EPHEMERAL: CreateMode = CreateMode::Ephemeral;
const NO_NODE: i32 = ErrorCode::NO_NODE.0;

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
