//! The task that owns the replica, on a thread of its own or on the only one with connections.
//!
//! It sleeps until there is input, takes all of it, prepares what asks for a transaction, hands the
//! batch to the disk's thread or, when that has nothing to do and neither has this one, logs it
//! itself; it applies what has become durable, and sees to it that replies and events leave. The
//! tree is locked for reading while requests are judged and for writing while they are applied;
//! connections read it in between, and during a sync.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lockkeeper_journal::{Disk, JournalError};
use lockkeeper_replica::{Effect, Fault, IoId, Limits, Now, PeerInput, Replica, Traffic};
use lockkeeper_store::{ConnectionId, Identities, Store, Watches};
use lockkeeper_wire::{ConnectRequest, ErrorCode, Request, Xid, Zxid};
use tokio::task::yield_now;
use tokio::time::timeout_at;

use crate::disk::{DiskStats, LogWriter, Order, Records};
use crate::error::Failure;
use crate::links::{Link, Outlet, Registry};
use crate::lone::{Lone, Situation, Way};
use crate::sync::{Inbox, lock, read, write};

/// A wake-up this much later than asked for is a stall of the process, which no session pays for.
const STALL: Duration = Duration::from_millis(500);

/// What all threads of one server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: RwLock<Store>,
    pub(crate) watches: Mutex<Watches>,
    pub(crate) inbox: Inbox<Input>,
    /// Whether the replica is a task on the only thread with connections. Then their replies, too,
    /// leave when it has done what it can do at once.
    pub(crate) one_thread: bool,
    /// Pieces of reads answered where that is so.
    pub(crate) reads: AtomicU64,
    pub(crate) registry: Registry,
    pub(crate) limits: Limits,
    pub(crate) skip_acl: bool,
    /// Whether this is an ensemble of one.
    pub(crate) standalone: bool,
    /// The digest of the super user, `super:hash`.
    pub(crate) super_digest: Option<String>,
    /// Requests in the replica, of all connections.
    pub(crate) outstanding: Arc<AtomicUsize>,
    /// Packets of connections that have ended.
    pub(crate) packets: Packets,
    pub(crate) traffic: Mutex<Traffic>,
    pub(crate) disk_stats: DiskStats,
    pub(crate) clock: Clock,
    /// Set when the server is going down: connections end.
    pub(crate) stopping: AtomicBool,
}

/// Packets of clients, in both directions.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

/// The clocks of this run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn mono_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            mono_ms: self.mono_ms(),
            wall_ms: wall_ms(),
        }
    }

    fn instant(&self, mono_ms: u64) -> Instant {
        // A deadline too far to be told is as good as an hour from now.
        let far = self.mono_ms() + 3_600_000;
        self.start + Duration::from_millis(mono_ms.min(far))
    }
}

/// Ms since 1970; 0 on a machine whose clock stands before that.
pub(crate) fn wall_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// What the replica's task is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// A connection was accepted.
    Accepted(Arc<Link>),
    /// Its first frame.
    Connect(ConnectionId, ConnectRequest),
    /// A request that needs a transaction or stands behind one.
    Request {
        connection: ConnectionId,
        xid: Xid,
        request: Request,
        identities: Identities,
    },
    /// A request answered by a header alone.
    Header {
        connection: ConnectionId,
        xid: Xid,
        zxid: Option<Zxid>,
        code: ErrorCode,
        close: bool,
    },
    /// A connection has ended.
    Ended(ConnectionId),
    /// The log is durable up to this write.
    Durable(IoId),
    /// The journal has failed; the server ends.
    DiskFailed(JournalError),
    /// End.
    Stop,
}

/// The replica and its surroundings.
pub(crate) struct Node<D: Disk> {
    replica: Replica,
    shared: Arc<Shared>,
    log: Arc<LogWriter<D>>,
    orders: Arc<Inbox<Order>>,
    /// What is to be logged next.
    unlogged: Records,
    /// The last write handed to the disk's thread, until it is durable.
    awaited: Option<IoId>,
    lone: Lone,
    _ending: Ending,
}

/// Lets everybody know that the replica has ended, in a panic too: whoever waits for its thread
/// waits for the others next.
struct Ending {
    shared: Arc<Shared>,
    orders: Arc<Inbox<Order>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.orders.push(Order::Stop);
        // Not those that the replica has heard of: all that there are.
        for link in self.shared.registry.all() {
            link.close();
        }
    }
}

impl<D: Disk> Node<D> {
    pub(crate) fn new(
        replica: Replica,
        shared: Arc<Shared>,
        log: Arc<LogWriter<D>>,
        orders: Arc<Inbox<Order>>,
    ) -> Self {
        Self {
            _ending: Ending {
                shared: shared.clone(),
                orders: orders.clone(),
            },
            lone: Lone::new(shared.one_thread, Instant::now()),
            replica,
            shared,
            log,
            orders,
            unlogged: Records::new(),
            awaited: None,
        }
    }

    /// Runs until it is told to stop or something fails; then the connections end.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let shared = self.shared.clone();
        let outlet = &mut Outlet::new(shared.outstanding.clone());
        let mut inputs = Vec::new();
        let mut touched = Vec::new();
        self.commit(shared.clock.now(), outlet)?;
        loop {
            let tick = shared.clock.instant(self.replica.next_tick_ms());
            let deadline = self.lone.wake_at().map_or(tick, |at| at.min(tick));
            // A slow sync on this thread is no stall either.
            let asleep = Instant::now();
            // Without a message there may be something to do at the deadline.
            let _ = timeout_at(deadline.into(), shared.inbox.take(&mut inputs)).await;
            self.notice_stall(deadline.max(asleep));
            if shared.one_thread && shared.clock.mono_ms() >= self.replica.next_tick_ms() {
                // What came while a sync held up the connections is heard before it is judged who
                // was silent.
                yield_now().await;
            }
            let now = shared.clock.now();
            let mut stop = false;
            {
                let store = read(&shared.store);
                for input in inputs.drain(..) {
                    match input {
                        Input::Durable(io) => {
                            self.awaited.take_if(|last| *last <= io);
                            self.replica
                                .handle_peer(PeerInput::Durable(io), &store, now);
                        }
                        Input::DiskFailed(error) => return Err(error.into()),
                        Input::Stop => stop = true,
                        input => self.handle(input, &store, now, outlet, &mut touched),
                    }
                }
                if now.mono_ms >= self.replica.next_tick_ms() {
                    self.replica.tick(&store, now, outlet);
                }
                if !touched.is_empty() {
                    let mut watches = lock(&shared.watches);
                    for &connection in &touched {
                        self.replica.drain(connection, &store, &mut watches, outlet);
                    }
                }
            }
            let lone = self.hand_over();
            if lone.is_empty() {
                outlet.mark_unsent(touched.drain(..));
            }
            self.commit(now, outlet)?;
            self.flush(outlet);
            if let Some(last) = lone.last().map(|(io, _)| *io)
                && self.log.write(lone)
            {
                self.lone.note_sync(self.log.last_sync());
                outlet.mark_unsent(touched.drain(..));
                let now = shared.clock.now();
                let durable = PeerInput::Durable(last);
                self.replica.handle_peer(durable, &read(&shared.store), now);
                self.commit(now, outlet)?;
                self.flush(outlet);
                if self.log.snapshot_due() {
                    self.orders.push(Order::Snapshot);
                }
            }
            if stop {
                return Ok(());
            }
        }
    }

    /// Hands what is to be logged to the disk's thread; gives back what is better logged here.
    fn hand_over(&mut self) -> Records {
        while let Some(effect) = self.replica.poll_effect() {
            match effect {
                Effect::Append { io, txn } => self.unlogged.push((io, txn)),
                other => unreachable!("an ensemble of one has nobody to tell: {other:?}"),
            }
        }
        let count = self.unlogged.len();
        if count == 0 {
            return Records::new();
        }
        let way = match self.awaited {
            Some(_) => Way::Disk,
            None => self.lone.way(Situation {
                now: Instant::now(),
                count,
                sync: self.log.last_sync(),
                reads: self.shared.reads.load(Ordering::Relaxed),
            }),
        };
        if way == Way::Later {
            return Records::new();
        }
        let unlogged = std::mem::take(&mut self.unlogged);
        if way == Way::Here && (!self.shared.one_thread || self.log.has_room(&unlogged)) {
            return unlogged;
        }
        self.awaited = unlogged.last().map(|(last, _)| *last);
        self.orders.push(Order::Log(unlogged));
        Records::new()
    }

    fn flush(&mut self, outlet: &mut Outlet) {
        if outlet.flush() {
            self.lone.note_event(Instant::now());
        }
    }

    fn commit(&mut self, now: Now, outlet: &mut Outlet) -> Result<(), Fault> {
        if !self.replica.has_decided() {
            return Ok(());
        }
        let mut store = write(&self.shared.store);
        let mut watches = lock(&self.shared.watches);
        self.replica.commit(&mut store, &mut watches, now, outlet)?;
        drop((store, watches));
        *lock(&self.shared.traffic) = self.replica.traffic();
        Ok(())
    }

    /// Time during which the whole process stood still is nobody's silence.
    fn notice_stall(&mut self, deadline: Instant) {
        let late = Instant::now().saturating_duration_since(deadline);
        if late >= STALL {
            let late_ms = late.as_millis() as u64;
            tracing::warn!(
                late_ms,
                "this process stood still; sessions get that time back"
            );
            self.replica.stalled(late_ms);
        }
    }

    fn handle(
        &mut self,
        input: Input,
        store: &Store,
        now: Now,
        outlet: &mut Outlet,
        touched: &mut Vec<ConnectionId>,
    ) {
        match input {
            Input::Accepted(link) => outlet.add(link),
            Input::Connect(connection, request) => {
                self.replica
                    .connect(store, connection, &request, now, outlet);
            }
            Input::Request {
                connection,
                xid,
                request,
                identities,
            } => {
                self.replica
                    .submit(store, connection, xid, request, identities, now);
                touched.push(connection);
            }
            Input::Header {
                connection,
                xid,
                zxid,
                code,
                close,
            } => {
                self.replica
                    .submit_header(connection, xid, zxid, code, close);
                touched.push(connection);
            }
            Input::Ended(connection) => {
                self.replica
                    .disconnect(connection, &mut lock(&self.shared.watches), outlet);
                outlet.remove(connection);
            }
            Input::Durable(_) | Input::DiskFailed(_) | Input::Stop => {}
        }
    }
}
