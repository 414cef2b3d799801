//! Orders: real time against zxids, what one session sees, and who owns a session.

use std::collections::{BTreeMap, BTreeSet};

use lockkeeper_wire::{Request, SessionId, Txn, Zxid};

use crate::history::{History, Operation, Seen};
use crate::replay::Replayed;
use crate::violation::{Rule, Violation};

/// What is promised of reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// One server answers all: a read sees what was acknowledged to anybody before it was asked.
    Linearizable,
    /// Several servers answer: only what is behind a sync does.
    Sequential,
}

/// Checks the orders of a replayed history.
pub fn check(history: &History, replayed: &Replayed, reads: Reads) -> Vec<Violation> {
    let mut violations = Vec::new();
    real_time(history, replayed, &mut violations);
    fresh(history, reads, &mut violations);
    no_future(history, replayed, &mut violations);
    sessions(history, &mut violations);
    owners(history, replayed, &mut violations);
    ids(history, &mut violations);
    violations
}

/// A write that ended before another began has the smaller zxid.
fn real_time(history: &History, replayed: &Replayed, violations: &mut Vec<Violation>) {
    let mut first_end: Option<(u64, usize)> = None;
    for (&zxid, &index) in replayed.asked.iter().rev() {
        let operation = &history.operations[index];
        if let Some((end, later)) = first_end
            && end < operation.sent
        {
            let (early, late) = (history.operations[later].name(), operation.name());
            violations.push(Violation::new(
                Rule::C1,
                format!("{early} had ended when {late} began, which has the smaller zxid {zxid}"),
            ));
        }
        if first_end.is_none_or(|(end, _)| operation.end() < end) {
            first_end = Some((operation.end(), index));
        }
    }
}

/// Who must be up to date sees what had been acknowledged before it asked.
fn fresh(history: &History, reads: Reads, violations: &mut Vec<Violation>) {
    let shows = |operation: &Operation| match reads {
        Reads::Linearizable => operation.is_write() || is_read_of_tree(&operation.request),
        Reads::Sequential => operation.is_write(),
    };
    let answered = |operation: &&Operation| operation.reply.is_some() && shows(operation);
    let mut ends: Vec<(u64, Zxid)> = history
        .operations
        .iter()
        .filter(answered)
        .map(|operation| (operation.end(), zxid_of(operation)))
        .collect();
    ends.sort_unstable();
    let mut highest = Zxid::ZERO;
    for (_, zxid) in &mut ends {
        highest = highest.max(*zxid);
        *zxid = highest;
    }
    for operation in &history.operations {
        let rule = match (&operation.request, reads) {
            (Request::Sync(_), _) => Rule::C5,
            (request, Reads::Linearizable) if is_read_of_tree(request) => Rule::C1,
            _ => continue,
        };
        let Some(reply) = &operation.reply else {
            continue;
        };
        let before = ends.partition_point(|&(end, _)| end < operation.sent);
        let known = before
            .checked_sub(1)
            .map_or(Zxid::ZERO, |last| ends[last].1);
        if reply.zxid < known {
            let (name, zxid) = (operation.name(), reply.zxid);
            violations.push(Violation::new(
                rule,
                format!("{name} saw {zxid}, {known} had been acknowledged before it was asked"),
            ));
        }
    }
}

/// Nobody sees a write before it is asked for.
fn no_future(history: &History, replayed: &Replayed, violations: &mut Vec<Violation>) {
    let mut newest = 0;
    let mut asked: Vec<(Zxid, u64)> = Vec::new();
    for (&zxid, &index) in &replayed.asked {
        newest = history.operations[index].sent.max(newest);
        asked.push((zxid, newest));
    }
    for operation in &history.operations {
        let Some(reply) = &operation.reply else {
            continue;
        };
        let upto = asked.partition_point(|&(zxid, _)| zxid <= reply.zxid);
        if upto
            .checked_sub(1)
            .is_some_and(|last| asked[last].1 > reply.at)
        {
            let (name, zxid) = (operation.name(), reply.zxid);
            violations.push(Violation::new(
                Rule::C1,
                format!("{name} saw {zxid} before all that is in it had been asked for"),
            ));
        }
    }
}

fn is_read_of_tree(request: &Request) -> bool {
    matches!(
        request,
        Request::Exists(_)
            | Request::GetData(_)
            | Request::GetAcl(_)
            | Request::GetChildren(_)
            | Request::GetChildren2(_)
            | Request::MultiRead(_)
            | Request::GetEphemerals(_)
            | Request::GetAllChildrenNumber(_)
    )
}

fn zxid_of(operation: &Operation) -> Zxid {
    operation
        .reply
        .as_ref()
        .map_or(Zxid::ZERO, |reply| reply.zxid)
}

/// Within a session zxids never decrease, and replies come in the order of the requests.
fn sessions(history: &History, violations: &mut Vec<Violation>) {
    let mut highest: BTreeMap<SessionId, Zxid> = BTreeMap::new();
    for connection in &history.connections {
        let highest = highest.entry(connection.session).or_default();
        let mut last_sent: Option<usize> = None;
        for seen in &connection.seen {
            let Seen::Reply(index) = *seen else {
                continue;
            };
            let operation = &history.operations[index];
            if let Some(last) = last_sent
                && index < last
            {
                let (name, before) = (operation.name(), history.operations[last].name());
                violations.push(Violation::new(
                    Rule::C3,
                    format!("{name} was answered behind {before}, which was sent later"),
                ));
            }
            last_sent = Some(index);
            let zxid = zxid_of(operation);
            if zxid <= Zxid::ZERO {
                continue;
            }
            if zxid < *highest {
                let name = operation.name();
                violations.push(Violation::new(
                    Rule::C2,
                    format!("{name} shows {zxid} to a session that has seen {highest}"),
                ));
            }
            *highest = (*highest).max(zxid);
        }
    }
}

/// Of a session's connections, an older one's request is never carried out behind a newer one's.
fn owners(history: &History, replayed: &Replayed, violations: &mut Vec<Violation>) {
    let mut newest: BTreeMap<SessionId, usize> = BTreeMap::new();
    for (&zxid, &index) in &replayed.asked {
        let operation = &history.operations[index];
        let newest = newest.entry(operation.session).or_default();
        if operation.connection < *newest {
            let name = operation.name();
            violations.push(Violation::new(
                Rule::E3,
                format!("{name} of a connection that had been replaced was carried out at {zxid}"),
            ));
        }
        *newest = (*newest).max(operation.connection);
    }
}

/// No session id is given twice, and nothing is done for a session before or after its life.
fn ids(history: &History, violations: &mut Vec<Violation>) {
    let mut given = BTreeSet::new();
    for connection in history.connections.iter().filter(|c| c.is_new) {
        if !given.insert(connection.session) {
            violations.push(Violation::new(
                Rule::E3,
                format!("{} was given to two clients", connection.session),
            ));
        }
    }
    let mut begun = BTreeSet::new();
    for entry in &history.log {
        if matches!(entry.txn, Txn::CreateSession(_)) && !begun.insert(entry.header.client_id) {
            let (session, zxid) = (entry.header.client_id, entry.header.zxid);
            violations.push(Violation::new(
                Rule::E3,
                format!("{session} begins once more at {zxid}"),
            ));
        }
    }
}
