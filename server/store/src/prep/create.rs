//! Creates: five kinds of znode by five operations, and one way to make them.

use bytes::Bytes;
use lockkeeper_wire::acl::CREATE;
use lockkeeper_wire::path;
use lockkeeper_wire::request::{CreateRequest, CreateTtlRequest};
use lockkeeper_wire::txn::{CreateContainerTxn, CreateTtlTxn, CreateTxn};
use lockkeeper_wire::{Acl, CreateMode, ErrorCode, OpCode, Txn};

use super::{Prep, TTL_MAX_MS, parent_of};
use crate::access;
use crate::overlay::Future;
use crate::znode::{Owner, ZnodeStat};

/// A create with its kind decided.
pub(super) struct Create<'a> {
    path: &'a str,
    data: &'a Option<Bytes>,
    acl: Option<&'a [Acl]>,
    sequential: bool,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Plain { ephemeral: bool, op: OpCode },
    Container,
    Ttl(i64),
}

impl Prep<'_> {
    /// Who is to own a znode must be known to every server.
    fn check_owner(&self, create: &Create<'_>) -> Result<(), ErrorCode> {
        match create.kind {
            Kind::Plain {
                ephemeral: true, ..
            } if self.caller.local => Err(ErrorCode::SESSION_EXPIRED),
            _ => Ok(()),
        }
    }

    /// The mode that the flags of a create name.
    fn mode(&self, flags: i32) -> Result<CreateMode, ErrorCode> {
        let mode = CreateMode::try_from(flags).map_err(|_| ErrorCode::BAD_ARGUMENTS)?;
        if mode.is_ttl() && !self.settings.extended_types {
            return Err(ErrorCode::UNIMPLEMENTED);
        }
        Ok(mode)
    }

    pub(super) fn plain<'b>(
        &self,
        body: &'b CreateRequest,
        op: OpCode,
    ) -> Result<Create<'b>, ErrorCode> {
        let mode = self.mode(body.flags)?;
        if mode.is_ttl() {
            return Err(ErrorCode::BAD_ARGUMENTS);
        }
        Ok(Create {
            path: &body.path,
            data: &body.data,
            acl: body.acl.as_deref(),
            sequential: mode.is_sequential(),
            kind: Kind::Plain {
                ephemeral: mode.is_ephemeral(),
                op,
            },
        })
    }

    pub(super) fn container<'b>(&self, body: &'b CreateRequest) -> Result<Create<'b>, ErrorCode> {
        let plain = self.plain(body, OpCode::CreateContainer)?;
        Ok(Create {
            kind: Kind::Container,
            ..plain
        })
    }

    /// Apache lets a negative time to live pass when the mode is not one of TTL, and then cannot
    /// apply what it has logged; here the mode must be one.
    pub(super) fn ttl<'b>(&self, body: &'b CreateTtlRequest) -> Result<Create<'b>, ErrorCode> {
        let mode = self.mode(body.flags)?;
        if !mode.is_ttl() || !(1..=TTL_MAX_MS).contains(&body.ttl_ms) {
            return Err(ErrorCode::BAD_ARGUMENTS);
        }
        Ok(Create {
            path: &body.path,
            data: &body.data,
            acl: body.acl.as_deref(),
            sequential: mode.is_sequential(),
            kind: Kind::Ttl(body.ttl_ms),
        })
    }

    pub(super) fn create(&mut self, create: Create<'_>) -> Result<Txn, ErrorCode> {
        self.check_session()?;
        self.check_owner(&create)?;
        let parent_path = parent_of(create.path)?;
        let acl = access::resolve(create.acl, self.caller.identities)?;
        let mut parent = self.view(parent_path)?;
        self.require(&parent, CREATE)?;
        let number = parent.stat.cversion;
        #[cfg(feature = "__seeded-bugs")]
        let number = match self.store.tree.get(parent_path) {
            Some(parent) if lockkeeper_bugs::is(lockkeeper_bugs::Bug::RepeatsSequence) => {
                parent.stat.cversion
            }
            _ => number,
        };
        let path = match create.sequential {
            true => format!("{}{number:010}", create.path),
            false => create.path.to_owned(),
        };
        path::check(&path).map_err(|_| ErrorCode::BAD_ARGUMENTS)?;
        if self.overlay.view(self.store, &path).is_some() {
            return Err(ErrorCode::NODE_EXISTS);
        }
        if parent.stat.owner.as_session().is_some() {
            return Err(ErrorCode::NO_CHILDREN_FOR_EPHEMERALS);
        }

        let zxid = self.caller.zxid;
        let parent_cversion = parent.stat.cversion.wrapping_add(1);
        parent.stat.child_created(zxid, parent_cversion);
        parent.children += 1;
        self.overlay.put(self.store, parent_path, zxid, parent);
        let owner = match create.kind {
            Kind::Plain {
                ephemeral: true, ..
            } => Owner::session(self.caller.session),
            Kind::Plain { .. } => Owner::PERSISTENT,
            Kind::Container => Owner::CONTAINER,
            Kind::Ttl(ttl_ms) => Owner::ttl(ttl_ms),
        };
        let stat = ZnodeStat::created(zxid, self.caller.time_ms, owner);
        let znode = Future::created(stat, access::compact(&acl), create.data.clone());
        self.overlay.put(self.store, &path, zxid, znode);

        let (path, data) = (path.into(), create.data.clone());
        Ok(match create.kind {
            Kind::Plain { ephemeral, op } => {
                let body = CreateTxn {
                    path,
                    data,
                    acl,
                    ephemeral,
                    parent_cversion,
                };
                if op == OpCode::Create {
                    Txn::Create(body)
                } else {
                    Txn::Create2(body)
                }
            }
            Kind::Container => Txn::CreateContainer(CreateContainerTxn {
                path,
                data,
                acl,
                parent_cversion,
            }),
            Kind::Ttl(ttl_ms) => Txn::CreateTtl(CreateTtlTxn {
                path,
                data,
                acl,
                parent_cversion,
                ttl_ms,
            }),
        })
    }
}
