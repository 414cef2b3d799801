//! The connections of a member, as its replica uses them; what `server/src/links.rs` is there.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use lockkeeper_replica::Limits;
use lockkeeper_store::{ConnectionId, Identities, address_identity};
use lockkeeper_wire::{Deframer, Id, SessionId};

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) wire: u64,
    pub(super) phase: Phase,
    pub(super) deframer: Deframer,
    pub(super) out: BytesMut,
    pub(super) outstanding: usize,
    pub(super) closing: bool,
    /// Its task has ended; the replica has yet to hear of it.
    pub(super) is_gone: bool,
    pub(super) identities: Identities,
    pub(super) heard_ms: u64,
    pub(super) session: SessionId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Handshake,
    Requests,
    Ending,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) limits: Limits,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) outstanding: usize,
    next: u64,
    /// Those whose buffers have to leave.
    marked: Vec<ConnectionId>,
    /// Those that may go on with frames that found no room.
    pub(super) freed: Vec<ConnectionId>,
    /// The newest connection of each session.
    pub(super) owners: BTreeMap<SessionId, ConnectionId>,
    /// Sessions whose handshake has been answered.
    pub(super) opened: Vec<SessionId>,
}

impl Clients {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: BTreeMap::new(),
            outstanding: 0,
            next: 0,
            marked: Vec::new(),
            freed: Vec::new(),
            owners: BTreeMap::new(),
            opened: Vec::new(),
        }
    }

    pub(super) fn accept(&mut self, wire: u64, now_ms: u64) {
        self.next += 1;
        let client = std::net::Ipv4Addr::new(10, 0, (wire >> 8) as u8, wire as u8);
        let connection = Connection {
            wire,
            phase: Phase::Handshake,
            deframer: Deframer::new(),
            out: BytesMut::new(),
            outstanding: 0,
            closing: false,
            is_gone: false,
            identities: address_identity(client.into()),
            heard_ms: now_ms,
            session: SessionId::NONE,
        };
        self.connections.insert(ConnectionId(self.next), connection);
    }

    pub(super) fn of_wire(&self, wire: u64) -> Option<ConnectionId> {
        let mut all = self.connections.iter();
        all.find(|(_, connection)| connection.wire == wire && !connection.is_gone)
            .map(|(&id, _)| id)
    }

    pub(super) fn wires(&self) -> Vec<u64> {
        let open = self.connections.values().filter(|open| !open.is_gone);
        open.map(|connection| connection.wire).collect()
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(&id) {
            self.outstanding -= connection.outstanding;
        }
    }

    pub(super) fn mark(&mut self, id: ConnectionId) {
        if !self.marked.contains(&id) {
            self.marked.push(id);
        }
    }

    /// Whether another request is served.
    pub(super) fn has_room(&self, connection: &Connection) -> bool {
        connection.out.len() < self.limits.unsent_len_pause
            && connection.outstanding < self.limits.outstanding_per_connection_max
            && (connection.outstanding == 0 || self.outstanding < self.limits.outstanding_max)
    }

    /// What leaves, wire by wire; with the connection where it is the last of it.
    pub(super) fn take_outgoing(&mut self) -> Vec<(u64, Bytes, Option<ConnectionId>)> {
        let mut outgoing = Vec::new();
        for id in std::mem::take(&mut self.marked) {
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            let is_over = connection.closing
                || (connection.phase == Phase::Ending && connection.outstanding == 0);
            if connection.is_gone {
                continue;
            }
            let bytes = connection.out.split().freeze();
            outgoing.push((connection.wire, bytes, is_over.then_some(id)));
            connection.is_gone = is_over;
        }
        outgoing
    }
}

impl lockkeeper_replica::Clients for Clients {
    fn buffer<R>(&mut self, id: ConnectionId, f: impl FnOnce(&mut BytesMut) -> R) -> Option<R> {
        let connection = self.connections.get_mut(&id)?;
        let result = f(&mut connection.out);
        self.mark(id);
        Some(result)
    }

    fn identities<R>(&self, id: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R {
        match self.connections.get(&id) {
            Some(connection) => f(&connection.identities),
            None => f(&[]),
        }
    }

    fn heard_ms(&self, id: ConnectionId) -> Option<u64> {
        self.connections
            .get(&id)
            .map(|connection| connection.heard_ms)
    }

    fn opened(&mut self, id: ConnectionId, session: SessionId, _timeout_ms: i32) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.session = session;
            self.owners.insert(session, id);
            self.opened.push(session);
        }
    }

    fn answered(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.outstanding -= 1;
            self.outstanding -= 1;
            self.mark(id);
            self.freed.push(id);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.closing = true;
            self.mark(id);
        }
    }
}
