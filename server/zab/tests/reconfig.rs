//! Changes of the membership while the ensemble runs.

mod peer;

use lockkeeper_wire::txn::{SetDataTxn, TxnHeader};
use lockkeeper_wire::{
    LeaderPacket, OpCode, Record, ServerId, SessionId, Txn as Body, TxnEntry, Zxid,
};
use lockkeeper_zab::{LinkId, Membership, RoleKind, Settings, Txn};
use peer::{Bench, LINK, ONE, THREE, TWO, log_of, settings, zxid};

const OTHER: LinkId = LinkId(2);
const OBSERVER: LinkId = LinkId(3);

fn enabled(sid: ServerId) -> Settings {
    Settings {
        reconfig_enabled: true,
        ..settings(sid)
    }
}

/// A membership of these voters, with the addresses that they have at the start.
fn voters(sids: &[i64], version: Zxid) -> Membership {
    let host = |sid: &i64| ["a", "b", "c", "d", "e"][*sid as usize - 1];
    let lines = sids
        .iter()
        .map(|sid| format!("server.{sid}={}:1:2:participant\n", host(sid)));
    let text = format!("{}version={:x}", lines.collect::<String>(), version.0);
    text.parse().expect("a membership")
}

/// The transaction that brings it.
fn reconfig(membership: &Membership) -> Txn {
    let zxid = Zxid(membership.version());
    let entry = TxnEntry {
        header: TxnHeader {
            client_id: SessionId(1),
            cxid: 1,
            zxid,
            time_ms: 1,
            op: i32::from(OpCode::Reconfig),
        },
        txn: Body::Reconfig(SetDataTxn {
            path: "/zookeeper/config".into(),
            data: Some(membership.to_bytes()),
            version: -1,
        }),
        digest: None,
    };
    let bytes = entry.to_bytes();
    Txn { zxid, bytes }
}

/// 3 leads epoch 2; 2 follows over [`LINK`], 1 over [`OTHER`], 4 observes.
fn leading() -> Bench {
    let mut bench = Bench::elected_with(enabled(THREE), log_of(2));
    bench.begin_epoch(2);
    bench.introduce(OTHER, ONE, 1);
    bench.promise(OTHER, zxid(1, 2), 1);
    bench.ack(OTHER, zxid(2, 0));
    bench.observe(OBSERVER, ServerId(4));
    bench.promise(OBSERVER, zxid(1, 2), 1);
    bench.ack(OBSERVER, zxid(2, 0));
    bench.synced();
    bench
}

fn propose(bench: &mut Bench, membership: &Membership) {
    bench
        .peer
        .propose(reconfig(membership), Some(membership.clone()), bench.now_ms);
}

/// 1 follows 3 in epoch 5.
fn following() -> Bench {
    let mut bench = Bench::with(enabled(ONE), log_of(2));
    bench.find_leader();
    bench.follow(5);
    bench
}

fn propose_to(bench: &mut Bench, membership: &Membership) {
    let Txn { zxid, bytes: txn } = reconfig(membership);
    bench.leader_says(LeaderPacket::Proposal { zxid, txn });
}

#[test]
fn zk_1783_the_first_membership_gets_the_version_of_the_epoch() {
    let mut bench = Bench::elected_with(enabled(THREE), log_of(2));
    bench.introduce(LINK, TWO, 1);
    bench.synced();
    bench.promise(LINK, zxid(1, 2), 1);
    assert!(bench.synced().contains(&"seen 0x200000000".to_owned()));
    bench.ack(LINK, zxid(2, 0));
    assert_eq!(
        bench.said(),
        [
            "membership 0x200000000",
            "serve as leader of 2",
            "->1 UPTODATE"
        ]
    );
    assert_eq!(bench.peer.membership().version(), zxid(2, 0).0);
}

#[test]
fn a_change_takes_effect_with_its_commit() {
    let mut bench = leading();
    let next = voters(&[1, 2, 3, 5], zxid(2, 1));
    propose(&mut bench, &next);
    assert_eq!(bench.synced()[0], "seen 0x200000001");
    bench.ack(LINK, zxid(2, 1));
    assert_eq!(bench.said(), [""; 0], "two of three, but two of four");
    bench.ack(OTHER, zxid(2, 1));
    assert_eq!(
        bench.said(),
        [
            "->1 COMMITANDACTIVATE 0x200000001 3",
            "->2 COMMITANDACTIVATE 0x200000001 3",
            "->3 INFORMANDACTIVATE 0x200000001 3",
            "deliver 0x200000001",
            "membership 0x200000001"
        ]
    );
    assert_eq!(bench.peer.membership(), &next);
    assert_eq!(bench.peer.role(), RoleKind::Leading);
    let in_step = [1, 2, 3, 4, 5].map(|sid| bench.peer.is_synced(ServerId(sid)));
    assert_eq!(in_step, [true, true, true, false, false], "4 observes");
}

#[test]
fn while_a_change_is_open_everything_needs_both_memberships() {
    let mut bench = leading();
    propose(&mut bench, &voters(&[3, 5], zxid(2, 1)));
    let behind = bench.propose();
    bench.synced();
    for link in [LINK, OTHER] {
        bench.ack(link, behind);
    }
    assert_eq!(bench.said(), [""; 0], "5 has not said a word");
    let link = LinkId(9);
    bench.introduce(link, ServerId(5), 0);
    bench.promise(link, zxid(1, 2), 1);
    bench.ack(link, zxid(2, 0));
    bench.said();
    bench.ack(link, behind);
    let said = bench.said();
    assert!(said.contains(&"->9 COMMITANDACTIVATE 0x200000001 3".to_owned()));
    assert!(
        said.contains(&"->9 COMMIT 0x200000002".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_leader_that_is_removed_follows_the_one_it_names() {
    let mut bench = leading();
    propose(&mut bench, &voters(&[1, 2], zxid(2, 1)));
    let behind = bench.propose();
    bench.synced();
    bench.ack(LINK, zxid(2, 1));
    bench.ack(OTHER, behind);
    assert_eq!(
        bench.said(),
        [
            "->1 COMMITANDACTIVATE 0x200000001 1",
            "->2 COMMITANDACTIVATE 0x200000001 1",
            "->3 INFORMANDACTIVATE 0x200000001 1",
            "deliver 0x200000001",
            "membership 0x200000001",
            "retire",
            "close 1",
            "close 2",
            "close 3",
            "stop listening",
            "connect 1"
        ],
        "1 has more of what is open than 2"
    );
    assert_eq!(bench.peer.leader(), Some(ONE));
}

#[test]
fn zk_4708_addresses_are_compared_as_they_are_written() {
    for (host, stays) in [("c", true), ("other", false)] {
        let mut bench = leading();
        let text = format!(
            "server.1=a:1:2\nserver.2=b:1:2\nserver.3={host}:1:2;9\nversion={:x}",
            zxid(2, 1).0
        );
        propose(&mut bench, &text.parse().expect("a membership"));
        bench.synced();
        bench.ack(LINK, zxid(2, 1));
        assert_eq!(bench.peer.leader() == Some(THREE), stays, "{host}");
    }
}

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
    bench.synced();
    bench.promise(LINK, zxid(1, 2), 1);
    bench.synced();
    bench.ack(LINK, zxid(6, 0));
    assert_eq!(bench.said(), [""; 0], "two of three, but two of four");
    bench.introduce(OTHER, THREE, 5);
    bench.promise(OTHER, zxid(5, 1), 5);
    bench.ack(OTHER, zxid(6, 0));
    let said = bench.synced();
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
fn zk_2080_a_change_during_synchronization_reaches_who_comes_meanwhile() {
    let mut bench = leading();
    let next = voters(&[1, 2, 3, 5], zxid(2, 1));
    propose(&mut bench, &next);
    bench.synced();
    let link = LinkId(9);
    bench.introduce(link, ServerId(5), 0);
    bench.promise(link, zxid(1, 1), 1);
    bench.ack(LINK, zxid(2, 1));
    bench.ack(OTHER, zxid(2, 1));
    let said = bench.said();
    let to_it: Vec<_> = said.iter().filter(|text| text.starts_with("->9")).collect();
    assert_eq!(
        to_it[1..],
        [
            "->9 DIFF 0x100000002",
            "->9 PROPOSAL 0x100000002",
            "->9 COMMIT 0x100000002",
            "->9 PROPOSAL 0x200000001",
            "->9 NEWLEADER 0x200000000",
            "->9 COMMITANDACTIVATE 0x200000001 3"
        ]
    );
}

#[test]
fn what_is_only_proposed_does_not_take_effect_with_uptodate() {
    // A leader of this kind does not tell of it.
    let mut bench = leading();
    let next = voters(&[1, 2, 3, 5], zxid(2, 1));
    propose(&mut bench, &next);
    bench.synced();
    bench.introduce(LinkId(9), ServerId(5), 0);
    bench.promise_and_see(LinkId(9), zxid(1, 2), |config| {
        let told = Membership::from_bytes(config).expect("a membership");
        assert_eq!(told.version(), zxid(2, 0).0);
    });

    // One of Apache's does.
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
    // 5 would have to be heard while it counts.
    bench.find_leader();
    assert_eq!(bench.peer.leader(), None);
    for from in [TWO, THREE, ServerId(5)] {
        bench.hear_leader_of(from, THREE);
    }
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
