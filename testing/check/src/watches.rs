//! Events of each connection against the committed changes.
//!
//! Watches are a server's memory of one connection, and what a connection asked for and was told is
//! all in its stream. So the checker keeps the two tables of a server for each connection, walks the
//! committed changes from one reply's zxid to the next one's, and knows every event that must have
//! come in between, in order: an event comes before any reply that shows its change, and no other
//! event comes at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lockkeeper_wire::acl::READ;
use lockkeeper_wire::request::PathWatcherType;
use lockkeeper_wire::{
    AddWatchMode, ErrorCode, EventType, Id, Request, SessionId, WatcherType, Zxid,
};

use crate::history::{Connection, History, Seen};
use crate::replay::Replayed;
use crate::rules::{may, parent_of};
use crate::tree::Change;
use crate::violation::{Rule, Violation};

/// Checks every connection; gives what is wrong and how many events were checked.
pub fn check(history: &History, replayed: &Replayed) -> (Vec<Violation>, usize) {
    let mut violations = Vec::new();
    let mut checked = 0;
    for connection in &history.connections {
        let mut stream = Stream {
            history,
            replayed,
            session: connection.session,
            identities: &[],
            data: Table::default(),
            child: Table::default(),
            next: 0,
            delivered: VecDeque::new(),
            last: Zxid::ZERO,
            checked: 0,
        };
        // What follows the first fault of a stream follows from it.
        if let Err(violation) = stream.walk(connection) {
            violations.push(violation);
        }
        checked += stream.checked;
    }
    (violations, checked)
}

const STANDARD: u8 = 1;
const PERSISTENT: u8 = 2;
const RECURSIVE: u8 = 4;

/// Kinds of watches by path.
type Table = BTreeMap<String, u8>;

/// An event that must come, or that came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    kind: EventType,
    path: String,
    zxid: Zxid,
    /// Left by a persistent watch, so far as that is known.
    persistent: bool,
}

struct Stream<'a> {
    history: &'a History,
    replayed: &'a Replayed,
    session: SessionId,
    identities: &'a [Id],
    data: Table,
    child: Table,
    /// The next change to walk over.
    next: usize,
    delivered: VecDeque<Event>,
    /// Of the last event with a zxid.
    last: Zxid,
    checked: usize,
}

impl<'a> Stream<'a> {
    fn walk(&mut self, connection: &'a Connection) -> Result<(), Violation> {
        for (at, seen) in connection.seen.iter().enumerate() {
            match seen {
                Seen::Event { kind, path, zxid } => {
                    if *zxid > Zxid::ZERO {
                        if *zxid < self.last {
                            let (session, last) = (self.session, self.last);
                            return Err(Violation::new(
                                Rule::W2,
                                format!(
                                    "{session}: event of {zxid} for {path} behind one of {last}"
                                ),
                            ));
                        }
                        self.last = *zxid;
                    }
                    self.delivered.push_back(Event {
                        kind: *kind,
                        path: path.clone(),
                        zxid: *zxid,
                        persistent: false,
                    });
                }
                Seen::Reply(index) => self.reply(*index, &connection.seen[at..])?,
            }
        }
        self.end()
    }

    fn reply(&mut self, index: usize, rest: &[Seen]) -> Result<(), Violation> {
        let operation = &self.history.operations[index];
        let Some(reply) = &operation.reply else {
            return Ok(());
        };
        self.identities = &operation.identities;
        if reply.zxid <= Zxid::ZERO {
            return Ok(());
        }
        let mut expected = self.advance(reply.zxid);
        if let Some(missed) = self
            .replayed
            .missed
            .get(&index)
            .filter(|_| reply.result.is_ok())
        {
            expected.extend(missed.events.iter().map(|(kind, path)| Event {
                kind: *kind,
                path: path.clone(),
                zxid: Zxid(-1),
                persistent: false,
            }));
        }
        for event in expected {
            match self.delivered.pop_front() {
                Some(came) if same(&came, &event) => self.checked += 1,
                Some(came) if expected_later(&came, &event, &self.delivered) => {
                    return Err(self.fault(Rule::W2, &event, "came behind a later one"));
                }
                came => {
                    let rest = rest.iter().any(|seen| is_event(seen, &event));
                    let spurious = came.as_ref().is_some_and(|came| self.is_denied(came));
                    return Err(match (came, event.persistent) {
                        (Some(came), _) if spurious => self.fault(Rule::W5, &came, "is not for it"),
                        _ if rest => self.fault(
                            Rule::W1,
                            &event,
                            &format!("came behind the reply at {}", reply.zxid),
                        ),
                        (_, true) => self.fault(Rule::W6, &event, "never came"),
                        _ => self.fault(Rule::W4, &event, "never came"),
                    });
                }
            }
        }
        if let Some(extra) = self.delivered.pop_front() {
            return Err(self.unasked(&extra));
        }
        self.register(index);
        Ok(())
    }

    /// Behind the last reply there may be some of what comes next.
    fn end(&mut self) -> Result<(), Violation> {
        let mut expected = VecDeque::new();
        while let Some(came) = self.delivered.pop_front() {
            while expected.is_empty() && self.next < self.replayed.changes.len() {
                expected.extend(self.step());
            }
            match expected.pop_front() {
                Some(event) if same(&came, &event) => self.checked += 1,
                Some(event) if expected.iter().any(|later| same(&came, later)) => {
                    return Err(self.fault(Rule::W2, &event, "was overtaken"));
                }
                _ => return Err(self.unasked(&came)),
            }
        }
        Ok(())
    }

    fn unasked(&self, came: &Event) -> Violation {
        if self.is_denied(came) {
            self.fault(Rule::W5, came, "came without the right to read")
        } else {
            self.fault(Rule::W3, came, "was not waited for, or came twice")
        }
    }

    /// Whether a change made this event, which this connection had no right to see.
    fn is_denied(&self, came: &Event) -> bool {
        let of = |change: &&Change| change.zxid == came.zxid;
        self.replayed.changes.iter().filter(of).any(|change| {
            let own = change.path == came.path && may(&change.acl, READ, self.identities).is_err();
            let parent = parent_of(&change.path).is_ok_and(|parent| parent == came.path)
                && came.kind == EventType::NodeChildrenChanged
                && may(&change.parent_acl, READ, self.identities).is_err();
            own || parent
        })
    }

    fn fault(&self, rule: Rule, event: &Event, what: &str) -> Violation {
        let (session, kind, path, zxid) = (self.session, event.kind, &event.path, event.zxid);
        Violation::new(rule, format!("{session}: {kind:?} {path} of {zxid} {what}"))
    }

    /// Walks over all changes up to a zxid.
    fn advance(&mut self, upto: Zxid) -> Vec<Event> {
        let mut events = Vec::new();
        if self.data.is_empty() && self.child.is_empty() {
            let changes = &self.replayed.changes;
            let behind = changes.partition_point(|change| change.zxid <= upto);
            self.next = self.next.max(behind);
        }
        while let Some(change) = self.replayed.changes.get(self.next)
            && change.zxid <= upto
        {
            events.extend(self.step());
        }
        events
    }

    /// Walks over one change (`DataTree.processTxn`).
    fn step(&mut self) -> Vec<Event> {
        let change = &self.replayed.changes[self.next];
        self.next += 1;
        let mut events = Vec::new();
        let identities = self.identities;
        let mut tell = |fired: Option<bool>, kind, path: &str, acl: &[_]| {
            if let Some(persistent) = fired
                && may(acl, READ, identities).is_ok()
            {
                events.push(Event {
                    kind,
                    path: path.to_owned(),
                    zxid: change.zxid,
                    persistent,
                });
            }
        };
        let fired = fire(&mut self.data, &change.path);
        tell(fired, change.kind, &change.path, &change.acl);
        if change.kind == EventType::NodeDeleted {
            let also = fire(&mut self.child, &change.path).filter(|_| fired.is_none());
            tell(also, change.kind, &change.path, &change.acl);
        }
        if change.kind != EventType::NodeDataChanged
            && let Ok(parent) = parent_of(&change.path)
        {
            let kind = EventType::NodeChildrenChanged;
            let fired = fire(&mut self.child, parent);
            tell(fired, kind, parent, &change.parent_acl);
        }
        events
    }

    /// What a reply leaves in the tables.
    fn register(&mut self, index: usize) {
        let operation = &self.history.operations[index];
        let result = operation.reply.as_ref().map(|reply| reply.result.is_ok());
        let none = operation
            .reply
            .as_ref()
            .is_some_and(|reply| reply.result == Err(ErrorCode::NO_NODE));
        let good = result == Some(true);
        match &operation.request {
            Request::GetData(body) if body.watch && good => {
                add(&mut self.data, &body.path, STANDARD)
            }
            Request::Exists(body) if body.watch && (good || none) => {
                add(&mut self.data, &body.path, STANDARD);
            }
            Request::GetChildren(body) | Request::GetChildren2(body) if body.watch && good => {
                add(&mut self.child, &body.path, STANDARD);
            }
            Request::AddWatch(body) if good => {
                let path = body.path.as_deref().unwrap_or_default();
                self.add_persistent(path, AddWatchMode::try_from(body.mode).ok());
            }
            Request::RemoveWatches(body) if good => self.remove(body),
            Request::SetWatches(_) if good => self.arm(index),
            Request::SetWatches2(body) if good => {
                self.arm(index);
                for path in &body.persistent {
                    self.add_persistent(path, Some(AddWatchMode::Persistent));
                }
                for path in &body.persistent_recursive {
                    self.add_persistent(path, Some(AddWatchMode::PersistentRecursive));
                }
            }
            _ => {}
        }
    }

    fn arm(&mut self, index: usize) {
        let Some(missed) = self.replayed.missed.get(&index) else {
            return;
        };
        for path in &missed.data {
            add(&mut self.data, path, STANDARD);
        }
        for path in &missed.child {
            add(&mut self.child, path, STANDARD);
        }
    }

    fn add_persistent(&mut self, path: &str, mode: Option<AddWatchMode>) {
        match mode {
            Some(AddWatchMode::Persistent) => {
                add(&mut self.data, path, PERSISTENT);
                add(&mut self.child, path, PERSISTENT);
            }
            Some(AddWatchMode::PersistentRecursive) => add(&mut self.data, path, RECURSIVE),
            None => {}
        }
    }

    fn remove(&mut self, body: &PathWatcherType) {
        let (data, child) = match WatcherType::try_from(body.kind) {
            Ok(WatcherType::Children) => (0, STANDARD),
            Ok(WatcherType::Data) => (STANDARD, 0),
            Ok(WatcherType::Any) => (u8::MAX, u8::MAX),
            Ok(WatcherType::Persistent) => (PERSISTENT, PERSISTENT),
            Ok(WatcherType::PersistentRecursive) => (RECURSIVE, 0),
            Err(_) => (0, 0),
        };
        for (table, modes) in [(&mut self.data, data), (&mut self.child, child)] {
            if let Some(kept) = table.get_mut(&*body.path) {
                *kept &= !modes;
                if *kept == 0 {
                    table.remove(&*body.path);
                }
            }
        }
    }
}

fn add(table: &mut Table, path: &str, mode: u8) {
    *table.entry(path.to_owned()).or_default() |= mode;
}

/// Asks a table about a path: whether anything waits, and whether it will again.
fn fire(table: &mut Table, path: &str) -> Option<bool> {
    let own = table.get(path).copied().unwrap_or_default();
    if own & STANDARD != 0 {
        match own & !STANDARD {
            0 => drop(table.remove(path)),
            left => drop(table.insert(path.to_owned(), left)),
        }
    }
    let mut above = path;
    let mut recursive = false;
    while above != "/" {
        let Ok(parent) = parent_of(above) else {
            break;
        };
        above = parent;
        recursive |= table.get(above).is_some_and(|modes| modes & RECURSIVE != 0);
    }
    (own != 0 || recursive).then_some(own & STANDARD == 0)
}

/// Servers before 3.9 tell no zxid.
fn same(came: &Event, expected: &Event) -> bool {
    came.kind == expected.kind
        && came.path == expected.path
        && (came.zxid == expected.zxid || came.zxid <= Zxid::ZERO)
}

/// Whether `event` is among what came behind `came`, which is of a later transaction.
fn expected_later(came: &Event, event: &Event, delivered: &VecDeque<Event>) -> bool {
    came.zxid >= event.zxid && delivered.iter().any(|later| same(later, event))
}

fn is_event(seen: &Seen, event: &Event) -> bool {
    matches!(seen, Seen::Event { kind, path, zxid }
        if *kind == event.kind && *path == event.path && *zxid == event.zxid)
}

/// An application's watch: what it was set on, and whether it fired.
#[derive(Clone, Debug)]
pub struct Waited {
    /// The session it belonged to.
    pub session: SessionId,
    /// The znode.
    pub path: String,
    /// The last change that had been seen when it was set.
    pub since: Zxid,
    /// Whether its event has come.
    pub fired: bool,
}

/// Watches that a program set on data must have fired by the end of a run if the data changed
/// behind what it had read, through however many reconnects.
pub fn lost(waited: &[Waited], changes: &[Change], ended: &BTreeSet<SessionId>) -> Vec<Violation> {
    let mut last: BTreeMap<&str, Zxid> = BTreeMap::new();
    for change in changes {
        last.insert(&change.path, change.zxid);
    }
    let slept = |watch: &&Waited| {
        let changed = last
            .get(&*watch.path)
            .is_some_and(|&zxid| zxid > watch.since);
        changed && !watch.fired && !ended.contains(&watch.session)
    };
    waited
        .iter()
        .filter(slept)
        .map(|watch| {
            let Waited {
                session,
                path,
                since,
                ..
            } = watch;
            Violation::new(
                Rule::W4,
                format!("{session}: watch on {path} set at {since} never fired, though it changed"),
            )
        })
        .collect()
}
