//! Epochs and votes of a member, from the public face.

mod common;

use common::{disk_with_log, entry, recover, snapshot};
use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{Epochs, Journal, JournalError, Settings};

const ACCEPTED: &str = "/data/version-2/acceptedEpoch";
const CURRENT: &str = "/data/version-2/currentEpoch";
const INITIALIZE: &str = "/data/initialize";

fn settings() -> Settings {
    Settings {
        member: true,
        ..common::settings()
    }
}

fn zxid(epoch: i64, counter: i64) -> i64 {
    (epoch << 32) + counter
}

fn epochs(accepted: i64, current: i64) -> Epochs {
    Epochs { accepted, current }
}

/// Starts as a server does, which has a snapshot before it goes on.
fn start(disk: &SimDisk, settings: &Settings) -> Result<(Journal<SimDisk>, Epochs), JournalError> {
    let (mut journal, image, records) = recover(disk, settings)?;
    if image.is_none() {
        snapshot(disk, settings, 0, b"empty");
    }
    let base = image.map_or(0, |(zxid, _)| zxid);
    let last = records.last().map_or(base, |record| record.zxid);
    journal.resume_after(last);
    let epochs = journal.read_epochs(last)?;
    Ok((journal, epochs))
}

fn votes(disk: &SimDisk, settings: &Settings) -> bool {
    start(disk, settings).expect("valid").0.votes()
}

/// A member that has joined epoch 1 and logged a transaction in it.
fn member(settings: &Settings) -> SimDisk {
    let disk = SimDisk::new();
    let (mut journal, _) = start(&disk, settings).expect("a new directory");
    assert!(journal.votes(), "a new member");
    journal.write_accepted(1).expect("no fault");
    journal.write_current(1).expect("no fault");
    journal
        .append([(zxid(1, 1), entry(zxid(1, 1), 40, 1))])
        .expect("no fault");
    journal.sync().expect("no fault");
    disk
}

/// What is left when the files that `gone` tells are gone.
fn without(disk: &SimDisk, gone: impl Fn(&str) -> bool) -> SimDisk {
    let left = SimDisk::new();
    for file in disk.files() {
        let name = file.to_str().expect("a plain name");
        if !gone(name) {
            left.put(&file, disk.get(&file).expect("it is listed"));
        }
    }
    left
}

fn text(disk: &SimDisk, file: &str) -> String {
    String::from_utf8(disk.get(file).expect("it is there")).expect("digits")
}

#[test]
fn a_standalone_directory_becomes_that_of_a_member() {
    for (last, epoch) in [(3, 0), (zxid(7, 2), 7)] {
        let disk = disk_with_log(&common::settings(), []);
        let (mut journal, ..) = recover(&disk, &common::settings()).expect("valid");
        journal
            .append([(last, entry(last, 40, 1))])
            .expect("the first may be any");
        journal.sync().expect("no fault");
        drop(journal);
        let base = last - 1;
        snapshot(&disk, &common::settings(), base, b"base");
        let (journal, found) = start(&disk, &settings()).expect("valid");
        assert!(journal.votes());
        assert_eq!(found, epochs(epoch, epoch));
        // As Apache writes them: digits and nothing else.
        assert_eq!(text(&disk, ACCEPTED), epoch.to_string());
        assert_eq!(text(&disk, CURRENT), epoch.to_string());
    }
}

#[test]
fn epochs_are_read_as_they_were_written() {
    let disk = SimDisk::new();
    let (mut journal, found) = start(&disk, &settings()).expect("a new directory");
    assert_eq!(found, epochs(0, 0));
    journal.write_accepted(12).expect("no fault");
    drop(journal);
    let (mut journal, found) = start(&disk, &settings()).expect("valid");
    assert_eq!(found, epochs(12, 0));
    journal.write_current(12).expect("no fault");
    drop(journal);
    assert_eq!(text(&disk, CURRENT), "12");
    // With an editor.
    disk.put(ACCEPTED, b"13\n".to_vec());
    assert_eq!(start(&disk, &settings()).expect("valid").1, epochs(13, 12));
}

#[test]
fn a_file_without_an_epoch_is_named() {
    for file in [ACCEPTED, CURRENT] {
        for content in ["", "x", "1 ", "-2", "2147483648"] {
            let disk = member(&settings());
            disk.put(file, content);
            let error = start(&disk, &settings()).expect_err("no epoch");
            assert!(matches!(error, JournalError::EpochFile { .. }), "{error}");
            assert!(error.to_string().contains(file), "{error}");
        }
    }
    // What nobody has finished writing says nothing.
    let disk = member(&settings());
    disk.put(format!("{CURRENT}.tmp"), "");
    assert_eq!(start(&disk, &settings()).expect("valid").1, epochs(1, 1));
}

#[test]
fn more_joined_than_accepted_is_refused_with_both_files() {
    let disk = member(&settings());
    disk.put(CURRENT, b"3".to_vec());
    let error = start(&disk, &settings()).expect_err("never accepted");
    let expected = JournalError::EpochNotAccepted {
        accepted_file: ACCEPTED.into(),
        accepted: 1,
        current_file: CURRENT.into(),
        current: 3,
    };
    assert_eq!(error.to_string(), expected.to_string());
    for part in [ACCEPTED, CURRENT, "synchronize from the ensemble"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn more_logged_than_accepted_is_refused_with_both_files() {
    let disk = member(&settings());
    disk.put(ACCEPTED, b"0".to_vec());
    disk.put(CURRENT, b"0".to_vec());
    let error = start(&disk, &settings()).expect_err("never accepted");
    assert!(
        matches!(
            error,
            JournalError::EpochBehind {
                current: 0,
                logged: 1,
                ..
            }
        ),
        "{error}"
    );
    for part in [ACCEPTED, CURRENT, "synchronize from the ensemble"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// The history of the epoch was durable, and the crash came before its number was.
#[test]
fn zookeeper_4643_history_before_the_current_epoch_is_recovered() {
    let disk = member(&settings());
    disk.put(CURRENT, b"0".to_vec());
    assert_eq!(start(&disk, &settings()).expect("valid").1, epochs(1, 1));
    assert_eq!(text(&disk, CURRENT), "1");
}

#[test]
fn zookeeper_4269_an_epoch_that_was_not_renamed_is_taken_over() {
    let disk = without(&member(&settings()), |file| file == ACCEPTED);
    disk.put(CURRENT, b"0".to_vec());
    let error = start(&disk, &settings()).expect_err("no witness");
    assert!(matches!(error, JournalError::EpochBehind { .. }), "{error}");
    disk.put(format!("{CURRENT}.tmp"), "1");
    assert_eq!(start(&disk, &settings()).expect("valid").1, epochs(1, 1));
}

/// Apache's member without a database writes -1, and cannot start with one any more.
#[test]
fn the_epochs_of_an_apache_member_that_waited_are_none() {
    let disk = SimDisk::new();
    disk.put(ACCEPTED, b"-1".to_vec());
    disk.put(CURRENT, b"-1".to_vec());
    let waiting = Settings {
        db_autocreate: false,
        ..settings()
    };
    let (journal, found) = start(&disk, &waiting).expect("valid");
    assert!(!journal.votes());
    assert_eq!(found, epochs(0, 0));
    assert_eq!(text(&disk, CURRENT), "0");
    drop(journal);
    disk.put(INITIALIZE, []);
    assert!(votes(&disk, &waiting));
}

#[test]
fn a_new_member_waits_to_be_told_when_nothing_is_created_by_itself() {
    let waiting = Settings {
        db_autocreate: false,
        log_dir: "/log".into(),
        ..settings()
    };
    let disk = SimDisk::new();
    assert!(!votes(&disk, &waiting));
    // It has a snapshot now, but it still is what it was.
    assert!(!votes(&disk, &waiting));
    disk.put("/log/initialize", []);
    assert!(votes(&disk, &waiting));
    assert_eq!(disk.get("/log/initialize"), None);
    assert!(votes(&disk, &waiting));
}

#[test]
fn a_member_that_was_emptied_does_not_vote_until_it_is_synchronized() {
    type Gone = fn(&str) -> bool;
    let cleared: [(&str, Gone); 4] = [
        ("the directory", |file| file.starts_with("/data/version-2")),
        ("what a shell's * is", |file| !file.contains("/.")),
        ("data", |file| {
            file.contains("/log.") || file.contains("/snapshot.")
        }),
        ("all but epochs", |file| !file.ends_with("Epoch")),
    ];
    for (what, gone) in cleared {
        let disk = without(&member(&settings()), gone);
        let (mut journal, found) = start(&disk, &settings()).expect("valid");
        assert!(!journal.votes(), "without {what}");
        journal
            .write_accepted(found.accepted.max(2))
            .expect("no fault");
        journal
            .append([(zxid(2, 1), entry(zxid(2, 1), 40, 1))])
            .expect("no fault");
        journal.sync().expect("no fault");
        assert!(!journal.votes(), "history, but not all of it");
        drop(journal);
        let (mut journal, found) = start(&disk, &settings()).expect("valid");
        assert!(!journal.votes(), "without {what}, and started again");
        journal.write_current(found.accepted).expect("no fault");
        assert!(journal.votes());
        drop(journal);
        assert!(votes(&disk, &settings()));
    }
}

#[test]
fn a_member_that_lost_the_device_of_its_log_does_not_vote() {
    let settings = Settings {
        log_dir: "/log".into(),
        ..settings()
    };
    let whole = member(&settings);
    assert!(votes(&whole, &settings));
    let disk = without(&whole, |file| file.starts_with("/log"));
    assert!(!votes(&disk, &settings));
    disk.put("/log/initialize", []);
    assert!(votes(&disk, &settings), "the operator knows better");
    assert!(votes(&disk, &settings));
}

#[test]
fn a_directory_of_apache_votes_and_is_remembered_from_then_on() {
    let apache = |file: &str| file.contains("lockkeeper");
    let disk = without(&member(&settings()), apache);
    assert!(votes(&disk, &settings()));
    let emptied = without(&disk, |file| file.starts_with("/data/version-2"));
    assert!(!votes(&emptied, &settings()));

    // An ensemble in which nobody ever wrote anything.
    let disk = SimDisk::new();
    snapshot(&disk, &settings(), 0, b"empty");
    disk.put(ACCEPTED, b"1".to_vec());
    disk.put(CURRENT, b"1".to_vec());
    let (journal, found) = start(&disk, &settings()).expect("valid");
    assert!(journal.votes());
    assert_eq!(found, epochs(1, 1));
}

#[test]
fn a_member_that_never_promised_anything_may_be_emptied() {
    let disk = SimDisk::new();
    assert!(votes(&disk, &settings()));
    let emptied = without(&disk, |file| file.starts_with("/data/version-2"));
    assert!(votes(&emptied, &settings()));
}

/// Whatever the moment: until the current epoch is written, an emptied member stays one.
#[test]
fn no_crash_makes_an_emptied_member_vote() {
    let emptied = without(&member(&settings()), |file| {
        file.starts_with("/data/version-2")
    });
    let synchronize = |disk: &SimDisk| -> Result<(), JournalError> {
        let (mut journal, mut recovered) = Journal::open(disk.clone(), settings())?;
        let mut image = |target: &mut dyn std::io::Write| target.write_all(&common::IMAGE_END);
        let last = match recovered.next_snapshot()? {
            Some(snapshot) => snapshot.zxid(),
            None => {
                lockkeeper_journal::write_snapshot(disk, &settings(), 0, None, &mut image)?;
                0
            }
        };
        journal.resume_after(last);
        journal.read_epochs(last)?;
        assert!(!journal.votes());
        journal.write_accepted(2)?;
        journal.install(zxid(1, 9), &mut image)?;
        journal.write_current(2)
    };
    let (mut cuts, mut joined) = (0, 0);
    for at in 0.. {
        let disk = emptied.fork();
        disk.set_fault(Some(Fault::CrashAt(at)));
        let result = synchronize(&disk);
        for image in disk.images(at as u64, 100) {
            let (journal, found) = start(&image, &settings()).expect("a crash is not damage");
            if journal.votes() {
                assert_eq!(found, epochs(2, 2), "at {at}");
                joined += 1;
            }
            cuts += 1;
        }
        if result.is_ok() {
            break;
        }
    }
    assert!(cuts > 50 && joined > 0, "{cuts} {joined}");
}

#[test]
#[should_panic(expected = "1 after Epochs { accepted: 2, current: 0 }")]
fn an_accepted_epoch_that_falls_is_a_bug() {
    let (mut journal, _) = start(&SimDisk::new(), &settings()).expect("a new directory");
    journal.write_accepted(2).expect("no fault");
    let _ = journal.write_accepted(1);
}

#[test]
#[should_panic(expected = "2 after Epochs { accepted: 1, current: 0 }")]
fn an_epoch_that_is_joined_before_it_is_accepted_is_a_bug() {
    let (mut journal, _) = start(&SimDisk::new(), &settings()).expect("a new directory");
    journal.write_accepted(1).expect("no fault");
    let _ = journal.write_current(2);
}
