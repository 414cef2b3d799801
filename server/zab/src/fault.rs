//! Why another server is given up: its connection is closed, and a role that depended on it ends.

use lockkeeper_wire::{ServerId, Zxid};
use thiserror::Error;

/// What was wrong with what another server said, or did not say.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// A packet that has no place in this phase.
    #[error("{packet} has no place while {phase}")]
    OutOfPhase {
        /// Its kind.
        packet: &'static str,
        /// What was going on.
        phase: &'static str,
    },
    /// The connection ended, or could not be made.
    #[error("the connection is gone")]
    Disconnected,
    /// Nothing came in time.
    #[error("nothing came in time while {phase}")]
    TimedOut {
        /// What was going on.
        phase: &'static str,
    },
    /// The leader's epoch is older than one that was accepted since.
    #[error("epoch {offered} is older than {accepted}, which was accepted")]
    StaleEpoch {
        /// The leader's.
        offered: i64,
        /// This member's.
        accepted: i64,
    },
    /// A packet tells of another epoch than the leader's.
    #[error("{zxid} is not of epoch {epoch}")]
    OtherEpoch {
        /// What came.
        zxid: Zxid,
        /// The leader's epoch.
        epoch: i64,
    },
    /// A transaction does not follow the last one.
    #[error("{zxid} does not follow {last}")]
    Gap {
        /// The one before.
        last: Zxid,
        /// What came.
        zxid: Zxid,
    },
    /// A transaction has the zxid of another one.
    #[error("{zxid} is another transaction here")]
    Differs {
        /// The zxid.
        zxid: Zxid,
    },
    /// A commit is not for the oldest proposal that waits for one.
    #[error("commit of {zxid} where {expected:?} is next")]
    CommitOrder {
        /// What came.
        zxid: Zxid,
        /// The oldest proposal not committed.
        expected: Option<Zxid>,
    },
    /// An acknowledgement is for something never proposed to this learner.
    #[error("{zxid} is acknowledged, and {last} was proposed last")]
    AckOfNothing {
        /// What came.
        zxid: Zxid,
        /// The end of the leader's log.
        last: Zxid,
    },
    /// The log is to be cut where it does not have that transaction, or cannot be cut. The leader
    /// is dialled again.
    #[error("the log cannot be cut behind {zxid}")]
    CutOutside {
        /// Where.
        zxid: Zxid,
    },
    /// A learner has a longer history than the leader that it was elected to follow.
    #[error("its history, epoch {epoch} up to {last}, is ahead of mine")]
    Ahead {
        /// Its current epoch.
        epoch: i64,
        /// The end of its log.
        last: Zxid,
    },
    /// A learner has a newer membership than the leader.
    #[error("its membership {version:#x} is newer than mine")]
    NewerMembership {
        /// Its version.
        version: i64,
    },
    /// A learner claims an id that it cannot have.
    #[error("server id {sid} cannot be a learner of mine")]
    BadSid {
        /// The id.
        sid: ServerId,
    },
    /// A learner's accepted epoch leaves no room for another one.
    #[error("accepted epoch {epoch} leaves no room for the next")]
    EpochsExhausted {
        /// Its accepted epoch.
        epoch: i64,
    },
    /// A learner speaks a protocol of before 3.4.
    #[error("protocol {protocol:#x} is not spoken here")]
    OldProtocol {
        /// What it speaks.
        protocol: i32,
    },
    /// The leader sent a membership that cannot be read.
    #[error("the leader's membership cannot be read")]
    BadMembership,
    /// The membership in force gives another role.
    #[error("the membership in force gives another role")]
    RoleChanged,
    /// A change of the membership gives another role or another leader, who is to be followed.
    #[error("with {zxid} the leader is {leader}")]
    Designated {
        /// Who leads.
        leader: ServerId,
        /// The change.
        zxid: Zxid,
    },
    /// The same server has connected again.
    #[error("server {sid} has connected again")]
    Replaced {
        /// The server.
        sid: ServerId,
    },
    /// A leader found no quorum in time, or lost it.
    #[error("no quorum {missing}")]
    NoQuorum {
        /// For what.
        missing: &'static str,
    },
    /// All counters of the epoch are used (ZOOKEEPER-1277).
    #[error("the counter of the epoch is used up")]
    EpochOver,
}
