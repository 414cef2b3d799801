//! How servers agree on one history: election, synchronization, broadcast.
//!
//! This is ZooKeeper's atomic broadcast (Zab), as Apache's servers speak it since 3.4 and as they
//! harden it since 3.9.4, for one member of an ensemble and without any I/O. To it a transaction is a
//! zxid and bytes; what they do to znodes and sessions is for the replica above.
//!
//! # The protocol on one page
//!
//! | paper | here | what it settles |
//! |---|---|---|
//! | phase 0, leader election | [`Election`] | who should lead: the one with the longest history |
//! | phase 1, discovery | `leader/discovery.rs`, `learner/discovery.rs` | a new epoch, promised by a quorum: no older leader commits any more |
//! | phase 2, synchronization | `leader/sync.rs`, `learner/sync.rs`, `plan.rs` | a quorum has the leader's history and has joined the epoch |
//! | phase 3, broadcast | `leader/broadcast.rs`, `learner/broadcast.rs` | transactions, one after the other, each durable with a quorum |
//!
//! ```text
//! learner                                   leader
//! FOLLOWERINFO accepted epoch ──────────►   from a quorum: epoch = the largest + 1
//! accept it  ◄────────────────── LEADERINFO accept it
//! ACKEPOCH current epoch, end of log ───►   from a quorum, none ahead of me: join it
//!     ◄─── DIFF | TRUNC | SNAP, transactions, NEWLEADER
//! log them, then join it
//! ACK ──────────────────────────────────►   from a quorum: the epoch begins
//! serve  ◄───────────────────────── UPTODATE
//! log, ACK  ◄────────── PROPOSAL, COMMIT    when a quorum has it
//! ```
//!
//! # What has to be true
//!
//! - Whatever acknowledges waits inside [`Peer`] until what it says is durable. The order is: history,
//!   then current epoch, then the acknowledgement of NEWLEADER; and behind it one acknowledgement for
//!   each proposal.
//! - [`Effect::Deliver`] means committed and durable here, in order and once; nothing else changes a
//!   store that serves.
//! - What a learner has acknowledged belongs to its connection. If it comes back it is asked anew.
//! - A leader proves itself to a quorum before it answers a `sync`, where Apache's does not.
//! - No packet of a peer makes this code panic. One that has no place is a [`Fault`] which ends the
//!   connection or the role. What this code itself guarantees is asserted.
//!
//! # Map
//!
//! | file | what |
//! |---|---|
//! | `peer.rs` | [`Peer`]: the one value with all inputs; it holds one role |
//! | `effect.rs` | [`Effect`]: what is to be done, in order |
//! | `core.rs` | what outlives a role: history, epochs, memberships; the queue that waits for the disk |
//! | `history.rs`, `plan.rs` | marks in the log and its end in memory; DIFF, TRUNC or SNAP |
//! | `leader/`, `learner/` | the roles, a file per phase |
//! | `election.rs`, `membership.rs`, `quorums.rs` | votes; who belongs to the ensemble; what is enough |
//! | `reconfig.rs` | a change of the membership while the ensemble runs |
//! | `fault.rs`, `settings.rs` | why another server is given up; what the operator decides |
//!
//! ```text
//! properties ← membership ← quorums ← election
//! effect, history, fault, settings ← core ← plan, reconfig ← leader, learner ← peer
//! ```
//!
//! # Beyond Apache's servers
//!
//! - A learner whose log ends in a proposal that is open keeps it, and its acknowledgement of
//!   NEWLEADER counts for it.
//! - A log is cut only at a transaction of the epoch in which it ends, and then also where Apache's
//!   leaders send an image.
//! - A leader that meets a voter which has accepted a later epoch ends its own, so that the next one
//!   has both.
//! - A stopping leader waits for its last commits before it goes.
//!
//! # What is not here
//!
//! Observers are served by the leader alone; a follower is no master for them. Giving up an election
//! early when a voter looks again (`maxTimeToWaitForEpoch`) is left out, as it is off by default.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod core;
pub mod effect;
mod election;
mod fault;
pub mod history;
mod leader;
mod learner;
mod membership;
pub mod peer;
mod plan;
pub mod properties;
mod quorums;
mod reconfig;
pub mod settings;

pub use effect::{Effect, IoId, LinkId, Serving};
pub use election::{Decision, Election, ElectionEffect};
pub use fault::Fault;
pub use history::{History, Txn};
pub use membership::{
    HostPort, Member, MemberAddress, MemberRole, Membership, MembershipError, Memberships,
};
pub use peer::{Peer, RoleKind};
pub use quorums::{JointQuorums, Quorums};
pub use settings::{ElectionSettings, Settings};
