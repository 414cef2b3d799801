//! What an operator may switch on: sessions of one server alone, reads without a leader, changes of
//! the membership.

mod common;

use common::ensemble::Ensemble;
use common::{TICK_MS, TIMEOUT_MS, create, exists, hello, read, set};
use lockkeeper_replica::{LocalSessions, ReconfigSettings, Settings};
use lockkeeper_wire::multi::{MultiOp, MultiRequest};
use lockkeeper_wire::reply::GetDataResponse;
use lockkeeper_wire::request::{CreateRequest, ReconfigRequest, SyncPath};
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

fn reconfigurable(settings: Settings) -> Settings {
    let mut settings = settings;
    settings.prep.skip_acl = true;
    Settings {
        reconfig: Some(ReconfigSettings { voters_min: 2 }),
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

fn reconfig(joining: Option<&str>, leaving: Option<&str>, version: i64) -> Request {
    Request::Reconfig(ReconfigRequest {
        joining_servers: joining.map(Into::into),
        leaving_servers: leaving.map(Into::into),
        new_members: None,
        cur_config_id: version,
    })
}

#[test]
fn a_reconfiguration_is_judged_in_apaches_order() {
    let mut ensemble = Ensemble::of(3);
    let one = ensemble.connected(1);
    ensemble.submit(1, one, 1, reconfig(None, Some("x"), 99));
    let code = ErrorCode::RECONFIG_DISABLED.0;
    assert_eq!(ensemble.replies(1, one, 1), [(1, code)]);

    let mut ensemble = Ensemble::configured(3, reconfigurable);
    let follower = ensemble.followers()[0];
    let one = ensemble.connected(follower);
    let bad = ErrorCode::BAD_ARGUMENTS.0;
    for (xid, (request, code)) in (1..).zip([
        (reconfig(None, Some("x"), 99), ErrorCode::BAD_VERSION.0),
        (reconfig(None, Some("x"), -1), bad),
        (reconfig(Some("server.4=h:1:2"), None, -1), bad),
        (reconfig(Some("server.4=host1:1:9;9"), None, -1), bad),
        (reconfig(None, Some("1,2"), -1), bad),
        (
            reconfig(
                Some("server.4=h4:1:2;3,server.5=h5:1:2;3,server.6=h6:1:2;3"),
                None,
                -1,
            ),
            ErrorCode::NEW_CONFIG_NO_QUORUM.0,
        ),
    ]) {
        ensemble.submit(follower, one, xid, request);
        assert_eq!(ensemble.replies(follower, one, 1), [(xid, code)]);
    }
}

#[test]
fn a_member_is_taken_out_and_the_membership_shows_it() {
    let mut ensemble = Ensemble::configured(3, reconfigurable);
    let (leader, followers) = (ensemble.leader(), ensemble.followers());
    let one = ensemble.connected(followers[0]);
    let leaving = followers[1].to_string();
    ensemble.submit(followers[0], one, 1, reconfig(None, Some(&leaving), -1));
    assert_eq!(ensemble.replies(followers[0], one, 1), [(1, 0)]);
    let version = ensemble.member(followers[0]).store.last_zxid();
    ensemble.settle();
    for sid in [leader, followers[0]] {
        let member = ensemble.member(sid);
        let memberships = member.replica.peer().memberships().expect("an ensemble");
        assert_eq!(memberships.committed().version(), version.0);
        assert_eq!(memberships.committed().voters().len(), 2);
        let stat = member.store.stat("/zookeeper/config").expect("it is there");
        assert_eq!((stat.version, stat.mzxid), (-1, version));
    }
    // Two of two are a quorum, and the third is none.
    ensemble.cut_off(followers[1]);
    ensemble.submit(followers[0], one, 2, create("/a", PERSISTENT));
    assert_eq!(ensemble.replies(followers[0], one, 1), [(2, 0)]);
}

#[test]
fn a_leader_is_taken_out_and_the_others_go_on() {
    let mut ensemble = Ensemble::configured(3, reconfigurable);
    let (old, followers) = (ensemble.leader(), ensemble.followers());
    let one = ensemble.connected(followers[0]);
    let session = ensemble.member(followers[0]).clients.session(one);
    let leaving = old.to_string();
    ensemble.submit(followers[0], one, 1, reconfig(None, Some(&leaving), -1));
    ensemble.until("a leader among the others", |ensemble| {
        followers.iter().all(|&sid| {
            let replica = &ensemble.member(sid).replica;
            let memberships = replica.peer().memberships().expect("an ensemble");
            replica.is_serving() && memberships.committed().voters().len() == 2
        })
    });
    assert_ne!(ensemble.leader(), old);
    ensemble.cut_off(old);
    let again = ensemble.resumed(followers[1], session);
    ensemble.submit(followers[1], again, 2, create("/a", PERSISTENT));
    assert_eq!(ensemble.replies(followers[1], again, 1), [(2, 0)]);
}

#[test]
fn a_membership_is_read_as_it_was_written() {
    let mut ensemble = Ensemble::configured(3, reconfigurable);
    let one = ensemble.connected(1);
    let observer = "server.4=h4:1:2:observer;3";
    ensemble.submit(1, one, 1, reconfig(Some(observer), None, -1));
    ensemble.submit(1, one, 2, read("/zookeeper/config", false));
    ensemble.until("both replies", |ensemble| {
        !ensemble.member(1).clients.is_open(one)
            || ensemble.member(1).store.last_zxid() > Zxid(1 << 32 | 1)
    });
    let frames = ensemble.member(1).clients.frames(one);
    let [changed, shown] = &frames[..] else {
        panic!("{frames:?}");
    };
    // Both carry the text and the znode's metadata.
    assert_eq!(changed[16..], shown[16..]);
    let mut reader = Reader::new(shown);
    ReplyHeader::decode(&mut reader).expect("a header");
    let body = GetDataResponse::decode(&mut reader).expect("a membership");
    let text = String::from_utf8(body.data.expect("text").to_vec()).expect("text");
    assert!(
        text.contains("server.4=h4:1:2:observer;0.0.0.0:3\n"),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("version={:x}", body.stat.mzxid.0)),
        "{text}"
    );
}
