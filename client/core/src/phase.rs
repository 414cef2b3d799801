//! Where a session stands with its ensemble; what belongs to one link lives and dies with it here.

use std::collections::VecDeque;
use std::time::Instant;

use lockkeeper_wire::Request;

use crate::error::{Error, LinkLoss, Outcome};
use crate::event::{State, WatchEnd};

/// The phases; only the last is final.
#[derive(Debug)]
pub(crate) enum Phase {
    Connected(Connected),
    Connecting(Connecting),
    Disconnected(Disconnected),
    Over(Over),
}

/// No link, and none being opened.
#[derive(Debug)]
pub(crate) struct Disconnected {
    /// When the next server is tried.
    pub(crate) retry_at: Instant,
}

/// A link is being opened, or waits for the answer to its handshake.
#[derive(Debug)]
pub(crate) struct Connecting {
    /// When this attempt is given up.
    pub(crate) until: Instant,
    pub(crate) handshake: Handshake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// Sent at this time.
    Asked(Instant),
    /// The transport is not there yet.
    Dialing,
    /// The request is the next thing to send.
    Due,
}

/// A server has taken the session.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) since: Instant,
    pub(crate) read_only: bool,
    /// Whether the state has been told: not before every credential has been accepted.
    pub(crate) told: bool,
    /// Requests that arm watches again; they go before all others.
    pub(crate) restore: VecDeque<Request>,
    /// A ping is the next thing to send.
    pub(crate) ping_due: bool,
    /// When the pings without an answer were sent, oldest first.
    pub(crate) pings: VecDeque<Instant>,
}

/// The end.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) end: End,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    AuthFailed,
    Closed,
    Expired,
    /// The first connect took too long.
    Unreachable(Option<LinkLoss>),
}

impl End {
    /// The state that is told.
    pub(crate) fn state(self) -> State {
        match self {
            Self::Expired => State::Expired,
            Self::AuthFailed => State::AuthFailed,
            Self::Closed | Self::Unreachable(_) => State::Closed,
        }
    }

    /// The error of a call that this end cuts off.
    pub(crate) fn error(self, outcome: Outcome) -> Error {
        match self {
            Self::Expired => Error::SessionExpired { outcome },
            Self::AuthFailed => Error::AuthFailed { outcome },
            Self::Closed => Error::Closed { outcome },
            Self::Unreachable(last) => Error::Unreachable { last },
        }
    }

    /// The end of a watch.
    pub(crate) fn watch_end(self) -> WatchEnd {
        match self {
            Self::Expired => WatchEnd::SessionExpired,
            Self::AuthFailed => WatchEnd::AuthFailed,
            Self::Closed | Self::Unreachable(_) => WatchEnd::Closed,
        }
    }
}
