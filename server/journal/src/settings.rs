//! What the operator decides about the files.

use std::path::{Path, PathBuf};

/// Settings of the journal. [`Settings::new`] gives every default; fields are public to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `dataDir`: its `version-2` holds the snapshots.
    pub data_dir: PathBuf,
    /// `dataLogDir`: its `version-2` holds the logs. The same as `data_dir` by default.
    pub log_dir: PathBuf,
    /// `zookeeper.datadir.autocreate`: make missing directories. Default true.
    pub autocreate: bool,
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
            trust_empty: false,
            force_sync: true,
            preallocate: 512 * 1024,
            entry_len_max: 2_097_150,
            snap_count: 100_000,
            snap_size_limit: 4 * 1024 * 1024 * 1024,
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
}

fn version_dir(dir: &Path) -> PathBuf {
    dir.join("version-2")
}
