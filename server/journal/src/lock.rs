//! One server per data directory.
//!
//! Two servers that append to one directory would interleave two histories, and nothing in
//! ZooKeeper's files would tell. The lock is advisory, belongs to the open file and vanishes with
//! the process however that ends, so it never has to be cleared by hand. Apache ZooKeeper takes no
//! lock and ignores the file: its name counts neither as a log nor as a snapshot.

use std::path::Path;

use crate::disk::Disk;
use crate::error::{JournalError, at};

/// Name of the lock file inside a `version-2` directory.
pub const LOCK_FILE: &str = ".lockkeeper.lock";

/// Takes the lock of `dir`, an existing `version-2` directory.
pub(crate) fn take<D: Disk>(disk: &D, dir: &Path) -> Result<D::Lock, JournalError> {
    let file = dir.join(LOCK_FILE);
    match disk.lock(&file).map_err(at("lock", &file))? {
        Some(lock) => Ok(lock),
        None => Err(JournalError::Locked { file }),
    }
}
