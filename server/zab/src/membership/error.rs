//! What can be wrong with a membership.

use lockkeeper_wire::ServerId;
use thiserror::Error;

/// A text is no membership.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// A host is empty or has a character that no host name has.
    #[error("{key}: {host:?} is not a host")]
    Host {
        /// The setting.
        key: String,
        /// The host as given.
        host: String,
    },
    /// What follows a semicolon is not an address for clients.
    #[error("{key}: {text:?} is not a port, or an address and a port, for clients")]
    ClientAddress {
        /// The setting.
        key: String,
        /// What is there.
        text: String,
    },
    /// A `\u` without four hexadecimal digits.
    #[error("line {line} has an escape \\u without four hexadecimal digits")]
    Escape {
        /// The line, from 1.
        line: usize,
    },
    /// The key's number, or the value, is not the number that is needed.
    #[error("{key}: {text:?} is not a number that fits")]
    Number {
        /// The setting.
        key: String,
        /// What is there.
        text: String,
    },
    /// With a weight below nothing, two quorums might not meet.
    #[error("the weight of server {sid} is negative")]
    NegativeWeight {
        /// The server.
        sid: ServerId,
    },
    /// Nobody could vote.
    #[error("there is no participant")]
    NoParticipant,
    /// A participant is in no group, although there are groups.
    #[error("server {sid} is in no group")]
    NoGroup {
        /// The participant.
        sid: ServerId,
    },
    /// A group names a server that is no participant and has no weight.
    #[error("server {sid} is in a group, but is no participant and has no weight")]
    NoWeight {
        /// The server.
        sid: ServerId,
    },
    /// The quorum and the election port are the same.
    #[error("{key}: the quorum port and the election port must differ")]
    OnePort {
        /// The setting.
        key: String,
    },
    /// A role is neither participant nor observer.
    #[error("{key}: {text:?} is neither participant nor observer")]
    Role {
        /// The setting.
        key: String,
        /// What is there.
        text: String,
    },
    /// A server line has not the form that it needs.
    #[error("{key}: {text:?} is not host:quorumPort:electionPort[:role], several joined by |")]
    ServerAddress {
        /// The setting.
        key: String,
        /// What is there.
        text: String,
    },
    /// The addresses of one server disagree about its role.
    #[error("{key}: all addresses of a server must give it the same role")]
    SeveralRoles {
        /// The setting.
        key: String,
    },
    /// A server is in several groups.
    #[error("server {sid} is in several groups")]
    SeveralGroups {
        /// The server.
        sid: ServerId,
    },
    /// A key that no membership has.
    #[error("{key} is no setting of a membership")]
    UnknownKey {
        /// The key.
        key: String,
    },
}
