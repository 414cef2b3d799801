//! Synchronization: each learner is given the leader's history, and a quorum of them makes it the
//! history that the epoch begins with.
//!
//! Where a learner's log and the leader's part is for [`Plan`] to say. All that follows is said in
//! one go: the transactions that it lacks, each with its commit, then those that are still open, then
//! NEWLEADER; and from that moment on it gets every proposal (ZOOKEEPER-962, -3104).
//!
//! Before the epoch has begun, all of the leader's log belongs to the history; afterwards only what
//! is committed. If a learner's log ends in a proposal that is open, that end is left in place: its
//! acknowledgement of NEWLEADER counts for it, and UPTODATE waits for the commit. Apache's leaders
//! cut such a log and send the rest again; then a follower that restarts takes away what it had.

use lockkeeper_wire::{LeaderPacket, Zxid};

use super::learners::{Learners, Reading, State};
use super::{Broadcast, Leading, Phase};
use crate::core::Core;
use crate::effect::{Effect, IoId, LinkId, Serving};
use crate::fault::Fault;
use crate::history::{Txn, follows};
use crate::plan::Plan;
use crate::reconfig::designate;

/// The learners are given the history.
#[derive(Debug)]
pub(super) struct Sync {
    pub(super) epoch: i64,
    pub(super) offered: IoId,
    /// The own history and current epoch.
    joined: IoId,
    pub(super) deadline_ms: u64,
}

/// How often the log is read again for one learner because what it lacked has left the memory
/// meanwhile.
const READS_MAX: u32 = 3;

impl Sync {
    /// Whether a quorum holds the history, this member included.
    pub(super) fn is_complete(&self, core: &Core, learners: &Learners) -> bool {
        let own = core.is_durable(self.joined);
        let joined = Leading::whether(learners, (core.sid(), own), |learner| learner.has_joined());
        own && core.quorums().is_reached(joined)
    }
}

impl Leading {
    /// A quorum has accepted the epoch: this member joins it first.
    pub(super) fn begin_sync(&mut self, core: &mut Core, now_ms: u64) {
        let Phase::Promise(promise) = &self.phase else {
            return;
        };
        let (epoch, offered) = (promise.epoch, promise.offered);
        core.join_epoch(epoch);
        // A membership from the static files has no version; the first one that is established gets
        // that of the epoch, the same on all members (ZOOKEEPER-1783).
        if core.settings.reconfig_enabled && core.memberships().last_seen().version() == 0 {
            core.see(core.membership().clone().with_version(epoch << 32));
        }
        self.phase = Phase::Sync(Sync {
            epoch,
            offered,
            joined: core.io(),
            deadline_ms: now_ms + core.init_ms(),
        });
        let promised = self
            .learners
            .iter()
            .filter_map(|(link, learner)| match learner.state {
                State::Promised(last) => Some((link, last)),
                _ => None,
            });
        for (link, last) in promised.collect::<Vec<_>>() {
            self.begin_sync_of(core, link, last, now_ms);
        }
    }

    /// Brings one learner to the history, as far as its log on the disk is not needed.
    pub(super) fn begin_sync_of(&mut self, core: &mut Core, link: LinkId, last: Zxid, now_ms: u64) {
        match core.log.plan(last) {
            Plan::Diff => {
                let zxid = last.max(self.history_end(core));
                self.send_history(core, link, LeaderPacket::Diff { zxid }, last, &[], now_ms);
            }
            Plan::Trunc(zxid) => {
                self.send_history(core, link, LeaderPacket::Trunc { zxid }, zxid, &[], now_ms);
            }
            Plan::Read { after } => {
                let upto = core.log.floor();
                if let Some(learner) = self.learners.get_mut(link) {
                    learner.state = State::Reading(Reading {
                        last,
                        upto,
                        txns: Vec::new(),
                        tries: READS_MAX,
                    });
                }
                core.emit(Effect::ReadLog { link, after, upto });
            }
            Plan::Snap => self.send_image(core, link, now_ms),
        }
    }

    /// What a learner lacks was read from the disk.
    pub(crate) fn handle_log_read(
        &mut self,
        core: &mut Core,
        link: LinkId,
        txns: Option<Vec<Txn>>,
        now_ms: u64,
    ) {
        let Some(learner) = self.learners.get_mut(link) else {
            return;
        };
        let State::Reading(reading) = &mut learner.state else {
            return;
        };
        learner.deadline_ms = now_ms + core.init_ms();
        let Some(txns) = txns else {
            return self.send_image(core, link, now_ms);
        };
        reading.txns.extend(txns);
        let (last, floor) = (reading.last, core.log.floor());
        if floor > reading.upto && reading.tries > 0 {
            reading.tries -= 1;
            reading.upto = floor;
            let after = reading.txns.last().map_or(last, |txn| txn.zxid);
            return core.emit(Effect::ReadLog {
                link,
                after,
                upto: floor,
            });
        }
        let is_whole = floor <= reading.upto;
        let txns = std::mem::take(&mut reading.txns);
        match behind(&txns, last).filter(|older| is_whole && joins(core, last, older)) {
            Some(older) => {
                let zxid = self.history_end(core);
                self.send_history(core, link, LeaderPacket::Diff { zxid }, last, older, now_ms);
            }
            None => self.send_image(core, link, now_ms),
        }
    }

    /// The end of what belongs to the history.
    fn history_end(&self, core: &Core) -> Zxid {
        match &self.phase {
            Phase::Broadcast(_) => core.log.committed(),
            _ => core.log.last(),
        }
    }

    /// Sends the store, then what is behind it. The store must hold all that the learner may have,
    /// for that is gone with the image.
    fn send_image(&mut self, core: &mut Core, link: LinkId, now_ms: u64) {
        if !matches!(self.phase, Phase::Broadcast(_)) {
            core.replay();
        }
        let zxid = core.log.delivered();
        self.send_history(core, link, LeaderPacket::Snap { zxid }, zxid, &[], now_ms);
    }

    /// Sends all behind `base`, which the learner has after `first`; `older` is what of it is not in
    /// memory.
    fn send_history(
        &mut self,
        core: &mut Core,
        link: LinkId,
        first: LeaderPacket,
        base: Zxid,
        older: &[Txn],
        now_ms: u64,
    ) {
        let end = self.history_end(core);
        let (Some(epoch), Some(learner)) = (self.epoch(), self.learners.get_mut(link)) else {
            return;
        };
        let is_image = matches!(first, LeaderPacket::Snap { .. });
        core.tell_learner(link, first);
        if is_image {
            core.emit(Effect::SendImage { link });
        }
        let from = older.last().map_or(base, |txn| txn.zxid);
        let recent: Vec<Txn> = core.log.after(from).cloned().collect();
        for Txn { zxid, bytes: txn } in older.iter().chain(&recent).cloned() {
            let is_history = zxid <= end;
            if is_history || !learner.is_observer {
                core.tell_learner(link, LeaderPacket::Proposal { zxid, txn });
            }
            if is_history {
                core.tell_learner(link, LeaderPacket::Commit { zxid });
            }
        }
        learner.covered = end.max(base);
        learner.state = State::Syncing;
        learner.deadline_ms = now_ms + core.init_ms();
        // What is only proposed takes effect with its commit, and not with UPTODATE; before the epoch
        // has begun, the beginning is that commit.
        let membership = match &self.phase {
            Phase::Broadcast(_) => core.membership(),
            _ => core.memberships().last_seen(),
        };
        let packet = LeaderPacket::NewLeader {
            zxid: Zxid(epoch << 32),
            config: membership.to_bytes(),
        };
        core.tell_learner(link, packet);
    }

    /// A learner holds the epoch's history.
    pub(super) fn handle_joined(
        &mut self,
        core: &Core,
        link: LinkId,
        zxid: Zxid,
        now_ms: u64,
    ) -> Result<(), Fault> {
        let (Some(epoch), Some(learner)) = (self.epoch(), self.learners.get_mut(link)) else {
            return Ok(());
        };
        if zxid != Zxid(epoch << 32) {
            return Err(Fault::OtherEpoch { zxid, epoch });
        }
        learner.state = State::Joined;
        // It waits for others now, and answers no ping until UPTODATE.
        learner.deadline_ms = now_ms + core.init_ms() + core.sync_ms();
        Ok(())
    }

    /// A quorum holds the history: it is committed, and the epoch begins.
    pub(super) fn activate(&mut self, core: &mut Core, now_ms: u64) -> Result<(), Fault> {
        let Phase::Sync(sync) = &self.phase else {
            return Ok(());
        };
        let broadcast =
            Broadcast::new(sync.epoch, sync.offered, now_ms + core.settings.tick_ms / 2);
        core.log.commit(core.log.last());
        core.election.refresh(sync.epoch);
        self.activate_last_seen(core, now_ms)?;
        self.phase = Phase::Broadcast(broadcast);
        self.serve(core);
        Ok(())
    }

    /// A change that was left unfinished is finished with the epoch's beginning (ZOOKEEPER-1324).
    fn activate_last_seen(&self, core: &mut Core, now_ms: u64) -> Result<(), Fault> {
        if !core.settings.reconfig_enabled {
            return Ok(());
        }
        let membership = core.memberships().last_seen().clone();
        let joined = self.learners.iter().filter_map(|(_, learner)| {
            let joined = learner.has_joined() && !learner.is_observer;
            Some((learner.sid.filter(|_| joined)?, learner.acked))
        });
        let leader = designate(core, &membership, joined);
        core.activate(membership, now_ms);
        match leader == core.sid() {
            true => Ok(()),
            false => Err(Fault::Designated {
                leader,
                zxid: core.log.last(),
            }),
        }
    }

    /// Everything so far is committed and durable, and so delivered before the first proposal.
    pub(super) fn serve(&mut self, core: &mut Core) {
        core.deliver();
        assert!(
            core.log.delivered() == core.log.last(),
            "an epoch begins with all of its history delivered"
        );
        if let Some(epoch) = self.epoch() {
            let role = Serving::Leading { epoch };
            core.emit(Effect::Serve { role });
        }
    }
}

/// What of the log comes behind a learner's end; `None` if that is not in the log.
fn behind(txns: &[Txn], last: Zxid) -> Option<&[Txn]> {
    let at = txns.partition_point(|txn| txn.zxid <= last);
    let (upto, behind) = txns.split_at(at);
    // A number that begins an epoch is in no log; whoever has it has all before.
    let is_known = last.counter() == 0 || upto.last().is_some_and(|txn| txn.zxid == last);
    is_known.then_some(behind)
}

/// Whether the history goes on without a hole from the learner's end to what is in memory: the join
/// with the disk is where one would be (ZOOKEEPER-2418).
fn joins(core: &Core, last: Zxid, older: &[Txn]) -> bool {
    let end = older.last().map_or(last, |txn| txn.zxid);
    let mut previous = last;
    (older.iter().map(|txn| txn.zxid))
        .chain(core.log.after(end).next().map(|txn| txn.zxid))
        .all(|zxid| follows(std::mem::replace(&mut previous, zxid), zxid))
}
