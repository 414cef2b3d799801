//! Elections by what a server is in the membership, and by what others say the membership is.

mod common;

use common::{Elector, Setup, equal, following, leading, looking, members, vote, with_config};
use lockkeeper_wire::{Notification, PeerState, ServerId, Vote, Zxid};

use PeerState::{Following, Leading, Looking, Observing};

/// A better vote than [`equal`]: one transaction more.
fn longer(leader: i64) -> Vote {
    vote(leader, Zxid::new(1, 6), 1)
}

/// Server 3 of 3 has been elected, in round 1.
fn leader() -> Elector {
    let (mut elector, _) = Setup::of(3, 3).start();
    elector.hear(1, looking(equal(3), 1));
    elector.wait().assert_decided(Leading, 3, &[1, 3]);
    elector
}

#[test]
fn an_observer_asks_and_observes() {
    let setup = Setup {
        committed: members(3, 1, 0),
        ..Setup::of(4, 3)
    };
    let (mut elector, outcome) = setup.start();
    let nobody = Vote {
        leader: ServerId::NONE,
        zxid: Zxid(i64::MIN),
        epoch: i64::MIN,
    };
    outcome.assert_sent(&[1, 2, 3], Looking, nobody, 1);
    elector.hear(1, following(equal(3), 5)).assert_nothing();
    elector
        .hear(3, leading(equal(3), 5))
        .assert_decided(Observing, 3, &[1, 3]);
}

#[test]
fn votes_while_nobody_leads_are_enough_for_an_observer() {
    let setup = Setup {
        committed: members(3, 1, 0),
        ..Setup::of(4, 3)
    };
    let (mut elector, _) = setup.start();
    elector.hear(3, looking(equal(3), 1));
    elector.hear(1, looking(equal(3), 1)).assert_nothing();
    elector.wait().assert_decided(Observing, 3, &[1, 3]);
}

#[test]
fn a_joining_server_takes_up_the_membership_and_follows_without_a_vote() {
    let own = "server.1=h1:2888:3888\nserver.9=h9:2888:3888";
    let setup = Setup {
        committed: own.parse().expect("a membership"),
        reconfig_enabled: true,
        ..Setup::of(9, 3)
    };
    let (mut elector, outcome) = setup.start();
    outcome.assert_sent(&[1], Looking, equal(9), 1);

    let of_all = members(3, 0, 0x1_0000_0000);
    let heard = with_config(following(equal(3), 4), &of_all);
    let outcome = elector.hear(1, heard);
    assert_eq!(outcome.adopted, [of_all]);
    let without_vote = vote(ServerId::NONE.0, Zxid::new(1, 5), 1);
    outcome.assert_sent_to(&[1, 2, 3], without_vote);

    elector.hear(1, following(equal(3), 4)).assert_nothing();
    elector
        .hear(3, leading(equal(3), 4))
        .assert_decided(Following, 3, &[1, 3]);
}

#[test]
fn a_newer_membership_of_other_members_begins_the_election_anew() {
    let setup = Setup {
        reconfig_enabled: true,
        ..Setup::of(2, 3)
    };
    let (mut elector, _) = setup.start();
    elector.election.look(Zxid::new(1, 5), 1, 0);
    elector.drain();
    let of_four = members(4, 0, 7);
    let outcome = elector.hear(3, with_config(looking(longer(3), 2), &of_four));
    assert_eq!(outcome.adopted, [of_four]);
    outcome.assert_sent_to(&[1, 3, 4], equal(2));
    assert_eq!(elector.election.round(), 1, "rounds are counted anew");
}

#[test]
fn a_newer_membership_of_the_same_members_is_taken_up_on_the_way() {
    let setup = Setup {
        reconfig_enabled: true,
        ..Setup::of(2, 3)
    };
    let (mut elector, _) = setup.start();
    let newer = members(3, 0, 7);
    let outcome = elector.hear(3, with_config(looking(longer(3), 1), &newer));
    assert_eq!(outcome.adopted, [newer]);
    outcome.assert_sent_to(&[1, 3], longer(3));
}

#[test]
fn memberships_are_not_taken_up_when_they_are_old_or_broken_or_there_is_a_leader() {
    let setup = Setup {
        reconfig_enabled: true,
        committed: members(3, 0, 7),
        ..Setup::of(2, 3)
    };
    let (mut elector, _) = setup.start();
    for config in [
        members(4, 0, 7).to_bytes(),
        members(4, 0, 6).to_bytes(),
        "server.1=\nversion=9".into(),
        "\u{0}".into(),
    ] {
        let heard = Notification {
            config: Some(config),
            ..looking(equal(1), 1)
        };
        elector.hear(1, heard).assert_nothing();
    }
    elector.hear(3, looking(equal(3), 1));
    assert_eq!(elector.election.state(), Following);
    let heard = with_config(looking(equal(1), 1), &members(4, 0, 9));
    elector
        .hear(1, heard)
        .assert_sent(&[1], Following, equal(3), 1);
    assert_eq!(
        *elector.election.memberships().committed(),
        members(3, 0, 7)
    );
}

#[test]
fn both_memberships_need_a_quorum_while_they_change() {
    let setup = Setup {
        last_seen: Some(members(5, 0, 7)),
        ..Setup::of(3, 3)
    };
    let (mut elector, _) = setup.start();
    elector.hear(2, looking(equal(3), 1));
    assert_eq!(elector.election.poll_timeout(), Some(200));
    elector
        .wait()
        .assert_sent(&[1, 2, 4, 5], Looking, equal(3), 1);
    elector.hear(4, looking(equal(3), 1)).assert_nothing();
    elector.wait().assert_decided(Leading, 3, &[2, 3, 4]);
}

#[test]
fn a_leader_is_followed_by_either_membership_while_they_change() {
    // What it proposed when it led will never be, and only it could vote then.
    let setup = Setup {
        last_seen: Some("server.3=h:1:2\nversion=7".parse().expect("a membership")),
        ..Setup::of(3, 3)
    };
    let (mut elector, _) = setup.start();
    elector.hear(1, leading(equal(1), 5)).assert_nothing();
    elector
        .hear(2, following(equal(1), 5))
        .assert_decided(Following, 1, &[1, 2]);
}

#[test]
fn who_has_a_vote_only_in_a_proposed_membership_gives_it_to_who_can_lead() {
    let setup = Setup {
        committed: members(3, 0, 0),
        last_seen: Some(members(4, 0, 7)),
        ..Setup::of(4, 3)
    };
    // Its own log is the longest; still it cannot lead.
    let (mut elector, _) = setup.start();
    let shorter = vote(3, Zxid::new(1, 1), 1);
    elector
        .hear(3, looking(shorter, 1))
        .assert_sent(&[1, 2, 3], Looking, shorter, 1);
}

#[test]
fn the_round_of_who_has_nobody_to_vote_for_is_taken_up() {
    let setup = Setup {
        last_seen: Some(members(4, 0, 7)),
        ..Setup::of(3, 3)
    };
    let (mut elector, _) = setup.start();
    let nobody = Vote {
        leader: ServerId::NONE,
        ..equal(3)
    };
    elector
        .hear(4, looking(nobody, 5))
        .assert_sent(&[1, 2, 4], Looking, equal(3), 5);
}

#[test]
fn a_server_without_weight_is_nobodys_candidate() {
    let servers: String = (1..=3).map(|sid| format!("server.{sid}=h:1:2\n")).collect();
    let text = format!("{servers}group.1=1:2:3\nweight.3=0");
    let setup = Setup {
        committed: text.parse().expect("a membership"),
        ..Setup::of(1, 3)
    };
    let (mut elector, _) = setup.start();
    elector.hear(3, looking(longer(3), 1)).assert_nothing();
    assert_eq!(elector.election.vote(), equal(1));
    let outcome = elector.hear(2, looking(equal(2), 1));
    outcome.assert_decided(Following, 2, &[1, 2]);
}

#[test]
fn a_server_that_has_lost_its_log_takes_no_part_but_joins_a_leader() {
    let lost = Zxid(-1);
    let setup = Setup {
        standing: (lost, 0),
        ..Setup::of(2, 3)
    };
    let (mut elector, outcome) = setup.start();
    outcome.assert_sent(&[1, 3], Looking, vote(2, lost, 0), 1);
    elector.hear(1, looking(equal(3), 1)).assert_nothing();
    elector.hear(3, looking(equal(3), 1)).assert_nothing();
    assert_eq!(elector.election.vote(), vote(2, lost, 0));
    elector.hear(1, following(equal(3), 1)).assert_nothing();
    elector
        .hear(3, leading(equal(3), 1))
        .assert_decided(Following, 3, &[1, 3]);
}

#[test]
fn who_has_lost_its_log_is_not_elected_with() {
    let (mut elector, _) = Setup::of(2, 3).start();
    let lost = vote(1, Zxid(-1), 9);
    elector.hear(1, looking(lost, 1)).assert_nothing();
    elector.hear(1, looking(lost, 5)).assert_nothing();
    assert_eq!(elector.election.round(), 1);
}

#[test]
fn a_leader_that_a_reconfiguration_names_is_told_without_a_round() {
    let mut elector = leader();
    assert!(elector.election.activate(members(4, 0, 7), 0));
    elector.election.designate(ServerId(1), Zxid::new(1, 9));
    let outcome = elector.hear(4, looking(longer(4), 3));
    outcome.assert_sent(&[4], Following, vote(1, Zxid::new(1, 9), -1), -1);
    elector.election.refresh(2);
    let outcome = elector.hear(4, looking(longer(4), 3));
    outcome.assert_sent(&[4], Following, vote(1, Zxid::new(1, 9), 2), -1);
    // Rounds are counted anew, as the election side was started anew.
    elector.election.look(Zxid::new(1, 9), 2, 0);
    elector
        .drain()
        .assert_sent(&[1, 2, 4], Looking, vote(3, Zxid::new(1, 9), 2), 1);
}
