//! Power cuts at every operation of short workloads, and every disk they could leave.
//!
//! The model knows what was appended and what was acknowledged. After each cut, each image must
//! recover to at least what was acknowledged, at most what was appended, with the right bytes and
//! no gap, and never be refused. What recovery returned counts as acknowledged from then on; the
//! workload goes on from there and is cut again.

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};

use bytes::Bytes;
use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{
    Disk, DiskFile, Journal, JournalError, Recovered, Settings, retain, write_snapshot,
};

use common::{IMAGE_END, entry};

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// Entries of these lengths in one batch.
    Append(&'a [usize]),
    Sync,
    Roll,
    Snapshot,
    Retain,
    Truncate(i64),
}

use Step::{Append, Retain, Roll, Snapshot, Sync, Truncate};

#[derive(Clone, Debug, Default)]
struct Model {
    appended: BTreeMap<i64, Bytes>,
    acknowledged: i64,
    generation: u8,
}

impl Model {
    fn last(&self) -> i64 {
        self.appended.last_key_value().map_or(0, |(&zxid, _)| zxid)
    }

    /// What an image of the tree at `zxid` holds: something that any other history changes.
    fn image(&self, zxid: i64) -> Vec<u8> {
        let entries = self
            .appended
            .range(..=zxid)
            .flat_map(|(_, entry)| entry.to_vec());
        entries.fold(Vec::from([1u8; 16]), |mut sum, byte| {
            let index = usize::from(byte) % 16;
            sum[index] = sum[index].wrapping_mul(31).wrapping_add(byte);
            sum.rotate_left(1);
            sum
        })
    }

    /// Recovers `disk` and holds what comes back against what is promised.
    fn recover(
        &mut self,
        disk: &SimDisk,
        settings: &Settings,
    ) -> Result<Journal<SimDisk>, JournalError> {
        let (mut journal, mut recovered) = Journal::open(disk.clone(), settings.clone())?;
        let last = self.load(&mut recovered)?;
        journal.resume_after(last);
        let acknowledged = self.acknowledged;
        assert!(
            last >= acknowledged,
            "{acknowledged} was acknowledged, {last} recovered"
        );
        self.appended.retain(|&zxid, _| zxid <= last);
        self.acknowledged = last;
        self.generation += 2;
        Ok(journal)
    }

    /// Loads every snapshot and what follows it; returns the last zxid, the same for all.
    fn load(&self, recovered: &mut Recovered<SimDisk>) -> Result<i64, JournalError> {
        let mut reached = None;
        // The first snapshot is the one to use, but each one there must do.
        loop {
            let snapshot = match recovered.next_snapshot() {
                Err(JournalError::NoSnapshot { .. }) if reached.is_some() => break,
                other => other?,
            };
            let mut last = 0;
            if let Some(snapshot) = &snapshot {
                last = snapshot.zxid();
                let mut image = Vec::new();
                snapshot
                    .image()?
                    .read_to_end(&mut image)
                    .expect("it was verified");
                image.truncate(image.len() - IMAGE_END.len());
                assert_eq!(image, self.image(last), "image at {last}");
            }
            for record in recovered.records() {
                let record = record?;
                last += 1;
                assert_eq!(record.zxid, last);
                assert_eq!(
                    self.appended.get(&last),
                    Some(&record.entry),
                    "entry of {last}"
                );
            }
            assert_eq!(*reached.get_or_insert(last), last, "from an older snapshot");
            if snapshot.is_none() {
                break;
            }
        }
        Ok(reached.unwrap_or(0))
    }

    /// Runs until done or until the disk fails.
    fn run(
        &mut self,
        disk: &SimDisk,
        settings: &Settings,
        steps: &[Step<'_>],
    ) -> Result<(), JournalError> {
        let mut journal = self.recover(disk, settings)?;
        if !disk
            .files()
            .iter()
            .any(|path| path.to_string_lossy().contains("/snapshot."))
        {
            self.snapshot(disk, settings)?;
        }
        for step in steps {
            match step {
                Append(lens) => {
                    let first = self.last() + 1;
                    let batch: Vec<_> = (first..)
                        .zip(*lens)
                        .map(|(zxid, &len)| (zxid, entry(zxid, len, self.generation)))
                        .collect();
                    self.appended.extend(batch.iter().cloned());
                    journal.append(batch)?;
                }
                Sync => {
                    journal.sync()?;
                    self.acknowledged = self.last();
                }
                Roll => {
                    journal.roll()?;
                    self.acknowledged = self.last();
                }
                Snapshot => self.snapshot(disk, settings)?,
                Truncate(zxid) => {
                    // Halfway through, either history may be found, and neither is promised.
                    self.acknowledged = *zxid;
                    let mut left = journal.truncate(*zxid)?;
                    self.appended.retain(|appended, _| appended <= zxid);
                    assert_eq!(self.load(&mut left)?, *zxid);
                    self.generation += 2;
                }
                Retain => drop(retain(disk, settings, 3)?),
            }
        }
        Ok(())
    }

    /// As a server does it: only of what is durable.
    fn snapshot(&self, disk: &SimDisk, settings: &Settings) -> Result<(), JournalError> {
        let zxid = self.acknowledged;
        let mut image = |target: &mut dyn Write| {
            target.write_all(&self.image(zxid))?;
            target.write_all(&IMAGE_END)
        };
        write_snapshot(disk, settings, zxid, None, &mut image).map(drop)
    }
}

/// Cuts the power at each operation of `steps` and recovers the images; at most `widths[0]` of
/// them, and from each of those again with the other widths. Returns how many recovered.
fn crash(
    disk: &SimDisk,
    model: &Model,
    settings: &Settings,
    steps: &[Step<'_>],
    widths: &[usize],
    seed: u64,
) -> usize {
    let [width, deeper @ ..] = widths else {
        return 0;
    };
    let mut recovered = 0;
    for at in 0.. {
        let origin = copy(disk);
        let mut model = model.clone();
        origin.set_fault(Some(Fault::CrashAt(at)));
        let result = model.run(&origin, settings, steps);
        if let Err(error) = &result {
            assert!(matches!(error, JournalError::Io { .. }), "at {at}: {error}");
        }
        let images = origin.images(seed + at as u64, 200);
        let stride = images.len().div_ceil(*width);
        for (index, image) in images.iter().enumerate().step_by(stride) {
            let before = copy(image);
            if let Err(error) = model.clone().recover(image, settings) {
                panic!("seed {seed} at {at} image {index}: refused: {error}");
            }
            recovered += 1 + crash(&before, &model, settings, steps, deeper, seed + 1);
        }
        if result.is_ok() {
            return recovered;
        }
    }
    unreachable!("the workload ends")
}

fn copy(disk: &SimDisk) -> SimDisk {
    disk.images(0, 1).swap_remove(0)
}

fn crash_new(settings: &Settings, steps: &[Step<'_>], widths: &[usize]) -> usize {
    crash(
        &SimDisk::new(),
        &Model::default(),
        settings,
        steps,
        widths,
        1,
    )
}

const ALL: usize = usize::MAX;

#[test]
fn batches_survive_when_synced_and_are_a_prefix_when_not() {
    for preallocate in [0, 4096, 16384] {
        let settings = Settings {
            preallocate,
            ..Settings::new("/data")
        };
        let steps = [
            Append(&[40]),
            Sync,
            Append(&[600, 40, 700, 33]),
            Append(&[1500]),
            Sync,
            Append(&[32, 32]),
            Append(&[470, 80]),
        ];
        assert!(crash_new(&settings, &steps, &[ALL]) > 500);
    }
}

#[test]
fn records_may_lie_across_sectors_in_any_way() {
    for preallocate in [0, 4096] {
        let settings = Settings {
            preallocate,
            ..Settings::new("/data")
        };
        for len in (32..560).step_by(3) {
            let (first, batch) = ([len], [len % 64 + 440, len, 700, 40]);
            let steps = [Append(&first), Sync, Append(&batch)];
            let disk = SimDisk::new();
            let mut model = Model::default();
            model
                .run(&disk, &settings, &steps)
                .expect("no fault is set");
            for image in disk.images(len as u64, 40) {
                model
                    .clone()
                    .recover(&image, &settings)
                    .expect("a crash is not damage");
            }
        }
    }
}

#[test]
fn a_torn_first_record_is_overwritten() {
    let settings = Settings {
        preallocate: 4096,
        ..Settings::new("/data")
    };
    assert!(
        crash_new(
            &settings,
            &[Append(&[2000, 40]), Sync, Append(&[900])],
            &[20, 40]
        ) > 500
    );
}

#[test]
fn rolls_snapshots_and_removal_keep_what_a_start_needs() {
    let settings = Settings {
        preallocate: 4096,
        ..Settings::new("/data")
    };
    let round = [Append(&[600, 40]), Sync, Roll, Snapshot];
    let steps: Vec<Step<'_>> = std::iter::repeat_n(round, 4)
        .flatten()
        .chain([
            Retain,
            Append(&[50]),
            Sync,
            Append(&[1200]),
            Roll,
            Snapshot,
            Retain,
        ])
        .collect();
    assert!(crash_new(&settings, &steps, &[ALL]) > 200);
}

#[test]
fn crashes_after_crashes() {
    for preallocate in [0, 4096] {
        let settings = Settings {
            preallocate,
            ..Settings::new("/data")
        };
        let steps = [
            Append(&[40, 900]),
            Sync,
            Append(&[700, 600]),
            Roll,
            Snapshot,
            Append(&[1100]),
            Sync,
        ];
        assert!(crash_new(&settings, &steps, &[4, 8]) > 1000);
    }
}

#[test]
fn a_truncation_never_leaves_a_hole_nor_brings_back_what_it_cut() {
    let settings = Settings {
        preallocate: 4096,
        ..Settings::new("/data")
    };
    let round = [Append(&[600, 40]), Sync, Roll, Snapshot];
    for zxid in [1, 4, 8] {
        let steps: Vec<Step<'_>> = std::iter::repeat_n(round, 4)
            .flatten()
            .chain([Truncate(zxid), Append(&[500, 50]), Sync, Snapshot])
            .collect();
        assert!(crash_new(&settings, &steps, &[ALL]) > 200);
    }
}

/// A killed process leaves the cache as it is; the power may go after the next one has started.
#[test]
fn a_killed_server_and_then_a_power_cut() {
    let settings = Settings {
        preallocate: 4096,
        ..Settings::new("/data")
    };
    let round = [Append(&[600, 40]), Sync, Append(&[800]), Roll, Snapshot];
    let steps: Vec<Step<'_>> = std::iter::repeat_n(round, 2).flatten().collect();
    for at in 0.. {
        let disk = SimDisk::new();
        let mut model = Model::default();
        disk.set_fault(Some(Fault::CrashAt(at)));
        let done = model.run(&disk, &settings, &steps).is_ok();
        for then in 0..16 {
            let disk = disk.fork();
            let mut model = model.clone();
            disk.set_fault(Some(Fault::CrashAt(then)));
            let steps = [Retain, Append(&[700]), Sync, Append(&[40])];
            let _ = model.run(&disk, &settings, &steps);
            for image in disk.images(at as u64, 20).iter().take(10) {
                model
                    .clone()
                    .recover(image, &settings)
                    .expect("a crash is not damage");
            }
        }
        if done {
            return;
        }
    }
}

/// Apache renames nothing and syncs nothing when it writes a snapshot.
#[test]
fn snapshots_left_to_the_cache_are_synced_before_older_files_go() {
    let settings = Settings {
        preallocate: 4096,
        ..Settings::new("/data")
    };
    let synced = SimDisk::new();
    let mut model = Model::default();
    let round = [Append(&[40]), Sync, Roll, Snapshot];
    let steps: Vec<Step<'_>> = std::iter::repeat_n(round, 4).flatten().collect();
    model
        .run(&synced, &settings, &steps)
        .expect("no fault is set");
    for at in 0..20 {
        let disk = SimDisk::new();
        for path in synced.files() {
            let bytes = synced.get(&path).expect("it is listed");
            if path.ends_with("snapshot.0") || path.to_string_lossy().contains("/log.") {
                disk.put(path, bytes);
            } else {
                let mut file = disk.create(&path).expect("no fault is set");
                file.write_at(0, &bytes).expect("no fault is set");
            }
        }
        disk.set_fault(Some(Fault::CrashAt(at)));
        let _ = retain(&disk, &settings, 3);
        for image in disk.images(at as u64, 200) {
            model
                .clone()
                .recover(&image, &settings)
                .expect("a crash is not damage");
        }
    }
}

/// Apache never syncs a directory, and a killed server may not have synced its log.
#[test]
fn what_was_replayed_is_durable() {
    let settings = common::settings();
    let synced = common::disk_with_log(&settings, 1..=3);
    let disk = SimDisk::new();
    for path in synced.files() {
        let bytes = synced.get(&path).expect("it is listed");
        if path.ends_with("log.1") {
            let mut file = disk.create(&path).expect("no fault is set");
            file.write_at(0, &bytes).expect("no fault is set");
        } else {
            disk.put(path, bytes);
        }
    }
    let (_, _, records) = common::recover(&disk, &settings).expect("valid");
    assert_eq!(records.len(), 3);
    for image in disk.images(1, 200) {
        let (_, _, again) = common::recover(&image, &settings).expect("valid");
        assert_eq!(again, records);
    }
}

#[test]
fn two_directories() {
    let settings = Settings {
        log_dir: "/log".into(),
        preallocate: 4096,
        ..Settings::new("/data")
    };
    let steps = [
        Append(&[40, 900]),
        Sync,
        Roll,
        Snapshot,
        Append(&[1100]),
        Sync,
        Retain,
    ];
    assert!(crash_new(&settings, &steps, &[ALL]) > 50);
}

#[test]
fn a_failed_operation_loses_nothing_acknowledged() {
    let settings = Settings {
        preallocate: 4096,
        ..Settings::new("/data")
    };
    let steps = [
        Append(&[40, 900]),
        Sync,
        Append(&[700]),
        Roll,
        Snapshot,
        Append(&[1100]),
        Sync,
    ];
    for at in 0..40 {
        let disk = SimDisk::new();
        disk.set_fault(Some(Fault::FailAt(at)));
        let mut model = Model::default();
        let result = model.run(&disk, &settings, &steps);
        for image in disk.images(at as u64, 100) {
            model.clone().recover(&image, &settings).expect("at {at}");
        }
        // The process may also just start again.
        disk.set_fault(None);
        model
            .recover(&disk, &settings)
            .expect("nothing is wrong any more");
        if result.is_ok() {
            return;
        }
    }
    panic!("the workload has fewer operations");
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let settings = Settings {
        preallocate: 4096,
        ..Settings::new("/data")
    };
    let steps = [
        Append(&[40, 900]),
        Sync,
        Append(&[3000]),
        Sync,
        Roll,
        Snapshot,
        Append(&[5000]),
        Sync,
    ];
    for capacity in (0..40_000).step_by(500) {
        let disk = SimDisk::new();
        disk.set_fault(Some(Fault::Capacity(capacity)));
        let mut model = Model::default();
        let result = model.run(&disk, &settings, &steps);
        assert!(matches!(result, Ok(()) | Err(JournalError::Io { .. })));
        disk.set_fault(None);
        model
            .run(&disk, &settings, &steps)
            .expect("there is space again");
    }
}
