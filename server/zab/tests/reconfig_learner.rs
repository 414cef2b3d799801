//! Changes of the membership while the ensemble runs: those who learn of them.

mod peer;

use lockkeeper_wire::{LeaderPacket, ServerId};
use lockkeeper_zab::{LinkId, RoleKind, Txn};
use peer::change::{enabled, following, propose_to, reconfig, voters};
use peer::{Bench, LINK, ONE, THREE, TWO, log_of, zxid};

const OTHER: LinkId = LinkId(2);

#[test]
fn a_follower_sees_a_change_when_it_is_proposed_and_goes_on_when_nothing_else_changes() {
    let mut bench = following();
    let next = voters(&[1, 2, 3, 5], zxid(5, 1));
    propose_to(&mut bench, &next);
    assert_eq!(
        bench.synced(),
        [
            "seen 0x500000001",
            "append 0x500000001",
            "=> ACK 0x500000001"
        ]
    );
    bench.leader_says(LeaderPacket::CommitAndActivate {
        zxid: zxid(5, 1),
        leader: THREE,
    });
    assert_eq!(
        bench.said(),
        ["deliver 0x500000001", "membership 0x500000001"]
    );
    assert_eq!(bench.peer.membership(), &next);
}

#[test]
fn a_follower_that_is_named_leads_at_once_and_others_follow_it() {
    for (leader, begins) in [(ONE, "listen"), (TWO, "connect 2")] {
        let mut bench = following();
        propose_to(&mut bench, &voters(&[1, 2], zxid(5, 1)));
        bench.synced();
        bench.leader_says(LeaderPacket::CommitAndActivate {
            zxid: zxid(5, 1),
            leader,
        });
        assert_eq!(
            bench.said(),
            [
                "deliver 0x500000001",
                "membership 0x500000001",
                "retire",
                "close 1",
                begins
            ]
        );
        assert_eq!(bench.peer.leader(), Some(leader));
    }
}

#[test]
fn a_named_leader_that_cannot_be_reached_is_searched_for() {
    let mut bench = following();
    propose_to(&mut bench, &voters(&[1, 2], zxid(5, 1)));
    bench.leader_says(LeaderPacket::CommitAndActivate {
        zxid: zxid(5, 1),
        leader: TWO,
    });
    bench.peer.handle_leader_unreachable(0);
    assert_eq!(bench.peer.role(), RoleKind::Looking);
}

#[test]
fn an_observer_that_is_to_vote_comes_back_as_a_follower() {
    let mut bench = Bench::with(enabled(ServerId(4)), log_of(2));
    bench.find_leader();
    bench.follow(5);
    assert_eq!(bench.peer.role(), RoleKind::Observing);
    let Txn { zxid, bytes: txn } = reconfig(&voters(&[1, 2, 3, 4], zxid(5, 1)));
    bench.leader_says(LeaderPacket::InformAndActivate {
        zxid,
        leader: THREE,
        txn,
    });
    assert_eq!(bench.peer.role(), RoleKind::Following);
    let said = bench.said();
    assert_eq!(said[said.len() - 2..], ["close 1", "connect 3"]);
}

#[test]
fn zk_1324_a_change_left_open_is_finished_by_the_next_epoch() {
    // The follower had seen it, and leads now.
    let mut bench = following();
    let next = voters(&[1, 2, 3, 5], zxid(5, 1));
    propose_to(&mut bench, &next);
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    bench.elect_itself(zxid(5, 1), 5);
    bench.introduce(LINK, TWO, 5);
    bench.introduce(OTHER, THREE, 5);
    bench.synced();
    bench.promise(LINK, zxid(1, 2), 1);
    bench.promise(OTHER, zxid(5, 1), 5);
    bench.synced();
    bench.ack(LINK, zxid(6, 0));
    assert_eq!(bench.said(), [""; 0], "two of three, but two of four");
    bench.ack(OTHER, zxid(6, 0));
    let said = bench.said();
    assert!(
        said.contains(&"membership 0x500000001".to_owned()),
        "{said:?}"
    );
    assert!(said.contains(&"serve as leader of 6".to_owned()));

    // And a follower that had not seen it learns of it with NEWLEADER.
    let mut bench = Bench::with(enabled(ONE), log_of(2));
    bench.find_leader();
    bench.accept(6);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    bench.leader_says(LeaderPacket::NewLeader {
        zxid: zxid(6, 0),
        config: next.to_bytes(),
    });
    assert_eq!(bench.said()[0], "seen 0x500000001");
    bench.synced();
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(
        bench.said(),
        [
            "=> ACK 0x600000000",
            "membership 0x500000001",
            "serve under 3"
        ]
    );
}

#[test]
fn what_is_only_proposed_does_not_take_effect_with_uptodate() {
    // Apache's leaders tell of it all the same.
    let mut bench = Bench::with(enabled(ONE), log_of(2));
    bench.find_leader();
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    let next = voters(&[1, 2], zxid(5, 1));
    propose_to(&mut bench, &next);
    bench.leader_says(LeaderPacket::NewLeader {
        zxid: zxid(5, 0),
        config: next.to_bytes(),
    });
    bench.synced();
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(bench.said(), ["=> ACK 0x500000000", "serve under 3"]);
    assert_eq!(bench.peer.membership().version(), 0);
}

#[test]
fn a_proposed_membership_goes_with_its_proposal() {
    let next = voters(&[2, 5], zxid(5, 1));
    let mut bench = following();
    propose_to(&mut bench, &next);
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    // 5 has never heard of it.
    bench.find_leader();
    bench.accept(6);
    bench.leader_says(LeaderPacket::Trunc { zxid: zxid(1, 2) });
    assert_eq!(bench.said(), ["cut 0x100000002"]);
    assert_eq!(bench.synced(), ["seen 0x0"], "behind the cut");
    bench.peer.handle_link_closed(LINK, 0);
    bench.find_leader();
    assert_eq!(bench.peer.leader(), Some(THREE));

    // The same if a crash has taken the proposal.
    let mut bench = Bench::started(enabled(ONE), log_of(2), Some(next));
    assert_eq!(bench.said(), ["seen 0x0"]);
    bench.find_leader();
    assert_eq!(bench.peer.leader(), Some(THREE));
}

#[test]
fn zk_3829_with_reconfiguration_off_nothing_of_others_is_taken_up() {
    let mut bench = Bench::with_leader(ONE, log_of(2));
    bench.accept(5);
    bench.leader_says(LeaderPacket::Diff { zxid: zxid(1, 2) });
    bench.leader_says(LeaderPacket::NewLeader {
        zxid: zxid(5, 0),
        config: voters(&[1, 2], zxid(4, 1)).to_bytes(),
    });
    bench.synced();
    bench.leader_says(LeaderPacket::UpToDate);
    assert_eq!(bench.said(), ["=> ACK 0x500000000", "serve under 3"]);
    assert_eq!(bench.peer.membership().version(), 0);
}

#[test]
fn a_membership_that_cannot_be_read_ends_the_role() {
    let mut bench = following();
    let Txn { zxid, bytes } = reconfig(&voters(&[1, 2], zxid(5, 1)));
    let txn = bytes.slice(..bytes.len() - 30);
    bench.leader_says(LeaderPacket::Proposal { zxid, txn });
    assert_eq!(bench.said(), ["retire", "close 1"]);
}
