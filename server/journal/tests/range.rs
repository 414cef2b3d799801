//! Ranges of the log, given and refused.

mod common;

use common::{disk_with_log, entry, settings, snapshot};
use lockkeeper_journal::testing::SimDisk;
use lockkeeper_journal::{Journal, Settings, read_range};

/// Length of a record with an entry of 40 bytes.
const RECORD_LEN: usize = 53;

fn unlimited() -> Settings {
    Settings {
        snapshot_size_factor: 0.0,
        ..settings()
    }
}

fn zxid(epoch: i64, counter: i64) -> i64 {
    (epoch << 32) + counter
}

/// One file for each slice; between them anything may be missing.
fn disk_with_logs(logs: &[&[i64]]) -> SimDisk {
    let disk = disk_with_log(&settings(), []);
    for log in logs {
        let (mut journal, _) = Journal::open(disk.clone(), settings()).expect("valid");
        let batch = log.iter().map(|&zxid| (zxid, entry(zxid, 40, 1)));
        journal.append(batch).expect("no fault");
        journal.sync().expect("no fault");
    }
    disk
}

fn read(disk: &SimDisk, after: i64, upto: i64) -> Option<Vec<i64>> {
    read_with(disk, &unlimited(), after, upto)
}

fn read_with(disk: &SimDisk, settings: &Settings, after: i64, upto: i64) -> Option<Vec<i64>> {
    let range = read_range(disk, settings, after, upto, 1).expect("readable")?;
    let batches = range.map(|batch| batch.expect("it was checked"));
    Some(batches.flatten().map(|record| record.zxid).collect())
}

#[test]
fn what_the_log_has_is_given() {
    let disk = disk_with_logs(&[&[1, 2, 3], &[4, 5], &[zxid(1, 1), zxid(1, 2)]]);
    assert_eq!(read(&disk, 0, 2), Some(vec![1, 2]));
    assert_eq!(read(&disk, 1, 5), Some(vec![2, 3, 4, 5]));
    assert_eq!(read(&disk, 3, 4), Some(vec![4]));
    assert_eq!(
        read(&disk, 4, zxid(1, 2)),
        Some(vec![5, zxid(1, 1), zxid(1, 2)])
    );
    assert_eq!(
        read(&disk, zxid(1, 0), zxid(1, 1)),
        Some(vec![zxid(1, 1)]),
        "a leader's first"
    );
    for (after, upto) in [(2, 2), (3, 2)] {
        assert_eq!(read(&disk, after, upto), None, "nothing to give");
    }
}

#[test]
fn what_the_log_does_not_reach_is_not_given() {
    let disk = disk_with_logs(&[&[4, 5], &[zxid(1, 1)]]);
    assert_eq!(read(&disk, 3, 5), Some(vec![4, 5]));
    assert_eq!(read(&disk, 2, 5), None, "too far back");
    assert_eq!(read(&disk, 0, 5), None, "too far back");
    assert_eq!(read(&disk, 4, 6), None, "not there");
    assert_eq!(read(&disk, 4, zxid(1, 2)), None, "not there");
    assert_eq!(read(&disk, 9, zxid(1, 1)), None, "never here");
}

/// Memory begins where the log on disk has not been for a while.
#[test]
fn zookeeper_2418_a_hole_between_disk_and_memory_is_no_range() {
    let disk = disk_with_logs(&[&[1, 2, 3]]);
    assert_eq!(read(&disk, 1, 7), None, "memory begins with 8");
    let disk = disk_with_logs(&[&[1, 2, 3], &[8, 9]]);
    assert_eq!(read(&disk, 1, 9), None);
    assert_eq!(read(&disk, 3, 9), None);
    assert_eq!(read(&disk, 1, 3), Some(vec![1, 2, 3][1..].to_vec()));
    assert_eq!(read(&disk, 8, 9), Some(vec![9]));
}

/// Apache's members keep their log when they receive a snapshot.
#[test]
fn a_snapshot_the_log_does_not_pass_through_is_a_hole() {
    let disk = disk_with_logs(&[&[1, 2], &[zxid(2, 1), zxid(2, 2)]]);
    assert!(read(&disk, 1, zxid(2, 2)).is_some());
    snapshot(&disk, &settings(), zxid(2, 0), b"a new leader's");
    snapshot(&disk, &settings(), 2, b"own");
    snapshot(&disk, &settings(), zxid(2, 1), b"own");
    assert!(read(&disk, 1, zxid(2, 2)).is_some());
    snapshot(&disk, &settings(), zxid(1, 7), b"received");
    assert_eq!(read(&disk, 1, zxid(2, 2)), None);
    assert_eq!(read(&disk, zxid(2, 1), zxid(2, 2)), Some(vec![zxid(2, 2)]));

    let disk = disk_with_logs(&[&[1, 2], &[zxid(2, 5)]]);
    assert_eq!(read(&disk, 1, zxid(2, 5)), None, "epochs begin with 1");
}

#[test]
fn damage_is_no_range() {
    for len in [16 + RECORD_LEN * 2 - 1, 16 + RECORD_LEN + 30, 3, 0] {
        let disk = disk_with_logs(&[&[1, 2], &[3, 4]]);
        let mut log = disk.get("/data/version-2/log.1").expect("it was made");
        log.truncate(len);
        disk.put("/data/version-2/log.1", log);
        assert_eq!(read(&disk, 0, 4), None, "cut to {len}");
        assert_eq!(read(&disk, 2, 4), Some(vec![3, 4]));
    }
    let disk = disk_with_logs(&[&[1, 2], &[3, 4]]);
    let mut log = disk.get("/data/version-2/log.1").expect("it was made");
    log[16 + RECORD_LEN + 20] ^= 1;
    disk.put("/data/version-2/log.1", log);
    assert_eq!(read(&disk, 0, 4), None, "a changed byte");
}

#[test]
fn a_snapshot_is_chosen_when_it_costs_less() {
    let disk = disk_with_logs(&[&[1, 2, 3, 4], &[5, 6, 7, 8]]);
    let factor = |snapshot_size_factor| Settings {
        snapshot_size_factor,
        ..settings()
    };
    // 16 header, 20 image, 13 seal, 33 digest, 21 zxid, and the body.
    let body = vec![7; RECORD_LEN * 6 - 16 - 5 - 13 - 33 - 21];
    snapshot(&disk, &settings(), 8, &body);
    let len = disk.get("/data/version-2/snapshot.8").expect("made").len();
    assert_eq!(len, RECORD_LEN * 6);
    assert!(read_with(&disk, &factor(0.34), 6, 8).is_some(), "2 records");
    assert_eq!(read_with(&disk, &factor(0.33), 6, 8), None);
    assert!(read_with(&disk, &factor(1.0), 2, 8).is_some(), "6 records");
    assert_eq!(read_with(&disk, &factor(1.0), 1, 8), None, "7 records");
    assert!(read_with(&disk, &factor(0.0), 0, 8).is_some(), "unlimited");
    assert_eq!(read_with(&disk, &factor(-1.0), 7, 8), None, "off");
}

#[test]
fn batches_are_bounded_and_in_order() {
    let all: Vec<i64> = (1..=100).collect();
    let disk = disk_with_logs(&[&all[..60], &all[60..]]);
    for (bytes_max, len) in [(1, 1), (40, 1), (41, 2), (400, 10), (1_000_000, 90)] {
        let range = read_range(&disk, &unlimited(), 10, 100, bytes_max);
        let range = range.expect("readable").expect("it is there");
        let mut zxids = Vec::new();
        for batch in range {
            let batch = batch.expect("it was checked");
            assert!(batch.len() <= len && !batch.is_empty(), "{bytes_max}");
            for record in batch {
                assert_eq!(record.entry, entry(record.zxid, 40, 1));
                zxids.push(record.zxid);
            }
        }
        assert_eq!(zxids, all[10..]);
    }
}

/// Neither files wholly before the range nor those behind it are touched.
#[test]
fn only_files_of_the_range_are_read() {
    let disk = disk_with_logs(&[&[1, 2], &[3, 4], &[5, 6], &[7, 8]]);
    for log in ["log.1", "log.7"] {
        disk.put(format!("/data/version-2/{log}"), b"not a log".to_vec());
    }
    assert_eq!(read(&disk, 2, 6), Some(vec![3, 4, 5, 6]));
    assert_eq!(read(&disk, 3, 5), Some(vec![4, 5]));
    assert_eq!(read(&disk, 2, 7), None);
}

/// The log goes on while a range of it is read.
#[test]
fn a_log_may_grow_meanwhile() {
    let disk = disk_with_logs(&[]);
    let (mut journal, _) = Journal::open(disk.clone(), settings()).expect("valid");
    let mut append = |zxid| {
        journal
            .append([(zxid, entry(zxid, 40, 1))])
            .expect("no fault");
        journal.sync().expect("no fault");
    };
    (1..=5).for_each(&mut append);
    let range = read_range(&disk, &unlimited(), 1, 5, 50).expect("readable");
    let mut given = Vec::new();
    for (batch, zxid) in range.expect("it is there").zip(6..) {
        append(zxid);
        given.extend(batch.expect("it was checked").iter().map(|r| r.zxid));
    }
    assert_eq!(given, [2, 3, 4, 5]);
}
