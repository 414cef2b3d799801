//! Truncations and installed images, one rule each; power cuts are in `crash_member.rs`.

mod common;

use std::io::{self, Write};

use common::{IMAGE_END, disk_with_log, entry, recover, settings, snapshot, zxids};
use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{Journal, JournalError, read_range};

fn zxid(epoch: i64, counter: i64) -> i64 {
    (epoch << 32) + counter
}

fn image(target: &mut dyn Write) -> io::Result<()> {
    target.write_all(b"leader")?;
    target.write_all(&IMAGE_END)
}

fn append(journal: &mut Journal<SimDisk>, zxids: impl IntoIterator<Item = i64>) {
    journal
        .append(zxids.into_iter().map(|zxid| (zxid, entry(zxid, 40, 9))))
        .expect("no fault");
    journal.sync().expect("no fault");
}

/// Zxid of the image and of what follows it.
fn content(disk: &SimDisk) -> (i64, Vec<i64>) {
    let (_, image, records) = recover(disk, &settings()).expect("valid");
    (image.expect("there is one").0, zxids(&records))
}

#[test]
fn zookeeper_2832_a_tail_above_the_image_does_not_come_back() {
    let disk = disk_with_log(&settings(), 1..=9);
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.resume_after(9);
    journal.install(6, &mut image).expect("no fault");
    assert_eq!(journal.zxid_last(), Some(6));
    drop(journal);
    assert_eq!(content(&disk), (6, vec![]));
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.resume_after(6);
    append(&mut journal, [7, 8]);
    drop(journal);
    let (_, _, records) = recover(&disk, &settings()).expect("valid");
    let expected = [7, 8].map(|zxid| entry(zxid, 40, 9));
    assert_eq!(
        records.iter().map(|r| &r.entry).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
}

/// Logs of another history below an image would be served to learners, and replayed by a start
/// from an older snapshot.
#[test]
fn ensemble_protocol_l3_an_image_leaves_no_older_history() {
    let disk = disk_with_log(&settings(), 1..=3);
    snapshot(&disk, &settings(), 2, b"own");
    snapshot(&disk, &settings(), 3, b"own");
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.resume_after(3);
    append(&mut journal, [4, 5]);
    journal.install(zxid(1, 7), &mut image).expect("no fault");
    append(&mut journal, [zxid(1, 8)]);
    drop(journal);
    let names: Vec<_> = disk.files();
    let names = names.iter().filter_map(|path| path.file_name()?.to_str());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["log.100000008", "snapshot.100000007"]
    );
    let unlimited = lockkeeper_journal::Settings {
        snapshot_size_factor: 0.0,
        ..settings()
    };
    let range = read_range(&disk, &unlimited, 2, zxid(1, 8), 1000).expect("readable");
    assert!(range.is_none());
    // With the image damaged there is nothing to go back to.
    let file = "/data/version-2/snapshot.100000007";
    let mut bytes = disk.get(file).expect("it was made");
    bytes[18] ^= 1;
    disk.put(file, bytes);
    let refused = recover(&disk, &settings()).map(drop);
    assert!(matches!(refused, Err(JournalError::NoSnapshot { .. })));
}

#[test]
fn zookeeper_3642_half_an_image_changes_nothing() {
    let disk = disk_with_log(&settings(), 1..=3);
    let before = disk.files();
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.resume_after(3);
    let mut half = |target: &mut dyn Write| {
        target.write_all(b"lea")?;
        Err(io::ErrorKind::ConnectionReset.into())
    };
    let error = journal.install(9, &mut half).expect_err("it broke off");
    assert!(error.to_string().contains("snapshot.9"), "{error}");
    assert!(matches!(journal.sync(), Err(JournalError::Poisoned)));
    drop(journal);
    assert_eq!(disk.files(), before);
    assert_eq!(content(&disk), (0, vec![1, 2, 3]));
}

/// The crash came right behind the rename; see `install.rs` of the crate for the order.
#[test]
fn an_installation_goes_on_at_the_next_start() {
    let disk = disk_with_log(&settings(), 1..=9);
    snapshot(&disk, &settings(), 8, b"own");
    snapshot(&disk, &settings(), 6, b"leader");
    disk.put("/data/version-2/.install.6", []);
    assert_eq!(content(&disk), (6, vec![]));
    assert_eq!(disk.get("/data/version-2/.install.6"), None);
    assert_eq!(disk.get("/data/version-2/snapshot.8"), None);
}

#[test]
fn an_installation_that_had_not_decided_is_forgotten() {
    let disk = disk_with_log(&settings(), 1..=9);
    snapshot(&disk, &settings(), 6, b"own");
    disk.put("/data/version-2/.install.6", []);
    disk.put("/data/version-2/.snapshot.6.tmp", b"leader".to_vec());
    assert_eq!(content(&disk), (6, vec![7, 8, 9]));
    assert_eq!(disk.get("/data/version-2/.install.6"), None);
    assert_eq!(disk.get("/data/version-2/.snapshot.6.tmp"), None);
}

#[test]
fn disk_formats_d1_a_cut_takes_the_snapshots_above_it_along() {
    let disk = disk_with_log(&settings(), 1..=5);
    snapshot(&disk, &settings(), 5, b"too new");
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.truncate(4).expect("it is there");
    drop(journal);
    assert_eq!(content(&disk), (0, vec![1, 2, 3, 4]));
}

#[test]
fn zookeeper_1154_1156_the_cut_is_right_behind_the_record_or_nowhere() {
    let epochs = [1, 2, zxid(1, 1), zxid(1, 2), zxid(3, 1)];
    for (index, cut) in epochs.iter().enumerate() {
        let disk = disk_with_log(&settings(), epochs);
        let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
        journal.truncate(*cut).expect("it is there");
        drop(journal);
        assert_eq!(content(&disk), (0, epochs[..=index].to_vec()));
    }
    for cut in [3, zxid(1, 0), zxid(1, 3), zxid(2, 0), zxid(3, 2)] {
        let disk = disk_with_log(&settings(), epochs);
        let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
        let error = journal.truncate(cut).expect_err("nobody was there");
        assert!(matches!(error, JournalError::CannotTruncate { .. }));
        drop(journal);
        assert_eq!(content(&disk), (0, epochs.to_vec()));
    }
}

/// A leader that has nothing but what it gave as an image takes back what came after.
#[test]
fn a_log_that_begins_behind_an_image_can_be_cut_back_to_it() {
    let disk = disk_with_log(&settings(), 1..=3);
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.resume_after(3);
    journal.install(zxid(1, 7), &mut image).expect("no fault");
    append(&mut journal, [zxid(1, 8), zxid(1, 9)]);
    journal.truncate(zxid(1, 7)).expect("the image is of then");
    append(&mut journal, [zxid(2, 1)]);
    drop(journal);
    assert_eq!(content(&disk), (zxid(1, 7), vec![zxid(2, 1)]));
}

#[test]
fn a_cut_at_the_end_copies_nothing() {
    let disk = disk_with_log(&settings(), 1..=3);
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    let before = disk.get("/data/version-2/log.1");
    disk.set_fault(None);
    journal.truncate(3).expect("it is the end");
    assert_eq!(disk.operations(), 1, "the sync of a directory");
    assert_eq!(disk.get("/data/version-2/log.1"), before);
}

/// After an interrupted cut only what is on disk counts, and nothing is appended behind a hole.
#[test]
fn zookeeper_5094_an_interrupted_cut_poisons_and_the_disk_tells() {
    let disk = disk_with_log(&settings(), 1..=3);
    let (mut journal, ..) = recover(&disk, &settings()).expect("valid");
    journal.resume_after(3);
    append(&mut journal, [4, 5]);
    // The directory of the snapshots, then the newer log is removed, and then it fails.
    disk.set_fault(Some(Fault::FailAt(3)));
    journal.truncate(2).expect_err("a fault");
    let next = journal.append([(3, entry(3, 40, 9))]);
    assert!(matches!(next, Err(JournalError::Poisoned)));
    drop(journal);
    disk.set_fault(None);
    assert_eq!(content(&disk), (0, vec![1, 2, 3]));
}
