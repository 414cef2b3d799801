//! Discovery: a new epoch, above all that a quorum has accepted, and accepted by a quorum.
//!
//! Afterwards no leader of an older epoch can commit anything: every quorum of it has a server that
//! has promised. While the membership is being changed, a quorum of each has to: Apache's leaders
//! ask the old one alone, and can come to an epoch that the new one has begun without them. And this
//! leader's history is at least as long as any in the quorum, which the
//! election made likely and is checked here.

use std::collections::BTreeSet;

use lockkeeper_wire::quorum::PROTOCOL;
use lockkeeper_wire::{LeaderPacket, LearnerInfo, ServerId, Zxid};

use super::learners::State;
use super::{Leading, Phase};
use crate::core::Core;
use crate::effect::{Effect, IoId, LinkId};
use crate::fault::Fault;

/// Who has said what it accepted last.
#[derive(Debug)]
pub(super) struct Discovery {
    heard: BTreeSet<ServerId>,
    accepted_max: i64,
    pub(super) deadline_ms: u64,
}

/// The epoch is offered.
#[derive(Debug)]
pub(super) struct Promise {
    pub(super) epoch: i64,
    /// The own promise.
    pub(super) offered: IoId,
    promised: BTreeSet<ServerId>,
    pub(super) deadline_ms: u64,
}

/// The largest epoch whose successor is one too.
const EPOCH_MAX: i64 = i32::MAX as i64 - 1;

impl Discovery {
    pub(super) fn new(core: &Core, now_ms: u64) -> Self {
        Self {
            heard: BTreeSet::from([core.sid()]),
            accepted_max: core.accepted_epoch.max(core.epoch_heard),
            deadline_ms: now_ms + core.init_ms(),
        }
    }

    pub(super) fn is_complete(&self, core: &Core) -> bool {
        core.quorums().is_reached(|sid| self.heard.contains(&sid))
    }

    pub(super) fn epoch(&self) -> Result<i64, Fault> {
        match self.accepted_max {
            epoch if epoch > EPOCH_MAX => Err(Fault::EpochsExhausted { epoch }),
            epoch => Ok(epoch + 1),
        }
    }
}

impl Promise {
    pub(super) fn is_complete(&self, core: &Core) -> bool {
        let promised = |sid| self.promised.contains(&sid);
        core.is_durable(self.offered) && core.quorums().is_reached(promised)
    }
}

impl Leading {
    /// A learner says who it is and which epoch it has accepted.
    pub(super) fn introduce(
        &mut self,
        core: &mut Core,
        link: LinkId,
        accepted: Zxid,
        info: LearnerInfo,
        is_observer: bool,
        now_ms: u64,
    ) -> Result<(), Fault> {
        let accepted = accepted.0 >> 32;
        let sid = info.sid;
        if info.protocol < PROTOCOL {
            return Err(Fault::OldProtocol {
                protocol: info.protocol,
            });
        }
        if info.config_version > core.membership().version() {
            return Err(Fault::NewerMembership {
                version: info.config_version,
            });
        }
        if sid == core.sid() {
            return Err(Fault::BadSid { sid });
        }
        if accepted > EPOCH_MAX {
            return Err(Fault::EpochsExhausted { epoch: accepted });
        }
        self.replace(core, link, sid);
        if self.epoch().is_some_and(|epoch| epoch < accepted) && core.memberships().is_voter(sid) {
            self.make_way(core, accepted, now_ms);
        }
        if let Phase::Discovery(discovery) = &mut self.phase {
            discovery.accepted_max = discovery.accepted_max.max(accepted);
            // Who observes may be a voter of the membership that is proposed.
            discovery.heard.insert(sid);
        }
        if let Some(learner) = self.learners.get_mut(link) {
            learner.sid = Some(sid);
            learner.is_observer = is_observer;
            learner.state = State::Introduced;
        }
        self.offer(core, link, now_ms);
        Ok(())
    }

    /// A voter has accepted a later epoch under a leader that came to nothing. It can never follow in
    /// this one, and Apache's ensembles go without it until their leader changes; here the epoch ends,
    /// and the next one is late enough.
    fn make_way(&mut self, core: &mut Core, accepted: i64, now_ms: u64) {
        core.epoch_heard = core.epoch_heard.max(accepted);
        if let Phase::Broadcast(broadcast) = &mut self.phase {
            broadcast.end(now_ms + core.sync_ms());
        }
    }

    /// A server has one learner at most: whoever connects again has left its former connection, and
    /// with that what it acknowledged there.
    fn replace(&mut self, core: &mut Core, link: LinkId, sid: ServerId) {
        let former = self.learners.links(|learner| learner.sid == Some(sid));
        for former in former.into_iter().filter(|former| *former != link) {
            self.drop_learner(core, former, &Fault::Replaced { sid });
        }
    }

    /// Enough have said what they accepted: the epoch is chosen, accepted here, and offered.
    pub(super) fn offer_epoch(&mut self, core: &mut Core, epoch: i64, now_ms: u64) {
        core.accept_epoch(epoch);
        self.phase = Phase::Promise(Promise {
            epoch,
            offered: core.io(),
            promised: BTreeSet::from([core.sid()]),
            deadline_ms: now_ms + core.init_ms(),
        });
        let introduced = |state: &State| matches!(state, State::Introduced);
        for link in self.learners.links(|learner| introduced(&learner.state)) {
            self.offer(core, link, now_ms);
        }
    }

    /// Offers the epoch to a learner if it is chosen, and not before it is accepted here
    /// (ZOOKEEPER-1291).
    fn offer(&mut self, core: &mut Core, link: LinkId, now_ms: u64) {
        let (epoch, offered) = match &self.phase {
            Phase::Discovery(_) => return,
            Phase::Promise(promise) => (promise.epoch, promise.offered),
            Phase::Sync(sync) => (sync.epoch, sync.offered),
            Phase::Broadcast(broadcast) => (broadcast.epoch, broadcast.offered),
        };
        if let Some(learner) = self.learners.get_mut(link) {
            learner.state = State::Offered;
            learner.deadline_ms = now_ms + core.init_ms();
        }
        let packet = LeaderPacket::LeaderInfo {
            zxid: Zxid(epoch << 32),
            protocol: PROTOCOL,
        };
        core.emit_after(offered, Effect::SendToLearner { link, packet });
    }

    /// A learner accepts the epoch and tells how much it has.
    pub(super) fn handle_promise(
        &mut self,
        core: &mut Core,
        link: LinkId,
        last: Zxid,
        current_epoch: i64,
        now_ms: u64,
    ) -> Result<(), Fault> {
        /// For "this does not count" and for a log that is lost.
        const NONE: i64 = -1;
        let Some(learner) = self.learners.get_mut(link) else {
            return Ok(());
        };
        learner.state = State::Promised(last);
        learner.deadline_ms = now_ms + core.init_ms();
        match &mut self.phase {
            Phase::Promise(promise) => {
                if current_epoch == NONE || last.0 == NONE {
                    return Ok(());
                }
                // A log whose end is in mine has nothing that mine has not, whatever epoch it joined.
                if (current_epoch, last) > self.standing && !core.log.holds(last) {
                    return Err(Fault::Ahead {
                        epoch: current_epoch,
                        last,
                    });
                }
                promise.promised.extend(learner.sid);
            }
            _ => self.begin_sync_of(core, link, last, now_ms),
        }
        Ok(())
    }
}
