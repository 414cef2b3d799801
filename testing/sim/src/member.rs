//! A member: the real replica on the real journal, driven as `server/src/node.rs` drives them.
//!
//! What there are threads for is here one step after the other, each an event of its own: a turn of
//! the replica's thread, the write of a batch, its sync, the word of it, a roll, a snapshot. Between
//! any two of them everything else may happen, and the power may fail.

mod clients;
mod log;
mod serve;

use bytes::Bytes;
use lockkeeper_check::Rule;
use lockkeeper_journal::testing::{Fault, SimDisk};
use lockkeeper_journal::{Journal, Settings as Files};
use lockkeeper_replica::{Effect, IoId, Limits, Now, Peer, PeerInput, Replica, Settings, Txn};
use lockkeeper_server::recovery::recover;
use lockkeeper_store::{ConnectionId, Identities, PrepSettings, Store, Watches};
use lockkeeper_wire::{ConnectRequest, ErrorCode, Request, TxnEntry, Xid, Zxid};

use self::clients::Clients;
use crate::clock::Clock;
use crate::core::{Core, Event};
use crate::net::{Packet, Towards};
use crate::random::Random;
use crate::truth::Truth;

/// Most transactions that the replica's thread logs itself; `LONE_MAX` of `server/src/node.rs`.
const LONE_MAX: usize = 8;
/// A wake-up so much later than asked for is a stall; `STALL` of `server/src/node.rs`.
const STALL_MS: u64 = 500;
/// A step that takes longer holds its member up, microseconds.
const HELD_UP: u64 = 200_000;
/// Snapshots kept.
const KEPT: usize = 3;

/// What a running member does next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Takes all input; it should have been at this moment of the member's clock.
    Turn { due_ms: u64 },
    /// Writes a batch to the log.
    Append { batch: Batch, lone: bool },
    /// Makes it durable.
    Sync { last: Last, lone: bool },
    /// Tells the replica what it has logged itself.
    Logged { last: Last },
    /// Writes the state that was frozen at the roll.
    Snapshot { frozen: Box<Store> },
}

/// Transactions for the log.
pub(crate) type Batch = Vec<(IoId, Txn)>;

/// The last write of a batch, and its transaction.
pub(crate) type Last = (IoId, Zxid);

/// How a member is set up; small limits make rare paths common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberSettings {
    pub(crate) tick_ms: u64,
    pub(crate) snap_count: u32,
    pub(crate) preallocate: u64,
    pub(crate) outstanding_max: usize,
    pub(crate) container_check_ms: u64,
    pub(crate) container_never_used_ms: i64,
    /// How long a step takes, microseconds.
    pub(crate) step: u64,
    pub(crate) sync: u64,
}

/// A machine and what runs on it.
pub(crate) struct Member {
    pub(crate) id: usize,
    pub(crate) clock: Clock,
    pub(crate) disk: SimDisk,
    pub(crate) settings: MemberSettings,
    /// Grows with every start.
    pub(crate) incarnation: u64,
    pub(crate) paused_until: u64,
    /// What came while it stood still.
    pub(crate) stash: Vec<Event>,
    /// How many times slower than usual it is.
    pub(crate) slow: u64,
    pub(crate) node: Option<Node>,
    has_fault: bool,
    /// A step takes long, or nothing was done for a while.
    is_held_up: bool,
    random: Random,
}

/// A running process.
pub(crate) struct Node {
    replica: Replica,
    pub(crate) store: Store,
    watches: Watches,
    journal: Journal<SimDisk>,
    files: Files,
    clients: Clients,
    inbox: Vec<Input>,
    /// The moment of the turn that is due, on the virtual clock.
    turn_at: Option<u64>,
    /// The replica's thread writes to the log itself.
    is_logging: bool,
    /// Handed to the disk's thread and not durable.
    awaited: Option<IoId>,
    /// What the disk's thread takes next.
    orders: Batch,
    is_writing: bool,
    is_snapshotting: bool,
}

/// What the replica's thread is told.
#[derive(Debug)]
pub(crate) enum Input {
    Connect(ConnectionId, ConnectRequest),
    Request {
        connection: ConnectionId,
        xid: Xid,
        request: Request,
        identities: Identities,
    },
    Header {
        connection: ConnectionId,
        xid: Xid,
        zxid: Option<Zxid>,
        code: ErrorCode,
        close: bool,
    },
    Ended(ConnectionId),
    Durable(IoId),
}

/// The process has ended.
#[derive(Debug)]
pub(crate) struct Dead(pub(crate) String);

impl Member {
    pub(crate) fn new(id: usize, clock: Clock, settings: MemberSettings, random: Random) -> Self {
        Self {
            id,
            clock,
            disk: SimDisk::new(),
            settings,
            incarnation: 0,
            paused_until: 0,
            stash: Vec::new(),
            slow: 1,
            node: None,
            has_fault: false,
            is_held_up: false,
            random,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            connections_per_address_max: 0,
            outstanding_max: self.settings.outstanding_max,
            outstanding_per_connection_max: self.settings.outstanding_max,
            ..Limits::default()
        }
    }

    fn replica_settings(&self) -> Settings {
        let tick_ms = self.settings.tick_ms;
        Settings {
            server_id: self.id as u8 + 1,
            tick_ms,
            session_timeout_min_ms: 2 * tick_ms as i32,
            session_timeout_max_ms: 20 * tick_ms as i32,
            local_sessions: None,
            read_only: false,
            reconfig: None,
            prep: PrepSettings {
                extended_types: true,
                skip_acl: false,
            },
            container_check_ms: self.settings.container_check_ms,
            container_removals_per_minute: 10_000,
            container_never_used_ms: self.settings.container_never_used_ms,
            limits: self.limits(),
        }
    }

    fn files(&mut self) -> Files {
        Files {
            snap_count: self.settings.snap_count,
            preallocate: self.settings.preallocate,
            seed: self.random.next(),
            ..Files::new("/data")
        }
    }

    pub(crate) fn now(&self, core: &Core) -> Now {
        self.clock.now(core.now)
    }

    /// Starts the process on whatever the disk holds.
    pub(crate) fn start(&mut self, core: &mut Core, truth: &mut Truth) -> Result<(), Dead> {
        assert!(self.node.is_none(), "one process at a time");
        self.incarnation += 1;
        let files = self.files();
        let seed = self.random.next();
        let recovered = recover(&self.disk, &files, seed, 0);
        let (journal, recovery) = recovered.map_err(|error| Dead(chain(&error)))?;
        let store = recovery.store;
        truth.recovered(self.id, &store, &self.disk, &files, core);
        let now = self.now(core);
        core.record
            .trace(|| format!("member {} serves from {}", self.id, store.last_zxid()));
        let peer = Peer::standalone(store.last_zxid());
        let replica = Replica::new(self.replica_settings(), peer, &store, now);
        truth.started(&store, now.mono_ms);
        self.node = Some(Node {
            replica,
            store,
            watches: Watches::new(),
            journal,
            files,
            clients: Clients::new(self.limits()),
            inbox: Vec::new(),
            turn_at: None,
            is_logging: false,
            awaited: None,
            orders: Batch::new(),
            is_writing: false,
            is_snapshotting: false,
        });
        self.commit(core, truth)?;
        self.plan_turn(core);
        Ok(())
    }

    /// Ends the process. With the power, nobody is told, and the disk keeps only what it must.
    pub(crate) fn die(&mut self, core: &mut Core, power: bool) {
        let Some(node) = self.node.take() else {
            return;
        };
        for wire in node.clients.wires() {
            if !power {
                core.send(wire, Towards::Client, Packet::Reset);
            }
        }
        drop(node);
        match power {
            true => self.lose_power(),
            false => self.disk = self.disk.fork(),
        }
    }

    /// The disk is left with what a power cut leaves.
    pub(crate) fn lose_power(&mut self) {
        self.disk = self.disk.image(self.random.next());
    }

    /// Takes what has come meanwhile, unless another pause has begun.
    pub(crate) fn go_on_after_pause(&mut self, core: &mut Core) {
        self.is_held_up = true;
        if self.paused_until <= core.now {
            for event in self.stash.drain(..) {
                core.after(0, event);
            }
        }
    }

    /// Lets the disk fail, at once or at a later operation.
    pub(crate) fn fail_disk(&mut self, fault: Fault) {
        self.disk.set_fault(Some(fault));
        self.has_fault = true;
    }

    /// Leaves the disk so many bytes.
    pub(crate) fn fill_disk(&mut self, room: usize) {
        let files = self.disk.files();
        let used = files
            .iter()
            .filter_map(|file| Some(self.disk.get(file)?.len()));
        self.fail_disk(Fault::Capacity(used.sum::<usize>() + room));
    }

    /// Whether a fault of the disk was set since the last start, so that one may fail of it. The
    /// next start is on a disk without.
    pub(crate) fn takes_fault(&mut self) -> bool {
        self.disk.set_fault(None);
        std::mem::take(&mut self.has_fault)
    }

    fn after(&mut self, core: &mut Core, mean: u64, step: Step) {
        let delay = self.random.around(mean) * self.slow;
        self.is_held_up |= delay > HELD_UP;
        core.after(delay, Event::Member(self.id, self.incarnation, step));
    }

    /// Sees to it that a turn comes when there is input or the next deadline.
    fn plan_turn(&mut self, core: &mut Core) {
        let Some(node) = &self.node else {
            return;
        };
        if node.is_logging {
            return;
        }
        let due_ms = node.replica.next_tick_ms();
        let at = match node.inbox.is_empty() {
            true => self.clock.when(due_ms.min(1 << 40)).max(core.now),
            false => core.now + self.random.around(self.settings.step) * self.slow,
        };
        self.is_held_up |= !node.inbox.is_empty() && at > core.now + HELD_UP;
        let node = self.node.as_mut().expect("it runs");
        if node.turn_at.is_some_and(|planned| planned <= at) {
            return;
        }
        node.turn_at = Some(at);
        let due_ms = self.clock.mono_ms(at);
        let step = Step::Turn { due_ms };
        core.at(at, Event::Member(self.id, self.incarnation, step));
    }

    /// Does a step; an error ends the process.
    pub(crate) fn step(
        &mut self,
        step: Step,
        core: &mut Core,
        truth: &mut Truth,
    ) -> Result<(), Dead> {
        match step {
            Step::Turn { due_ms } => self.turn(due_ms, core, truth),
            Step::Append { batch, lone } => self.append(batch, lone, core),
            Step::Sync { last, lone } => self.sync(last, lone, core, truth),
            Step::Logged { last } => {
                let now = self.now(core);
                let node = self.node.as_mut().expect("it runs");
                let durable = PeerInput::Durable(last.0);
                node.replica.handle_peer(durable, &node.store, now);
                self.commit(core, truth)?;
                let node = self.node.as_mut().expect("it runs");
                node.is_logging = false;
                if node.journal.snapshot_due() && !node.is_writing {
                    self.roll(core)?;
                }
                self.go_on(core, truth);
                Ok(())
            }
            Step::Snapshot { frozen } => self.snapshot(&frozen, core),
        }
    }

    /// One turn of the replica's thread.
    fn turn(&mut self, due_ms: u64, core: &mut Core, truth: &mut Truth) -> Result<(), Dead> {
        let now = self.now(core);
        let node = self.node.as_mut().expect("it runs");
        // An earlier turn was planned since, and has taken place.
        if node.turn_at.is_none_or(|at| at > core.now) {
            return Ok(());
        }
        node.turn_at = None;
        // The next one is planned when the log is written.
        if node.is_logging {
            return Ok(());
        }
        if std::mem::take(&mut self.is_held_up) {
            truth.excuse();
        }
        let late_ms = now.mono_ms.saturating_sub(due_ms);
        if late_ms >= STALL_MS {
            node.replica.stalled(late_ms);
        }
        // A session that begins was heard of when it was asked for, one that is resumed is heard of
        // when that is answered.
        node.clients.opened.clear();
        let mut touched = Vec::new();
        for input in std::mem::take(&mut node.inbox) {
            match input {
                Input::Durable(io) => {
                    node.awaited.take_if(|last| *last <= io);
                    let durable = PeerInput::Durable(io);
                    node.replica.handle_peer(durable, &node.store, now);
                }
                input => node.handle(input, now, &mut touched),
            }
        }
        if now.mono_ms >= node.replica.next_tick_ms() {
            node.replica.tick(&node.store, now, &mut node.clients);
        }
        for connection in touched {
            let (store, watches) = (&node.store, &mut node.watches);
            node.replica
                .drain(connection, store, watches, &mut node.clients);
        }
        for session in std::mem::take(&mut node.clients.opened) {
            truth.heard(session, now.mono_ms);
        }
        self.hand_over(now, core, truth);
        self.commit(core, truth)?;
        self.go_on(core, truth);
        Ok(())
    }

    /// Hands what is to be logged to the disk's thread, or logs it with the replica's own.
    fn hand_over(&mut self, now: Now, core: &mut Core, truth: &mut Truth) {
        let node = self.node.as_mut().expect("it runs");
        let mut batch = Batch::new();
        while let Some(effect) = node.replica.poll_effect() {
            match effect {
                Effect::Append { io, txn } => {
                    truth.proposed(&txn, now.mono_ms, self.settings.tick_ms, core);
                    batch.push((io, txn));
                }
                other => unreachable!("an ensemble of one has nobody to tell: {other:?}"),
            }
        }
        let Some(&(last, _)) = batch.last() else {
            return;
        };
        if node.awaited.is_none() && batch.len() <= LONE_MAX && node.orders.is_empty() {
            node.is_logging = true;
            let lone = true;
            self.after(core, self.settings.step, Step::Append { batch, lone });
        } else {
            node.awaited = Some(last);
            node.orders.extend(batch);
            self.plan_write(core);
        }
    }

    fn commit(&mut self, core: &mut Core, truth: &mut Truth) -> Result<(), Dead> {
        let now = self.now(core);
        let node = self.node.as_mut().expect("it runs");
        if !node.replica.has_decided() {
            return Ok(());
        }
        let (store, watches) = (&mut node.store, &mut node.watches);
        let done = node.replica.commit(store, watches, now, &mut node.clients);
        if let Err(fault) = done {
            let text = format!("member {} gives up: {fault}", self.id);
            core.record.violation(Rule::D2, text.clone());
            return Err(Dead(text));
        }
        truth.applied(self.id, store, core);
        if node.replica.traffic().digest_mismatches > 0 {
            let text = format!("member {} has a tree it did not predict", self.id);
            core.record.violation(Rule::D4, text);
        }
        Ok(())
    }

    /// What has been written for clients leaves.
    fn flush(&mut self, core: &mut Core, truth: &mut Truth) {
        let node = self.node.as_mut().expect("it runs");
        let last = node.store.last_zxid();
        let mut any = false;
        for (wire, bytes, closes) in node.clients.take_outgoing() {
            any |= !bytes.is_empty();
            if !bytes.is_empty() {
                core.send(wire, Towards::Client, Packet::Bytes(bytes));
            }
            if let Some(connection) = closes {
                core.send(wire, Towards::Client, Packet::End);
                node.inbox.push(Input::Ended(connection));
            }
        }
        if any {
            truth.told(self.id, last, &self.disk, &node.files, core);
        }
    }

    pub(crate) fn leftovers(&self) -> Option<Leftovers> {
        self.node.as_ref().map(|node| Leftovers {
            outstanding: node.replica.outstanding(),
            watches: node.watches.len(),
            wires: node.clients.wires(),
        })
    }
}

/// What a member still has when all work is done.
pub(crate) struct Leftovers {
    pub(crate) outstanding: usize,
    pub(crate) watches: usize,
    pub(crate) wires: Vec<u64>,
}

impl Node {
    fn handle(&mut self, input: Input, now: Now, touched: &mut Vec<ConnectionId>) {
        let (replica, store) = (&mut self.replica, &self.store);
        match input {
            Input::Connect(connection, request) => {
                replica.connect(store, connection, &request, now, &mut self.clients);
            }
            Input::Request {
                connection,
                xid,
                request,
                identities,
            } => {
                replica.submit(store, connection, xid, request, identities, now);
                touched.push(connection);
            }
            Input::Header {
                connection,
                xid,
                zxid,
                code,
                close,
            } => {
                replica.submit_header(connection, xid, zxid, code, close);
                touched.push(connection);
            }
            Input::Ended(connection) => {
                replica.disconnect(connection, &mut self.watches, &self.clients);
                self.clients.remove(connection);
            }
            Input::Durable(_) => {}
        }
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A transaction as it lies in the log.
pub(crate) fn entry_of(bytes: &Bytes) -> TxnEntry {
    lockkeeper_wire::Record::from_bytes(bytes).expect("a member wrote it")
}
