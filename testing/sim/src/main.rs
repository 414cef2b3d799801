//! The simulation as a program: `cargo xtask simulate` runs it.
//!
//! ```text
//! lockkeeper-sim --seeds N [--from S] [--threads T]
//! lockkeeper-sim --seed S [--without KIND:N,...]
//! lockkeeper-sim --bugs all|NAME [--seeds N] [--from S]      with the feature __seeded-bugs
//! ```

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::process::ExitCode;

use lockkeeper_sim::campaign::{self, Report};
use lockkeeper_sim::{FaultId, fault_of};

/// Failures after which a campaign stops.
const FAILURES_MAX: usize = 5;
/// Lines of a trace that are shown.
const TRACE_MAX: usize = 2000;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (mut seeds, mut from, mut one, mut without) = (None, 0, None, BTreeSet::new());
    let mut bugs = None;
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    for pair in words.chunks(2) {
        let understood = match pair {
            [flag, value] => match flag.as_str() {
                "--seeds" => value.parse().map(|n| seeds = Some(n)).is_ok(),
                "--from" => value.parse().map(|n| from = n).is_ok(),
                "--threads" => value.parse().map(|n| threads = n).is_ok(),
                "--seed" => value.parse().map(|n| one = Some(n)).is_ok(),
                "--bugs" => {
                    bugs = Some(value.clone());
                    cfg!(feature = "__seeded-bugs")
                }
                "--without" => {
                    let faults: Option<BTreeSet<FaultId>> =
                        value.split(',').map(fault_of).collect();
                    faults.map(|faults| without = faults).is_some()
                }
                _ => false,
            },
            _ => false,
        };
        if !understood {
            eprintln!("simulate: {} is not understood", pair.join(" "));
            return ExitCode::FAILURE;
        }
    }
    if let Some(bugs) = bugs {
        return seeded_bugs(&bugs, from, seeds.unwrap_or(1000), threads, one);
    }
    match one {
        Some(seed) => show(seed, &without),
        None => run(from, seeds.unwrap_or(100), threads),
    }
}

/// One seed, with its trace.
fn show(seed: u64, without: &BTreeSet<FaultId>) -> ExitCode {
    let outcome = campaign::run_caught(seed, without, true);
    let skipped = outcome.trace.len().saturating_sub(TRACE_MAX);
    if skipped > 0 {
        println!("({skipped} lines before these)");
    }
    for line in outcome
        .trace
        .iter()
        .take(1)
        .chain(&outcome.trace[skipped.max(1).min(outcome.trace.len())..])
    {
        println!("{line}");
    }
    println!(
        "{} operations, {} faults, hash {:016x}",
        outcome.operations,
        outcome.faults.len(),
        outcome.hash
    );
    for (what, count) in &outcome.reach {
        println!("  {what}: {count}");
    }
    for violation in &outcome.violations {
        println!("seed {seed}: {violation}");
    }
    ExitCode::from(u8::from(!outcome.violations.is_empty()))
}

fn run(from: u64, seeds: u64, threads: usize) -> ExitCode {
    let report = campaign::campaign(from, seeds, threads, FAILURES_MAX);
    summarize(&report);
    for (seed, violation) in &report.failures {
        let masked = campaign::shrink(*seed, violation.rule);
        println!();
        println!("seed {seed}: {violation}");
        println!("  {}", campaign::command(*seed, &masked));
        let outcome = campaign::run_caught(*seed, &masked, true);
        println!(
            "  left of {} faults: {}",
            outcome.faults.len() + masked.len(),
            outcome.faults.len()
        );
        let skipped = outcome.trace.len().saturating_sub(30);
        for line in &outcome.trace[skipped..] {
            println!("  {line}");
        }
    }
    // Few worlds may do nothing; many would mean that the workload has come apart.
    let is_idle = report.void * 10 > report.seeds;
    if is_idle {
        println!("{} of {} worlds did too little", report.void, report.seeds);
    }
    ExitCode::from(u8::from(!report.failures.is_empty() || is_idle))
}

fn summarize(report: &Report) {
    let secs = report.took.as_secs_f64();
    let hours = report.simulated as f64 / 3.6e9;
    println!(
        "{} seeds in {secs:.1} s: {:.1} seeds/s, {hours:.1} simulated hours, {:.0} per real hour",
        report.seeds,
        report.seeds as f64 / secs,
        hours / (secs / 3600.0),
    );
    println!(
        "{} events, {} faults, {} operations answered, {} checked, {} seeds twice, {} void, {} failed",
        report.events,
        report.faults,
        report.operations,
        report.checked,
        report.twice,
        report.void,
        report.failures.len(),
    );
    let reach = report
        .reach
        .iter()
        .map(|(what, count)| format!("{what} {count}"));
    println!("reached: {}", reach.collect::<Vec<_>>().join(", "));
}

#[cfg(not(feature = "__seeded-bugs"))]
fn seeded_bugs(_: &str, _: u64, _: u64, _: usize, _: Option<u64>) -> ExitCode {
    ExitCode::FAILURE
}

/// Plants one bug after the other; each has to be caught.
#[cfg(feature = "__seeded-bugs")]
fn seeded_bugs(which: &str, from: u64, seeds: u64, threads: usize, one: Option<u64>) -> ExitCode {
    let named = lockkeeper_bugs::named(which);
    if let (Some(bug), Some(seed)) = (named, one) {
        lockkeeper_bugs::plant(Some(bug));
        return show(seed, &BTreeSet::new());
    }
    let chosen = lockkeeper_bugs::ALL
        .iter()
        .filter(|&&bug| named.is_none_or(|it| it == bug));
    let mut missed = 0;
    for &bug in chosen {
        lockkeeper_bugs::plant(Some(bug));
        let report = campaign::campaign(from, seeds, threads, 1);
        match report.failures.first() {
            Some((seed, violation)) => {
                let mut what = violation.what.clone();
                what.truncate(100);
                let name = format!("{bug:?}");
                let after = seed - from + 1;
                println!("{name:24} {after:5} seeds  {}  {what}", violation.rule);
            }
            None => {
                missed += 1;
                println!(
                    "{:24} not caught in {} seeds",
                    format!("{bug:?}"),
                    report.seeds
                );
            }
        }
    }
    println!("{missed} not caught");
    ExitCode::from(u8::from(missed > 0))
}
