//! A connection's requests: judged or sent on when they come, answered in their order.

use lockkeeper_store::{ConnectionId, Identities, StatsWanted, Store, Watches, Write};
use lockkeeper_wire::{ErrorCode, ReplyHeader, Request, Response, Xid, Zxid, reply};

use crate::answer::{Answering, answer, is_read, needs_watches};
use crate::connection::{Clients, Held, Now, Waiting};
use crate::pipeline::Wanted;
use crate::replica::Replica;
use crate::role::Role;

impl Replica {
    /// A request of a connection that waits for a transaction or asks for one. [`Replica::drain`]
    /// follows.
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
        if let Some(held) = &mut entry.behind_sync {
            return held.push_back(Held::Request {
                xid,
                request,
                identities,
            });
        }
        #[cfg(feature = "__seeded-bugs")]
        if is_read(&request) && lockkeeper_bugs::is(lockkeeper_bugs::Bug::RepliesOutOfOrder) {
            return entry.waiting.push_front(Waiting::Read {
                xid,
                request,
                identities,
            });
        }
        #[cfg(feature = "__seeded-bugs")]
        if matches!(request, Request::Sync(_))
            && lockkeeper_bugs::is(lockkeeper_bugs::Bug::SyncsAtOnce)
        {
            return entry.waiting.push_back(Waiting::Read {
                xid,
                request,
                identities,
            });
        }
        if is_read(&request) {
            return entry.waiting.push_back(Waiting::Read {
                xid,
                request,
                identities,
            });
        }
        if matches!(self.role, Role::ReadOnly) {
            let code = ErrorCode::NOT_READ_ONLY;
            let is_close = matches!(request, Request::CloseSession);
            if !is_close {
                return self.submit_header(connection, xid, None, code, false);
            }
        } else if let Request::Sync(_) = request {
            entry.behind_sync = Some(Default::default());
            entry.waiting.push_back(Waiting::Sync {
                xid,
                request,
                identities,
            });
            let ticket = self.next_ticket;
            self.next_ticket += 1;
            self.syncs.insert(ticket, connection);
            let session = entry.session;
            self.peer.sync(ticket, session, xid.0, now.mono_ms);
            return self.settle(store, now);
        }
        let (session, timeout_ms) = (entry.session, entry.timeout_ms);
        let local = self.is_local(session);
        if local {
            if let Request::CloseSession = request {
                self.locals.forget(session);
                return self.submit_header(connection, xid, None, ErrorCode::OK, true);
            }
            let session = (session, timeout_ms);
            if let Err(code) = self.admit_local(store, session, &request, now) {
                return self.submit_header(connection, xid, None, code, false);
            }
        }
        if let Some(entry) = self.connections.get_mut(&connection) {
            entry.waiting.push_back(Waiting::Write {
                xid,
                op: request.op(),
                since_ms: now.mono_ms,
                wanted: StatsWanted::by(&request),
            });
        }
        let write = match &request {
            _ if self.has_moved(session) => Write::Refused(ErrorCode::SESSION_MOVED),
            Request::CloseSession => Write::CloseSession,
            request => Write::Request(request),
        };
        let wanted = Wanted {
            session,
            cxid: xid.0,
            identities: &identities,
            origin: Some(connection),
            write,
            local: local && self.is_local(session),
        };
        self.send(store, wanted, now);
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
        let Some(entry) = self.connections.get_mut(&connection) else {
            return;
        };
        match &mut entry.behind_sync {
            Some(held) => held.push_back(Held::Header {
                xid,
                zxid,
                code,
                close,
            }),
            None => entry.waiting.push_back(Waiting::Header {
                xid,
                zxid,
                code,
                close,
            }),
        }
    }

    /// Whether a learner has the session now, whose old connection here has not ended yet.
    fn has_moved(&self, session: lockkeeper_wire::SessionId) -> bool {
        matches!(&self.role, Role::Leading(leading) if leading.has_left(session))
    }

    /// All that the leader had committed when the sync came is here.
    pub(crate) fn synced(
        &mut self,
        ticket: u64,
        store: &Store,
        watches: &mut Watches,
        now: Now,
        clients: &mut impl Clients,
    ) {
        let Some(connection) = self.syncs.remove(&ticket) else {
            return;
        };
        let Some(entry) = self.connections.get_mut(&connection) else {
            return;
        };
        for held in entry.synced() {
            match held {
                Held::Request {
                    xid,
                    request,
                    identities,
                } => self.submit(store, connection, xid, request, identities, now),
                Held::Header {
                    xid,
                    zxid,
                    code,
                    close,
                } => self.submit_header(connection, xid, zxid, code, close),
            }
        }
        self.drain(connection, store, watches, clients);
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
        let Some(entry) = self.connections.remove(&connection) else {
            return;
        };
        if self.owners.get(&entry.session) != Some(&connection) {
            return;
        }
        self.owners.remove(&entry.session);
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::ForgetsContact) {
            return;
        }
        let Some(heard_ms) = clients.heard_ms(connection) else {
            return;
        };
        self.locals.touch(entry.session, heard_ms);
        match &mut self.role {
            Role::Leading(leading) => leading.expiry.touch(entry.session, heard_ms),
            Role::Learning(learning) if heard_ms >= learning.asked_at_ms => {
                learning.touched.insert(entry.session, entry.timeout_ms);
            }
            _ => {}
        }
    }

    /// Answers requests of a connection that no longer wait for anything.
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
            let session = entry.session;
            let is_ready = |first: &mut Waiting| {
                matches!(first, Waiting::Read { .. } | Waiting::Header { .. })
            };
            match entry.waiting.pop_front_if(is_ready) {
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

    pub(crate) fn end_connection(
        &mut self,
        connection: ConnectionId,
        watches: &mut Watches,
        clients: &mut impl Clients,
    ) {
        self.disconnect(connection, watches, clients);
        clients.close(connection);
    }
}
