//! The committed log replayed on the naive model, with every reply and every read compared at its
//! zxid. Linear in time, so that whole histories of any length are checked.
//!
//! Which requests took effect is the log's word: a request without a reply is looked up there by
//! session and number (etcd's robustness tests ask the write-ahead log in the same way). What the
//! log says they did is not believed: the model carries out the request itself.

use std::collections::BTreeMap;

use lockkeeper_wire::acl::READ;
use lockkeeper_wire::multi::MultiResult;
use lockkeeper_wire::watch::SetWatches2;
use lockkeeper_wire::{
    ByteStr, ErrorCode, EventType, Id, OpCode, Request, Response, SessionId, Txn, TxnEntry, Zxid,
};

use crate::history::{History, Operation};
use crate::read::sorted;
use crate::rules::may;
use crate::tree::{By, Change, Naive};
use crate::violation::{Rule, Violation};

/// What a replay gives besides its verdict.
#[derive(Debug, Default)]
pub struct Replayed {
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// Every step that watches may wait for, in order.
    pub changes: Vec<Change>,
    /// What each answered setWatches had to tell and to arm, by operation.
    pub missed: BTreeMap<usize, Missed>,
    /// Replies compared with the model.
    pub compared: usize,
    /// The operation behind each transaction that a client asked for.
    pub asked: BTreeMap<Zxid, usize>,
    /// The state behind the last transaction.
    pub model: Option<Naive>,
}

/// What a reconnected client has missed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Events to be told at once.
    pub events: Vec<(EventType, String)>,
    /// Data and exist watches that are armed instead.
    pub data: Vec<String>,
    /// Child watches that are armed instead.
    pub child: Vec<String>,
}

/// The digest is compared at every so many transactions, and at the last.
const DIGEST_EVERY: usize = 8;

/// Replays the log of a history.
pub fn replay(history: &History) -> Replayed {
    Replay {
        history,
        model: Naive::fresh(),
        by_request: by_request(history),
        reads: reads(history),
        out: Replayed::default(),
    }
    .run()
}

struct Replay<'a> {
    history: &'a History,
    model: Naive,
    /// Writes by session and number, oldest first: a session handed to another client may use a
    /// number again.
    by_request: BTreeMap<(SessionId, i32), Vec<usize>>,
    /// Answered requests that are no writes, by the zxid they saw.
    reads: BTreeMap<Zxid, Vec<usize>>,
    out: Replayed,
}

fn by_request(history: &History) -> BTreeMap<(SessionId, i32), Vec<usize>> {
    let mut by_request: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, operation) in history.operations.iter().enumerate() {
        if operation.is_write() {
            let key = (operation.session, operation.xid.0);
            by_request.entry(key).or_default().push(index);
        }
    }
    by_request
}

fn reads(history: &History) -> BTreeMap<Zxid, Vec<usize>> {
    let mut reads: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, operation) in history.operations.iter().enumerate() {
        if let Some(reply) = &operation.reply
            && !operation.is_write()
            && reply.zxid >= Zxid::ZERO
            && !matches!(operation.request, Request::Auth(_) | Request::Sasl(_))
        {
            reads.entry(reply.zxid).or_default().push(index);
        }
    }
    reads
}

impl Replay<'_> {
    fn run(mut self) -> Replayed {
        let history = self.history;
        self.reads_at(Zxid::ZERO);
        let mut last = Zxid::ZERO;
        for (index, entry) in history.log.iter().enumerate() {
            let zxid = entry.header.zxid;
            let follows = zxid == last.next() || zxid.epoch() > last.epoch();
            if !follows {
                self.fault(Rule::Z5, format!("{zxid} follows {last} in the log"));
            }
            last = zxid;
            self.apply(entry);
            let is_last = index + 1 == history.log.len();
            if let Some(digest) = entry.digest
                && (index % DIGEST_EVERY == 0 || is_last)
                && digest.digest as u64 != self.model.digest()
            {
                self.fault(Rule::D4, format!("the tree at {zxid} is not the model's"));
            }
            self.reads_at(zxid);
        }
        for (zxid, reads) in std::mem::take(&mut self.reads) {
            let name = history.operations[reads[0]].name();
            self.fault(
                Rule::Z2,
                format!("{name} saw {zxid}, which is not committed"),
            );
        }
        for (index, operation) in history.operations.iter().enumerate() {
            self.find_lost(index, operation);
        }
        self.out.model = Some(self.model);
        self.out
    }

    fn fault(&mut self, rule: Rule, what: String) {
        self.out.violations.push(Violation::new(rule, what));
    }

    /// An answered write that is in no log, or in another place than its reply says.
    fn find_lost(&mut self, index: usize, operation: &Operation) {
        let Some(reply) = operation.reply.as_ref().filter(|_| operation.is_write()) else {
            return;
        };
        // A header alone, for what never reached the pipeline.
        if reply.zxid < Zxid::ZERO {
            return;
        }
        if self.out.asked.get(&reply.zxid) != Some(&index) {
            let (name, zxid) = (operation.name(), reply.zxid);
            self.fault(
                Rule::C1,
                format!("{name} was answered at {zxid}, where it is not in the log"),
            );
        }
    }

    fn apply(&mut self, entry: &TxnEntry) {
        let header = entry.header;
        let by = By {
            session: header.client_id,
            identities: &[],
            zxid: header.zxid.0,
            time_ms: header.time_ms,
        };
        match &entry.txn {
            Txn::CreateSession(timeout_ms) => {
                self.model.begin_session(header.client_id, *timeout_ms);
            }
            Txn::DeleteContainer(path) => {
                if let Err(code) = self.model.delete_container(by, path) {
                    let zxid = header.zxid;
                    self.fault(
                        Rule::Z2,
                        format!("{zxid} removes {path}, which is {}", code.name()),
                    );
                }
            }
            Txn::CloseSession(listed) => self.close(entry, by, listed.as_deref()),
            // What a server wanted by itself and then found done.
            Txn::Error(_) if header.cxid == 0 => {}
            _ => self.request(entry, by),
        }
        self.out.changes.extend(self.model.take_changes());
    }

    fn close(&mut self, entry: &TxnEntry, by: By<'_>, listed: Option<&[ByteStr]>) {
        let own = self.model.ephemerals(by.session);
        if let Some(listed) = listed {
            let mut listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
            listed.sort();
            if listed != own {
                let (zxid, session) = (entry.header.zxid, by.session);
                self.fault(
                    Rule::E1,
                    format!("{zxid} ends {session} with {listed:?}, its ephemerals are {own:?}"),
                );
            }
        }
        self.model.end_session(by, listed.unwrap_or_default());
        if let Some(index) = self.find_request(entry) {
            self.compare(index, Ok(Response::Empty));
        }
    }

    fn request(&mut self, entry: &TxnEntry, by: By<'_>) {
        let Some(index) = self.find_request(entry) else {
            let (zxid, session, cxid) = (entry.header.zxid, by.session, entry.header.cxid);
            return self.fault(
                Rule::Z2,
                format!("{zxid} is request {cxid} of {session}, which nobody sent"),
            );
        };
        let history = self.history;
        let operation = &history.operations[index];
        let by = By {
            identities: &operation.identities,
            ..by
        };
        let expected = self.model.write(by, &operation.request);
        let logged = match &entry.txn {
            Txn::Error(code) => Some(*code),
            Txn::Multi(parts) => parts.iter().find_map(|part| match part {
                Txn::Error(code) => Some(*code),
                _ => None,
            }),
            _ => None,
        };
        let refused = match &expected {
            Err(code) => Some(*code),
            Ok(Response::Multi(body)) => body.failure().map(|(_, code)| code),
            Ok(_) => None,
        };
        if logged != refused {
            let (zxid, name) = (entry.header.zxid, operation.name());
            self.fault(
                Rule::D4,
                format!("{zxid}, {name}, is logged as {logged:?}; the model says {refused:?}"),
            );
        }
        self.compare(index, expected);
    }

    /// The request that became a transaction.
    fn find_request(&mut self, entry: &TxnEntry) -> Option<usize> {
        let header = entry.header;
        let waiting = self.by_request.get_mut(&(header.client_id, header.cxid))?;
        let operations = &self.history.operations;
        let at = waiting
            .iter()
            .position(|&index| match &operations[index].reply {
                Some(reply) => reply.zxid == header.zxid,
                None => true,
            })?;
        let index = waiting.remove(at);
        self.out.asked.insert(header.zxid, index);
        Some(index)
    }

    fn compare(&mut self, index: usize, expected: Result<Response, ErrorCode>) {
        let operation = &self.history.operations[index];
        let Some(reply) = &operation.reply else {
            return;
        };
        self.out.compared += 1;
        let told = match &reply.result {
            Ok(response) => Ok(sorted(response)),
            Err(code) => Err(*code),
        };
        if told != expected && !is_old_create(&told, &expected) {
            let (name, zxid) = (operation.name(), reply.zxid);
            let rule = if operation.is_write() {
                Rule::C1
            } else {
                Rule::C3
            };
            self.fault(
                rule,
                format!("{name} at {zxid} was told {told:?}; the model says {expected:?}"),
            );
        }
    }

    fn reads_at(&mut self, zxid: Zxid) {
        for index in self.reads.remove(&zxid).unwrap_or_default() {
            let operation = &self.history.operations[index];
            let watches = match &operation.request {
                Request::SetWatches(body) => SetWatches2 {
                    relative_zxid: body.relative_zxid,
                    data: body.data.clone(),
                    exist: body.exist.clone(),
                    child: body.child.clone(),
                    ..SetWatches2::default()
                },
                Request::SetWatches2(body) => body.clone(),
                request => {
                    let expected =
                        self.model
                            .read(operation.session, &operation.identities, request);
                    if let Some(expected) = expected {
                        self.compare(index, expected);
                    }
                    continue;
                }
            };
            let missed = missed(&self.model, &watches, &operation.identities);
            self.out.missed.insert(index, missed);
        }
    }
}

/// Inside a multi a create2 and a create are told apart by their reply only.
fn is_old_create(
    told: &Result<Response, ErrorCode>,
    expected: &Result<Response, ErrorCode>,
) -> bool {
    let (Ok(Response::Multi(told)), Ok(Response::Multi(expected))) = (told, expected) else {
        return false;
    };
    told.results.len() == expected.results.len()
        && told
            .results
            .iter()
            .zip(&expected.results)
            .all(|pair| match pair {
                (MultiResult::Create(told), MultiResult::Create2(expected)) => {
                    told.path == expected.path
                }
                (told, expected) => told == expected,
            })
}

/// What setWatches has to do on this state (`DataTree.setWatches`).
fn missed(model: &Naive, watches: &SetWatches2, identities: &[Id]) -> Missed {
    let mut missed = Missed::default();
    let since = watches.relative_zxid;
    let may_read = |path: &str| may(&model.nodes[path].acl, READ, identities).is_ok();
    let paths = |list: &[ByteStr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    for path in paths(&watches.data) {
        let there = model.nodes.contains_key(&path);
        match there {
            false => missed.events.push((EventType::NodeDeleted, path)),
            true if model.stat(&path).mzxid > since && may_read(&path) => {
                missed.events.push((EventType::NodeDataChanged, path));
            }
            true => missed.data.push(path),
        }
    }
    for path in paths(&watches.exist) {
        if model.nodes.contains_key(&path) && may_read(&path) {
            missed.events.push((EventType::NodeCreated, path));
        } else {
            missed.data.push(path);
        }
    }
    for path in paths(&watches.child) {
        let there = model.nodes.contains_key(&path);
        match there {
            false => missed.events.push((EventType::NodeDeleted, path)),
            true if model.stat(&path).pzxid > since && may_read(&path) => {
                missed.events.push((EventType::NodeChildrenChanged, path));
            }
            true => missed.child.push(path),
        }
    }
    missed
}

/// Whether a transaction is one that only servers make.
pub fn is_own(entry: &TxnEntry) -> bool {
    let header = entry.header;
    header.op == i32::from(OpCode::CreateSession)
        || header.op == i32::from(OpCode::DeleteContainer)
        || (header.op == i32::from(OpCode::CloseSession) && header.cxid == 0)
}
