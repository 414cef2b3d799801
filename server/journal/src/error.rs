//! What can go wrong with a data directory, said so that an operator knows which file to look at.
//!
//! Three families. The operating system refused something ([`JournalError::Io`]); the files say
//! something that no crash of a correct server can leave behind (`Corrupt`, `Hole`, `NoSnapshot`,
//! `EpochBehind`, `EpochFile`, `EpochNotAccepted`); or the journal was asked for something it must
//! not do (`Poisoned`, `Locked`, `Misplaced`, `MissingDirectory`, `EntryLength`, `Exists`,
//! `CannotTruncate`). Nothing here is retried by this crate. In particular a failed sync is final:
//! the kernel may have dropped the dirty pages and would report success the second time.

use std::io;
use std::path::PathBuf;

use crate::format::Defect;

/// Why the journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A log cannot be cut at the transaction asked for. Nothing was changed.
    #[error(
        "{} cannot be cut behind 0x{zxid:x}: that transaction or a snapshot before it is missing; \
         a snapshot from the leader is needed",
        dir.display()
    )]
    CannotTruncate {
        /// The last transaction that was to stay.
        zxid: i64,
        /// The log directory.
        dir: PathBuf,
    },

    /// Bytes that were once valid are not any more, or were never written by a ZooKeeper server.
    /// Starting without them could lose acknowledged transactions, so the start is refused.
    #[error(
        "{} is damaged at byte {offset}: {what}; move the version-2 directory away and \
         synchronize from the ensemble, or restore it from a backup",
        file.display()
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Offset of the damaged record or field from the start of the file, in bytes.
        offset: u64,
        /// What is wrong there.
        what: Defect,
    },

    /// The entry of a transaction does not fit the limits of the log. Nothing was written and the
    /// journal stays usable.
    #[error("transaction 0x{zxid:x} takes {len} bytes, the log allows 32 to {limit} bytes")]
    EntryLength {
        /// The transaction.
        zxid: i64,
        /// Its length in bytes.
        len: usize,
        /// [`Settings::entry_len_max`](crate::Settings::entry_len_max).
        limit: usize,
    },

    /// The log holds transactions of an epoch that the member has never joined.
    #[error(
        "{} says {current}, but the log holds transactions of epoch {logged}, which {} does not \
         account for; restore both files, or move the version-2 directory away and synchronize \
         from the ensemble",
        current_file.display(),
        accepted_file.display()
    )]
    EpochBehind {
        /// The file of the accepted epoch, which says less than `logged` or is missing.
        accepted_file: PathBuf,
        /// The file of the current epoch.
        current_file: PathBuf,
        /// What it says.
        current: i64,
        /// Epoch of the last transaction logged.
        logged: i64,
    },

    /// A file of an epoch holds something else.
    #[error(
        "{} does not hold an epoch, a decimal number; restore it, or move the version-2 directory \
         away and synchronize from the ensemble",
        file.display()
    )]
    EpochFile {
        /// The file.
        file: PathBuf,
    },

    /// The member has joined an epoch that it never accepted: one of two files was lost or
    /// restored without the other.
    #[error(
        "{} says {accepted}, but {} or the log says {current}, and an epoch is accepted before it is \
         joined; restore both files, or move the version-2 directory away and synchronize from the \
         ensemble",
        accepted_file.display(),
        current_file.display()
    )]
    EpochNotAccepted {
        /// The file of the accepted epoch.
        accepted_file: PathBuf,
        /// What it says.
        accepted: i64,
        /// The file of the current epoch.
        current_file: PathBuf,
        /// What it says or, if there is none, the epoch of the last transaction logged.
        current: i64,
    },

    /// The log file that the next record asks for exists and holds records already.
    #[error("{} already holds transactions; it will not be overwritten", file.display())]
    Exists {
        /// The log file.
        file: PathBuf,
    },

    /// Transactions are missing: the record found does not follow the one before it, nor does it
    /// open a new epoch.
    #[error(
        "{}: transaction 0x{found:x} does not follow 0x{last:x}; transactions between them are \
         lost or out of order, restore the missing log file or synchronize from the ensemble",
        file.display()
    )]
    Hole {
        /// The log file that holds the record found.
        file: PathBuf,
        /// Zxid of the record or snapshot before it.
        last: i64,
        /// Zxid of the record found.
        found: i64,
    },

    /// An operation of the operating system failed.
    #[error("cannot {operation} {}", file.display())]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// The operation, as a verb: `read`, `write`, `sync`.
        operation: &'static str,
        /// The reason given.
        #[source]
        source: io::Error,
    },

    /// Another process holds the data directory.
    #[error("{} is held by another server; stop it or choose another data directory", file.display())]
    Locked {
        /// The lock file.
        file: PathBuf,
    },

    /// A snapshot lies in the log directory or a log in the snapshot directory, which happens
    /// when `dataLogDir` is changed without moving the files (ZOOKEEPER-2967).
    #[error(
        "{} lies in the wrong directory: snapshots belong into dataDir, logs into dataLogDir; \
         move it or correct the two settings",
        file.display()
    )]
    Misplaced {
        /// The first such file.
        file: PathBuf,
    },

    /// A directory does not exist and [`Settings::autocreate`](crate::Settings::autocreate) is off.
    #[error("{} does not exist and may not be created; create it or allow autocreate", dir.display())]
    MissingDirectory {
        /// The directory.
        dir: PathBuf,
    },

    /// There are logs, or snapshots that cannot be loaded, but no snapshot to start from.
    #[error(
        "{} holds no snapshot that can be loaded, but the directory was in use; restore a \
         snapshot, or set snapshot.trust.empty if it was written by ZooKeeper 3.4",
        dir.display()
    )]
    NoSnapshot {
        /// The snapshot directory.
        dir: PathBuf,
    },

    /// An earlier write or sync failed. What is on disk is unknown until it is read again, so
    /// the process has to end and recover.
    #[error("the journal stopped after a failed write or sync; restart the server to recover")]
    Poisoned,
}

/// Ties a failed operation to its file: `result.map_err(at("read", &path))`.
pub(crate) fn at(
    operation: &'static str,
    file: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> JournalError {
    let file = file.into();
    move |source| JournalError::Io {
        file,
        operation,
        source,
    }
}
