//! What clients sent and received, read off their end of each link, and what the rest of the world
//! has to say for the checkers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use lockkeeper_check::counts::{Attempt, Outcome};
use lockkeeper_check::locks::{Hold, Use};
use lockkeeper_check::watches::Waited;
use lockkeeper_check::{Connection, History, Operation, Reply, Rule, Seen, Violation};
use lockkeeper_store::digest_identity;
use lockkeeper_wire::{
    ConnectRequest, ConnectResponse, Deframer, EventType, Id, Reader, Record as _, ReplyHeader,
    Request, RequestHeader, Response, SessionId, WatcherEvent, Xid,
};

use crate::core::ProcessId;

/// Everything that is looked at when a world has ended.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) history: History,
    taps: BTreeMap<u64, Tap>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) answered: u64,
    /// What happened, for a person, if anybody asked.
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) reach: BTreeMap<&'static str, u64>,
    pub(crate) added: Vec<Attempt<String>>,
    pub(crate) counted: Vec<Outcome>,
    pub(crate) puts: Vec<Attempt<String>>,
    pub(crate) taken: Vec<String>,
    pub(crate) takes_unknown: usize,
    pub(crate) holds: Vec<Hold>,
    pub(crate) uses: Vec<Use>,
    pub(crate) waited: Vec<Waited>,
    /// The process of each of them.
    pub(crate) waited_by: Vec<ProcessId>,
    /// Sessions that their clients know to have ended, or gave up.
    pub(crate) abandoned: BTreeSet<SessionId>,
    /// When the end of each session was committed.
    pub(crate) ended: BTreeMap<SessionId, u64>,
}

/// One link as its client sees it.
#[derive(Default)]
struct Tap {
    up: Deframer,
    down: Deframer,
    asked: Option<ConnectRequest>,
    connection: Option<(usize, SessionId)>,
    waiting: VecDeque<usize>,
    identities: Vec<Id>,
}

impl Record {
    /// Counts that something was reached.
    pub(crate) fn reach(&mut self, what: &'static str) {
        *self.reach.entry(what).or_default() += 1;
    }

    pub(crate) fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    pub(crate) fn violation(&mut self, rule: Rule, what: String) {
        self.violations.push(Violation::new(rule, what));
    }

    pub(crate) fn dropped(&mut self, wire: u64) {
        self.taps.remove(&wire);
    }

    /// Bytes leave a client.
    pub(crate) fn sent(&mut self, wire: u64, now: u64, bytes: &[u8]) {
        let tap = self.taps.entry(wire).or_default();
        tap.up.buffer_mut().extend_from_slice(bytes);
        while let Ok(Some(frame)) = tap.up.next_frame(usize::MAX) {
            if tap.asked.is_none() {
                tap.asked = ConnectRequest::from_bytes(&frame).ok();
                continue;
            }
            let mut reader = Reader::new(&frame);
            let request = RequestHeader::decode(&mut reader).ok().and_then(|header| {
                Some((header.xid, Request::decode(header.op, &mut reader).ok()?))
            });
            let (Some((xid, request)), Some((connection, session))) = (request, tap.connection)
            else {
                let text = format!("wire {wire} sends what is no request");
                self.violations.push(Violation::new(Rule::C3, text));
                return;
            };
            if let Request::Auth(packet) = &request {
                let credential = packet.auth.as_deref().unwrap_or_default();
                tap.identities.push(digest_identity(credential));
            }
            if let Some(trace) = &mut self.trace {
                let text = shortened(format!("{request:?}"));
                trace.push(format!("{} ms: {session} asks {xid}: {text}", now / 1000));
            }
            tap.waiting.push_back(self.history.operations.len());
            self.history.operations.push(Operation {
                connection,
                session,
                xid,
                request,
                identities: Arc::from(&*tap.identities),
                sent: now,
                reply: None,
            });
        }
    }

    /// Bytes reach a client.
    pub(crate) fn received(&mut self, wire: u64, now: u64, bytes: &[u8]) {
        let Some(mut tap) = self.taps.remove(&wire) else {
            return;
        };
        tap.down.buffer_mut().extend_from_slice(bytes);
        while let Ok(Some(frame)) = tap.down.next_frame(usize::MAX) {
            let outcome = match tap.connection {
                None => self.greeted(&mut tap, now, &frame),
                Some((connection, _)) => self.told(&mut tap, connection, now, &frame),
            };
            if let Err(what) = outcome {
                let text = format!("wire {wire}: {what}");
                self.violations.push(Violation::new(Rule::C3, text));
                break;
            }
        }
        self.taps.insert(wire, tap);
    }

    fn greeted(&mut self, tap: &mut Tap, now: u64, frame: &bytes::Bytes) -> Result<(), String> {
        let response = ConnectResponse::from_bytes(frame).map_err(|error| error.to_string())?;
        if response.timeout_ms <= 0 {
            self.reach("session refused");
            return Ok(());
        }
        let is_new = tap
            .asked
            .as_ref()
            .is_some_and(|asked| asked.session_id == SessionId::NONE);
        self.reach(if is_new { "session" } else { "session resumed" });
        tap.connection = Some((self.history.connections.len(), response.session_id));
        self.history.connections.push(Connection {
            session: response.session_id,
            is_new,
            opened: now,
            seen: Vec::new(),
        });
        Ok(())
    }

    fn told(
        &mut self,
        tap: &mut Tap,
        connection: usize,
        now: u64,
        frame: &bytes::Bytes,
    ) -> Result<(), String> {
        let text = |error: lockkeeper_wire::DecodeError| error.to_string();
        let mut reader = Reader::new(frame);
        let header = ReplyHeader::decode(&mut reader).map_err(text)?;
        if header.xid == Xid::NOTIFICATION {
            let event = WatcherEvent::decode(&mut reader).map_err(text)?;
            self.reach("event");
            let session = self.history.connections[connection].session;
            self.trace(|| format!("{} ms: {session} hears {event:?}", now / 1000));
            self.history.connections[connection].seen.push(Seen::Event {
                kind: EventType::try_from(event.kind).map_err(text)?,
                path: event.path.to_string(),
                zxid: header.zxid,
            });
            return Ok(());
        }
        let operations = &mut self.history.operations;
        let at = tap
            .waiting
            .iter()
            .position(|&index| operations[index].xid == header.xid);
        let at = at.ok_or_else(|| format!("a reply to {}, which was not asked", header.xid))?;
        let index = tap.waiting.remove(at).expect("it was found there");
        let operation = &mut operations[index];
        let result = match header.err.is_ok() {
            true => Ok(Response::decode(operation.request.op(), &mut reader).map_err(text)?),
            false => Err(header.err),
        };
        if let Some(trace) = &mut self.trace {
            let text = shortened(format!("{result:?}"));
            let (session, xid, zxid) = (operation.session, header.xid, header.zxid);
            trace.push(format!(
                "{} ms: {session} is told {xid} at {zxid}: {text}",
                now / 1000
            ));
        }
        operation.reply = Some(Reply {
            at: now,
            zxid: header.zxid,
            result,
        });
        self.history.connections[connection]
            .seen
            .push(Seen::Reply(index));
        self.answered += 1;
        Ok(())
    }
}

fn shortened(mut text: String) -> String {
    text.truncate(160);
    text
}
