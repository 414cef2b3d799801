//! The recipes that are no queues, against a server: scenarios named after the test plan.
//!
//! Every scenario uses a path of its own.

mod barrier;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod config_set;
mod countdown;
mod double_barrier;
mod group;
mod refused;
mod rendezvous;
mod value;
