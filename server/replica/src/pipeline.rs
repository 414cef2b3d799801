//! The stages between a write and its reply.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use lockkeeper_store::{Caller, Overlay, PrepSettings, Store, Write, prep};
use lockkeeper_wire::{Record, SessionId, TxnEntry, Zxid};

use lockkeeper_store::{ConnectionId, Identities};

/// Prepared transactions on their way to commit.
#[derive(Debug)]
pub(crate) struct Pipeline {
    overlay: Overlay,
    /// The zxid the next transaction takes.
    next_zxid: Zxid,
    /// Prepared, not committed; in zxid order.
    proposed: VecDeque<Proposed>,
    /// Encoded for the log and not handed out yet.
    unlogged: Vec<(Zxid, Bytes)>,
    encoder: BytesMut,
}

/// A transaction under way.
#[derive(Debug)]
pub(crate) struct Proposed {
    pub(crate) entry: TxnEntry,
    /// The connection that waits for it.
    pub(crate) origin: Option<ConnectionId>,
}

/// A write and who wants it.
pub(crate) struct Wanted<'a> {
    pub(crate) session: SessionId,
    pub(crate) cxid: i32,
    pub(crate) identities: &'a Identities,
    pub(crate) origin: Option<ConnectionId>,
    pub(crate) write: Write<'a>,
}

impl Pipeline {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            overlay: Overlay::new(),
            next_zxid: store.last_zxid().next(),
            proposed: VecDeque::new(),
            unlogged: Vec::new(),
            encoder: BytesMut::new(),
        }
    }

    pub(crate) fn is_alive(&self, store: &Store, session: SessionId) -> bool {
        self.overlay.is_alive(store, session)
    }

    /// Received to prepared to proposed; gives the zxid.
    pub(crate) fn propose(
        &mut self,
        store: &Store,
        settings: PrepSettings,
        time_ms: i64,
        wanted: Wanted<'_>,
    ) -> Zxid {
        let zxid = self.next_zxid;
        self.next_zxid = zxid.next();
        let caller = Caller {
            session: wanted.session,
            cxid: wanted.cxid,
            identities: wanted.identities,
            zxid,
            time_ms,
            local: false,
        };
        let entry = prep(store, &mut self.overlay, settings, caller, wanted.write);
        entry.encode(&mut self.encoder);
        self.unlogged.push((zxid, self.encoder.split().freeze()));
        self.proposed.push_back(Proposed {
            entry,
            origin: wanted.origin,
        });
        zxid
    }

    /// What must become durable next, in order.
    pub(crate) fn take_unlogged(&mut self) -> Vec<(Zxid, Bytes)> {
        std::mem::take(&mut self.unlogged)
    }

    pub(crate) fn unlogged(&self) -> usize {
        self.unlogged.len()
    }

    /// The next transaction that `committed` covers.
    pub(crate) fn take_committed(&mut self, committed: Zxid) -> Option<Proposed> {
        if self.proposed.front()?.entry.header.zxid > committed {
            return None;
        }
        self.proposed.pop_front()
    }

    pub(crate) fn applied(&mut self, zxid: Zxid) {
        self.overlay.applied(zxid);
    }

    /// Transactions prepared and not committed.
    pub(crate) fn len(&self) -> usize {
        self.proposed.len()
    }
}
