//! The mutex against a server: scenarios named after the test plan (`T1` and so on).
//!
//! Every scenario uses a path of its own and ends by looking for what was left behind.

mod cancel;
#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod faults;
mod loss;
mod operator;
mod overflow;
mod queue;
mod strict;
