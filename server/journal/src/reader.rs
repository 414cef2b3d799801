//! One log file, front to back, and how it ends.
//!
//! A log rarely ends at the end of its file: zeros written ahead follow, or what a crash left of
//! the last write. The second case has to be told from damage to records that were acknowledged,
//! and the file alone has to tell. What separates them is how disks fail: a write that was never
//! synced reaches the disk sector by sector, so the sectors that are missing still hold the zeros
//! written ahead, or lie beyond the end of the file. A broken record is *torn* when one of its
//! sectors is missing in that way and no valid record lies inside the length it claims; any other
//! broken record is damage. The price is a pass over the rest of the file, once per broken end.
//!
//! Known limit: ZooKeeper's files hold nothing that would tell two cases of damage in the newest log
//! from a tear. A whole sector of an acknowledged record that turned to zeros is one; the other is
//! any damage to a record whose own data fills a sector with zeros.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::disk::{Disk, DiskFile};
use crate::error::{JournalError, at};
use crate::format::{self, Defect, LOG_HEADER, PREFIX_LEN, Record};

/// Smallest unit a disk writes as a whole.
const SECTOR_LEN: u64 = 512;
/// Bytes fetched from the file at a time.
const WINDOW_LEN: usize = 256 * 1024;

/// What the reader found next.
#[derive(Debug)]
pub(crate) enum Step {
    Record(Record),
    End(End),
}

/// How a log file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing but zeros, or nothing at all, behind the last record.
    Clean,
    /// A record that a crash left unfinished.
    Torn,
    /// A broken record that no crash explains.
    Broken {
        offset: u64,
        defect: Defect,
        /// Whether valid records follow somewhere behind it.
        followed: bool,
    },
}

/// What the first bytes of a log say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Valid,
    /// No bytes, or zeros only: the crash came before the file was first synced.
    Blank,
    Bad(Defect),
}

/// A log file being read.
pub(crate) struct LogReader<F> {
    file: F,
    path: PathBuf,
    file_len: u64,
    position: u64,
    entry_len_max: usize,
    window: Vec<u8>,
    window_start: u64,
}

impl<F: DiskFile> LogReader<F> {
    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        path: &Path,
        entry_len_max: usize,
    ) -> Result<Self, JournalError> {
        let file = disk.open(path).map_err(at("open", path))?;
        let file_len = file.len().map_err(at("read", path))?;
        Ok(LogReader {
            file,
            path: path.to_owned(),
            file_len,
            position: LOG_HEADER.len() as u64,
            entry_len_max,
            window: Vec::new(),
            window_start: 0,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Offset of the record that [`next`](Self::next) will look at, in bytes.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Looks at the header; only its magic counts, as in Apache.
    pub(crate) fn header(&mut self) -> Result<Header, JournalError> {
        let head = self.bytes(0, LOG_HEADER.len())?;
        if head.len() == LOG_HEADER.len() && head[..4] == LOG_HEADER[..4] {
            return Ok(Header::Valid);
        }
        if head.iter().all(|&b| b == 0) && self.last_nonzero(0)?.is_none() {
            return Ok(Header::Blank);
        }
        let short = self.file_len < LOG_HEADER.len() as u64;
        Ok(Header::Bad(if short {
            Defect::ShortHeader
        } else {
            Defect::Magic
        }))
    }

    /// The next record, or how the file ends. After the end the answer stays the same.
    pub(crate) fn next(&mut self) -> Result<Step, JournalError> {
        let (position, limit) = (self.position, self.entry_len_max);
        let prefix = self.bytes(position, PREFIX_LEN)?;
        let defect = match format::record_len(prefix, limit) {
            Err(defect) => defect,
            Ok(len) => match format::check(self.bytes(position, len)?, limit) {
                Err(defect) => defect,
                Ok(entry) => {
                    let zxid = format::zxid_of(entry).expect("a checked entry has a header");
                    let entry = Bytes::copy_from_slice(entry);
                    self.position += len as u64;
                    return Ok(Step::Record(Record { zxid, entry }));
                }
            },
        };
        self.judge(defect).map(Step::End)
    }

    /// Tells the three kinds of end apart.
    fn judge(&mut self, defect: Defect) -> Result<End, JournalError> {
        let start = self.position;
        let Some(last_nonzero) = self.last_nonzero(start)? else {
            return Ok(End::Clean);
        };
        let limit = self.entry_len_max;
        let prefix = self.bytes(start, PREFIX_LEN)?;
        let claimed = format::record_len(prefix, limit).unwrap_or(PREFIX_LEN);
        let end = start + claimed as u64;
        let follower = self.find_record(start + 1, last_nonzero)?;
        let missing =
            end > self.file_len || last_nonzero + 1 < end || self.has_blank_sector(start, end)?;
        if missing && follower.is_none_or(|offset| offset >= end) {
            return Ok(End::Torn);
        }
        Ok(End::Broken {
            offset: start,
            defect,
            followed: follower.is_some(),
        })
    }

    /// Offset of the last byte at or behind `start` that is not zero.
    fn last_nonzero(&mut self, start: u64) -> Result<Option<u64>, JournalError> {
        let mut found = None;
        let mut offset = start;
        while offset < self.file_len {
            let chunk = self.ahead(offset)?;
            if chunk.is_empty() {
                break;
            }
            if let Some(index) = chunk.iter().rposition(|&b| b != 0) {
                found = Some(offset + index as u64);
            }
            offset += chunk.len() as u64;
        }
        Ok(found)
    }

    /// Whether one of the sectors between the two offsets still holds the zeros written ahead.
    fn has_blank_sector(&mut self, start: u64, end: u64) -> Result<bool, JournalError> {
        let mut offset = start;
        while offset < end {
            let sector_end = (offset / SECTOR_LEN + 1) * SECTOR_LEN;
            let sector = self.bytes(offset, (sector_end - offset) as usize)?;
            // The first four bytes of a record are zero anyway: alone they say nothing.
            let telling = offset != start || sector.len() > 4;
            if telling && !sector.is_empty() && sector.iter().all(|&b| b == 0) {
                return Ok(true);
            }
            offset = sector_end;
        }
        Ok(false)
    }

    /// Offset of the first valid record that starts between the two offsets.
    fn find_record(&mut self, start: u64, last: u64) -> Result<Option<u64>, JournalError> {
        let limit = self.entry_len_max;
        let mut offset = start;
        while offset <= last {
            let chunk = self.ahead(offset)?;
            if chunk.len() < PREFIX_LEN {
                break;
            }
            let candidate = chunk.windows(PREFIX_LEN).position(|prefix| {
                prefix[..4] == [0; 4] && format::record_len(prefix, limit).is_ok()
            });
            let Some(index) = candidate else {
                offset += (chunk.len() - PREFIX_LEN + 1) as u64;
                continue;
            };
            offset += index as u64;
            let len = format::record_len(self.bytes(offset, PREFIX_LEN)?, limit);
            if let Ok(len) = len
                && format::check(self.bytes(offset, len)?, limit).is_ok()
            {
                return Ok(Some(offset));
            }
            offset += 1;
        }
        Ok(None)
    }

    /// What the window holds from `offset` on, at least the bytes of a prefix before the end of the
    /// file. Walking by this reads every byte of the file about once.
    fn ahead(&mut self, offset: u64) -> Result<&[u8], JournalError> {
        self.bytes(offset, PREFIX_LEN)?;
        let start = (offset - self.window_start) as usize;
        Ok(self.window.get(start..).unwrap_or_default())
    }

    /// Up to `len` bytes from `offset`; fewer at the end of the file only.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], JournalError> {
        let len = len.min(self.file_len.saturating_sub(offset) as usize);
        let covered = offset >= self.window_start
            && offset + len as u64 <= self.window_start + self.window.len() as u64;
        if !covered {
            self.fill(offset, len.max(WINDOW_LEN))
                .map_err(at("read", &self.path))?;
        }
        let start = (offset - self.window_start) as usize;
        let end = self.window.len().min(start + len);
        Ok(&self.window[start.min(end)..end])
    }

    fn fill(&mut self, offset: u64, len: usize) -> std::io::Result<()> {
        let len = len.min(self.file_len.saturating_sub(offset) as usize);
        self.window_start = offset;
        self.window.resize(len, 0);
        let mut filled = 0;
        while filled < len {
            let count = self
                .file
                .read_at(offset + filled as u64, &mut self.window[filled..])?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        self.window.truncate(filled);
        Ok(())
    }
}
