//! The leader's learners: one record for each connection.
//!
//! What a learner has acknowledged belongs to its connection and goes with it. A server that comes
//! back is asked anew, so an acknowledgement from before its log was cut can never count.

use std::collections::{BTreeMap, VecDeque};

use lockkeeper_wire::{ServerId, Zxid};

use crate::effect::LinkId;
use crate::history::Txn;

/// One learner, over one connection.
#[derive(Debug)]
pub(super) struct Learner {
    /// Who it is, once it has said so.
    pub(super) sid: Option<ServerId>,
    /// Whether it came as an observer.
    pub(super) is_observer: bool,
    pub(super) state: State,
    /// When it is given up.
    pub(super) deadline_ms: u64,
    /// The end of what its synchronization gave it or found in its log. Commits up to here are not
    /// told: it has these, and may not be told of what it does not await.
    pub(super) covered: Zxid,
    /// All up to here is durable in its log.
    pub(super) acked: Zxid,
    /// Proposals not acknowledged, and when they were sent.
    pub(super) proposed: VecDeque<(Zxid, u64)>,
    /// Pings sent and answered on this connection.
    pub(super) pings: u64,
    pub(super) pongs: u64,
}

/// How far a learner is.
#[derive(Debug)]
pub(super) enum State {
    /// Its first packet is awaited.
    Connected,
    /// It waits for the epoch.
    Introduced,
    /// The epoch is offered to it.
    Offered,
    /// It has accepted the epoch, its log ends here, and a quorum has not.
    Promised(Zxid),
    /// What it lacks is being read from the disk.
    Reading(Reading),
    /// NEWLEADER is sent behind the history; all proposals from now on go to it.
    Syncing,
    /// It has acknowledged NEWLEADER.
    Joined,
    /// UPTODATE is sent.
    Active,
}

/// What is read for a learner.
#[derive(Debug)]
pub(super) struct Reading {
    /// The end of its log.
    pub(super) last: Zxid,
    /// Asked for up to here.
    pub(super) upto: Zxid,
    /// What was read so far.
    pub(super) txns: Vec<Txn>,
    /// How often more may be asked for.
    pub(super) tries: u32,
}

impl Learner {
    pub(super) fn new(deadline_ms: u64) -> Self {
        Self {
            sid: None,
            is_observer: false,
            state: State::Connected,
            deadline_ms,
            covered: Zxid::ZERO,
            acked: Zxid::ZERO,
            proposed: VecDeque::new(),
            pings: 0,
            pongs: 0,
        }
    }

    /// Whether proposals, or what becomes of them, go to it.
    pub(super) fn is_forwarding(&self) -> bool {
        matches!(self.state, State::Syncing | State::Joined | State::Active)
    }

    /// Whether the epoch's history is durable with it.
    pub(super) fn has_joined(&self) -> bool {
        matches!(self.state, State::Joined | State::Active)
    }

    pub(super) fn is_active(&self) -> bool {
        matches!(self.state, State::Active)
    }

    /// Whether it holds everything up to a zxid, durably. Acknowledgements that came before that of
    /// NEWLEADER begin to count with it.
    pub(super) fn holds(&self, zxid: Zxid) -> bool {
        self.has_joined() && self.acked.max(self.covered) >= zxid
    }

    /// Everything up to here is acknowledged.
    pub(super) fn acknowledge(&mut self, zxid: Zxid) {
        self.acked = self.acked.max(zxid);
        while self.proposed.pop_front_if(|(of, _)| *of <= zxid).is_some() {}
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Learners(BTreeMap<LinkId, Learner>);

impl Learners {
    pub(super) fn insert(&mut self, link: LinkId, learner: Learner) {
        self.0.insert(link, learner);
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<Learner> {
        self.0.remove(&link)
    }

    pub(super) fn get(&self, link: LinkId) -> Option<&Learner> {
        self.0.get(&link)
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Learner> {
        self.0.get_mut(&link)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Learner)> {
        self.0.iter().map(|(&link, learner)| (link, learner))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Learner)> {
        self.0.iter_mut().map(|(&link, learner)| (link, learner))
    }

    /// The connections for which something holds.
    pub(super) fn links(&self, holds: impl Fn(&Learner) -> bool) -> Vec<LinkId> {
        self.iter()
            .filter(|(_, learner)| holds(learner))
            .map(|(link, _)| link)
            .collect()
    }

    /// Whether something holds for a connection of this server.
    pub(super) fn any(&self, sid: ServerId, holds: impl Fn(&Learner) -> bool) -> bool {
        self.0
            .values()
            .any(|learner| learner.sid == Some(sid) && holds(learner))
    }
}
