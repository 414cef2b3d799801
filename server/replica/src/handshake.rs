//! The first frame of a connection: a session begins, or goes on here.

use bytes::Bytes;
use lockkeeper_store::{ConnectionId, Store, Watches, Write};
use lockkeeper_wire::{
    ConnectRequest, ConnectResponse, ErrorCode, Record, ReplyHeader, SessionId, Xid, Zxid, frame,
};

use crate::connection::{Clients, Connection, Now, Waiting};
use crate::password::session_password;
use crate::pipeline::Wanted;
use crate::replica::Replica;
use crate::role::Role;

impl Replica {
    /// A connection's first frame. The answer comes with the commit for a new session. For one to
    /// resume it comes at once from a leader, and when the leader has answered from a learner. A
    /// member that serves nobody closes the connection without a word.
    pub fn connect(
        &mut self,
        store: &Store,
        connection: ConnectionId,
        request: &ConnectRequest,
        now: Now,
        clients: &mut impl Clients,
    ) {
        let is_served = match self.role {
            Role::Looking => false,
            Role::ReadOnly => request.read_only == Some(true),
            Role::Leading(_) | Role::Learning(_) => true,
        };
        if !is_served {
            tracing::debug!("client refused: this server has no leader");
            return clients.close(connection);
        }
        let reached = self.reached(store);
        if request.last_zxid_seen > reached {
            // The client has seen more than this server; another one must serve it.
            tracing::info!(
                seen = %request.last_zxid_seen,
                last = %reached,
                "client refused: it has seen a later transaction than this server",
            );
            return clients.close(connection);
        }
        let timeout_ms = request.timeout_ms.clamp(
            self.settings.session_timeout_min_ms,
            self.settings.session_timeout_max_ms,
        );
        let short = request.read_only.is_none();
        let session = request.session_id;
        if session == SessionId::NONE {
            return self.begin(store, connection, timeout_ms, short, now, clients);
        }
        // The password is compared before anything happens to the session's older connection: who
        // only guesses an id cuts nobody off.
        let password = request.password.as_deref().unwrap_or_default();
        if password != session_password(session) {
            return self.refuse(connection, short, clients);
        }
        let mut entry = Connection::new(session, timeout_ms);
        entry.waiting.push_back(Waiting::Connect { short });
        self.connections.insert(connection, entry);
        if self.resume_local(session, timeout_ms, now) {
            return self.resume(connection, true, clients);
        }
        match &mut self.role {
            Role::Looking | Role::ReadOnly => {
                self.connections.remove(&connection);
                clients.close(connection);
            }
            Role::Leading(leading) => {
                let valid = leading.is_resumable(store, session);
                if valid {
                    leading.own(session);
                    let timeout_ms = timeout_ms as u64;
                    leading.expiry.track(session, timeout_ms, now.mono_ms);
                }
                self.resume(connection, valid, clients);
            }
            Role::Learning(learning) => {
                let asking = learning.resuming.entry(session).or_default();
                asking.push_back(connection);
                self.peer.revalidate(session, timeout_ms);
                self.settle(store, now);
            }
        }
    }

    /// Begins a session, here alone or on all servers.
    fn begin(
        &mut self,
        store: &Store,
        connection: ConnectionId,
        timeout_ms: i32,
        short: bool,
        now: Now,
        clients: &mut impl Clients,
    ) {
        if self.is_read_only() && self.settings.local_sessions.is_none() {
            return refuse_write(connection, store, clients);
        }
        let session = SessionId(self.next_session);
        self.next_session += 1;
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::RepeatsSessionId) && self.next_session & 3 == 0
        {
            self.next_session -= 1;
        }
        let mut entry = Connection::new(session, timeout_ms);
        self.owners.insert(session, connection);
        if self.settings.local_sessions.is_some() {
            self.locals.track(session, timeout_ms as u64, now.mono_ms);
            self.connections.insert(connection, entry);
            return self.open(connection, short, clients);
        }
        entry.waiting.push_back(Waiting::Connect { short });
        self.connections.insert(connection, entry);
        let wanted = Wanted {
            session,
            cxid: 0,
            identities: &[].into(),
            origin: Some(connection),
            write: Write::CreateSession(timeout_ms),
            local: false,
        };
        self.send(store, wanted, now);
    }

    /// What a client that comes here may have seen at most.
    ///
    /// An epoch begins with all that was committed before, so its start is no later than the last
    /// transaction; Apache's leaders show it to their clients although no transaction has it.
    fn reached(&self, store: &Store) -> Zxid {
        let (_, epoch) = self.peer.epochs();
        store.last_zxid().max(Zxid(epoch << 32))
    }

    /// The leader's word about a session that a client wants to resume here.
    pub(crate) fn revalidated(
        &mut self,
        session: SessionId,
        valid: bool,
        store: &Store,
        watches: &mut Watches,
        clients: &mut impl Clients,
    ) {
        let Role::Learning(learning) = &mut self.role else {
            return;
        };
        let Some(asking) = learning.resuming.get_mut(&session) else {
            return;
        };
        let connection = asking.pop_front();
        if asking.is_empty() {
            learning.resuming.remove(&session);
        }
        if let Some(connection) = connection {
            self.resume(connection, valid, clients);
            self.drain(connection, store, watches, clients);
        }
    }

    /// Ends a handshake that resumes a session.
    fn resume(&mut self, connection: ConnectionId, valid: bool, clients: &mut impl Clients) {
        let Some(entry) = self.connections.get_mut(&connection) else {
            return;
        };
        let session = entry.session;
        let Some(Waiting::Connect { short }) = entry.waiting.pop_front() else {
            unreachable!("a session is resumed by a handshake");
        };
        if !valid {
            return self.refuse(connection, short, clients);
        }
        let older = self.owners.insert(session, connection);
        #[cfg(feature = "__seeded-bugs")]
        let older =
            older.filter(|_| !lockkeeper_bugs::is(lockkeeper_bugs::Bug::KeepsOldConnection));
        if let Some(older) = older {
            self.connections.remove(&older);
            clients.close(older);
        }
        self.open(connection, short, clients);
    }

    /// The session is there: the client is told, and its requests are served.
    pub(crate) fn open(
        &mut self,
        connection: ConnectionId,
        short: bool,
        clients: &mut impl Clients,
    ) {
        let Some(entry) = self.connections.get(&connection) else {
            return;
        };
        let (session, timeout_ms) = (entry.session, entry.timeout_ms);
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms,
            session_id: session,
            password: Some(Bytes::copy_from_slice(&session_password(session))),
            read_only: (!short).then_some(self.is_read_only()),
        };
        clients.buffer(connection, |out| {
            frame::encode(out, |out| response.encode(out));
        });
        clients.opened(connection, session, timeout_ms);
        clients.answered(connection);
    }

    /// There is no such session, and the connection ends with this answer.
    pub(crate) fn refuse(
        &mut self,
        connection: ConnectionId,
        short: bool,
        clients: &mut impl Clients,
    ) {
        if let Some(entry) = self.connections.remove(&connection)
            && self.owners.get(&entry.session) == Some(&connection)
        {
            self.owners.remove(&entry.session);
        }
        clients.buffer(connection, |out| {
            frame::encode(out, |out| ConnectResponse::refusal(short).encode(out));
        });
        clients.close(connection);
    }
}

/// A session that all servers are to know cannot begin without a leader. Apache answers the
/// handshake as if it were any other request.
fn refuse_write(connection: ConnectionId, store: &Store, clients: &mut impl Clients) {
    let header = ReplyHeader {
        xid: Xid(0),
        zxid: store.last_zxid(),
        err: ErrorCode::NOT_READ_ONLY,
    };
    clients.buffer(connection, |out| {
        frame::encode(out, |out| header.encode(out));
    });
    clients.close(connection);
}
