//! Error codes as they travel in replies and transactions.

use std::fmt;

use bytes::BytesMut;

use crate::codec::{Reader, Record};
use crate::error::DecodeError;

/// The `err` of a reply header: 0 for good, else one of `KeeperException.Code`.
///
/// A number type and not an enum, because a newer server may send a code that is unknown here.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i32);

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $value:literal, $java:literal, $text:literal;)*) => {
        impl ErrorCode {
            $($(#[$meta])* pub const $name: ErrorCode = ErrorCode($value);)*

            /// ZooKeeper's name for the code; `Unknown` for a number that has none.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $java,)*
                    _ => "Unknown",
                }
            }

            /// A short description, lower case, without a full stop.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    _ => "unknown error code",
                }
            }
        }
    };
}

codes! {
    /// No error.
    OK = 0, "Ok", "no error";
    /// A part behind the failed one in a multi.
    RUNTIME_INCONSISTENCY = -2, "RuntimeInconsistency", "an earlier part of the multi failed";
    /// Made by clients: the connection ended before the reply came.
    CONNECTION_LOSS = -4, "ConnectionLoss", "connection lost";
    /// The request's body cannot be decoded.
    MARSHALLING_ERROR = -5, "MarshallingError", "request cannot be decoded";
    /// The operation is unknown or switched off.
    UNIMPLEMENTED = -6, "Unimplemented", "operation is not supported by this server";
    /// Made by clients: the deadline passed before the reply came.
    OPERATION_TIMEOUT = -7, "OperationTimeout", "operation timed out";
    /// A path, flag or TTL is not valid.
    BAD_ARGUMENTS = -8, "BadArguments", "path or argument is not valid";
    /// Server internal: session unknown.
    UNKNOWN_SESSION = -12, "UnknownSession", "session is unknown";
    /// No quorum of the new configuration is connected and in sync.
    NEW_CONFIG_NO_QUORUM = -13, "NewConfigNoQuorum", "no quorum of the new configuration is in sync";
    /// Another reconfiguration is under way.
    RECONFIG_IN_PROGRESS = -14, "ReconfigInProgress", "another reconfiguration is in progress";
    /// No znode at the path.
    NO_NODE = -101, "NoNode", "znode does not exist";
    /// A permission is missing.
    NO_AUTH = -102, "NoAuth", "permission denied by the ACL";
    /// The expected version is not the current one.
    BAD_VERSION = -103, "BadVersion", "version does not match";
    /// An ephemeral cannot have children.
    NO_CHILDREN_FOR_EPHEMERALS = -108, "NoChildrenForEphemerals", "ephemerals cannot have children";
    /// The znode exists.
    NODE_EXISTS = -110, "NodeExists", "znode exists";
    /// The znode has children.
    NOT_EMPTY = -111, "NotEmpty", "znode has children";
    /// The session has ended.
    SESSION_EXPIRED = -112, "SessionExpired", "session expired";
    /// The ACL is empty or has an entry that is not valid.
    INVALID_ACL = -114, "InvalidACL", "ACL is not valid";
    /// Authentication failed.
    AUTH_FAILED = -115, "AuthFailed", "authentication failed";
    /// The session is served by another member.
    SESSION_MOVED = -118, "SessionMoved", "session moved to another server";
    /// A write on a read-only server.
    NOT_READ_ONLY = -119, "NotReadOnly", "server is read-only";
    /// An ephemeral on a local session.
    EPHEMERAL_ON_LOCAL_SESSION = -120, "EphemeralOnLocalSession", "local sessions cannot own ephemerals";
    /// No such watch on this connection.
    NO_WATCHER = -121, "NoWatcher", "no such watch";
    /// Made by clients: a request's own deadline passed.
    REQUEST_TIMEOUT = -122, "RequestTimeout", "request timed out";
    /// Reconfiguration is switched off.
    RECONFIG_DISABLED = -123, "ReconfigDisabled", "reconfiguration is disabled";
    /// The server wants an authentication that this connection lacks.
    SESSION_CLOSED_REQUIRE_SASL_AUTH = -124, "SessionClosedRequireSaslAuth",
        "server requires an authentication that this connection lacks";
    /// A quota would be exceeded.
    QUOTA_EXCEEDED = -125, "QuotaExceeded", "quota exceeded";
    /// The request waited too long in the server's throttle.
    THROTTLED_OP = -127, "ThrottledOp", "request throttled";
}

impl ErrorCode {
    /// Whether the code is 0.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl std::error::Error for ErrorCode {}

impl Record for ErrorCode {
    const LEN_MIN: usize = 4;

    fn encode(&self, out: &mut BytesMut) {
        self.0.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        i32::decode(reader).map(ErrorCode)
    }
}
