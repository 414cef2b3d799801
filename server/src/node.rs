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

use lockkeeper_journal::Disk;
use lockkeeper_replica::{
    Effect, IoId, Limits, LinkId, Now, PeerInput, Replica, RoleKind, Traffic, Txn,
};
use lockkeeper_store::{ConnectionId, Identities, Store, Watches};
use lockkeeper_wire::{ConnectRequest, ErrorCode, Request, Xid, Zxid};
use tokio::task::yield_now;
use tokio::time::timeout_at;

use crate::disk::{DiskStats, LogWriter, Order, Write, Writes};
use crate::error::Failure;
use crate::links::{Link, Outlet, Registry};
use crate::lone::{Lone, Situation, Way};
use crate::member::Member;
use crate::peers::Delivery;
use crate::sync::{Inbox, lock, read, write};
use crate::words::Mode;

/// A wake-up this much later than asked for is a stall of the process, which no session pays for.
const STALL: Duration = Duration::from_millis(500);

/// How long a member that is told to stop may take to hand over.
const FAREWELL: Duration = Duration::from_secs(5);

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
    /// The digest of the super user, `super:hash`.
    pub(crate) super_digest: Option<String>,
    /// Requests in the replica, of all connections.
    pub(crate) outstanding: Arc<AtomicUsize>,
    /// Packets of connections that have ended.
    pub(crate) packets: Packets,
    pub(crate) traffic: Mutex<Traffic>,
    pub(crate) disk_stats: DiskStats,
    pub(crate) clock: Clock,
    /// Whether the tree holds only what is committed. Changes under the tree's lock.
    pub(crate) settled: AtomicBool,
    /// The part that this server plays; none while it serves nobody.
    pub(crate) mode: Mutex<Option<Mode>>,
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
    /// What other members do.
    Peers(Delivery),
    /// All up to this write is durable. After a cut this is what is left.
    Durable { io: IoId, store: Option<Box<Store>> },
    /// Logged transactions for the learner on this link.
    LogRead(LinkId, Option<Vec<Txn>>),
    /// The journal has failed; the server ends.
    DiskFailed(Failure),
    /// End.
    Stop,
}

/// The replica and its surroundings.
pub(crate) struct Node<D: Disk> {
    replica: Replica,
    shared: Arc<Shared>,
    log: Arc<LogWriter<D>>,
    orders: Arc<Inbox<Order>>,
    /// What there is of other members; none for a server alone.
    member: Option<Member<D>>,
    /// What is to be written next.
    unwritten: Writes,
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
        member: Option<Member<D>>,
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
            member,
            unwritten: Writes::new(),
            awaited: None,
        }
    }

    /// Runs until it is told to stop or something fails; then the connections end.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let shared = self.shared.clone();
        let outlet = &mut Outlet::new(shared.outstanding.clone());
        let mut inputs = Vec::new();
        let mut touched = Vec::new();
        let mut stop_at = None;
        self.advance(shared.clock.now(), outlet)?;
        self.flush(outlet);
        loop {
            let tick = shared.clock.instant(self.replica.next_tick_ms());
            let wakes = [Some(tick), self.lone.wake_at(), stop_at];
            let deadline = wakes.into_iter().flatten().min().unwrap_or(tick);
            // A slow sync on this thread is no stall either.
            let asleep = Instant::now();
            // Without a message there may be something to do at the deadline.
            let _ = timeout_at(deadline.into(), shared.inbox.take(&mut inputs)).await;
            self.notice_stall(deadline.max(asleep));
            let ticks = shared.clock.mono_ms() >= self.replica.next_tick_ms();
            if shared.one_thread && (ticks || self.member.is_some()) {
                // What came while a sync held up the connections is heard before it is judged who
                // was silent. And other members write into the inbox from outside: without this
                // they could keep the connections waiting as long as they go on.
                yield_now().await;
            }
            let now = shared.clock.now();
            inputs.iter_mut().for_each(|input| self.take_rest(input));
            {
                let store = read(&shared.store);
                for input in inputs.drain(..) {
                    match input {
                        Input::DiskFailed(error) => return Err(error),
                        Input::Stop if stop_at.is_none() => {
                            stop_at = Some(Instant::now() + FAREWELL);
                            if self.member.is_some() {
                                self.replica.step_down(&store, now);
                            }
                        }
                        input => self.handle(input, &store, now, outlet, &mut touched)?,
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
            self.advance(now, outlet)?;
            let lone = self.hand_over();
            if lone.is_empty() {
                outlet.mark_unsent(touched.drain(..));
            }
            self.flush(outlet);
            if let Some(&(last, _)) = lone.last()
                && self.log.write(lone.into_iter().map(|(_, txn)| txn))
            {
                self.lone.note_sync(self.log.last_sync());
                outlet.mark_unsent(touched.drain(..));
                let now = shared.clock.now();
                let durable = PeerInput::Durable(last);
                self.replica.handle_peer(durable, &read(&shared.store), now);
                self.advance(now, outlet)?;
                self.order();
                self.flush(outlet);
                if self.log.snapshot_due() {
                    self.orders.push(Order::Snapshot);
                }
            }
            if stop_at.is_some_and(|at| self.has_handed_over() || Instant::now() >= at) {
                return Ok(());
            }
        }
    }

    /// A server alone has nobody to hand over to.
    fn has_handed_over(&self) -> bool {
        self.member.is_none() || self.replica.peer().role() == RoleKind::Stopped
    }

    /// What a cut has left of the log takes the tree's place. Nobody is served then.
    fn take_rest(&self, input: &mut Input) {
        if let Input::Durable { store, .. } = input
            && let Some(rest) = store.take()
        {
            *write(&self.shared.store) = *rest;
        }
    }

    /// Carries out what is to be done, but for writes, until nothing is left.
    fn advance(&mut self, now: Now, outlet: &mut Outlet) -> Result<(), Failure> {
        loop {
            while let Some(effect) = self.replica.poll_effect() {
                self.unwritten.extend(match (&mut self.member, effect) {
                    (Some(member), effect) => {
                        member.carry_out(effect, self.replica.peer(), &self.shared)
                    }
                    (None, Effect::Append { io, txn }) => Some((io, Write::Append(txn))),
                    (None, other) => {
                        unreachable!("an ensemble of one has nobody to tell: {other:?}")
                    }
                });
            }
            if !self.replica.has_decided() {
                return Ok(());
            }
            self.commit(now, outlet)?;
        }
    }

    /// Hands what is to be written to the disk's thread; gives back what is better logged here.
    fn hand_over(&mut self) -> Vec<(IoId, Txn)> {
        if self.unwritten.is_empty() {
            return Vec::new();
        }
        let txns = || self.unwritten.iter().map_while(|(_, write)| write.txn());
        let count = self.unwritten.len();
        let way = match self.awaited {
            Some(_) => Way::Disk,
            None if txns().count() < count => Way::Disk,
            None => self.lone.way(Situation {
                now: Instant::now(),
                count,
                sync: self.log.last_sync(),
                reads: self.shared.reads.load(Ordering::Relaxed),
            }),
        };
        let len = || txns().map(|txn| txn.bytes.len()).sum();
        match way {
            Way::Later => Vec::new(),
            Way::Here if !self.shared.one_thread || self.log.has_room(len()) => {
                let writes = self.unwritten.drain(..);
                let appends = writes.filter_map(|(io, write)| Some((io, write.into_txn()?)));
                appends.collect()
            }
            Way::Here | Way::Disk => {
                self.order();
                Vec::new()
            }
        }
    }

    /// Hands all that is to be written to the disk's thread.
    fn order(&mut self) {
        self.lone.end_wait();
        if let Some(&(last, _)) = self.unwritten.last() {
            self.awaited = Some(last);
            let writes = std::mem::take(&mut self.unwritten);
            self.orders.push(Order::Write(writes));
        }
    }

    /// Sees to it that what was said leaves, to other members first: their disks are waited for.
    fn flush(&mut self, outlet: &mut Outlet) {
        if let Some(member) = &mut self.member {
            member.flush();
            *lock(&self.shared.mode) = mode(&self.replica);
        }
        if outlet.flush() {
            self.lone.note_event(Instant::now());
        }
    }

    fn commit(&mut self, now: Now, outlet: &mut Outlet) -> Result<(), Failure> {
        let mut store = write(&self.shared.store);
        let mut watches = lock(&self.shared.watches);
        self.replica.commit(&mut store, &mut watches, now, outlet)?;
        let settled = self.replica.is_serving() && !self.replica.is_read_only();
        self.shared.settled.store(settled, Ordering::Release);
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
    ) -> Result<(), Failure> {
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
            Input::Peers(delivery) => {
                for event in delivery.inputs {
                    if let Some(member) = &mut self.member
                        && let Some(input) = member.input(event)?
                    {
                        self.replica.handle_peer(input, store, now);
                    }
                }
            }
            Input::Durable { io, .. } => {
                self.awaited.take_if(|last| *last <= io);
                self.replica.handle_peer(PeerInput::Durable(io), store, now);
            }
            Input::LogRead(link, txns) => {
                let input = PeerInput::LogRead(link, txns);
                self.replica.handle_peer(input, store, now);
            }
            Input::DiskFailed(_) | Input::Stop => {}
        }
        Ok(())
    }
}

/// The part that a member plays; none while it serves nobody.
fn mode(replica: &Replica) -> Option<Mode> {
    match replica.peer().role() {
        _ if replica.is_read_only() => Some(Mode::ReadOnly),
        _ if !replica.is_serving() => None,
        RoleKind::Leading => Some(Mode::Leader),
        RoleKind::Following => Some(Mode::Follower),
        RoleKind::Observing => Some(Mode::Observer),
        RoleKind::Looking | RoleKind::Stopped => None,
    }
}
