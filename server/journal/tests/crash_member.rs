//! Power cuts, failures and full disks under what a leader has a member do: truncations,
//! installed images, epochs, in any mix with the rest; see `common/model.rs`.

mod common;

use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{JournalError, Settings};

use common::model::{
    ALL, Accept, Append, Back, Install, Join, Model, Retain, Roll, Snapshot, Step, Sync, crash_new,
};

fn settings() -> Settings {
    Settings {
        preallocate: 4096,
        member: true,
        ..Settings::new("/data")
    }
}

/// Workloads in which each of the three meets the others, before and after an append.
const MIXES: [&[Step<'static>]; 8] = [
    // A follower's first sync and then a broadcast.
    &[
        Append(&[40]),
        Sync,
        Accept,
        Append(&[600, 40]),
        Sync,
        Join,
        Append(&[40]),
        Sync,
    ],
    // SNAP with a tail that nobody else has.
    &[
        Accept,
        Join,
        Append(&[40, 700, 40]),
        Sync,
        Accept,
        Install(2, 1),
        Join,
        Append(&[600]),
        Sync,
    ],
    // SNAP below the own end, at a transaction of which there is an own snapshot.
    &[
        Append(&[40, 40]),
        Roll,
        Snapshot,
        Append(&[600, 40]),
        Sync,
        Install(2, 0),
        Append(&[40]),
        Sync,
    ],
    // SNAP of nothing at all.
    &[Append(&[40, 40]), Sync, Install(2, 0), Append(&[40]), Sync],
    // SNAP twice, with a snapshot in between and above.
    &[
        Append(&[40]),
        Roll,
        Snapshot,
        Install(0, 3),
        Append(&[40, 40]),
        Roll,
        Snapshot,
        Append(&[900]),
        Sync,
        Install(3, 1),
    ],
    // TRUNC into a log, into one that begins behind an image, and to an image.
    &[
        Append(&[40, 600, 40]),
        Sync,
        Back(1),
        Append(&[40]),
        Sync,
        Install(1, 2),
        Append(&[40, 40]),
        Sync,
        Back(1),
        Accept,
        Append(&[40, 40]),
        Sync,
        Back(9),
    ],
    // TRUNC over an epoch and over snapshots, then SNAP.
    &[
        Append(&[40, 40]),
        Sync,
        Accept,
        Join,
        Append(&[600]),
        Roll,
        Snapshot,
        Append(&[40]),
        Roll,
        Snapshot,
        Back(2),
        Accept,
        Install(1, 2),
        Join,
    ],
    // Old snapshots and logs go, and then everything.
    &[
        Append(&[40]),
        Roll,
        Snapshot,
        Append(&[40]),
        Roll,
        Snapshot,
        Append(&[40]),
        Roll,
        Snapshot,
        Retain,
        Accept,
        Append(&[40]),
        Sync,
        Install(1, 1),
        Join,
    ],
];

#[test]
fn every_cut_leaves_a_state_that_was_promised() {
    for steps in MIXES {
        assert!(crash_new(&settings(), steps, &[ALL]) > 100, "{steps:?}");
    }
}

#[test]
fn cuts_after_cuts() {
    let settings = Settings {
        preallocate: 0,
        ..settings()
    };
    for steps in MIXES {
        assert!(crash_new(&settings, steps, &[2, 3]) > 500, "{steps:?}");
    }
}

#[test]
fn two_directories() {
    let settings = Settings {
        log_dir: "/log".into(),
        ..settings()
    };
    for steps in MIXES {
        assert!(crash_new(&settings, steps, &[ALL]) > 100, "{steps:?}");
    }
}

/// A killed process leaves the cache as it is; the power may go after the next one has started.
#[test]
fn a_killed_member_and_then_a_power_cut() {
    let settings = Settings {
        preallocate: 0,
        ..settings()
    };
    for steps in MIXES {
        for at in 0.. {
            let disk = SimDisk::new();
            let mut model = Model::default();
            disk.set_fault(Some(Fault::CrashAt(at)));
            let done = model.run(&disk, &settings, steps).is_ok();
            for then in 0..12 {
                let disk = disk.fork();
                let mut model = model.clone();
                disk.set_fault(Some(Fault::CrashAt(then)));
                let _ = model.run(&disk, &settings, &[Append(&[700]), Sync]);
                for image in disk.images(at as u64, 20).iter().take(20) {
                    let mut model = model.clone();
                    let recovered = model.recover(image, &settings);
                    recovered.expect("a crash is not damage");
                }
            }
            if done {
                break;
            }
        }
    }
}

#[test]
fn a_failed_operation_poisons_and_loses_nothing() {
    for steps in MIXES {
        for at in 0.. {
            let disk = SimDisk::new();
            disk.set_fault(Some(Fault::FailAt(at)));
            let mut model = Model::default();
            let result = model.run(&disk, &settings(), steps);
            if let Err(error) = &result {
                assert!(matches!(error, JournalError::Io { .. }), "{error}");
            }
            for image in disk.images(at as u64, 40) {
                let mut model = model.clone();
                let recovered = model.recover(&image, &settings());
                recovered.expect("a failure is not damage");
            }
            // The process may also just start again.
            disk.set_fault(None);
            let again = model.run(&disk, &settings(), steps);
            again.expect("nothing is wrong any more");
            if result.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    for steps in MIXES {
        let mut full = 0;
        for capacity in (0..).step_by(97) {
            let disk = SimDisk::new();
            disk.set_fault(Some(Fault::Capacity(capacity)));
            let mut model = Model::default();
            let result = model.run(&disk, &settings(), steps);
            if let Err(error) = &result {
                assert!(error.to_string().contains("/data/version-2/"), "{error}");
                full += 1;
            }
            disk.set_fault(None);
            let again = model.run(&disk, &settings(), steps);
            again.expect("there is space again");
            if result.is_ok() {
                break;
            }
        }
        assert!(full > 40, "{full}");
    }
}
