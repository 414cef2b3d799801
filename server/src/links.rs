//! Connections as the threads share them: a buffer to write into and a way to be woken.
//!
//! A connection is read by one task. Replies and events may come from that task, which answers
//! reads itself, or from the replica's thread; both append to the same buffer, under its lock.
//! Whoever appends from outside marks the connection. When a whole batch is done, the marked ones
//! are woken to send, one wake-up for many replies; what is for a few connections only, the
//! replica's thread sends itself, events first.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use futures::task::AtomicWaker;
use lockkeeper_replica::Clients;
use lockkeeper_store::{ConnectionId, Identities, address_identity};
use lockkeeper_wire::{Id, SessionId};

use crate::outgoing::Outgoing;
use crate::sync::lock;

/// Connections that the replica's thread sends to by itself at a time; of more each is woken.
const SENDS_MAX: usize = 4;

/// One client connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    /// Replies and events.
    pub(crate) out: Outgoing,
    /// Of the task.
    pub(crate) waker: AtomicWaker,
    /// Of the task while it serves nothing until the replica has answered what it was handed.
    pub(crate) held_back: AtomicWaker,
    /// Requests that the replica has and has not answered.
    pub(crate) outstanding: AtomicUsize,
    /// To be closed when the buffer has left.
    pub(crate) closing: AtomicBool,
    /// To be closed at once: replies or events for it were thrown away, so nothing may follow.
    pub(crate) abandoned: AtomicBool,
    pub(crate) identities: Mutex<Identities>,
    /// When anything was last received, ms on the server's monotonic clock.
    pub(crate) heard_ms: AtomicU64,
    pub(crate) session: AtomicI64,
    pub(crate) timeout_ms: AtomicI32,
    /// When the connection was accepted, ms since 1970.
    pub(crate) established_ms: i64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    /// Marked for a wake-up at the end of the batch.
    marked: AtomicBool,
    unsent_len_max: usize,
}

impl Link {
    pub(crate) fn new(
        id: ConnectionId,
        peer: SocketAddr,
        unsent_len_max: usize,
        heard_ms: u64,
        established_ms: i64,
    ) -> Self {
        Self {
            id,
            peer,
            out: Outgoing::default(),
            waker: AtomicWaker::new(),
            held_back: AtomicWaker::new(),
            outstanding: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            identities: Mutex::new(address_identity(peer.ip())),
            heard_ms: AtomicU64::new(heard_ms),
            session: AtomicI64::new(0),
            timeout_ms: AtomicI32::new(0),
            established_ms,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            marked: AtomicBool::new(false),
            unsent_len_max,
        }
    }

    pub(crate) fn session(&self) -> SessionId {
        SessionId(self.session.load(Ordering::Relaxed))
    }

    /// Whether its task has to look at it once more, to end.
    fn is_ending(&self) -> bool {
        self.closing.load(Ordering::Acquire) || self.abandoned.load(Ordering::Acquire)
    }

    /// Closes the connection once its buffer has left, from any thread.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// All connections, for counting and for an operator's questions.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: Mutex<Registered>,
    next_id: AtomicU64,
    /// Told when the last connection has left.
    pub(crate) emptied: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Registered {
    links: HashMap<ConnectionId, Arc<Link>>,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many in total (`maxCnxns`).
    Total(usize),
    /// Too many from this address (`maxClientCnxns`).
    Address(usize),
}

impl Registry {
    /// Enters a connection unless there are too many; check and entry are one step, so a burst
    /// does not slip through.
    pub(crate) fn enter(
        &self,
        address: IpAddr,
        total_max: usize,
        address_max: usize,
        link: impl FnOnce(ConnectionId) -> Link,
    ) -> Result<Arc<Link>, Refusal> {
        let mut inner = lock(&self.inner);
        if total_max > 0 && inner.links.len() >= total_max {
            return Err(Refusal::Total(total_max));
        }
        let from_address = inner.by_address.entry(address).or_default();
        if address_max > 0 && *from_address >= address_max {
            return Err(Refusal::Address(address_max));
        }
        *from_address += 1;
        let id = ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let link = Arc::new(link(id));
        inner.links.insert(id, link.clone());
        Ok(link)
    }

    pub(crate) fn leave(&self, link: &Link) {
        let mut inner = lock(&self.inner);
        inner.links.remove(&link.id);
        let address = link.peer.ip();
        if let Some(count) = inner.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                inner.by_address.remove(&address);
            }
        }
        if inner.links.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// All connections, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        lock(&self.inner).links.values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.inner).links.len()
    }
}

/// The connections as the replica's thread uses them.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    links: HashMap<ConnectionId, Arc<Link>>,
    /// Those with an event stand in front: somebody may act on it.
    marked: VecDeque<Arc<Link>>,
    /// Whether an event is among what has been written since the last flush.
    events: bool,
    /// Requests in the replica, of all connections.
    outstanding: Arc<AtomicUsize>,
}

impl Outlet {
    pub(crate) fn new(outstanding: Arc<AtomicUsize>) -> Self {
        Self {
            outstanding,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, link: Arc<Link>) {
        self.links.insert(link.id, link);
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.remove(&connection) {
            self.release(link.outstanding.swap(0, Ordering::AcqRel));
        }
    }

    fn release(&self, count: usize) {
        self.outstanding.fetch_sub(count, Ordering::Relaxed);
    }

    /// Lets what these connections hold back leave with the next flush.
    pub(crate) fn mark_unsent(&mut self, connections: impl Iterator<Item = ConnectionId>) {
        for connection in connections {
            let link = self.links.get(&connection);
            if link.is_some_and(|link| !link.out.buffer().is_empty()) {
                self.mark(connection);
            }
        }
    }

    fn mark(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.get(&connection)
            && !link.marked.swap(true, Ordering::Relaxed)
        {
            self.marked.push_back(link.clone());
        }
    }

    /// Sees to it that what was written since the last call leaves. Says whether there was an event
    /// among it.
    pub(crate) fn flush(&mut self) -> bool {
        let few = self.marked.len() <= SENDS_MAX;
        for link in self.marked.drain(..) {
            link.marked.store(false, Ordering::Relaxed);
            if few && link.out.try_send() && !link.is_ending() {
                link.held_back.wake();
            } else {
                link.waker.wake();
            }
        }
        std::mem::take(&mut self.events)
    }
}

impl Clients for Outlet {
    fn buffer<R>(
        &mut self,
        connection: ConnectionId,
        f: impl FnOnce(&mut BytesMut) -> R,
    ) -> Option<R> {
        let link = self.links.get(&connection)?;
        if link.abandoned.load(Ordering::Relaxed) {
            return None;
        }
        let result = {
            let mut unsent = link.out.buffer();
            let result = f(&mut unsent);
            if unsent.len() > link.unsent_len_max {
                *unsent = BytesMut::new();
                link.abandoned.store(true, Ordering::Release);
            }
            result
        };
        link.sent.fetch_add(1, Ordering::Relaxed);
        self.mark(connection);
        Some(result)
    }

    fn buffer_event<R>(
        &mut self,
        connection: ConnectionId,
        f: impl FnOnce(&mut BytesMut) -> R,
    ) -> Option<R> {
        let behind = self.marked.len();
        let result = self.buffer(connection, f);
        self.events |= result.is_some();
        if self.marked.len() > behind
            && let Some(link) = self.marked.pop_back()
        {
            self.marked.push_front(link);
        }
        result
    }

    fn identities<R>(&self, connection: ConnectionId, f: impl FnOnce(&[Id]) -> R) -> R {
        match self.links.get(&connection) {
            Some(link) => f(&lock(&link.identities).clone()),
            None => f(&[]),
        }
    }

    fn heard_ms(&self, connection: ConnectionId) -> Option<u64> {
        self.links
            .get(&connection)
            .map(|link| link.heard_ms.load(Ordering::Relaxed))
    }

    fn opened(&mut self, connection: ConnectionId, session: SessionId, timeout_ms: i32) {
        if let Some(link) = self.links.get(&connection) {
            link.timeout_ms.store(timeout_ms, Ordering::Relaxed);
            link.session.store(session.0, Ordering::Release);
        }
    }

    fn answered(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.get(&connection) {
            link.outstanding.fetch_sub(1, Ordering::Release);
            self.release(1);
            self.mark(connection);
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.get(&connection) {
            link.closing.store(true, Ordering::Release);
            self.mark(connection);
        }
    }
}
