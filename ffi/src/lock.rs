//! Locks: what is waited for in a queue and held with a guard.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use lockkeeper_recipes::{Layout, LockError, Mutex, RwLock, Semaphore};

use crate::call::lk_call_t;
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::{Fault, entry, entry_or};
use crate::guard::{lk_acquired_fn, lk_guard_t, start_held};
use crate::handle::{Maker, Object, Out, borrow, put, take};
use crate::held::Held;
use crate::session::Session;
use crate::status::lk_status_t;
use crate::text::{text, text_if_any};
use crate::wait::{await_for, wait_for};

/// A lock on a path: a mutex, a side of a read/write lock, or a semaphore. Any number of threads may
/// use it at once; each call that acquires is a contender of its own, so a thread that holds the lock
/// and asks again waits for itself.
pub struct lk_lock_t {
    maker: Maker,
    // Before the session, whose end waits for handles of the client.
    pub(crate) lock: Lock,
    pub(crate) path: String,
    pub(crate) session: Arc<Session>,
}

/// What an [`lk_lock_t`] may be.
#[derive(Clone)]
pub(crate) enum Lock {
    Mutex(Mutex),
    Readers(RwLock),
    Semaphore(Semaphore),
    Writers(RwLock),
}

impl Lock {
    async fn acquire(&self) -> Result<Held, LockError> {
        Ok(match self {
            Self::Mutex(mutex) => Held::Lock(mutex.lock().await?),
            Self::Readers(lock) => Held::Reader(lock.read().await?),
            Self::Semaphore(semaphore) => Held::Lock(semaphore.acquire().await?),
            Self::Writers(lock) => Held::Writer(lock.write().await?),
        })
    }

    async fn try_acquire(&self) -> Result<Held, LockError> {
        Ok(match self {
            Self::Mutex(mutex) => Held::Lock(mutex.try_lock().await?),
            Self::Readers(lock) => Held::Reader(lock.try_read().await?),
            Self::Semaphore(semaphore) => Held::Lock(semaphore.try_acquire().await?),
            Self::Writers(lock) => Held::Writer(lock.try_write().await?),
        })
    }

    async fn queue_position(&self) -> Result<usize, LockError> {
        match self {
            Self::Mutex(mutex) => mutex.queue_position().await,
            Self::Readers(lock) | Self::Writers(lock) => lock.queue_position().await,
            Self::Semaphore(semaphore) => semaphore.queue_position().await,
        }
    }

    fn numbers_run_out(&self) -> bool {
        match self {
            Self::Mutex(mutex) => mutex.numbers_run_out(),
            Self::Readers(lock) | Self::Writers(lock) => lock.numbers_run_out(),
            Self::Semaphore(semaphore) => semaphore.numbers_run_out(),
        }
    }
}

impl lk_lock_t {
    pub(crate) fn new(lock: Lock, path: &str, session: &Arc<Session>) -> Self {
        Self {
            maker: Maker::this(),
            lock,
            path: path.to_owned(),
            session: Arc::clone(session),
        }
    }
}

/// The names that contenders give their znodes. All users of a path must use the same.
pub type lk_layout_t = i32;

/// Those of Curator's InterProcessMutex.
pub const LK_LAYOUT_CURATOR: lk_layout_t = 0;
/// Those of go-zk, which share a path with Curator's.
pub const LK_LAYOUT_GO_ZK: lk_layout_t = 1;
/// Those of kazoo's Lock.
pub const LK_LAYOUT_KAZOO: lk_layout_t = 2;

/// Settings of a lock, added up; 0 for none.
pub type lk_lock_options_t = u32;

/// Grants, fences and guards count only what a quorum has vouched for: a write more for each grant,
/// and one now and then while it is held. All users of a path must have it or none.
pub const LK_LOCK_STRICT: lk_lock_options_t = 1;
/// A waiter whose znode somebody deletes queues again at the tail; without it, `LK_ENODEGONE`.
pub const LK_LOCK_REQUEUE: lk_lock_options_t = 2;
/// Fails with `LK_ELAYOUT` when it finds contenders that would not wait for this layout's names.
pub const LK_LOCK_REFUSE_BLIND: lk_lock_options_t = 4;

impl Object for lk_lock_t {
    const NAME: &'static str = "lock";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

/// A mutex on a path, whose ancestors are created when they are needed.
///
/// Never blocks and sends nothing. The lock keeps what it needs of the client, which may be freed
/// before it. Fails with `LK_BADARGUMENTS` if the path is not valid, `LK_EINVAL`, `LK_EFORKED`.
///
/// @param layout   one of `LK_LAYOUT_*`
/// @param options  sum of `LK_LOCK_*`, or 0
/// @param label    what other contenders may read about this one, or NULL
/// @param out      where the lock goes; the caller frees it with `lk_lock_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_new(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_layout_t,
    options: lk_lock_options_t,
    label: *const c_char,
    label_len: isize,
    out: *mut *mut lk_lock_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, strings, and room for the result.
        let (out, client, path, label) = unsafe {
            (
                Out::new(out)?,
                borrow(client)?,
                text("path", path, path_len)?,
                text_if_any("label", label, label_len)?.unwrap_or_default(),
            )
        };
        let known = LK_LOCK_STRICT | LK_LOCK_REQUEUE | LK_LOCK_REFUSE_BLIND;
        let options = Options::of(options, known)?;
        let mutex = Mutex::builder(&client.session.client, path)
            .layout(layout_of(layout)?)
            .strict(options.strict)
            .requeue(options.requeue)
            .refuse_blind_names(options.refuse_blind)
            .label(label)
            .build()
            .map_err(|error| Fault::from(error).at(path))?;
        out.give(lk_lock_t::new(Lock::Mutex(mutex), path, &client.session));
        Ok(())
    })
}

/// The options, taken apart.
pub(crate) struct Options {
    strict: bool,
    pub(crate) requeue: bool,
    pub(crate) refuse_blind: bool,
}

impl Options {
    /// Refuses those that are not among the known ones.
    pub(crate) fn of(options: lk_lock_options_t, known: lk_lock_options_t) -> Result<Self, Fault> {
        if options & !known != 0 {
            let text = format!("options have no meaning here: {:#x}", options & !known);
            return Err(Fault::invalid(text));
        }
        Ok(Self {
            strict: options & LK_LOCK_STRICT != 0,
            requeue: options & LK_LOCK_REQUEUE != 0,
            refuse_blind: options & LK_LOCK_REFUSE_BLIND != 0,
        })
    }
}

pub(crate) fn layout_of(layout: lk_layout_t) -> Result<Layout, Fault> {
    match layout {
        LK_LAYOUT_CURATOR => Ok(Layout::Curator),
        LK_LAYOUT_GO_ZK => Ok(Layout::GoZk),
        LK_LAYOUT_KAZOO => Ok(Layout::Kazoo),
        _ => Err(Fault::invalid(format!("no layout has the number {layout}"))),
    }
}

/// Waits for the lock.
///
/// Blocks for at most `timeout_ms`, whatever happens meanwhile. Contenders are served in the order
/// in which they came. After any error nothing is held, and what the attempt had created is
/// deleted in the background. Fails with `LK_ETIMEDOUT`, `LK_ENODEGONE`, `LK_ELAYOUT`,
/// `LK_ENUMBERS`, for a semaphore with `LK_ECONFLICT` if the path says another limit or none, and as
/// every call of a client.
///
/// @param out  where the guard goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_acquire(
    lock: *const lk_lock_t,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a lock and for room for the result.
        let (out, lock) = unsafe { (Out::new(out)?, borrow(lock)?) };
        let held = wait_for(&lock.path, timeout_ms, lock.lock.acquire())?;
        out.give(lk_guard_t::new(held, &lock.session));
        Ok(())
    })
}

/// As `lk_lock_acquire`, without waiting: `acquired` is told the end.
///
/// Never blocks. A lock that is granted after the call was given up is released in the background.
/// Fails with `LK_EINVAL`, `LK_EFORKED`; then `acquired` is not called.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_acquire_async(
    lock: *const lk_lock_t,
    timeout_ms: i64,
    acquired: lk_acquired_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    call: *mut *mut lk_call_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for NULL or room for the call, and for a lock.
        let (out, lock) = unsafe { (Out::wanted(call), borrow(lock)?) };
        let kind = lock.lock.clone();
        let granted = async move { kind.acquire().await };
        let granted = await_for(&lock.path, timeout_ms, granted);
        start_held(&lock.session, user, acquired, granted, out)
    })
}

/// Takes the lock if nobody is in the way: for a mutex and a writer anybody, for a reader writers, for
/// a semaphore its limit and whoever waits.
///
/// Blocks for a round trip or two, at most `timeout_ms`. Fails with `LK_EBUSY`, `LK_ETIMEDOUT` if
/// the server did not answer in time, and as every call of a client.
///
/// @param out  where the guard goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_try(
    lock: *const lk_lock_t,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a lock and for room for the result.
        let (out, lock) = unsafe { (Out::new(out)?, borrow(lock)?) };
        let held = wait_for(&lock.path, timeout_ms, lock.lock.try_acquire())?;
        out.give(lk_guard_t::new(held, &lock.session));
        Ok(())
    })
}

/// How many contenders a new one would find ahead of it, for a reader as for a writer, and for a
/// semaphore those that wait; 0 if the lock is free.
///
/// Blocks for a round trip, at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a
/// client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_queue_position(
    lock: *const lk_lock_t,
    timeout_ms: i64,
    out: *mut usize,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a lock.
        let lock = unsafe { borrow(lock)? };
        let position = wait_for(&lock.path, timeout_ms, lock.lock.queue_position())?;
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, position) }
    })
}

/// Whether a contender of this lock has got a number of 2^30 or more: the server counts to 2^31, and
/// then nobody is let in any more (`LK_ENUMBERS`). Stop using the path, delete it, and the count
/// begins anew. Never blocks. Fails with `LK_EINVAL`, `LK_EFORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_numbers_run_out(
    lock: *const lk_lock_t,
    out: *mut bool,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a lock.
        let lock = unsafe { borrow(lock)? };
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, lock.lock.numbers_run_out()) }
    })
}

/// Frees a lock; NULL is allowed. Its guards stay held. No call of it may be under way. Blocks
/// only as `lk_client_free` says. In a forked child it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_free(lock: *mut lk_lock_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a lock that nobody uses any more.
        drop(unsafe { take(lock) });
    });
}
