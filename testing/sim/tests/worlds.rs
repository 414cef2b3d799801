//! A few worlds for every change; `cargo xtask simulate` runs as many as there is time for.

use std::collections::BTreeSet;

use lockkeeper_sim::campaign::{campaign, run_caught};
use lockkeeper_sim::run;

const SEEDS: u64 = 10;

#[test]
fn t52_nothing_promised_breaks_in_a_few_worlds() {
    let report = campaign(0, SEEDS, 1, 1);
    assert_eq!(report.failures, []);
    assert_eq!(report.seeds, SEEDS);
    assert!(
        report.void * 4 < SEEDS,
        "{} worlds did nothing",
        report.void
    );
    assert!(
        report.checked > 100 * SEEDS,
        "{} things checked",
        report.checked
    );
    for what in [
        "session resumed",
        "expiry",
        "event",
        "lock held",
        "snapshot",
    ] {
        assert!(
            report.reach.contains_key(what),
            "{what} was never reached: {report:?}"
        );
    }
}

/// Seeds that once broke a promise, of the members, the clients or the world itself.
#[test]
fn t55_seeds_that_failed_before() {
    for seed in [35, 71, 111, 203, 254, 305, 501, 573] {
        let outcome = run_caught(seed, &BTreeSet::new(), false);
        assert_eq!(outcome.violations, [], "seed {seed}");
    }
}

#[test]
fn t53_a_seed_is_one_world() {
    let none = BTreeSet::new();
    for seed in [3, 1 << 40] {
        let (first, second) = (run(seed, &none, false), run(seed, &none, false));
        assert_eq!(first.hash, second.hash);
        assert_eq!(first.operations, second.operations);
    }
    assert_ne!(run(3, &none, false).hash, run(4, &none, false).hash);
}

#[test]
fn t54_a_fault_that_is_left_out_leaves_the_others() {
    let none = BTreeSet::new();
    let whole = run(5, &none, false);
    let left_out = *whole.faults.last().expect("this world has faults");
    let without = run(5, &BTreeSet::from([left_out]), false);
    let expected: Vec<_> = whole
        .faults
        .into_iter()
        .filter(|fault| *fault != left_out)
        .collect();
    assert_eq!(without.faults, expected);
}
