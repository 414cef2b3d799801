//! Fast leader election (`FastLeaderElection`): votes in, notifications and a decision out.
//!
//! A server that looks for a leader proposes the best candidate it has heard of, itself at first, and
//! tells every voter whenever that changes. Candidates are ordered by their epoch, the end of their
//! log and their id, so all who hear of one another end with the same proposal; when a quorum holds
//! it, and nothing better came for a little while, the election is over. A server that starts while
//! the others have a leader learns it from their answers, and so does one without a vote.
//!
//! A *round* numbers elections, for each server from its own start. Votes of different rounds do not
//! mix: a server in an older round moves up, one in a newer round tells the other to.
//!
//! The election outlives its end: it goes on answering those who still look. It is also where the
//! member's memberships live, since an electing server takes up a newer one from anybody.
//!
//! Beyond what Apache's servers do:
//! - The last wait ends at once when every other voter has voted in this round or has gone: nothing
//!   better can come. Gone is who was heard in the life of this process and cannot be reached now; who
//!   was never heard may be just about to start, as in an ensemble that starts as a whole.
//! - A message read during the last wait counts like any other, where Apache's servers drop it.
//! - A server without a vote that asks while nobody leads is told the vote of this election, where
//!   Apache's servers tell the leader of the last one; and nothing if it is in a later round, since
//!   it has no use for votes of an earlier one.
//! - With reconfiguration off, the memberships of others are not even looked at (ZOOKEEPER-3829).

mod effect;
mod looking;
mod votes;

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use lockkeeper_wire::election::NOTIFICATION_VERSION;
use lockkeeper_wire::{Notification, PeerState, ServerId, Vote, Zxid};

pub use effect::{Decision, ElectionEffect, ElectionSettings};

use crate::membership::{MemberRole, Membership, Memberships};
use looking::{Looking, Standing};

/// One server's part in all elections of its life.
///
/// After each input take [`Self::poll_effect`] until it is empty, then [`Self::poll_timeout`].
#[derive(Debug)]
pub struct Election {
    sid: ServerId,
    reconfig_enabled: bool,
    settings: ElectionSettings,
    memberships: Memberships,
    /// The committed membership as text.
    config: Bytes,
    /// Apache's logical clock.
    round: i64,
    /// Voters that have told anything at all.
    ever_heard: BTreeSet<ServerId>,
    phase: Phase,
    effects: VecDeque<ElectionEffect>,
}

#[derive(Debug)]
enum Phase {
    Looking(Looking),
    /// There is a leader, and this is what those who look are told of it.
    Settled {
        state: PeerState,
        vote: Vote,
        round: i64,
    },
}

impl Election {
    /// Begins to look. `last` is the end of the log, `epoch` the current epoch; a `last` of -1 is a
    /// server whose data is lost: it takes no part but joins a leader that there is.
    pub fn new(
        sid: ServerId,
        reconfig_enabled: bool,
        settings: ElectionSettings,
        memberships: Memberships,
        (last, epoch): (Zxid, i64),
        now_ms: u64,
    ) -> Self {
        let standing = Standing { last, epoch };
        let own = standing.vote(sid, memberships.committed());
        let mut election = Self {
            sid,
            reconfig_enabled,
            settings,
            config: memberships.committed().to_bytes(),
            memberships,
            round: 0,
            ever_heard: BTreeSet::new(),
            phase: Phase::Looking(Looking::new(standing, own, &settings)),
            effects: VecDeque::new(),
        };
        election.begin(standing, now_ms);
        election
    }

    /// Begins to look again, now that there is no leader any more.
    pub fn look(&mut self, last: Zxid, epoch: i64, now_ms: u64) {
        self.begin(Standing { last, epoch }, now_ms);
    }

    /// The leader has brought this server into its epoch, or the other way round.
    pub fn refresh(&mut self, epoch: i64) {
        if let Phase::Settled { vote, .. } = &mut self.phase {
            vote.epoch = epoch;
        }
    }

    /// A change of the membership has named who leads, and nobody votes. Until [`Self::refresh`] the
    /// vote has no epoch, and it never has a round.
    pub fn designate(&mut self, leader: ServerId, zxid: Zxid) {
        const UNKNOWN: i64 = -1;
        self.phase = Phase::Settled {
            state: self.state_under(leader),
            vote: Vote {
                leader,
                zxid,
                epoch: UNKNOWN,
            },
            round: UNKNOWN,
        };
    }

    /// A newer membership was proposed.
    ///
    /// Returns whether it is newer than all seen before.
    pub fn see(&mut self, membership: Membership) -> bool {
        self.memberships.see(membership)
    }

    /// The membership that was proposed last is not to be.
    pub fn forget_seen(&mut self) {
        self.memberships.forget_seen();
    }

    /// A newer membership takes effect; if its members differ, rounds are counted from the start
    /// again, and a server that looks begins anew. Returns whether they differ.
    pub fn activate(&mut self, membership: Membership, now_ms: u64) -> bool {
        let Some(before) = self.memberships.activate(membership) else {
            return false;
        };
        let committed = self.memberships.committed();
        self.config = committed.to_bytes();
        let differ = !committed.agrees_with(&before);
        if differ {
            self.round = 0;
            if let Phase::Looking(looking) = &self.phase {
                self.begin(looking.standing, now_ms);
            }
        }
        differ
    }

    /// The membership in force and the last one seen.
    pub fn memberships(&self) -> &Memberships {
        &self.memberships
    }

    /// What this server is doing, as others are told.
    pub fn state(&self) -> PeerState {
        match &self.phase {
            Phase::Looking(_) => PeerState::Looking,
            Phase::Settled { state, .. } => *state,
        }
    }

    /// The leader it has, or the vote while it looks.
    pub fn vote(&self) -> Vote {
        match &self.phase {
            Phase::Looking(looking) => looking.proposal,
            Phase::Settled { vote, .. } => *vote,
        }
    }

    /// The election that it votes in.
    pub fn round(&self) -> i64 {
        self.round
    }

    /// A server told its vote.
    pub fn handle_notification(&mut self, from: ServerId, heard: Notification, now_ms: u64) {
        // Nobody else has this id; what says so is misconfigured, and its vote must not become ours.
        if from == self.sid || self.takes_up(from, &heard, now_ms) {
            return;
        }
        let asks = heard.state == PeerState::Looking;
        if !self.memberships.is_voter(from) {
            if asks {
                self.answer_stranger(from, heard.round);
            }
            return;
        }
        self.ever_heard.insert(from);
        match &mut self.phase {
            Phase::Looking(looking) => {
                looking.gone.remove(&from);
                if asks && heard.round < self.round {
                    self.notify(from, self.round);
                }
                self.hear(from, &heard, now_ms);
            }
            &mut Phase::Settled { state, round, .. } if asks => {
                if state == PeerState::Leading {
                    self.effects
                        .push_back(ElectionEffect::VoterLooks { sid: from });
                }
                self.notify(from, round);
            }
            Phase::Settled { .. } => {}
        }
    }

    /// A server's election port refuses, or the connection to it was cut.
    pub fn handle_voter_unreachable(&mut self, sid: ServerId, now_ms: u64) {
        if let Phase::Looking(looking) = &mut self.phase
            && self.ever_heard.contains(&sid)
        {
            looking.gone.insert(sid);
            self.conclude(false, now_ms);
        }
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        let Phase::Looking(looking) = &mut self.phase else {
            return;
        };
        if looking.is_final(now_ms) {
            self.decide_for_proposal();
        } else if looking.final_at_ms.is_none() && now_ms >= looking.resend_at_ms {
            looking.back_off(&self.settings);
            self.tell_all(now_ms);
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<ElectionEffect> {
        self.effects.pop_front()
    }

    /// When [`Self::handle_timeout`] is due, if it is.
    pub fn poll_timeout(&self) -> Option<u64> {
        match &self.phase {
            Phase::Looking(looking) => Some(looking.final_at_ms.unwrap_or(looking.resend_at_ms)),
            Phase::Settled { .. } => None,
        }
    }

    /// Takes up a newer membership while looking. Returns whether the election began anew with it,
    /// in which case the vote that came with it is of no more use.
    fn takes_up(&mut self, from: ServerId, heard: &Notification, now_ms: u64) -> bool {
        let Some(config) = heard.config.as_ref().filter(|text| !text.is_empty()) else {
            return false;
        };
        if !self.reconfig_enabled || self.state() != PeerState::Looking {
            return false;
        }
        let membership = match Membership::from_bytes(config) {
            Ok(membership) => membership,
            Err(error) => {
                tracing::warn!(peer = %from, %error, "a notification has no usable membership");
                return false;
            }
        };
        if membership.version() <= self.memberships.committed().version() {
            return false;
        }
        self.effects.push_back(ElectionEffect::Adopted {
            membership: membership.clone(),
        });
        self.activate(membership, now_ms)
    }

    /// Answers a server that has no vote here: an observer, or one that is to join.
    fn answer_stranger(&mut self, to: ServerId, its_round: i64) {
        // Of a vote of an older round it has no use, and might answer it in turn, without end.
        if matches!(self.phase, Phase::Looking(_)) && its_round > self.round {
            return;
        }
        self.notify(to, self.round);
    }

    fn notify(&mut self, to: ServerId, round: i64) {
        let notification = Notification {
            state: self.state(),
            vote: self.vote(),
            round,
            version: NOTIFICATION_VERSION,
            config: Some(self.config.clone()),
        };
        self.effects
            .push_back(ElectionEffect::Notify { to, notification });
    }

    fn state_under(&self, leader: ServerId) -> PeerState {
        match self.memberships.committed().role(self.sid) {
            _ if leader == self.sid => PeerState::Leading,
            Some(MemberRole::Observer) => PeerState::Observing,
            Some(MemberRole::Participant) | None => PeerState::Following,
        }
    }
}
