//! Power cuts at every operation of short workloads of a server that appends, rolls, takes
//! snapshots and removes old files, and every disk they could leave; see `common/model.rs`.

mod common;

use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{Disk, DiskFile, JournalError, Settings, retain};

use common::model::{ALL, Append, Model, Retain, Roll, Snapshot, Step, Sync, Truncate, crash_new};

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
