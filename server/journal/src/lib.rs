//! Transaction log and snapshots of a server, in the files of Apache ZooKeeper.
//!
//! A directory written by Apache ZooKeeper can be opened here, and the other way round. To the
//! journal a transaction is a zxid and the bytes of its log entry, and an image is a stream of
//! bytes that the store writes and reads; so nothing here knows what a znode is.

#![forbid(unsafe_code)]
#![allow(dead_code, unused_imports)]

mod disk;
mod error;
mod format;
mod lock;
mod names;
mod settings;
mod snappy;
mod snapshot;
pub mod testing;

pub use disk::{Disk, DiskFile, RealDisk};
pub use error::JournalError;
pub use format::{Defect, Record};
pub use lock::LOCK_FILE;
pub use settings::Settings;
pub use snapshot::{Digest, Snapshot, write_snapshot};
