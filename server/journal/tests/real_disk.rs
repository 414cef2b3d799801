//! The same journal on the file system of the machine.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    let log = settings.txn_dir().join("log.1");
    let len = || fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let mut grown = 0;
    for zxid in 1..=200 {
        let entry = entry(zxid, 40 + zxid as usize * 3, 1);
        let (before, has_room) = (len(), journal.has_room(entry.len()));
        journal.append([(zxid, entry)]).expect("space");
        journal.sync().expect("a sound disk");
        // It is told beforehand when an append will be more than a write.
        assert!(!has_room || len() == before, "at {zxid}");
        grown += u32::from(!has_room);
    }
    drop(journal);
    let (_, _, records) = recover(&RealDisk, &settings).expect("valid");
    assert_eq!(zxids(&records), (1..=200).collect::<Vec<_>>());
    assert_eq!(len() % 8192, 0);
    assert!((2..20).contains(&grown), "{grown}");
}

const CHILD_DIR: &str = "LOCKKEEPER_JOURNAL_CHILD_DIR";

/// What the child of the test below does until it is killed.
fn append_roll_and_take_snapshots(dir: &OsStr) {
    let settings = Settings {
        preallocate: 8192,
        snap_count: 40,
        ..Settings::new(dir)
    };
    let (mut journal, image, records) = recover(&RealDisk, &settings).expect("valid");
    if image.is_none() {
        snapshot(&RealDisk, &settings, 0, b"image");
    }
    let mut zxid = records
        .last()
        .map_or(image.map_or(0, |(zxid, _)| zxid), |last| last.zxid);
    loop {
        zxid += 2;
        let batch = [zxid - 1, zxid].map(|zxid| (zxid, entry(zxid, 700, 1)));
        journal.append(batch).expect("space");
        journal.sync().expect("a sound disk");
        println!("acknowledged {zxid}");
        if journal.snapshot_due() {
            journal.roll().expect("a sound disk");
            snapshot(&RealDisk, &settings, zxid, b"image");
            retain(&RealDisk, &settings, 3).expect("allowed");
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    // The child is this very test, told where to write.
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        return append_roll_and_take_snapshots(&dir);
    }
    let scratch = Scratch::new("journal-killed");
    let mut acknowledged = 0;
    for lines in [1, 20, 7, 64, 33] {
        let mut child = Command::new(std::env::current_exe().expect("it runs"))
            .args(["--exact", "--nocapture"])
            .arg("a_killed_process_loses_nothing_acknowledged")
            .env(CHILD_DIR, &scratch.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can run again");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut told = output.lines().filter_map(|line| {
            line.ok()?
                .split_once("acknowledged ")?
                .1
                .parse::<i64>()
                .ok()
        });
        acknowledged = told
            .by_ref()
            .take(lines)
            .last()
            .expect("it got that far")
            .max(acknowledged);
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        // Only now: without its reader the child would end by itself.
        drop(told);
        let (_, image, records) = recover(&RealDisk, &Settings::new(&scratch.0)).expect("valid");
        let base = image.map_or(0, |(zxid, _)| zxid);
        let last = base + records.len() as i64;
        assert_eq!(zxids(&records), (base + 1..=last).collect::<Vec<_>>());
        assert!(
            last >= acknowledged,
            "{acknowledged} was acknowledged, {last} recovered"
        );
    }
}
