//! Whole systems in a simulated world: the real client driver and the real recipes against the real
//! replica on the real journal, on one thread, in virtual time, from one seed.
//!
//! A seed draws a world: who is there, how small the limits are, which faults happen and how often.
//! The world lives in two phases. While there are faults, nothing promised may break. Then all faults
//! end, and everybody has to finish within bounds. What clients saw on the wire is judged afterwards
//! by `lockkeeper-check`, what members do by the invariants as it happens.
//!
//! The same seed gives the same world, to the last byte; a number over all that happened tells. A
//! world that fails is run again without one of its faults after the other, until only those are left
//! that it takes.
//!
//! Faults stay within what is promised: a disk may lose what was not synced and may fail, but it does
//! not lie; a network delays, stops and breaks, but TCP's order holds.
//!
//! | file | what |
//! |---|---|
//! | `swarm.rs` | what a seed draws |
//! | `world.rs` | from seed to verdict |
//! | `campaign.rs` | many seeds on all cores; making a failure small |
//! | `core.rs` | virtual time, what will happen, what everybody shares |
//! | `executor.rs` | tasks of clients; `lockkeeper::Runtime` |
//! | `net.rs`, `clock.rs`, `random.rs` | links, clocks, choices |
//! | `member.rs` | a member: the server's threads as steps |
//! | `faults.rs` | what goes wrong |
//! | `truth.rs`, `record.rs` | what members owe, what clients saw |
//! | `workload.rs` | what clients do |
//! | `invariant.rs` | what must hold, one file each |
//!
//! ```text
//! random, clock ← net, record ← core ← executor ← workload
//! invariant ← truth ← member ← swarm ← faults, world ← campaign
//! ```

#![forbid(unsafe_code)]

pub mod campaign;
mod clock;
mod core;
mod executor;
mod faults;
mod invariant;
mod member;
mod net;
mod random;
mod record;
mod swarm;
mod truth;
mod workload;
mod world;

pub use faults::FaultId;
pub use world::{Outcome, fault_of, name_of, run};
