//! Removing what no start needs any more (`PurgeTxnLog`).
//!
//! Kept are the newest snapshots and every log that a start from the oldest of them reads.
//! What is kept is synced before anything goes, since Apache leaves its snapshots to the cache.
//! Then old snapshots go, durably, and logs last: a crash in between leaves logs nobody needs
//! rather than a snapshot whose logs are gone.

use std::path::PathBuf;

use tracing::info;

use crate::disk::{Disk, DiskFile};
use crate::error::{JournalError, at};
use crate::listing::Listing;
use crate::names;
use crate::settings::Settings;

/// Fewest snapshots kept, whatever is asked (`autopurge.snapRetainCount`).
pub const RETAIN_MIN: usize = 3;

/// Keeps the newest `keep` snapshots that look complete, at least [`RETAIN_MIN`], and the logs
/// after the oldest of them; removes the rest and returns what was removed.
///
/// Needs no [`Journal`](crate::Journal) and can run beside one: it never touches the newest log
/// nor anything newer than the oldest snapshot kept. Without a complete snapshot nothing happens.
///
/// # Errors
/// [`JournalError::Io`]. What had been removed by then stays removed; the directory can be
/// started from at every point in between.
pub fn retain<D: Disk>(
    disk: &D,
    settings: &Settings,
    keep: usize,
) -> Result<Vec<PathBuf>, JournalError> {
    let listing = Listing::read(disk, settings)?;
    let (complete, _) = listing.quick_check(disk, settings)?;
    let keep = keep.max(RETAIN_MIN).min(complete.len());
    let Some(oldest) = keep.checked_sub(1).map(|index| complete[index].zxid) else {
        return Ok(Vec::new());
    };
    let dir = settings.snapshot_dir();
    for name in &complete[..keep] {
        let file = name.path(settings);
        disk.open(&file)
            .and_then(|mut kept| kept.sync())
            .map_err(at("sync", file))?;
    }
    disk.sync_dir(&dir).map_err(at("sync", &dir))?;

    let mut removed = Vec::new();

    let snapshots = listing.snapshots.iter().filter(|name| name.zxid < oldest);
    removed.extend(snapshots.map(|name| name.path(settings)));
    let unfinished = listing.unfinished.iter().filter(|(zxid, _)| *zxid < oldest);
    removed.extend(unfinished.map(|(_, file)| file.clone()));
    remove(disk, &removed)?;
    disk.sync_dir(&dir).map_err(at("sync", dir))?;

    let dir = settings.txn_dir();
    // The newest log named at or below the snapshot may go on behind it.
    let first_kept = listing
        .logs
        .partition_point(|&zxid| zxid <= oldest)
        .saturating_sub(1);
    let logs: Vec<PathBuf> = listing.logs[..first_kept]
        .iter()
        .map(|&zxid| dir.join(names::log(zxid)))
        .collect();
    remove(disk, &logs)?;
    disk.sync_dir(&dir).map_err(at("sync", dir))?;
    removed.extend(logs);
    info!(
        files = removed.len(),
        oldest = format_args!("0x{oldest:x}"),
        "old files removed"
    );
    Ok(removed)
}

fn remove<D: Disk>(disk: &D, files: &[PathBuf]) -> Result<(), JournalError> {
    files
        .iter()
        .try_for_each(|file| disk.remove(file).map_err(at("remove", file)))
}
