//! A learner that serves: proposals, commits, pings, syncs, the end.

mod peer;

use lockkeeper_wire::{LeaderPacket, ServerId, SessionId, Touch};
use lockkeeper_zab::{LinkId, RoleKind};
use peer::{Bench, ONE, body, log_of, zxid};

#[test]
fn proposals_are_acknowledged_when_durable_and_delivered_when_committed_too() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.proposal(zxid(5, 1));
    bench.proposal(zxid(5, 2));
    bench.leader_says(LeaderPacket::Commit { zxid: zxid(5, 1) });
    bench.leader_says(LeaderPacket::Commit { zxid: zxid(5, 2) });
    assert_eq!(bench.said(), ["append 0x500000001", "append 0x500000002"]);
    assert_eq!(
        bench.synced_upto(bench.last_io() - 1),
        ["=> ACK 0x500000001", "deliver 0x500000001"]
    );
    assert_eq!(
        bench.synced(),
        ["=> ACK 0x500000002", "deliver 0x500000002"]
    );
}

#[test]
fn a_commit_out_of_order_ends_the_role() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.proposal(zxid(5, 1));
    bench.proposal(zxid(5, 2));
    bench.synced();
    bench.leader_says(LeaderPacket::Commit { zxid: zxid(5, 2) });
    assert_eq!(bench.said(), ["retire", "close 1"]);
}

#[test]
fn a_gap_between_proposals_ends_the_role() {
    for wrong in [zxid(5, 3), zxid(6, 1), zxid(5, 0)] {
        let mut bench = Bench::with_leader(ONE, log_of(2));
        bench.follow(5);
        bench.proposal(zxid(5, 1));
        bench.synced();
        bench.leader_says(LeaderPacket::Proposal {
            zxid: wrong,
            txn: body(wrong),
        });
        let said = bench.said();
        let is_old = wrong < zxid(5, 1);
        assert_eq!(
            said.contains(&"retire".to_owned()),
            !is_old,
            "{wrong}: {said:?}"
        );
    }
}

#[test]
fn a_silent_leader_is_left_after_the_sync_limit() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.pass(4_999);
    assert_eq!(bench.said(), [""; 0]);
    bench.pass(1);
    assert_eq!(bench.said(), ["retire", "close 1"]);
}

#[test]
fn pings_are_answered_in_order_with_what_was_heard() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.leader_says(LeaderPacket::Ping { zxid: zxid(5, 0) });
    bench.leader_says(LeaderPacket::Ping { zxid: zxid(5, 7) });
    assert_eq!(bench.said(), ["pinged", "pinged"]);
    let touch = Touch {
        session: SessionId(1),
        timeout_ms: 5,
    };
    bench.peer.pong(vec![touch]);
    bench.peer.pong(Vec::new());
    bench.peer.pong(Vec::new());
    assert_eq!(
        bench.said(),
        ["=> PING 0x500000000 1", "=> PING 0x500000007 0"]
    );
}

#[test]
fn a_sync_is_answered_behind_the_commits_that_came_before_it() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.peer.sync(8, SessionId(1), 2, 0);
    bench.peer.sync(9, SessionId(1), 3, 0);
    assert_eq!(bench.said(), ["=> REQUEST 9", "=> REQUEST 9"]);
    bench.leader_says(LeaderPacket::Sync);
    assert_eq!(bench.said(), ["synced 8"]);
    bench.proposal(zxid(5, 1));
    bench.leader_says(LeaderPacket::Commit { zxid: zxid(5, 1) });
    bench.leader_says(LeaderPacket::Sync);
    assert_eq!(
        bench.said(),
        ["append 0x500000001"],
        "not before it is delivered"
    );
    assert_eq!(
        bench.synced(),
        ["=> ACK 0x500000001", "deliver 0x500000001", "synced 9"]
    );
}

#[test]
fn a_move_of_a_session_is_asked_and_answered() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.peer.revalidate(SessionId(6), 10);
    let (session, valid) = (SessionId(6), true);
    bench.leader_says(LeaderPacket::Revalidated { session, valid });
    assert_eq!(bench.said(), ["=> REVALIDATE 0x6", "revalidated 0x6 true"]);
}

#[test]
fn an_observer_logs_and_delivers_what_it_is_informed_of() {
    let mut bench = Bench::with_leader(ServerId(4), log_of(2));
    assert_eq!(bench.peer.role(), RoleKind::Observing);
    bench.said();
    assert_eq!(bench.accept(5)[0], "=> OBSERVERINFO 0x100000000");
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 3) });
    bench.committed(1, [3]);
    bench.new_leader(5);
    bench.synced();
    let (inform, txn) = (zxid(5, 1), body(zxid(5, 1)));
    bench.leader_says(LeaderPacket::Inform { zxid: inform, txn });
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(
        bench.said(),
        [
            "append 0x500000001",
            "=> ACK 0x500000000",
            "deliver 0x100000003",
            "observe 3"
        ]
    );
    assert_eq!(
        bench.synced(),
        ["deliver 0x500000001"],
        "and not acknowledged"
    );
    bench.leader_says(LeaderPacket::Proposal {
        zxid: zxid(5, 2),
        txn: body(zxid(5, 2)),
    });
    bench.leader_says(LeaderPacket::Commit { zxid: zxid(5, 2) });
    assert_eq!(bench.said(), [""; 0], "these are not for observers");
}

#[test]
fn a_member_that_stops_leaves_its_leader_and_votes_no_more() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.follow(5);
    bench.peer.step_down(0);
    assert_eq!(bench.said(), ["retire", "close 1"]);
    assert_eq!(bench.peer.role(), RoleKind::Stopped);
    assert_eq!(bench.peer.poll_timeout(), None);
    bench.find_leader();
    bench.peer.handle_learner_accepted(LinkId(9), 0);
    assert_eq!(bench.said(), ["close 9"]);
    assert_eq!(bench.peer.leader(), None);
}
