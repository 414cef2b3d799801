//! What the operator decides about the files.

use std::path::{Path, PathBuf};

/// Default of [`Settings::snapshot_size_factor`].
pub(crate) const SIZE_FACTOR: f64 = 0.33;

/// Settings of the journal. [`Settings::new`] gives every default; fields are public to be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `dataDir`: its `version-2` holds the snapshots.
    pub data_dir: PathBuf,
    /// `dataLogDir`: its `version-2` holds the logs. The same as `data_dir` by default.
    pub log_dir: PathBuf,
    /// `zookeeper.datadir.autocreate`: make missing directories. Default true.
    pub autocreate: bool,
    /// Whether the directories belong to a member of an ensemble: then opening them decides whether
    /// it may vote, see [`Journal::votes`](crate::Journal::votes). Default false.
    pub member: bool,
    /// `zookeeper.db.autocreate`: a new member may vote. If not, it waits for a file `initialize`
    /// in `log_dir` or to be synchronized. Without effect unless `member`. Default true.
    pub db_autocreate: bool,
    /// `zookeeper.snapshot.trust.empty`: with logs but no snapshot, replay all logs onto an empty
    /// tree instead of refusing. Meant for directories of ZooKeeper 3.4. Default false.
    pub trust_empty: bool,
    /// `zookeeper.forceSync`: sync before acknowledging. Without it a power cut loses
    /// acknowledged writes. Default true.
    pub force_sync: bool,
    /// Bytes of zeros written ahead of the records at a time; 0 for none. Takes the place of
    /// `zookeeper.preAllocSize`, which reserves names for blocks but writes none. Default 512 KiB.
    pub preallocate: u64,
    /// `jute.maxbuffer` and its extra: the longest entry written or believed, in bytes.
    /// Default 2 097 150.
    pub entry_len_max: usize,
    /// `zookeeper.snapCount`: a snapshot is due after somewhere between half of this and all of
    /// this many records. Below 2 counts as 2. Default 100 000.
    pub snap_count: u32,
    /// `zookeeper.snapSizeLimitInKb`, here in bytes: as `snap_count`, counting bytes of records.
    /// 0 for no limit. Default 4 GiB.
    pub snap_size_limit: u64,
    /// `zookeeper.snapshotSizeFactor`: a learner is given transactions from the log rather than a
    /// snapshot while they take at most this part of the newest snapshot's file; see
    /// [`read_range`](crate::read_range). 0 for no limit, negative for never; above 1 counts as the
    /// default, 0.33.
    pub snapshot_size_factor: f64,
    /// Seed of the draws that keep the servers of an ensemble from all writing a snapshot at
    /// once. Equal seeds give equal draws. Default 0, so a server should set it.
    pub seed: u64,
}

impl Settings {
    /// Defaults with both kinds of file under `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Settings {
        let data_dir = data_dir.into();
        Settings {
            log_dir: data_dir.clone(),
            data_dir,
            autocreate: true,
            member: false,
            db_autocreate: true,
            trust_empty: false,
            force_sync: true,
            preallocate: 512 * 1024,
            entry_len_max: 2_097_150,
            snap_count: 100_000,
            snap_size_limit: 4 * 1024 * 1024 * 1024,
            snapshot_size_factor: SIZE_FACTOR,
            seed: 0,
        }
    }

    /// Where the snapshots are.
    pub fn snapshot_dir(&self) -> PathBuf {
        version_dir(&self.data_dir)
    }

    /// Where the logs are.
    pub fn txn_dir(&self) -> PathBuf {
        version_dir(&self.log_dir)
    }

    /// Both, or the one that they are.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs = vec![self.snapshot_dir(), self.txn_dir()];
        dirs.dedup();
        dirs
    }
}

fn version_dir(dir: &Path) -> PathBuf {
    dir.join("version-2")
}
