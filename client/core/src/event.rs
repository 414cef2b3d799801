//! What a session tells its owner.

use std::fmt;

use bytes::Bytes;
use lockkeeper_wire::{ByteStr, ErrorCode, EventType, Response, SessionId, Zxid};
use thiserror::Error as ThisError;

use crate::connect_string::HostPort;
use crate::error::Error;

/// The owner's name for a call, and for the watch that the call leaves; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One output of a session. The order of these is the order in which the server sent things, and
/// must be kept up to the callers.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Open a link to this server and report it with `handle_connected` or `handle_disconnected`;
    /// no link is open when this comes.
    Connect(HostPort),
    /// Drop the link, or the attempt to open one; nothing is to be reported about it any more.
    Disconnect,
    /// A persistent watch has been armed again after a reconnect: what happened in between is not
    /// known, so its owner should read again.
    Rearmed {
        /// The call that left the watch.
        watcher: Ticket,
    },
    /// A call has ended; comes exactly once for each ticket submitted.
    Reply {
        /// The call.
        ticket: Ticket,
        /// Its result with the caller's paths.
        result: Result<Response, Error>,
        /// Whether it has left a watch: that depends on the operation and not on success alone.
        is_watching: bool,
    },
    /// The session's state has changed.
    State(StateChange),
    /// Something happened to a watched znode.
    Watch {
        /// The call that left the watch.
        watcher: Ticket,
        /// What happened.
        event: WatchEvent,
        /// Whether the watch was for one event and is done.
        is_last: bool,
    },
    /// No event will come for a watch any more.
    WatchEnd {
        /// The call that left the watch.
        watcher: Ticket,
        /// Why.
        why: WatchEnd,
    },
}

/// What happened to a watched znode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// What happened.
    pub kind: EventType,
    /// The znode, as a path below the client's chroot; of a child event the parent.
    pub path: ByteStr,
    /// The transaction, where the server tells it: from 3.9 on, and not for what happened while
    /// the client was away.
    pub zxid: Option<Zxid>,
}

/// Why a watch ended without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum WatchEnd {
    /// The ensemble refused a credential.
    #[error("watch ended with its session: authentication failed")]
    AuthFailed,
    /// The client was closed.
    #[error("watch ended with its session: client closed")]
    Closed,
    /// A server refused to take the watch over after a reconnect.
    #[error("watch could not be armed again after a reconnect: {0}")]
    Refused(ErrorCode),
    /// The session has ended.
    #[error("watch ended with its session: session expired")]
    SessionExpired,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// A credential was refused. Final.
    AuthFailed,
    /// Closed by its owner, or never connected in the time given for it. Final.
    Closed,
    /// In touch with a server that takes writes.
    Connected,
    /// In touch with a server that has lost its quorum and only reads.
    ConnectedReadOnly,
    /// No session yet.
    Connecting,
    /// The session has ended, by a server's word or because it cannot have lived that long. Final.
    Expired,
    /// Out of touch; the session may live or not. Calls wait or fail with a connection loss.
    Suspended,
}

impl State {
    /// Whether no other state follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::AuthFailed | Self::Closed)
    }

    /// Whether requests flow.
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::ConnectedReadOnly)
    }
}

/// A change of state, numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The state entered.
    pub state: State,
    /// 0 for the first state, then one more with each change.
    pub generation: u64,
    /// The session it is about; [`SessionId::NONE`] before there is one.
    pub session: SessionId,
}

/// What a session is resumed with. Whoever has it is the session's owner: treat it as a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCredentials {
    /// The session.
    pub id: SessionId,
    /// Its password, as the server gave it.
    pub password: Bytes,
}

impl fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCredentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
