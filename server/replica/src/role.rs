//! What a member does for its clients: nothing, as a leader all of it, as a learner what its leader
//! leaves to it.

use std::collections::{BTreeMap, VecDeque};

use lockkeeper_store::{ConnectionId, Expiry, Store};
use lockkeeper_wire::{DecodeError, SessionId};
use lockkeeper_zab::{LinkId, Txn};

use crate::pipeline::{Committed, Forwards, Proposals};

/// Ends with everything that was under way in it.
#[derive(Debug)]
pub(crate) enum Role {
    /// No client is served.
    Looking,
    /// There is no leader, and reads are served all the same.
    ReadOnly,
    Leading(Box<Leading>),
    Learning(Box<Learning>),
}

/// Only a leader judges, and only a leader lets time pass for sessions.
#[derive(Debug)]
pub(crate) struct Leading {
    pub(crate) proposals: Proposals,
    pub(crate) expiry: Expiry,
    /// Where sessions were last that have been on a learner under this leader.
    owners: BTreeMap<SessionId, Owner>,
    pub(crate) container_check_at_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Here,
    Learner(LinkId),
}

/// What a learner keeps until its leader answers or asks.
#[derive(Debug, Default)]
pub(crate) struct Learning {
    pub(crate) forwards: Forwards,
    /// Handshakes that wait for the leader's word about their session, in the order of asking.
    pub(crate) resuming: BTreeMap<SessionId, VecDeque<ConnectionId>>,
    /// Sessions heard of since the leader last asked whose connection has ended, with timeouts, ms.
    pub(crate) touched: BTreeMap<SessionId, i32>,
    /// When the leader last asked who was heard of.
    pub(crate) asked_at_ms: u64,
}

impl Leading {
    /// Every session gets a full timeout from now.
    pub(crate) fn new(
        store: &Store,
        tick_ms: u64,
        container_check_at_ms: u64,
        now_ms: u64,
    ) -> Self {
        let mut expiry = Expiry::new(tick_ms);
        for (session, timeout_ms) in store.sessions() {
            expiry.track(session, timeout_ms.max(0) as u64, now_ms);
        }
        Self {
            proposals: Proposals::default(),
            expiry,
            owners: BTreeMap::new(),
            container_check_at_ms,
        }
    }

    /// Whether a client may resume the session.
    pub(crate) fn is_resumable(&self, store: &Store, session: SessionId) -> bool {
        self.proposals.is_alive(store, session) && self.expiry.is_tracked(session)
    }

    /// The session's client is on this server now.
    pub(crate) fn own(&mut self, session: SessionId) {
        if let Some(owner) = self.owners.get_mut(&session) {
            *owner = Owner::Here;
        }
    }

    /// The session's client is on a learner now.
    pub(crate) fn hand_over(&mut self, session: SessionId, link: LinkId) {
        self.owners.insert(session, Owner::Learner(link));
    }

    /// Whether the session has gone to a learner.
    pub(crate) fn has_left(&self, session: SessionId) -> bool {
        matches!(self.owners.get(&session), Some(Owner::Learner(_)))
    }

    /// Whether requests of the session may come from a learner. Who is the first to send one has
    /// the session; `is_here` says that a connection of this server has it.
    pub(crate) fn may_send(&mut self, session: SessionId, link: LinkId, is_here: bool) -> bool {
        match self.owners.get(&session) {
            None if is_here => false,
            None => {
                self.hand_over(session, link);
                true
            }
            Some(owner) => *owner == Owner::Learner(link),
        }
    }

    /// The session has ended.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.expiry.forget(session);
        self.owners.remove(&session);
    }
}

impl Role {
    /// A committed transaction and who waits for it. A leader has its own decoded.
    pub(crate) fn committed(&mut self, txn: &Txn) -> Result<Committed, DecodeError> {
        match self {
            Self::Looking | Self::ReadOnly => Committed::foreign(&txn.bytes),
            Self::Leading(leading) => match leading.proposals.take(txn.zxid) {
                Some(committed) => Ok(committed),
                None => Committed::foreign(&txn.bytes),
            },
            Self::Learning(learning) => {
                let mut committed = Committed::foreign(&txn.bytes)?;
                let header = &committed.entry.header;
                committed.origin = learning.forwards.take(header.client_id, header.cxid);
                Ok(committed)
            }
        }
    }
}
