//! The children of one znode as a list that only grows, for the search that is blind to zxids.
//!
//! Each append is a create with a sequence number, and nothing is deleted: the number given is the
//! length before, and a listing shows the numbers from 0 on.

use lockkeeper_wire::op::CreateMode;
use lockkeeper_wire::{Request, Response};

use crate::history::{History, Operation};
use crate::linear::{self, Spec, Timed};
use crate::violation::{Rule, Violation};

/// A call on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Appended, with the number that was given if it was told.
    Append(Option<u32>),
    /// Looked, and these were the numbers.
    Look(Vec<u32>),
}

/// The list.
#[derive(Clone, Copy, Debug)]
pub struct List;

impl Spec for List {
    type State = u32;
    type Call = Call;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, len: &u32, call: &Call) -> Option<u32> {
        match call {
            Call::Append(number) => number
                .is_none_or(|number| number == *len)
                .then_some(len + 1),
            Call::Look(numbers) => numbers.iter().copied().eq(0..*len).then_some(*len),
        }
    }
}

/// The calls on the list below `parent`.
pub fn calls(history: &History, parent: &str) -> Vec<Timed<Call>> {
    let calls = history
        .operations
        .iter()
        .filter_map(|operation| call(operation, parent));
    calls.collect()
}

fn call(operation: &Operation, parent: &str) -> Option<Timed<Call>> {
    let result = operation.reply.as_ref().map(|reply| &reply.result);
    let call = match (&operation.request, result) {
        (Request::Create(body) | Request::Create2(body), result)
            if body.flags == i32::from(CreateMode::PersistentSequential)
                && body
                    .path
                    .strip_prefix(parent)
                    .is_some_and(|rest| rest.starts_with('/')) =>
        {
            match result {
                None => Call::Append(None),
                Some(Ok(Response::Create(body))) => Call::Append(Some(number(&body.path)?)),
                Some(Ok(Response::Create2(body))) => Call::Append(Some(number(&body.path)?)),
                Some(_) => return None,
            }
        }
        (Request::GetChildren(body), Some(Ok(Response::GetChildren(told))))
            if *body.path == *parent =>
        {
            let mut numbers: Vec<u32> = told
                .children
                .iter()
                .filter_map(|name| number(name))
                .collect();
            numbers.sort_unstable();
            Call::Look(numbers)
        }
        _ => return None,
    };
    Some(Timed {
        start: operation.sent,
        end: operation.reply.as_ref().map(|reply| reply.at),
        call,
    })
}

fn number(name: &str) -> Option<u32> {
    name.get(name.len().checked_sub(10)?..)?.parse().ok()
}

/// Searches the list of a history; gives what is wrong and how many calls were ordered.
pub fn check(history: &History, parent: &str) -> (Vec<Violation>, usize) {
    let calls = calls(history, parent);
    let violations = match linear::check(&List, &calls) {
        Ok(()) => Vec::new(),
        Err(stuck) => vec![Violation::new(
            Rule::C1,
            format!(
                "{parent} is not linearizable: {} of {} calls have an order, {:?} fits none",
                stuck.ordered,
                calls.len(),
                calls[stuck.at]
            ),
        )],
    };
    (violations, calls.len())
}
