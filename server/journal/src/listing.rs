//! The names in the two directories, sorted, before any of the files is believed.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{JournalError, at};
use crate::names::{FileName, SnapshotName};
use crate::settings::Settings;
use crate::snapshot;

/// Snapshots that are looked at closer, as in Apache.
const CANDIDATES_MAX: usize = 100;

/// Logs and snapshots of one server.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Newest first.
    pub(crate) snapshots: Vec<SnapshotName>,
    /// Oldest first.
    pub(crate) logs: Vec<i64>,
    /// Snapshots whose writing did not finish, with the zxid of their name.
    pub(crate) unfinished: Vec<(i64, PathBuf)>,
    /// Zxid of the received snapshot that was about to replace everything.
    pub(crate) install: Option<i64>,
}

impl Listing {
    /// Reads both directories; refuses files in the wrong one of two.
    pub(crate) fn read<D: Disk>(disk: &D, settings: &Settings) -> Result<Listing, JournalError> {
        let (snapshot_dir, txn_dir) = (settings.snapshot_dir(), settings.txn_dir());
        let mut listing = Listing::default();
        listing.add(disk, &snapshot_dir, true, snapshot_dir == txn_dir)?;
        if snapshot_dir != txn_dir {
            listing.add(disk, &txn_dir, false, true)?;
        }
        listing.snapshots.sort_by(|a, b| b.cmp(a));
        listing.logs.sort_unstable();
        Ok(listing)
    }

    fn add<D: Disk>(
        &mut self,
        disk: &D,
        dir: &Path,
        snapshots: bool,
        logs: bool,
    ) -> Result<(), JournalError> {
        for name in disk.list(dir).map_err(at("list", dir))? {
            let file = dir.join(&name);
            match FileName::parse(&name) {
                FileName::Log(zxid) if logs => self.logs.push(zxid),
                FileName::Snapshot(zxid, compression) if snapshots => {
                    self.snapshots.push(SnapshotName { zxid, compression });
                }
                FileName::Log(_) | FileName::Snapshot(..) => {
                    return Err(JournalError::Misplaced { file });
                }
                FileName::Unfinished(zxid) => self.unfinished.push((zxid, file)),
                FileName::Install(zxid) => self.install = Some(zxid),
                FileName::Other => {}
            }
        }
        Ok(())
    }

    /// Splits the snapshots, newest first, into those that look complete and those that do not.
    pub(crate) fn quick_check<D: Disk>(
        &self,
        disk: &D,
        settings: &Settings,
    ) -> Result<(Vec<SnapshotName>, Vec<SnapshotName>), JournalError> {
        let (mut complete, mut broken) = (Vec::new(), Vec::new());
        for &name in &self.snapshots {
            if complete.len() == CANDIDATES_MAX {
                break;
            }
            let file = name.path(settings);
            match snapshot::looks_complete(disk, &file, name.compression) {
                Ok(true) => complete.push(name),
                Ok(false) => broken.push(name),
                // Purged by hand since the directory was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at("read", file)(error)),
            }
        }
        Ok((complete, broken))
    }
}
