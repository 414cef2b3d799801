//! The replicated state of one server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockkeeper_wire::{Acl, SessionId, Stat, Zxid};

use crate::access::{self, AclRef};
use crate::tree::{CONFIG, NewZnode, RESERVED, Tree, Walk};
use crate::znode::{Owner, Znode, ZnodeStat};

/// The tree, the sessions, and what is derived from them.
///
/// Cloning costs as much as the tables of sessions and special znodes; the tree itself is shared
/// with the clone, and copied bit by bit as the original changes.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) tree: Tree,
    /// Sessions with their timeouts, ms.
    pub(crate) sessions: BTreeMap<SessionId, i32>,
    pub(crate) ephemerals: BTreeMap<SessionId, BTreeSet<Arc<str>>>,
    pub(crate) containers: BTreeSet<Arc<str>>,
    pub(crate) ttls: BTreeSet<Arc<str>>,
    pub(crate) acls: BTreeSet<Arc<[Acl]>>,
    pub(crate) last_zxid: Zxid,
}

impl Store {
    /// The state of a server that has seen no transaction.
    ///
    /// `seed` keeps peers from choosing names that collide; it decides the order of children in
    /// replies and nothing else.
    pub fn new(seed: u64) -> Self {
        let mut store = Self::with_tree(Tree::fresh(seed));
        store.ensure_config();
        store
    }

    pub(crate) fn with_tree(tree: Tree) -> Self {
        Self {
            tree,
            sessions: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            acls: BTreeSet::new(),
            last_zxid: Zxid::ZERO,
        }
    }

    /// Adds the membership's znode to a tree that was written without one.
    pub(crate) fn ensure_config(&mut self) {
        if self.tree.get(CONFIG).is_some() || self.tree.get(RESERVED).is_none() {
            return;
        }
        let acl = self.intern(&Acl::read_only());
        let stat = ZnodeStat {
            aversion: -1,
            ..ZnodeStat::default()
        };
        let data = Some(&[][..]);
        self.tree.insert(CONFIG, NewZnode { data, acl, stat });
    }

    /// Shows the membership that is in force, whichever the tree came with.
    ///
    /// No transaction does this: each server tells what it goes by, and the digest leaves the znode
    /// out. `version` is the zxid that brought the membership, 0 for one that was configured.
    pub fn set_config(&mut self, text: &str, version: Zxid, time_ms: i64) {
        self.tree.update(CONFIG, |znode| {
            znode.data = Some(text.as_bytes().into());
            znode.stat.version = -1;
            znode.stat.mzxid = version;
            znode.stat.mtime = time_ms;
        });
    }

    /// The last transaction applied.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The digest of the tree (disk format version 2).
    pub fn digest(&self) -> u64 {
        self.tree.digest
    }

    /// Sessions and their timeouts in ms, by id.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, i32)> {
        self.sessions
            .iter()
            .map(|(&id, &timeout_ms)| (id, timeout_ms))
    }

    /// A session's timeout in ms, if the session lives.
    pub fn session_timeout_ms(&self, session: SessionId) -> Option<i32> {
        self.sessions.get(&session).copied()
    }

    /// A znode's metadata.
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.tree.get(path).map(Znode::stat)
    }

    /// The paths of a session's ephemerals.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &str> {
        self.ephemerals
            .get(&session)
            .into_iter()
            .flatten()
            .map(|path| &**path)
    }

    /// Sizes for an operator.
    pub fn counts(&self) -> Counts {
        Counts {
            znodes: self.tree.len,
            ephemerals: self.ephemerals.values().map(BTreeSet::len).sum(),
            sessions: self.sessions.len(),
            data_bytes: self.tree.size,
        }
    }

    /// Containers that have lost their last child and TTL znodes whose time has passed: what the
    /// leader may remove now.
    ///
    /// A container that never had a child stays for `never_used_ms` after its creation, for ever
    /// when that is 0.
    pub fn removable(&self, now_ms: i64, never_used_ms: i64) -> Vec<Arc<str>> {
        let is_removable = |path: &Arc<str>| {
            self.tree.get(path).is_some_and(|znode| {
                let age_ms = now_ms.saturating_sub(znode.stat.mtime);
                znode.children.is_empty()
                    && match znode.stat.owner {
                        Owner::CONTAINER if znode.stat.cversion > 0 => true,
                        Owner::CONTAINER => never_used_ms > 0 && age_ms > never_used_ms,
                        owner => owner.as_ttl_ms().is_some_and(|ttl_ms| age_ms > ttl_ms),
                    }
            })
        };
        self.containers
            .iter()
            .chain(&self.ttls)
            .filter(|p| is_removable(p))
            .cloned()
            .collect()
    }

    /// One shared copy of a list for all znodes that have it.
    pub(crate) fn intern(&mut self, acl: &[Acl]) -> AclRef {
        let acl = access::compact(acl)?;
        if let Some(known) = self.acls.get(&acl) {
            return Some(known.clone());
        }
        // The entries may be slices of a request's frame, which must not live as long as they.
        let owned = acl
            .iter()
            .map(|entry| Acl::new(entry.perms, entry.id.scheme(), &*entry.id.id));
        let owned: Arc<[Acl]> = owned.collect();
        self.acls.insert(owned.clone());
        Some(owned)
    }

    /// The state as it is now, for a snapshot. Lists that no znode has any more are dropped first.
    pub fn freeze(&mut self) -> Self {
        self.acls.retain(|acl| Arc::strong_count(acl) > 1);
        self.clone()
    }

    /// Enters a znode into the tables of its kind.
    pub(crate) fn index(&mut self, path: &str, owner: Owner) {
        if owner == Owner::CONTAINER {
            self.containers.insert(path.into());
        } else if owner.as_ttl_ms().is_some() {
            self.ttls.insert(path.into());
        } else if let Some(session) = owner.as_session() {
            self.ephemerals
                .entry(session)
                .or_default()
                .insert(path.into());
        }
    }

    /// Takes a znode out. Something is below it only when a delete is replayed onto a later znode
    /// of that path; that goes too.
    pub(crate) fn remove(&mut self, path: &str) -> Option<Arc<Znode>> {
        let removed = self.tree.remove(path)?;
        for (path, znode) in Walk::from(path, &removed) {
            self.unindex(&path, znode.stat.owner);
        }
        Some(removed)
    }

    /// Takes a znode out of the tables of its kind.
    fn unindex(&mut self, path: &str, owner: Owner) {
        if owner == Owner::CONTAINER {
            self.containers.remove(path);
        } else if owner.as_ttl_ms().is_some() {
            self.ttls.remove(path);
        } else if let Some(session) = owner.as_session()
            && let Some(paths) = self.ephemerals.get_mut(&session)
        {
            paths.remove(path);
            if paths.is_empty() {
                self.ephemerals.remove(&session);
            }
        }
    }
}

/// Sizes for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Znodes, the root and the reserved ones included.
    pub znodes: usize,
    /// Ephemerals of all sessions.
    pub ephemerals: usize,
    /// Sessions.
    pub sessions: usize,
    /// Bytes of all paths and data.
    pub data_bytes: u64,
}
