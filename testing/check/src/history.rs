//! What clients saw at their end of the wire, and what the servers committed.

use std::sync::Arc;

use lockkeeper_wire::{
    ErrorCode, EventType, Id, OpCode, Request, Response, SessionId, TxnEntry, Xid, Zxid,
};

/// A whole run. Times are of one clock, in any unit.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Connections whose handshake was answered, in the order of those answers.
    pub connections: Vec<Connection>,
    /// Requests of all connections, in the order in which they were sent.
    pub operations: Vec<Operation>,
    /// The committed transactions, in the order of their zxids.
    pub log: Vec<TxnEntry>,
}

/// A client's link to a server.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The session it was opened for.
    pub session: SessionId,
    /// Whether the handshake made the session, and did not resume it.
    pub is_new: bool,
    /// When the handshake was answered.
    pub opened: u64,
    /// What came behind the handshake, in order.
    pub seen: Vec<Seen>,
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The reply of an operation, by its place among all.
    Reply(usize),
    /// An event; the zxid is -1 for one that happened while the client was away.
    Event {
        /// What happened.
        kind: EventType,
        /// Where.
        path: String,
        /// The transaction.
        zxid: Zxid,
    },
}

/// A request, and its reply if one came.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its connection's place among all.
    pub connection: usize,
    /// The session.
    pub session: SessionId,
    /// Its number.
    pub xid: Xid,
    /// What was asked.
    pub request: Request,
    /// Who the client had shown itself to be.
    pub identities: Arc<[Id]>,
    /// When it left the client.
    pub sent: u64,
    /// What came back; `None` when nothing did, so that the outcome is unknown.
    pub reply: Option<Reply>,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// When it reached the client.
    pub at: u64,
    /// The zxid in its header.
    pub zxid: Zxid,
    /// Its body or code.
    pub result: Result<Response, ErrorCode>,
}

impl Operation {
    /// Whether it becomes a transaction.
    pub fn is_write(&self) -> bool {
        matches!(
            self.request.op(),
            OpCode::Create
                | OpCode::Create2
                | OpCode::CreateContainer
                | OpCode::CreateTtl
                | OpCode::Delete
                | OpCode::SetData
                | OpCode::SetAcl
                | OpCode::Multi
                | OpCode::Reconfig
                | OpCode::CloseSession
        )
    }

    /// When its reply came; never, if none did.
    pub fn end(&self) -> u64 {
        self.reply.as_ref().map_or(u64::MAX, |reply| reply.at)
    }

    /// The operation for a report.
    pub fn name(&self) -> String {
        format!("{:?} {} of {}", self.request.op(), self.xid, self.session)
    }
}
