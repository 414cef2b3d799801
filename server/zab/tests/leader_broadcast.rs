//! A leader whose epoch has begun: commits, pings, syncs, the end.

mod peer;

use lockkeeper_wire::{LearnerPacket, OpCode, PeerState, ServerId, SessionId, Touch, Vote, Zxid};
use lockkeeper_zab::{LinkId, Peer, RoleKind, Txn};
use peer::{Bench, LINK, ONE, THREE, TWO, body, log_of, request, zxid};

const OTHER: LinkId = LinkId(2);

#[test]
fn a_proposal_leaves_before_it_is_durable_and_commits_with_a_quorum() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.propose();
    assert_eq!(
        bench.said(),
        ["->1 PROPOSAL 0x200000001", "append 0x200000001"]
    );
    bench.ack(LINK, zxid(2, 1));
    assert_eq!(bench.said(), [""; 0]);
    assert_eq!(
        bench.synced(),
        ["->1 COMMIT 0x200000001", "deliver 0x200000001"]
    );
}

#[test]
fn a_quorum_of_others_commits_what_the_leader_delivers_later() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 2), 1);
    bench.ack(OTHER, zxid(2, 0));
    bench.propose();
    bench.said();
    bench.ack(LINK, zxid(2, 1));
    bench.ack(OTHER, zxid(2, 1));
    assert_eq!(
        bench.said(),
        ["->1 COMMIT 0x200000001", "->2 COMMIT 0x200000001"]
    );
    assert_eq!(bench.synced(), ["deliver 0x200000001"]);
}

#[test]
fn an_observer_is_informed_and_has_no_say() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.observe(OTHER, ServerId(4));
    bench.promise(OTHER, zxid(1, 1), 1);
    assert_eq!(
        bench.said(),
        [
            "->2 LEADERINFO 0x200000000",
            "->2 DIFF 0x100000002",
            "->2 PROPOSAL 0x100000002",
            "->2 COMMIT 0x100000002",
            "->2 NEWLEADER 0x200000000"
        ]
    );
    bench.ack(OTHER, zxid(2, 0));
    bench.propose();
    bench.ack(OTHER, zxid(2, 1));
    assert_eq!(
        bench.synced(),
        [
            "->2 UPTODATE",
            "->1 PROPOSAL 0x200000001",
            "append 0x200000001"
        ]
    );
    bench.ack(LINK, zxid(2, 1));
    assert_eq!(
        bench.said(),
        [
            "->1 COMMIT 0x200000001",
            "->2 INFORM 0x200000001",
            "deliver 0x200000001"
        ]
    );
}

#[test]
fn learners_are_pinged_twice_a_tick_and_dropped_when_they_are_silent() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.pass(1_000);
    assert_eq!(
        bench.said(),
        ["->1 PING 0x200000000", "->1 PING 0x200000000"]
    );
    bench.pass(3_999);
    assert_eq!(bench.said().len(), 7);
    assert!(bench.peer.is_serving());
    bench.pass(1_001);
    assert_eq!(bench.said(), ["close 1", "retire", "stop listening"]);
}

#[test]
fn a_learner_that_answers_but_does_not_acknowledge_is_dropped() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    let zxid = bench.propose();
    for _ in 0..11 {
        bench.pass(500);
        let touches = Vec::new();
        bench.learner_says(LINK, LearnerPacket::Ping { zxid, touches });
    }
    assert!(bench.said().contains(&"close 1".to_owned()));
}

#[test]
fn a_sync_is_answered_when_a_quorum_has_answered_a_later_ping() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    let pong = |bench: &mut Bench| {
        let touches = Vec::new();
        bench.learner_says(
            LINK,
            LearnerPacket::Ping {
                zxid: zxid(2, 0),
                touches,
            },
        );
    };
    bench.pass(500);
    bench.peer.sync(1, SessionId(1), 1, 500);
    assert_eq!(
        bench.said(),
        ["->1 PING 0x200000000", "->1 PING 0x200000000"]
    );
    bench.peer.sync(2, SessionId(1), 1, 500);
    pong(&mut bench);
    assert_eq!(bench.said(), [""; 0], "that ping had left before");
    pong(&mut bench);
    assert_eq!(bench.said(), ["->1 PING 0x200000000", "synced 1"]);
    pong(&mut bench);
    assert_eq!(bench.said(), ["synced 2"]);
}

#[test]
fn a_learners_sync_is_answered_behind_the_commit_of_what_was_proposed() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.propose();
    bench.synced();
    bench.learner_says(LINK, request(i32::from(OpCode::Sync)));
    assert_eq!(bench.said(), ["->1 PING 0x200000001"]);
    let (zxid, touches) = (
        zxid(2, 1),
        vec![Touch {
            session: SessionId(1),
            timeout_ms: 1,
        }],
    );
    bench.learner_says(LINK, LearnerPacket::Ping { zxid, touches });
    assert_eq!(bench.said(), ["touched 1"]);
    bench.ack(LINK, zxid);
    assert_eq!(
        bench.said(),
        ["->1 COMMIT 0x200000001", "deliver 0x200000001", "->1 SYNC"]
    );
}

#[test]
fn a_learner_that_comes_while_a_sync_waits_can_confirm_it() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.peer.sync(1, SessionId(1), 1, 0);
    bench.peer.handle_link_closed(LINK, 0);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 2), 1);
    bench.ack(OTHER, zxid(2, 0));
    bench.pass(500);
    bench.said();
    let touches = Vec::new();
    bench.learner_says(
        OTHER,
        LearnerPacket::Ping {
            zxid: zxid(2, 0),
            touches,
        },
    );
    assert_eq!(bench.said(), ["synced 1"]);
}

#[test]
fn requests_and_moves_of_sessions_reach_the_replica_and_come_back() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.learner_says(LINK, request(1));
    let session = SessionId(7);
    bench.learner_says(
        LINK,
        LearnerPacket::Revalidate {
            session,
            timeout_ms: 9,
        },
    );
    assert_eq!(bench.said(), ["forwarded by 1: 1", "revalidate 0x7 for 1"]);
    bench.peer.revalidated(LINK, session, true);
    assert_eq!(bench.said(), ["->1 REVALIDATE 0x7 true"]);
}

#[test]
fn a_leader_that_stops_waits_for_what_is_outstanding() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.propose();
    bench.synced();
    bench.peer.step_down(0);
    assert_eq!(bench.said(), [""; 0]);
    assert_eq!(bench.peer.next_zxid(), None);
    bench.ack(LINK, zxid(2, 1));
    assert_eq!(
        bench.said(),
        [
            "->1 COMMIT 0x200000001",
            "deliver 0x200000001",
            "retire",
            "close 1",
            "stop listening"
        ]
    );
    assert_eq!(bench.peer.role(), RoleKind::Stopped);
}

#[test]
fn a_leader_that_stops_does_not_wait_for_ever() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.propose();
    bench.peer.step_down(0);
    bench.pass(5_000);
    assert_eq!(bench.peer.role(), RoleKind::Stopped);
}

#[test]
fn a_server_alone_leads_at_once_and_commits_by_itself() {
    let mut peer = Peer::standalone(zxid(0, 5));
    assert!(peer.is_serving());
    assert_eq!(peer.poll_timeout(), None);
    let zxid = peer.next_zxid().expect("it serves");
    assert_eq!(zxid, Zxid::new(0, 6));
    while peer.poll_effect().is_some() {}
    peer.propose(
        Txn {
            zxid,
            bytes: body(zxid),
        },
        None,
        0,
    );
    assert_eq!(peer.delivered(), Zxid::new(0, 5));
    peer.sync(1, SessionId(1), 1, 0);
    peer.handle_durable(lockkeeper_zab::IoId(1), 0);
    assert_eq!(peer.delivered(), zxid);
    let said: Vec<_> = std::iter::from_fn(|| peer.poll_effect()).collect();
    assert!(matches!(
        said.last(),
        Some(lockkeeper_zab::Effect::Synced { ticket: 1 })
    ));
}

#[test]
fn a_voter_that_has_accepted_a_later_epoch_is_made_way_for() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.propose();
    bench.synced();
    bench.introduce(OTHER, ONE, 6);
    assert_eq!(bench.said(), ["->2 LEADERINFO 0x200000000"]);
    assert_eq!(bench.peer.next_zxid(), None);
    bench.ack(LINK, zxid(2, 1));
    let said = bench.said();
    assert!(said.contains(&"deliver 0x200000001".to_owned()), "{said:?}");
    assert_eq!(bench.peer.role(), RoleKind::Looking);
    let vote = Vote {
        leader: THREE,
        zxid: zxid(2, 1),
        epoch: 2,
    };
    for from in [ONE, TWO] {
        bench.hear_vote(from, PeerState::Looking, vote, 2);
    }
    bench.introduce(LINK, TWO, 2);
    assert!(
        bench
            .synced()
            .contains(&"->1 LEADERINFO 0x700000000".to_owned())
    );
}

#[test]
fn one_without_a_vote_that_has_accepted_a_later_epoch_ends_nothing() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.introduce(OTHER, ServerId(9), 6);
    assert!(bench.peer.next_zxid().is_some());
}
