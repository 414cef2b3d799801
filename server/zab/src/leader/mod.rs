//! The leader, from the end of its election to the end of its epoch (`Leader`, `LearnerHandler`).
//!
//! | phase | file | ends with |
//! |---|---|---|
//! | discovery | `discovery.rs` | an epoch that a quorum has accepted |
//! | synchronization | `sync.rs` | a quorum that holds the epoch's history |
//! | broadcast | `broadcast.rs`, `liveness.rs`, `confirm.rs` | the loss of a quorum |
//!
//! A learner may come at any time and go through the same phases on its own, so each has a state
//! beside the leader's phase (`learners.rs`). After every input, [`Leading::progress`] looks what has
//! become possible; nothing else moves the leader on.
//!
//! A fault of a learner ends its connection. Only the lack of a quorum ends the role.

mod broadcast;
mod confirm;
mod discovery;
mod learners;
mod liveness;
mod sync;

use lockkeeper_wire::{LeaderPacket, LearnerPacket, ServerId, SessionId, Zxid};

use crate::core::Core;
use crate::effect::{Effect, LinkId};
use crate::fault::Fault;
pub(crate) use broadcast::is_epoch_over;

use broadcast::Broadcast;
use discovery::{Discovery, Promise};
use learners::{Learner, Learners, State};
use sync::Sync;

/// A member that was elected.
#[derive(Debug)]
pub(crate) struct Leading {
    /// Current epoch and end of the log when it was elected: no follower may have more.
    standing: (i64, Zxid),
    learners: Learners,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Discovery(Discovery),
    Promise(Promise),
    Sync(Sync),
    Broadcast(Broadcast),
}

impl Leading {
    /// Opens the quorum port and waits for followers.
    pub(crate) fn new(core: &mut Core, now_ms: u64) -> Self {
        core.emit(Effect::Listen);
        Self {
            standing: (core.current_epoch, core.log.last()),
            learners: Learners::default(),
            phase: Phase::Discovery(Discovery::new(core, now_ms)),
        }
    }

    /// Leads an ensemble of one that has no elections.
    pub(crate) fn alone(core: &mut Core, epoch: i64) -> Self {
        let mut leading = Self {
            standing: (epoch, core.log.last()),
            learners: Learners::default(),
            // Nobody is ever pinged.
            phase: Phase::Broadcast(Broadcast::new(epoch, core.io(), u64::MAX)),
        };
        leading.serve(core);
        leading
    }

    /// The epoch, once it is chosen.
    fn epoch(&self) -> Option<i64> {
        match &self.phase {
            Phase::Discovery(_) => None,
            Phase::Promise(promise) => Some(promise.epoch),
            Phase::Sync(sync) => Some(sync.epoch),
            Phase::Broadcast(broadcast) => Some(broadcast.epoch),
        }
    }

    /// Whether clients are served.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Broadcast(_))
    }

    /// Whether a server follows in step, so that it could vote.
    pub(crate) fn is_synced(&self, sid: ServerId) -> bool {
        (self.learners).any(sid, |learner| learner.has_joined() && !learner.is_observer)
    }

    pub(crate) fn handle_accepted(&mut self, core: &Core, link: LinkId, now_ms: u64) {
        let learner = Learner::new(now_ms + core.init_ms());
        self.learners.insert(link, learner);
    }

    pub(crate) fn handle_packet(
        &mut self,
        core: &mut Core,
        link: LinkId,
        packet: LearnerPacket,
        now_ms: u64,
    ) -> Result<(), Fault> {
        if self.learners.get(link).is_none() {
            return Ok(());
        }
        self.heard(core, link, now_ms);
        if let Err(fault) = self.hear(core, link, packet, now_ms) {
            self.drop_learner(core, link, &fault);
        }
        self.progress(core, now_ms)
    }

    fn hear(
        &mut self,
        core: &mut Core,
        link: LinkId,
        packet: LearnerPacket,
        now_ms: u64,
    ) -> Result<(), Fault> {
        let Some(learner) = self.learners.get(link) else {
            return Ok(());
        };
        match (&learner.state, packet) {
            (_, LearnerPacket::Unknown(kind)) => {
                tracing::warn!(kind, "a packet of an unknown kind is ignored");
                Ok(())
            }
            (State::Connected, LearnerPacket::FollowerInfo { accepted, info }) => {
                self.introduce(core, link, accepted, info, false, now_ms)
            }
            (State::Connected, LearnerPacket::ObserverInfo { accepted, info }) => {
                self.introduce(core, link, accepted, info, true, now_ms)
            }
            (
                State::Offered,
                LearnerPacket::AckEpoch {
                    last,
                    current_epoch,
                },
            ) => self.handle_promise(core, link, last, i64::from(current_epoch), now_ms),
            (State::Syncing, LearnerPacket::Ack { zxid }) if zxid.counter() == 0 => {
                self.handle_joined(core, link, zxid, now_ms)
            }
            (State::Syncing | State::Joined | State::Active, LearnerPacket::Ack { zxid }) => {
                self.handle_ack(core, link, zxid)
            }
            (State::Active, LearnerPacket::Request(request)) => {
                self.handle_request(core, link, request);
                Ok(())
            }
            (State::Active, LearnerPacket::Ping { touches, .. }) => {
                self.handle_pong(core, link, touches)
            }
            (
                State::Active,
                LearnerPacket::Revalidate {
                    session,
                    timeout_ms,
                },
            ) => {
                core.emit(Effect::Revalidate {
                    link,
                    session,
                    timeout_ms,
                });
                Ok(())
            }
            (state, packet) => Err(out_of_phase(state, &packet)),
        }
    }

    /// Takes every step that has become possible.
    pub(crate) fn progress(&mut self, core: &mut Core, now_ms: u64) -> Result<(), Fault> {
        loop {
            match &self.phase {
                Phase::Discovery(discovery) if discovery.is_complete(core) => {
                    let epoch = discovery.epoch()?;
                    self.offer_epoch(core, epoch, now_ms);
                }
                Phase::Promise(promise) if promise.is_complete(core) => {
                    self.begin_sync(core, now_ms);
                }
                Phase::Sync(sync) if sync.is_complete(core, &self.learners) => {
                    self.activate(core, now_ms)?;
                }
                Phase::Broadcast(_) => return self.advance(core, now_ms),
                _ => return Ok(()),
            }
        }
    }

    /// A learner's sign of life.
    fn heard(&mut self, core: &Core, link: LinkId, now_ms: u64) {
        if let Some(learner) = self.learners.get_mut(link) {
            let limit_ms = match learner.state {
                State::Active => core.sync_ms(),
                _ => core.init_ms(),
            };
            learner.deadline_ms = now_ms + limit_ms;
        }
    }

    /// Bytes of an image moved.
    pub(crate) fn handle_activity(&mut self, core: &Core, link: LinkId, now_ms: u64) {
        self.heard(core, link, now_ms);
    }

    pub(crate) fn handle_closed(&mut self, core: &mut Core, link: LinkId) {
        core.forget(link);
        self.learners.remove(link);
    }

    fn drop_learner(&mut self, core: &mut Core, link: LinkId, fault: &Fault) {
        if let Some(learner) = self.learners.remove(link) {
            tracing::warn!(sid = ?learner.sid, %fault, "a learner is given up");
            core.close(link);
        }
    }

    /// The role ends: nobody is told anything more.
    pub(crate) fn leave(&mut self, core: &mut Core) {
        for link in self.learners.links(|_| true) {
            self.learners.remove(link);
            core.close(link);
        }
        core.emit(Effect::StopListening);
    }

    pub(crate) fn revalidated(
        &mut self,
        core: &mut Core,
        link: LinkId,
        session: SessionId,
        valid: bool,
    ) {
        if self.learners.get(link).is_some_and(Learner::is_active) {
            let packet = LeaderPacket::Revalidated { session, valid };
            core.tell_learner(link, packet);
        }
    }

    /// The servers for which something holds, as a test of one server; what is asked of the learners
    /// is asked of this member as `own`.
    fn whether<'a>(
        learners: &'a Learners,
        own: (ServerId, bool),
        holds: impl Fn(&Learner) -> bool + 'a,
    ) -> impl Fn(ServerId) -> bool + 'a {
        move |sid| match sid == own.0 {
            true => own.1,
            false => learners.any(sid, &holds),
        }
    }
}

/// The fault of a packet that has no place in a learner's state.
fn out_of_phase(state: &State, packet: &LearnerPacket) -> Fault {
    let phase = match state {
        State::Connected => "a learner says who it is",
        State::Introduced => "the epoch is not chosen",
        State::Offered => "a learner accepts the epoch",
        State::Promised(_) => "a quorum accepts the epoch",
        State::Reading(_) => "its history is read",
        State::Syncing => "a learner takes over the history",
        State::Joined => "the epoch's history is not committed",
        State::Active => "broadcasting",
    };
    let packet = match packet {
        LearnerPacket::FollowerInfo { .. } => "FOLLOWERINFO",
        LearnerPacket::ObserverInfo { .. } => "OBSERVERINFO",
        LearnerPacket::AckEpoch { .. } => "ACKEPOCH",
        LearnerPacket::Ack { .. } => "ACK",
        LearnerPacket::Request(_) => "REQUEST",
        LearnerPacket::Ping { .. } => "PING",
        LearnerPacket::Revalidate { .. } => "REVALIDATE",
        LearnerPacket::Unknown(_) => "an unknown kind",
    };
    Fault::OutOfPhase { packet, phase }
}
