//! Histories of clients, a naive model of the tree, and checkers of what was promised.
//!
//! A [`History`] is what clients saw at their end of the wire and what the servers committed. Nothing
//! here knows where it came from: a simulated world, real processes, another maker's servers. A
//! checker takes it and gives [`Violation`]s, each under the name of the promise that is broken;
//! the names are those of the invariants of `lockkeeper-sim`.
//!
//! Two checkers look at the same writes and share nothing but the history. [`replay`] trusts the
//! zxids, which makes it linear in time: every history, whole. [`linear`] is blind to them, so that a
//! wrong zxid cannot hide itself, and looks at one znode at a time.
//!
//! | file | what |
//! |---|---|
//! | `history.rs` | operations, what came over each connection, the committed log |
//! | `violation.rs` | a broken promise and its name |
//! | `tree.rs`, `rules.rs`, `read.rs` | the naive model: writes and reads without cleverness |
//! | `replay.rs` | the log replayed on the model; every reply and read compared at its zxid |
//! | `order.rs` | real time against zxids; order within a session; one owner per session |
//! | `watches.rs` | events per connection against the committed changes |
//! | `linear.rs` | Wing and Gong's search with Lowe's memo |
//! | `register.rs`, `list.rs` | what it searches: one znode's data, the children of one znode |
//! | `counts.rs` | sets, unique ids, counters, queues, sums |
//! | `locks.rs` | holds, and what the guarded resource saw |
//!
//! ```text
//! violation ← history ← order, replay ← watches
//! rules ← tree ← read ← replay
//! linear, history ← register, list; violation ← counts, locks
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod counts;
pub mod history;
pub mod linear;
pub mod list;
pub mod locks;
pub mod order;
mod read;
pub mod register;
pub mod replay;
mod rules;
pub mod tree;
mod violation;
pub mod watches;

pub use history::{Connection, History, Operation, Reply, Seen};
pub use violation::{Rule, Violation};
