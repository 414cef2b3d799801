//! The search for a leader: what a server keeps of the votes it hears, and when they are enough.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use lockkeeper_wire::{Notification, PeerState, ServerId, Vote, Zxid};

use super::effect::{Decision, ElectionEffect, ElectionSettings};
use super::votes::{Heard, Votes};
use super::{Election, Phase};
use crate::membership::{MemberRole, Membership, Memberships};

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

impl Election {
    pub(super) fn begin(&mut self, standing: Standing, now_ms: u64) {
        // A voter may have told any round at all.
        self.round = self.round.saturating_add(1);
        let own = standing.vote(self.sid, self.memberships.committed());
        self.phase = Phase::Looking(Looking::new(standing, own, &self.settings));
        self.propose(own, now_ms);
        self.conclude(true, now_ms);
    }

    pub(super) fn hear(&mut self, from: ServerId, heard: &Notification, now_ms: u64) {
        if !self.memberships.is_voter(heard.vote.leader) {
            return self.hear_without_candidate(heard, now_ms);
        }
        match heard.state {
            PeerState::Looking => self.hear_candidate(from, Heard::from(heard), now_ms),
            PeerState::Following | PeerState::Leading => {
                self.hear_leader(from, Heard::from(heard), now_ms)
            }
            PeerState::Observing => {}
        }
    }

    /// A server that may vote has nobody to vote for, as it can lead only in a membership that is
    /// proposed. It counts no votes of older rounds, so its round is taken up all the same.
    fn hear_without_candidate(&mut self, heard: &Notification, now_ms: u64) {
        if let Phase::Looking(looking) = &mut self.phase
            && heard.state == PeerState::Looking
            && heard.round > self.round
            && !looking.standing.is_lost()
        {
            self.round = heard.round;
            looking.votes.clear();
            let own = looking.own;
            self.propose(own, now_ms);
            self.conclude(true, now_ms);
        }
    }

    /// The vote of a server that looks too.
    fn hear_candidate(&mut self, from: ServerId, heard: Heard, now_ms: u64) {
        let Phase::Looking(looking) = &mut self.phase else {
            return;
        };
        // Either log is lost; what it held may have been decided.
        if looking.standing.is_lost() || heard.vote.zxid == Standing::LOST {
            return;
        }
        let own = looking.own;
        match heard.round.cmp(&self.round) {
            Ordering::Less => return,
            Ordering::Greater => {
                self.round = heard.round;
                looking.votes.clear();
                let better = is_better(&heard.vote, &own, &self.memberships);
                self.propose(if better { heard.vote } else { own }, now_ms);
            }
            Ordering::Equal => {
                if is_better(&heard.vote, &looking.proposal, &self.memberships) {
                    self.propose(heard.vote, now_ms);
                }
            }
        }
        let Phase::Looking(looking) = &mut self.phase else {
            return;
        };
        let is_news = looking.votes.insert(from, heard);
        self.conclude(is_news, now_ms);
    }

    /// The vote of a server that has a leader: enough of them, the leader's among them, and this
    /// server has it too.
    fn hear_leader(&mut self, from: ServerId, heard: Heard, now_ms: u64) {
        let Phase::Looking(looking) = &mut self.phase else {
            return;
        };
        let memberships = &self.memberships;
        let (leader, sid) = (heard.vote.leader, self.sid);
        // To follow is no decision, so a quorum of either is enough: one that was proposed and will
        // never be could not be asked.
        let is_enough = |agreeing: &BTreeSet<ServerId>| {
            let agrees = |sid| agreeing.contains(&sid);
            let [committed, seen] = [memberships.committed(), memberships.last_seen()]
                .map(|one| one.quorums().is_reached(agrees));
            (committed && seen) || (leader != sid && (committed || seen))
        };
        if heard.round == self.round {
            // Without a version, so that only the leaders are compared: those that have one may
            // have refreshed its epoch, and others not yet.
            looking.votes.insert(from, heard.unversioned());
            let agreeing = looking.votes.agreeing_with(&heard);
            if is_enough(&agreeing) && looking.votes.confirm(leader, self.sid, || true) {
                return self.decide(heard.vote, agreeing);
            }
        }
        // Servers that joined the same leader at different times tell different rounds and zxids
        // of it, so here these do not count (ZOOKEEPER-1732, ZOOKEEPER-1805).
        looking.settled.insert(from, heard);
        let agreeing = looking.settled.agreeing_with(&heard);
        // That this server itself should lead is no news from before its restart, but of this very
        // round (ZOOKEEPER-975).
        let same_round = || heard.round == self.round;
        if is_enough(&agreeing) && looking.settled.confirm(leader, self.sid, same_round) {
            self.round = heard.round;
            return self.decide(heard.vote, agreeing);
        }
        // It may have been one of those whose agreement the last wait is about.
        if looking.final_at_ms.is_some() {
            self.conclude(false, now_ms);
        }
    }

    /// Takes a vote for its own and tells everybody.
    fn propose(&mut self, vote: Vote, now_ms: u64) {
        if let Phase::Looking(looking) = &mut self.phase {
            looking.proposal = vote;
            looking.final_at_ms = None;
            if self.memberships.is_voter(self.sid)
                && self.memberships.is_voter(vote.leader)
                && !looking.standing.is_lost()
            {
                looking
                    .votes
                    .insert(self.sid, Heard::looking(vote, self.round));
            }
        }
        self.tell_all(now_ms);
    }

    pub(super) fn tell_all(&mut self, now_ms: u64) {
        if let Phase::Looking(looking) = &mut self.phase {
            looking.resend_at_ms = now_ms.saturating_add(looking.wait_ms);
        }
        for to in self.memberships.voters() {
            if to != self.sid {
                self.notify(to, self.round);
            }
        }
    }

    /// Ends the election, or begins or goes on with its last wait, if enough votes are the own one.
    pub(super) fn conclude(&mut self, is_news: bool, now_ms: u64) {
        let Phase::Looking(looking) = &mut self.phase else {
            return;
        };
        let agreeing = looking.agreeing(self.round);
        if !self
            .memberships
            .quorums()
            .is_reached(|sid| agreeing.contains(&sid))
        {
            looking.final_at_ms = None;
            return;
        }
        let voters = self.memberships.voters();
        if looking.has_heard_all(&voters) {
            self.decide_for_proposal();
        } else if is_news || looking.final_at_ms.is_none() {
            looking.final_at_ms = Some(now_ms.saturating_add(self.settings.final_wait_ms));
        }
    }

    pub(super) fn decide_for_proposal(&mut self) {
        if let Phase::Looking(looking) = &self.phase {
            self.decide(looking.proposal, looking.agreeing(self.round));
        }
    }

    fn decide(&mut self, vote: Vote, voters: BTreeSet<ServerId>) {
        let state = self.state_under(vote.leader);
        let round = self.round;
        self.phase = Phase::Settled { state, vote, round };
        self.effects.push_back(ElectionEffect::Decided(Decision {
            state,
            vote,
            round,
            voters,
        }));
    }
}

/// Whether one vote's candidate goes before another's, and any before none: a server that cannot
/// lead itself, since it has a vote only in a membership that is proposed, may have the longest log,
/// and must not stand in the way of those who can.
fn is_better(new: &Vote, old: &Vote, memberships: &Memberships) -> bool {
    let committed = memberships.committed();
    let weight = match committed.is_voter(new.leader) {
        true => committed.quorums().weight(new.leader),
        false => memberships.last_seen().quorums().weight(new.leader),
    };
    let rank = |vote: &Vote| (vote.epoch, vote.zxid, vote.leader);
    weight != 0 && (old.leader == ServerId::NONE || rank(new) > rank(old))
}
