//! Changes of the membership while the ensemble runs: those who decide them.

mod peer;

use lockkeeper_wire::ServerId;
use lockkeeper_zab::{LinkId, Membership, RoleKind};
use peer::change::{enabled, following, propose_to, reconfig, voters};
use peer::{Bench, LINK, ONE, THREE, TWO, log_of, zxid};

const OTHER: LinkId = LinkId(2);
const OBSERVER: LinkId = LinkId(3);

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
fn an_epoch_needs_a_quorum_of_both_memberships() {
    let mut bench = following();
    propose_to(&mut bench, &voters(&[1, 5], zxid(5, 1)));
    bench.synced();
    bench.peer.handle_link_closed(LINK, 0);
    bench.elect_itself_with(ServerId(5), zxid(5, 1), 5);
    bench.said();
    bench.introduce(LINK, TWO, 5);
    assert_eq!(
        bench.synced(),
        [""; 0],
        "5 may have begun an epoch by itself"
    );
    bench.introduce(OTHER, ServerId(5), 8);
    assert_eq!(
        bench.synced(),
        [
            "accepted 9",
            "->1 LEADERINFO 0x900000000",
            "->2 LEADERINFO 0x900000000"
        ]
    );
    bench.promise(LINK, zxid(5, 1), 5);
    assert_eq!(bench.synced(), [""; 0]);
    bench.promise(OTHER, zxid(5, 1), 5);
    assert_eq!(bench.said()[0], "current 9");
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
fn newleader_does_not_tell_of_what_is_only_proposed() {
    let mut bench = leading();
    let next = voters(&[1, 2, 3, 5], zxid(2, 1));
    propose(&mut bench, &next);
    bench.synced();
    bench.introduce(LinkId(9), ServerId(5), 0);
    bench.promise_and_see(LinkId(9), zxid(1, 2), |config| {
        let told = Membership::from_bytes(config).expect("a membership");
        assert_eq!(told.version(), zxid(2, 0).0);
    });
}
