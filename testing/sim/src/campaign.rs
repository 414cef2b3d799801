//! Many seeds on all cores, and what is left of a seed that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lockkeeper_check::{Rule, Violation};

use crate::core::lock;
use crate::faults::FaultId;
use crate::world::{Outcome, name_of, run};

/// Every so many seeds are run twice.
const TWICE_ONE_IN: u64 = 20;
/// A world with fewer replies says little.
const OPERATIONS_MIN: u64 = 20;
/// Runs spent on making a failure small.
const SHRINK_RUNS_MAX: usize = 150;

/// What a campaign has seen.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// Those of them that did too little to say anything.
    pub void: u64,
    /// Those run twice.
    pub twice: u64,
    /// Simulated time, microseconds.
    pub simulated: u64,
    /// Events.
    pub events: u64,
    /// Replies that reached clients.
    pub operations: u64,
    /// Replies, events and calls that a checker looked at.
    pub checked: u64,
    /// Faults that happened.
    pub faults: u64,
    /// How often each rare thing was reached.
    pub reach: BTreeMap<&'static str, u64>,
    /// Seeds that failed, with what is wrong.
    pub failures: Vec<(u64, Violation)>,
    /// Real time.
    pub took: Duration,
}

/// Runs a seed; a panic in what is simulated is a violation like others.
pub fn run_caught(seed: u64, masked: &BTreeSet<FaultId>, traced: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run(seed, masked, traced))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = format!("panic: {}", text.unwrap_or_default());
        Outcome {
            violations: vec![Violation::new(Rule::V1, text)],
            ..Outcome::default()
        }
    })
}

/// Runs seeds on so many threads until all are done or one has failed more often than `failures_max`.
pub fn campaign(from: u64, seeds: u64, threads: usize, failures_max: usize) -> Report {
    let started = Instant::now();
    let next = AtomicU64::new(from);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while lock(&report).failures.len() < failures_max {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    one(seed, &report);
                }
            });
        }
    });
    let mut report = report
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    report.took = started.elapsed();
    report.failures.sort_by_key(|(seed, _)| *seed);
    report
}

fn one(seed: u64, report: &Mutex<Report>) {
    let none = BTreeSet::new();
    let outcome = run_caught(seed, &none, false);
    let twice = seed.is_multiple_of(TWICE_ONE_IN);
    let differs = twice && run_caught(seed, &none, false).hash != outcome.hash;
    let mut report = lock(report);
    report.seeds += 1;
    report.twice += u64::from(twice);
    report.simulated += outcome.simulated;
    report.events += outcome.events;
    report.operations += outcome.operations;
    report.checked += outcome.checked as u64;
    report.faults += outcome.faults.len() as u64;
    for (what, count) in outcome.reach {
        *report.reach.entry(what).or_default() += count;
    }
    if let Some(violation) = outcome.violations.into_iter().next() {
        report.failures.push((seed, violation));
    } else if differs {
        let text = "two runs of this seed differ".to_owned();
        report.failures.push((seed, Violation::new(Rule::V1, text)));
    } else if outcome.operations < OPERATIONS_MIN {
        report.void += 1;
    }
}

/// The faults that a failing seed can do without, found by leaving out one after the other.
pub fn shrink(seed: u64, rule: Rule) -> BTreeSet<FaultId> {
    let fails = |masked: &BTreeSet<FaultId>| {
        let outcome = run_caught(seed, masked, false);
        let is_it = outcome
            .violations
            .first()
            .is_some_and(|first| first.rule == rule);
        is_it.then_some(outcome.faults)
    };
    let mut masked = BTreeSet::new();
    let Some(mut left) = fails(&masked) else {
        return masked;
    };
    let mut runs = 1;
    // Halves first, then single ones, the last of them first: causes tend to be late.
    let mut size = left.len().div_ceil(2).max(1);
    loop {
        let mut at = left.len();
        while at > 0 && runs < SHRINK_RUNS_MAX {
            let from = at.saturating_sub(size);
            let mut more = masked.clone();
            more.extend(left[from..at].iter().copied());
            runs += 1;
            if let Some(happened) = fails(&more) {
                masked = more;
                left = happened;
                at = from.min(left.len());
            } else {
                at = from;
            }
        }
        if size == 1 || runs >= SHRINK_RUNS_MAX {
            return masked;
        }
        size = size.div_ceil(2);
    }
}

/// The command that shows a failing seed again.
pub fn command(seed: u64, masked: &BTreeSet<FaultId>) -> String {
    let words: Vec<String> = masked.iter().copied().map(name_of).collect();
    match words.is_empty() {
        true => format!("cargo xtask simulate --seed {seed}"),
        false => format!(
            "cargo xtask simulate --seed {seed} --without {}",
            words.join(",")
        ),
    }
}
