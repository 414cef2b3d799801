//! What a call can end with, and what each end says about the call's effect.
//!
//! A client knows more than "connection lost": whether the request ever left, and whether it could
//! have changed anything. Every error carries that knowledge as an [`Outcome`], so that a retry is
//! a decision and not a guess.

use std::io;

use lockkeeper_wire::path::PathError;
use lockkeeper_wire::{DecodeError, ErrorCode, FrameError, OpCode};
use thiserror::Error;

use crate::connect_string::ConnectStringError;

/// What is known about the effect of a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The ensemble has not carried the request out and will not: it may be repeated freely.
    NotApplied,
    /// The request was sent and its reply never came: a write may have been carried out.
    Unknown,
}

/// Why a call failed.
///
/// [`Error::outcome`] says what became of the request; decide retries by it, not by the variant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The ensemble refused a credential.
    #[error("authentication failed: check the scheme and credential given to the builder")]
    AuthFailed {
        /// Whether the request may have been carried out.
        outcome: Outcome,
    },
    /// The client was closed.
    #[error("client is closed: {}", hint(*outcome))]
    Closed {
        /// Whether the request may have been carried out.
        outcome: Outcome,
    },
    /// The link broke between the request and its reply.
    #[error("connection lost before the reply came: {}", hint(*outcome))]
    ConnectionLoss {
        /// Whether the request may have been carried out.
        outcome: Outcome,
    },
    /// The call itself is wrong and was never sent.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// A part of a multi failed, and so none of it was applied.
    #[error("part {index} of the multi failed and nothing was applied: {code}")]
    Multi {
        /// Place of the part, from 0.
        index: usize,
        /// Its code.
        code: ErrorCode,
    },
    /// The server refused the operation.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The reply cannot be understood; the link it came over is dropped.
    #[error("reply cannot be understood: {what}")]
    Protocol {
        /// What is wrong with it.
        what: Violation,
        /// Whether the request may have been carried out.
        outcome: Outcome,
    },
    /// Too many calls, or too many bytes of them, wait for replies.
    #[error("too many calls wait for replies: await capacity or raise the queue limits")]
    QueueFull,
    /// The session has ended: its ephemerals are gone and its watches are void.
    #[error("session expired: connect a new client; {}", hint(*outcome))]
    SessionExpired {
        /// Whether the request may have been carried out.
        outcome: Outcome,
    },
    /// The call's own deadline passed; the session goes on.
    #[error("no reply before the call's deadline: {}", hint(*outcome))]
    Timeout {
        /// Whether the request may have been carried out, or still will be.
        outcome: Outcome,
    },
    /// No server took the session within the time set for the first connect.
    #[error("no server could be reached in time{}: check the connect string",
        last.map(|loss| format!(", last attempt: {loss}")).unwrap_or_default())]
    Unreachable {
        /// How the last attempt failed.
        last: Option<LinkLoss>,
    },
}

fn hint(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotApplied => "the request was not carried out",
        Outcome::Unknown => "the request may have been carried out",
    }
}

impl Error {
    /// What is known about the request's effect.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Op(error) => error.outcome(),
            Self::ConnectionLoss { outcome }
            | Self::SessionExpired { outcome }
            | Self::AuthFailed { outcome }
            | Self::Closed { outcome }
            | Self::Timeout { outcome }
            | Self::Protocol { outcome, .. } => *outcome,
            Self::Multi { .. } | Self::QueueFull | Self::Unreachable { .. } | Self::Misuse(_) => {
                Outcome::NotApplied
            }
        }
    }

    /// The server's code, if it answered with one; for a multi the failed part's.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Op(error) => Some(error.code),
            Self::Multi { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the session is over, so that no call of this client can succeed any more.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::SessionExpired { .. }
                | Self::AuthFailed { .. }
                | Self::Closed { .. }
                | Self::Unreachable { .. }
        )
    }
}

/// A server's refusal of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{op:?} of {path:?} refused: {code}")]
pub struct OpError {
    /// Why.
    pub code: ErrorCode,
    /// The operation.
    pub op: OpCode,
    /// Its path as the caller gave it; empty for operations without one.
    pub path: String,
}

/// `SystemError` and `DataInconsistency` of Apache's codes: the server itself is in trouble.
const SYSTEM_ERROR: ErrorCode = ErrorCode(-1);
const DATA_INCONSISTENCY: ErrorCode = ErrorCode(-3);

impl OpError {
    /// [`Outcome::NotApplied`] but for codes by which a server says that it does not know either.
    pub fn outcome(&self) -> Outcome {
        match self.code {
            SYSTEM_ERROR
            | ErrorCode::RUNTIME_INCONSISTENCY
            | DATA_INCONSISTENCY
            | ErrorCode::CONNECTION_LOSS
            | ErrorCode::OPERATION_TIMEOUT
            | ErrorCode::REQUEST_TIMEOUT => Outcome::Unknown,
            _ => Outcome::NotApplied,
        }
    }
}

/// Whether a reply's code says that this link is of no more use.
pub(crate) fn ends_link(code: ErrorCode) -> bool {
    matches!(
        code,
        SYSTEM_ERROR
            | ErrorCode::RUNTIME_INCONSISTENCY
            | DATA_INCONSISTENCY
            | ErrorCode::SESSION_EXPIRED
            | ErrorCode::SESSION_MOVED
    )
}

/// Why a link ended or could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkLoss {
    /// The server answered with a code that ends the link.
    #[error("server gave up the session's link: {0}")]
    Code(ErrorCode),
    /// The server closed the link; during the handshake this is how it says that it does not serve
    /// or has seen less than this client.
    #[error("server closed the link")]
    Eof,
    /// The transport failed.
    #[error("transport failed: {0}")]
    Io(io::ErrorKind),
    /// The host name has no address.
    #[error("host name cannot be resolved")]
    Name,
    /// The server sent what no server may send.
    #[error("server broke the protocol: {0}")]
    Protocol(Violation),
    /// Nothing was heard for too long.
    #[error("nothing heard for too long")]
    Silence,
}

/// How a server broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A frame cannot be accepted.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A reply's body is not of the kind its operation has.
    #[error("reply of another operation")]
    Kind,
    /// A reply answers no request, or not the oldest one.
    #[error("reply to request {got} where {want:?} is due")]
    Order {
        /// The number that came.
        got: i32,
        /// The number of the oldest request without a reply.
        want: Option<i32>,
    },
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] DecodeError),
}

/// A call that is wrong by itself, whatever the server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The connect string cannot be read.
    #[error(transparent)]
    ConnectString(#[from] ConnectStringError),
    /// There is no runtime to run the client on.
    #[error("no runtime: connect inside a tokio runtime or give one to the builder")]
    NoRuntime,
    /// The path is not a znode path.
    #[error("{path:?} is no znode path: {source}")]
    Path {
        /// The text given.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// The session timeout is 0 or beyond what the protocol can say.
    #[error("session timeout must be from 1 ms to 2^31 - 1 ms")]
    SessionTimeout,
    /// The request is longer than servers accept.
    #[error(
        "request of {len} bytes is above the {max} that servers accept: split it, or raise \
        jute.maxbuffer on every server and the client's limit"
    )]
    TooLong {
        /// Bytes of the request.
        len: usize,
        /// Bytes accepted.
        max: usize,
    },
    /// A time to live is missing, not needed, or out of range.
    #[error("time to live must be given for the TTL modes only, from 1 ms to 2^40 - 1 ms")]
    Ttl,
}
