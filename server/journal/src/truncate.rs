//! Taking back what a leader does not have (TRUNC).
//!
//! What goes, goes from the newest end, and durably step by step: snapshots that hold a transaction
//! to be cut, then newer logs, newest first, then the end of the log that holds the cut. A crash
//! in between leaves a longer prefix of the same history, never a hole, and the leader asks again.
//! Apache keeps newer snapshots and so brings the cut transactions back at the next start.
//!
//! The last log is cut by writing its beginning again under another name. That costs a copy of
//! one file, on a path walked once in a failover, and needs no way to shorten a file. A log with
//! nothing behind the cut is left alone.
//!
//! The cut is possible behind a transaction of the log, and behind a snapshot, which is where the
//! log begins after an installation. Anywhere else it would leave a history that nobody had
//! (ZOOKEEPER-1154, -1156): Apache keeps the next larger record then.

use std::path::{Path, PathBuf};

use tracing::info;

use crate::disk::{Disk, DiskFile};
use crate::error::{JournalError, at};
use crate::listing::Listing;
use crate::names;
use crate::reader::{End, LogReader, Step};
use crate::settings::Settings;

const COPY_LEN: usize = 256 * 1024;

/// A truncation that is possible; nothing has been changed yet.
#[derive(Debug)]
pub(crate) struct Cut {
    zxid: i64,
    /// The log to be cut, and how many bytes of it stay. None when it ends there anyway.
    tail: Option<(PathBuf, u64)>,
    listing: Listing,
}

/// Looks for the place to cut behind `zxid`.
pub(crate) fn plan<D: Disk>(disk: &D, settings: &Settings, zxid: i64) -> Result<Cut, JournalError> {
    let impossible = || JournalError::CannotTruncate {
        zxid,
        dir: settings.txn_dir(),
    };
    let listing = Listing::read(disk, settings)?;
    let (complete, _) = listing.quick_check(disk, settings)?;
    if !complete.iter().any(|name| name.zxid <= zxid) {
        return Err(impossible());
    }
    let whole = complete.iter().any(|name| name.zxid == zxid);
    let holder = listing.logs.iter().rfind(|&&name| name <= zxid);
    let (logged, tail) = match holder {
        None => (false, None),
        Some(&name) => find_end(disk, settings, name, zxid)?,
    };
    if !whole && !logged {
        return Err(impossible());
    }
    Ok(Cut {
        zxid,
        tail,
        listing,
    })
}

/// Whether the log has the transaction, and what is to be cut from it.
fn find_end<D: Disk>(
    disk: &D,
    settings: &Settings,
    name: i64,
    zxid: i64,
) -> Result<(bool, Option<(PathBuf, u64)>), JournalError> {
    let log = settings.txn_dir().join(names::log(name));
    let mut reader = LogReader::open(disk, &log, settings.entry_len_max)?;
    let mut found = false;
    loop {
        let end = reader.position();
        match reader.next()? {
            Step::Record(record) if record.zxid <= zxid => found |= record.zxid == zxid,
            Step::End(End::Clean) => return Ok((found, None)),
            Step::Record(_) | Step::End(_) => return Ok((found, Some((log, end)))),
        }
    }
}

impl Cut {
    /// Does it. After an error some of the steps have been taken.
    pub(crate) fn carry_out<D: Disk>(
        self,
        disk: &D,
        settings: &Settings,
    ) -> Result<(), JournalError> {
        let dir = settings.snapshot_dir();
        for name in self
            .listing
            .snapshots
            .iter()
            .filter(|name| name.zxid > self.zxid)
        {
            let file = name.path(settings);
            disk.remove(&file).map_err(at("remove", file))?;
        }
        disk.sync_dir(&dir).map_err(at("sync", dir))?;

        let dir = settings.txn_dir();
        for name in self
            .listing
            .logs
            .iter()
            .rev()
            .filter(|&&name| name > self.zxid)
        {
            let file = dir.join(names::log(*name));
            disk.remove(&file).map_err(at("remove", file))?;
            disk.sync_dir(&dir).map_err(at("sync", &dir))?;
        }
        if let Some((log, len)) = &self.tail {
            let short = dir.join(names::unfinished_log(self.zxid));
            copy_start(disk, log, &short, *len)?;
            disk.rename(&short, log).map_err(at("rename", short))?;
            disk.sync_dir(&dir).map_err(at("sync", dir))?;
        }
        info!(zxid = format_args!("0x{:x}", self.zxid), "log truncated");
        Ok(())
    }
}

fn copy_start<D: Disk>(
    disk: &D,
    source: &Path,
    target: &Path,
    len: u64,
) -> Result<(), JournalError> {
    let from = disk.open(source).map_err(at("open", source))?;
    let mut to = disk.create(target).map_err(at("create", target))?;
    let mut buffer = vec![0; COPY_LEN];
    let mut position = 0;
    while position < len {
        let wanted = COPY_LEN.min((len - position) as usize);
        let count = from
            .read_at(position, &mut buffer[..wanted])
            .map_err(at("read", source))?;
        if count == 0 {
            return Err(at("read", source)(std::io::ErrorKind::UnexpectedEof.into()));
        }
        to.write_at(position, &buffer[..count])
            .map_err(at("write", target))?;
        position += count as u64;
    }
    to.sync().map_err(at("sync", target))
}
