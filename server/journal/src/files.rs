//! Single steps on files that several operations take.

use std::io;
use std::path::Path;

use crate::disk::Disk;
use crate::error::{JournalError, at};

/// Removes a file, or finds it gone.
pub(crate) fn clear<D: Disk>(disk: &D, file: &Path) -> Result<(), JournalError> {
    match disk.remove(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", file)(error)),
        _ => Ok(()),
    }
}

/// Whether there is such a file.
pub(crate) fn is_there<D: Disk>(disk: &D, file: &Path) -> Result<bool, JournalError> {
    match disk.open(file) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(at("open", file)(error)),
    }
}

/// Makes an empty file, durably. It may be there already.
pub(crate) fn mark<D: Disk>(disk: &D, dir: &Path, name: &str) -> Result<(), JournalError> {
    let file = dir.join(name);
    match disk.create(&file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(at("create", file)(error));
        }
        _ => {}
    }
    disk.sync_dir(dir).map_err(at("sync", dir))
}

/// Removes a file, durably. It may be gone already.
pub(crate) fn unmark<D: Disk>(disk: &D, dir: &Path, name: &str) -> Result<(), JournalError> {
    clear(disk, &dir.join(name))?;
    disk.sync_dir(dir).map_err(at("sync", dir))
}
