//! One znode: data, metadata, children.

use std::sync::Arc;

use lockkeeper_wire::{SessionId, Stat, Zxid};

use crate::access::AclRef;
use crate::names::{Named, Names};

/// Metadata as snapshots hold it (`StatPersisted`).
///
/// `cversion` counts creations only; what clients see also counts deletions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ZnodeStat {
    pub(crate) czxid: Zxid,
    pub(crate) mzxid: Zxid,
    pub(crate) ctime: i64,
    pub(crate) mtime: i64,
    pub(crate) version: i32,
    pub(crate) cversion: i32,
    pub(crate) aversion: i32,
    pub(crate) owner: Owner,
    pub(crate) pzxid: Zxid,
}

/// `ephemeralOwner` as it is stored: a session, or the mark of another kind of znode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) i64);

impl Owner {
    pub(crate) const PERSISTENT: Owner = Owner(0);
    pub(crate) const CONTAINER: Owner = Owner(i64::MIN);
    const TTL_MARK: i64 = 0xff_i64 << 56;

    pub(crate) fn ttl(ttl_ms: i64) -> Self {
        Self(Self::TTL_MARK | ttl_ms)
    }

    pub(crate) fn session(session: SessionId) -> Self {
        Self(session.0)
    }

    /// Time to live, ms.
    pub(crate) fn as_ttl_ms(self) -> Option<i64> {
        (self.0 >> 56 == -1).then_some(self.0 & !Self::TTL_MARK)
    }

    /// The session an ephemeral belongs to.
    pub(crate) fn as_session(self) -> Option<SessionId> {
        let other_kind =
            self == Self::PERSISTENT || self == Self::CONTAINER || self.as_ttl_ms().is_some();
        (!other_kind).then_some(SessionId(self.0))
    }
}

impl ZnodeStat {
    /// What clients see.
    pub(crate) fn shown(&self, data_length: usize, children: usize) -> Stat {
        let children = children as i32;
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion.wrapping_mul(2).wrapping_sub(children),
            aversion: self.aversion,
            ephemeral_owner: self.owner.as_session().unwrap_or_default(),
            data_length: data_length as i32,
            num_children: children,
            pzxid: self.pzxid,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Znode {
    /// Last element of the path; empty for the root.
    pub(crate) name: Box<str>,
    pub(crate) data: Option<Arc<[u8]>>,
    pub(crate) acl: AclRef,
    pub(crate) stat: ZnodeStat,
    /// What this znode adds to the tree's digest.
    pub(crate) digest: u32,
    pub(crate) children: Names<Znode>,
}

impl Znode {
    pub(crate) fn stat(&self) -> Stat {
        self.stat.shown(
            self.data.as_deref().map_or(0, <[u8]>::len),
            self.children.len(),
        )
    }
}

impl Named for Znode {
    fn name(&self) -> &str {
        &self.name
    }
}

/// A chain of znodes as deep as a peer likes must not be taken down by recursion.
impl Drop for Znode {
    fn drop(&mut self) {
        if self.children.is_empty() {
            return;
        }
        let mut below = std::mem::take(&mut self.children).into_unshared();
        while let Some(mut znode) = below.pop() {
            below.extend(std::mem::take(&mut znode.children).into_unshared());
        }
    }
}
