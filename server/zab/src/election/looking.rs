//! What a server keeps while it looks for a leader.

use std::collections::BTreeSet;

use lockkeeper_wire::{ServerId, Vote, Zxid};

use super::effect::ElectionSettings;
use super::votes::{Heard, Votes};
use crate::membership::{MemberRole, Membership};

/// What speaks for a server as a candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The end of its log.
    pub(super) last: Zxid,
    /// Its current epoch.
    pub(super) epoch: i64,
}

impl Standing {
    /// The end of a log that is lost.
    pub(super) const LOST: Zxid = Zxid(-1);

    /// Whether its log is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.last == Self::LOST
    }

    /// The vote that a server begins with: for itself, if it may lead.
    pub(super) fn vote(&self, sid: ServerId, membership: &Membership) -> Vote {
        let (last, epoch) = (self.last, self.epoch);
        let (leader, zxid, epoch) = match membership.role(sid) {
            Some(MemberRole::Participant) => (sid, last, epoch),
            Some(MemberRole::Observer) => (ServerId::NONE, Zxid(i64::MIN), i64::MIN),
            None => (ServerId::NONE, last, epoch),
        };
        Vote {
            leader,
            zxid,
            epoch,
        }
    }
}

/// One search for a leader.
#[derive(Debug)]
pub(super) struct Looking {
    pub(super) standing: Standing,
    /// The vote it began with.
    pub(super) own: Vote,
    /// The vote now.
    pub(super) proposal: Vote,
    /// Votes of this round.
    pub(super) votes: Votes,
    /// Votes of servers that have a leader, of any round.
    pub(super) settled: Votes,
    /// Servers that were there and cannot be reached any more, unless they have been heard since.
    pub(super) gone: BTreeSet<ServerId>,
    pub(super) wait_ms: u64,
    pub(super) resend_at_ms: u64,
    /// The end of the last wait, while enough votes agree.
    pub(super) final_at_ms: Option<u64>,
}

impl Looking {
    pub(super) fn new(standing: Standing, own: Vote, settings: &ElectionSettings) -> Self {
        Self {
            standing,
            own,
            proposal: own,
            votes: Votes::default(),
            settled: Votes::default(),
            gone: BTreeSet::new(),
            wait_ms: settings.wait_min_ms,
            resend_at_ms: 0,
            final_at_ms: None,
        }
    }

    pub(super) fn back_off(&mut self, settings: &ElectionSettings) {
        self.wait_ms = self.wait_ms.saturating_mul(2).min(settings.wait_max_ms);
    }

    pub(super) fn is_final(&self, now_ms: u64) -> bool {
        self.final_at_ms.is_some_and(|at_ms| now_ms >= at_ms)
    }

    /// Who votes as this server does.
    pub(super) fn agreeing(&self, round: i64) -> BTreeSet<ServerId> {
        self.votes
            .agreeing_with(&Heard::looking(self.proposal, round))
    }

    /// Whether each of the voters has voted in this round or has gone, so that nothing better can
    /// come.
    pub(super) fn has_heard_all(&self, voters: &BTreeSet<ServerId>) -> bool {
        let mut missing = voters.iter().filter(|sid| !self.votes.has(**sid));
        missing.all(|sid| self.gone.contains(sid))
    }
}
