//! The tree of znodes, found by walking a path's elements.
//!
//! The whole tree hangs on one counted pointer. [`Tree::clone`] therefore freezes a state at no
//! cost; changes made afterwards copy only what they touch, on the way from the root to the znode.

use std::rc::Rc;
use std::sync::Arc;

use lockkeeper_wire::Zxid;
use lockkeeper_wire::txn::PARENT_CVERSION_UNKNOWN;

use crate::access::AclRef;
use crate::digest;
use crate::names::{self, Names};
use crate::znode::{Owner, Znode, ZnodeStat};

/// The subtree that belongs to the servers.
pub(crate) const RESERVED: &str = "/zookeeper";
/// Limits and usage of quotas.
pub(crate) const QUOTA: &str = "/zookeeper/quota";
/// The ensemble's membership.
pub(crate) const CONFIG: &str = "/zookeeper/config";

/// Paths that no client may delete.
pub(crate) fn is_reserved(path: &str) -> bool {
    matches!(path, "" | "/" | RESERVED | QUOTA | CONFIG)
}

#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: Arc<Znode>,
    /// Decides where names land in the tries of children.
    seed: u64,
    /// Znodes, the root included.
    pub(crate) len: usize,
    /// Sum of the lengths of all paths and data, bytes (`approximate_data_size`).
    pub(crate) size: u64,
    /// Sum of all znodes' digests.
    pub(crate) digest: u64,
}

/// What a new znode is made of.
pub(crate) struct NewZnode<'a> {
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) acl: AclRef,
    pub(crate) stat: ZnodeStat,
}

/// A path's elements, or `None` for a text that cannot name a znode. Empty stands for the root.
fn elements(path: &str) -> Option<impl Iterator<Item = &str>> {
    let rest = if path.is_empty() {
        ""
    } else {
        path.strip_prefix('/')?
    };
    let skip = usize::from(rest.is_empty());
    Some(rest.split('/').skip(skip))
}

/// The path above and the last element. The root has neither.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    let at = path.rfind('/')?;
    if path.len() == 1 {
        None
    } else {
        Some((&path[..at], &path[at + 1..]))
    }
}

impl Tree {
    /// The root alone, without the reserved znodes: what a snapshot is read into.
    pub(crate) fn bare(seed: u64) -> Self {
        let root = Znode {
            name: "".into(),
            data: Some([].into()),
            acl: None,
            stat: ZnodeStat::default(),
            digest: 0,
            children: Names::default(),
        };
        let mut tree = Self {
            root: Arc::new(root),
            seed,
            len: 1,
            size: 0,
            digest: 0,
        };
        tree.update("/", |_| ());
        tree
    }

    /// The tree of a new server, but for the membership's znode.
    pub(crate) fn fresh(seed: u64) -> Self {
        let mut tree = Self::bare(seed);
        for path in [RESERVED, QUOTA] {
            tree.insert(
                path,
                NewZnode {
                    data: Some(&[]),
                    acl: None,
                    stat: ZnodeStat::default(),
                },
            );
        }
        tree
    }

    /// The seed of every znode's children.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Znode> {
        let mut znode = &*self.root;
        for name in elements(path)? {
            znode = znode.children.get(self.seed, name)?;
        }
        Some(znode)
    }

    fn get_mut(&mut self, path: &str) -> Option<&mut Znode> {
        // Looked up first, so that a path that is not there copies nothing of a shared tree.
        self.get(path)?;
        let mut znode = Arc::make_mut(&mut self.root);
        for name in elements(path)? {
            znode = znode.children.get_mut(self.seed, name)?;
        }
        Some(znode)
    }

    /// Changes a znode in place and brings the digest up to date; `None` when it is not there.
    pub(crate) fn update<R>(
        &mut self,
        path: &str,
        change: impl FnOnce(&mut Znode) -> R,
    ) -> Option<R> {
        let znode = self.get_mut(path)?;
        let before = znode.digest;
        let size_before = znode.data.as_deref().map_or(0, <[u8]>::len) as u64;
        let result = change(znode);
        znode.digest = digest::znode(path, znode.data.as_deref(), &znode.stat);
        let after = znode.digest;
        let size = znode.data.as_deref().map_or(0, <[u8]>::len) as u64;
        self.digest = self
            .digest
            .wrapping_sub(before.into())
            .wrapping_add(after.into());
        self.size = self.size + size - size_before;
        Some(result)
    }

    /// Adds a znode whose parent is there and which is not there itself.
    pub(crate) fn insert(&mut self, path: &str, new: NewZnode<'_>) {
        let Some((parent, name)) = split(path) else {
            return;
        };
        let digest = digest::znode(path, new.data, &new.stat);
        let znode = Znode {
            name: name.into(),
            data: new.data.map(Arc::from),
            acl: new.acl,
            stat: new.stat,
            digest,
            children: Names::default(),
        };
        let seed = self.seed;
        let Some(parent) = self.get_mut(parent) else {
            return;
        };
        parent.children.insert(seed, znode);
        self.len += 1;
        self.size += (path.len() + new.data.map_or(0, <[u8]>::len)) as u64;
        self.digest = self.digest.wrapping_add(digest.into());
    }

    /// Takes a znode out with all that is below it.
    pub(crate) fn remove(&mut self, path: &str) -> Option<Arc<Znode>> {
        let (parent, name) = split(path)?;
        let seed = self.seed;
        let removed = self.get_mut(parent)?.children.remove(seed, name)?;
        for (path, znode) in Walk::from(path, &removed) {
            self.len -= 1;
            self.size -= (path.len() + znode.data.as_deref().map_or(0, <[u8]>::len)) as u64;
            self.digest = self.digest.wrapping_sub(znode.digest.into());
        }
        Some(removed)
    }

    /// Every znode with its path, parents before children. The root's path is empty.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk::from("", &self.root)
    }

    /// Znodes below a path.
    pub(crate) fn count_below(&self, path: &str) -> Option<usize> {
        let mut count = 0;
        let mut below = vec![self.get(path)?];
        while let Some(znode) = below.pop() {
            count += znode.children.len();
            below.extend(znode.children.iter());
        }
        Some(count)
    }
}

pub(crate) struct Walk<'a> {
    first: Option<&'a Znode>,
    /// What is left of the children of each znode on the way, and the length of its path.
    below: Vec<(usize, names::Iter<'a, Znode>)>,
    /// The path of the last one: one buffer, since the paths of a deep tree together are long.
    path: String,
}

impl<'a> Walk<'a> {
    /// A znode and all that is below it.
    pub(crate) fn from(path: &str, znode: &'a Znode) -> Self {
        Self {
            first: Some(znode),
            below: Vec::new(),
            path: path.to_owned(),
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Rc<str>, &'a Znode);

    fn next(&mut self) -> Option<Self::Item> {
        let znode = match self.first.take() {
            Some(first) => first,
            None => loop {
                let (parent_len, children) = self.below.last_mut()?;
                if let Some(child) = children.next() {
                    self.path.truncate(*parent_len);
                    self.path.push('/');
                    self.path.push_str(&child.name);
                    break child;
                }
                self.below.pop();
            },
        };
        if !znode.children.is_empty() {
            self.below.push((self.path.len(), znode.children.iter()));
        }
        Some((self.path.as_str().into(), znode))
    }
}

impl ZnodeStat {
    /// Of a znode that a transaction creates.
    pub(crate) fn created(zxid: Zxid, time_ms: i64, owner: Owner) -> Self {
        Self {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time_ms,
            mtime: time_ms,
            owner,
            ..Self::default()
        }
    }

    /// Counts a child's creation (`DataTree.setCversionPzxid`). A count at its end stays there, and
    /// `pzxid` with it.
    pub(crate) fn child_created(&mut self, zxid: Zxid, parent_cversion: i32) {
        let cversion = match parent_cversion {
            PARENT_CVERSION_UNKNOWN => self.cversion.wrapping_add(1),
            known => known,
        };
        if cversion > self.cversion {
            self.cversion = cversion;
            self.pzxid = zxid;
        }
    }

    /// Notes a child's deletion.
    pub(crate) fn child_deleted(&mut self, zxid: Zxid) {
        self.pzxid = self.pzxid.max(zxid);
    }
}
