//! The journal, and the thread that writes to it while the replica goes on: whatever has gathered
//! during a sync is the next batch.
//!
//! One write and one sync carry all transactions that wait, so the busier the server, the more
//! replies each sync pays for. A batch that comes alone is logged by the replica's thread itself
//! (see `lone.rs`): the way to another thread and back would take longer than all it could do
//! meanwhile. A failed
//! write or sync ends the server: what reached the disk is for the next start to find out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use lockkeeper_journal::{
    Digest, Disk, Journal, JournalError, Settings as JournalSettings, retain, write_snapshot,
};
use lockkeeper_replica::{IoId, Txn};
use lockkeeper_store::Store;
use lockkeeper_wire::Zxid;
use lockkeeper_wire::txn::DIGEST_VERSION;

use crate::error::Failure;
use crate::node::{Input, Shared};
use crate::recovery::reload;
use crate::sync::{Inbox, lock, read, try_lock, write};

/// A write, durable before the next one is begun.
#[derive(Debug)]
pub(crate) enum Write {
    /// A transaction goes to the end of the log; several that follow one another are one write.
    Append(Txn),
    /// The log is cut behind this transaction.
    Truncate(Zxid),
    /// A state received takes the place of everything.
    Install(Box<Store>),
    AcceptedEpoch(i64),
    CurrentEpoch(i64),
}

impl Write {
    /// What is appended.
    pub(crate) fn txn(&self) -> Option<&Txn> {
        match self {
            Self::Append(txn) => Some(txn),
            _ => None,
        }
    }

    /// What is appended.
    pub(crate) fn into_txn(self) -> Option<Txn> {
        match self {
            Self::Append(txn) => Some(txn),
            _ => None,
        }
    }
}

/// Writes in order.
pub(crate) type Writes = Vec<(IoId, Write)>;

/// What the disk's thread is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Carry out these.
    Write(Writes),
    /// A snapshot is due.
    Snapshot,
    /// Finish what has been ordered and end.
    Stop,
}

/// Times and sizes of syncs, for an operator.
#[derive(Debug, Default)]
pub(crate) struct DiskStats {
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_us_sum: AtomicU64,
    pub(crate) sync_us_max: AtomicU64,
    pub(crate) sync_us_last: AtomicU64,
    pub(crate) snapshots: AtomicU64,
}

/// The journal as the threads share it.
pub(crate) struct LogWriter<D: Disk> {
    journal: Mutex<Journal<D>>,
    shared: Arc<Shared>,
    /// A sync that takes longer is logged.
    sync_warning: Duration,
}

/// The thread's surroundings.
pub(crate) struct DiskThread<D: Disk> {
    pub(crate) disk: D,
    pub(crate) log: Arc<LogWriter<D>>,
    pub(crate) settings: JournalSettings,
    pub(crate) shared: Arc<Shared>,
    pub(crate) orders: Arc<Inbox<Order>>,
    /// Snapshots to keep; `None` keeps all.
    pub(crate) snapshots_kept: Option<usize>,
}

/// A panic of the disk's thread is a failure of the disk to those who wait for it.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let poisoned = JournalError::Poisoned.into();
            self.0.inbox.push(Input::DiskFailed(poisoned));
        }
    }
}

impl<D: Disk> LogWriter<D> {
    pub(crate) fn new(journal: Journal<D>, shared: Arc<Shared>, sync_warning: Duration) -> Self {
        Self {
            journal: Mutex::new(journal),
            shared,
            sync_warning,
        }
    }

    /// Makes transactions durable; says whether they are. If not, the replica has been told why.
    pub(crate) fn write(&self, txns: impl ExactSizeIterator<Item = Txn>) -> bool {
        let count = txns.len();
        let synced = self.work(|journal| {
            journal.append(txns.map(|txn| (txn.zxid.0, txn.bytes)))?;
            let started = Instant::now();
            journal.sync()?;
            Ok::<_, JournalError>(started.elapsed())
        });
        let Some(took) = synced else {
            return false;
        };
        let took_us = took.as_micros() as u64;
        let stats = &self.shared.disk_stats;
        stats.syncs.fetch_add(1, Ordering::Relaxed);
        stats.sync_us_sum.fetch_add(took_us, Ordering::Relaxed);
        stats.sync_us_max.fetch_max(took_us, Ordering::Relaxed);
        stats.sync_us_last.store(took_us, Ordering::Relaxed);
        if took >= self.sync_warning {
            let took_ms = took.as_millis() as u64;
            tracing::warn!(took_ms, count, "sync of the log was slow: check the device");
        }
        true
    }

    /// How long the last sync took.
    pub(crate) fn last_sync(&self) -> Duration {
        Duration::from_micros(self.shared.disk_stats.sync_us_last.load(Ordering::Relaxed))
    }

    /// Whether these can be logged without more than a write and a sync: the disk's thread is not
    /// at the journal, and no new file is to be made.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        try_lock(&self.journal).is_some_and(|journal| journal.has_room(len))
    }

    pub(crate) fn snapshot_due(&self) -> bool {
        lock(&self.journal).snapshot_due()
    }

    /// Does something with the journal. A failure is told before anybody can meet another one that
    /// it has caused.
    fn work<T, E: Into<Failure>>(
        &self,
        f: impl FnOnce(&mut Journal<D>) -> Result<T, E>,
    ) -> Option<T> {
        let mut journal = lock(&self.journal);
        match f(&mut journal) {
            Ok(done) => Some(done),
            Err(error) => {
                self.shared.inbox.push(Input::DiskFailed(error.into()));
                None
            }
        }
    }
}

impl<D: Disk> DiskThread<D> {
    pub(crate) fn spawn(self) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name("lk-disk".into())
            .spawn(move || {
                let _alarm = Alarm(self.shared.clone());
                self.run();
            })
    }

    fn run(mut self) {
        let mut batch = Vec::new();
        let mut snapshot = Snapshotter {
            busy: Arc::default(),
            thread: None,
        };
        loop {
            block_on(self.orders.take(&mut batch));
            let mut writes = Writes::new();
            let mut stop = false;
            for order in batch.drain(..) {
                match order {
                    Order::Write(more) => writes.extend(more),
                    Order::Snapshot => {}
                    Order::Stop => stop = true,
                }
            }
            if !self.carry_out(writes, &mut snapshot) {
                break;
            }
            if self.log.snapshot_due() && !self.roll(&mut snapshot) {
                break;
            }
            if stop {
                break;
            }
        }
        snapshot.finish();
    }

    /// Carries out writes and reports them; says whether all went well. If not, the replica has been
    /// told why.
    fn carry_out(&mut self, writes: Writes, snapshot: &mut Snapshotter) -> bool {
        let mut writes = writes.into_iter().peekable();
        while let Some((mut io, write)) = writes.next() {
            let mut store = None;
            let done = match write {
                Write::Append(txn) => {
                    let mut txns = vec![txn];
                    while let Some((next, Write::Append(_))) = writes.peek() {
                        io = *next;
                        if let Some((_, Write::Append(txn))) = writes.next() {
                            txns.push(txn);
                        }
                    }
                    self.log.write(txns.into_iter())
                }
                Write::AcceptedEpoch(epoch) => {
                    let written = self.log.work(|journal| journal.write_accepted(epoch));
                    written.is_some()
                }
                Write::CurrentEpoch(epoch) => {
                    let written = self.log.work(|journal| journal.write_current(epoch));
                    written.is_some()
                }
                Write::Truncate(zxid) => {
                    snapshot.finish();
                    match self.truncate(zxid) {
                        Some(rest) => {
                            store = rest;
                            true
                        }
                        None => false,
                    }
                }
                Write::Install(image) => {
                    snapshot.finish();
                    let zxid = image.last_zxid();
                    let mut write = |out: &mut dyn std::io::Write| image.write_image(out);
                    let installed = self.log.work(|journal| journal.install(zxid.0, &mut write));
                    installed.is_some()
                }
            };
            if !done {
                return false;
            }
            self.shared.inbox.push(Input::Durable { io, store });
        }
        true
    }

    /// Cuts the log; gives back what is left if that is less than the store holds.
    fn truncate(&self, zxid: Zxid) -> Option<Option<Box<Store>>> {
        let is_behind = read(&self.shared.store).last_zxid() > zxid;
        let cut = self.log.work(|journal| journal.truncate(zxid.0));
        let mut recovered = cut?;
        tracing::info!(%zxid, "log cut: its rest is not what the leader has");
        if !is_behind {
            return Some(None);
        }
        let reloaded = self
            .log
            .work(|_| reload(&mut recovered, self.settings.seed, 0));
        Some(Some(Box::new(reloaded?.store)))
    }

    /// Starts a new log file and writes a snapshot beside it, unless one is still being written.
    /// Says whether the journal is still of use.
    fn roll(&mut self, snapshot: &mut Snapshotter) -> bool {
        // What is due now is due until it is done.
        if !self.shared.settled.load(Ordering::Acquire) {
            return true;
        }
        if self.log.work(Journal::roll).is_none() {
            return false;
        }
        if snapshot.busy.swap(true, Ordering::AcqRel) {
            tracing::warn!("snapshot skipped: the one before is still being written");
            return true;
        }
        let (disk, settings) = (self.disk.clone(), self.settings.clone());
        let (shared, busy, kept) = (
            self.shared.clone(),
            snapshot.busy.clone(),
            self.snapshots_kept,
        );
        let spawned = std::thread::Builder::new()
            .name("lk-snapshot".into())
            .spawn(move || {
                let mut store = write(&shared.store);
                let settled = shared.settled.load(Ordering::Acquire);
                let frozen = settled.then(|| store.freeze());
                drop(store);
                match frozen.map(|frozen| snapshot_of(&disk, &settings, &frozen, kept)) {
                    Some(Ok(())) => {
                        shared.disk_stats.snapshots.fetch_add(1, Ordering::Relaxed);
                    }
                    Some(Err(error)) => tracing::error!(%error, "snapshot could not be written"),
                    // The role has ended meanwhile.
                    None => {}
                }
                busy.store(false, Ordering::Release);
            });
        match spawned {
            Ok(thread) => {
                // The one before is not busy any more, so this waits for its last steps at most.
                if let Some(before) = snapshot.thread.replace(thread) {
                    let _ = before.join();
                }
            }
            Err(error) => {
                snapshot.busy.store(false, Ordering::Release);
                tracing::error!(%error, "no thread for a snapshot");
            }
        }
        true
    }
}

struct Snapshotter {
    busy: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Snapshotter {
    /// Waits for the one that is being written: its files are not to be touched meanwhile.
    fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A snapshot's failure has been logged where it happened.
            let _ = thread.join();
        }
    }
}

/// Writes a state as a snapshot and removes what it makes unnecessary: all but `kept` snapshots, and
/// the logs that none of these needs; nothing for `None`.
///
/// # Errors
/// Those of the journal. What was written by then does no harm.
pub fn snapshot_of<D: Disk>(
    disk: &D,
    settings: &JournalSettings,
    frozen: &Store,
    kept: Option<usize>,
) -> Result<(), JournalError> {
    let started = Instant::now();
    let zxid = frozen.last_zxid();
    let digest = (zxid > Zxid::ZERO).then(|| Digest {
        zxid: zxid.0,
        version: DIGEST_VERSION,
        value: frozen.digest(),
    });
    write_snapshot(disk, settings, zxid.0, digest, &mut |out| {
        frozen.write_image(out)
    })?;
    let took_ms = started.elapsed().as_millis() as u64;
    tracing::info!(%zxid, took_ms, "snapshot written");
    if let Some(kept) = kept {
        let removed = retain(disk, settings, kept)?;
        if !removed.is_empty() {
            tracing::info!(files = removed.len(), "old snapshots and logs removed");
        }
    }
    Ok(())
}
