//! The znode tree and what belongs to it: sessions, access lists, watches.
//!
//! The promise: the same transactions in the same order give the same tree, and so the same
//! digest, on every server. [`prep`] turns a request into a transaction and is the only place that
//! judges; [`Store::apply`] does what a transaction says and is the only place that writes;
//! [`Store::read`] answers from the state as it is. [`Overlay`] holds what lies between the first
//! two. Nothing here knows a socket, a file or a clock; the wall clock comes in as a number with
//! each write that is prepared.
//!
//! ```text
//! names ← znode ← tree ← store ← overlay ← prep
//! access, digest ←      store, applied ← apply ← watches
//!                       store ← read, image
//! expiry
//! ```
//!
//! Beyond the crates that every pure crate may use, this one computes checksums with `crc32fast`
//! and identities with `sha1` and `base64`; all three are functions of their input.

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod access;
mod applied;
mod apply;
mod digest;
mod expiry;
mod image;
mod names;
mod overlay;
mod prep;
mod read;
mod store;
mod tree;
mod watches;
mod znode;

pub use access::{AclRef, Identities, address_identity, authenticate, digest_identity};
pub use applied::{Applied, Change, StatsWanted};
pub use expiry::Expiry;
pub use image::ImageError;
pub use overlay::Overlay;
pub use prep::{Caller, PrepSettings, TTL_MAX_MS, Write, prep};
pub use read::{MULTI_READ_REPLY_MAX, Reader};
pub use store::{Counts, Store};
pub use watches::{ConnectionId, EventSink, Herd, HerdCount, Watches, widen};
