//! The only writer of the state: one function for standalone servers, leaders, followers,
//! observers, recovery and simulation.
//!
//! Applying never refuses. The rules are idempotent (create of what is there, delete of what is
//! gone), since a snapshot of Apache's servers may already hold effects of transactions that are
//! replayed onto it. Outside such a replay a transaction that does not fit means that servers have
//! diverged: it is reported as a misfit, and the caller decides that it is fatal.

use bytes::Bytes;
use lockkeeper_wire::multi::{MultiResponse, MultiResult};
use lockkeeper_wire::reply::{Create2Response, CreateResponse, GetDataResponse, StatResponse};
use lockkeeper_wire::txn::DIGEST_VERSION;
use lockkeeper_wire::{
    Acl, ByteStr, ErrorCode, EventType, OpCode, Response, SessionId, Stat, Txn, TxnEntry,
    TxnHeader, Zxid,
};

use crate::applied::{Applied, Change};
use crate::store::Store;
use crate::tree::{self, NewZnode};
use crate::znode::{Owner, Znode, ZnodeStat};

impl Store {
    /// Applies a transaction. Those of one store come in zxid order.
    pub fn apply(&mut self, entry: &TxnEntry) -> Applied {
        let mut apply = Apply {
            store: self,
            header: &entry.header,
            changes: Vec::new(),
            misfit: false,
            stats: Vec::new(),
        };
        let outcome = apply.txn(&entry.txn);
        let Apply {
            changes,
            misfit,
            stats,
            ..
        } = apply;
        self.last_zxid = entry.header.zxid;
        let digest_mismatch = entry.digest.is_some_and(|digest| {
            digest.version == DIGEST_VERSION && digest.digest as u64 != self.tree.digest
        });
        Applied {
            outcome,
            changes,
            misfit,
            digest_mismatch,
            stats,
        }
    }

    /// Deletes ephemerals whose session is unknown: a log may end between the two. They take no
    /// transaction; every server does the same before it serves. Says whether there were any.
    pub fn end_sessionless(&mut self) -> bool {
        let unknown = self
            .ephemerals
            .keys()
            .filter(|id| !self.sessions.contains_key(id));
        let unknown: Vec<_> = unknown.copied().collect();
        for &client_id in &unknown {
            let (zxid, op) = (self.last_zxid, OpCode::CloseSession.into());
            let header = TxnHeader {
                client_id,
                cxid: 0,
                zxid,
                time_ms: 0,
                op,
            };
            let mut apply = Apply {
                store: self,
                header: &header,
                changes: Vec::new(),
                misfit: false,
                stats: Vec::new(),
            };
            apply.close_session(None);
        }
        !unknown.is_empty()
    }
}

struct Apply<'a> {
    store: &'a mut Store,
    header: &'a TxnHeader,
    changes: Vec<Change>,
    misfit: bool,
    stats: Vec<(usize, Stat)>,
}

/// The parts of a create, whatever its opcode.
struct Create<'a> {
    path: &'a ByteStr,
    data: &'a Option<Bytes>,
    acl: &'a [Acl],
    owner: Owner,
    parent_cversion: i32,
}

impl Apply<'_> {
    fn txn(&mut self, txn: &Txn) -> Result<Response, ErrorCode> {
        match txn {
            Txn::Error(code) => return Err(*code),
            Txn::CreateSession(timeout_ms) => {
                self.store
                    .sessions
                    .insert(self.header.client_id, *timeout_ms);
            }
            Txn::CloseSession(paths) => self.close_session(paths.as_deref()),
            Txn::Multi(parts) => return Ok(Response::Multi(self.multi(parts))),
            single => return self.single(single).map(|response| plain(single, response)),
        }
        Ok(Response::Empty)
    }

    fn multi(&mut self, parts: &[Txn]) -> MultiResponse {
        let failed = parts.iter().position(|part| matches!(part, Txn::Error(_)));
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::SplitsMulti) && failed.is_some_and(|at| at > 0)
        {
            drop(self.single(&parts[0]));
        }
        let results = parts
            .iter()
            .enumerate()
            .map(|(at, part)| match (failed, part) {
                (Some(_), Txn::Error(code)) => MultiResult::Error(*code),
                (Some(failed), _) if at < failed => MultiResult::Error(ErrorCode::OK),
                (Some(_), _) => MultiResult::Error(ErrorCode::RUNTIME_INCONSISTENCY),
                (None, part) => self.part(at, part),
            });
        MultiResponse {
            results: results.collect(),
        }
    }

    fn part(&mut self, at: usize, part: &Txn) -> MultiResult {
        match self.single(part) {
            Ok(Response::Create2(Create2Response { path, stat }))
                if matches!(part, Txn::Create(_)) =>
            {
                self.stats.push((at, stat));
                MultiResult::Create(CreateResponse { path })
            }
            Ok(Response::Create2(body)) => MultiResult::Create2(body),
            Ok(Response::Stat(body)) => MultiResult::SetData(body.stat),
            Ok(_) if matches!(part, Txn::Check(_)) => MultiResult::Check,
            Ok(_) => MultiResult::Delete,
            Err(code) => MultiResult::Error(code),
        }
    }

    /// What may stand alone and in a multi; every create tells the znode's metadata.
    fn single(&mut self, txn: &Txn) -> Result<Response, ErrorCode> {
        match txn {
            Txn::Create(body) | Txn::Create2(body) => {
                let stat = self.create(Create {
                    path: &body.path,
                    data: &body.data,
                    acl: &body.acl,
                    owner: match body.ephemeral {
                        true => Owner::session(self.header.client_id),
                        false => Owner::PERSISTENT,
                    },
                    parent_cversion: body.parent_cversion,
                });
                if stat.is_err() && matches!(txn, Txn::Create(_)) {
                    self.count_create_again(&body.path, body.parent_cversion);
                }
                stat.map(|stat| created(&body.path, stat))
            }
            Txn::CreateContainer(body) => {
                let (owner, parent_cversion) = (Owner::CONTAINER, body.parent_cversion);
                let (path, data, acl) = (&body.path, &body.data, &*body.acl);
                let stat = self.create(Create {
                    path,
                    data,
                    acl,
                    owner,
                    parent_cversion,
                })?;
                Ok(created(path, stat))
            }
            Txn::CreateTtl(body) => {
                let (owner, parent_cversion) = (Owner::ttl(body.ttl_ms), body.parent_cversion);
                let (path, data, acl) = (&body.path, &body.data, &*body.acl);
                let stat = self.create(Create {
                    path,
                    data,
                    acl,
                    owner,
                    parent_cversion,
                })?;
                Ok(created(path, stat))
            }
            Txn::Delete(path) | Txn::DeleteContainer(path) => {
                self.delete(path).map(|()| Response::Empty)
            }
            Txn::SetData(body) => {
                let stat = self.set_data(&body.path, &body.data, body.version)?;
                Ok(Response::Stat(StatResponse { stat }))
            }
            Txn::Reconfig(body) => {
                let stat = self.set_data(&body.path, &body.data, body.version)?;
                let data = body.data.clone();
                Ok(Response::GetData(GetDataResponse { data, stat }))
            }
            Txn::SetAcl(body) => self.set_acl(&body.path, &body.acl, body.version),
            Txn::Check(_) => Ok(Response::Empty),
            Txn::Error(code) => Err(*code),
            Txn::CreateSession(_) | Txn::CloseSession(_) | Txn::Multi(_) => {
                unreachable!("sessions and multis do not stand in a multi")
            }
        }
    }

    fn misfit(&mut self, code: ErrorCode) -> ErrorCode {
        self.misfit = true;
        code
    }

    fn zxid(&self) -> Zxid {
        self.header.zxid
    }

    fn create(&mut self, create: Create<'_>) -> Result<Stat, ErrorCode> {
        let zxid = self.zxid();
        let Create {
            path,
            data,
            acl,
            owner,
            parent_cversion,
        } = create;
        let Some((parent_path, name)) = tree::split(path) else {
            return Err(self.misfit(ErrorCode::NODE_EXISTS));
        };
        let Some(parent) = self.store.tree.get(parent_path) else {
            return Err(self.misfit(ErrorCode::NO_NODE));
        };
        let exists = parent.children.get(self.store.tree.seed(), name).is_some();
        let parent_acl = parent.acl.clone();
        let acl = self.store.intern(acl);
        if exists {
            self.store.tree.update(path, |znode| znode.acl = acl);
            return Err(self.misfit(ErrorCode::NODE_EXISTS));
        }
        let count = |parent: &mut Znode| parent.stat.child_created(zxid, parent_cversion);
        self.store.tree.update(parent_path, count);
        let stat = ZnodeStat::created(zxid, self.header.time_ms, owner);
        let data = data.as_deref();
        self.store.tree.insert(
            path,
            NewZnode {
                data,
                acl: acl.clone(),
                stat,
            },
        );
        self.store.index(path, owner);
        self.changes.push(Change {
            kind: EventType::NodeCreated,
            path: path.clone(),
            acl,
            parent_acl,
        });
        Ok(stat.shown(data.map_or(0, <[u8]>::len), 0))
    }

    /// A plain create of a znode that is there still counts in the parent, as in Apache's replay.
    fn count_create_again(&mut self, path: &str, parent_cversion: i32) {
        let zxid = self.zxid();
        if let Some((parent, _)) = tree::split(path) {
            self.store.tree.update(parent, |parent| {
                parent.stat.child_created(zxid, parent_cversion)
            });
        }
    }

    fn delete(&mut self, path: &ByteStr) -> Result<(), ErrorCode> {
        let zxid = self.zxid();
        let Some((parent_path, _)) = tree::split(path) else {
            return Err(self.misfit(ErrorCode::NO_NODE));
        };
        let parent = self.store.tree.update(parent_path, |parent| {
            parent.stat.child_deleted(zxid);
            parent.acl.clone()
        });
        let Some(parent_acl) = parent else {
            return Err(self.misfit(ErrorCode::NO_NODE));
        };
        let Some(znode) = self.store.remove(path) else {
            return Err(self.misfit(ErrorCode::NO_NODE));
        };
        self.misfit |= !znode.children.is_empty();
        self.changes.push(Change {
            kind: EventType::NodeDeleted,
            path: path.clone(),
            acl: znode.acl.clone(),
            parent_acl,
        });
        Ok(())
    }

    fn set_data(
        &mut self,
        path: &ByteStr,
        data: &Option<Bytes>,
        version: i32,
    ) -> Result<Stat, ErrorCode> {
        let (zxid, time_ms) = (self.zxid(), self.header.time_ms);
        let changed = self.store.tree.update(path, |znode| {
            znode.data = data.as_deref().map(Into::into);
            znode.stat.version = version;
            znode.stat.mtime = time_ms;
            znode.stat.mzxid = zxid;
            (znode.stat(), znode.acl.clone())
        });
        let Some((stat, acl)) = changed else {
            return Err(self.misfit(ErrorCode::NO_NODE));
        };
        let kind = EventType::NodeDataChanged;
        self.changes.push(Change {
            kind,
            path: path.clone(),
            acl,
            parent_acl: None,
        });
        Ok(stat)
    }

    fn set_acl(&mut self, path: &str, acl: &[Acl], version: i32) -> Result<Response, ErrorCode> {
        let acl = self.store.intern(acl);
        let changed = self.store.tree.update(path, |znode: &mut Znode| {
            znode.acl = acl;
            znode.stat.aversion = version;
            znode.stat()
        });
        let Some(stat) = changed else {
            return Err(self.misfit(ErrorCode::NO_NODE));
        };
        Ok(Response::Stat(StatResponse { stat }))
    }

    /// Deletes the listed paths whoever owns them, then what the session still owns: a list may be
    /// missing, or older than the tree it is replayed onto.
    fn close_session(&mut self, listed: Option<&[ByteStr]>) {
        let session: SessionId = self.header.client_id;
        self.store.sessions.remove(&session);
        for path in listed.unwrap_or_default() {
            // A missing one is a misfit only in its own right; the others go all the same.
            let _ = self.delete(path);
        }
        let left = self
            .store
            .ephemerals
            .get(&session)
            .cloned()
            .unwrap_or_default();
        #[cfg(feature = "__seeded-bugs")]
        let left: std::collections::BTreeSet<_> =
            match lockkeeper_bugs::is(lockkeeper_bugs::Bug::LeavesEphemeral) {
                true => Default::default(),
                false => left,
            };
        if listed.is_some() && !left.is_empty() {
            tracing::warn!(%session, count = left.len(), "ephemerals outside the closing list");
        }
        for path in left {
            let _ = self.delete(&(*path).into());
        }
    }
}

/// The reply of a whole transaction: that of the first kind of create is a path alone.
fn plain(txn: &Txn, response: Response) -> Response {
    match (txn, response) {
        (Txn::Create(_), Response::Create2(Create2Response { path, .. })) => {
            Response::Create(CreateResponse { path })
        }
        (_, response) => response,
    }
}

fn created(path: &ByteStr, stat: Stat) -> Response {
    Response::Create2(Create2Response {
        path: path.clone(),
        stat,
    })
}
