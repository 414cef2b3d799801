//! Bugs that Apache's servers have had, each as the scenario that brought it out, here
//! those of a learner; the number is that
//! of the issue in their tracker. `l1`, `l2` and `l3` have none.

mod peer;

use bytes::Bytes;
use lockkeeper_wire::{LeaderPacket, Vote};
use lockkeeper_zab::{Effect, History, RoleKind};
use peer::{Bench, LINK, ONE, log_of, zxid};

#[test]
fn zk_335_and_1282_the_epoch_is_joined_at_newleader_and_not_at_uptodate() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    assert_eq!(bench.synced(), [""; 0]);
    bench.new_leader(5);
    assert_eq!(bench.said(), ["current 5"]);
    assert_eq!(bench.synced(), ["=> ACK 0x500000000"]);
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(bench.said(), ["=> ACK 0x500000000", "serve under 3"]);
}

#[test]
fn zk_2355_what_diff_names_is_not_what_the_learner_has() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 9) });
    bench.peer.handle_link_closed(LINK, bench.now_ms);
    assert_eq!(bench.peer.last_logged(), zxid(1, 2));
}

#[test]
fn zk_2832_behind_an_image_nothing_of_the_former_log_is_left() {
    let mut bench = Bench::with_leader(ONE, log_of(9));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Snap { zxid: zxid(1, 5) });
    bench.peer.handle_image(LINK, 0);
    assert_eq!(bench.said(), ["install 0x100000005"]);
    assert_eq!(bench.peer.last_logged(), zxid(1, 5));
    bench.new_leader(5);
    assert_eq!(bench.synced(), ["current 5", "=> ACK 0x500000000"]);
}

#[test]
fn zk_2845_the_vote_is_the_end_of_the_log_and_not_of_the_store() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.proposal(zxid(5, 1));
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    assert_eq!(bench.peer.delivered(), zxid(1, 2));
    let mut votes = Vec::new();
    while let Some(effect) = bench.peer.poll_effect() {
        if let Effect::Notify { notification, .. } = effect {
            votes.push(notification.vote);
        }
    }
    let vote = Vote {
        leader: ONE,
        zxid: zxid(5, 1),
        epoch: 5,
    };
    assert_eq!(votes, [vote, vote]);
}

#[test]
fn zk_3642_half_an_image_changes_nothing() {
    let mut bench = Bench::with_leader(ONE, log_of(4));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Snap { zxid: zxid(1, 9) });
    bench.peer.handle_activity(LINK, 0);
    bench.peer.handle_link_closed(LINK, 0);
    assert_eq!(bench.said(), [""; 0]);
    assert_eq!(bench.peer.last_logged(), zxid(1, 4));
    assert_eq!(bench.peer.role(), RoleKind::Looking);

    // And no DIFF may come in its place.
    bench.find_leader();
    bench.accept(6);
    bench.leader_says(LeaderPacket::Snap { zxid: zxid(1, 9) });
    bench.proposal(zxid(1, 5));
    assert_eq!(bench.said(), ["close 1"]);
    assert_eq!(bench.peer.role(), RoleKind::Looking);
}

#[test]
fn zk_3911_4643_4646_and_4785_history_then_epoch_then_acknowledgement() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    let accepted = bench.last_io();
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 4) });
    bench.committed(1, [3, 4]);
    bench.new_leader(5);
    assert_eq!(
        bench.said(),
        ["append 0x100000003", "append 0x100000004", "current 5"]
    );
    assert_eq!(bench.synced_upto(accepted + 1), [""; 0]);
    assert_eq!(bench.synced_upto(accepted + 2), [""; 0]);
    assert_eq!(bench.synced_upto(accepted + 3), ["=> ACK 0x500000000"]);
}

#[test]
fn zk_4394_a_commit_between_newleader_and_uptodate_finds_its_proposal() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    bench.proposal(zxid(5, 1));
    bench.new_leader(5);
    bench.synced();
    bench.leader_says(LeaderPacket::Commit { zxid: zxid(5, 1) });
    assert_eq!(bench.said(), [""; 0]);
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(
        bench.said(),
        ["=> ACK 0x500000000", "deliver 0x500000001", "serve under 3"]
    );
}

#[test]
fn zk_4646_open_proposals_are_logged_behind_the_epoch_and_acknowledged_one_by_one() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    let accepted = bench.last_io();
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    bench.proposal(zxid(5, 1));
    bench.proposal(zxid(5, 2));
    bench.new_leader(5);
    assert_eq!(
        bench.said(),
        ["current 5", "append 0x500000001", "append 0x500000002"]
    );
    assert_eq!(bench.synced_upto(accepted + 1), ["=> ACK 0x500000000"]);
    assert_eq!(bench.synced_upto(accepted + 2), ["=> ACK 0x500000001"]);
    assert_eq!(bench.synced_upto(accepted + 3), ["=> ACK 0x500000002"]);
}

#[test]
fn zk_4712_nothing_of_a_role_is_said_after_its_end() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.proposal(zxid(5, 1));
    bench.said();
    bench.peer.handle_link_closed(LINK, 0);
    assert_eq!(bench.said(), ["retire"]);
    assert_eq!(
        bench.synced(),
        [""; 0],
        "neither acknowledged nor delivered"
    );
}

#[test]
fn zk_4925_a_history_with_a_hole_is_not_taken_over() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 5) });
    bench.committed(1, [3]);
    bench.said();
    bench.proposal(zxid(1, 5));
    assert_eq!(bench.said(), ["close 1"]);
    assert_eq!(bench.peer.last_logged(), zxid(1, 3));
}

#[test]
fn zk_5094_after_an_interrupted_cut_the_log_goes_on_where_it_ends() {
    let mut bench = Bench::with_leader(ONE, log_of(5));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Trunc { zxid: zxid(1, 3) });
    bench.peer.handle_link_closed(LINK, 0);
    assert_eq!(bench.synced(), ["cut 0x100000003"]);
    bench.find_leader();
    assert_eq!(
        bench.accept(6),
        [
            "connect 3",
            "=> FOLLOWERINFO 0x500000000",
            "accepted 6",
            "=> ACKEPOCH 0x100000003 1"
        ]
    );
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 4) });
    bench.proposal(zxid(1, 5));
    assert_eq!(bench.said(), ["close 1"], "0x100000004 is missing");
}

#[test]
fn l1_a_proposal_with_the_number_of_another_one_is_neither_logged_nor_acknowledged() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.proposal(zxid(5, 1));
    bench.synced();
    let txn = Bytes::from_static(b"an error");
    bench.leader_says(LeaderPacket::Proposal {
        zxid: zxid(5, 1),
        txn,
    });
    assert_eq!(bench.synced(), [""; 0]);
    bench.leader_says(LeaderPacket::Commit { zxid: zxid(5, 1) });
    assert_eq!(bench.said(), ["deliver 0x500000001"]);
}

#[test]
fn l2_what_a_store_holds_beyond_the_cut_is_taken_back() {
    // It comes back with a tail in its store, as after a failed attempt to lead.
    let mut bench = Bench::with_leader(ONE, log_of(5));
    assert_eq!(bench.peer.delivered(), zxid(1, 5));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Trunc { zxid: zxid(1, 3) });
    assert_eq!(bench.said(), ["cut 0x100000003"]);
    assert_eq!(bench.peer.delivered(), zxid(1, 3));
    bench.committed(2, [1]);
    bench.new_leader(5);
    bench.synced();
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(
        bench.said(),
        ["=> ACK 0x500000000", "deliver 0x200000001", "serve under 3"]
    );
}

#[test]
fn l3_where_an_image_would_have_to_be_cut_another_one_is_asked_for() {
    let recovered = History {
        oldest: zxid(1, 5),
        ..log_of(6)
    };
    let mut bench = Bench::with_leader(ONE, recovered);
    bench.accept(5);
    bench.leader_says(LeaderPacket::Trunc { zxid: zxid(1, 3) });
    assert_eq!(bench.said(), ["close 1", "connect 3"]);
    assert_eq!(
        bench.accept(5)[1..],
        ["=> ACKEPOCH 0x8000000000000001 -1"],
        "it has promised, and that goes on to count"
    );
    bench.leader_says(LeaderPacket::Snap { zxid: zxid(1, 4) });
    bench.peer.handle_image(LINK, 0);
    bench.new_leader(5);
    assert_eq!(
        bench.synced(),
        ["install 0x100000004", "current 5", "=> ACK 0x500000000"]
    );
}
