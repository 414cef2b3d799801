//! What has gone wrong with elections in Apache's servers, kept as tests under the number that it has
//! there. Malformed messages (3769) and greetings (3720) are tested where they are read.

mod common;

use common::{Setup, equal, following, leading, looking, members, vote, with_config};
use lockkeeper_wire::{PeerState, Zxid};

use PeerState::{Following, Leading, Looking};

/// A server that restarted took the votes of those that still followed it for a new election of it.
#[test]
fn zk_975_a_restarted_server_does_not_take_old_followers_for_new_ones() {
    let (mut elector, _) = Setup::of(3, 3).start();
    elector.hear(1, following(equal(3), 2)).assert_nothing();
    elector.hear(2, following(equal(3), 2)).assert_nothing();
    assert_eq!(elector.election.state(), Looking);
}

/// The same for a leader that others believe in, but that does not say so itself.
#[test]
fn zk_975_a_leader_has_to_speak_for_itself() {
    let (mut elector, _) = Setup::of(1, 5).start();
    for from in [2, 3, 4] {
        elector.hear(from, following(equal(5), 2)).assert_nothing();
    }
    elector.hear(5, looking(equal(5), 1));
    assert_eq!(elector.election.state(), Looking, "it looks itself");
    elector.hear(5, following(equal(2), 2)).assert_nothing();
    elector.hear(4, following(equal(5), 2)).assert_nothing();
    elector
        .hear(5, leading(equal(5), 2))
        .assert_decided(Following, 5, &[2, 3, 4, 5]);
}

/// Members that joined a leader at different times tell different rounds and zxids of it; a newcomer
/// that compared them never found a quorum.
#[test]
fn zk_1732_rounds_and_zxids_of_those_that_have_a_leader_are_not_compared() {
    let (mut elector, _) = Setup::of(1, 5).start();
    let of_4 = |counter, round| (vote(4, Zxid::new(1, counter), 2), round);
    let (vote, round) = of_4(3, 7);
    elector.hear(2, following(vote, round)).assert_nothing();
    let (vote, round) = of_4(9, 1);
    elector.hear(3, following(vote, round)).assert_nothing();
    let (vote, round) = of_4(5, 4);
    elector
        .hear(4, leading(vote, round))
        .assert_decided(Following, 4, &[2, 3, 4]);
}

/// A member that told the epoch from before its leader's looked to newcomers as if it followed
/// another: only after the refresh all tell the same.
#[test]
fn zk_1805_the_epoch_is_told_as_it_is_after_the_synchronization() {
    let (mut elector, _) = Setup::of(2, 3).start();
    elector.hear(3, looking(equal(3), 1));
    elector.wait().assert_decided(Following, 3, &[2, 3]);
    elector.election.refresh(2);
    let told = elector.hear(1, looking(equal(1), 1));
    let refreshed = vote(3, Zxid::new(1, 5), 2);
    told.assert_sent(&[1], Following, refreshed, 1);

    let (mut newcomer, _) = Setup::of(1, 3).start();
    newcomer.election.look(Zxid::new(1, 5), 1, 0);
    newcomer.drain();
    // The leader was elected before server 2 came, with another zxid, in another round.
    let of_leader = vote(3, Zxid::new(1, 2), 2);
    newcomer.hear(3, leading(of_leader, 9)).assert_nothing();
    newcomer
        .hear(2, following(refreshed, 1))
        .assert_decided(Following, 3, &[2, 3]);
}

/// Voters that change their mind in the last moment leave a leader behind that waits for them; it
/// learns that they look again.
#[test]
fn zk_3109_a_leader_learns_that_its_voters_look_again() {
    let (mut elector, _) = Setup::of(3, 3).start();
    elector.hear(1, looking(equal(3), 1));
    let outcome = elector.wait();
    outcome.assert_decided(Leading, 3, &[1, 3]);

    let outcome = elector.hear(1, looking(equal(1), 2));
    assert_eq!(outcome.looks_again, [1]);
    outcome.assert_sent(&[1], Leading, equal(3), 1);
    let outcome = elector.hear(9, looking(equal(1), 2));
    assert_eq!(outcome.looks_again, [], "no voter");
}

/// Memberships spread although reconfiguration was off, and a rolling restart with a new static file
/// was undone by the servers that still had the old one.
#[test]
fn zk_3829_memberships_do_not_spread_with_reconfiguration_off() {
    let (mut elector, _) = Setup::of(2, 3).start();
    let heard = with_config(looking(equal(3), 1), &members(4, 0, 0x1_0000_0000));
    let outcome = elector.hear(3, heard);
    assert_eq!(outcome.adopted, []);
    outcome.assert_sent(&[1, 3], Looking, equal(3), 1);
    assert_eq!(
        *elector.election.memberships().committed(),
        members(3, 0, 0)
    );
}

/// A membership that cannot be read must not take the vote with it.
#[test]
fn zk_3769_a_vote_with_a_broken_membership_counts() {
    let setup = Setup {
        reconfig_enabled: true,
        ..Setup::of(2, 3)
    };
    let (mut elector, _) = setup.start();
    let mut heard = looking(equal(3), 1);
    heard.config = Some(vec![0xff, b'=', b'\\', b'u'].into());
    elector
        .hear(3, heard)
        .assert_sent(&[1, 3], Looking, equal(3), 1);
}
