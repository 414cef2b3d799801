//! What all roles of a member share: its history, epochs and memberships, and the way out.
//!
//! Nothing leaves but through here, so the two orders that safety rests on are kept in one place:
//! storage effects are numbered as they are said, and what acknowledges a write waits in one queue
//! until the write is durable.

use std::collections::VecDeque;

use lockkeeper_wire::{LeaderPacket, LearnerPacket, ServerId, Zxid};

use crate::effect::{Effect, IoId, LinkId};
use crate::election::Election;
use crate::history::{Log, Txn};
use crate::membership::{Membership, Memberships};
use crate::quorums::JointQuorums;
use crate::settings::Settings;

/// The shared part of a member.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) election: Election,
    pub(crate) log: Log,
    pub(crate) accepted_epoch: i64,
    pub(crate) current_epoch: i64,
    /// Whether this member remembers what it promised; see [`History::votes`](crate::History).
    pub(crate) votes: bool,
    /// The leader told to cut the log where it cannot be cut; only an image helps.
    pub(crate) wants_image: bool,
    /// The latest epoch that a voter was found to have accepted.
    pub(crate) epoch_heard: i64,
    io: IoId,
    durable: IoId,
    /// What waits for a write, in the order in which it will leave.
    waiting: VecDeque<(IoId, Effect)>,
    effects: VecDeque<Effect>,
}

impl Core {
    pub(crate) fn new(
        settings: Settings,
        election: Election,
        log: Log,
        (accepted_epoch, current_epoch): (i64, i64),
        votes: bool,
    ) -> Self {
        Self {
            settings,
            election,
            log,
            accepted_epoch,
            current_epoch,
            votes,
            wants_image: false,
            epoch_heard: accepted_epoch,
            io: IoId(0),
            durable: IoId(0),
            waiting: VecDeque::new(),
            effects: VecDeque::new(),
        }
    }

    pub(crate) fn sid(&self) -> ServerId {
        self.settings.sid
    }

    pub(crate) fn memberships(&self) -> &Memberships {
        self.election.memberships()
    }

    pub(crate) fn membership(&self) -> &Membership {
        self.memberships().committed()
    }

    /// The quorums in force, of the next membership too while one is under way.
    pub(crate) fn quorums(&self) -> JointQuorums {
        self.memberships().quorums()
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn tell_learner(&mut self, link: LinkId, packet: LeaderPacket) {
        self.emit(Effect::SendToLearner { link, packet });
    }

    pub(crate) fn tell_leader(&mut self, link: LinkId, packet: LearnerPacket) {
        self.emit(Effect::SendToLeader { link, packet });
    }

    /// Closes a link; what still waits to be said on it is dropped.
    pub(crate) fn close(&mut self, link: LinkId) {
        self.forget(link);
        self.emit(Effect::Close { link });
    }

    /// Drops what waits to be said on a link that is gone.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.waiting.retain(|(_, effect)| match effect {
            Effect::SendToLearner { link: of, .. } | Effect::SendToLeader { link: of, .. } => {
                *of != link
            }
            _ => true,
        });
    }

    /// The last storage effect said.
    pub(crate) fn io(&self) -> IoId {
        self.io
    }

    pub(crate) fn is_durable(&self, io: IoId) -> bool {
        io <= self.durable
    }

    /// Says something as soon as a write is durable, and with it all that was written before.
    pub(crate) fn emit_after(&mut self, io: IoId, effect: Effect) {
        match self.is_durable(io) {
            true => self.emit(effect),
            false => self.waiting.push_back((io, effect)),
        }
    }

    pub(crate) fn handle_durable(&mut self, upto: IoId) {
        assert!(
            upto <= self.io && upto >= self.durable,
            "durable is what was written, and stays so"
        );
        self.durable = upto;
        self.log.handle_durable(upto);
        while let Some((_, effect)) = self.waiting.pop_front_if(|(io, _)| *io <= upto) {
            self.effects.push_back(effect);
        }
    }

    fn next_io(&mut self) -> IoId {
        self.io.0 += 1;
        self.io
    }

    pub(crate) fn append(&mut self, txn: Txn) {
        let io = self.next_io();
        self.log.append(io, txn.clone());
        self.emit(Effect::Append { io, txn });
    }

    pub(crate) fn truncate(&mut self, zxid: Zxid) {
        let io = self.next_io();
        self.log.truncate(io, zxid);
        self.emit(Effect::Truncate { io, zxid });
        self.forget_seen_behind(zxid);
    }

    pub(crate) fn install(&mut self, link: LinkId, zxid: Zxid) {
        let io = self.next_io();
        self.log.install(io, zxid);
        self.emit(Effect::InstallImage { io, link, zxid });
        self.forget_seen_behind(zxid);
    }

    pub(crate) fn accept_epoch(&mut self, epoch: i64) {
        assert!(
            epoch > self.accepted_epoch,
            "an epoch is accepted once, in order"
        );
        self.accepted_epoch = epoch;
        let io = self.next_io();
        self.emit(Effect::WriteAcceptedEpoch { io, epoch });
    }

    pub(crate) fn join_epoch(&mut self, epoch: i64) {
        assert!(
            (epoch > self.current_epoch || !self.votes) && epoch <= self.accepted_epoch,
            "an accepted epoch is joined once, in order"
        );
        self.current_epoch = epoch;
        let io = self.next_io();
        self.emit(Effect::WriteCurrentEpoch { io, epoch });
    }

    /// Hands over what is committed and durable.
    pub(crate) fn deliver(&mut self) {
        while let Some(txn) = self.log.deliver() {
            self.emit(Effect::Deliver { txn });
        }
    }

    /// Hands over the rest of the log, committed or not.
    pub(crate) fn replay(&mut self) {
        while let Some(txn) = self.log.replay() {
            self.emit(Effect::Replay { txn });
        }
    }

    /// How long a leader and its learners may take to get in step, ms.
    pub(crate) fn init_ms(&self) -> u64 {
        self.settings.tick_ms * u64::from(self.settings.init_limit)
    }

    /// How long a partner in step may be silent, ms.
    pub(crate) fn sync_ms(&self) -> u64 {
        self.settings.tick_ms * u64::from(self.settings.sync_limit)
    }
}
