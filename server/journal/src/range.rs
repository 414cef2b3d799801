//! Transactions from the disk for a learner that is further behind than memory reaches.
//!
//! A learner that is given the log must not be given less than the log's history, so a range is
//! checked to its end before the first batch of it leaves: it begins right behind a transaction
//! that the log holds or would hold next, every record follows the one before, an epoch begins with
//! its first counter, no snapshot in between is of a state the log does not pass through, and the
//! last transaction is there (ZOOKEEPER-2418). Otherwise there is no range, and a snapshot serves.
//! The rules for epochs and snapshots are for logs of Apache's members, which keep theirs when they
//! receive a snapshot, and go on behind it as if nothing were missing.
//!
//! Only files that hold a part of the range are opened, chosen by their names, and of those only
//! what lies before its end is read: once for the check and once for the batches, of which one at a
//! time is in memory.

use std::iter::FusedIterator;

use tracing::{debug, warn};

use crate::disk::{Disk, DiskFile};
use crate::error::{JournalError, at};
use crate::format::{PREFIX_LEN, Record};
use crate::listing::Listing;
use crate::recover::Records;
use crate::settings::{SIZE_FACTOR, Settings};

/// Transactions of a checked range, in batches.
///
/// Each batch has at least one record and ends with the one that fills it, so it takes at most the
/// bytes asked for and one entry more. The first error ends it; then a file was removed meanwhile,
/// or cannot be read any more.
pub struct LogRange<D: Disk> {
    records: Records<D>,
    upto: i64,
    bytes_max: usize,
    over: bool,
}

/// The transactions above `after` up to and including `upto`, in batches of about `bytes_max`. `None`
/// when the log cannot give them: it does not reach back to `after`, has a gap, does not hold
/// `upto`, or the size rule is against it; also when `upto` is not above `after`.
///
/// The size rule compares what would be sent with a snapshot: the records of the range, as long as
/// in the file, against [`Settings::snapshot_size_factor`] of the newest snapshot's file. Zeros
/// written ahead do not count; Apache counts whole files with them. Needs no
/// [`Journal`](crate::Journal) and can run beside one as long as it only appends; `upto` must be
/// durable.
///
/// # Errors
/// [`JournalError::Io`] or [`JournalError::Misplaced`]. What is damaged is logged and gives `None`.
pub fn read_range<D: Disk>(
    disk: &D,
    settings: &Settings,
    after: i64,
    upto: i64,
    bytes_max: usize,
) -> Result<Option<LogRange<D>>, JournalError> {
    if after >= upto {
        return Ok(None);
    }
    let listing = Listing::read(disk, settings)?;
    // A file that begins right behind `after` makes the one before it unnecessary.
    let first = listing
        .logs
        .partition_point(|&name| name <= after.saturating_add(1))
        .checked_sub(1);
    let end = listing.logs.partition_point(|&name| name <= upto);
    let Some(logs) = first.and_then(|first| listing.logs.get(first..end)) else {
        return Ok(None);
    };
    let Some(limit) = size_limit(
        settings.snapshot_size_factor,
        newest(disk, settings, &listing)?,
    ) else {
        return Ok(None);
    };
    // A new leader of Apache's names a snapshot by an epoch without a counter.
    let inside = |zxid: &i64| (after + 1..=upto).contains(zxid) && counter(*zxid) != 0;
    let passes = listing.snapshots.iter().rev().map(|name| name.zxid);
    let mut passes: Vec<i64> = passes.filter(inside).collect();
    passes.dedup();
    let records = || Records::new(disk, settings, logs, after, Some(after));
    let check = Check {
        after,
        upto,
        limit,
        passes,
    };
    match check.run(records()) {
        Ok(Ok(())) => Ok(Some(LogRange {
            records: records(),
            upto,
            bytes_max,
            over: false,
        })),
        Ok(Err(reason)) => {
            debug!(reason, "transactions are not taken from the log");
            Ok(None)
        }
        Err(error @ (JournalError::Corrupt { .. } | JournalError::Hole { .. })) => {
            warn!(%error, "transactions cannot be taken from the log");
            Ok(None)
        }
        // Removed since it was listed.
        Err(JournalError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Length of the newest snapshot that looks complete; 0 if there is none.
fn newest<D: Disk>(disk: &D, settings: &Settings, listing: &Listing) -> Result<u64, JournalError> {
    let (complete, _) = listing.quick_check(disk, settings)?;
    let Some(name) = complete.first() else {
        return Ok(0);
    };
    let file = name.path(settings);
    disk.open(&file)
        .and_then(|snapshot| snapshot.len())
        .map_err(at("read", file))
}

/// Most bytes of records that are worth a snapshot of that length; `None` for never.
fn size_limit(factor: f64, snapshot_len: u64) -> Option<u64> {
    if factor.is_nan() || factor < 0.0 {
        return None;
    }
    let factor = if factor > 1.0 { SIZE_FACTOR } else { factor };
    // Apache compares only with a limit above 0.
    match (snapshot_len as f64 * factor) as u64 {
        0 => Some(u64::MAX),
        limit => Some(limit),
    }
}

fn counter(zxid: i64) -> u32 {
    zxid as u32
}

struct Check {
    after: i64,
    upto: i64,
    limit: u64,
    /// Snapshots in the range: the log must have each as a transaction. Oldest first.
    passes: Vec<i64>,
}

impl Check {
    /// Walks the range to its end. The inner error says why it cannot be given.
    fn run<D: Disk>(
        self,
        mut records: Records<D>,
    ) -> Result<Result<(), &'static str>, JournalError> {
        let mut last = self.after;
        let mut passes = self.passes.into_iter().peekable();
        let mut bytes = 0u64;
        while last < self.upto {
            let Some(record) = records.next().transpose()? else {
                return Ok(Err("the log ends before"));
            };
            let zxid = record.zxid;
            if last == self.after && records.skipped() != Some(last) && zxid != last + 1 {
                return Ok(Err("the log does not reach back"));
            }
            if zxid != last + 1 && counter(zxid) != 1 {
                return Ok(Err("the log has a gap"));
            }
            if passes.next_if_eq(&zxid).is_none() && passes.peek().is_some_and(|&z| z < zxid) {
                return Ok(Err("the log does not pass through a snapshot"));
            }
            bytes += (PREFIX_LEN + record.entry.len() + 1) as u64;
            if bytes > self.limit {
                return Ok(Err("a snapshot costs less"));
            }
            last = zxid;
        }
        Ok(if last == self.upto {
            Ok(())
        } else {
            Err("the log does not have the last one")
        })
    }
}

impl<D: Disk> LogRange<D> {
    fn batch(&mut self) -> Result<Vec<Record>, JournalError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while !self.over && (batch.is_empty() || bytes < self.bytes_max) {
            let Some(record) = self.records.next().transpose()? else {
                // It was all there a moment ago.
                let short = std::io::ErrorKind::UnexpectedEof.into();
                return Err(at("read", "the log")(short));
            };
            self.over = record.zxid >= self.upto;
            bytes += record.entry.len();
            batch.push(record);
        }
        Ok(batch)
    }
}

impl<D: Disk> Iterator for LogRange<D> {
    type Item = Result<Vec<Record>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let batch = self.batch();
        self.over |= batch.is_err();
        Some(batch)
    }
}

impl<D: Disk> FusedIterator for LogRange<D> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_rule() {
        assert_eq!(size_limit(0.33, 1000), Some(330));
        assert_eq!(size_limit(1.0, 1000), Some(1000));
        assert_eq!(size_limit(1.5, 1000), Some(330), "above 1");
        assert_eq!(size_limit(0.0, 1000), Some(u64::MAX), "unlimited");
        assert_eq!(size_limit(0.33, 0), Some(u64::MAX), "no snapshot");
        assert_eq!(size_limit(-1.0, 1000), None, "off");
        assert_eq!(size_limit(f64::NAN, 1000), None);
    }
}
