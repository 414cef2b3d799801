//! Files → the image to load and the records to replay, or a named refusal.
//!
//! The decisions are four small pure functions, each a table with labelled rows; everything else
//! here walks files and asks them. The tables follow the loader of Apache ZooKeeper
//! (`FileSnap.deserialize`, `FileTxnSnapLog.restore`, `FileTxnIterator`) and are stricter in three
//! rows: a directory whose only snapshots are broken is not taken for a new one (S3), a log that
//! ends early with valid records behind the end is damage (E4), and records that do not follow
//! each other inside an epoch are refused (C4), as Apache does since 3.9.4.
//!
//! A snapshot that fails its seals is skipped and the next older one tried, which is safe only
//! while the logs since that one exist; the last table checks exactly that.

use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::path::PathBuf;

use tracing::{info, warn};

use crate::disk::Disk;
use crate::error::JournalError;
use crate::format::{Defect, Record};
use crate::listing::Listing;
use crate::names::{self, SnapshotName};
use crate::reader::{End, Header, LogReader, Step};
use crate::settings::Settings;
use crate::snapshot::Snapshot;

/// Where recovery begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// A new directory: an empty tree at zxid 0.
    Empty,
    /// All logs, replayed onto an empty tree.
    LogsOnly,
    /// The newest snapshot that loads.
    Snapshots,
    /// Something is missing.
    Refuse,
}

/// Table S: where to begin, from what the directories hold.
///
/// `complete` counts the snapshots that pass the quick check, `broken` those that do not, leaving
/// out a broken `snapshot.0`, which holds nothing that was ever acknowledged.
pub(crate) fn start(complete: usize, broken: usize, logs: usize, trust_empty: bool) -> Start {
    match (complete, broken, logs) {
        (1.., _, _) => Start::Snapshots,               // S1
        (0, 0, 0) => Start::Empty,                     // S2
        (0, 1.., 0) => Start::Refuse,                  // S3
        (0, _, 1..) if trust_empty => Start::LogsOnly, // S4
        (0, _, 1..) => Start::Refuse,                  // S5
    }
}

/// What to do about a log whose header was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Read,
    Remove,
    Refuse(Defect),
}

/// Table H: the header of a log that recovery needs.
pub(crate) fn opening(header: Header, newest: bool) -> Opening {
    match (header, newest) {
        (Header::Valid, _) => Opening::Read,                      // H1
        (Header::Blank, true) => Opening::Remove,                 // H2, ZOOKEEPER-2332
        (Header::Blank, false) => Opening::Refuse(Defect::Empty), // H3
        (Header::Bad(defect), _) => Opening::Refuse(defect),      // H4
    }
}

/// Table E: whether a log may end the way it does. `None` lets recovery go on to the next file.
pub(crate) fn ending(end: End, newest: bool) -> Option<(u64, Defect)> {
    let End::Broken {
        offset,
        defect,
        followed,
    } = end
    else {
        return None; // E1: nothing behind the last record, or what a crash left of the next
    };
    match (defect, newest) {
        (Defect::Checksum | Defect::Length(_), _) => Some((offset, defect)), // E2, as Apache
        (_, false) => None, // E3: a later start went on from here; table C sees whether it did
        (_, true) if followed => Some((offset, defect)), // E4
        (_, true) => None,  // E5, as Apache
    }
}

/// What to do about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Replay,
    Skip,
    Refuse,
}

/// Table C: how a record follows the last transaction of the image or the log.
///
/// `base` is the zxid of the image; `last` the last transaction known, `None` before the first
/// one when there is no image.
pub(crate) fn link(base: i64, last: Option<i64>, found: i64) -> Link {
    let Some(last) = last else {
        return Link::Replay; // C1
    };
    if last == base && found <= base {
        Link::Skip // C2: part of the image
    } else if follows(last, found) {
        Link::Replay // C3
    } else {
        Link::Refuse // C4
    }
}

/// Whether a log may hold `next` right behind `last`: the next of its epoch, or any of a later one.
pub(crate) fn follows(last: i64, next: i64) -> bool {
    next == last.wrapping_add(1) || (next >> 32) > (last >> 32)
}

/// What a data directory holds, ready to be loaded.
///
/// Ask [`next_snapshot`](Recovered::next_snapshot) until the image loads, each time onto an empty
/// store, then replay [`records`](Recovered::records).
#[derive(Debug)]
pub struct Recovered<D> {
    disk: D,
    settings: Settings,
    start: Start,
    candidates: VecDeque<SnapshotName>,
    logs: Vec<i64>,
    base: Option<i64>,
}

impl<D: Disk> Recovered<D> {
    /// Decides on `listing`, of which blank newest logs have been removed.
    pub(crate) fn new(
        disk: D,
        settings: Settings,
        listing: Listing,
    ) -> Result<Recovered<D>, JournalError> {
        let (complete, broken) = listing.quick_check(&disk, &settings)?;
        let broken = broken.iter().filter(|name| name.zxid != 0).count();
        let start = start(
            complete.len(),
            broken,
            listing.logs.len(),
            settings.trust_empty,
        );
        if start == Start::Refuse {
            return Err(JournalError::NoSnapshot {
                dir: settings.snapshot_dir(),
            });
        }
        let candidates = complete.into();
        Ok(Recovered {
            disk,
            settings,
            start,
            candidates,
            logs: listing.logs,
            base: None,
        })
    }

    /// The newest snapshot not tried yet whose seals are right, or `None` when the directory has
    /// none and the caller begins with an empty store.
    ///
    /// The whole file has been read and checked when this returns; it is read again by
    /// [`Snapshot::image`]. Snapshots that fail the check are logged and passed over.
    ///
    /// # Errors
    /// [`JournalError::NoSnapshot`] when there were snapshots and none is left;
    /// [`JournalError::Io`] when reading fails for another reason than its content.
    pub fn next_snapshot(&mut self) -> Result<Option<Snapshot<D>>, JournalError> {
        if self.start != Start::Snapshots {
            return Ok(None);
        }
        while let Some(name) = self.candidates.pop_front() {
            let file = name.path(&self.settings);
            match Snapshot::verify(&self.disk, &file, name)? {
                Ok(snapshot) => {
                    info!(zxid = format_args!("0x{:x}", name.zxid), "snapshot chosen");
                    self.base = Some(name.zxid);
                    return Ok(Some(snapshot));
                }
                Err(fault) => {
                    warn!(file = %file.display(), %fault, "snapshot passed over");
                }
            }
        }
        Err(JournalError::NoSnapshot {
            dir: self.settings.snapshot_dir(),
        })
    }

    /// The logged transactions after the snapshot handed out last, in order, without a gap inside
    /// an epoch. Without a snapshot: all of them.
    ///
    /// Replay before the first append. Records are read as the iterator is driven; memory stays bounded by the longest entry.
    /// The first error ends it: [`JournalError::Corrupt`], [`JournalError::Hole`] or
    /// [`JournalError::Io`].
    pub fn records(&self) -> Records<D> {
        let base = self.base.unwrap_or(0);
        let last = (self.start != Start::LogsOnly).then_some(base);
        // A file that begins right behind the image makes the one before it unnecessary.
        let below = self
            .logs
            .partition_point(|&name| name <= base.saturating_add(1));
        let first = below.saturating_sub(1);
        Records::new(&self.disk, &self.settings, &self.logs[first..], base, last)
    }

    /// Whether there is neither a snapshot that may load nor a log.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == Start::Empty
    }
}

/// Records to replay; see [`Recovered::records`].
pub struct Records<D: Disk> {
    disk: D,
    files: VecDeque<PathBuf>,
    entry_len_max: usize,
    reader: Option<LogReader<D::File>>,
    base: i64,
    last: Option<i64>,
    skipped: Option<i64>,
}

impl<D: Disk> Records<D> {
    /// Those of `logs`, oldest first, behind `base`; see [`link`].
    pub(crate) fn new(
        disk: &D,
        settings: &Settings,
        logs: &[i64],
        base: i64,
        last: Option<i64>,
    ) -> Self {
        let dir = settings.txn_dir();
        Records {
            files: logs
                .iter()
                .map(|&zxid| dir.join(names::log(zxid)))
                .collect(),
            disk: disk.clone(),
            entry_len_max: settings.entry_len_max,
            reader: None,
            base,
            last,
            skipped: None,
        }
    }

    /// The last transaction that was passed over because it is not behind the base.
    pub(crate) fn skipped(&self) -> Option<i64> {
        self.skipped
    }

    fn step(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            if self.reader.is_none() {
                let Some(path) = self.files.pop_front() else {
                    return Ok(None);
                };
                self.reader = Some(self.open(path)?);
            }
            let Some(reader) = &mut self.reader else {
                continue;
            };
            match reader.next()? {
                Step::Record(record) => match link(self.base, self.last, record.zxid) {
                    Link::Skip => self.skipped = Some(record.zxid),
                    Link::Replay => {
                        self.last = Some(record.zxid);
                        return Ok(Some(record));
                    }
                    Link::Refuse => {
                        let (file, found) = (reader.path().to_owned(), record.zxid);
                        let last = self.last.unwrap_or(self.base);
                        return Err(JournalError::Hole { file, last, found });
                    }
                },
                Step::End(end) => {
                    let file = reader.path().to_owned();
                    if let Some((offset, what)) = ending(end, self.files.is_empty()) {
                        return Err(JournalError::Corrupt { file, offset, what });
                    }
                    if end != End::Clean {
                        let offset = reader.position();
                        warn!(file = %file.display(), offset, "log ends in an unfinished record");
                    }
                    self.reader = None;
                }
            }
        }
    }

    fn open(&self, path: PathBuf) -> Result<LogReader<D::File>, JournalError> {
        let mut reader = LogReader::open(&self.disk, &path, self.entry_len_max)?;
        match opening(reader.header()?, false) {
            Opening::Read => Ok(reader),
            Opening::Remove => unreachable!("only the newest log is removed, before replay"),
            Opening::Refuse(what) => Err(JournalError::Corrupt {
                file: path,
                offset: 0,
                what,
            }),
        }
    }
}

impl<D: Disk> Iterator for Records<D> {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step().transpose();
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::LosesTail)
            && matches!(&item, Some(Ok(record)) if record.zxid & 7 == 7)
        {
            return None;
        }
        if !matches!(item, Some(Ok(_))) {
            self.files.clear();
            self.reader = None;
        }
        item
    }
}

impl<D: Disk> FusedIterator for Records<D> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_s_where_to_begin() {
        assert_eq!(start(1, 0, 0, false), Start::Snapshots, "S1");
        assert_eq!(start(2, 3, 4, true), Start::Snapshots, "S1");
        assert_eq!(start(0, 0, 0, false), Start::Empty, "S2");
        assert_eq!(start(0, 0, 0, true), Start::Empty, "S2");
        assert_eq!(start(0, 1, 0, true), Start::Refuse, "S3");
        assert_eq!(start(0, 0, 1, true), Start::LogsOnly, "S4");
        assert_eq!(start(0, 1, 1, true), Start::LogsOnly, "S4");
        assert_eq!(start(0, 0, 1, false), Start::Refuse, "S5");
    }

    #[test]
    fn table_h_headers() {
        assert_eq!(opening(Header::Valid, true), Opening::Read, "H1");
        assert_eq!(opening(Header::Valid, false), Opening::Read, "H1");
        assert_eq!(opening(Header::Blank, true), Opening::Remove, "H2");
        assert_eq!(
            opening(Header::Blank, false),
            Opening::Refuse(Defect::Empty),
            "H3"
        );
        let bad = Header::Bad(Defect::Magic);
        assert_eq!(opening(bad, true), Opening::Refuse(Defect::Magic), "H4");
        assert_eq!(opening(bad, false), Opening::Refuse(Defect::Magic), "H4");
    }

    #[test]
    fn table_e_ends() {
        let broken = |defect, followed| End::Broken {
            offset: 16,
            defect,
            followed,
        };
        for newest in [false, true] {
            assert_eq!(ending(End::Clean, newest), None, "E1");
            assert_eq!(ending(End::Torn, newest), None, "E1");
            for defect in [Defect::Checksum, Defect::Length(-1)] {
                for followed in [false, true] {
                    let refused = Some((16, defect));
                    assert_eq!(ending(broken(defect, followed), newest), refused, "E2");
                }
            }
        }
        for defect in [Defect::Cut, Defect::EndByte, Defect::ZeroLength] {
            assert_eq!(ending(broken(defect, true), false), None, "E3");
            assert_eq!(ending(broken(defect, false), false), None, "E3");
            assert_eq!(ending(broken(defect, true), true), Some((16, defect)), "E4");
            assert_eq!(ending(broken(defect, false), true), None, "E5");
        }
    }

    #[test]
    fn table_c_records() {
        let epoch = |n: i64| n << 32;
        assert_eq!(link(0, None, 77), Link::Replay, "C1");
        assert_eq!(link(5, Some(5), 4), Link::Skip, "C2");
        assert_eq!(link(5, Some(5), 5), Link::Skip, "C2");
        assert_eq!(link(5, Some(5), 6), Link::Replay, "C3");
        assert_eq!(link(5, Some(6), 7), Link::Replay, "C3");
        assert_eq!(
            link(epoch(1), Some(epoch(1) + 9), epoch(3) + 1),
            Link::Replay,
            "C3"
        );
        assert_eq!(link(5, Some(5), 7), Link::Refuse, "C4");
        assert_eq!(link(5, Some(6), 6), Link::Refuse, "C4");
        assert_eq!(link(5, Some(6), 5), Link::Refuse, "C4");
        assert_eq!(link(5, Some(epoch(2)), epoch(1) + 1), Link::Refuse, "C4");
        assert_eq!(link(i64::MAX, Some(i64::MAX), i64::MIN), Link::Skip, "C2");
    }
}
