//! Electing servers without a network.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeSet;

use bytes::Bytes;
use lockkeeper_wire::election::NOTIFICATION_VERSION;
use lockkeeper_wire::{Notification, PeerState, ServerId, Vote, Zxid};
use lockkeeper_zab::{
    Decision, Election, ElectionEffect, ElectionSettings, Membership, Memberships,
};

/// Servers 1 to `voters`, then `observers` more.
pub(crate) fn members(voters: i64, observers: i64, version: i64) -> Membership {
    let lines: Vec<String> = (1..=voters + observers)
        .map(|sid| match sid <= voters {
            true => format!("server.{sid}=h{sid}:2888:3888"),
            false => format!("server.{sid}=h{sid}:2888:3888:observer"),
        })
        .collect();
    let membership: Membership = lines.join("\n").parse().expect("a membership");
    membership.with_version(version)
}

pub(crate) fn vote(leader: i64, zxid: Zxid, epoch: i64) -> Vote {
    Vote {
        leader: ServerId(leader),
        zxid,
        epoch,
    }
}

/// A notification of a server since 3.5 that knows of no newer membership.
pub(crate) fn notification(state: PeerState, vote: Vote, round: i64) -> Notification {
    Notification {
        state,
        vote,
        round,
        version: NOTIFICATION_VERSION,
        config: Some(Bytes::new()),
    }
}

pub(crate) fn looking(vote: Vote, round: i64) -> Notification {
    notification(PeerState::Looking, vote, round)
}

pub(crate) fn following(vote: Vote, round: i64) -> Notification {
    notification(PeerState::Following, vote, round)
}

pub(crate) fn leading(vote: Vote, round: i64) -> Notification {
    notification(PeerState::Leading, vote, round)
}

/// The same with a membership.
pub(crate) fn with_config(notification: Notification, membership: &Membership) -> Notification {
    Notification {
        config: Some(membership.to_bytes()),
        ..notification
    }
}

/// What one input led to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// To whom something was sent, and what, without the membership.
    pub(crate) sent: Vec<(i64, PeerState, Vote, i64)>,
    pub(crate) adopted: Vec<Membership>,
    pub(crate) decided: Option<Decision>,
    pub(crate) looks_again: Vec<i64>,
}

impl Outcome {
    /// Whether one vote of one round went to exactly these.
    #[track_caller]
    pub(crate) fn assert_sent(&self, to: &[i64], state: PeerState, vote: Vote, round: i64) {
        let expected: Vec<_> = to.iter().map(|&to| (to, state, vote, round)).collect();
        assert_eq!(self.sent, expected);
    }

    /// Whether one vote of a first round of looking went to exactly these, whatever else happened.
    #[track_caller]
    pub(crate) fn assert_sent_to(&self, to: &[i64], vote: Vote) {
        self.assert_sent(to, PeerState::Looking, vote, 1);
    }

    #[track_caller]
    pub(crate) fn assert_decided(&self, state: PeerState, leader: i64, voters: &[i64]) {
        let decision = self.decided.as_ref().expect("a decision");
        assert_eq!((decision.state, decision.vote.leader.0), (state, leader));
        let voters: BTreeSet<ServerId> = voters.iter().copied().map(ServerId).collect();
        assert_eq!(decision.voters, voters);
    }

    #[track_caller]
    pub(crate) fn assert_nothing(&self) {
        assert_eq!(*self, Self::default());
    }
}

/// One electing server, and a clock.
pub(crate) struct Elector {
    pub(crate) election: Election,
    pub(crate) now_ms: u64,
}

pub(crate) struct Setup {
    pub(crate) sid: i64,
    pub(crate) committed: Membership,
    pub(crate) last_seen: Option<Membership>,
    pub(crate) reconfig_enabled: bool,
    pub(crate) standing: (Zxid, i64),
}

impl Setup {
    /// A server of an ensemble of `voters`, in epoch 1 with a log up to 0x100000005.
    pub(crate) fn of(sid: i64, voters: i64) -> Self {
        Self {
            sid,
            committed: members(voters, 0, 0),
            last_seen: None,
            reconfig_enabled: false,
            standing: STANDING,
        }
    }

    /// What it begins with, and what it does then.
    pub(crate) fn start(self) -> (Elector, Outcome) {
        let election = Election::new(
            ServerId(self.sid),
            self.reconfig_enabled,
            ElectionSettings::default(),
            Memberships::new(self.committed, self.last_seen),
            self.standing,
            0,
        );
        let mut elector = Elector {
            election,
            now_ms: 0,
        };
        let outcome = elector.drain();
        (elector, outcome)
    }
}

pub(crate) const STANDING: (Zxid, i64) = (Zxid::new(1, 5), 1);

/// The vote for a server that has what [`Setup::of`] gives it.
pub(crate) fn equal(leader: i64) -> Vote {
    vote(leader, STANDING.0, STANDING.1)
}

impl Elector {
    pub(crate) fn hear(&mut self, from: i64, heard: Notification) -> Outcome {
        self.election
            .handle_notification(ServerId(from), heard, self.now_ms);
        self.drain()
    }

    pub(crate) fn lose(&mut self, sid: i64) -> Outcome {
        self.election
            .handle_voter_unreachable(ServerId(sid), self.now_ms);
        self.drain()
    }

    /// Goes to the next deadline.
    pub(crate) fn wait(&mut self) -> Outcome {
        self.now_ms = self.election.poll_timeout().expect("a deadline");
        self.election.handle_timeout(self.now_ms);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(effect) = self.election.poll_effect() {
            match effect {
                ElectionEffect::Notify { to, notification } => {
                    assert_eq!(notification.version, NOTIFICATION_VERSION);
                    assert_eq!(
                        notification.config,
                        Some(self.election.memberships().committed().to_bytes())
                    );
                    let (vote, round) = (notification.vote, notification.round);
                    outcome.sent.push((to.0, notification.state, vote, round));
                }
                ElectionEffect::Adopted { membership } => outcome.adopted.push(membership),
                ElectionEffect::Decided(decision) => {
                    assert_eq!(outcome.decided, None, "one decision at a time");
                    outcome.decided = Some(decision);
                }
                ElectionEffect::VoterLooks { sid } => outcome.looks_again.push(sid.0),
            }
        }
        outcome
    }
}
