//! Promises that counting can check: sets, unique ids, counters, queues, constant sums.
//!
//! Every attempt ends in one of three ways, and the checks say what each of them allows. An attempt
//! whose outcome is unknown allows both; one that is said not to have been applied allows only that
//! it was not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crate::violation::{Rule, Violation};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was acknowledged.
    Applied,
    /// It is said not to have happened.
    NotApplied,
    /// Nobody knows.
    Unknown,
}

/// An attempt to add something that nobody else adds.
#[derive(Clone, Debug)]
pub struct Attempt<T> {
    /// What.
    pub value: T,
    /// How it ended.
    pub outcome: Outcome,
}

/// A set: what was acknowledged is there, what was not applied is not, and nothing else is.
pub fn set<T: Ord + Debug>(attempts: &[Attempt<T>], there: &BTreeSet<T>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut known = BTreeSet::new();
    for Attempt { value, outcome } in attempts {
        known.insert(value);
        match outcome {
            Outcome::Applied if !there.contains(value) => violations.push(Violation::new(
                Rule::C1,
                format!("{value:?} was acknowledged and is not there"),
            )),
            Outcome::NotApplied if there.contains(value) => violations.push(Violation::new(
                Rule::C4,
                format!("{value:?} was said not to have been applied and is there"),
            )),
            _ => {}
        }
    }
    for value in there.iter().filter(|value| !known.contains(value)) {
        violations.push(Violation::new(
            Rule::Z2,
            format!("{value:?} is there and nobody added it"),
        ));
    }
    violations
}

/// Unique ids: none is given twice.
pub fn unique<T: Ord + Debug>(given: impl IntoIterator<Item = T>) -> Vec<Violation> {
    let mut seen = BTreeSet::new();
    let mut violations = Vec::new();
    for id in given {
        if seen.contains(&id) {
            let text = format!("{id:?} was given twice");
            violations.push(Violation::new(Rule::C1, text));
        }
        seen.insert(id);
    }
    violations
}

/// A counter that only goes up by ones: its end lies between what was acknowledged and what may
/// have happened.
pub fn counter(outcomes: &[Outcome], last: u64) -> Vec<Violation> {
    let count = |of| outcomes.iter().filter(|&&outcome| outcome == of).count() as u64;
    let least = count(Outcome::Applied);
    let most = least + count(Outcome::Unknown);
    match last {
        _ if last < least => vec![Violation::new(
            Rule::C1,
            format!("the counter is at {last}, {least} increments were acknowledged"),
        )],
        _ if last > most => vec![Violation::new(
            Rule::C4,
            format!("the counter is at {last}, {most} increments at most can have happened"),
        )],
        _ => Vec::new(),
    }
}

/// A queue: nothing comes out twice or out of nothing, and nothing acknowledged gets lost.
///
/// `left` is what is still in it; with `takes_unknown` attempts to take of which nobody knows what
/// they took, so many may be missing.
pub fn queue<T: Ord + Debug + Clone>(
    puts: &[Attempt<T>],
    taken: &[T],
    takes_unknown: usize,
    left: &[T],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    let puts: BTreeMap<&T, Outcome> = puts.iter().map(|put| (&put.value, put.outcome)).collect();
    let mut out: BTreeMap<&T, usize> = BTreeMap::new();
    for value in taken.iter().chain(left) {
        *out.entry(value).or_default() += 1;
    }
    for (value, times) in &out {
        if *times > 1 {
            let text = format!("{value:?} came out {times} times");
            violations.push(Violation::new(Rule::C1, text));
        }
        match puts.get(value) {
            None => violations.push(Violation::new(
                Rule::Z2,
                format!("{value:?} came out and nobody put it in"),
            )),
            Some(Outcome::NotApplied) => violations.push(Violation::new(
                Rule::C4,
                format!("{value:?} came out, though it was said not to have been put in"),
            )),
            Some(_) => {}
        }
    }
    let acknowledged = puts
        .iter()
        .filter(|(_, outcome)| **outcome == Outcome::Applied);
    let missing: Vec<_> = acknowledged
        .filter(|(value, _)| !out.contains_key(*value))
        .collect();
    if missing.len() > takes_unknown {
        violations.push(Violation::new(
            Rule::C1,
            format!(
                "{} acknowledged entries are gone, {takes_unknown} takes are in doubt: {missing:?}",
                missing.len()
            ),
        ));
    }
    violations
}

/// Accounts between which money moves: the sum never changes.
pub fn sums(total: i64, seen: impl IntoIterator<Item = i64>) -> Vec<Violation> {
    let wrong = seen.into_iter().filter(|&sum| sum != total);
    wrong
        .map(|sum| Violation::new(Rule::C1, format!("the sum is {sum}, not {total}")))
        .collect()
}
