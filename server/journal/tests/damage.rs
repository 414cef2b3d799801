//! Files that no crash leaves behind, one by one, and what is said about them.
//!
//! The expectations are what Apache ZooKeeper 3.9 does with the same file, except where valid
//! records follow a supposed end.

mod common;

use proptest::prelude::*;

use common::{disk_with_log, entry, recover, settings, snapshot, zxids};
use lockkeeper_journal::testing::SimDisk;
use lockkeeper_journal::{Defect, Journal, JournalError, Settings};

const LOG: &str = "/data/version-2/log.1";
/// Length of a record with an entry of 40 bytes.
const RECORD_LEN: usize = 53;

/// Offset of the n-th record, from 0.
fn offset(n: usize) -> usize {
    16 + n * RECORD_LEN
}

/// What recovery says after `change` was made to a log of zxids 1 to 5.
fn after(change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<i64>, (u64, Defect)> {
    let disk = disk_with_log(&settings(), 1..=5);
    let mut log = disk.get(LOG).expect("it was made");
    change(&mut log);
    disk.put(LOG, log);
    outcome(&disk, &settings())
}

fn outcome(disk: &SimDisk, settings: &Settings) -> Result<Vec<i64>, (u64, Defect)> {
    match recover(disk, settings) {
        Ok((_, _, records)) => Ok(zxids(&records)),
        Err(JournalError::Corrupt { file, offset, what }) => {
            assert!(file.starts_with("/data/version-2"));
            Err((offset, what))
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_unchanged_log_is_read_whole() {
    assert_eq!(after(|_| ()), Ok(vec![1, 2, 3, 4, 5]));
}

#[test]
fn a_cut_last_record_ends_the_log() {
    for len in offset(4)..offset(5) {
        assert_eq!(
            after(|log| log.truncate(len)),
            Ok(vec![1, 2, 3, 4]),
            "cut to {len}"
        );
        let zeros = |log: &mut Vec<u8>| log[len..].fill(0);
        assert_eq!(after(zeros), Ok(vec![1, 2, 3, 4]), "zeros from {len}");
    }
}

#[test]
fn a_changed_end_byte_or_length_ends_the_log_only_at_its_end() {
    assert_eq!(after(|log| log[offset(5) - 1] = b'C'), Ok(vec![1, 2, 3, 4]));
    assert_eq!(after(|log| log[offset(4) + 11] = 0), Ok(vec![1, 2, 3, 4]));
    let refused = Err((offset(2) as u64, Defect::EndByte));
    assert_eq!(after(|log| log[offset(3) - 1] = b'C'), refused);
    let refused = Err((offset(2) as u64, Defect::ZeroLength));
    assert_eq!(after(|log| log[offset(2) + 11] = 0), refused);
    // A length that reaches over the records behind it does not hide them.
    let refused = Err((offset(2) as u64, Defect::EndByte));
    assert_eq!(after(|log| log[offset(2) + 10] = 3), refused);
    let refused = Err((offset(2) as u64, Defect::Cut));
    assert_eq!(after(|log| log[offset(2) + 9] = 3), refused);
}

#[test]
fn a_changed_byte_is_refused_even_in_the_last_record() {
    for n in 0..5 {
        let refused = Err((offset(n) as u64, Defect::Checksum));
        assert_eq!(after(|log| log[offset(n) + 20] ^= 1), refused, "record {n}");
        assert_eq!(
            after(|log| log[offset(n) + 7] ^= 1),
            refused,
            "checksum of record {n}"
        );
    }
}

#[test]
fn the_leading_zeros_of_a_record_at_the_end_of_a_sector_are_no_missing_sector() {
    // The second record starts three bytes before the end of the first sector.
    let disk = disk_with_log(&settings(), []);
    let (mut journal, _) = Journal::open(disk.clone(), settings()).expect("valid");
    journal
        .append([(1, entry(1, 512 - 3 - 16 - 13, 1)), (2, entry(2, 40, 1))])
        .expect("no fault");
    drop(journal);
    let mut log = disk.get(LOG).expect("it was made");
    log[509 + 30] ^= 1;
    disk.put(LOG, log);
    assert_eq!(outcome(&disk, &settings()), Err((509, Defect::Checksum)));
}

#[test]
fn an_impossible_length_is_refused() {
    let refused = Err((offset(4) as u64, Defect::Length(-1)));
    assert_eq!(
        after(|log| log[offset(4) + 8..offset(4) + 12].fill(0xff)),
        refused
    );
    let refused = Err((offset(1) as u64, Defect::Length(31)));
    assert_eq!(after(|log| log[offset(1) + 11] = 31), refused);
    let settings = Settings {
        entry_len_max: 39,
        ..settings()
    };
    let disk = disk_with_log(&common::settings(), 1..=1);
    assert_eq!(outcome(&disk, &settings), Err((16, Defect::Length(40))));
}

#[test]
fn headers() {
    assert_eq!(after(|log| log[0] = 0x5b), Err((0, Defect::Magic)));
    assert_eq!(after(|log| log[0] = 0), Err((0, Defect::Magic)));
    assert_eq!(after(|log| log[..512].fill(0)), Ok(vec![]));
    assert_eq!(after(|log| log.truncate(15)), Err((0, Defect::ShortHeader)));
    assert_eq!(after(|log| log.truncate(16)), Ok(vec![]));
    assert_eq!(after(Vec::clear), Ok(vec![]));
    // Only the magic is looked at.
    assert_eq!(after(|log| log[4..16].fill(0xee)), Ok(vec![1, 2, 3, 4, 5]));
}

#[test]
fn an_empty_log_is_removed_when_newest_and_refused_otherwise() {
    let disk = disk_with_log(&settings(), 1..=2);
    disk.put("/data/version-2/log.3", []);
    assert_eq!(outcome(&disk, &settings()), Ok(vec![1, 2]));
    assert_eq!(disk.get("/data/version-2/log.3"), None);
    disk.put("/data/version-2/log.2", []);
    disk.put("/data/version-2/log.3", disk.get(LOG).expect("it was made"));
    assert_eq!(outcome(&disk, &settings()), Err((0, Defect::Empty)));
}

/// Two logs, 1 to 3 and then `second`; the first loses its last record.
fn torn_then(second: &[i64]) -> SimDisk {
    let disk = disk_with_log(&settings(), 1..=3);
    let mut log = disk.get(LOG).expect("it was made");
    log.truncate(offset(3) - 2);
    disk.put(LOG, log);
    let (mut journal, _) = Journal::open(disk.clone(), settings()).expect("nothing is read yet");
    journal
        .append(second.iter().map(|&zxid| (zxid, entry(zxid, 40, 1))))
        .expect("no fault");
    journal.sync().expect("no fault");
    disk
}

#[test]
fn a_torn_older_log_is_accepted_when_the_next_one_goes_on_from_there() {
    let epoch = 1 << 32;
    assert_eq!(
        outcome(&torn_then(&[3, 4]), &settings()),
        Ok(vec![1, 2, 3, 4])
    );
    let disk = torn_then(&[epoch + 1, epoch + 2]);
    assert_eq!(
        outcome(&disk, &settings()),
        Ok(vec![1, 2, epoch + 1, epoch + 2])
    );
    let refused = recover(&torn_then(&[4, 5]), &settings()).map(drop);
    assert!(
        matches!(
            refused,
            Err(JournalError::Hole {
                last: 2,
                found: 4,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn damage_before_the_snapshot_is_not_read() {
    let disk = disk_with_log(&settings(), 1..=3);
    let mut log = disk.get(LOG).expect("it was made");
    log[offset(1) + 20] ^= 1;
    disk.put(LOG, log);
    let (mut journal, _) = Journal::open(disk.clone(), settings()).expect("nothing is read yet");
    journal.append([(4, entry(4, 40, 1))]).expect("no fault");
    journal.sync().expect("no fault");
    drop(journal);
    assert_eq!(
        outcome(&disk, &settings()),
        Err((offset(1) as u64, Defect::Checksum))
    );
    snapshot(&disk, &settings(), 3, b"three");
    assert_eq!(outcome(&disk, &settings()), Ok(vec![4]));
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let disk = disk_with_log(&settings(), 1..=4);
    snapshot(&disk, &settings(), 2, b"two");
    snapshot(&disk, &settings(), 3, b"three");
    let newest = disk.get("/data/version-2/snapshot.3").expect("it was made");
    let mut changed = newest.clone();
    changed[18] ^= 1;
    for bad in [
        changed,
        newest[..newest.len() - 3].to_vec(),
        newest[..20].to_vec(),
        vec![],
    ] {
        disk.put("/data/version-2/snapshot.3", bad);
        let (_, image, records) = recover(&disk, &settings()).expect("there is another");
        assert_eq!(image, Some((2, b"two".to_vec())));
        assert_eq!(zxids(&records), [3, 4]);
    }
    // Without the logs since the older one, going back would lose transactions.
    let mut changed = newest;
    changed[18] ^= 1;
    disk.put("/data/version-2/snapshot.3", changed);
    let other = disk_with_log(&settings(), [4]);
    disk.put(
        LOG,
        other.get("/data/version-2/log.4").expect("it was made"),
    );
    let refused = recover(&disk, &settings()).map(drop);
    assert!(
        matches!(
            refused,
            Err(JournalError::Hole {
                last: 2,
                found: 4,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn the_caller_can_go_on_to_an_older_snapshot() {
    let disk = disk_with_log(&settings(), 1..=4);
    snapshot(&disk, &settings(), 2, b"two");
    let (_journal, mut recovered) = Journal::open(disk, settings()).expect("valid");
    for expected in [2, 0] {
        let snapshot = recovered
            .next_snapshot()
            .expect("valid")
            .expect("there are two");
        assert_eq!(snapshot.zxid(), expected);
        let first = recovered
            .records()
            .next()
            .expect("records follow")
            .expect("valid");
        assert_eq!(first.zxid, expected + 1);
    }
    assert!(matches!(
        recovered.next_snapshot(),
        Err(JournalError::NoSnapshot { .. })
    ));
}

proptest! {
    #[test]
    fn arbitrary_files_never_panic(
        log in proptest::collection::vec(any::<u8>(), 0..2000),
        snapshot in proptest::collection::vec(any::<u8>(), 0..200),
        suffix in proptest::sample::select(vec!["", ".gz", ".snappy"]),
    ) {
        let disk = disk_with_log(&settings(), 1..=2);
        disk.put("/data/version-2/log.3", log.clone());
        disk.put(format!("/data/version-2/snapshot.2{suffix}"), snapshot);
        let _ = recover(&disk, &settings());
        disk.put("/data/version-2/log.3", [&b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0"[..], &log].concat());
        let _ = recover(&disk, &settings());
    }

    /// One changed byte anywhere costs the last record at most; anything else is refused by name.
    #[test]
    fn a_changed_byte_is_found_or_costs_the_last_record(at in 0usize..16 + 5 * RECORD_LEN, to: u8) {
        if let Ok(zxids) = after(|log| log[at] = to) {
            prop_assert!(zxids.len() >= 4, "{zxids:?}");
            prop_assert!(zxids.len() == 5 || at >= offset(4));
        }
    }
}
