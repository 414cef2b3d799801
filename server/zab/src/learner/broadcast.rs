//! Broadcast: proposals are logged and acknowledged, commits delivered, until the leader is gone.
//!
//! Acknowledgements leave in the order of the log, as each write becomes durable. A commit names the
//! oldest proposal that waits for one; anything else would leave a transaction out.

use std::collections::VecDeque;

use bytes::Bytes;
use lockkeeper_wire::{
    ForwardedRequest, LeaderPacket, LearnerPacket, OpCode, ServerId, SessionId, Touch, Zxid,
};

use super::sync::{activate, log_and_acknowledge, next_commit};
use super::{Kind, out_of_phase};
use crate::core::Core;
use crate::effect::{Effect, LinkId};
use crate::fault::Fault;
use crate::history::{Txn, follows};

/// UPTODATE has come.
#[derive(Debug)]
pub(super) struct Broadcast {
    epoch: i64,
    leader: ServerId,
    kind: Kind,
    /// Zxids of the leader's pings that are not answered.
    pings: VecDeque<Zxid>,
    /// Syncs that wait for the leader, in order.
    asked: VecDeque<u64>,
    /// Syncs that wait until this is delivered, in order.
    answered: VecDeque<(u64, Zxid)>,
}

impl Broadcast {
    pub(super) fn new(epoch: i64, leader: ServerId, kind: Kind) -> Self {
        Self {
            epoch,
            leader,
            kind,
            pings: VecDeque::new(),
            asked: VecDeque::new(),
            answered: VecDeque::new(),
        }
    }

    pub(super) fn handle_packet(
        &mut self,
        core: &mut Core,
        link: LinkId,
        packet: LeaderPacket,
        now_ms: u64,
    ) -> Result<(), Fault> {
        match packet {
            LeaderPacket::Proposal { zxid, txn } if self.kind == Kind::Follower => {
                self.handle_proposal(core, link, Txn { zxid, bytes: txn })?;
            }
            LeaderPacket::Commit { zxid } if self.kind == Kind::Follower => {
                let committed = next_commit(core, core.log.committed(), zxid)?;
                core.log.commit(committed);
                core.deliver();
            }
            LeaderPacket::CommitAndActivate { zxid, leader } if self.kind == Kind::Follower => {
                let committed = next_commit(core, core.log.committed(), zxid)?;
                core.log.commit(committed);
                core.deliver();
                activate(core, self.leader, zxid, leader, now_ms)?;
            }
            LeaderPacket::InformAndActivate { zxid, leader, txn }
                if self.kind == Kind::Observer =>
            {
                self.inform(core, Txn { zxid, bytes: txn })?;
                activate(core, self.leader, zxid, leader, now_ms)?;
            }
            LeaderPacket::Proposal { .. }
            | LeaderPacket::Commit { .. }
            | LeaderPacket::CommitAndActivate { .. }
                if self.kind == Kind::Observer =>
            {
                tracing::warn!("a proposal or commit for an observer is ignored");
            }
            LeaderPacket::Inform { zxid, txn } if self.kind == Kind::Observer => {
                self.inform(core, Txn { zxid, bytes: txn })?;
            }
            LeaderPacket::Ping { zxid } => {
                self.pings.push_back(zxid);
                core.emit(Effect::Pinged);
            }
            LeaderPacket::Revalidated { session, valid } => {
                core.emit(Effect::Revalidated { session, valid });
            }
            LeaderPacket::Sync => match self.asked.pop_front() {
                // It comes behind the commits that it stands for.
                Some(ticket) => {
                    self.answered.push_back((ticket, core.log.committed()));
                    self.answer_syncs(core);
                }
                None => return Err(out_of_phase(&packet, "following")),
            },
            packet => return Err(out_of_phase(&packet, "following")),
        }
        Ok(())
    }

    fn handle_proposal(&mut self, core: &mut Core, link: LinkId, txn: Txn) -> Result<(), Fault> {
        log_and_acknowledge(core, link, self.epoch, txn)
    }

    /// A transaction that is decided already, for one who had no say in it.
    fn inform(&mut self, core: &mut Core, txn: Txn) -> Result<(), Fault> {
        let (zxid, last) = (txn.zxid, core.log.last());
        if zxid <= last {
            return Ok(());
        }
        if !follows(last, zxid) {
            return Err(Fault::Gap { last, zxid });
        }
        core.see_in(&txn.bytes)?;
        core.append(txn);
        core.log.commit(zxid);
        core.deliver();
        Ok(())
    }

    /// Asks the leader; the answer comes behind everything that it has committed.
    pub(super) fn sync(
        &mut self,
        core: &mut Core,
        link: LinkId,
        ticket: u64,
        session: SessionId,
        cxid: i32,
    ) {
        self.asked.push_back(ticket);
        // The path, of which leaders make no use.
        let body = Bytes::from_static(b"\0\0\0\x01/");
        let request = ForwardedRequest {
            session,
            cxid,
            op: i32::from(OpCode::Sync),
            body,
            identities: None,
        };
        core.tell_leader(link, LearnerPacket::Request(request));
    }

    pub(super) fn answer_syncs(&mut self, core: &mut Core) {
        let delivered = core.log.delivered();
        while let Some((ticket, _)) = self.answered.pop_front_if(|(_, upto)| *upto <= delivered) {
            core.emit(Effect::Synced { ticket });
        }
    }

    /// Answers the oldest ping.
    pub(super) fn pong(&mut self, core: &mut Core, link: LinkId, touches: Vec<Touch>) {
        if let Some(zxid) = self.pings.pop_front() {
            core.tell_leader(link, LearnerPacket::Ping { zxid, touches });
        }
    }
}
