//! Deadlines of a leader: who is given up when, and when the leader gives up itself.
//!
//! Learners are pinged twice a tick, and every other time the leader looks whether those it has are
//! still a quorum. Between the two, a learner that is silent too long or leaves a proposal without
//! acknowledgement has lost its connection.

use super::{Leading, Phase};
use crate::core::Core;
use crate::fault::Fault;

impl Leading {
    pub(crate) fn handle_timeout(&mut self, core: &mut Core, now_ms: u64) -> Result<(), Fault> {
        for link in self.learners.links(|learner| now_ms >= learner.deadline_ms) {
            let fault = Fault::TimedOut {
                phase: "a learner is awaited",
            };
            self.drop_learner(core, link, &fault);
        }
        match &self.phase {
            Phase::Discovery(discovery) if now_ms >= discovery.deadline_ms => {
                return Err(Fault::NoQuorum {
                    missing: "tells what it has accepted",
                });
            }
            Phase::Promise(promise) if now_ms >= promise.deadline_ms => {
                return Err(Fault::NoQuorum {
                    missing: "accepts the epoch",
                });
            }
            Phase::Sync(sync) if now_ms >= sync.deadline_ms => {
                return Err(Fault::NoQuorum {
                    missing: "takes over the history",
                });
            }
            Phase::Broadcast(broadcast) => {
                if broadcast
                    .ending_at_ms()
                    .is_some_and(|at_ms| now_ms >= at_ms)
                {
                    return Err(Fault::EpochOver);
                }
                if now_ms >= broadcast.ping_at_ms {
                    self.tick(core, now_ms)?;
                }
            }
            _ => {}
        }
        self.progress(core, now_ms)
    }

    /// Half a tick has passed.
    fn tick(&mut self, core: &mut Core, now_ms: u64) -> Result<(), Fault> {
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            return Ok(());
        };
        let looks = broadcast.looks;
        broadcast.looks = !looks;
        broadcast.ping_at_ms = now_ms + (core.settings.tick_ms / 2).max(1);
        if looks && !self.has_quorum(core) {
            return Err(Fault::NoQuorum {
                missing: "is heard of",
            });
        }
        let limit_ms = core.sync_ms();
        let is_slow = |sent_ms: u64| now_ms.saturating_sub(sent_ms) > limit_ms;
        let slow = self.learners.links(|learner| {
            let oldest = learner.proposed.front();
            oldest.is_some_and(|(_, sent_ms)| is_slow(*sent_ms))
        });
        for link in slow {
            let fault = Fault::TimedOut {
                phase: "an acknowledgement is awaited",
            };
            self.drop_learner(core, link, &fault);
        }
        self.ping_all(core);
        Ok(())
    }

    /// Whether the servers that are connected are a quorum; the silent ones are dropped already.
    fn has_quorum(&self, core: &Core) -> bool {
        let connected = Self::whether(&self.learners, (core.sid(), true), |learner| {
            !learner.is_observer
        });
        core.quorums().is_reached(connected)
    }

    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let own = match &self.phase {
            Phase::Discovery(discovery) => Some(discovery.deadline_ms),
            Phase::Promise(promise) => Some(promise.deadline_ms),
            Phase::Sync(sync) => Some(sync.deadline_ms),
            Phase::Broadcast(broadcast) => {
                let ending = broadcast.ending_at_ms().unwrap_or(u64::MAX);
                Some(broadcast.ping_at_ms.min(ending))
            }
        };
        let learners = self.learners.iter().map(|(_, learner)| learner.deadline_ms);
        own.into_iter().chain(learners).min()
    }
}
