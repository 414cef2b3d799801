//! A replica with everything around it recorded: no threads, no clock, no disk.

#![allow(dead_code, unreachable_pub)]

pub mod ensemble;

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use lockkeeper_replica::{
    Clients, Effect, IoId, Limits, Now, Peer, PeerInput, Replica, Settings, session_password,
};
use lockkeeper_store::{ConnectionId, PrepSettings, Store, Watches};
use lockkeeper_wire::request::{CreateRequest, PathWatch, SetDataRequest, SyncPath};
use lockkeeper_wire::{
    Acl, ConnectRequest, ConnectResponse, CreateMode, Deframer, Id, Reader, Record, ReplyHeader,
    Request, SessionId, Xid, Zxid,
};

pub const TICK_MS: u64 = 100;
pub const TIMEOUT_MS: i32 = 1000;

/// Connections that write down what is done to them.
#[derive(Debug, Default)]
pub struct Recorder {
    buffers: BTreeMap<ConnectionId, BytesMut>,
    sessions: BTreeMap<ConnectionId, SessionId>,
    pub heard_ms: BTreeMap<ConnectionId, u64>,
    pub closed: BTreeSet<ConnectionId>,
    pub answered: BTreeMap<ConnectionId, usize>,
}

impl Clients for Recorder {
    fn buffer<R>(
        &mut self,
        connection: ConnectionId,
        f: impl FnOnce(&mut BytesMut) -> R,
    ) -> Option<R> {
        Some(f(self.buffers.entry(connection).or_default()))
    }

    fn identities<R>(&self, _: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R {
        f(&[])
    }

    fn heard_ms(&self, connection: ConnectionId) -> Option<u64> {
        self.heard_ms.get(&connection).copied()
    }

    fn opened(&mut self, connection: ConnectionId, session: SessionId, _: i32) {
        self.sessions.insert(connection, session);
    }

    fn answered(&mut self, connection: ConnectionId) {
        *self.answered.entry(connection).or_default() += 1;
    }

    fn close(&mut self, connection: ConnectionId) {
        self.closed.insert(connection);
    }
}

impl Recorder {
    pub fn session(&self, connection: ConnectionId) -> SessionId {
        self.sessions[&connection]
    }

    /// Connections with a session.
    pub fn sessions(&self) -> Vec<ConnectionId> {
        self.sessions.keys().copied().collect()
    }

    pub fn is_open(&self, connection: ConnectionId) -> bool {
        self.sessions.contains_key(&connection) && !self.closed.contains(&connection)
    }

    pub fn has_sent(&self, connection: ConnectionId) -> bool {
        let sent = self.buffers.get(&connection);
        sent.is_some_and(|sent| !sent.is_empty())
    }

    /// What was sent to the connection since the last call.
    pub fn frames(&mut self, connection: ConnectionId) -> Vec<Bytes> {
        let mut deframer = Deframer::new();
        let sent = self.buffers.remove(&connection);
        deframer
            .buffer_mut()
            .extend_from_slice(&sent.unwrap_or_default());
        let next = || deframer.next_frame(usize::MAX).expect("frames");
        std::iter::from_fn(next).collect()
    }

    pub fn granted(&mut self, connection: ConnectionId) -> ConnectResponse {
        let frames = self.frames(connection);
        assert_eq!(frames.len(), 1, "the answer to the handshake alone");
        ConnectResponse::from_bytes(&frames[0]).expect("a connect response")
    }

    /// Numbers and codes of what was sent to the connection since the last call.
    pub fn replies(&mut self, connection: ConnectionId) -> Vec<(i32, i32)> {
        let frames = self.frames(connection);
        let header = |frame: &Bytes| ReplyHeader::decode(&mut Reader::new(frame));
        let headers = frames.iter().map(|frame| header(frame).expect("a header"));
        headers.map(|header| (header.xid.0, header.err.0)).collect()
    }
}

/// A member, its state, and the connections it knows.
pub struct World {
    pub replica: Replica,
    pub store: Store,
    pub watches: Watches,
    pub clients: Recorder,
    pub now_ms: u64,
    durable: IoId,
}

impl World {
    pub fn new() -> Self {
        let settings = settings(1);
        let store = Store::new(1);
        let peer = Peer::standalone(store.last_zxid());
        let replica = Replica::new(settings, peer, &store, now(0));
        let mut world = Self {
            replica,
            store,
            watches: Watches::new(),
            clients: Recorder::default(),
            now_ms: 0,
            durable: IoId(0),
        };
        world.decide();
        world
    }

    fn now(&self) -> Now {
        now(self.now_ms)
    }

    /// A handshake; what is asked for is not committed yet.
    pub fn handshake(&mut self, connection: ConnectionId, session: SessionId) {
        let request = hello(session, Zxid::ZERO);
        self.clients.heard_ms.insert(connection, self.now_ms);
        let now = self.now();
        self.replica
            .connect(&self.store, connection, &request, now, &mut self.clients);
    }

    /// A connection with a session of its own.
    pub fn connected(&mut self, connection: u64) -> ConnectionId {
        let connection = ConnectionId(connection);
        self.handshake(connection, SessionId::NONE);
        self.commit();
        let granted = self.granted(connection);
        assert!(granted.timeout_ms > 0);
        connection
    }

    pub fn session(&self, connection: ConnectionId) -> SessionId {
        self.clients.sessions[&connection]
    }

    pub fn submit(&mut self, connection: ConnectionId, xid: i32, request: Request) {
        let (now, identities) = (self.now(), [].into());
        self.replica
            .submit(&self.store, connection, Xid(xid), request, identities, now);
        self.replica.drain(
            connection,
            &self.store,
            &mut self.watches,
            &mut self.clients,
        );
    }

    /// Makes all that was prepared durable and commits it.
    pub fn commit(&mut self) {
        if let Some(last) = self.unlogged().last() {
            self.durable = *last;
        }
        self.commit_to(self.durable);
    }

    /// What was prepared since the last call, to be made durable.
    pub fn unlogged(&mut self) -> Vec<IoId> {
        let effects = std::iter::from_fn(|| self.replica.poll_effect());
        let append = |effect| match effect {
            Effect::Append { io, .. } => io,
            other => panic!("an ensemble of one has nobody to tell: {other:?}"),
        };
        effects.map(append).collect()
    }

    pub fn commit_to(&mut self, durable: IoId) {
        let now = self.now();
        let durable = PeerInput::Durable(durable);
        self.replica.handle_peer(durable, &self.store, now);
        self.decide();
    }

    fn decide(&mut self) {
        let now = self.now();
        let Self {
            replica,
            store,
            watches,
            clients,
            ..
        } = self;
        let outcome = replica.commit(store, watches, now, clients);
        outcome.expect("what is prepared fits");
    }

    pub fn tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let now = self.now();
        self.replica.tick(&self.store, now, &mut self.clients);
    }

    pub fn disconnect(&mut self, connection: ConnectionId) {
        self.replica
            .disconnect(connection, &mut self.watches, &self.clients);
    }

    pub fn is_closed(&self, connection: ConnectionId) -> bool {
        self.clients.closed.contains(&connection)
    }

    pub fn answered(&self, connection: ConnectionId) -> usize {
        self.clients.answered.get(&connection).copied().unwrap_or(0)
    }

    pub fn granted(&mut self, connection: ConnectionId) -> ConnectResponse {
        self.clients.granted(connection)
    }

    pub fn replies(&mut self, connection: ConnectionId) -> Vec<(i32, i32)> {
        self.clients.replies(connection)
    }

    pub fn exists(&self, path: &str) -> bool {
        exists(&self.store, path)
    }
}

pub fn settings(server_id: u8) -> Settings {
    Settings {
        server_id,
        tick_ms: TICK_MS,
        session_timeout_min_ms: 1,
        session_timeout_max_ms: 1_000_000,
        prep: PrepSettings {
            extended_types: true,
            skip_acl: false,
        },
        local_sessions: None,
        read_only: false,
        reconfig: None,
        container_check_ms: 1_000_000,
        container_removals_per_minute: 1000,
        container_never_used_ms: 0,
        limits: Limits::default(),
    }
}

pub fn exists(store: &Store, path: &str) -> bool {
    let reader = lockkeeper_store::Reader {
        session: SessionId::NONE,
        identities: &[],
        skip_acl: true,
    };
    let request = read(path, false);
    store.read(&request, reader, &mut BytesMut::new()).is_ok()
}

/// A client's first frame.
pub fn hello(session: SessionId, last_zxid_seen: Zxid) -> ConnectRequest {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen,
        timeout_ms: TIMEOUT_MS,
        session_id: session,
        password: Some(Bytes::copy_from_slice(&session_password(session))),
        read_only: Some(false),
    }
}

pub fn now(mono_ms: u64) -> Now {
    Now {
        mono_ms,
        wall_ms: 1_700_000_000_000 + mono_ms as i64,
    }
}

pub fn create(path: &str, mode: CreateMode) -> Request {
    Request::Create(CreateRequest {
        path: path.into(),
        data: None,
        acl: Some(Acl::open()),
        flags: mode.into(),
    })
}

pub fn set(path: &str) -> Request {
    Request::SetData(SetDataRequest {
        path: path.into(),
        data: None,
        version: -1,
    })
}

pub fn read(path: &str, watch: bool) -> Request {
    Request::GetData(PathWatch {
        path: path.into(),
        watch,
    })
}

pub fn sync() -> Request {
    let path = Some("/".into());
    Request::Sync(SyncPath { path })
}
