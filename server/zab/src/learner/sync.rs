//! Synchronization: the learner's history becomes the leader's.
//!
//! First DIFF, TRUNC or SNAP says where the two part, then come transactions with their commits,
//! then NEWLEADER: up to there it is what the epoch begins with. That history is durable before the
//! current epoch is written, and the epoch before NEWLEADER is acknowledged; each of the three steps
//! left out or swapped has lost data in Apache's servers (ZOOKEEPER-3911, -4643, -4646, -4785).
//!
//! Transactions are logged as soon as their commit says that they belong to the history. Proposals
//! that are still open when NEWLEADER comes belong to the new epoch: they are logged behind the
//! current epoch, and acknowledged one by one behind the acknowledgement of NEWLEADER
//! (ZOOKEEPER-4394, -4685). A crash in between leaves a log that ends in an epoch which is accepted
//! but not written as current; it holds all that the epoch began with, so recovery counts it as
//! joined.
//!
//! Nothing is delivered before UPTODATE: until then the leader may fail to be one.

use std::collections::VecDeque;

use bytes::Bytes;
use lockkeeper_wire::{LeaderPacket, LearnerPacket, ServerId, Zxid};

use super::broadcast::Broadcast;
use super::{Kind, out_of_phase};
use crate::core::Core;
use crate::effect::{Effect, IoId, LinkId, Serving};
use crate::fault::Fault;
use crate::history::{Txn, follows};
use crate::membership::Membership;

/// ACKEPOCH is sent, UPTODATE is awaited.
#[derive(Debug)]
pub(super) struct Sync {
    epoch: i64,
    leader: ServerId,
    kind: Kind,
    stage: Stage,
    /// Proposals behind the end of the log whose commit has not come.
    open: VecDeque<Txn>,
    /// The end of what the leader said is committed.
    committed: Zxid,
    /// Whether the leader was asked for an image: it does not know where the log ends.
    wants_image: bool,
    /// The membership that NEWLEADER brought.
    seen: Option<Membership>,
}

#[derive(Debug)]
enum Stage {
    /// DIFF, TRUNC or SNAP is awaited.
    Start,
    /// The image up to this zxid is on its way.
    Image(Zxid),
    /// The history is on its way.
    History,
    /// NEWLEADER was acknowledged, or will be when this write is durable.
    Joined(IoId),
}

impl Sync {
    pub(super) fn new(epoch: i64, leader: ServerId, kind: Kind, wants_image: bool) -> Self {
        Self {
            epoch,
            leader,
            kind,
            stage: Stage::Start,
            open: VecDeque::new(),
            committed: Zxid::ZERO,
            wants_image,
            seen: None,
        }
    }

    /// Whether NEWLEADER has come.
    pub(super) fn has_joined(&self) -> bool {
        matches!(self.stage, Stage::Joined(_))
    }

    fn name(&self) -> &'static str {
        match self.stage {
            Stage::Start => "awaiting DIFF, TRUNC or SNAP",
            Stage::Image(_) => "reading an image",
            Stage::History => "taking over the leader's history",
            Stage::Joined(_) => "awaiting UPTODATE",
        }
    }

    pub(super) fn handle_packet(
        &mut self,
        core: &mut Core,
        link: LinkId,
        packet: LeaderPacket,
        now_ms: u64,
    ) -> Result<(), Fault> {
        match (&self.stage, packet) {
            // A leader pings whoever it has sent NEWLEADER to. The answer must not come before the
            // acknowledgement, and is not missed.
            (_, LeaderPacket::Ping { .. }) => Ok(()),
            (Stage::Start, packet) => self.start(core, packet),
            (Stage::History, LeaderPacket::Proposal { zxid, txn }) => self.open(core, zxid, txn),
            (Stage::History, LeaderPacket::Commit { zxid }) => self.commit_open(core, zxid),
            (Stage::History, LeaderPacket::NewLeader { zxid, config }) => {
                self.join(core, link, zxid, &config)
            }
            (Stage::Joined(_), LeaderPacket::Proposal { zxid, txn })
                if self.kind == Kind::Follower =>
            {
                log_and_acknowledge(core, link, self.epoch, Txn { zxid, bytes: txn })
            }
            (Stage::Joined(_), LeaderPacket::Commit { zxid }) if self.kind == Kind::Follower => {
                self.commit_logged(core, zxid)
            }
            (Stage::History | Stage::Joined(_), LeaderPacket::Inform { zxid, txn })
                if self.kind == Kind::Observer =>
            {
                self.open(core, zxid, txn)?;
                self.commit_open(core, zxid)
            }
            (Stage::History, LeaderPacket::CommitAndActivate { zxid, leader }) => {
                self.commit_open(core, zxid)?;
                self.activate(core, zxid, leader, now_ms)
            }
            (Stage::Joined(_), LeaderPacket::CommitAndActivate { zxid, leader })
                if self.kind == Kind::Follower =>
            {
                self.commit_logged(core, zxid)?;
                self.activate(core, zxid, leader, now_ms)
            }
            (
                Stage::History | Stage::Joined(_),
                LeaderPacket::InformAndActivate { zxid, leader, txn },
            ) if self.kind == Kind::Observer => {
                self.open(core, zxid, txn)?;
                self.commit_open(core, zxid)?;
                self.activate(core, zxid, leader, now_ms)
            }
            (_, packet) => Err(out_of_phase(&packet, self.name())),
        }
    }

    fn start(&mut self, core: &mut Core, packet: LeaderPacket) -> Result<(), Fault> {
        match packet {
            LeaderPacket::Diff { .. } if !self.wants_image => {
                self.stage = Stage::History;
                self.committed = core.log.last();
            }
            LeaderPacket::Trunc { zxid } if !self.wants_image => {
                cut(core, zxid)?;
                self.stage = Stage::History;
                self.committed = zxid;
            }
            LeaderPacket::Snap { zxid } if zxid.0 >= 0 => self.stage = Stage::Image(zxid),
            packet => return Err(out_of_phase(&packet, self.name())),
        }
        Ok(())
    }

    /// The image is complete: it takes the place of the history so far.
    pub(super) fn handle_image(&mut self, core: &mut Core, link: LinkId) -> Result<(), Fault> {
        let Stage::Image(zxid) = self.stage else {
            return Err(Fault::OutOfPhase {
                packet: "an image",
                phase: self.name(),
            });
        };
        core.install(link, zxid);
        self.stage = Stage::History;
        self.committed = zxid;
        Ok(())
    }

    /// A proposal whose commit may follow.
    fn open(&mut self, core: &mut Core, zxid: Zxid, bytes: Bytes) -> Result<(), Fault> {
        let last = self.open.back().map_or(core.log.last(), |txn| txn.zxid);
        if zxid <= last {
            let open = self.open.iter().find(|txn| txn.zxid == zxid);
            return check_same(open.or_else(|| core.log.get(zxid)), zxid, &bytes);
        }
        if !follows(last, zxid) {
            return Err(Fault::Gap { last, zxid });
        }
        core.see_in(&bytes)?;
        self.open.push_back(Txn { zxid, bytes });
        Ok(())
    }

    /// The oldest open proposal belongs to the history.
    fn commit_open(&mut self, core: &mut Core, zxid: Zxid) -> Result<(), Fault> {
        if zxid <= self.committed {
            return Ok(());
        }
        let expected = self.open.front().map(|txn| txn.zxid);
        match self.open.pop_front_if(|txn| txn.zxid == zxid) {
            Some(txn) => core.append(txn),
            None => return Err(Fault::CommitOrder { zxid, expected }),
        }
        self.committed = zxid;
        Ok(())
    }

    /// NEWLEADER: the epoch begins with what is logged now.
    fn join(
        &mut self,
        core: &mut Core,
        link: LinkId,
        zxid: Zxid,
        config: &Bytes,
    ) -> Result<(), Fault> {
        let epoch = self.epoch;
        if zxid != Zxid(epoch << 32) {
            return Err(Fault::OtherEpoch { zxid, epoch });
        }
        self.see(core, config)?;
        if core.accepted_epoch < epoch {
            core.accept_epoch(epoch);
        }
        if core.current_epoch < epoch || !core.votes {
            core.join_epoch(epoch);
        }
        core.votes = true;
        self.stage = Stage::Joined(core.io());
        acknowledge(core, link, zxid);
        for txn in std::mem::take(&mut self.open) {
            log_and_acknowledge(core, link, epoch, txn)?;
        }
        Ok(())
    }

    /// The leader's last seen membership, in force with UPTODATE.
    fn see(&mut self, core: &mut Core, config: &Bytes) -> Result<(), Fault> {
        if !core.settings.reconfig_enabled || config.is_empty() {
            return Ok(());
        }
        let membership = Membership::from_bytes(config).map_err(|_| Fault::BadMembership)?;
        core.see(membership.clone());
        self.seen = Some(membership);
        Ok(())
    }

    fn commit_logged(&mut self, core: &mut Core, zxid: Zxid) -> Result<(), Fault> {
        self.committed = next_commit(core, self.committed, zxid)?;
        Ok(())
    }

    /// What was committed just now brings a membership.
    fn activate(
        &self,
        core: &mut Core,
        zxid: Zxid,
        designated: ServerId,
        now_ms: u64,
    ) -> Result<(), Fault> {
        activate(core, self.leader, zxid, designated, now_ms)
    }

    /// UPTODATE: the leader leads. All that it committed is delivered, and clients are served.
    pub(super) fn finish(
        &mut self,
        core: &mut Core,
        link: LinkId,
        serving: Serving,
        now_ms: u64,
    ) -> Result<Broadcast, Fault> {
        let acknowledged = match self.stage {
            Stage::Joined(io) => core.is_durable(io),
            _ => false,
        };
        if !acknowledged {
            return Err(out_of_phase(&LeaderPacket::UpToDate, self.name()));
        }
        let zxid = Zxid(self.epoch << 32);
        core.tell_leader(link, LearnerPacket::Ack { zxid });
        core.election.refresh(self.epoch);
        // Apache's leaders tell of one that is proposed and not committed, too.
        let is_open = |core: &Core, version: Zxid| {
            version > self.committed && core.log.get(version).is_some()
        };
        if let Some(membership) = self.seen.take()
            && !is_open(core, Zxid(membership.version()))
            && !core.activate(membership, now_ms)
        {
            return Err(Fault::RoleChanged);
        }
        core.log.commit(self.committed);
        core.deliver();
        core.emit(Effect::Serve { role: serving });
        Ok(Broadcast::new(self.epoch, self.leader, self.kind))
    }
}

/// Cuts the log where the leader says that the histories part.
///
/// That must be at a transaction which is known to be in the log, and behind the oldest image: Apache's
/// leaders name the end of their own log without asking whether it is in the learner's too. Where the
/// log cannot be cut, the leader is dialled again and asked for an image.
fn cut(core: &mut Core, zxid: Zxid) -> Result<(), Fault> {
    if zxid == core.log.last() {
        return Ok(());
    }
    if !core.log.holds(zxid) || zxid < core.log.oldest() {
        core.wants_image = true;
        return Err(Fault::CutOutside { zxid });
    }
    core.truncate(zxid);
    Ok(())
}

/// Logs a proposal of the leader's own epoch and acknowledges it once it is durable. One that is
/// logged already is acknowledged again, unless it only has the zxid of that one: a leader of 3.9
/// can propose such a thing, and it is never committed.
pub(super) fn log_and_acknowledge(
    core: &mut Core,
    link: LinkId,
    epoch: i64,
    txn: Txn,
) -> Result<(), Fault> {
    let (zxid, last) = (txn.zxid, core.log.last());
    if zxid <= last {
        if let Err(fault) = check_same(core.log.get(zxid), zxid, &txn.bytes) {
            tracing::warn!(%fault, "a proposal is ignored");
            return Ok(());
        }
    } else if zxid.0 >> 32 != epoch {
        return Err(Fault::OtherEpoch { zxid, epoch });
    } else if !follows(last, zxid) {
        return Err(Fault::Gap { last, zxid });
    } else {
        core.see_in(&txn.bytes)?;
        core.append(txn);
    }
    acknowledge(core, link, zxid);
    Ok(())
}

/// The transaction with this zxid is committed and brings a membership, which takes effect.
pub(super) fn activate(
    core: &mut Core,
    leader: ServerId,
    zxid: Zxid,
    designated: ServerId,
    now_ms: u64,
) -> Result<(), Fault> {
    match core.log.get(zxid).map(|txn| txn.bytes.clone()) {
        Some(bytes) => core.activate_committed(&bytes, zxid, leader, designated, now_ms),
        // It came twice, and was forgotten since.
        None => Ok(()),
    }
}

/// Acknowledges once everything written so far is durable.
fn acknowledge(core: &mut Core, link: LinkId, zxid: Zxid) {
    let packet = LearnerPacket::Ack { zxid };
    core.emit_after(core.io(), Effect::SendToLeader { link, packet });
}

/// A proposal that came before must be the same; one too old to tell is taken for it.
fn check_same(held: Option<&Txn>, zxid: Zxid, bytes: &Bytes) -> Result<(), Fault> {
    match held {
        Some(txn) if txn.bytes != bytes => Err(Fault::Differs { zxid }),
        _ => Ok(()),
    }
}

/// The end of what is committed when this commit comes: the next in the log, or one known before.
pub(super) fn next_commit(core: &Core, committed: Zxid, zxid: Zxid) -> Result<Zxid, Fault> {
    if zxid <= committed {
        tracing::warn!(%zxid, %committed, "a commit came twice");
        return Ok(committed);
    }
    match core.log.after(committed).next().map(|txn| txn.zxid) {
        Some(next) if next == zxid => Ok(zxid),
        expected => Err(Fault::CommitOrder { zxid, expected }),
    }
}
