//! Which sets of servers are a quorum, and that any two of them have a server in common.

use lockkeeper_wire::ServerId;
use lockkeeper_zab::{Membership, Memberships};

fn majority(voters: i64, observers: i64, version: i64) -> Membership {
    let lines: Vec<String> = (1..=voters + observers)
        .map(|sid| match sid <= voters {
            true => format!("server.{sid}=h{sid}:1:2"),
            false => format!("server.{sid}=h{sid}:1:2:observer"),
        })
        .collect();
    let membership: Membership = lines.join("\n").parse().expect("a membership");
    membership.with_version(version)
}

/// Three groups of three, as in the administrator's guide; server 9 weighs nothing.
fn groups() -> Membership {
    let servers: String = (1..=9).map(|sid| format!("server.{sid}=h:1:2\n")).collect();
    format!("{servers}group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\nweight.9=0")
        .parse()
        .expect("a membership")
}

fn is_quorum(membership: &Membership, set: &[i64]) -> bool {
    membership.quorums().is_reached(|sid| set.contains(&sid.0))
}

#[test]
fn a_majority_is_more_than_half() {
    for (voters, least) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)] {
        let membership = majority(voters, 0, 0);
        for count in 0..=voters {
            let set: Vec<i64> = (1..=count).collect();
            assert_eq!(
                is_quorum(&membership, &set),
                count >= least,
                "{count} of {voters}"
            );
        }
    }
}

#[test]
fn only_voters_count() {
    let membership = majority(3, 2, 0);
    assert!(!is_quorum(&membership, &[1, 4, 5, 99]));
    assert!(is_quorum(&membership, &[1, 3, 4]));
}

#[test]
fn more_than_half_of_the_groups_by_more_than_half_of_their_weight() {
    let membership = groups();
    for (set, expected) in [
        (&[1, 2, 4, 5][..], true),
        (&[1, 2, 3], false),
        (&[1, 4, 7], false),
        (&[1, 2, 4, 7], false),
        (&[1, 2, 7, 8], true),
        // Half of the weight of the third group, and no more.
        (&[1, 2, 7, 9], false),
        (&[], false),
    ] {
        assert_eq!(is_quorum(&membership, set), expected, "{set:?}");
    }
}

#[test]
fn a_group_without_weight_does_not_count() {
    let text = "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1\ngroup.2=2\n";
    let both: Membership = text.parse().expect("a membership");
    assert!(!is_quorum(&both, &[1]));
    let one: Membership = format!("{text}weight.2=0").parse().expect("a membership");
    assert!(is_quorum(&one, &[1]));
    assert!(!is_quorum(&one, &[2]));
}

#[test]
fn what_weighs_without_a_vote_is_needed_and_cannot_help() {
    let text = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\ngroup.1=1:2:3\nweight.3=2";
    let membership: Membership = text.parse().expect("a membership");
    assert!(!is_quorum(&membership, &[1, 2]), "2 of 4");
    assert!(!is_quorum(&membership, &[1, 2, 3]));
}

#[test]
fn the_largest_weights_do_not_overflow() {
    let text = format!(
        "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nweight.1={0}\nweight.2={0}",
        i64::MAX
    );
    let membership: Membership = text.parse().expect("a membership");
    assert!(is_quorum(&membership, &[1, 2]));
    assert!(!is_quorum(&membership, &[1]) && !is_quorum(&membership, &[2]));
}

#[test]
fn any_two_quorums_meet() {
    for membership in [majority(4, 1, 0), majority(5, 0, 0), groups()] {
        let all: Vec<i64> = membership.members().keys().map(|sid| sid.0).collect();
        let subsets = 0..1u32 << all.len();
        let quorums: Vec<u32> = subsets
            .filter(|bits| {
                membership
                    .quorums()
                    .is_reached(|sid| bits & (1 << (sid.0 - 1)) != 0)
            })
            .collect();
        assert!(!quorums.is_empty());
        for one in &quorums {
            assert!(quorums.iter().all(|two| one & two != 0), "{one:b}");
        }
    }
}

#[test]
fn while_the_membership_changes_both_quorums_are_needed() {
    let reached = |memberships: &Memberships, set: &[i64]| {
        memberships.quorums().is_reached(|sid| set.contains(&sid.0))
    };
    let mut memberships = Memberships::new(majority(3, 0, 1), None);
    assert!(!memberships.is_changing());
    assert!(reached(&memberships, &[1, 2]));

    assert!(memberships.see(majority(5, 0, 2)));
    assert!(memberships.is_changing() && memberships.is_voter(ServerId(5)));
    assert!(!reached(&memberships, &[1, 2]), "no quorum of the next");
    assert!(
        !reached(&memberships, &[1, 4, 5]),
        "no quorum of the committed"
    );
    assert!(reached(&memberships, &[1, 2, 4]));
    let while_changing = memberships.quorums();

    let before = memberships.activate(majority(5, 0, 2));
    assert_eq!(before, Some(majority(3, 0, 1)));
    assert!(!memberships.is_changing());
    assert!(reached(&memberships, &[1, 4, 5]));
    assert!(
        !while_changing.is_reached(|sid| [1, 4, 5].contains(&sid.0)),
        "what was proposed before the change still needs both"
    );
}

#[test]
fn an_older_membership_changes_nothing() {
    let mut memberships = Memberships::new(majority(3, 0, 5), Some(majority(4, 0, 4)));
    assert_eq!(*memberships.last_seen(), majority(3, 0, 5));
    assert!(!memberships.see(majority(5, 0, 5)));
    assert_eq!(memberships.activate(majority(5, 0, 5)), None);
    assert_eq!(*memberships.committed(), majority(3, 0, 5));

    let memberships = Memberships::new(majority(3, 0, 5), Some(majority(4, 0, 6)));
    assert!(
        memberships.is_changing(),
        "a change that a crash interrupted"
    );
    assert_eq!(memberships.voters().len(), 4);
}
