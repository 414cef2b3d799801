//! The same journal on the file system of the machine.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{entry, recover, snapshot, zxids};
use lockkeeper_journal::{JournalError, LOCK_FILE, RealDisk, Settings, retain};

/// A directory that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&dir);
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_was_written_is_read_again() {
    let scratch = Scratch::new("journal-read-again");
    let settings = Settings::new(scratch.0.join("a/b"));
    let (mut journal, image, records) = recover(&RealDisk, &settings).expect("a new directory");
    assert_eq!((image, records.len()), (None, 0));
    snapshot(&RealDisk, &settings, 0, b"empty");
    for first in [1, 11, 21, 31] {
        journal
            .append((first..first + 10).map(|zxid| (zxid, entry(zxid, 900, 1))))
            .expect("space");
        journal.sync().expect("a sound disk");
        journal.roll().expect("a sound disk");
        snapshot(&RealDisk, &settings, first + 9, b"later");
    }
    journal.append([(41, entry(41, 40, 1))]).expect("space");
    drop(journal);

    let dir = settings.snapshot_dir();
    assert_eq!(
        fs::metadata(dir.join("log.29")).expect("it exists").len(),
        512 * 1024
    );
    let (_, image, records) = recover(&RealDisk, &settings).expect("valid");
    assert_eq!(image, Some((40, b"later".to_vec())));
    assert_eq!(zxids(&records), [41]);
    let removed = retain(&RealDisk, &settings, 3).expect("allowed");
    let removed: Vec<_> = removed
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    assert_eq!(removed, ["snapshot.a", "snapshot.0", "log.1"]);
    let (_, _, records) = recover(&RealDisk, &settings).expect("valid");
    assert_eq!(zxids(&records), [41]);
}

#[test]
fn the_lock_is_held_by_the_open_file() {
    let scratch = Scratch::new("journal-lock");
    let settings = Settings::new(&scratch.0);
    let (journal, ..) = recover(&RealDisk, &settings).expect("a new directory");
    let error = recover(&RealDisk, &settings)
        .map(drop)
        .expect_err("it is held");
    assert!(matches!(error, JournalError::Locked { .. }));
    drop(journal);
    recover(&RealDisk, &settings).expect("it is free");
    assert!(settings.snapshot_dir().join(LOCK_FILE).exists());
}

#[test]
fn a_log_longer_than_the_zeros_written_ahead_grows() {
    let scratch = Scratch::new("journal-grow");
    let settings = Settings {
        preallocate: 8192,
        ..Settings::new(&scratch.0)
    };
    let (mut journal, ..) = recover(&RealDisk, &settings).expect("a new directory");
    snapshot(&RealDisk, &settings, 0, b"empty");
    for zxid in 1..=200 {
        journal
            .append([(zxid, entry(zxid, 40 + zxid as usize * 3, 1))])
            .expect("space");
        journal.sync().expect("a sound disk");
    }
    drop(journal);
    let (_, _, records) = recover(&RealDisk, &settings).expect("valid");
    assert_eq!(zxids(&records), (1..=200).collect::<Vec<_>>());
    let len = fs::metadata(settings.txn_dir().join("log.1"))
        .expect("it exists")
        .len();
    assert_eq!(len % 8192, 0);
}
