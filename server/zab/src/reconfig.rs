//! A change of the membership while the ensemble runs.
//!
//! The transaction that brings a membership is proposed like any other. From then on quorums must be
//! quorums of both memberships, so neither can decide without the other; with its commit the new one
//! takes effect everywhere, and the commit names who leads from then on. That one leads, and the
//! others follow it, without an election; if it cannot, there is one.

use bytes::Bytes;
use lockkeeper_wire::{OpCode, Record, ServerId, Txn, TxnEntry, TxnHeader, Zxid};

use crate::core::Core;
use crate::effect::Effect;
use crate::fault::Fault;
use crate::membership::{MemberRole, Membership};

/// The membership that a transaction brings; `None` for all other transactions.
pub(crate) fn membership_of(bytes: &Bytes) -> Option<Result<Membership, Fault>> {
    let header = TxnHeader::from_bytes(bytes).ok()?;
    if header.op != i32::from(OpCode::Reconfig) {
        return None;
    }
    let membership = match TxnEntry::from_bytes(bytes).map(|entry| entry.txn) {
        Ok(Txn::Reconfig(body)) => Membership::from_bytes(&body.data.unwrap_or_default()).ok(),
        _ => None,
    };
    Some(membership.ok_or(Fault::BadMembership))
}

/// Who leads once a membership is in force: this leader if it may and is where it was, else one of
/// those who have the transaction, of these the one with the longest log.
pub(crate) fn designate(
    core: &Core,
    next: &Membership,
    holders: impl Iterator<Item = (ServerId, Zxid)>,
) -> ServerId {
    let sid = core.sid();
    let addresses = |membership: &Membership| {
        membership
            .member(sid)
            .map(|member| member.addresses.clone())
    };
    if next.is_voter(sid) && addresses(next) == addresses(core.membership()) {
        return sid;
    }
    holders
        .filter(|(holder, _)| *holder != sid && next.is_voter(*holder))
        .max_by_key(|(_, last)| *last)
        .map_or(sid, |(holder, _)| holder)
}

impl Core {
    /// A newer membership was proposed.
    pub(crate) fn see(&mut self, membership: Membership) {
        if self.election.see(membership.clone()) {
            self.emit(Effect::MembershipSeen { membership });
        }
    }

    /// The log ends here now. A membership that was proposed in what it has lost has no say any more,
    /// or nobody could be elected without asking servers that never heard of it. Its proposal is gone
    /// from the disk before that is.
    pub(crate) fn forget_seen_behind(&mut self, end: Zxid) {
        let memberships = self.memberships();
        if memberships.is_changing() && memberships.last_seen().version() > end.0 {
            self.election.forget_seen();
            let membership = self.membership().clone();
            self.emit_after(self.io(), Effect::MembershipSeen { membership });
        }
    }

    /// A proposal is logged; if it brings a membership, that one is seen.
    pub(crate) fn see_in(&mut self, bytes: &Bytes) -> Result<(), Fault> {
        if !self.settings.reconfig_enabled {
            return Ok(());
        }
        if let Some(membership) = membership_of(bytes).transpose()? {
            self.see(membership);
        }
        Ok(())
    }

    /// A newer membership takes effect. Returns whether this member is for the same as before.
    pub(crate) fn activate(&mut self, membership: Membership, now_ms: u64) -> bool {
        if membership.version() <= self.membership().version() {
            return true;
        }
        let observes =
            |core: &Self| core.membership().role(core.sid()) == Some(MemberRole::Observer);
        let before = observes(self);
        self.election.activate(membership.clone(), now_ms);
        self.emit(Effect::MembershipChanged { membership });
        observes(self) == before
    }

    /// The commit of a transaction that brings a membership has come to a learner of `leader`.
    pub(crate) fn activate_committed(
        &mut self,
        bytes: &Bytes,
        zxid: Zxid,
        leader: ServerId,
        designated: ServerId,
        now_ms: u64,
    ) -> Result<(), Fault> {
        if !self.settings.reconfig_enabled {
            return Ok(());
        }
        let membership = membership_of(bytes).unwrap_or(Err(Fault::BadMembership))?;
        let is_same = self.activate(membership, now_ms);
        match is_same && designated == leader {
            true => Ok(()),
            false => Err(Fault::Designated {
                leader: designated,
                zxid,
            }),
        }
    }
}
