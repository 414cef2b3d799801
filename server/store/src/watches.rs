//! Watches: who waits for what, and the events that a change gives.
//!
//! Two tables by path, as in Apache's servers: one for data, existence and both persistent kinds,
//! one for children and the plain persistent kind. A change asks the tables in a fixed order, and a
//! connection gets at most one event from a table for each step of a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockkeeper_wire::acl::READ;
use lockkeeper_wire::watch::{SetWatches, SetWatches2};
use lockkeeper_wire::{AddWatchMode, ByteStr, ErrorCode, EventType, Id, WatcherType, Zxid};

use crate::access::{self, AclRef};
use crate::applied::Change;
use crate::store::Store;
use crate::tree;

/// A client connection; its watches end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where events go: the connection's owner knows its identities and its buffer.
pub trait EventSink {
    /// The connection's identities at this moment.
    fn with_identities<R>(&self, connection: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R;

    /// Sends an event; `zxid` is the transaction's, or -1 for one that setWatches makes.
    fn event(&mut self, connection: ConnectionId, kind: EventType, zxid: Zxid, path: &str);
}

/// The kinds in which one connection watches one path in one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Modes(u8);

impl Modes {
    const STANDARD: Modes = Modes(1);
    const PERSISTENT: Modes = Modes(2);
    const RECURSIVE: Modes = Modes(4);
    const ANY: Modes = Modes(7);

    fn has(self, other: Modes) -> bool {
        self.0 & other.0 != 0
    }

    fn without(self, other: Modes) -> Self {
        Self(self.0 & !other.0)
    }
}

/// One table.
#[derive(Debug, Default)]
struct Table {
    by_path: BTreeMap<Arc<str>, BTreeMap<ConnectionId, Modes>>,
    by_connection: BTreeMap<ConnectionId, BTreeSet<Arc<str>>>,
    /// Recursive entries; while there are none, ancestors need not be asked.
    recursive: usize,
}

impl Table {
    fn add(&mut self, connection: ConnectionId, path: &str, mode: Modes) {
        let path: Arc<str> = match self.by_path.get_key_value(path) {
            Some((path, _)) => path.clone(),
            None => path.into(),
        };
        let modes = self
            .by_path
            .entry(path.clone())
            .or_default()
            .entry(connection)
            .or_default();
        if mode == Modes::RECURSIVE && !modes.has(mode) {
            self.recursive += 1;
        }
        modes.0 |= mode.0;
        self.by_connection
            .entry(connection)
            .or_default()
            .insert(path);
    }

    fn modes(&self, connection: ConnectionId, path: &str) -> Modes {
        let watchers = self.by_path.get(path);
        watchers
            .and_then(|watchers| watchers.get(&connection))
            .copied()
            .unwrap_or_default()
    }

    fn remove(&mut self, connection: ConnectionId, path: &str, removed: Modes) -> bool {
        let Some(watchers) = self.by_path.get_mut(path) else {
            return false;
        };
        let Some(modes) = watchers.get_mut(&connection) else {
            return false;
        };
        if !modes.has(removed) {
            return false;
        }
        if modes.has(Modes::RECURSIVE) && removed.has(Modes::RECURSIVE) {
            self.recursive -= 1;
        }
        *modes = modes.without(removed);
        if *modes == Modes::default() {
            watchers.remove(&connection);
            if watchers.is_empty() {
                self.by_path.remove(path);
            }
            if let Some(paths) = self.by_connection.get_mut(&connection) {
                paths.remove(path);
                if paths.is_empty() {
                    self.by_connection.remove(&connection);
                }
            }
        }
        true
    }

    fn drop_connection(&mut self, connection: ConnectionId) {
        for path in self.by_connection.remove(&connection).unwrap_or_default() {
            let Some(watchers) = self.by_path.get_mut(&path) else {
                continue;
            };
            if watchers
                .remove(&connection)
                .is_some_and(|modes| modes.has(Modes::RECURSIVE))
            {
                self.recursive -= 1;
            }
            if watchers.is_empty() {
                self.by_path.remove(&path);
            }
        }
    }

    /// Takes the one-shot watches of a path and names everybody who is to hear of it, in order of
    /// connections.
    fn fire(&mut self, path: &str) -> Vec<ConnectionId> {
        let mut fired = Vec::new();
        let mut consumed = Vec::new();
        if let Some(watchers) = self.by_path.get(path) {
            fired.extend(watchers.keys());
            let standard = watchers
                .iter()
                .filter(|(_, modes)| modes.has(Modes::STANDARD));
            #[cfg(feature = "__seeded-bugs")]
            let standard =
                standard.filter(|_| !lockkeeper_bugs::is(lockkeeper_bugs::Bug::KeepsWatch));
            consumed.extend(standard.map(|(&connection, _)| connection));
        }
        for connection in consumed {
            self.remove(connection, path, Modes::STANDARD);
        }
        if self.recursive > 0 {
            let mut path = path;
            while let Some((parent, _)) = tree::split(path) {
                path = if parent.is_empty() { "/" } else { parent };
                let watchers = self.by_path.get(path).into_iter().flatten();
                let recursive = watchers.filter(|(_, modes)| modes.has(Modes::RECURSIVE));
                fired.extend(recursive.map(|(&connection, _)| connection));
            }
            fired.sort_unstable();
            fired.dedup();
        }
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::DropsWatch) && fired.len() > 1 {
            fired.pop();
        }
        fired
    }

    fn len(&self) -> usize {
        self.by_path.values().map(BTreeMap::len).sum()
    }
}

/// All watches of one server.
#[derive(Debug, Default)]
pub struct Watches {
    data: Table,
    child: Table,
    herd: Herd,
    skip_acl: bool,
}

/// How many connections changes have woken, by kind of event (`node_*_watch_count`). Those whose
/// event was withheld for want of READ count as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Herd {
    /// Creations.
    pub created: HerdCount,
    /// Deletions.
    pub deleted: HerdCount,
    /// Changes of data.
    pub changed: HerdCount,
    /// Changes of a parent's children.
    pub children: HerdCount,
}

/// Events of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HerdCount {
    /// Changes that woke somebody.
    pub count: u64,
    /// Connections woken.
    pub sum: u64,
    /// The most that one change woke.
    pub max: u64,
}

impl HerdCount {
    fn add(&mut self, woken: usize) {
        if woken > 0 {
            self.count += 1;
            self.sum += woken as u64;
            self.max = self.max.max(woken as u64);
        }
    }
}

impl Watches {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether events are told without a look at access lists (`skipACL`).
    pub fn skip_acl(mut self, skip_acl: bool) -> Self {
        self.skip_acl = skip_acl;
        self
    }

    /// Leaves a one-shot watch on data or existence.
    pub fn add_data(&mut self, connection: ConnectionId, path: &str) {
        self.data.add(connection, path, Modes::STANDARD);
    }

    /// Leaves a one-shot watch on children.
    pub fn add_child(&mut self, connection: ConnectionId, path: &str) {
        self.child.add(connection, path, Modes::STANDARD);
    }

    /// Leaves a persistent watch; no znode needs to be there and the path is not checked.
    pub fn add_persistent(&mut self, connection: ConnectionId, path: &str, mode: AddWatchMode) {
        match mode {
            AddWatchMode::Persistent => {
                self.data.add(connection, path, Modes::PERSISTENT);
                self.child.add(connection, path, Modes::PERSISTENT);
            }
            AddWatchMode::PersistentRecursive => {
                self.data.add(connection, path, Modes::RECURSIVE);
            }
        }
    }

    /// Whether the connection has such a watch.
    pub fn check(
        &self,
        connection: ConnectionId,
        path: &str,
        kind: WatcherType,
    ) -> Result<(), ErrorCode> {
        let (data, child) = tables_of(kind);
        let found = data.is_some_and(|modes| self.data.modes(connection, path).has(modes))
            || child.is_some_and(|modes| self.child.modes(connection, path).has(modes));
        if found {
            Ok(())
        } else {
            Err(ErrorCode::NO_WATCHER)
        }
    }

    /// Removes such a watch.
    pub fn remove(
        &mut self,
        connection: ConnectionId,
        path: &str,
        kind: WatcherType,
    ) -> Result<(), ErrorCode> {
        let (data, child) = tables_of(kind);
        let in_data = data.is_some_and(|modes| self.data.remove(connection, path, modes));
        let in_child = child.is_some_and(|modes| self.child.remove(connection, path, modes));
        if in_data || in_child {
            Ok(())
        } else {
            Err(ErrorCode::NO_WATCHER)
        }
    }

    /// Removes all watches of a connection that has ended.
    pub fn drop_connection(&mut self, connection: ConnectionId) {
        self.data.drop_connection(connection);
        self.child.drop_connection(connection);
    }

    /// Tells watchers of one step of a transaction; who may not read is not told, yet a one-shot
    /// watch is spent all the same (CVE-2024-23944).
    pub fn trigger(&mut self, change: &Change, zxid: Zxid, sink: &mut impl EventSink) {
        let path = &*change.path;
        let parent = tree::split(path).map(|(parent, _)| parent);
        let parent = parent.map(|parent| if parent.is_empty() { "/" } else { parent });
        let skip_acl = self.skip_acl;
        #[cfg(feature = "__seeded-bugs")]
        let skip_acl = skip_acl || lockkeeper_bugs::is(lockkeeper_bugs::Bug::TellsSecrets);
        #[cfg(feature = "__seeded-bugs")]
        let parent = parent.filter(|_| {
            change.kind != EventType::NodeDeleted
                || !lockkeeper_bugs::is(lockkeeper_bugs::Bug::ForgetsParent)
        });
        let mut tell = |fired: &[ConnectionId], kind, path: &str, acl: &AclRef| {
            for &connection in fired {
                let may = |ids: &[Id]| skip_acl || access::is_allowed(acl, READ, ids);
                if sink.with_identities(connection, may) {
                    sink.event(connection, kind, zxid, path);
                }
            }
        };
        let fired = self.data.fire(path);
        tell(&fired, change.kind, path, &change.acl);
        let mut woken = fired.len();
        if change.kind == EventType::NodeDeleted {
            let mut also = self.child.fire(path);
            also.retain(|connection| fired.binary_search(connection).is_err());
            tell(&also, change.kind, path, &change.acl);
            woken += also.len();
        }
        match change.kind {
            EventType::NodeCreated => self.herd.created.add(woken),
            EventType::NodeDeleted => self.herd.deleted.add(woken),
            _ => self.herd.changed.add(woken),
        }
        if change.kind != EventType::NodeDataChanged
            && let Some(parent) = parent
        {
            let fired = self.child.fire(parent);
            tell(
                &fired,
                EventType::NodeChildrenChanged,
                parent,
                &change.parent_acl,
            );
            self.herd.children.add(fired.len());
        }
    }

    /// Registers a reconnected client's watches again and tells at once what it has missed.
    ///
    /// Data and child watches compare zxids; a watch for existence fires when the znode is there;
    /// persistent watches are only armed. Apache's servers look at no access list here; this one
    /// tells nothing of a znode that the client may not read, and arms the watch instead.
    pub fn set_watches(
        &mut self,
        connection: ConnectionId,
        store: &Store,
        watches: &SetWatches2,
        sink: &mut impl EventSink,
    ) {
        let since = watches.relative_zxid;
        #[cfg(feature = "__seeded-bugs")]
        let since = match lockkeeper_bugs::is(lockkeeper_bugs::Bug::HidesMissed) {
            true => Zxid(i64::MAX),
            false => since,
        };
        let skip_acl = self.skip_acl;
        // Whether the event was told; a watch that was not spent is armed again.
        let mut tell = |path: &str, kind, acl: &AclRef| {
            let may = |ids: &[Id]| skip_acl || access::is_allowed(acl, READ, ids);
            let may = sink.with_identities(connection, may);
            if may {
                sink.event(connection, kind, Zxid(-1), path);
            }
            may
        };
        for path in &watches.data {
            let told = match store.tree.get(path) {
                None => tell(path, EventType::NodeDeleted, &None),
                Some(znode) if znode.stat.mzxid > since => {
                    tell(path, EventType::NodeDataChanged, &znode.acl)
                }
                Some(_) => false,
            };
            if !told {
                self.data.add(connection, path, Modes::STANDARD);
            }
        }
        for path in &watches.exist {
            let znode = store.tree.get(path);
            if !znode.is_some_and(|znode| tell(path, EventType::NodeCreated, &znode.acl)) {
                self.data.add(connection, path, Modes::STANDARD);
            }
        }
        for path in &watches.child {
            let told = match store.tree.get(path) {
                None => tell(path, EventType::NodeDeleted, &None),
                Some(znode) if znode.stat.pzxid > since => {
                    tell(path, EventType::NodeChildrenChanged, &znode.acl)
                }
                Some(_) => false,
            };
            if !told {
                self.child.add(connection, path, Modes::STANDARD);
            }
        }
        for path in &watches.persistent {
            self.add_persistent(connection, path, AddWatchMode::Persistent);
        }
        for path in &watches.persistent_recursive {
            self.add_persistent(connection, path, AddWatchMode::PersistentRecursive);
        }
    }

    /// Watches of one connection, both tables.
    pub fn count_of(&self, connection: ConnectionId) -> usize {
        let len = |table: &Table| {
            table
                .by_connection
                .get(&connection)
                .map_or(0, BTreeSet::len)
        };
        len(&self.data) + len(&self.child)
    }

    /// Watches of all connections, both tables.
    pub fn len(&self) -> usize {
        self.data.len() + self.child.len()
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many connections changes have woken.
    pub fn herd(&self) -> Herd {
        self.herd
    }

    /// Starts counting the herd anew.
    pub fn reset_herd(&mut self) {
        self.herd = Herd::default();
    }
}

/// Which kinds in which table a watcher type stands for.
fn tables_of(kind: WatcherType) -> (Option<Modes>, Option<Modes>) {
    match kind {
        WatcherType::Children => (None, Some(Modes::STANDARD)),
        WatcherType::Data => (Some(Modes::STANDARD), None),
        WatcherType::Any => (Some(Modes::ANY), Some(Modes::ANY)),
        WatcherType::Persistent => (Some(Modes::PERSISTENT), Some(Modes::PERSISTENT)),
        WatcherType::PersistentRecursive => (Some(Modes::RECURSIVE), None),
    }
}

/// The old form of setWatches as the new one without persistent watches.
pub fn widen(watches: SetWatches) -> SetWatches2 {
    let SetWatches {
        relative_zxid,
        data,
        exist,
        child,
    } = watches;
    let none: Vec<ByteStr> = Vec::new();
    SetWatches2 {
        relative_zxid,
        data,
        exist,
        child,
        persistent: none.clone(),
        persistent_recursive: none,
    }
}
