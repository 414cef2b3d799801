//! The rules of fast leader election, one by one, as seen by one server.

mod common;

use common::{Elector, Setup, equal, following, looking, members, vote};
use lockkeeper_wire::{PeerState, Vote, Zxid};

use PeerState::{Following, Leading, Looking};

/// A better vote than [`equal`]: one transaction more.
fn longer(leader: i64) -> Vote {
    vote(leader, Zxid::new(1, 6), 1)
}

#[test]
fn a_server_begins_by_proposing_itself_to_all_voters() {
    let setup = Setup {
        committed: members(3, 1, 0),
        ..Setup::of(2, 3)
    };
    let (elector, outcome) = setup.start();
    outcome.assert_sent(&[1, 3], Looking, equal(2), 1);
    assert_eq!(elector.election.poll_timeout(), Some(200));
}

#[test]
fn voters_of_a_membership_that_is_not_committed_yet_are_asked_too() {
    let setup = Setup {
        last_seen: Some(members(4, 0, 7)),
        ..Setup::of(2, 3)
    };
    setup
        .start()
        .1
        .assert_sent(&[1, 3, 4], Looking, equal(2), 1);
}

#[test]
fn a_better_vote_is_taken_over_and_told_to_all() {
    for better in [
        vote(1, Zxid::new(1, 1), 2),
        vote(1, Zxid::new(1, 6), 1),
        vote(3, Zxid::new(1, 5), 1),
        vote(1, Zxid::new(9, 0), 1),
    ] {
        let (mut elector, _) = Setup::of(2, 5).start();
        let outcome = elector.hear(1, looking(better, 1));
        outcome.assert_sent(&[1, 3, 4, 5], Looking, better, 1);
        assert_eq!(elector.election.vote(), better);
    }
}

#[test]
fn a_worse_vote_changes_nothing() {
    for worse in [
        vote(3, Zxid::new(9, 9), 0),
        vote(3, Zxid::new(1, 4), 1),
        vote(1, Zxid::new(1, 5), 1),
        vote(3, Zxid(-2), 1),
    ] {
        let (mut elector, _) = Setup::of(2, 5).start();
        elector.hear(3, looking(worse, 1)).assert_nothing();
        assert_eq!(elector.election.vote(), equal(2));
    }
}

#[test]
fn a_quorum_of_equal_votes_decides_after_the_last_wait() {
    let (mut elector, _) = Setup::of(2, 5).start();
    elector.hear(1, looking(equal(2), 1)).assert_nothing();
    elector.now_ms = 50;
    elector.hear(3, looking(equal(3), 1));
    elector.now_ms = 60;
    elector.hear(1, looking(equal(3), 1)).assert_nothing();
    assert_eq!(elector.election.poll_timeout(), Some(260));
    elector.now_ms = 259;
    elector.election.handle_timeout(259);
    elector.drain().assert_nothing();

    let outcome = elector.wait();
    outcome.assert_decided(Following, 3, &[1, 2, 3]);
    assert_eq!(outcome.decided.expect("one").round, 1);
    assert_eq!(elector.election.poll_timeout(), None);
    assert_eq!(elector.election.state(), Following);
}

#[test]
fn the_winner_leads() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(1, looking(equal(2), 1)).assert_nothing();
    elector.wait().assert_decided(Leading, 2, &[1, 2]);
}

#[test]
fn news_make_the_last_wait_longer_and_repetitions_do_not() {
    let (mut elector, _) = Setup::of(3, 5).start();
    elector.hear(1, looking(equal(3), 1));
    elector.hear(2, looking(equal(3), 1));
    assert_eq!(elector.election.poll_timeout(), Some(200));
    elector.now_ms = 100;
    elector.hear(2, looking(equal(3), 1)).assert_nothing();
    assert_eq!(elector.election.poll_timeout(), Some(200));
    elector.hear(4, looking(equal(2), 1)).assert_nothing();
    assert_eq!(elector.election.poll_timeout(), Some(300));
}

#[test]
fn a_better_vote_in_the_last_wait_goes_before() {
    let (mut elector, _) = Setup::of(3, 5).start();
    elector.hear(1, looking(equal(3), 1));
    elector.hear(2, looking(equal(3), 1));
    elector.now_ms = 150;
    let outcome = elector.hear(4, looking(longer(4), 1));
    outcome.assert_sent(&[1, 2, 4, 5], Looking, longer(4), 1);
    assert_eq!(elector.election.poll_timeout(), Some(350), "to tell again");
    elector.hear(1, looking(longer(4), 1)).assert_nothing();
    elector.wait().assert_decided(Following, 4, &[1, 3, 4]);
}

#[test]
fn the_last_wait_ends_when_everybody_has_voted() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(1, looking(equal(1), 1)).assert_nothing();
    let outcome = elector.hear(3, looking(equal(3), 1));
    outcome.assert_decided(Following, 3, &[2, 3]);
    outcome.assert_sent(&[1, 3], Looking, equal(3), 1);
}

/// Server 2 of 5 has heard servers 4 and 5, though not in the round it is in.
fn has_heard_4_and_5() -> Elector {
    let (mut elector, _) = Setup::of(2, 5).start();
    for from in [4, 5] {
        elector.hear(from, looking(equal(from), 0));
    }
    elector
}

#[test]
fn the_last_wait_ends_when_who_has_not_voted_is_gone() {
    let mut elector = has_heard_4_and_5();
    elector.lose(4).assert_nothing();
    elector.hear(1, looking(equal(2), 1)).assert_nothing();
    elector.hear(3, looking(equal(2), 1)).assert_nothing();
    elector.lose(5).assert_decided(Leading, 2, &[1, 2, 3]);
}

#[test]
fn votes_of_an_earlier_round_do_not_end_the_last_wait() {
    let (mut elector, _) = Setup::of(2, 5).start();
    elector.hear(4, looking(equal(1), 1));
    elector.hear(5, looking(equal(1), 1));
    elector.hear(1, looking(equal(2), 2));
    elector.hear(3, looking(equal(2), 2)).assert_nothing();
    elector.wait().assert_decided(Leading, 2, &[1, 2, 3]);
}

/// When an ensemble starts, those that cannot be reached yet are those that start last.
#[test]
fn who_was_never_there_is_waited_for() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.lose(3).assert_nothing();
    elector.hear(1, looking(equal(2), 1)).assert_nothing();
    elector.lose(3).assert_nothing();
    elector.wait().assert_decided(Leading, 2, &[1, 2]);
}

#[test]
fn who_is_there_again_is_waited_for() {
    let mut elector = has_heard_4_and_5();
    elector.lose(4);
    elector.lose(5);
    elector.hear(5, looking(equal(5), 0));
    elector.hear(1, looking(equal(2), 1));
    elector.hear(3, looking(equal(2), 1)).assert_nothing();
    elector.wait().assert_decided(Leading, 2, &[1, 2, 3]);
}

#[test]
fn that_others_are_gone_decides_nothing() {
    let mut elector = has_heard_4_and_5();
    elector.hear(1, looking(equal(2), 1));
    elector.lose(4).assert_nothing();
    elector.lose(5).assert_nothing();
    assert_eq!(elector.election.state(), Looking);
}

#[test]
fn an_ensemble_of_one_elects_itself_at_once() {
    let (_, outcome) = Setup::of(1, 1).start();
    outcome.assert_decided(Leading, 1, &[1]);
    assert_eq!(outcome.sent, []);
}

#[test]
fn a_later_round_is_joined_and_earlier_votes_are_forgotten() {
    let (mut elector, _) = Setup::of(2, 5).start();
    elector.hear(1, looking(equal(2), 1));
    // Its candidate is worse, so this server proposes itself again.
    let outcome = elector.hear(3, looking(equal(1), 4));
    outcome.assert_sent(&[1, 3, 4, 5], Looking, equal(2), 4);
    assert_eq!(elector.election.round(), 4);
    elector.hear(4, looking(equal(2), 4)).assert_nothing();
    assert_eq!(elector.election.poll_timeout(), Some(200), "no quorum yet");
    elector.hear(1, looking(equal(2), 4)).assert_nothing();
    elector.wait().assert_decided(Leading, 2, &[1, 2, 4]);
}

#[test]
fn a_later_round_with_a_better_candidate_is_joined_with_it() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(1, looking(longer(1), 1));
    // Better than the server itself, worse than the candidate of the round that is over.
    let outcome = elector.hear(3, looking(equal(3), 2));
    outcome.assert_sent(&[1, 3], Looking, equal(3), 2);
}

#[test]
fn an_earlier_round_is_told_of_the_later_one() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.election.look(Zxid::new(1, 5), 1, 0);
    elector.drain().assert_sent(&[1, 3], Looking, equal(2), 2);
    let outcome = elector.hear(3, looking(longer(3), 1));
    outcome.assert_sent(&[3], Looking, equal(2), 2);
    assert_eq!(elector.election.vote(), equal(2));
}

#[test]
fn the_vote_is_told_again_after_waits_that_double() {
    let (mut elector, _) = Setup::of(2, 3).start();
    let mut waits = Vec::new();
    for _ in 0..11 {
        let before = elector.now_ms;
        elector.wait().assert_sent(&[1, 3], Looking, equal(2), 1);
        waits.push(elector.now_ms - before);
    }
    let expected = [
        200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000,
    ];
    assert_eq!(waits, expected);

    elector.election.look(Zxid::new(1, 5), 1, elector.now_ms);
    let again = elector.election.poll_timeout();
    assert_eq!(again, Some(elector.now_ms + 200), "a new election");
}

#[test]
fn votes_of_strangers_and_for_strangers_do_not_count() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(1, looking(longer(9), 1)).assert_nothing();
    let outcome = elector.hear(9, looking(longer(3), 1));
    outcome.assert_sent(&[9], Looking, equal(2), 1);
    assert_eq!(elector.election.vote(), equal(2));
    elector.hear(2, looking(longer(3), 1)).assert_nothing();
}

/// Two that take each other for strangers would answer each other for ever.
#[test]
fn a_stranger_in_a_later_round_is_not_answered() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(9, looking(longer(9), 2)).assert_nothing();
    elector.hear(9, following(longer(9), 1)).assert_nothing();
}

#[test]
fn the_last_round_of_all_can_be_told() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(3, looking(equal(3), i64::MAX));
    assert_eq!(elector.election.round(), i64::MAX);
    elector.election.look(Zxid::new(1, 5), 1, 0);
    elector
        .drain()
        .assert_sent(&[1, 3], Looking, equal(2), i64::MAX);
}
