//! Agreement of an ensemble on one order of transactions. So far: who belongs to an ensemble, and
//! which of its servers are enough.
//!
//! ```text
//! quorums ← membership
//! properties ←
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod membership;
pub mod properties;
mod quorums;

pub use membership::{
    HostPort, Member, MemberAddress, MemberRole, Membership, MembershipError, Memberships,
};
pub use quorums::{JointQuorums, Quorums};
