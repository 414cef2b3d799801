//! The thread that owns the journal: whatever has gathered while it synced is the next batch.
//!
//! One write and one sync carry all transactions that wait, so the busier the server, the more
//! replies each sync pays for. A failed write or sync ends the server: what reached the disk is for
//! the next start to find out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockkeeper_journal::{
    Digest, Disk, Journal, JournalError, Settings as JournalSettings, retain, write_snapshot,
};
use lockkeeper_store::Store;
use lockkeeper_wire::Zxid;
use lockkeeper_wire::txn::DIGEST_VERSION;

use crate::node::{Input, Shared};
use crate::sync::{Inbox, write};

/// What the disk's thread is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Log these transactions, in zxid order.
    Log(Vec<(Zxid, Bytes)>),
    /// Finish what has been ordered and end.
    Stop,
}

/// Times and sizes of syncs, for an operator.
#[derive(Debug, Default)]
pub(crate) struct DiskStats {
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_us_sum: AtomicU64,
    pub(crate) sync_us_max: AtomicU64,
    pub(crate) snapshots: AtomicU64,
}

/// The thread's surroundings.
pub(crate) struct DiskThread<D: Disk> {
    pub(crate) disk: D,
    pub(crate) journal: Journal<D>,
    pub(crate) settings: JournalSettings,
    pub(crate) shared: Arc<Shared>,
    pub(crate) orders: Arc<Inbox<Order>>,
    /// A sync that takes longer is logged.
    pub(crate) sync_warning: Duration,
    /// Snapshots to keep; `None` keeps all.
    pub(crate) snapshots_kept: Option<usize>,
}

/// A panic of the disk's thread is a failure of the disk to those who wait for it.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.inbox.push(Input::DiskFailed(JournalError::Poisoned));
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
            self.orders.take(&mut batch, None);
            let mut records = Vec::new();
            let mut stop = false;
            for order in batch.drain(..) {
                match order {
                    Order::Log(more) => records.extend(more),
                    Order::Stop => stop = true,
                }
            }
            if let Some(&(last, _)) = records.last() {
                if let Err(error) = self.log(records) {
                    self.shared.inbox.push(Input::DiskFailed(error));
                    break;
                }
                self.shared.inbox.push(Input::Durable(last));
                if self.journal.snapshot_due()
                    && let Err(error) = self.roll(&mut snapshot)
                {
                    self.shared.inbox.push(Input::DiskFailed(error));
                    break;
                }
            }
            if stop {
                break;
            }
        }
        if let Some(thread) = snapshot.thread {
            // A snapshot's failure has been logged where it happened.
            let _ = thread.join();
        }
    }

    fn log(&mut self, records: Vec<(Zxid, Bytes)>) -> Result<(), JournalError> {
        let count = records.len();
        self.journal
            .append(records.into_iter().map(|(zxid, entry)| (zxid.0, entry)))?;
        let started = Instant::now();
        self.journal.sync()?;
        let took = started.elapsed();
        let took_us = took.as_micros() as u64;
        let stats = &self.shared.disk_stats;
        stats.syncs.fetch_add(1, Ordering::Relaxed);
        stats.sync_us_sum.fetch_add(took_us, Ordering::Relaxed);
        stats.sync_us_max.fetch_max(took_us, Ordering::Relaxed);
        if took >= self.sync_warning {
            let took_ms = took.as_millis() as u64;
            tracing::warn!(took_ms, count, "sync of the log was slow: check the device");
        }
        Ok(())
    }

    /// Starts a new log file and writes a snapshot beside it, unless one is still being written.
    fn roll(&mut self, snapshot: &mut Snapshotter) -> Result<(), JournalError> {
        self.journal.roll()?;
        if snapshot.busy.swap(true, Ordering::AcqRel) {
            tracing::warn!("snapshot skipped: the one before is still being written");
            return Ok(());
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
                let frozen = write(&shared.store).freeze();
                match snapshot_of(&disk, &settings, &frozen, kept) {
                    Ok(()) => {
                        shared.disk_stats.snapshots.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => tracing::error!(%error, "snapshot could not be written"),
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
        Ok(())
    }
}

struct Snapshotter {
    busy: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Writes a state as a snapshot and removes what it makes unnecessary.
pub(crate) fn snapshot_of<D: Disk>(
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
