//! Outstanding changes: the tree as it will be when everything prepared has been applied.
//!
//! Requests are judged one behind the other without waiting for each other's commit, so a request
//! must see what those before it will have done. The overlay keeps, for each path they touch, the
//! znode's future without its children, until the change is applied.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use lockkeeper_wire::{SessionId, Zxid};

use crate::access::AclRef;
use crate::digest;
use crate::store::Store;
use crate::znode::{Znode, ZnodeStat};

/// Outstanding changes on top of a [`Store`].
#[derive(Debug, Default)]
pub struct Overlay {
    changes: BTreeMap<Arc<str>, Change>,
    /// Changes in the order in which they will be applied.
    order: VecDeque<(Zxid, Arc<str>)>,
    /// The tree's digest after the last change; `None` while nothing is outstanding.
    digest: Option<u64>,
    /// What the parts of a multi have replaced, while it may still fail.
    undo: Option<Undo>,
    /// Sessions that an outstanding transaction begins or ends.
    sessions: BTreeMap<SessionId, SessionChange>,
}

#[derive(Clone, Debug)]
struct Change {
    zxid: Zxid,
    znode: Option<Future>,
}

#[derive(Debug)]
struct Undo {
    replaced: Vec<(Arc<str>, Option<Change>)>,
    order_len: usize,
    digest: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionChange {
    Begins(Zxid),
    Ends(Zxid),
}

/// A znode as it will be.
#[derive(Clone, Debug)]
pub(crate) struct Future {
    pub(crate) stat: ZnodeStat,
    pub(crate) children: usize,
    pub(crate) acl: AclRef,
    pub(crate) data: Data,
    digest: u32,
}

/// Data from the tree or from a request.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Stored(Option<Arc<[u8]>>),
    Requested(Option<Bytes>),
}

impl Data {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Stored(data) => data.as_deref(),
            Self::Requested(data) => data.as_deref(),
        }
    }
}

impl Future {
    pub(crate) fn created(stat: ZnodeStat, acl: AclRef, data: Option<Bytes>) -> Self {
        Self {
            stat,
            children: 0,
            acl,
            data: Data::Requested(data),
            digest: 0,
        }
    }

    fn of(znode: &Znode) -> Self {
        Self {
            stat: znode.stat,
            children: znode.children.len(),
            acl: znode.acl.clone(),
            data: Data::Stored(znode.data.clone()),
            digest: znode.digest,
        }
    }
}

/// One name for the root in the table of changes.
fn key(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

impl Overlay {
    /// Nothing outstanding.
    pub fn new() -> Self {
        Self::default()
    }

    /// A znode as it will be, or `None` when it will not be there.
    pub(crate) fn view(&self, store: &Store, path: &str) -> Option<Future> {
        match self.changes.get(key(path)) {
            Some(change) => change.znode.clone(),
            None => store.tree.get(path).map(Future::of),
        }
    }

    /// Records a new or changed znode.
    pub(crate) fn put(&mut self, store: &Store, path: &str, zxid: Zxid, mut znode: Future) {
        let before = znode.digest;
        znode.digest = digest::znode(key(path), znode.data.bytes(), &znode.stat);
        let delta = u64::from(znode.digest).wrapping_sub(before.into());
        self.record(
            store,
            path,
            Change {
                zxid,
                znode: Some(znode),
            },
            delta,
        );
    }

    /// Records a deletion of the znode that [`Overlay::view`] showed.
    pub(crate) fn delete(&mut self, store: &Store, path: &str, zxid: Zxid, znode: &Future) {
        let delta = 0u64.wrapping_sub(znode.digest.into());
        self.record(store, path, Change { zxid, znode: None }, delta);
    }

    fn record(&mut self, store: &Store, path: &str, change: Change, digest_delta: u64) {
        let path: Arc<str> = key(path).into();
        self.digest = Some(self.digest(store).wrapping_add(digest_delta));
        self.order.push_back((change.zxid, path.clone()));
        let replaced = self.changes.insert(path.clone(), change);
        if let Some(undo) = &mut self.undo {
            undo.replaced.push((path, replaced));
        }
    }

    /// The tree's digest when all that is outstanding has been applied.
    pub(crate) fn digest(&self, store: &Store) -> u64 {
        self.digest.unwrap_or(store.tree.digest)
    }

    /// Starts to remember what is replaced, for [`Overlay::roll_back`].
    pub(crate) fn begin(&mut self) {
        self.undo = Some(Undo {
            replaced: Vec::new(),
            order_len: self.order.len(),
            digest: self.digest,
        });
    }

    /// Keeps what was recorded since [`Overlay::begin`].
    pub(crate) fn keep(&mut self) {
        self.undo = None;
    }

    /// Takes back what was recorded since [`Overlay::begin`].
    pub(crate) fn roll_back(&mut self) {
        let Some(undo) = self.undo.take() else { return };
        for (path, replaced) in undo.replaced.into_iter().rev() {
            match replaced {
                Some(change) => self.changes.insert(path, change),
                None => self.changes.remove(&path),
            };
        }
        self.order.truncate(undo.order_len);
        self.digest = undo.digest;
    }

    /// Forgets what has been applied.
    pub fn applied(&mut self, zxid: Zxid) {
        while let Some((changed, path)) = self.order.front()
            && *changed <= zxid
        {
            if self
                .changes
                .get(path)
                .is_some_and(|change| change.zxid <= zxid)
            {
                self.changes.remove(path);
            }
            self.order.pop_front();
        }
        if self.order.is_empty() {
            self.digest = None;
        }
        self.sessions.retain(|_, change| match change {
            SessionChange::Begins(changed) | SessionChange::Ends(changed) => *changed > zxid,
        });
    }

    pub(crate) fn begin_session(&mut self, session: SessionId, zxid: Zxid) {
        self.sessions.insert(session, SessionChange::Begins(zxid));
    }

    pub(crate) fn end_session(&mut self, session: SessionId, zxid: Zxid) {
        self.sessions.insert(session, SessionChange::Ends(zxid));
    }

    /// Whether the session will be alive.
    pub fn is_alive(&self, store: &Store, session: SessionId) -> bool {
        match self.sessions.get(&session) {
            Some(change) => matches!(change, SessionChange::Begins(_)),
            None => store.sessions.contains_key(&session),
        }
    }

    /// The ephemerals a session will have.
    pub(crate) fn ephemerals(&self, store: &Store, session: SessionId) -> BTreeSet<Arc<str>> {
        let mut paths = store.ephemerals.get(&session).cloned().unwrap_or_default();
        for (path, change) in &self.changes {
            let owner = change
                .znode
                .as_ref()
                .and_then(|znode| znode.stat.owner.as_session());
            if owner == Some(session) {
                paths.insert(path.clone());
            } else {
                paths.remove(path);
            }
        }
        paths
    }
}
