//! What the tests share: a server of one that prepares and applies, and short names for requests.

// Every test file takes its own part of this.
#![allow(dead_code)]

pub(crate) mod hub;
pub(crate) mod random;

use bytes::{Bytes, BytesMut};
use lockkeeper_store::{Applied, Overlay, PrepSettings, Reader, StatsWanted, Store, Write, prep};
use lockkeeper_store::{Caller, Identities, address_identity};
use lockkeeper_wire::multi::{MultiOp, MultiRequest, MultiResponse, MultiResult};
use lockkeeper_wire::reply::{GetAclResponse, GetChildrenResponse, GetDataResponse};
use lockkeeper_wire::request::{
    CreateRequest, CreateTtlRequest, PathOnly, PathVersion, PathWatch, SetAclRequest,
    SetDataRequest,
};
use lockkeeper_wire::{
    Acl, ErrorCode, Record, Request, Response, SessionId, Stat, TxnEntry, TxnHeader, Zxid,
};

/// The session that most tests write from; it lives from the start.
pub(crate) const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);
/// Another one, alive as well.
pub(crate) const OTHER: SessionId = SessionId(0x0200_0000_0000_0002);
/// A time that no test cares about.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

pub(crate) const SETTINGS: PrepSettings = PrepSettings {
    extended_types: true,
    skip_acl: false,
};

/// A store with its overlay; zxids and times count up by one with each write.
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) overlay: Overlay,
    pub(crate) settings: PrepSettings,
    pub(crate) zxid: Zxid,
    pub(crate) time_ms: i64,
    /// Whether writers are sessions that only their own server knows.
    pub(crate) local: bool,
}

impl Server {
    /// A fresh store in which [`SESSION`] and [`OTHER`] have begun: zxids 1 and 2.
    pub(crate) fn new() -> Self {
        let mut server = Self::on(Store::new(1));
        for session in [SESSION, OTHER] {
            server.write(session, &local(), Write::CreateSession(10_000));
        }
        server
    }

    pub(crate) fn on(store: Store) -> Self {
        Self {
            zxid: store.last_zxid(),
            store,
            overlay: Overlay::new(),
            settings: SETTINGS,
            time_ms: NOW_MS,
            local: false,
        }
    }

    /// Prepares and leaves the transaction outstanding.
    pub(crate) fn prep(
        &mut self,
        session: SessionId,
        identities: &Identities,
        write: Write<'_>,
    ) -> TxnEntry {
        self.zxid = self.zxid.next();
        self.time_ms += 1;
        let caller = Caller {
            session,
            cxid: 7,
            identities,
            zxid: self.zxid,
            time_ms: self.time_ms,
            local: self.local,
        };
        prep(&self.store, &mut self.overlay, self.settings, caller, write)
    }

    /// Applies what [`Server::prep`] gave; it must fit.
    pub(crate) fn apply(&mut self, entry: &TxnEntry) -> Applied {
        let applied = self.store.apply(entry);
        assert!(!applied.misfit, "misfit: {entry:?}");
        assert!(!applied.digest_mismatch, "digest: {entry:?}");
        self.overlay.applied(entry.header.zxid);
        applied
    }

    pub(crate) fn write(
        &mut self,
        session: SessionId,
        identities: &Identities,
        write: Write<'_>,
    ) -> Applied {
        let wanted = match &write {
            Write::Request(request) => StatsWanted::by(request),
            _ => StatsWanted::default(),
        };
        let entry = self.prep(session, identities, write);
        let mut applied = self.apply(&entry);
        applied.give_stats(&wanted);
        applied
    }

    pub(crate) fn run_as(
        &mut self,
        identities: &Identities,
        request: &Request,
    ) -> Result<Response, ErrorCode> {
        self.write(SESSION, identities, Write::Request(request))
            .outcome
    }

    pub(crate) fn run(&mut self, request: &Request) -> Result<Response, ErrorCode> {
        self.run_as(&local(), request)
    }

    /// Runs what is only preparation for the test proper.
    pub(crate) fn must(&mut self, request: &Request) -> Response {
        self.run(request)
            .unwrap_or_else(|code| panic!("{request:?}: {code:?}"))
    }

    pub(crate) fn err(&mut self, request: &Request) -> ErrorCode {
        self.run(request).err().unwrap_or(ErrorCode::OK)
    }

    pub(crate) fn multi(&mut self, ops: Vec<MultiOp>) -> Vec<MultiResult> {
        match self.must(&multi(ops)) {
            Response::Multi(MultiResponse { results }) => results,
            other => panic!("multi answers {other:?}"),
        }
    }

    pub(crate) fn stat(&self, path: &str) -> Stat {
        self.store
            .stat(path)
            .unwrap_or_else(|| panic!("no {path:?}"))
    }
}

/// The identities of a connection from this machine.
pub(crate) fn local() -> Identities {
    address_identity([127, 0, 0, 1].into())
}

/// Reads with nobody's rights needed.
pub(crate) fn read<T: Record>(store: &Store, request: &Request) -> Result<T, ErrorCode> {
    read_as(store, &local(), true, request)
}

pub(crate) fn read_as<T: Record>(
    store: &Store,
    identities: &Identities,
    skip_acl: bool,
    request: &Request,
) -> Result<T, ErrorCode> {
    let reader = Reader {
        session: SESSION,
        identities,
        skip_acl,
    };
    let mut out = BytesMut::new();
    store.read(request, reader, &mut out)?;
    Ok(T::from_bytes(&out.freeze()).expect("a reply decodes"))
}

pub(crate) fn data_of(store: &Store, path: &str) -> Option<Bytes> {
    let request = Request::GetData(watch(path));
    read::<GetDataResponse>(store, &request).expect(path).data
}

pub(crate) fn acl_of(store: &Store, path: &str) -> Vec<Acl> {
    let request = Request::GetAcl(PathOnly { path: path.into() });
    read::<GetAclResponse>(store, &request).expect(path).acl
}

/// Names in order.
pub(crate) fn children_of(store: &Store, path: &str) -> Vec<String> {
    let request = Request::GetChildren(watch(path));
    let reply: GetChildrenResponse = read(store, &request).expect(path);
    let mut names: Vec<_> = reply.children.iter().map(|name| name.to_string()).collect();
    names.sort();
    names
}

pub(crate) fn entry(zxid: i64, session: SessionId, txn: lockkeeper_wire::Txn) -> TxnEntry {
    TxnEntry {
        header: TxnHeader {
            client_id: session,
            cxid: 0,
            zxid: Zxid(zxid),
            time_ms: NOW_MS + zxid,
            op: txn.op().into(),
        },
        txn,
        digest: None,
    }
}

pub(crate) fn watch(path: &str) -> PathWatch {
    PathWatch {
        path: path.into(),
        watch: false,
    }
}

pub(crate) fn at(path: &str, version: i32) -> PathVersion {
    PathVersion {
        path: path.into(),
        version,
    }
}

pub(crate) fn body(path: &str, flags: i32) -> CreateRequest {
    CreateRequest {
        path: path.into(),
        data: Some(Bytes::from_static(b"data")),
        acl: Some(Acl::open()),
        flags,
    }
}

pub(crate) fn ttl_body(path: &str, flags: i32, ttl_ms: i64) -> CreateTtlRequest {
    CreateTtlRequest {
        path: path.into(),
        data: None,
        acl: Some(Acl::open()),
        flags,
        ttl_ms,
    }
}

pub(crate) fn set_body(path: &str, data: &'static str, version: i32) -> SetDataRequest {
    SetDataRequest {
        path: path.into(),
        data: Some(Bytes::from_static(data.as_bytes())),
        version,
    }
}

pub(crate) fn create(path: &str, flags: i32) -> Request {
    Request::Create(body(path, flags))
}

pub(crate) fn create_with(path: &str, acl: Vec<Acl>) -> Request {
    Request::Create(CreateRequest {
        acl: Some(acl),
        ..body(path, 0)
    })
}

pub(crate) fn container(path: &str) -> Request {
    Request::CreateContainer(body(path, 4))
}

pub(crate) fn ttl(path: &str, ttl_ms: i64) -> Request {
    Request::CreateTtl(ttl_body(path, 5, ttl_ms))
}

pub(crate) fn delete(path: &str, version: i32) -> Request {
    Request::Delete(at(path, version))
}

pub(crate) fn set(path: &str, data: &'static str, version: i32) -> Request {
    Request::SetData(set_body(path, data, version))
}

pub(crate) fn set_acl(path: &str, acl: Vec<Acl>, version: i32) -> Request {
    Request::SetAcl(SetAclRequest {
        path: path.into(),
        acl: Some(acl),
        version,
    })
}

pub(crate) fn multi(ops: Vec<MultiOp>) -> Request {
    Request::Multi(MultiRequest { ops })
}

/// `/open` is empty, `/full` has a child, `/e` is ephemeral, `/closed` and its child are for
/// reading only.
pub(crate) fn furnished() -> Server {
    let mut server = Server::new();
    for request in [
        create("/open", 0),
        create("/full", 0),
        create("/full/a", 0),
        create("/e", 1),
        create("/closed", 0),
        create("/closed/a", 0),
        set_acl("/closed/a", Acl::read_only(), -1),
        set_acl("/closed", Acl::read_only(), -1),
    ] {
        server.must(&request);
    }
    server
}
