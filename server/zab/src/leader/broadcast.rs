//! Broadcast: proposals go out in order, and are committed in order, each as soon as a quorum holds
//! it durably.
//!
//! A proposal leaves before it is durable here: this member's own log is one voice like any other. A
//! commit needs the quorums that were in force when the transaction was proposed.

use std::collections::VecDeque;
use std::sync::Arc;

use lockkeeper_wire::{ForwardedRequest, LeaderPacket, OpCode, ServerId, Zxid};

use super::confirm::{Confirm, Wish};
use super::learners::{Learners, State};
use super::{Leading, Phase};
use crate::core::Core;
use crate::effect::{Effect, IoId, LinkId};
use crate::fault::Fault;
use crate::history::Txn;
use crate::membership::Membership;
use crate::quorums::JointQuorums;
use crate::reconfig::designate;

/// The epoch has begun.
#[derive(Debug)]
pub(super) struct Broadcast {
    pub(super) epoch: i64,
    pub(super) offered: IoId,
    /// Proposals that are not committed.
    outstanding: VecDeque<Proposal>,
    quorums: Option<Arc<JointQuorums>>,
    pub(super) confirm: Confirm,
    /// When the learners are pinged next.
    pub(super) ping_at_ms: u64,
    /// Whether the next ping looks for a quorum too.
    pub(super) looks: bool,
    /// Nothing is proposed any more; what is outstanding may take until then.
    ending_at_ms: Option<u64>,
}

/// A proposal that is not committed.
#[derive(Debug)]
struct Proposal {
    zxid: Zxid,
    /// The quorums that it needs.
    quorums: Arc<JointQuorums>,
    /// The membership that it brings.
    membership: Option<Membership>,
}

/// The last counter of an epoch that a transaction may have. The one behind it would be taken for the
/// next epoch (ZOOKEEPER-1277).
const COUNTER_MAX: u32 = u32::MAX - 1;

/// Whether no transaction can follow this one in its epoch.
pub(crate) fn is_epoch_over(last: Zxid) -> bool {
    last.counter() >= COUNTER_MAX
}

impl Broadcast {
    pub(super) fn new(epoch: i64, offered: IoId, ping_at_ms: u64) -> Self {
        Self {
            epoch,
            offered,
            outstanding: VecDeque::new(),
            quorums: None,
            confirm: Confirm::default(),
            ping_at_ms,
            looks: false,
            ending_at_ms: None,
        }
    }

    /// The last proposal, or the beginning of the epoch.
    pub(super) fn proposed(&self, core: &Core) -> Zxid {
        core.log.last().max(Zxid(self.epoch << 32))
    }

    fn next_zxid(&self, core: &Core) -> Option<Zxid> {
        let last = self.proposed(core);
        let is_closed = self.ending_at_ms.is_some() || is_epoch_over(last);
        (!is_closed).then(|| last.next())
    }

    pub(super) fn ending_at_ms(&self) -> Option<u64> {
        self.ending_at_ms
    }

    /// Proposes nothing any more.
    pub(super) fn end(&mut self, at_ms: u64) {
        self.ending_at_ms.get_or_insert(at_ms);
    }
}

impl Leading {
    pub(crate) fn next_zxid(&self, core: &Core) -> Option<Zxid> {
        match &self.phase {
            Phase::Broadcast(broadcast) => broadcast.next_zxid(core),
            _ => None,
        }
    }

    /// Proposes what has the next zxid.
    pub(crate) fn propose(
        &mut self,
        core: &mut Core,
        txn: Txn,
        membership: Option<Membership>,
        now_ms: u64,
    ) -> Result<(), Fault> {
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            panic!("only a leader that serves proposes");
        };
        let zxid = txn.zxid;
        assert_eq!(
            broadcast.next_zxid(core),
            Some(zxid),
            "a proposal takes the next zxid"
        );
        // A membership has a say in its own proposal already.
        if let Some(membership) = &membership {
            core.see(membership.clone());
            broadcast.quorums = None;
        }
        let quorums = broadcast
            .quorums
            .get_or_insert_with(|| Arc::new(core.quorums()));
        broadcast.outstanding.push_back(Proposal {
            zxid,
            quorums: quorums.clone(),
            membership,
        });
        if is_epoch_over(zxid) {
            broadcast.end(now_ms + core.sync_ms());
        }
        for (link, learner) in self.learners.iter_mut() {
            if learner.is_forwarding() && !learner.is_observer {
                let txn = txn.bytes.clone();
                core.tell_learner(link, LeaderPacket::Proposal { zxid, txn });
                if learner.is_active() {
                    learner.proposed.push_back((zxid, now_ms));
                }
            }
        }
        core.append(txn);
        self.progress(core, now_ms)
    }

    /// Hands over: proposes nothing any more and leaves when nothing is outstanding. A leader whose
    /// epoch has not begun leaves at once.
    pub(crate) fn hand_over(&mut self, core: &mut Core, now_ms: u64) -> Result<(), Fault> {
        match &mut self.phase {
            Phase::Broadcast(broadcast) => {
                broadcast.end(now_ms + core.sync_ms());
                self.progress(core, now_ms)
            }
            _ => Err(Fault::EpochOver),
        }
    }

    /// A learner holds all up to this zxid.
    pub(super) fn handle_ack(
        &mut self,
        core: &Core,
        link: LinkId,
        zxid: Zxid,
    ) -> Result<(), Fault> {
        let last = core.log.last();
        let (Some(epoch), Some(learner)) = (self.epoch(), self.learners.get_mut(link)) else {
            return Ok(());
        };
        if zxid.counter() == 0 {
            // The beginning of the epoch once more: UPTODATE has arrived.
            return match zxid == Zxid(epoch << 32) {
                true => Ok(()),
                false => Err(Fault::OtherEpoch { zxid, epoch }),
            };
        }
        if zxid > last {
            return Err(Fault::AckOfNothing { zxid, last });
        }
        learner.acknowledge(zxid);
        Ok(())
    }

    /// A learner's client wants something.
    pub(super) fn handle_request(
        &mut self,
        core: &mut Core,
        link: LinkId,
        request: ForwardedRequest,
    ) {
        let Some(from) = self.learners.get(link).and_then(|learner| learner.sid) else {
            return;
        };
        match request.op == i32::from(OpCode::Sync) {
            true => self.wish(core, Wish::Learner(link)),
            false => core.emit(Effect::Forwarded {
                link,
                from,
                request,
            }),
        }
    }

    /// Commits what can be committed, and whatever waits for that.
    pub(super) fn advance(&mut self, core: &mut Core, now_ms: u64) -> Result<(), Fault> {
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            return Ok(());
        };
        while let Some(proposal) = broadcast.outstanding.front() {
            let zxid = proposal.zxid;
            let own = core.log.durable() >= zxid;
            let holds = Self::whether(&self.learners, (core.sid(), own), move |learner| {
                !learner.is_observer && learner.holds(zxid)
            });
            if !proposal.quorums.is_reached(holds) {
                break;
            }
            let proposal = broadcast.outstanding.pop_front();
            match proposal.and_then(|proposal| proposal.membership) {
                None => commit(core, &self.learners, zxid, None),
                Some(membership) => {
                    broadcast.quorums = None;
                    commit_membership(core, &self.learners, zxid, membership, now_ms)?;
                }
            }
        }
        let is_empty = broadcast.outstanding.is_empty();
        let is_ending = broadcast.ending_at_ms.is_some();
        core.deliver();
        self.tell_up_to_date(core, now_ms);
        self.answer_syncs(core);
        match is_empty && is_ending && core.log.delivered() == core.log.last() {
            true => Err(Fault::EpochOver),
            false => Ok(()),
        }
    }

    /// Learners that hold the history may serve, once what they were found to have is committed.
    fn tell_up_to_date(&mut self, core: &mut Core, now_ms: u64) {
        let committed = core.log.committed();
        for (link, learner) in self.learners.iter_mut() {
            if matches!(learner.state, State::Joined) && learner.covered <= committed {
                learner.state = State::Active;
                learner.deadline_ms = now_ms + core.sync_ms();
                core.tell_learner(link, LeaderPacket::UpToDate);
            }
        }
    }
}

/// The next transaction is decided. If it brings a membership, that takes effect under the leader
/// named here.
fn commit(core: &mut Core, learners: &Learners, zxid: Zxid, leader: Option<ServerId>) {
    let next = core.log.after(core.log.committed()).next();
    let txn = match next {
        Some(txn) if txn.zxid == zxid => txn.bytes.clone(),
        _ => panic!("{zxid} is committed in order"),
    };
    for (link, learner) in learners.iter() {
        if !learner.is_forwarding() || learner.covered >= zxid {
            continue;
        }
        let txn = txn.clone();
        let packet = match (learner.is_observer, leader) {
            (false, None) => LeaderPacket::Commit { zxid },
            (false, Some(leader)) => LeaderPacket::CommitAndActivate { zxid, leader },
            (true, None) => LeaderPacket::Inform { zxid, txn },
            (true, Some(leader)) => LeaderPacket::InformAndActivate { zxid, leader, txn },
        };
        core.tell_learner(link, packet);
    }
    core.log.commit(zxid);
}

/// A change of the membership is decided and takes effect. If somebody else is to lead, nothing may
/// be decided here any more.
fn commit_membership(
    core: &mut Core,
    learners: &Learners,
    zxid: Zxid,
    membership: Membership,
    now_ms: u64,
) -> Result<(), Fault> {
    let holders = learners.iter().filter_map(|(_, learner)| {
        let holds = !learner.is_observer && learner.holds(zxid);
        Some((learner.sid.filter(|_| holds)?, learner.acked))
    });
    let leader = designate(core, &membership, holders);
    commit(core, learners, zxid, Some(leader));
    core.deliver();
    core.activate(membership, now_ms);
    match leader == core.sid() {
        true => Ok(()),
        false => Err(Fault::Designated { leader, zxid }),
    }
}
