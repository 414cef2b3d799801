//! What a task and its handles tell each other: one value, the latest counts.
//!
//! The handle says whether the znode is still wanted, the contender what has become of it. Both
//! sides may be dropped anywhere, on any thread, with or without a runtime: telling is a short lock
//! and a wake-up.

use std::ops::Deref;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::error::{LockError, LossReason};

/// What a guard's holder may rely on.
///
/// The order of events is `Held` → `Suspended` → `PossiblyLost` → `Lost`; a step may be left out,
/// and `Suspended` and `PossiblyLost` may lead back to `Held` once the client is connected again in
/// the same session and has found its own znode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuardState {
    /// Connected, and the own znode is there.
    Held,
    /// The link is down, but the session cannot have expired yet: nobody else holds the lock.
    /// Finish or stop before [`Guard::remaining`](crate::Guard::remaining) is used up.
    Suspended,
    /// The session may have expired by now, and somebody else may hold the lock: stop.
    PossiblyLost,
    /// The lock is not held any more. Final.
    Lost(LossReason),
}

impl GuardState {
    /// Whether nobody else can hold the lock: `Held` or `Suspended`.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Held | Self::Suspended)
    }
}

/// Both sides' latest word.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Cleared when the handle is dropped: the znode is to go, as soon as it is known.
    pub(crate) wanted: bool,
    /// What a guard may rely on; means nothing before the grant.
    pub(crate) state: GuardState,
    /// Somebody asked the holder to give the lock up.
    pub(crate) revoked: bool,
    /// The znode that is to go is left to a transaction of somebody else.
    pub(crate) moving: bool,
    /// The deadline had passed when the hold was given up, so that it may have been lost before.
    pub(crate) in_doubt: bool,
    /// What a release is told, once that is known.
    pub(crate) left: Option<Result<(), LockError>>,
}

/// What all contenders of one lock object have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    foreign_reported: AtomicBool,
    numbers_run_out: AtomicBool,
    wakeups: AtomicU64,
}

impl Shared {
    /// Whether nobody has been told of foreign children yet.
    pub(crate) fn reports_foreign(&self) -> bool {
        !self.foreign_reported.swap(true, Ordering::Relaxed)
    }

    /// The server's numbers for this lock's znodes run out; whether nobody has been told yet.
    pub(crate) fn reports_numbers_run_out(&self) -> bool {
        !self.numbers_run_out.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn numbers_run_out(&self) -> bool {
        self.numbers_run_out.load(Ordering::Relaxed)
    }

    /// A watch event came.
    pub(crate) fn count_wakeup(&self) {
        self.wakeups.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wakeups(&self) -> u64 {
        self.wakeups.load(Ordering::Relaxed)
    }
}

/// A value and word of its changes.
#[derive(Debug)]
pub(crate) struct Watched<V> {
    value: Mutex<V>,
    changed: Notify,
}

impl<V> Watched<V> {
    pub(crate) fn new(value: V) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Notify::new(),
        }
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&V) -> T) -> T {
        // Values are written field by field, so a panic elsewhere cannot leave one half done.
        read(&self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn update(&self, write: impl FnOnce(&mut V)) {
        write(&mut self.value.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }

    /// Resolves with the first value for which `find` finds something, the present one included.
    pub(crate) async fn wait<T>(&self, mut find: impl FnMut(&V) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Listens before it looks, so that no change falls between the two.
            changed.as_mut().enable();
            if let Some(found) = self.read(&mut find) {
                return found;
            }
            changed.await;
        }
    }
}

/// What a contender and its handle share.
#[derive(Debug)]
pub(crate) struct Cell {
    view: Watched<View>,
    pub(crate) shared: Arc<Shared>,
}

impl Cell {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            view: Watched::new(View {
                wanted: true,
                state: GuardState::Held,
                revoked: false,
                moving: false,
                in_doubt: false,
                left: None,
            }),
        }
    }
}

impl Deref for Cell {
    type Target = Watched<View>;

    fn deref(&self) -> &Watched<View> {
        &self.view
    }
}

/// The handle's side: while it lives, the znode is wanted.
#[derive(Debug)]
pub(crate) struct Keep(pub(crate) Arc<Cell>);

impl Drop for Keep {
    fn drop(&mut self) {
        self.0.update(|view| view.wanted = false);
    }
}

/// A znode that goes when its successor comes, in one transaction: its own contender leaves it
/// alone until this is dropped, and for ever once it is [done](Moving::done).
#[derive(Debug)]
pub(crate) struct Moving(Arc<Cell>);

impl Moving {
    pub(crate) fn new(cell: &Arc<Cell>) -> Self {
        cell.update(|view| (view.wanted, view.moving) = (false, true));
        Self(Arc::clone(cell))
    }

    /// The transaction went through.
    pub(crate) fn done(self) {
        self.0.update(|view| view.left = Some(Ok(())));
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.0.update(|view| view.moving = false);
    }
}
