//! The stages between a write and its reply.
//!
//! A leader prepares a write and proposes it; a learner sends it to its leader. Both remember, in
//! the order in which the transactions will come back, who waits for which.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use lockkeeper_store::{
    Caller, ConnectionId, Identities, Overlay, PrepSettings, Store, Write, prep,
};
use lockkeeper_wire::{DecodeError, Record, SessionId, Txn, TxnEntry, Zxid};

/// A write and who wants it.
pub(crate) struct Wanted<'a> {
    pub(crate) session: SessionId,
    pub(crate) cxid: i32,
    pub(crate) identities: &'a Identities,
    /// The connection that waits for it here.
    pub(crate) origin: Option<ConnectionId>,
    pub(crate) write: Write<'a>,
    /// Whether only the session's own server knows it.
    pub(crate) local: bool,
}

/// A transaction to put to the vote.
pub(crate) struct Prepared {
    /// The entry as it is logged and sent.
    pub(crate) bytes: Bytes,
    /// Whether it brings a new membership.
    pub(crate) is_reconfig: bool,
}

/// A committed transaction and the connection that waits for it.
pub(crate) struct Committed {
    pub(crate) entry: TxnEntry,
    pub(crate) origin: Option<ConnectionId>,
}

impl Committed {
    /// A transaction that nobody here has asked for.
    pub(crate) fn foreign(bytes: &Bytes) -> Result<Self, DecodeError> {
        TxnEntry::from_bytes(bytes).map(|entry| Self {
            entry,
            origin: None,
        })
    }
}

/// Prepared transactions of a leader on their way to commit.
#[derive(Debug, Default)]
pub(crate) struct Proposals {
    overlay: Overlay,
    /// Prepared, not committed; in zxid order.
    proposed: VecDeque<(TxnEntry, Option<ConnectionId>)>,
    encoder: BytesMut,
}

impl Proposals {
    pub(crate) fn is_alive(&self, store: &Store, session: SessionId) -> bool {
        self.overlay.is_alive(store, session)
    }

    /// Received to prepared.
    pub(crate) fn prepare(
        &mut self,
        store: &Store,
        settings: PrepSettings,
        (zxid, time_ms): (Zxid, i64),
        wanted: Wanted<'_>,
    ) -> Prepared {
        let caller = Caller {
            session: wanted.session,
            cxid: wanted.cxid,
            identities: wanted.identities,
            zxid,
            time_ms,
            local: wanted.local,
        };
        let entry = prep(store, &mut self.overlay, settings, caller, wanted.write);
        entry.encode(&mut self.encoder);
        let is_reconfig = matches!(entry.txn, Txn::Reconfig(_));
        self.proposed.push_back((entry, wanted.origin));
        Prepared {
            bytes: self.encoder.split().freeze(),
            is_reconfig,
        }
    }

    /// The transaction that was committed, as it was prepared; `None` for one of an earlier leader.
    pub(crate) fn take(&mut self, zxid: Zxid) -> Option<Committed> {
        if self.proposed.front()?.0.header.zxid != zxid {
            return None;
        }
        let (entry, origin) = self.proposed.pop_front()?;
        Some(Committed { entry, origin })
    }

    pub(crate) fn applied(&mut self, zxid: Zxid) {
        self.overlay.applied(zxid);
    }

    /// Transactions prepared and not committed.
    pub(crate) fn len(&self) -> usize {
        self.proposed.len()
    }
}

/// Writes of a learner's clients that its leader has.
///
/// They are kept by session and in order even when their connection has gone: the session may be
/// back on a new one, and an answer must not be taken for that of a later request.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    by_session: BTreeMap<SessionId, VecDeque<(i32, Option<ConnectionId>)>>,
    len: usize,
}

impl Forwards {
    pub(crate) fn push(&mut self, session: SessionId, cxid: i32, origin: Option<ConnectionId>) {
        let queue = self.by_session.entry(session).or_default();
        queue.push_back((cxid, origin));
        self.len += 1;
    }

    /// Who waits for a transaction: the session's first request, if this is its answer. If not, the
    /// session has asked for it on another server.
    pub(crate) fn take(&mut self, session: SessionId, cxid: i32) -> Option<ConnectionId> {
        let queue = self.by_session.get_mut(&session)?;
        let (_, origin) = queue.pop_front_if(|(first, _)| *first == cxid)?;
        if queue.is_empty() {
            self.by_session.remove(&session);
        }
        self.len -= 1;
        origin
    }

    /// Requests without an answer.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
