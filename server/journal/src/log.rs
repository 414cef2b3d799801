//! The journal: opening a directory, appending, syncing, rolling.
//!
//! A batch is one write, and zeros are written ahead in the same call when it comes near the end
//! of the file. Real zeros, not a hole: syncing into blocks that exist already leaves the file
//! system nothing to allocate, which takes a third off a sync of 4 KiB or more on ext4; and the
//! sectors a crash leaves out can be recognized (see `reader.rs`). A new file is synced, and its
//! directory after it, before the first batch goes in, so a file without a header never held
//! anything acknowledged.
//!
//! After a failed write or sync the journal only says [`JournalError::Poisoned`]: which bytes
//! reached the disk is for recovery to find out.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tracing::{debug, info};

use crate::disk::{Disk, DiskFile};
use crate::due::Due;
use crate::epochs::Epochs;
use crate::error::{JournalError, at};
use crate::files;
use crate::format::{self, ENTRY_LEN_MIN, LOG_HEADER};
use crate::install;
use crate::listing::Listing;
use crate::lock;
use crate::names;
use crate::reader::{Header, LogReader, Step};
use crate::recover::{self, Opening, Recovered, opening};
use crate::settings::Settings;
use crate::votes;

/// Zeros are written ahead once fewer than this many bytes of them are left.
const RESERVE_LEN: u64 = 4096;
/// Bytes of the batch buffer that outlive an unusually large batch.
const BUFFER_KEPT: usize = 1024 * 1024;

/// The transaction log of one server, open for writing.
///
/// Holds the lock of the data directory until dropped. Blocking; one owner.
#[derive(Debug)]
pub struct Journal<D: Disk> {
    pub(crate) disk: D,
    pub(crate) settings: Settings,
    log: Option<OpenLog<D::File>>,
    pub(crate) zxid_last: Option<i64>,
    /// As `member.rs` has it.
    pub(crate) votes: bool,
    pub(crate) epochs: Option<Epochs>,
    poisoned: bool,
    due: Due,
    buffer: Vec<u8>,
    _locks: Vec<D::Lock>,
}

#[derive(Debug)]
struct OpenLog<F> {
    path: PathBuf,
    file: F,
    /// Where the next record goes.
    position: u64,
    /// Length of the file, zeros included.
    len: u64,
    synced: bool,
}

impl<D: Disk> Journal<D> {
    /// Takes the directories of `settings`, and says what they hold.
    ///
    /// Creates what is missing, clears what an interrupted start or snapshot left, ends an
    /// interrupted installation, and makes sure that everything recovery is about to return is
    /// durable. No log is opened for writing: the
    /// first append starts a new file, as in Apache. When the directory is new, write the snapshot
    /// of the empty tree (zxid 0) before the first append, because logs without any snapshot are
    /// refused at the next start.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Misplaced`], [`JournalError::MissingDirectory`],
    /// [`JournalError::NoSnapshot`], [`JournalError::Corrupt`] for the header of the newest log,
    /// or [`JournalError::Io`].
    pub fn open(disk: D, settings: Settings) -> Result<(Journal<D>, Recovered<D>), JournalError> {
        let dirs = settings.dirs();
        for dir in &dirs {
            if settings.autocreate {
                disk.create_dirs(dir).map_err(at("create", dir))?;
            } else if disk
                .list(dir)
                .is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
            {
                return Err(JournalError::MissingDirectory { dir: dir.clone() });
            }
        }
        let locks = dirs
            .iter()
            .map(|dir| lock::take(&disk, dir))
            .collect::<Result<_, _>>()?;
        let mut listing = Listing::read(&disk, &settings)?;
        if install::resume(&disk, &settings, &listing)? {
            listing = Listing::read(&disk, &settings)?;
        }
        clear_blank_log(&disk, &settings, &mut listing)?;
        for (_, file) in &listing.unfinished {
            disk.remove(file).map_err(at("remove", file))?;
        }
        if settings.force_sync {
            // A killed server leaves records in the cache only. Once replayed they count as
            // logged, so they must not vanish later.
            for &zxid in &listing.logs {
                let path = settings.txn_dir().join(names::log(zxid));
                disk.open(&path)
                    .and_then(|mut log| log.sync())
                    .map_err(at("sync", path))?;
            }
        }
        for dir in &dirs {
            disk.sync_dir(dir).map_err(at("sync", dir))?;
        }
        let recovered = Recovered::new(disk.clone(), settings.clone(), listing)?;
        let empty = recovered.is_empty();
        let journal = Journal {
            votes: !settings.member || votes::recover(&disk, &settings, empty)?,
            epochs: None,
            due: Due::new(&settings),
            disk,
            settings,
            log: None,
            zxid_last: None,
            poisoned: false,
            buffer: Vec::new(),
            _locks: locks,
        };
        Ok((journal, recovered))
    }

    /// Appends transactions in the order given, as one write. Durable after [`sync`](Self::sync).
    ///
    /// Each entry is `TxnHeader`, body and digest, and holds the zxid beside it.
    ///
    /// # Errors
    /// [`JournalError::EntryLength`] when an entry does not fit, [`JournalError::Exists`] when the
    /// file to be started holds records: nothing of the batch is written and the journal stays
    /// usable. [`JournalError::Io`] the first time the disk fails, [`JournalError::Poisoned`]
    /// from then on; then any part of the batch may be on disk.
    ///
    /// # Panics
    /// When a zxid is neither the successor of the one before it nor in a later epoch, because
    /// recovery would refuse such a log; or when it is not the one in its entry.
    pub fn append(
        &mut self,
        records: impl IntoIterator<Item = (i64, Bytes)>,
    ) -> Result<(), JournalError> {
        self.usable()?;
        let mut zxid_first = None;
        let mut zxid_last = self.zxid_last;
        let mut count = 0;
        self.buffer.clear();
        for (zxid, entry) in records {
            let limit = self.settings.entry_len_max;
            if !(ENTRY_LEN_MIN..=limit).contains(&entry.len()) {
                return Err(JournalError::EntryLength {
                    zxid,
                    len: entry.len(),
                    limit,
                });
            }
            assert_eq!(
                Some(zxid),
                format::zxid_of(&entry),
                "the entry holds its zxid"
            );
            let follows = zxid_last.is_none_or(|last| recover::follows(last, zxid));
            assert!(follows, "0x{zxid:x} follows 0x{:x}", zxid_last.unwrap_or(0));
            format::encode(&entry, &mut self.buffer);
            zxid_first.get_or_insert(zxid);
            zxid_last = Some(zxid);
            count += 1;
        }
        let Some(zxid_first) = zxid_first else {
            return Ok(());
        };
        let len = self.buffer.len() as u64;
        if self.log.is_none() {
            self.log = Some(self.start_log(zxid_first)?);
        }
        let written = self.write_buffer();
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        self.poison(written)?;
        self.zxid_last = zxid_last;
        self.due.count(count, len);
        Ok(())
    }

    /// Makes every transaction appended so far durable. Does nothing when there is none, or when
    /// [`Settings::force_sync`] is off.
    ///
    /// # Errors
    /// [`JournalError::Io`] the first time, [`JournalError::Poisoned`] ever after. It is not tried
    /// again: the transactions appended since the last success may or may not be on disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.usable()?;
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::SkipsSync) {
            return Ok(());
        }
        let force = self.settings.force_sync;
        let Some(log) = self.log.as_mut().filter(|log| !log.synced && force) else {
            return Ok(());
        };
        let synced = log.file.sync().map_err(at("sync", &log.path));
        log.synced = synced.is_ok();
        self.poison(synced)
    }

    /// Whether a few entries of so many bytes in total go into the file as it is, so that appending
    /// them starts none and most likely writes no zeros ahead.
    pub fn has_room(&self, len: usize) -> bool {
        let reserve = match self.settings.preallocate {
            0 => return self.log.is_some(),
            _ => len as u64 + RESERVE_LEN,
        };
        let log = self.log.as_ref();
        log.is_some_and(|log| log.position + reserve < log.len)
    }

    /// Whether enough was logged since the last roll that a snapshot should be written: roll, then
    /// freeze the tree and write it. Drawn anew at each roll (`SyncRequestProcessor`).
    pub fn snapshot_due(&self) -> bool {
        self.due.reached()
    }

    /// Syncs and closes the current file, so that the next append starts a new one.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn roll(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        self.log = None;
        self.due.draw(&self.settings);
        Ok(())
    }

    /// Says that the next transaction comes after `zxid`, the last one replayed. Until it is said
    /// the first append may be any.
    pub fn resume_after(&mut self, zxid: i64) {
        self.zxid_last = Some(zxid);
    }

    /// The transaction that the next one has to follow: appended last, synced or not, or set by
    /// [`truncate`](Self::truncate), [`install`](Self::install) or
    /// [`resume_after`](Self::resume_after); `None` before.
    pub fn zxid_last(&self) -> Option<i64> {
        self.zxid_last
    }

    pub(crate) fn usable(&self) -> Result<(), JournalError> {
        if self.poisoned {
            Err(JournalError::Poisoned)
        } else {
            Ok(())
        }
    }

    pub(crate) fn poison<T>(&mut self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        self.poisoned |= result.is_err();
        result
    }

    fn start_log(&mut self, zxid: i64) -> Result<OpenLog<D::File>, JournalError> {
        let dir = self.settings.txn_dir();
        let path = dir.join(names::log(zxid));
        // The name is taken when a crash left a file with nothing but a torn first record.
        let taken = holds_record(&self.disk, &path, self.settings.entry_len_max);
        if self.poison(taken)? {
            return Err(JournalError::Exists { file: path });
        }
        debug!(file = %path.display(), "log started");
        let created = self.create_log(&path);
        let mut log = self.poison(created)?;
        if self.settings.force_sync {
            let synced = log.file.sync().map_err(at("sync", &path));
            self.poison(synced)?;
            let synced = self.disk.sync_dir(&dir).map_err(at("sync", dir));
            self.poison(synced)?;
        }
        Ok(log)
    }

    fn create_log(&self, path: &Path) -> Result<OpenLog<D::File>, JournalError> {
        files::clear(&self.disk, path)?;
        let mut file = self.disk.create(path).map_err(at("create", path))?;
        let position = LOG_HEADER.len() as u64;
        let len = self.len_wanted(position, position);
        let mut head = LOG_HEADER.to_vec();
        head.resize(len as usize, 0);
        file.write_at(0, &head).map_err(at("write", path))?;
        Ok(OpenLog {
            path: path.to_owned(),
            file,
            position,
            len,
            synced: true,
        })
    }

    fn write_buffer(&mut self) -> Result<(), JournalError> {
        let log = self.log.as_ref().expect("a log was started for this batch");
        let (start, end) = (log.position, log.position + self.buffer.len() as u64);
        let len = self.len_wanted(end, log.len);
        if len > log.len {
            self.buffer.resize((len - start) as usize, 0);
        }
        let log = self.log.as_mut().expect("it is still there");
        log.file
            .write_at(start, &self.buffer)
            .map_err(at("write", &log.path))?;
        (log.position, log.len, log.synced) = (end, len.max(log.len), false);
        Ok(())
    }

    /// Length the file should have when its records end at `position`: a multiple of the unit, or
    /// what it has already.
    fn len_wanted(&self, position: u64, len: u64) -> u64 {
        let unit = self.settings.preallocate;
        if unit == 0 {
            return position;
        }
        if position + RESERVE_LEN < len {
            len
        } else {
            (position + RESERVE_LEN + 1).next_multiple_of(unit)
        }
    }
}

/// Removes the newest log when nothing was ever synced into it.
fn clear_blank_log<D: Disk>(
    disk: &D,
    settings: &Settings,
    listing: &mut Listing,
) -> Result<(), JournalError> {
    let Some(&zxid) = listing.logs.last() else {
        return Ok(());
    };
    let path = settings.txn_dir().join(names::log(zxid));
    let header = LogReader::open(disk, &path, settings.entry_len_max)?.header()?;
    match opening(header, true) {
        Opening::Read => Ok(()),
        Opening::Remove => {
            info!(file = %path.display(), "log without content removed");
            listing.logs.pop();
            disk.remove(&path).map_err(at("remove", path))
        }
        Opening::Refuse(what) => Err(JournalError::Corrupt {
            file: path,
            offset: 0,
            what,
        }),
    }
}

fn holds_record<D: Disk>(
    disk: &D,
    path: &Path,
    entry_len_max: usize,
) -> Result<bool, JournalError> {
    let mut reader = match LogReader::open(disk, path, entry_len_max) {
        Err(JournalError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(false);
        }
        other => other?,
    };
    Ok(reader.header()? != Header::Blank && matches!(reader.next()?, Step::Record(_)))
}
