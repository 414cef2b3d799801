//! A server that does everything right, moment by moment, for histories to begin with.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;

use bytes::Bytes;
use lockkeeper_check::tree::{By, Naive};
use lockkeeper_check::{Connection, History, Operation, Reply, Seen, Violation};
use lockkeeper_check::{order, replay, watches};
use lockkeeper_wire::multi::{MultiOp, MultiRequest};
use lockkeeper_wire::request::{CreateRequest, PathVersion, PathWatch, SetDataRequest, SyncPath};
use lockkeeper_wire::txn::{DIGEST_VERSION, SetDataTxn, TxnDigest};
use lockkeeper_wire::{
    Acl, CreateMode, EventType, Id, Request, Response, SessionId, Txn, TxnEntry, TxnHeader, Xid,
    Zxid,
};

/// A history in the making.
pub(crate) struct Maker {
    pub(crate) model: Naive,
    pub(crate) history: History,
    pub(crate) now: u64,
    zxid: Zxid,
    clients: Vec<Client>,
}

struct Client {
    session: SessionId,
    connection: usize,
    xid: i32,
    identities: Arc<[Id]>,
}

impl Maker {
    pub(crate) fn new() -> Self {
        Self {
            model: Naive::fresh(),
            history: History::default(),
            now: 0,
            zxid: Zxid::ZERO,
            clients: Vec::new(),
        }
    }

    /// One with clients 0 and 1 and the znode `/a`.
    pub(crate) fn ready() -> Self {
        let mut maker = Self::new();
        maker.open();
        maker.open();
        maker.call(0, create("/a", "0"));
        maker
    }

    /// A client with a new session.
    pub(crate) fn open(&mut self) -> usize {
        let client = self.clients.len();
        let session = SessionId(0x100 + client as i64);
        self.model.begin_session(session, 4000);
        self.log(session, 0, Txn::CreateSession(4000));
        self.clients.push(Client {
            session,
            connection: 0,
            xid: 0,
            identities: Arc::new([]),
        });
        self.connect(client, true);
        client
    }

    /// A new connection for a client's session.
    pub(crate) fn reconnect(&mut self, client: usize) {
        self.connect(client, false);
    }

    fn connect(&mut self, client: usize, is_new: bool) {
        self.now += 1;
        self.clients[client].connection = self.history.connections.len();
        self.history.connections.push(Connection {
            session: self.clients[client].session,
            is_new,
            opened: self.now,
            seen: Vec::new(),
        });
    }

    pub(crate) fn session(&self, client: usize) -> SessionId {
        self.clients[client].session
    }

    pub(crate) fn last_zxid(&self) -> Zxid {
        self.zxid
    }

    pub(crate) fn identify(&mut self, client: usize, identity: Id) {
        self.clients[client].identities = Arc::new([identity]);
    }

    fn log(&mut self, session: SessionId, cxid: i32, txn: Txn) {
        self.zxid = self.zxid.next();
        let header = TxnHeader {
            client_id: session,
            cxid,
            zxid: self.zxid,
            time_ms: self.time_ms(),
            op: txn.op().into(),
        };
        let digest = Some(TxnDigest {
            version: DIGEST_VERSION,
            digest: self.model.digest() as i64,
        });
        self.history.log.push(TxnEntry {
            header,
            txn,
            digest,
        });
    }

    fn time_ms(&self) -> i64 {
        1_000_000 + self.history.log.len() as i64
    }

    /// A request leaves its client.
    pub(crate) fn ask(&mut self, client: usize, request: Request) -> usize {
        self.now += 1;
        let who = &mut self.clients[client];
        who.xid += 1;
        self.history.operations.push(Operation {
            connection: who.connection,
            session: who.session,
            xid: Xid(who.xid),
            request,
            identities: who.identities.clone(),
            sent: self.now,
            reply: None,
        });
        self.history.operations.len() - 1
    }

    /// The server carries a request out; gives what it has to say.
    pub(crate) fn carry_out(&mut self, index: usize) -> Reply {
        let operation = self.history.operations[index].clone();
        let (session, request) = (operation.session, &operation.request);
        if !operation.is_write() {
            let result = match request {
                Request::Sync(body) => Ok(Response::Sync(body.clone())),
                request => self
                    .model
                    .read(session, &operation.identities, request)
                    .unwrap_or(Ok(Response::Empty)),
            };
            let (at, zxid) = (0, self.zxid);
            return Reply { at, zxid, result };
        }
        let ephemerals = self.model.ephemerals(session);
        let by = By {
            session,
            identities: &operation.identities,
            zxid: self.zxid.next().0,
            time_ms: self.time_ms(),
        };
        let result = self.model.write(by, request);
        let txn = match (&result, request) {
            (Err(code), _) => Txn::Error(*code),
            (Ok(Response::Multi(body)), _) => {
                let failed = body.failure().map(|(_, code)| Txn::Error(code));
                Txn::Multi(failed.into_iter().collect())
            }
            (Ok(_), Request::CloseSession) => {
                Txn::CloseSession(Some(ephemerals.into_iter().map(Into::into).collect()))
            }
            // The replay asks the request and not the log what was done.
            (Ok(_), _) => Txn::SetData(SetDataTxn {
                path: "/".into(),
                data: None,
                version: 0,
            }),
        };
        self.log(session, operation.xid.0, txn);
        let (at, zxid) = (0, self.zxid);
        Reply { at, zxid, result }
    }

    /// The client hears it.
    pub(crate) fn tell(&mut self, index: usize, reply: Reply) {
        self.now += 1;
        let operation = &mut self.history.operations[index];
        operation.reply = Some(Reply {
            at: self.now,
            ..reply
        });
        let connection = operation.connection;
        self.history.connections[connection]
            .seen
            .push(Seen::Reply(index));
    }

    /// A request from beginning to end.
    pub(crate) fn call(&mut self, client: usize, request: Request) -> usize {
        let index = self.ask(client, request);
        let reply = self.carry_out(index);
        self.tell(index, reply);
        index
    }

    /// A client hears of a change.
    pub(crate) fn event(&mut self, client: usize, kind: EventType, path: &str, zxid: Zxid) {
        let connection = self.clients[client].connection;
        self.history.connections[connection].seen.push(Seen::Event {
            kind,
            path: path.to_owned(),
            zxid,
        });
    }

    pub(crate) fn reply(&mut self, index: usize) -> &mut Reply {
        self.history.operations[index]
            .reply
            .as_mut()
            .expect("it was answered")
    }
}

/// Everything that looks at whole histories.
pub(crate) fn check_all(history: &History) -> Vec<Violation> {
    let mut replayed = replay::replay(history);
    let mut violations = std::mem::take(&mut replayed.violations);
    violations.extend(order::check(history, &replayed, order::Reads::Linearizable));
    violations.extend(watches::check(history, &replayed).0);
    violations
}

pub(crate) fn create(path: &str, data: &str) -> Request {
    create_as(path, data, CreateMode::Persistent)
}

pub(crate) fn create_as(path: &str, data: &str, mode: CreateMode) -> Request {
    Request::Create2(CreateRequest {
        path: path.into(),
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
        acl: Some(Acl::open()),
        flags: mode.into(),
    })
}

pub(crate) fn create_for(path: &str, acl: Vec<Acl>) -> Request {
    Request::Create2(CreateRequest {
        path: path.into(),
        data: None,
        acl: Some(acl),
        flags: 0,
    })
}

pub(crate) fn set(path: &str, data: &str, version: i32) -> Request {
    Request::SetData(SetDataRequest {
        path: path.into(),
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
        version,
    })
}

pub(crate) fn delete(path: &str) -> Request {
    Request::Delete(PathVersion {
        path: path.into(),
        version: -1,
    })
}

pub(crate) fn get(path: &str, watch: bool) -> Request {
    let path = path.into();
    Request::GetData(PathWatch { path, watch })
}

pub(crate) fn exists(path: &str, watch: bool) -> Request {
    let path = path.into();
    Request::Exists(PathWatch { path, watch })
}

pub(crate) fn children(path: &str, watch: bool) -> Request {
    let path = path.into();
    Request::GetChildren(PathWatch { path, watch })
}

pub(crate) fn sync() -> Request {
    Request::Sync(SyncPath {
        path: Some("/".into()),
    })
}

pub(crate) fn multi(parts: Vec<Request>) -> Request {
    let part = |request| match request {
        Request::Create2(body) => MultiOp::Create2(body),
        Request::SetData(body) => MultiOp::SetData(body),
        Request::Delete(body) => MultiOp::Delete(body),
        other => panic!("{:?} is no part of a multi", other.op()),
    };
    let ops = parts.into_iter().map(part).collect();
    Request::Multi(MultiRequest { ops })
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % n
    }
}
