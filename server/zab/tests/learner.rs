//! A learner up to UPTODATE, under a leader that is one, or is not.

mod peer;

use bytes::Bytes;
use lockkeeper_wire::{LeaderPacket, SessionId};
use lockkeeper_zab::{History, RoleKind};
use peer::{Bench, LINK, ONE, THREE, body, history, log_of, txn, zxid};

#[test]
fn the_handshake_with_a_new_leader_is_that_of_apache() {
    let mut bench = Bench::with_leader(ONE, log_of(0));
    assert_eq!(bench.said(), ["connect 3"]);
    assert_eq!(
        bench.accept(1),
        ["=> FOLLOWERINFO 0x0", "accepted 1", "=> ACKEPOCH 0x0 0"]
    );
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(0, 0) });
    bench.new_leader(1);
    assert_eq!(bench.synced(), ["current 1", "=> ACK 0x100000000"]);
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(bench.said(), ["=> ACK 0x100000000", "serve under 3"]);
    assert_eq!(bench.peer.role(), RoleKind::Following);
}

#[test]
fn the_promise_is_made_when_it_is_durable() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.said();
    bench.peer.handle_leader_connected(LINK, 0);
    bench.leader_says(LeaderPacket::LeaderInfo {
        zxid: zxid(5, 0),
        protocol: 0x1_0000,
    });
    assert_eq!(bench.said(), ["=> FOLLOWERINFO 0x100000000", "accepted 5"]);
    assert_eq!(bench.synced(), ["=> ACKEPOCH 0x100000002 1"]);
}

#[test]
fn an_epoch_that_was_accepted_before_does_not_count_again() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.said();
    assert_eq!(
        bench.accept(1),
        ["=> FOLLOWERINFO 0x100000000", "=> ACKEPOCH 0x100000002 -1"]
    );
}

#[test]
fn a_leader_of_an_older_epoch_is_left() {
    let recovered = History {
        accepted_epoch: 4,
        ..log_of(2)
    };
    let mut bench = Bench::with_leader(ONE, recovered);
    bench.said();
    assert_eq!(bench.accept(3), ["=> FOLLOWERINFO 0x400000000", "close 1"]);
    assert_eq!(bench.peer.role(), RoleKind::Looking);
}

#[test]
fn a_leader_that_cannot_be_reached_is_left() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.peer.handle_leader_unreachable(0);
    assert_eq!(bench.peer.role(), RoleKind::Looking);
    bench.peer.handle_leader_connected(LINK, 0);
    assert_eq!(bench.said(), ["connect 3", "close 1"], "it comes too late");
}

/// A phase, how to come there, and which packets are fine there.
type Phase<'a> = (&'a str, fn(&mut Bench), &'a [usize]);

#[test]
fn every_packet_out_of_its_phase_ends_the_role() {
    let packets = || {
        let (zxid, txn) = (zxid(5, 1), body(zxid(5, 1)));
        [
            LeaderPacket::LeaderInfo {
                zxid,
                protocol: 0x1_0000,
            },
            LeaderPacket::Diff { zxid },
            LeaderPacket::Trunc { zxid },
            LeaderPacket::Snap { zxid },
            LeaderPacket::NewLeader {
                zxid,
                config: Bytes::new(),
            },
            LeaderPacket::UpToDate,
            LeaderPacket::Commit { zxid },
            LeaderPacket::Inform {
                zxid,
                txn: txn.clone(),
            },
            LeaderPacket::CommitAndActivate {
                zxid,
                leader: THREE,
            },
            LeaderPacket::InformAndActivate {
                zxid,
                leader: THREE,
                txn: txn.clone(),
            },
            LeaderPacket::Sync,
            LeaderPacket::Revalidated {
                session: SessionId(1),
                valid: true,
            },
            LeaderPacket::Proposal { zxid, txn },
            LeaderPacket::Ping { zxid },
        ]
    };
    let phases: [Phase<'_>; 5] = [
        (
            "discovery",
            |bench| bench.peer.handle_leader_connected(LINK, 0),
            &[0],
        ),
        (
            "start of synchronization",
            |bench| drop(bench.accept(5)),
            &[1, 3, 13],
        ),
        (
            "history",
            |bench| {
                bench.accept(5);
                bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
            },
            &[12, 13],
        ),
        (
            "joined",
            |bench| {
                bench.accept(5);
                bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
                bench.new_leader(5);
                bench.synced();
            },
            &[5, 12, 13],
        ),
        ("broadcast", |bench| bench.follow(5), &[11, 12, 13]),
    ];
    for (phase, reach, fine) in phases {
        for (at, packet) in packets().into_iter().enumerate() {
            let mut bench = Bench::with_leader(ONE, log_of(2));
            reach(&mut bench);
            bench.said();
            let text = format!("{packet:?} in {phase}");
            bench.leader_says(packet);
            let said = bench.said();
            let is_left = said.contains(&"close 1".to_owned());
            assert_eq!(is_left, !fine.contains(&at), "{text}: {said:?}");
        }
    }
}

#[test]
fn uptodate_before_the_acknowledgement_has_left_is_out_of_phase() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    bench.new_leader(5);
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(bench.said(), ["current 5", "close 1"]);
    assert_eq!(
        bench.synced(),
        [""; 0],
        "what waited for the link is dropped"
    );
}

#[test]
fn pings_before_uptodate_are_not_answered_and_keep_the_learner_waiting() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    bench.new_leader(5);
    bench.said();
    for _ in 0..5 {
        bench.pass(4_000);
        bench.leader_says(LeaderPacket::Ping { zxid: zxid(5, 0) });
    }
    assert_eq!(bench.said(), [""; 0]);
    bench.pass(5_000);
    assert_eq!(bench.said(), ["close 1"]);
}

#[test]
fn a_cut_where_the_log_has_no_transaction_is_refused() {
    let recent = vec![txn(1, 1), txn(1, 2), txn(3, 1)];
    for cut in [zxid(2, 4), zxid(3, 2), zxid(1, 3)] {
        let mut bench = Bench::with_leader(ONE, history(recent.clone()));
        bench.accept(5);
        bench.leader_says(LeaderPacket::Trunc { zxid: cut });
        assert_eq!(bench.said(), ["close 1", "connect 3"], "{cut}");
    }
}

#[test]
fn a_long_image_does_not_run_into_the_limit_while_its_bytes_come() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Snap { zxid: zxid(1, 9) });
    for _ in 0..10 {
        bench.pass(9_000);
        bench.peer.handle_activity(LINK, bench.now_ms);
    }
    assert_eq!(bench.said(), [""; 0]);
    bench.pass(10_000);
    assert_eq!(bench.said(), ["close 1"]);
}

#[test]
fn who_forgot_what_it_promised_counts_when_it_has_a_history_again() {
    let recovered = History {
        votes: false,
        ..log_of(0)
    };
    let mut bench = Bench::with_leader(ONE, recovered);
    bench.said();
    assert_eq!(
        bench.accept(5),
        ["=> FOLLOWERINFO 0x0", "=> ACKEPOCH 0x0 -1"]
    );
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 1) });
    bench.committed(1, [1]);
    bench.new_leader(5);
    assert_eq!(
        bench.synced(),
        [
            "append 0x100000001",
            "accepted 5",
            "current 5",
            "=> ACK 0x500000000"
        ]
    );
}

#[test]
fn a_log_that_ends_in_an_accepted_epoch_counts_as_joined() {
    let recovered = History {
        accepted_epoch: 3,
        current_epoch: 1,
        ..history(vec![txn(1, 1), txn(3, 1)])
    };
    let mut bench = Bench::with(peer::settings(ONE), recovered);
    assert_eq!(bench.peer.epochs(), (3, 3));
    bench.find_leader();
    assert_eq!(bench.accept(4)[3], "=> ACKEPOCH 0x300000001 3");
}

#[test]
fn an_image_is_asked_for_once_and_then_the_promise_counts_again() {
    let mut bench = Bench::with_leader(ONE, history(vec![txn(1, 1), txn(3, 1)]));
    bench.accept(5);
    // Apache's leaders name the end of their log, whatever the learner's log holds.
    bench.leader_says(LeaderPacket::Trunc { zxid: zxid(2, 4) });
    assert_eq!(
        bench.accept(5).last().unwrap(),
        "=> ACKEPOCH 0x8000000000000001 -1"
    );
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(2, 4) });
    assert_eq!(bench.said(), ["close 1"], "it does not know from where");
    bench.find_leader();
    assert_eq!(bench.accept(7).last().unwrap(), "=> ACKEPOCH 0x300000001 3");
}

#[test]
fn who_forgot_what_it_promised_writes_its_epoch_even_if_the_disk_names_it() {
    // It was cut off while it caught up, behind the first half.
    let recovered = History {
        votes: false,
        accepted_epoch: 5,
        current_epoch: 5,
        ..history(vec![txn(5, 1)])
    };
    let mut bench = Bench::with_leader(ONE, recovered);
    assert_eq!(
        bench.accept(5).last().unwrap(),
        "=> ACKEPOCH 0x500000001 -1"
    );
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(5, 1) });
    bench.new_leader(5);
    assert_eq!(bench.synced(), ["current 5", "=> ACK 0x500000000"]);
}
