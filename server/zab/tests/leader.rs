//! A leader up to the beginning of its epoch, and whoever comes later.

mod peer;

use lockkeeper_wire::quorum::PROTOCOL;
use lockkeeper_wire::{LearnerInfo, LearnerPacket, PeerState, SessionId, Vote, Zxid};
use lockkeeper_zab::{LinkId, RoleKind, Settings};
use peer::{Bench, LINK, ONE, THREE, TWO, history, log_of, request, settings, txn, zxid};

const OTHER: LinkId = LinkId(2);

#[test]
fn an_epoch_begins_in_the_order_of_apache() {
    let mut bench = Bench::elected(THREE, log_of(2));
    assert_eq!(bench.said(), ["listen"]);
    bench.introduce(LINK, TWO, 4);
    assert_eq!(bench.synced(), ["accepted 5", "->1 LEADERINFO 0x500000000"]);
    bench.promise(LINK, zxid(1, 2), 1);
    assert_eq!(
        bench.said(),
        [
            "current 5",
            "->1 DIFF 0x100000002",
            "->1 NEWLEADER 0x500000000"
        ]
    );
    bench.ack(LINK, zxid(5, 0));
    assert_eq!(bench.said(), [""; 0], "its own history is not durable yet");
    assert_eq!(bench.synced(), ["serve as leader of 5", "->1 UPTODATE"]);
    bench.ack(LINK, zxid(5, 0));
    assert_eq!(bench.said(), [""; 0], "the second one means nothing");
    assert_eq!(bench.peer.next_zxid(), Some(zxid(5, 1)));
}

#[test]
fn nobody_is_served_before_a_quorum_has_the_history() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.introduce(LINK, TWO, 1);
    bench.synced();
    bench.promise(LINK, zxid(1, 2), 1);
    bench.synced();
    assert!(!bench.peer.is_serving());
    assert_eq!(bench.peer.next_zxid(), None);
    bench.pass(10_000);
    assert_eq!(bench.said(), ["close 1", "stop listening"]);
    assert_eq!(bench.peer.role(), RoleKind::Looking);
}

#[test]
fn a_leader_without_followers_gives_up() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.pass(9_999);
    assert_eq!(bench.peer.role(), RoleKind::Leading);
    bench.pass(1);
    assert_eq!(bench.said(), ["listen", "stop listening"]);
}

#[test]
fn promises_that_do_not_count_are_not_counted() {
    for (last, current_epoch) in [(zxid(1, 2), -1), (Zxid(-1), 1)] {
        let mut bench = Bench::elected(THREE, log_of(2));
        bench.introduce(LINK, TWO, 1);
        bench.synced();
        bench.promise(LINK, last, current_epoch);
        assert_eq!(bench.synced(), [""; 0]);
        bench.introduce(OTHER, ONE, 1);
        bench.promise(OTHER, zxid(1, 2), 1);
        assert!(bench.said().contains(&"current 2".to_owned()));
    }
}

#[test]
fn a_follower_that_has_more_is_refused_until_others_are_enough() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.introduce(LINK, TWO, 1);
    bench.synced();
    bench.promise(LINK, zxid(1, 3), 1);
    assert_eq!(bench.synced(), ["close 1"]);
    bench.introduce(LINK, TWO, 1);
    bench.promise(LINK, zxid(2, 1), 2);
    assert_eq!(
        bench.synced()[1],
        "close 1",
        "a later epoch counts more than a long log"
    );
    bench.introduce(LINK, ONE, 1);
    bench.promise(LINK, zxid(1, 2), 1);
    bench.synced();
    bench.introduce(OTHER, TWO, 1);
    bench.promise(OTHER, zxid(1, 3), 1);
    assert_eq!(bench.said()[1], "->2 TRUNC 0x100000002");
}

#[test]
fn learners_that_cannot_be_are_refused() {
    let info = LearnerInfo::new(TWO, 0);
    let accepted = zxid(1, 0);
    let cases = [
        (
            "a newer membership",
            accepted,
            LearnerInfo {
                config_version: 1,
                ..info
            },
        ),
        (
            "an old protocol",
            accepted,
            LearnerInfo {
                protocol: PROTOCOL - 1,
                ..info
            },
        ),
        (
            "the leader's own id",
            accepted,
            LearnerInfo { sid: THREE, ..info },
        ),
        ("the last epoch there is", Zxid(i64::MAX), info),
    ];
    for (what, accepted, info) in cases {
        let mut bench = Bench::elected(THREE, log_of(2));
        bench.said();
        bench.peer.handle_learner_accepted(LINK, 0);
        bench.learner_says(LINK, LearnerPacket::FollowerInfo { accepted, info });
        assert_eq!(bench.said(), ["close 1"], "{what}");
    }
}

/// A phase, how to come there, and which packets are fine there.
type Phase<'a> = (&'a str, &'a dyn Fn(&mut Bench), &'a [usize]);

#[test]
fn every_packet_out_of_its_phase_ends_the_connection_and_no_more() {
    let packets = || {
        let info = LearnerInfo::new(TWO, 0);
        let accepted = zxid(1, 0);
        [
            LearnerPacket::FollowerInfo { accepted, info },
            LearnerPacket::ObserverInfo { accepted, info },
            LearnerPacket::AckEpoch {
                last: zxid(1, 2),
                current_epoch: 1,
            },
            LearnerPacket::Ack { zxid: zxid(2, 0) },
            LearnerPacket::Ack { zxid: zxid(2, 9) },
            LearnerPacket::Ack { zxid: zxid(1, 0) },
            request(1),
            LearnerPacket::Ping {
                zxid: zxid(2, 0),
                touches: Vec::new(),
            },
            LearnerPacket::Revalidate {
                session: SessionId(1),
                timeout_ms: 1,
            },
        ]
    };
    let connected = |bench: &mut Bench| bench.peer.handle_learner_accepted(OTHER, 0);
    let offered = |bench: &mut Bench| bench.introduce(OTHER, ONE, 1);
    let syncing = |bench: &mut Bench| {
        bench.introduce(OTHER, ONE, 1);
        bench.promise(OTHER, zxid(1, 2), 1);
    };
    let active = |bench: &mut Bench| {
        bench.introduce(OTHER, ONE, 1);
        bench.promise(OTHER, zxid(1, 2), 1);
        bench.ack(OTHER, zxid(2, 0));
    };
    let phases: [Phase<'_>; 4] = [
        ("connected", &connected, &[0, 1]),
        ("offered", &offered, &[2]),
        ("syncing", &syncing, &[3]),
        ("active", &active, &[3, 6, 7, 8]),
    ];
    for (phase, reach, fine) in phases {
        for (at, packet) in packets().into_iter().enumerate() {
            let mut bench = Bench::elected(THREE, log_of(2));
            bench.begin_epoch(2);
            reach(&mut bench);
            bench.said();
            let text = format!("{packet:?} while {phase}");
            bench.learner_says(OTHER, packet);
            let is_closed = bench.said().contains(&"close 2".to_owned());
            assert_eq!(is_closed, !fine.contains(&at), "{text}");
            assert!(bench.peer.is_serving(), "{text}");
        }
    }
}

#[test]
fn who_has_an_open_proposal_keeps_it_and_waits_for_its_commit() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.propose();
    bench.propose();
    bench.synced();
    bench.introduce(OTHER, ONE, 2);
    bench.promise(OTHER, zxid(2, 1), -1);
    assert_eq!(
        bench.said()[1..],
        [
            "->2 DIFF 0x200000001",
            "->2 PROPOSAL 0x200000002",
            "->2 NEWLEADER 0x200000000"
        ]
    );
    bench.ack(OTHER, zxid(2, 0));
    assert_eq!(
        bench.said(),
        [
            "->1 COMMIT 0x200000001",
            "deliver 0x200000001",
            "->2 UPTODATE"
        ],
        "it holds the first, and that commits it; it is not told of what it does not await"
    );
}

#[test]
fn uptodate_waits_until_what_the_learner_was_found_to_have_is_committed() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    bench.propose();
    bench.said();
    bench.introduce(OTHER, ONE, 2);
    bench.promise(OTHER, zxid(2, 1), -1);
    bench.peer.handle_link_closed(LINK, 0);
    bench.said();
    bench.ack(OTHER, zxid(2, 0));
    assert_eq!(
        bench.said(),
        [""; 0],
        "the leader's own log does not hold it"
    );
    assert_eq!(bench.synced(), ["deliver 0x200000001", "->2 UPTODATE"]);
}

#[test]
fn a_learner_is_brought_up_from_the_disk() {
    let settings = Settings {
        recent_max: 2,
        ..settings(THREE)
    };
    let mut bench = Bench::elected_with(settings, log_of(6));
    bench.begin_epoch(2);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 2), 1);
    assert_eq!(bench.said()[1], "read for 2: 0x100000001 to 0x100000004");
    let read = [2, 3, 4].map(|counter| txn(1, counter));
    bench.peer.handle_log_read(OTHER, Some(read.to_vec()), 0);
    assert_eq!(
        bench.said(),
        [
            "->2 DIFF 0x100000006",
            "->2 PROPOSAL 0x100000003",
            "->2 COMMIT 0x100000003",
            "->2 PROPOSAL 0x100000004",
            "->2 COMMIT 0x100000004",
            "->2 PROPOSAL 0x100000005",
            "->2 COMMIT 0x100000005",
            "->2 PROPOSAL 0x100000006",
            "->2 COMMIT 0x100000006",
            "->2 NEWLEADER 0x200000000"
        ]
    );
}

#[test]
fn what_leaves_the_memory_while_the_log_is_read_is_read_too() {
    let settings = Settings {
        recent_max: 1,
        ..settings(THREE)
    };
    let mut bench = Bench::elected_with(settings, log_of(4));
    bench.begin_epoch(2);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 2), 1);
    bench.propose();
    bench.ack(LINK, zxid(2, 1));
    bench.synced();
    bench
        .peer
        .handle_log_read(OTHER, Some(vec![txn(1, 2), txn(1, 3)]), 0);
    assert_eq!(bench.said(), ["read for 2: 0x100000003 to 0x100000004"]);
    bench.peer.handle_log_read(OTHER, Some(vec![txn(1, 4)]), 0);
    let said = bench.said();
    let proposals: Vec<_> = said
        .iter()
        .filter(|text| text.contains("PROPOSAL"))
        .collect();
    assert_eq!(
        proposals,
        [
            "->2 PROPOSAL 0x100000003",
            "->2 PROPOSAL 0x100000004",
            "->2 PROPOSAL 0x200000001"
        ]
    );
}

#[test]
fn a_would_be_leader_brings_its_store_to_the_end_of_its_log_before_it_sends_it() {
    // A follower that had a proposal, and then is elected itself.
    let mut bench = Bench::with_leader(TWO, log_of(2));
    bench.follow(5);
    bench.proposal(zxid(5, 1));
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    let vote = Vote {
        leader: TWO,
        zxid: zxid(5, 1),
        epoch: 5,
    };
    for from in [ONE, THREE] {
        bench.hear_vote(from, PeerState::Looking, vote, 78);
    }
    bench.introduce(OTHER, ONE, 5);
    bench.synced();
    bench.promise(OTHER, zxid(4, 1), 4);
    assert_eq!(
        bench.synced(),
        [
            "current 6",
            "replay 0x500000001",
            "->2 SNAP 0x500000001",
            "->2 image",
            "->2 NEWLEADER 0x600000000"
        ]
    );
    bench.ack(OTHER, zxid(6, 0));
    assert_eq!(bench.said(), ["serve as leader of 6", "->2 UPTODATE"]);
}

#[test]
fn an_epoch_begins_with_the_log_of_the_leader_and_its_numbers_start_anew() {
    let recent = vec![txn(1, 1), txn(4, 1), txn(4, 2)];
    let mut bench = Bench::elected(THREE, history(recent));
    bench.begin_epoch(5);
    assert_eq!(bench.propose(), zxid(5, 1));
    assert_eq!(bench.propose(), zxid(5, 2));
}

#[test]
fn a_follower_of_a_later_epoch_that_has_nothing_more_is_no_obstacle() {
    let mut bench = Bench::elected(THREE, log_of(3));
    bench.introduce(LINK, TWO, 4);
    bench.synced();
    bench.promise(LINK, zxid(1, 3), 4);
    assert_eq!(bench.said()[0], "current 5");
}
