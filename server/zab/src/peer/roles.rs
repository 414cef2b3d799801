//! How one role follows another: by an election, which follows every end.

use std::collections::BTreeMap;

use lockkeeper_wire::{PeerState, ServerId, Zxid};

use super::Peer;
use crate::effect::Effect;
use crate::election::{Decision, ElectionEffect};
use crate::fault::Fault;
use crate::leader::Leading;
use crate::learner::{Kind, Learning};
use crate::membership::{Member, MemberRole, Membership};

/// What a member is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    /// Searching for a leader.
    Looking,
    /// Leading, established or not.
    Leading,
    /// Following a leader with a vote, in step or not.
    Following,
    /// Following a leader without a vote.
    Observing,
    /// Out of it for good: [`Peer::step_down`] is done.
    Stopped,
}

#[derive(Debug)]
pub(super) enum Role {
    /// The election is under way.
    Looking,
    Leading(Box<Leading>),
    /// An ensemble of one, without elections.
    Alone(Box<Leading>),
    Learning(Box<Learning>),
    Stopped,
}

impl Peer {
    /// Ends the role if something is wrong with it.
    pub(super) fn go_on(&mut self, result: Result<(), Fault>, now_ms: u64) {
        if let Err(fault) = result {
            self.end_role(&fault, now_ms);
        }
        self.follow_election(now_ms);
    }

    pub(super) fn end_role(&mut self, fault: &Fault, now_ms: u64) {
        tracing::info!(role = ?self.role(), leader = ?self.leader(), %fault, "the role ends");
        let served = self.is_serving();
        let leader = self.leader();
        let role = std::mem::replace(&mut self.role, Role::Stopped);
        if served {
            self.core.emit(Effect::Retire);
        }
        let is_alone = matches!(role, Role::Alone(_));
        match role {
            Role::Leading(mut leading) => leading.leave(&mut self.core),
            Role::Learning(mut learning) => learning.leave(&mut self.core),
            Role::Looking | Role::Alone(_) | Role::Stopped => {}
        }
        self.core.log.forget_commits();
        if self.is_stopping {
            return;
        }
        if is_alone {
            let epoch = (self.core.log.last().0 >> 32) + 1;
            let leading = Leading::alone(&mut self.core, epoch);
            self.role = Role::Alone(Box::new(leading));
            return;
        }
        if let Fault::Designated { leader, zxid } = *fault {
            self.core.election.designate(leader, zxid);
            return self.begin_role(self.core.election.state(), leader, now_ms);
        }
        if let (Fault::CutOutside { .. }, Some(leader)) = (fault, leader) {
            // The same leader is asked for an image, while it leads: it needs no promise any more.
            return self.begin_role(self.core.election.state(), leader, now_ms);
        }
        self.role = Role::Looking;
        let (votes, last) = (self.core.votes, self.core.log.last());
        let (last, epoch) = standing(votes, last, self.core.current_epoch.max(last.0 >> 32));
        self.core.election.look(last, epoch, now_ms);
    }

    /// Passes on what the election says, and takes the role that it decides.
    pub(super) fn follow_election(&mut self, now_ms: u64) {
        while let Some(effect) = self.core.election.poll_effect() {
            match effect {
                ElectionEffect::Adopted { membership } => {
                    self.core.emit(Effect::MembershipChanged { membership });
                }
                ElectionEffect::Decided(Decision { state, vote, .. }) => {
                    self.begin_role(state, vote.leader, now_ms);
                }
                ElectionEffect::Notify { to, notification } => {
                    self.core.emit(Effect::Notify { to, notification });
                }
                // Giving up early is an option of Apache's servers, off by default.
                ElectionEffect::VoterLooks { .. } => {}
            }
        }
    }

    fn begin_role(&mut self, state: PeerState, leader: ServerId, now_ms: u64) {
        tracing::info!(?state, %leader, "a role begins");
        let core = &mut self.core;
        self.role = match state {
            PeerState::Leading => Role::Leading(Box::new(Leading::new(core, now_ms))),
            PeerState::Following => {
                let learning = Learning::new(core, leader, Kind::Follower, now_ms);
                Role::Learning(Box::new(learning))
            }
            PeerState::Observing => {
                let learning = Learning::new(core, leader, Kind::Observer, now_ms);
                Role::Learning(Box::new(learning))
            }
            PeerState::Looking => Role::Looking,
        };
        if let Role::Leading(leading) = &mut self.role {
            let result = leading.progress(core, now_ms);
            self.go_on(result, now_ms);
        }
    }
}

/// What a member votes for itself with: the end of its log and its epoch, or that its log is lost.
pub(super) fn standing(votes: bool, last: Zxid, epoch: i64) -> (Zxid, i64) {
    const LOST: Zxid = Zxid(-1);
    match votes {
        true => (last, epoch),
        false => (LOST, epoch),
    }
}

/// The membership of an ensemble of one that nobody has to reach.
pub(super) fn alone(sid: ServerId) -> Membership {
    let member = Member {
        addresses: Vec::new(),
        role: MemberRole::Participant,
        client: None,
        secure_client: None,
    };
    Membership::majority(BTreeMap::from([(sid, member)]), 0).expect("there is a participant")
}
