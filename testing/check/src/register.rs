//! One znode's data as a versioned register, for the search that is blind to zxids.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockkeeper_wire::multi::MultiOp;
use lockkeeper_wire::{ErrorCode, Request, Response};

use crate::history::{History, Operation};
use crate::linear::{self, Spec, Timed};
use crate::violation::{Rule, Violation};

/// What was asked of the znode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Its data.
    Get,
    /// To make it with this data.
    Create(Bytes),
    /// To set its data, if it has this version; -1 for any.
    Set(Bytes, i32),
    /// To delete it, if it has this version; -1 for any.
    Delete(i32),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It has this data and version.
    Is(Bytes, i32),
    /// Done; with the version behind a set.
    Done(i32),
    /// It is there already.
    Exists,
    /// It is not there.
    Missing,
    /// It has another version.
    BadVersion,
}

/// A call: asked, and told if anything was.
pub type Call = (Ask, Option<Told>);

/// A znode without children that is there or not.
#[derive(Clone, Copy, Debug)]
pub struct Register;

impl Spec for Register {
    type State = Option<(Bytes, i32)>;
    type Call = Call;

    fn initial(&self) -> Self::State {
        None
    }

    fn step(&self, state: &Self::State, (ask, told): &Call) -> Option<Self::State> {
        let fits = |version: i32, is: i32| version == -1 || version == is;
        let (after, answer) = match (ask, state) {
            (Ask::Get, Some((data, version))) => (state.clone(), Told::Is(data.clone(), *version)),
            (Ask::Create(data), None) => (Some((data.clone(), 0)), Told::Done(0)),
            (Ask::Create(_), Some(_)) => (state.clone(), Told::Exists),
            (_, None) => (None, Told::Missing),
            (Ask::Set(data, version), Some((_, is))) if fits(*version, *is) => {
                (Some((data.clone(), is + 1)), Told::Done(is + 1))
            }
            (Ask::Delete(version), Some((_, is))) if fits(*version, *is) => (None, Told::Done(0)),
            (Ask::Set(..) | Ask::Delete(_), Some(_)) => (state.clone(), Told::BadVersion),
        };
        told.as_ref()
            .is_none_or(|told| *told == answer)
            .then_some(after)
    }
}

/// The calls on each znode below `prefix`, from what clients saw and without any zxid.
///
/// These znodes must be used by themselves: not in a multi, not as parents, not as ephemerals.
pub fn calls(history: &History, prefix: &str) -> BTreeMap<String, Vec<Timed<Call>>> {
    let mut calls: BTreeMap<String, Vec<Timed<Call>>> = BTreeMap::new();
    for operation in &history.operations {
        if let Request::Multi(body) = &operation.request {
            let foreign = |op: &MultiOp| !op.path().starts_with(prefix);
            assert!(body.ops.iter().all(foreign), "a register in a multi");
        }
        if let Some((path, call)) = call(operation, prefix) {
            calls.entry(path).or_default().push(call);
        }
    }
    calls
}

fn call(operation: &Operation, prefix: &str) -> Option<(String, Timed<Call>)> {
    let (path, ask) = match &operation.request {
        Request::GetData(body) => (&body.path, Ask::Get),
        Request::Create(body) | Request::Create2(body) => (
            &body.path,
            Ask::Create(body.data.clone().unwrap_or_default()),
        ),
        Request::SetData(body) => {
            let data = body.data.clone().unwrap_or_default();
            (&body.path, Ask::Set(data, body.version))
        }
        Request::Delete(body) => (&body.path, Ask::Delete(body.version)),
        _ => return None,
    };
    if !path.starts_with(prefix) {
        return None;
    }
    let told = match operation.reply.as_ref().map(|reply| &reply.result) {
        // A read that was not answered says nothing.
        None if ask == Ask::Get => return None,
        None => None,
        Some(Ok(Response::GetData(body))) => Some(Told::Is(
            body.data.clone().unwrap_or_default(),
            body.stat.version,
        )),
        Some(Ok(Response::Stat(body))) => Some(Told::Done(body.stat.version)),
        Some(Ok(_)) => Some(Told::Done(0)),
        Some(Err(ErrorCode::NODE_EXISTS)) => Some(Told::Exists),
        Some(Err(ErrorCode::NO_NODE)) => Some(Told::Missing),
        Some(Err(ErrorCode::BAD_VERSION)) => Some(Told::BadVersion),
        // Refused for a reason that is not the register's.
        Some(Err(_)) => return None,
    };
    let timed = Timed {
        start: operation.sent,
        end: operation.reply.as_ref().map(|reply| reply.at),
        call: (ask, told),
    };
    Some((path.to_string(), timed))
}

/// Searches every register of a history; gives what is wrong and how many calls were ordered.
pub fn check(history: &History, prefix: &str) -> (Vec<Violation>, usize) {
    let mut violations = Vec::new();
    let mut count = 0;
    for (path, calls) in calls(history, prefix) {
        count += calls.len();
        if let Err(stuck) = linear::check(&Register, &calls) {
            let (ordered, call) = (stuck.ordered, &calls[stuck.at]);
            violations.push(Violation::new(
                Rule::C1,
                format!("{path} is not linearizable: {ordered} of {} calls have an order, {call:?} fits none", calls.len()),
            ));
        }
    }
    (violations, count)
}
