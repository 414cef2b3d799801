//! Agreement of an ensemble on one order of transactions. So far: who belongs to an ensemble, which
//! of its servers are enough, and how they elect a leader.
//!
//! ```text
//! quorums ← membership ← election
//! properties ←
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod election;
mod membership;
pub mod properties;
mod quorums;

pub use election::{Decision, Election, ElectionEffect, ElectionSettings};
pub use membership::{
    HostPort, Member, MemberAddress, MemberRole, Membership, MembershipError, Memberships,
};
pub use quorums::{JointQuorums, Quorums};
