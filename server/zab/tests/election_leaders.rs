//! Elections and leaders that there are already: what those that look are told, and how a server
//! joins a leader that others have.

mod common;

use common::{Elector, Setup, equal, following, leading, looking, notification, vote};
use lockkeeper_wire::{Notification, PeerState, Vote, Zxid};

use PeerState::{Following, Observing};

/// A better vote than [`equal`]: one transaction more.
fn longer(leader: i64) -> Vote {
    vote(leader, Zxid::new(1, 6), 1)
}

/// Server 2 of 3 has elected server 3 and follows it, in round 1.
fn follower_of_3() -> Elector {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(3, looking(equal(3), 1));
    elector.wait().assert_decided(Following, 3, &[2, 3]);
    elector
}

#[test]
fn strangers_are_told_of_the_leader() {
    let mut elector = follower_of_3();
    let outcome = elector.hear(9, looking(longer(9), 7));
    outcome.assert_sent(&[9], Following, equal(3), 1);
    elector.hear(9, following(longer(9), 7)).assert_nothing();
}

#[test]
fn who_looks_is_told_of_the_leader_and_its_epoch() {
    let mut elector = follower_of_3();
    let outcome = elector.hear(1, looking(longer(1), 7));
    outcome.assert_sent(&[1], Following, equal(3), 1);
    elector.election.refresh(2);
    let outcome = elector.hear(1, looking(longer(1), 7));
    outcome.assert_sent(&[1], Following, vote(3, Zxid::new(1, 5), 2), 1);
    assert_eq!(elector.election.state(), Following, "it does not join in");
}

#[test]
fn who_has_a_leader_is_not_answered() {
    let mut elector = follower_of_3();
    elector.hear(1, following(equal(3), 1)).assert_nothing();
    elector.hear(3, leading(equal(3), 1)).assert_nothing();
}

#[test]
fn a_leader_that_others_have_is_joined_by_its_word_and_a_quorum() {
    let of_3 = vote(3, Zxid::new(1, 1), 2);
    for round in [1, 6] {
        let (mut elector, _) = Setup::of(2, 5).start();
        elector.hear(1, following(of_3, round)).assert_nothing();
        elector.hear(4, following(of_3, round)).assert_nothing();
        let outcome = elector.hear(3, leading(of_3, round));
        outcome.assert_decided(Following, 3, &[1, 3, 4]);
        assert_eq!(elector.election.round(), round);
        assert_eq!(elector.election.vote(), of_3);
    }
}

#[test]
fn a_late_server_with_a_later_round_goes_back_to_that_of_the_ensemble() {
    let (mut elector, _) = Setup::of(1, 3).start();
    for _ in 0..5 {
        elector.election.look(Zxid::new(1, 5), 1, 0);
    }
    elector.drain();
    elector.hear(2, following(equal(3), 2)).assert_nothing();
    elector
        .hear(3, leading(equal(3), 2))
        .assert_decided(Following, 3, &[2, 3]);
    assert_eq!(elector.election.round(), 2);
}

#[test]
fn votes_with_and_without_a_leader_make_a_quorum_in_one_round() {
    let (mut elector, _) = Setup::of(1, 3).start();
    elector.hear(2, looking(equal(2), 1));
    elector.hear(3, looking(equal(3), 1));
    // All three have voted, and two of them for server 3.
    assert_eq!(elector.election.state(), Following);

    let (mut elector, _) = Setup::of(1, 5).start();
    elector.hear(2, looking(equal(3), 1));
    let outcome = elector.hear(3, leading(equal(3), 1));
    outcome.assert_decided(Following, 3, &[1, 2, 3]);
}

#[test]
fn a_voter_that_joins_a_leader_in_the_last_wait_takes_its_vote_away() {
    let (mut elector, _) = Setup::of(2, 5).start();
    elector.hear(1, looking(equal(2), 1));
    elector.hear(3, looking(equal(2), 1));
    elector.hear(3, following(equal(5), 1)).assert_nothing();
    let outcome = elector.wait();
    outcome.assert_sent(&[1, 3, 4, 5], PeerState::Looking, equal(2), 1);
}

#[test]
fn observers_are_no_leaders_word() {
    let (mut elector, _) = Setup::of(1, 3).start();
    for from in [2, 3] {
        elector
            .hear(from, notification(Observing, equal(3), 1))
            .assert_nothing();
    }
}

#[test]
fn a_server_without_a_version_agrees_by_the_leader_alone() {
    let old = |heard: Notification| Notification {
        version: 0,
        config: None,
        ..heard
    };
    let (mut elector, _) = Setup::of(1, 3).start();
    elector
        .hear(2, old(following(vote(3, Zxid::new(1, 5), 1), 9)))
        .assert_nothing();
    elector
        .hear(3, leading(vote(3, Zxid::new(1, 5), 2), 8))
        .assert_decided(Following, 3, &[2, 3]);
}
