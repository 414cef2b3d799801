//! A received image takes the place of everything (SNAP).
//!
//! What was here before may be of another history: a log with a tail that was never committed, and
//! snapshots before it. None of it may be left beside the image, neither above its zxid, where it
//! would be replayed on top (ZOOKEEPER-2832), nor below, where a start from an older snapshot or a
//! learner that is given the log would meet it. So the image is the only snapshot in the end, and
//! the next append starts the only log.
//!
//! The order is: the snapshot under another name, durable; a mark that it is about to take over;
//! the rename, which decides; the removal of everything else; the mark goes. A crash before the
//! rename leaves what was there, whole, and one behind it the image alone, since the next start
//! sees the mark and goes on with the removal before it looks at anything. Space for both is needed
//! for a while: nothing is given up for an image that then does not fit.

use std::io::{self, Write};
use std::path::PathBuf;

use tracing::info;

use crate::disk::Disk;
use crate::error::{JournalError, at};
use crate::files;
use crate::listing::Listing;
use crate::names::{self, Compression, SnapshotName};
use crate::settings::Settings;
use crate::snapshot;

/// Makes `image` the only content of the directories.
pub(crate) fn install<D: Disk>(
    disk: &D,
    settings: &Settings,
    zxid: i64,
    image: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), JournalError> {
    let dir = settings.snapshot_dir();
    let unfinished = snapshot::prepare(disk, settings, zxid, None, image)?;
    // The mark without the file would take an own snapshot at this zxid for the image.
    disk.sync_dir(&dir).map_err(at("sync", &dir))?;
    files::mark(disk, &dir, &names::install(zxid))?;
    snapshot::publish(disk, settings, zxid, unfinished)?;
    let listing = Listing::read(disk, settings)?;
    finish(disk, settings, zxid, &listing)
}

/// How far an installation got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The image had not taken over.
    Begun,
    /// It had; others may still be there.
    Decided,
}

/// Table I: how far a marked installation got, from the image under its unfinished name and a
/// snapshot of its final name. That one may be an older one while the other is there.
fn progress(unfinished: bool, there: bool) -> Progress {
    match (unfinished, there) {
        (true, _) => Progress::Begun,       // I1
        (false, true) => Progress::Decided, // I2
        (false, false) => Progress::Begun,  // I3: taken back already, but for the mark
    }
}

/// Ends an installation that a crash has interrupted. Whether files have changed.
pub(crate) fn resume<D: Disk>(
    disk: &D,
    settings: &Settings,
    listing: &Listing,
) -> Result<bool, JournalError> {
    let dir = settings.snapshot_dir();
    let Some(zxid) = listing.install else {
        return Ok(false);
    };
    let unfinished = dir.join(names::unfinished(zxid));
    let unfinished = listing
        .unfinished
        .iter()
        .any(|(_, file)| *file == unfinished);
    let there = listing.snapshots.contains(&name(zxid));
    // After a kill the rename may be in the cache only; what it decides must not be undone.
    disk.sync_dir(&dir).map_err(at("sync", &dir))?;
    match progress(unfinished, there) {
        Progress::Begun => files::unmark(disk, &dir, &names::install(zxid))?,
        Progress::Decided => finish(disk, settings, zxid, listing)?,
    }
    Ok(true)
}

fn finish<D: Disk>(
    disk: &D,
    settings: &Settings,
    zxid: i64,
    listing: &Listing,
) -> Result<(), JournalError> {
    let (dir, txn_dir) = (settings.snapshot_dir(), settings.txn_dir());
    let others = listing
        .snapshots
        .iter()
        .filter(|&&other| other != name(zxid));
    let others: Vec<PathBuf> = others.map(|other| other.path(settings)).collect();
    let logs = listing
        .logs
        .iter()
        .rev()
        .map(|&log| txn_dir.join(names::log(log)));
    let logs: Vec<PathBuf> = logs.collect();
    // The newest first: Apache's server, started in the middle of this, looks at them first.
    for file in others.iter().chain(&logs) {
        files::clear(disk, file)?;
    }
    for dir in settings.dirs() {
        disk.sync_dir(&dir).map_err(at("sync", dir))?;
    }
    files::unmark(disk, &dir, &names::install(zxid))?;
    info!(
        zxid = format_args!("0x{zxid:x}"),
        removed = others.len() + logs.len(),
        "snapshot of the leader installed"
    );
    Ok(())
}

fn name(zxid: i64) -> SnapshotName {
    SnapshotName {
        zxid,
        compression: Compression::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_i_how_far_it_got() {
        assert_eq!(progress(true, false), Progress::Begun, "I1");
        assert_eq!(progress(true, true), Progress::Begun, "I1");
        assert_eq!(progress(false, true), Progress::Decided, "I2");
        assert_eq!(progress(false, false), Progress::Begun, "I3");
    }
}
