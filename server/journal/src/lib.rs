//! Transaction log and snapshots of a server, in the files of Apache ZooKeeper.
//!
//! A directory written by Apache ZooKeeper can be opened here, and the other way round. To the
//! journal a transaction is a zxid and the bytes of its log entry, and an image is a stream of
//! bytes that the store writes and reads; so nothing here knows what a znode is.
//!
//! # The promise
//!
//! What was appended before a successful [`Journal::sync`] is returned by every later
//! [`Journal::open`], in order and without a gap, whatever the moment the process or the power
//! failed, as long as the disk keeps what it said was synced. If it did not, opening or replay
//! refuses and names the file. Records that were appended but not synced may come back or not, as
//! a prefix.
//!
//! The same holds for what a member of an ensemble does besides: a truncation leaves a prefix of the
//! old history that reaches the cut, an installed image takes over as a whole or not at all, and an
//! epoch is the old or the new one. Which files say so, and what an operator can do about a
//! directory that was lost, is in `docs/data-directory.md`.
//!
//! # Use
//!
//! ```no_run
//! use std::io::{Read, Write};
//! use lockkeeper_journal::{Journal, JournalError, RealDisk, Settings, write_snapshot};
//!
//! # fn load(_: &mut dyn Read) -> bool { true }
//! # fn apply(_: lockkeeper_journal::Record) {}
//! # fn run(entry: bytes::Bytes) -> Result<(), JournalError> {
//! let settings = Settings::new("/var/lib/lockkeeper");
//! let (mut journal, mut recovered) = Journal::open(RealDisk, settings.clone())?;
//! let mut image = |target: &mut dyn Write| target.write_all(b"...");
//! let mut last = loop {
//!     let Some(snapshot) = recovered.next_snapshot()? else {
//!         write_snapshot(&RealDisk, &settings, 0, None, &mut image)?;
//!         break 0;
//!     };
//!     // On a fresh store each time.
//!     if load(&mut snapshot.image()?) {
//!         break snapshot.zxid();
//!     }
//! };
//! for record in recovered.records() {
//!     let record = record?;
//!     last = record.zxid;
//!     apply(record);
//! }
//! journal.resume_after(last);
//!
//! journal.append([(1, entry)])?;
//! journal.sync()?;
//! // Acknowledge, and then, now and again:
//! if journal.snapshot_due() {
//!     journal.roll()?;
//!     write_snapshot(&RealDisk, &settings, 1, None, &mut image)?;
//!     lockkeeper_journal::retain(&RealDisk, &settings, 3)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A member of an ensemble sets [`Settings::member`], asks [`Journal::read_epochs`] after the
//! replay and [`Journal::votes`] before it takes part in anything, and writes only images of what
//! was committed.
//!
//! # Map
//!
//! | file | what |
//! |---|---|
//! | `settings.rs` | what the operator decides |
//! | `disk.rs` | what we ask of a file system; the real one |
//! | `testing.rs` | one that fails, fills up and forgets |
//! | `format.rs`, `names.rs` | pure: record bytes and file names |
//! | `reader.rs` | one log front to back; torn or damaged |
//! | `log.rs`, `due.rs` | open, append, sync, roll; when a snapshot is due |
//! | `member.rs` | what a leader may have a member do: truncate, install, epochs |
//! | `truncate.rs` | taking back what a leader does not have |
//! | `install.rs` | a received image takes the place of everything |
//! | `epochs.rs` | promised and joined: two files and their recovery |
//! | `votes.rs` | whether a member has lost something |
//! | `range.rs` | logged transactions for a learner that is far behind |
//! | `snapshot.rs`, `snappy.rs` | write, verify, read |
//! | `listing.rs`, `recover.rs` | files → image and records, or a named refusal |
//! | `retain.rs` | removing what no start needs |
//! | `files.rs`, `lock.rs` | single steps; one server per directory |
//! | `error.rs` | what can go wrong |
//!
//! `format`, `names`, `settings`, `due` ← `error`, `disk` ← `files` ← `reader`, `snapshot`,
//! `epochs` ← `listing`, `votes` ← `recover`, `retain`, `truncate`, `install` ← `log`, `range` ←
//! `member`.
//!
//! Sources: `FileTxnLog`, `FileSnap`, `FileTxnSnapLog`, `FilePadding`, `SyncRequestProcessor`,
//! `PurgeTxnLog`, `QuorumPeer` and `LearnerHandler` of Apache ZooKeeper.

#![forbid(unsafe_code)]

mod disk;
mod due;
mod epochs;
mod error;
mod files;
mod format;
mod install;
mod listing;
mod lock;
mod log;
mod member;
mod names;
mod range;
mod reader;
mod recover;
mod retain;
mod settings;
mod snappy;
mod snapshot;
pub mod testing;
mod truncate;
mod votes;

pub use disk::{Disk, DiskFile, RealDisk};
pub use epochs::Epochs;
pub use error::JournalError;
pub use format::{Defect, Record};
pub use lock::LOCK_FILE;
pub use log::Journal;
pub use range::{LogRange, read_range};
pub use recover::{Records, Recovered};
pub use retain::{RETAIN_MIN, retain};
pub use settings::Settings;
pub use snapshot::{Digest, Snapshot, write_snapshot};
