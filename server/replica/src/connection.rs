//! A client connection as the replica sees it.

use std::collections::VecDeque;

use bytes::BytesMut;
use lockkeeper_store::{ConnectionId, EventSink, Identities, StatsWanted};
use lockkeeper_wire::{ErrorCode, EventType, Id, OpCode, Request, SessionId, Xid, Zxid, watch};

/// The clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// A monotonic clock, ms since any fixed moment of this run; deadlines are measured on it.
    pub mono_ms: u64,
    /// The wall clock, ms since 1970; transactions are stamped with it.
    pub wall_ms: i64,
}

/// The connections as their owner offers them: buffers to write into, and a way to close.
///
/// A connection that has gone is no error: what is written for it is dropped.
pub trait Clients {
    /// Lends a connection's outgoing buffer; what is appended leaves in that order.
    fn buffer<R>(
        &mut self,
        connection: ConnectionId,
        f: impl FnOnce(&mut BytesMut) -> R,
    ) -> Option<R>;

    /// The same for an event, on which somebody may be about to act.
    fn buffer_event<R>(
        &mut self,
        connection: ConnectionId,
        f: impl FnOnce(&mut BytesMut) -> R,
    ) -> Option<R> {
        self.buffer(connection, f)
    }

    /// The connection's identities at this moment.
    fn identities<R>(&self, connection: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R;

    /// When anything was last received on the connection, on the monotonic clock.
    fn heard_ms(&self, connection: ConnectionId) -> Option<u64>;

    /// The handshake is done: requests may be answered.
    fn opened(&mut self, connection: ConnectionId, session: SessionId, timeout_ms: i32);

    /// One of the requests handed to the replica has been answered or dropped.
    fn answered(&mut self, connection: ConnectionId);

    /// Closes the connection once its buffer has left.
    fn close(&mut self, connection: ConnectionId);
}

/// Events as frames in the connections' buffers.
pub(crate) struct Events<'a, C>(pub(crate) &'a mut C);

impl<C: Clients> EventSink for Events<'_, C> {
    fn with_identities<R>(&self, connection: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R {
        self.0.identities(connection, f)
    }

    fn event(&mut self, connection: ConnectionId, kind: EventType, zxid: Zxid, path: &str) {
        self.0
            .buffer_event(connection, |out| watch::encode_frame(kind, zxid, path, out));
    }
}

/// A connection with a handshake behind it or under way.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: SessionId,
    /// Granted to the session, ms.
    pub(crate) timeout_ms: i32,
    /// Requests in order of arrival, from the first that waits for something on.
    pub(crate) waiting: VecDeque<Waiting>,
    /// What came behind a sync that is not answered. A write among it would otherwise be able to
    /// overtake: the leader takes longer over a sync than over a transaction.
    pub(crate) behind_sync: Option<VecDeque<Held>>,
}

/// A request that waits for its turn.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The handshake: of a new session, or of one that the leader is asked about.
    Connect { short: bool },
    /// A write that becomes a transaction.
    Write {
        xid: Xid,
        op: OpCode,
        since_ms: u64,
        wanted: StatsWanted,
    },
    /// A sync that the leader has to answer; then it is a read.
    Sync {
        xid: Xid,
        request: Request,
        identities: Identities,
    },
    /// A read behind one of the connection's own writes.
    Read {
        xid: Xid,
        request: Request,
        identities: Identities,
    },
    /// A request answered by a header alone, in its place; with `close`, as the last. Without a
    /// zxid it takes the last one applied by then.
    Header {
        xid: Xid,
        zxid: Option<Zxid>,
        code: ErrorCode,
        close: bool,
    },
}

/// A request that is not looked at yet.
#[derive(Debug)]
pub(crate) enum Held {
    Request {
        xid: Xid,
        request: Request,
        identities: Identities,
    },
    Header {
        xid: Xid,
        zxid: Option<Zxid>,
        code: ErrorCode,
        close: bool,
    },
}

impl Connection {
    pub(crate) fn new(session: SessionId, timeout_ms: i32) -> Self {
        Self {
            session,
            timeout_ms,
            waiting: VecDeque::new(),
            behind_sync: None,
        }
    }

    /// The leader has answered the sync: it is a read like any other, and what is behind it may go
    /// its way.
    pub(crate) fn synced(&mut self) -> VecDeque<Held> {
        for waiting in &mut self.waiting {
            if let Waiting::Sync {
                xid,
                request,
                identities,
            } = waiting
            {
                *waiting = Waiting::Read {
                    xid: *xid,
                    request: request.clone(),
                    identities: identities.clone(),
                };
            }
        }
        self.behind_sync.take().unwrap_or_default()
    }
}
