//! From a request to a transaction: every check of a write, in Apache's order.
//!
//! Only a leader prepares, and only here does the wall clock enter. A request that fails becomes an
//! error transaction: it takes a zxid like any other, and its reply carries it.

mod create;

use std::sync::Arc;

use bytes::Bytes;
use lockkeeper_wire::acl::{ADMIN, DELETE, READ, WRITE};
use lockkeeper_wire::multi::MultiOp;
use lockkeeper_wire::path;
use lockkeeper_wire::request::{PathVersion, SetAclRequest, SetDataRequest};
use lockkeeper_wire::txn::{DIGEST_VERSION, SetAclTxn, SetDataTxn, TxnDigest};
use lockkeeper_wire::{
    ANY_VERSION, CreateMode, ErrorCode, Id, OpCode, Record, Request, SessionId, Txn, TxnEntry,
    TxnHeader, Zxid,
};

use crate::access;
use crate::overlay::{Data, Future, Overlay};
use crate::store::Store;
use crate::tree;
use crate::znode::Owner;

/// The longest time to live, ms: what fits into the mark of a TTL znode.
pub const TTL_MAX_MS: i64 = (1 << 40) - 1;

/// The longest list of ephemerals written into the end of a session, bytes. A longer one is left
/// out: applying finds the same paths by itself, and a record must fit the log however much a
/// session owns.
const CLOSING_LIST_LEN_MAX: usize = 512 << 10;

/// Who asks, and under which number and time the answer will stand.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The session.
    pub session: SessionId,
    /// The session's number for the request.
    pub cxid: i32,
    /// Its identities, as its connection has them now.
    pub identities: &'a [Id],
    /// The zxid that the transaction takes.
    pub zxid: Zxid,
    /// Wall clock, ms since 1970.
    pub time_ms: i64,
    /// Whether only the session's own server knows it: it is not looked up, and owns nothing.
    pub local: bool,
}

/// What is switched on.
#[derive(Clone, Copy, Debug)]
pub struct PrepSettings {
    /// TTL znodes (`extendedTypesEnabled`).
    pub extended_types: bool,
    /// No access list is looked at (`skipACL`).
    pub skip_acl: bool,
}

/// What to prepare: a client's write, or one of the server's own.
#[derive(Clone, Debug)]
pub enum Write<'a> {
    /// As a client sent it.
    Request(&'a Request),
    /// A new session with its timeout, ms.
    CreateSession(i32),
    /// The end of the caller's session.
    CloseSession,
    /// The removal of an empty container or an outlived TTL znode.
    DeleteContainer(&'a str),
    /// A new membership as text, or why there cannot be one.
    Reconfig(Result<Bytes, ErrorCode>),
    /// What fails before it is judged: its session has moved on, or nobody knows what it means.
    Refused(ErrorCode),
}

/// Prepares one write on top of all that is outstanding.
pub fn prep(
    store: &Store,
    overlay: &mut Overlay,
    settings: PrepSettings,
    caller: Caller<'_>,
    write: Write<'_>,
) -> TxnEntry {
    let mut prep = Prep {
        store,
        overlay,
        settings,
        caller,
    };
    let txn = prep.write(write).unwrap_or_else(Txn::Error);
    let header = TxnHeader {
        client_id: caller.session,
        cxid: caller.cxid,
        zxid: caller.zxid,
        time_ms: caller.time_ms,
        op: txn.op().into(),
    };
    // Behind a missing list a digest would be read as one by Apache's servers.
    let digest = !matches!(txn, Txn::Error(_) | Txn::CloseSession(None));
    let digest = digest.then(|| TxnDigest {
        version: DIGEST_VERSION,
        digest: overlay.digest(store) as i64,
    });
    TxnEntry {
        header,
        txn,
        digest,
    }
}

struct Prep<'a> {
    store: &'a Store,
    overlay: &'a mut Overlay,
    settings: PrepSettings,
    caller: Caller<'a>,
}

impl Prep<'_> {
    fn write(&mut self, write: Write<'_>) -> Result<Txn, ErrorCode> {
        match write {
            Write::CreateSession(timeout_ms) => {
                self.overlay
                    .begin_session(self.caller.session, self.caller.zxid);
                Ok(Txn::CreateSession(timeout_ms))
            }
            Write::CloseSession => self.close_session(),
            Write::DeleteContainer(path) => self.delete_container(path),
            Write::Request(request) => self.request(request),
            Write::Reconfig(membership) => self.reconfig(membership),
            Write::Refused(code) => Err(code),
        }
    }

    fn request(&mut self, request: &Request) -> Result<Txn, ErrorCode> {
        match request {
            Request::Create(body) => self.create(self.plain(body, OpCode::Create)?),
            Request::Create2(body) => self.create(self.plain(body, OpCode::Create2)?),
            Request::CreateContainer(body) => self.create(self.container(body)?),
            Request::CreateTtl(body) => self.create(self.ttl(body)?),
            Request::Delete(body) => self.delete(body),
            Request::SetData(body) => self.set_data(body),
            Request::SetAcl(body) => self.set_acl(body),
            Request::Multi(body) => self.multi(&body.ops),
            Request::CloseSession => self.close_session(),
            // A server that permits it makes a membership of it first: `Write::Reconfig`.
            Request::Reconfig(_) => Err(ErrorCode::RECONFIG_DISABLED),
            _ => Err(ErrorCode::UNIMPLEMENTED),
        }
    }

    fn check_session(&self) -> Result<(), ErrorCode> {
        if self.caller.local || self.overlay.is_alive(self.store, self.caller.session) {
            Ok(())
        } else {
            Err(ErrorCode::SESSION_EXPIRED)
        }
    }

    fn require(&self, znode: &Future, perms: i32) -> Result<(), ErrorCode> {
        if self.settings.skip_acl {
            return Ok(());
        }
        access::require(&znode.acl, perms, self.caller.identities)
    }

    fn view(&self, path: &str) -> Result<Future, ErrorCode> {
        self.overlay
            .view(self.store, path)
            .ok_or(ErrorCode::NO_NODE)
    }

    fn delete(&mut self, body: &PathVersion) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        let parent_path = parent_of(&body.path)?;
        if tree::is_reserved(&body.path) {
            return Err(ErrorCode::BAD_ARGUMENTS);
        }
        let parent = self.view(parent_path)?;
        self.require(&parent, DELETE)?;
        let znode = self.view(&body.path)?;
        check_version(body.version, znode.stat.version)?;
        self.remove(parent_path, parent, &body.path, &znode)?;
        Ok(Txn::Delete(body.path.clone()))
    }

    fn delete_container(&mut self, path: &str) -> Result<Txn, ErrorCode> {
        let parent_path = parent_of(path)?;
        let parent = self.view(parent_path)?;
        let znode = self.view(path)?;
        if znode.stat.owner != Owner::CONTAINER && znode.stat.owner.as_ttl_ms().is_none() {
            return Err(ErrorCode::BAD_VERSION);
        }
        self.remove(parent_path, parent, path, &znode)?;
        Ok(Txn::DeleteContainer(path.into()))
    }

    fn remove(
        &mut self,
        parent_path: &str,
        mut parent: Future,
        path: &str,
        znode: &Future,
    ) -> Result<(), ErrorCode> {
        if znode.children > 0 {
            return Err(ErrorCode::NOT_EMPTY);
        }
        let zxid = self.caller.zxid;
        parent.stat.child_deleted(zxid);
        parent.children -= 1;
        self.overlay.put(self.store, parent_path, zxid, parent);
        self.overlay.delete(self.store, path, zxid, znode);
        Ok(())
    }

    fn set_data(&mut self, body: &SetDataRequest) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        path::check(&body.path).map_err(|_| ErrorCode::BAD_ARGUMENTS)?;
        let mut znode = self.view(&body.path)?;
        self.require(&znode, WRITE)?;
        check_version(body.version, znode.stat.version)?;
        let version = znode.stat.version.wrapping_add(1);
        znode.stat.version = version;
        znode.stat.mtime = self.caller.time_ms;
        znode.stat.mzxid = self.caller.zxid;
        znode.data = Data::Requested(body.data.clone());
        self.overlay
            .put(self.store, &body.path, self.caller.zxid, znode);
        Ok(Txn::SetData(SetDataTxn {
            path: body.path.clone(),
            data: body.data.clone(),
            version,
        }))
    }

    /// The znode of the membership has no versions of its own.
    fn reconfig(&mut self, membership: Result<Bytes, ErrorCode>) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        let data = Some(membership?);
        let mut znode = self.view(tree::CONFIG)?;
        self.require(&znode, WRITE)?;
        znode.stat.mtime = self.caller.time_ms;
        znode.stat.mzxid = self.caller.zxid;
        znode.data = Data::Requested(data.clone());
        self.overlay
            .put(self.store, tree::CONFIG, self.caller.zxid, znode);
        Ok(Txn::Reconfig(SetDataTxn {
            path: tree::CONFIG.into(),
            data,
            version: -1,
        }))
    }

    fn set_acl(&mut self, body: &SetAclRequest) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        path::check(&body.path).map_err(|_| ErrorCode::BAD_ARGUMENTS)?;
        let acl = access::resolve(body.acl.as_deref(), self.caller.identities)?;
        let mut znode = self.view(&body.path)?;
        self.require(&znode, ADMIN)?;
        check_version(body.version, znode.stat.aversion)?;
        let version = znode.stat.aversion.wrapping_add(1);
        znode.stat.aversion = version;
        znode.acl = access::compact(&acl);
        self.overlay
            .put(self.store, &body.path, self.caller.zxid, znode);
        Ok(Txn::SetAcl(SetAclTxn {
            path: body.path.clone(),
            acl,
            version,
        }))
    }

    fn check(&self, body: &PathVersion) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        path::check(&body.path).map_err(|_| ErrorCode::BAD_ARGUMENTS)?;
        let znode = self.view(&body.path)?;
        self.require(&znode, READ)?;
        check_version(body.version, znode.stat.version)?;
        let version = znode.stat.version.wrapping_add(1);
        Ok(Txn::Check(PathVersion {
            path: body.path.clone(),
            version,
        }))
    }

    /// The first part that fails takes back what those before it did, and the rest is not tried.
    fn multi(&mut self, ops: &[MultiOp]) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        self.overlay.begin();
        let mut parts = Vec::with_capacity(ops.len());
        let mut failed = false;
        for op in ops {
            parts.push(match failed {
                true => Txn::Error(ErrorCode::RUNTIME_INCONSISTENCY),
                false => self.part(op).unwrap_or_else(|code| {
                    failed = true;
                    Txn::Error(code)
                }),
            });
        }
        if failed {
            self.overlay.roll_back();
        } else {
            self.overlay.keep();
        }
        Ok(Txn::Multi(parts))
    }

    fn part(&mut self, op: &MultiOp) -> Result<Txn, ErrorCode> {
        match op {
            MultiOp::Create(body) if body.flags == CreateMode::Container as i32 => {
                self.create(self.container(body)?)
            }
            MultiOp::Create(body) => self.create(self.plain(body, OpCode::Create)?),
            MultiOp::Create2(body) if body.flags == CreateMode::Container as i32 => {
                self.create(self.container(body)?)
            }
            // Servers before 3.7.2 and 3.8.2 drop a whole multi with the second kind in it and stay
            // behind for ever (ZOOKEEPER-4026). It does the same; its reply is `StatsWanted`'s.
            MultiOp::Create2(body) => self.create(self.plain(body, OpCode::Create)?),
            MultiOp::CreateContainer(body) => self.create(self.container(body)?),
            MultiOp::CreateTtl(body) => self.create(self.ttl(body)?),
            MultiOp::Delete(body) => self.delete(body),
            MultiOp::SetData(body) => self.set_data(body),
            MultiOp::Check(body) => self.check(body),
        }
    }

    /// Ends the caller's session; what it owns is listed now and deleted when this is applied.
    fn close_session(&mut self) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        let zxid = self.caller.zxid;
        let paths = self.overlay.ephemerals(self.store, self.caller.session);
        #[cfg(feature = "__seeded-bugs")]
        let paths: Vec<_> = {
            let left = usize::from(lockkeeper_bugs::is(lockkeeper_bugs::Bug::LeavesEphemeral));
            paths.into_iter().skip(left).collect()
        };
        for path in &paths {
            let Some((parent_path, _)) = tree::split(path) else {
                continue;
            };
            if let Some(mut parent) = self.overlay.view(self.store, parent_path) {
                parent.stat.child_deleted(zxid);
                parent.children -= 1;
                self.overlay.put(self.store, parent_path, zxid, parent);
            }
            if let Some(znode) = self.overlay.view(self.store, path) {
                self.overlay.delete(self.store, path, zxid, &znode);
            }
        }
        self.overlay.end_session(self.caller.session, zxid);
        let len: usize = paths.iter().map(|path| path.len() + i32::LEN_MIN).sum();
        let listed = (len <= CLOSING_LIST_LEN_MAX).then(|| {
            let paths = paths.iter().map(|path: &Arc<str>| (&**path).into());
            paths.collect()
        });
        Ok(Txn::CloseSession(listed))
    }
}

/// What stands before the last slash; the root's is empty.
fn parent_of(path: &str) -> Result<&str, ErrorCode> {
    match path.rfind('/') {
        Some(at) if !path.contains('\0') => Ok(&path[..at]),
        _ => Err(ErrorCode::BAD_ARGUMENTS),
    }
}

fn check_version(expected: i32, current: i32) -> Result<(), ErrorCode> {
    #[cfg(feature = "__seeded-bugs")]
    if lockkeeper_bugs::is(lockkeeper_bugs::Bug::IgnoresVersions) {
        return Ok(());
    }
    if expected == ANY_VERSION || expected == current {
        Ok(())
    } else {
        Err(ErrorCode::BAD_VERSION)
    }
}
