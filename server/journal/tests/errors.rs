//! Each error from the public face, and that it says which file.

mod common;

use std::error::Error;

use common::{disk_with_log, entry, recover, settings, snapshot, zxids};
use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{Journal, JournalError, Settings};

fn open(disk: &SimDisk, settings: &Settings) -> Result<Journal<SimDisk>, JournalError> {
    Journal::open(disk.clone(), settings.clone()).map(|(journal, _)| journal)
}

#[test]
fn a_second_server_is_locked_out_until_the_first_is_gone() {
    let disk = SimDisk::new();
    let first = open(&disk, &settings()).expect("a new directory");
    let error = open(&disk, &settings()).expect_err("it is held");
    assert!(matches!(&error, JournalError::Locked { .. }));
    assert!(
        error
            .to_string()
            .contains("/data/version-2/.lockkeeper.lock"),
        "{error}"
    );
    drop(first);
    open(&disk, &settings()).expect("it is free");
}

#[test]
fn files_in_the_wrong_directory_are_refused() {
    let settings = Settings {
        log_dir: "/log".into(),
        ..settings()
    };
    for path in ["/data/version-2/log.1", "/log/version-2/snapshot.0"] {
        let disk = SimDisk::new();
        disk.put(path, []);
        let error = open(&disk, &settings).expect_err("misplaced");
        assert!(matches!(&error, JournalError::Misplaced { .. }));
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[test]
fn directories_are_made_only_when_allowed() {
    let settings = Settings {
        autocreate: false,
        ..settings()
    };
    let error = open(&SimDisk::new(), &settings).expect_err("there is none");
    assert!(matches!(&error, JournalError::MissingDirectory { .. }));
    assert!(error.to_string().contains("/data/version-2"), "{error}");
}

#[test]
fn logs_need_a_snapshot_unless_an_empty_tree_is_trusted() {
    let disk = disk_with_log(&settings(), 3..=5);
    disk.put("/data/version-2/snapshot.0", b"cut".to_vec());
    let error = open(&disk, &settings()).expect_err("no snapshot");
    assert!(matches!(error, JournalError::NoSnapshot { .. }));
    let trusting = Settings {
        trust_empty: true,
        ..settings()
    };
    let (_, image, records) = recover(&disk, &trusting).expect("all logs");
    assert_eq!((image, zxids(&records)), (None, vec![3, 4, 5]));
}

#[test]
fn a_directory_with_only_broken_snapshots_is_not_a_new_one() {
    let disk = SimDisk::new();
    disk.put("/data/version-2/snapshot.0", b"cut".to_vec());
    open(&disk, &settings()).expect("nothing was acknowledged before snapshot 0");
    disk.put("/data/version-2/snapshot.7", b"cut".to_vec());
    let error = open(&disk, &settings()).expect_err("seven transactions are gone");
    assert!(matches!(error, JournalError::NoSnapshot { .. }));
}

#[test]
fn entries_out_of_bounds_are_refused_and_nothing_is_written() {
    let settings = Settings {
        entry_len_max: 100,
        ..settings()
    };
    let disk = disk_with_log(&settings, 1..=1);
    let mut journal = open(&disk, &settings).expect("valid");
    for len in [31, 101] {
        let bad = bytes::Bytes::from(vec![0; len]);
        let error = journal
            .append([(2, entry(2, 40, 1)), (3, bad)])
            .expect_err("bad length");
        assert!(matches!(
            error,
            JournalError::EntryLength {
                zxid: 3,
                limit: 100,
                ..
            }
        ));
    }
    assert_eq!(journal.zxid_last(), None);
    journal.append([(2, entry(2, 100, 1))]).expect("it fits");
    journal.sync().expect("no fault");
    drop(journal);
    let (_, _, records) = recover(&disk, &settings).expect("valid");
    assert_eq!(zxids(&records), [1, 2]);
}

#[test]
fn a_log_with_records_is_not_overwritten() {
    let disk = disk_with_log(&settings(), 1..=2);
    let mut journal = open(&disk, &settings()).expect("valid");
    let error = journal
        .append([(1, entry(1, 40, 1))])
        .expect_err("log.1 has records");
    assert!(matches!(error, JournalError::Exists { .. }));
    journal
        .append([(3, entry(3, 40, 1))])
        .expect("the journal is usable");
}

#[test]
fn a_log_is_cut_only_where_somebody_was() {
    let disk = disk_with_log(&settings(), 3..=5);
    disk.put(
        "/data/version-2/snapshot.2",
        disk.get("/data/version-2/snapshot.0").expect("made"),
    );
    let files = disk.files();
    let mut journal = open(&disk, &settings()).expect("valid");
    for zxid in [1, 6] {
        let error = journal.truncate(zxid).expect_err("not in the log");
        assert!(matches!(error, JournalError::CannotTruncate { .. }));
        assert_eq!(disk.files(), files);
    }
    journal.truncate(4).expect("it is there");
    assert_eq!(journal.zxid_last(), Some(4));
    journal
        .append([(5, entry(5, 40, 9))])
        .expect("the journal is usable");
    drop(journal);
    let (_, _, records) = recover(&disk, &settings()).expect("valid");
    assert_eq!(zxids(&records), [3, 4, 5]);
    assert_eq!(records[2].entry, entry(5, 40, 9));

    let disk = disk_with_log(&settings(), 1..=5);
    let mut journal = open(&disk, &settings()).expect("valid");
    snapshot(&disk, &settings(), 4, b"four");
    disk.put("/data/version-2/snapshot.0", b"cut".to_vec());
    let error = journal.truncate(3).expect_err("nothing to start from");
    assert!(matches!(error, JournalError::CannotTruncate { .. }));
}

#[test]
fn a_failed_write_or_sync_poisons_for_good() {
    // Create, write, sync, sync of the directory, write, sync.
    for at in 0..6 {
        let disk = disk_with_log(&settings(), 1..=2);
        let mut journal = open(&disk, &settings()).expect("valid");
        disk.set_fault(Some(Fault::FailAt(at)));
        let both = journal
            .append([(3, entry(3, 40, 1))])
            .and_then(|()| journal.sync());
        let error = both.expect_err("one of the two fails");
        assert!(matches!(error, JournalError::Io { .. }), "{error}");
        assert!(error.to_string().contains("/data/version-2"), "{error}");
        let source = error.source().expect("a cause").to_string();
        assert_eq!(source, "injected fault");
        assert!(
            !error.to_string().contains(&source),
            "the cause is printed once"
        );
        assert!(matches!(journal.sync(), Err(JournalError::Poisoned)));
        assert!(matches!(
            journal.append([(4, entry(4, 40, 1))]),
            Err(JournalError::Poisoned)
        ));
        assert!(matches!(journal.roll(), Err(JournalError::Poisoned)));
    }
}

#[test]
fn a_failed_snapshot_leaves_the_journal_and_older_snapshots_alone() {
    for at in 0..4 {
        let disk = disk_with_log(&settings(), 1..=2);
        let mut journal = open(&disk, &settings()).expect("valid");
        disk.set_fault(Some(Fault::FailAt(at)));
        let written = lockkeeper_journal::write_snapshot(&disk, &settings(), 2, None, &mut |t| {
            t.write_all(&common::IMAGE_END)
        });
        assert!(matches!(written, Err(JournalError::Io { .. })));
        journal
            .append([(3, entry(3, 40, 1))])
            .expect("another file");
        journal.sync().expect("another file");
        drop(journal);
        let (_, image, records) = recover(&disk, &settings()).expect("valid");
        assert_eq!(image.expect("the first one").0, 0);
        assert_eq!(zxids(&records), [1, 2, 3]);
    }
}

#[test]
#[should_panic(expected = "0x2 follows 0x2")]
fn a_zxid_that_does_not_grow_is_a_bug() {
    let mut journal = open(&SimDisk::new(), &settings()).expect("a new directory");
    let _ = journal.append([(2, entry(2, 40, 1)), (2, entry(2, 40, 1))]);
}

#[test]
#[should_panic(expected = "0x9 follows 0x7")]
fn a_gap_inside_an_epoch_is_a_bug() {
    let mut journal = open(&SimDisk::new(), &settings()).expect("a new directory");
    journal.resume_after(7);
    let _ = journal.append([(9, entry(9, 40, 1))]);
}

#[test]
fn a_later_epoch_and_a_received_snapshot_may_leave_a_gap() {
    let disk = disk_with_log(&settings(), []);
    let mut journal = open(&disk, &settings()).expect("valid");
    let next = (1 << 32) + 1;
    journal
        .append([(1, entry(1, 40, 1)), (next, entry(next, 40, 1))])
        .expect("a later epoch");
    snapshot(&disk, &settings(), next + 10, b"received");
    journal.resume_after(next + 10);
    journal
        .append([(next + 11, entry(next + 11, 40, 1))])
        .expect("it follows the snapshot");
    drop(journal);
    let (_, image, records) = recover(&disk, &settings()).expect("valid");
    assert_eq!(image.map(|(zxid, _)| zxid), Some(next + 10));
    assert_eq!(zxids(&records), [next + 11]);
}

#[test]
fn retention_keeps_three_snapshots_and_the_logs_they_need() {
    let disk = SimDisk::new();
    for zxid in [0, 3, 6, 9, 0xc, 0xf] {
        snapshot(&disk, &settings(), zxid, b"image");
    }
    for zxid in [1, 4, 7, 0xa, 0xd, 0x10] {
        disk.put(format!("/data/version-2/log.{zxid:x}"), b"ZKLG".to_vec());
    }
    disk.put("/data/version-2/snapshot.2.tmp", []);
    disk.put("/data/version-2/snapshot.11", b"cut".to_vec());
    disk.put("/data/version-2/acceptedEpoch", b"1".to_vec());
    // Fewer than three are never kept.
    let removed = lockkeeper_journal::retain(&disk, &settings(), 1).expect("no fault");
    assert_eq!(removed.len(), 6);
    let names: Vec<_> = disk.files();
    let names: Vec<_> = names
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect();
    assert_eq!(
        names,
        [
            "acceptedEpoch",
            "log.10",
            "log.7",
            "log.a",
            "log.d",
            "snapshot.11",
            "snapshot.9",
            "snapshot.c",
            "snapshot.f",
        ]
    );
    let disk = SimDisk::new();
    disk.put("/data/version-2/snapshot.5", b"cut".to_vec());
    disk.put("/data/version-2/log.1", []);
    assert_eq!(
        lockkeeper_journal::retain(&disk, &settings(), 3)
            .expect("no fault")
            .len(),
        0
    );
}
