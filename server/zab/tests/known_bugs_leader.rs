//! Bugs that Apache's servers have had, each as the scenario that brought it out, here
//! those of a leader; the number is that
//! of the issue in their tracker. `l1`, `l2` and `l3` have none.

mod peer;

use lockkeeper_wire::{LeaderPacket, PeerState, Vote};
use lockkeeper_zab::{Effect, History, LinkId, Peer, Settings, Txn};
use peer::{Bench, LINK, ONE, THREE, TWO, body, history, log_of, settings, txn, zxid};

/// The second link of a test.
const OTHER: LinkId = LinkId(2);

#[test]
fn zk_962_a_learner_gets_every_proposal_once() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    let (a, b) = (bench.propose(), bench.propose());
    bench.said();
    bench.introduce(OTHER, ONE, 2);
    bench.promise(OTHER, zxid(1, 1), -1);
    // Two are open when it comes, and one follows at once.
    let mut said = bench.synced();
    bench.ack(LINK, a);
    said.extend(bench.said());
    let to_other: Vec<_> = said.iter().filter(|text| text.starts_with("->2")).collect();
    assert_eq!(
        to_other,
        [
            "->2 LEADERINFO 0x200000000",
            "->2 DIFF 0x100000002",
            "->2 PROPOSAL 0x100000002",
            "->2 COMMIT 0x100000002",
            "->2 PROPOSAL 0x200000001",
            "->2 PROPOSAL 0x200000002",
            "->2 NEWLEADER 0x200000000",
            "->2 COMMIT 0x200000001",
        ]
    );
    let c = bench.propose();
    assert!(bench.said().contains(&format!("->2 PROPOSAL {c}")));
    assert!(b < c);
}

#[test]
fn zk_1154_and_1156_a_tail_of_an_older_epoch_is_cut_right_behind_the_common_part() {
    let recent = vec![txn(1, 1), txn(1, 2), txn(1, 3), txn(2, 1)];
    let mut bench = Bench::elected(THREE, history(recent));
    bench.begin_epoch(3);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 5), 1);
    assert_eq!(
        bench.synced(),
        [
            "->2 LEADERINFO 0x300000000",
            "->2 TRUNC 0x100000003",
            "->2 PROPOSAL 0x200000001",
            "->2 COMMIT 0x200000001",
            "->2 NEWLEADER 0x300000000",
        ]
    );
}

#[test]
fn zk_1154_a_log_is_not_cut_where_its_epoch_is_not_shared() {
    // Its epoch 2 may have begun anywhere in epoch 1.
    let mut bench = Bench::elected(THREE, history(vec![txn(1, 1), txn(1, 2), txn(3, 1)]));
    bench.begin_epoch(4);
    bench.introduce(OTHER, ONE, 2);
    bench.promise(OTHER, zxid(2, 4), 2);
    assert_eq!(bench.synced()[1..3], ["->2 SNAP 0x300000001", "->2 image"]);
}

#[test]
fn zk_1277_an_epoch_ends_before_its_counter_does() {
    let last = zxid(7, u32::MAX - 2);
    let recovered = History {
        last,
        accepted_epoch: 7,
        current_epoch: 7,
        ..log_of(0)
    };
    let mut alone = Peer::standalone(last);
    let next = alone.next_zxid().expect("one is left");
    assert_eq!(next, zxid(7, u32::MAX - 1));
    alone.propose(
        Txn {
            zxid: next,
            bytes: body(next),
        },
        None,
        0,
    );
    assert_eq!(alone.next_zxid(), None);
    let mut delivered = Vec::new();
    while let Some(effect) = alone.poll_effect() {
        if let Effect::Append { io, .. } = effect {
            alone.handle_durable(io, 0);
        } else {
            delivered.push(effect);
        }
    }
    assert_eq!(alone.next_zxid(), Some(zxid(8, 1)), "{delivered:?}");

    assert_eq!(
        Peer::standalone(zxid(7, u32::MAX - 1)).next_zxid(),
        Some(zxid(8, 1)),
        "also after a restart"
    );

    // With others, another election makes the epoch.
    let mut bench = Bench::elected(THREE, recovered);
    bench.begin_epoch(8);
    assert_eq!(bench.propose(), zxid(8, 1));
}

#[test]
fn zk_1291_an_epoch_is_accepted_before_it_is_offered() {
    let mut bench = Bench::elected(THREE, log_of(1));
    bench.said();
    bench.introduce(LINK, TWO, 1);
    assert_eq!(bench.said(), ["accepted 2"]);
    assert_eq!(bench.synced(), ["->1 LEADERINFO 0x200000000"]);
}

#[test]
fn zk_2418_a_hole_between_disk_and_memory_makes_an_image() {
    let settings = Settings {
        recent_max: 1,
        ..settings(THREE)
    };
    let mut bench = Bench::elected_with(settings, log_of(9));
    bench.begin_epoch(2);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 3), 1);
    assert_eq!(
        bench.synced(),
        [
            "->2 LEADERINFO 0x200000000",
            "read for 2: 0x100000002 to 0x100000008"
        ]
    );
    let read = [3, 4, 5, 7, 8].map(|counter| txn(1, counter));
    bench.peer.handle_log_read(OTHER, Some(read.to_vec()), 0);
    assert_eq!(bench.said()[..2], ["->2 SNAP 0x100000009", "->2 image"]);
}

#[test]
fn zk_3104_newleader_comes_behind_the_image_and_all_of_the_history() {
    let mut bench = Bench::elected(THREE, history(vec![txn(3, 1), txn(3, 2)]));
    bench.begin_epoch(4);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 5), 1);
    // Where their logs part is on the disk; it cannot be read.
    bench.synced();
    bench.peer.handle_log_read(OTHER, None, 0);
    assert_eq!(
        bench.said(),
        [
            "->2 SNAP 0x300000002",
            "->2 image",
            "->2 NEWLEADER 0x400000000"
        ]
    );
}

#[test]
fn zk_3526_what_is_sent_is_what_the_log_holds_after_a_cut() {
    let mut bench = Bench::with_leader(THREE, log_of(5));
    bench.peer.handle_leader_unreachable(0);
    bench.said();
    // As a follower of 1 it loses the end of its log, then it leads itself.
    let vote = |leader, last, epoch| Vote {
        leader,
        zxid: last,
        epoch,
    };
    let round = 78;
    for from in [ONE, TWO] {
        bench.hear_vote(from, PeerState::Looking, vote(ONE, zxid(2, 1), 2), round);
    }
    assert_eq!(bench.peer.leader(), Some(ONE));
    bench.accept(3);
    bench.leader_says(LeaderPacket::Trunc { zxid: zxid(1, 3) });
    bench.committed(2, [1]);
    bench.new_leader(3);
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    for from in [ONE, TWO] {
        bench.hear_vote(
            from,
            PeerState::Looking,
            vote(THREE, zxid(2, 1), 3),
            round + 1,
        );
    }
    bench.begin_epoch(4);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 4), 1);
    assert_eq!(
        bench.synced()[1..4],
        [
            "->2 TRUNC 0x100000003",
            "->2 PROPOSAL 0x200000001",
            "->2 COMMIT 0x200000001"
        ]
    );
}

#[test]
fn zk_4685_an_acknowledgement_that_overtakes_is_not_that_of_newleader() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    let proposed = bench.propose();
    bench.introduce(OTHER, ONE, 1);
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    bench.promise(OTHER, zxid(1, 2), 1);
    bench.said();
    bench.ack(OTHER, proposed);
    assert_eq!(bench.said(), [""; 0], "it does not count yet");
    bench.ack(OTHER, zxid(2, 0));
    assert_eq!(
        bench.said(),
        [
            "->2 COMMIT 0x200000001",
            "deliver 0x200000001",
            "->2 UPTODATE"
        ]
    );
}

#[test]
fn zk_4925_what_came_by_synchronization_is_passed_on() {
    let mut bench = Bench::with_leader(THREE, log_of(1));
    bench.peer.handle_leader_unreachable(0);
    let vote = |leader, last, epoch| Vote {
        leader,
        zxid: last,
        epoch,
    };
    for from in [ONE, TWO] {
        bench.hear_vote(from, PeerState::Looking, vote(ONE, zxid(1, 3), 1), 78);
    }
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 3) });
    bench.committed(1, [2, 3]);
    bench.new_leader(5);
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    for from in [ONE, TWO] {
        bench.hear_vote(from, PeerState::Looking, vote(THREE, zxid(1, 3), 5), 79);
    }
    bench.begin_epoch(6);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 1), 1);
    assert_eq!(
        bench.synced()[1..6],
        [
            "->2 DIFF 0x100000003",
            "->2 PROPOSAL 0x100000002",
            "->2 COMMIT 0x100000002",
            "->2 PROPOSAL 0x100000003",
            "->2 COMMIT 0x100000003",
        ]
    );
}

#[test]
fn l3_a_leader_sends_an_image_to_whom_asks_for_one() {
    let mut bench = Bench::elected(THREE, log_of(6));
    bench.begin_epoch(2);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, lockkeeper_wire::Zxid(i64::MIN + 1), -1);
    assert_eq!(bench.synced()[1..3], ["->2 SNAP 0x100000006", "->2 image"]);
}

#[test]
fn a_stale_acknowledgement_of_what_was_cut_since_does_not_count() {
    let mut bench = Bench::elected(THREE, log_of(2));
    bench.begin_epoch(2);
    let proposed = bench.propose();
    bench.said();
    // 2 acknowledges before this member's own log holds it, comes back, and has lost it.
    bench.ack(LINK, proposed);
    assert_eq!(bench.said(), [""; 0]);
    bench.introduce(OTHER, TWO, 2);
    bench.promise(OTHER, zxid(1, 2), -1);
    bench.ack(LINK, proposed);
    let said = bench.synced();
    assert!(said.contains(&"close 1".to_owned()));
    assert!(
        !said
            .iter()
            .any(|text| text.contains("COMMIT 0x2") || text.contains("deliver"))
    );
    bench.ack(OTHER, zxid(2, 0));
    assert_eq!(
        bench.said(),
        ["->2 UPTODATE"],
        "joined, without the proposal"
    );
    bench.ack(OTHER, proposed);
    assert_eq!(
        bench.said(),
        ["->2 COMMIT 0x200000001", "deliver 0x200000001"]
    );
}
