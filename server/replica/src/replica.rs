//! The replica: inputs, one after the other, and what each of them sets off.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockkeeper_store::{
    Applied, ConnectionId, Expiry, Identities, PrepSettings, StatsWanted, Store, Watches, Write,
};
use lockkeeper_wire::{
    ConnectRequest, ConnectResponse, ErrorCode, OpCode, Record, ReplyHeader, Request, Response,
    SessionId, TxnEntry, Xid, Zxid, frame, reply,
};

use crate::answer::{Answering, answer, is_read, needs_watches};
use crate::connection::{Clients, Connection, Events, Now, Waiting};
use crate::limits::Limits;
use crate::password::session_password;
use crate::pipeline::{Pipeline, Wanted};

/// How a member is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The high byte of the session ids made here.
    pub server_id: u8,
    /// Unit of session deadlines, ms (`tickTime`).
    pub tick_ms: u64,
    /// The shortest session timeout granted, ms.
    pub session_timeout_min_ms: i32,
    /// The longest session timeout granted, ms.
    pub session_timeout_max_ms: i32,
    /// What writes may do.
    pub prep: PrepSettings,
    /// Time between two looks for containers and TTL znodes to remove, ms.
    pub container_check_ms: u64,
    /// Most containers and TTL znodes removed in a minute.
    pub container_removals_per_minute: u64,
    /// Age at which a container that never had a child is removed, ms; 0 for never.
    pub container_never_used_ms: i64,
    /// Bounds.
    pub limits: Limits,
}

/// Counts for an operator, from the start of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Writes answered.
    pub writes: u64,
    /// Sum of the times from a write's arrival to its reply, ms.
    pub write_ms_sum: u64,
    /// The longest of them, ms.
    pub write_ms_max: u64,
    /// Sessions that ended because their client was not heard of.
    pub sessions_expired: u64,
    /// Transactions after which the tree's digest was not the one predicted.
    pub digest_mismatches: u64,
}

/// One member.
#[derive(Debug)]
pub struct Replica {
    settings: Settings,
    pipeline: Pipeline,
    expiry: Expiry,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The connection that owns each session with one.
    owners: BTreeMap<SessionId, ConnectionId>,
    next_session: i64,
    container_check_at_ms: u64,
    traffic: Traffic,
}

impl Replica {
    /// A member on a recovered state. Every session gets a full timeout from now.
    pub fn new(settings: Settings, store: &Store, now: Now) -> Self {
        let mut expiry = Expiry::new(settings.tick_ms);
        for (session, timeout_ms) in store.sessions() {
            expiry.track(session, timeout_ms.max(0) as u64, now.mono_ms);
        }
        let next_session = first_session(settings.server_id, now.wall_ms, store);
        Self {
            pipeline: Pipeline::new(store),
            expiry,
            connections: BTreeMap::new(),
            owners: BTreeMap::new(),
            next_session,
            container_check_at_ms: now.mono_ms + settings.container_check_ms,
            traffic: Traffic::default(),
            settings,
        }
    }

    /// Counts for an operator.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Transactions prepared and not committed.
    pub fn outstanding(&self) -> usize {
        self.pipeline.len()
    }

    /// A connection's first frame. The answer comes at once for a session to resume, and with the
    /// commit for a new one.
    pub fn connect(
        &mut self,
        store: &Store,
        connection: ConnectionId,
        request: &ConnectRequest,
        now: Now,
        clients: &mut impl Clients,
    ) {
        if request.last_zxid_seen > store.last_zxid() {
            // The client has seen more than this server; another one must serve it.
            tracing::info!(
                seen = %request.last_zxid_seen,
                last = %store.last_zxid(),
                "client refused: it has seen a later transaction than this server",
            );
            return clients.close(connection);
        }
        let timeout_ms = request.timeout_ms.clamp(
            self.settings.session_timeout_min_ms,
            self.settings.session_timeout_max_ms,
        );
        let short = request.read_only.is_none();
        if request.session_id == SessionId::NONE {
            self.create_session(store, connection, timeout_ms, short, now);
        } else {
            self.resume_session(store, connection, request, timeout_ms, now, clients);
        }
    }

    fn create_session(
        &mut self,
        store: &Store,
        connection: ConnectionId,
        timeout_ms: i32,
        short: bool,
        now: Now,
    ) {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.expiry.track(session, timeout_ms as u64, now.mono_ms);
        let wanted = Wanted {
            session,
            cxid: 0,
            identities: &[].into(),
            origin: Some(connection),
            write: Write::CreateSession(timeout_ms),
        };
        let zxid = self
            .pipeline
            .propose(store, self.settings.prep, now.wall_ms, wanted);
        let mut entry = Connection::new(session);
        entry.waiting.push_back(Waiting::Connect {
            zxid,
            short,
            timeout_ms,
        });
        self.connections.insert(connection, entry);
        self.owners.insert(session, connection);
    }

    /// The password is compared before anything happens to the session's older connection: who only
    /// guesses an id cuts nobody off.
    fn resume_session(
        &mut self,
        store: &Store,
        connection: ConnectionId,
        request: &ConnectRequest,
        timeout_ms: i32,
        now: Now,
        clients: &mut impl Clients,
    ) {
        let session = request.session_id;
        let short = request.read_only.is_none();
        let password = request.password.as_deref().unwrap_or_default();
        let known = password == session_password(session)
            && self.pipeline.is_alive(store, session)
            && self.expiry.is_tracked(session);
        if !known {
            clients.buffer(connection, |out| {
                frame::encode(out, |out| ConnectResponse::refusal(short).encode(out));
            });
            return clients.close(connection);
        }
        if let Some(older) = self.owners.insert(session, connection) {
            self.connections.remove(&older);
            clients.close(older);
        }
        self.expiry.track(session, timeout_ms as u64, now.mono_ms);
        self.connections
            .insert(connection, Connection::new(session));
        welcome(connection, session, timeout_ms, short, clients);
        clients.answered(connection);
    }

    /// A request of a connection that waits for a transaction or asks for one.
    pub fn submit(
        &mut self,
        store: &Store,
        connection: ConnectionId,
        xid: Xid,
        request: Request,
        identities: Identities,
        now: Now,
    ) {
        let Some(entry) = self.connections.get_mut(&connection) else {
            return;
        };
        if is_read(&request) {
            return entry.waiting.push_back(Waiting::Read {
                xid,
                request,
                identities,
            });
        }
        let op = request.op();
        let stats = StatsWanted::by(&request);
        let wanted = Wanted {
            session: entry.session,
            cxid: xid.0,
            identities: &identities,
            origin: Some(connection),
            write: match request {
                Request::CloseSession => Write::CloseSession,
                _ => Write::Request(&request),
            },
        };
        let zxid = self
            .pipeline
            .propose(store, self.settings.prep, now.wall_ms, wanted);
        let since_ms = now.mono_ms;
        entry.waiting.push_back(Waiting::Write {
            zxid,
            xid,
            op,
            since_ms,
            wanted: stats,
        });
    }

    /// A request answered by a header alone, behind those before it: one that cannot be served, or
    /// an authentication. Without a zxid it takes the last one applied by then; with `close` it is
    /// the last.
    pub fn submit_header(
        &mut self,
        connection: ConnectionId,
        xid: Xid,
        zxid: Option<Zxid>,
        code: ErrorCode,
        close: bool,
    ) {
        if let Some(entry) = self.connections.get_mut(&connection) {
            entry.waiting.push_back(Waiting::Header {
                xid,
                zxid,
                code,
                close,
            });
        }
    }

    /// A connection has ended; its session lives on until it is resumed or expires, for a full
    /// timeout from when it was last heard of: `clients` still knows when that was.
    pub fn disconnect(
        &mut self,
        connection: ConnectionId,
        watches: &mut Watches,
        clients: &impl Clients,
    ) {
        watches.drop_connection(connection);
        if let Some(entry) = self.connections.remove(&connection)
            && self.owners.get(&entry.session) == Some(&connection)
        {
            self.owners.remove(&entry.session);
            if let Some(heard_ms) = clients.heard_ms(connection) {
                self.expiry.touch(entry.session, heard_ms);
            }
        }
    }

    /// Answers requests of a connection that no longer wait for a transaction.
    ///
    /// For those submitted behind a write that was answered in between.
    pub fn drain(
        &mut self,
        connection: ConnectionId,
        store: &Store,
        watches: &mut Watches,
        clients: &mut impl Clients,
    ) {
        while let Some(entry) = self.connections.get_mut(&connection) {
            match entry.waiting.front() {
                Some(Waiting::Read { .. } | Waiting::Header { .. }) => {}
                _ => return,
            }
            let session = entry.session;
            match entry.waiting.pop_front() {
                Some(Waiting::Read {
                    xid,
                    request,
                    identities,
                }) => {
                    let who = Answering {
                        connection,
                        session,
                        identities: &identities,
                        skip_acl: self.settings.prep.skip_acl,
                        watches_max: self.settings.limits.watches_per_connection_max,
                    };
                    let watches = needs_watches(&request).then_some(&mut *watches);
                    clients.buffer(connection, |out| {
                        answer(store, watches, who, xid, &request, out);
                    });
                }
                Some(Waiting::Header {
                    xid,
                    zxid,
                    code,
                    close,
                }) => {
                    let zxid = zxid.unwrap_or(store.last_zxid());
                    let header = ReplyHeader {
                        xid,
                        zxid,
                        err: code,
                    };
                    clients.buffer(connection, |out| {
                        reply::encode_frame(header, &Response::Empty, out);
                    });
                    if close {
                        self.end_connection(connection, watches, clients);
                    }
                }
                _ => return,
            }
            clients.answered(connection);
        }
    }

    fn end_connection(
        &mut self,
        connection: ConnectionId,
        watches: &mut Watches,
        clients: &mut impl Clients,
    ) {
        self.disconnect(connection, watches, clients);
        clients.close(connection);
    }

    /// Lets time pass: ends sessions not heard of for their timeout, removes what containers and
    /// TTL znodes may go.
    pub fn tick(&mut self, store: &Store, now: Now, clients: &mut impl Clients) {
        let due: Vec<SessionId> = self.expiry.due(now.mono_ms).collect();
        for session in due {
            let owner = self.owners.get(&session);
            if let Some(heard_ms) = owner.and_then(|&owner| clients.heard_ms(owner)) {
                self.expiry.touch(session, heard_ms);
            }
        }
        let due: Vec<SessionId> = self.expiry.due(now.mono_ms).collect();
        for session in due {
            self.expiry.forget(session);
            if self.pipeline.is_alive(store, session) {
                self.traffic.sessions_expired += 1;
                tracing::info!(%session, "session expired");
                self.propose_own(store, session, Write::CloseSession, now);
            }
        }
        if now.mono_ms >= self.container_check_at_ms {
            self.container_check_at_ms = now.mono_ms + self.settings.container_check_ms;
            self.remove_containers(store, now);
        }
    }

    fn remove_containers(&mut self, store: &Store, now: Now) {
        let most = self.settings.container_removals_per_minute * self.settings.container_check_ms;
        let most = (most / 60_000).max(1) as usize;
        let removable = store.removable(now.wall_ms, self.settings.container_never_used_ms);
        for path in removable.into_iter().take(most) {
            self.propose_own(store, SessionId::NONE, Write::DeleteContainer(&path), now);
        }
    }

    /// A write that no connection waits for.
    fn propose_own(&mut self, store: &Store, session: SessionId, write: Write<'_>, now: Now) {
        let wanted = Wanted {
            session,
            cxid: 0,
            identities: &[].into(),
            origin: None,
            write,
        };
        self.pipeline
            .propose(store, self.settings.prep, now.wall_ms, wanted);
    }

    /// When [`Replica::tick`] has something to do next, on the monotonic clock.
    pub fn next_tick_ms(&self) -> u64 {
        let expiry = self.expiry.next_due_ms().unwrap_or(u64::MAX);
        expiry.min(self.container_check_at_ms)
    }

    /// The process stood still for this long: no session's deadline counts that time.
    pub fn stalled(&mut self, by_ms: u64) {
        self.expiry.extend_all(by_ms);
    }

    /// How many transactions [`Replica::take_unlogged`] would give.
    pub fn unlogged(&self) -> usize {
        self.pipeline.unlogged()
    }

    /// Transactions to make durable, in zxid order: each is encoded as the log holds it.
    pub fn take_unlogged(&mut self) -> Vec<(Zxid, Bytes)> {
        self.pipeline.take_unlogged()
    }

    /// Everything up to `durable` lies in this member's log. In an ensemble of one that is a
    /// quorum, so it is committed: applied, told to watchers, answered.
    pub fn commit(
        &mut self,
        durable: Zxid,
        store: &mut Store,
        watches: &mut Watches,
        now: Now,
        clients: &mut impl Clients,
    ) {
        while let Some(proposed) = self.pipeline.take_committed(durable) {
            let entry = proposed.entry;
            let zxid = entry.header.zxid;
            let applied = store.apply(&entry);
            assert!(
                !applied.misfit,
                "transaction {zxid} was prepared here and does not fit the tree"
            );
            self.pipeline.applied(zxid);
            if applied.digest_mismatch {
                self.traffic.digest_mismatches += 1;
                tracing::error!(%zxid, "digest of the tree is not the one predicted");
            }
            for change in &applied.changes {
                watches.trigger(change, zxid, &mut Events(clients));
            }
            self.close_owner(&entry, proposed.origin, watches, clients);
            if let Some(origin) = proposed.origin {
                if self.answer_write(origin, zxid, applied, now, clients)
                    == Some(OpCode::CloseSession)
                {
                    // The last that a connection gets answered, whether it came in time or not.
                    self.end_connection(origin, watches, clients);
                }
                self.drain(origin, store, watches, clients);
            }
        }
    }

    /// The connection of a session that has ended by expiry is closed without a frame.
    fn close_owner(
        &mut self,
        entry: &TxnEntry,
        origin: Option<ConnectionId>,
        watches: &mut Watches,
        clients: &mut impl Clients,
    ) {
        if entry.header.op != i32::from(OpCode::CloseSession) {
            return;
        }
        let session = entry.header.client_id;
        self.expiry.forget(session);
        if let Some(owner) = self.owners.get(&session).copied()
            && Some(owner) != origin
        {
            self.end_connection(owner, watches, clients);
        }
    }

    /// Gives the operation answered, if a connection still waits for it.
    fn answer_write(
        &mut self,
        origin: ConnectionId,
        zxid: Zxid,
        mut applied: Applied,
        now: Now,
        clients: &mut impl Clients,
    ) -> Option<OpCode> {
        let connection = self.connections.get_mut(&origin)?;
        let op = match connection.waiting.pop_front() {
            Some(Waiting::Connect {
                zxid: expected,
                short,
                timeout_ms,
            }) => {
                assert_eq!(
                    expected, zxid,
                    "a connection's transactions commit in order"
                );
                welcome(origin, connection.session, timeout_ms, short, clients);
                OpCode::CreateSession
            }
            Some(Waiting::Write {
                zxid: expected,
                xid,
                op,
                since_ms,
                wanted,
            }) => {
                applied.give_stats(&wanted);
                assert_eq!(
                    expected, zxid,
                    "a connection's transactions commit in order"
                );
                let took_ms = now.mono_ms.saturating_sub(since_ms);
                self.traffic.writes += 1;
                self.traffic.write_ms_sum += took_ms;
                self.traffic.write_ms_max = self.traffic.write_ms_max.max(took_ms);
                let (err, body) = match applied.outcome {
                    Ok(body) => (ErrorCode::OK, body),
                    Err(code) => (code, Response::Empty),
                };
                clients.buffer(origin, |out| {
                    reply::encode_frame(ReplyHeader { xid, zxid, err }, &body, out);
                });
                op
            }
            other => unreachable!("a transaction committed for {other:?}"),
        };
        clients.answered(origin);
        Some(op)
    }
}

fn welcome(
    connection: ConnectionId,
    session: SessionId,
    timeout_ms: i32,
    short: bool,
    clients: &mut impl Clients,
) {
    let response = ConnectResponse {
        protocol_version: 0,
        timeout_ms,
        session_id: session,
        password: Some(Bytes::copy_from_slice(&session_password(session))),
        read_only: (!short).then_some(false),
    };
    clients.buffer(connection, |out| {
        frame::encode(out, |out| response.encode(out))
    });
    clients.opened(connection, session, timeout_ms);
}

/// The first session id of a run: server id, 40 bits of the clock, 16 bits of counter.
///
/// Apache takes a monotonic clock that starts anew with the machine; the wall clock never gives the
/// ids of an earlier run again unless it is set back; no id of a session alive is given even then.
fn first_session(server_id: u8, wall_ms: i64, store: &Store) -> i64 {
    let clock = ((wall_ms as u64) << 24) >> 8;
    let first = ((u64::from(server_id) << 56) | clock) as i64;
    let alive = store.sessions().map(|(session, _)| session.0);
    let own = alive.filter(|id| id >> 56 == first >> 56);
    own.max().map_or(first, |last| first.max(last + 1))
}

#[cfg(test)]
mod tests {
    use lockkeeper_wire::{Txn, TxnHeader};

    use super::*;

    #[test]
    fn a_clock_set_back_gives_no_id_of_a_session_alive() {
        let mut store = Store::new(1);
        let begin = |store: &mut Store, zxid: i64, id: i64| {
            let txn = Txn::CreateSession(1000);
            let header = TxnHeader {
                client_id: SessionId(id),
                cxid: 0,
                zxid: Zxid(zxid),
                time_ms: 0,
                op: txn.op().into(),
            };
            store.apply(&TxnEntry {
                header,
                txn,
                digest: None,
            });
        };
        let first = first_session(1, 5000, &store);
        assert_eq!(first, 0x0100_0000_1388_0000);
        begin(&mut store, 1, first + 7);
        begin(&mut store, 2, 0x0200_0000_1388_0000);
        assert_eq!(first_session(1, 5000, &store), first + 8);
        assert_eq!(first_session(1, 1, &store), first + 8);
        assert_eq!(first_session(1, 5001, &store), first + (1 << 16));
    }
}
