//! Who watches what, and how the server is kept in step with it.
//!
//! One server-side watch per path and kind stands for any number of watchers here; it is taken off
//! when the last of them goes. Paths are the server's. The rules for what registers, what an event
//! reaches and what it ends are those of `ZKWatchManager.java` (`client-protocol` 11.5).
//!
//! A removal must not take more than it means to. Up to 3.8 a server removes by table, persistent
//! modes included, and a read with a watch that is on its way would lose the watch it is about to
//! get. So a kind is removed only where nothing else on the path can suffer; otherwise the server's
//! watch is left (`stale`), costs at most an event that nobody here wants, and goes when the path's
//! last watcher does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lockkeeper_wire::request::PathWatcherType;
use lockkeeper_wire::watch::SetWatches2;
use lockkeeper_wire::{ByteStr, EventType, Request, WatcherType, Zxid, path, watch};

use crate::event::Ticket;

/// Bytes of paths in one setWatches: Java's limit, far below what servers accept in a frame.
const CHUNK_LEN_MAX: usize = 128 * 1024;

/// The five tables, in protocol order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WatchKind {
    Data,
    Exist,
    Child,
    Persistent,
    Recursive,
}

const KINDS: [WatchKind; 5] = [
    WatchKind::Data,
    WatchKind::Exist,
    WatchKind::Child,
    WatchKind::Persistent,
    WatchKind::Recursive,
];

#[derive(Debug, Default)]
struct PathWatches {
    watchers: [BTreeSet<Ticket>; 5],
    /// Calls on their way that may leave a watch here.
    expected: usize,
    /// Whether the server may hold a watch that nobody here has.
    stale: bool,
}

impl PathWatches {
    fn has(&self, kind: WatchKind) -> bool {
        !self.watchers[kind as usize].is_empty()
    }

    fn is_empty(&self) -> bool {
        self.watchers.iter().all(BTreeSet::is_empty)
    }
}

/// The tables of one session.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    paths: BTreeMap<String, PathWatches>,
    by_ticket: BTreeMap<Ticket, (String, WatchKind)>,
    recursive_paths: usize,
    /// The zxid that the restore on its way asks from, and the chunks of it without an answer.
    restoring: Option<(Zxid, usize)>,
}

impl Watches {
    /// A request that may leave a watch is on its way.
    pub(crate) fn expect(&mut self, path: &str) {
        match self.paths.get_mut(path) {
            Some(entry) => entry.expected += 1,
            None => {
                let entry = PathWatches {
                    expected: 1,
                    ..PathWatches::default()
                };
                self.paths.insert(path.to_owned(), entry);
            }
        }
    }

    /// Such a request has ended, and `kind` says which watch it left; gives what is to be removed
    /// from the server.
    pub(crate) fn settle(
        &mut self,
        path: &str,
        ticket: Ticket,
        kind: Option<WatchKind>,
    ) -> Option<Request> {
        let entry = self.paths.get_mut(path)?;
        entry.expected -= 1;
        let Some(kind) = kind else {
            return self.tidy(path);
        };
        if kind == WatchKind::Recursive && !entry.has(kind) {
            self.recursive_paths += 1;
        }
        entry.watchers[kind as usize].insert(ticket);
        self.by_ticket.insert(ticket, (path.to_owned(), kind));
        None
    }

    /// A watcher goes; gives what is to be removed from the server. Nothing for one that is not
    /// registered.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Request> {
        let (path, kind) = self.by_ticket.remove(&ticket)?;
        let entry = self.paths.get_mut(&path)?;
        entry.watchers[kind as usize].remove(&ticket);
        if entry.has(kind) {
            return None;
        }
        if kind == WatchKind::Recursive {
            self.recursive_paths -= 1;
        }
        entry.stale = true;
        if entry.is_empty() {
            return self.tidy(&path);
        }
        if entry.expected > 0 {
            return None;
        }
        removable_alone(entry, kind).map(|watcher_type| remove_request(&path, watcher_type))
    }

    /// Drops a path without watchers, and with it whatever the server still holds there.
    fn tidy(&mut self, path: &str) -> Option<Request> {
        let entry = self.paths.get(path)?;
        if entry.expected > 0 || !entry.is_empty() {
            return None;
        }
        let stale = entry.stale;
        self.paths.remove(path);
        stale.then(|| remove_request(path, WatcherType::Any))
    }

    /// Whether a watcher is registered.
    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        self.by_ticket.contains_key(&ticket)
    }

    /// The watchers that an event reaches, those of one-shot watches being registered no more, and
    /// what is to be removed from the server.
    pub(crate) fn dispatch(
        &mut self,
        kind: EventType,
        path: &str,
    ) -> (Vec<Ticket>, Option<Request>) {
        use WatchKind::{Child, Data, Exist, Persistent, Recursive};
        let (once, always): (&[WatchKind], &[WatchKind]) = match kind {
            EventType::NodeCreated | EventType::NodeDataChanged => (&[Data, Exist], &[Persistent]),
            EventType::NodeDeleted => (&[Data, Exist, Child], &[Persistent]),
            EventType::NodeChildrenChanged => (&[Child], &[Persistent]),
            _ => return (Vec::new(), None),
        };
        let mut reached = Vec::new();
        if let Some(entry) = self.paths.get_mut(path) {
            for &kind in once {
                reached.extend(std::mem::take(&mut entry.watchers[kind as usize]));
            }
            for ticket in &reached {
                self.by_ticket.remove(ticket);
            }
            for &kind in always {
                reached.extend(&entry.watchers[kind as usize]);
            }
        }
        let removal = self.tidy(path);
        if kind != EventType::NodeChildrenChanged && self.recursive_paths > 0 {
            let mut at = Some(path);
            while let Some(path) = at {
                if let Some(entry) = self.paths.get(path) {
                    reached.extend(&entry.watchers[Recursive as usize]);
                }
                at = path::parent(path);
            }
        }
        (reached, removal)
    }

    /// The requests that arm every watch on a new link, each below the chunk limit.
    ///
    /// A new link starts clean, so what was stale is no more. A restore that an earlier link took
    /// down is done again from where it began: the reply of one chunk shows a zxid up to which
    /// nobody has looked for the paths of the next.
    pub(crate) fn restore(&mut self, zxid_seen: Zxid) -> VecDeque<Request> {
        let from = self.restoring.map_or(zxid_seen, |(from, _)| from);
        self.paths
            .retain(|_, entry| entry.expected > 0 || !entry.is_empty());
        let mut chunks = Chunks::new(from);
        for entry in self.paths.values_mut() {
            entry.stale = false;
        }
        for kind in KINDS {
            for (path, entry) in &self.paths {
                if entry.has(kind) {
                    chunks.push(kind, path);
                }
            }
        }
        let chunks = chunks.finish();
        #[cfg(feature = "__seeded-bugs")]
        let chunks = match lockkeeper_bugs::is(lockkeeper_bugs::Bug::ForgetsWatches) {
            true => VecDeque::new(),
            false => chunks,
        };
        self.restoring = (!chunks.is_empty()).then_some((from, chunks.len()));
        chunks
    }

    /// A chunk has been answered, one way or the other.
    pub(crate) fn chunk_done(&mut self) {
        self.restoring = match self.restoring {
            Some((from, left)) if left > 1 => Some((from, left - 1)),
            _ => None,
        };
    }

    /// The watchers of the persistent kinds that a chunk has armed again.
    pub(crate) fn rearmed(&self, chunk: &Request) -> Vec<Ticket> {
        use WatchKind::{Persistent, Recursive};
        self.in_chunk(chunk, &[Persistent, Recursive])
    }

    /// Takes out every watcher of a chunk that a server has refused.
    pub(crate) fn refused(&mut self, chunk: &Request) -> Vec<Ticket> {
        let tickets = self.in_chunk(chunk, &KINDS);
        for &ticket in &tickets {
            // The server has none of these, so what would be removed there does not matter.
            let _ = self.remove(ticket);
        }
        tickets
    }

    fn in_chunk(&self, chunk: &Request, kinds: &[WatchKind]) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for &kind in kinds {
            for path in chunk_paths(chunk, kind) {
                if let Some(entry) = self.paths.get(&**path) {
                    tickets.extend(&entry.watchers[kind as usize]);
                }
            }
        }
        tickets
    }

    /// Every watcher; used once, at the end.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Ticket> + use<> {
        self.paths.clear();
        std::mem::take(&mut self.by_ticket).into_keys()
    }
}

/// How a kind can be removed while other watchers of the path stay, if it can.
fn removable_alone(entry: &PathWatches, kind: WatchKind) -> Option<WatcherType> {
    use WatchKind::{Child, Data, Exist, Persistent, Recursive};
    let persistent_stays = entry.has(Persistent) || entry.has(Recursive);
    match kind {
        Data | Exist if persistent_stays || entry.has(Data) || entry.has(Exist) => None,
        Data | Exist => Some(WatcherType::Data),
        Child if persistent_stays => None,
        Child => Some(WatcherType::Children),
        Persistent => Some(WatcherType::Persistent),
        Recursive => Some(WatcherType::PersistentRecursive),
    }
}

fn remove_request(path: &str, watcher_type: WatcherType) -> Request {
    Request::RemoveWatches(PathWatcherType {
        path: path.into(),
        kind: watcher_type.into(),
    })
}

fn chunk_paths(chunk: &Request, kind: WatchKind) -> &[ByteStr] {
    match (chunk, kind) {
        (Request::SetWatches(body), WatchKind::Data) => &body.data,
        (Request::SetWatches(body), WatchKind::Exist) => &body.exist,
        (Request::SetWatches(body), WatchKind::Child) => &body.child,
        (Request::SetWatches2(body), WatchKind::Data) => &body.data,
        (Request::SetWatches2(body), WatchKind::Exist) => &body.exist,
        (Request::SetWatches2(body), WatchKind::Child) => &body.child,
        (Request::SetWatches2(body), WatchKind::Persistent) => &body.persistent,
        (Request::SetWatches2(body), WatchKind::Recursive) => &body.persistent_recursive,
        _ => &[],
    }
}

/// Collects paths into requests of limited length.
struct Chunks {
    relative_zxid: Zxid,
    open: SetWatches2,
    open_len: usize,
    done: VecDeque<Request>,
}

impl Chunks {
    fn new(relative_zxid: Zxid) -> Self {
        Self {
            relative_zxid,
            open: SetWatches2::default(),
            open_len: 0,
            done: VecDeque::new(),
        }
    }

    fn push(&mut self, kind: WatchKind, path: &str) {
        if self.open_len > 0 && self.open_len + path.len() > CHUNK_LEN_MAX {
            self.close();
        }
        self.open_len += path.len();
        let list = match kind {
            WatchKind::Data => &mut self.open.data,
            WatchKind::Exist => &mut self.open.exist,
            WatchKind::Child => &mut self.open.child,
            WatchKind::Persistent => &mut self.open.persistent,
            WatchKind::Recursive => &mut self.open.persistent_recursive,
        };
        list.push(path.into());
    }

    /// Servers before 3.6 know the older request only, so it is used wherever it can say it.
    fn close(&mut self) {
        self.open_len = 0;
        let body = std::mem::take(&mut self.open);
        let relative_zxid = self.relative_zxid;
        let request = if body.persistent.is_empty() && body.persistent_recursive.is_empty() {
            Request::SetWatches(watch::SetWatches {
                relative_zxid,
                data: body.data,
                exist: body.exist,
                child: body.child,
            })
        } else {
            Request::SetWatches2(SetWatches2 {
                relative_zxid,
                ..body
            })
        };
        self.done.push_back(request);
    }

    fn finish(mut self) -> VecDeque<Request> {
        if self.open_len > 0 {
            self.close();
        }
        self.done
    }
}
