//! The lock: a fenced mutex on a path.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use lockkeeper_recipes::{Layout, Mutex};

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

/// A lock on a path. Any number of threads may use it at once; each call that acquires is a
/// contender of its own, so a thread that holds the lock and asks again waits for itself.
pub struct lk_lock_t {
    maker: Maker,
    // Before the session, whose end waits for handles of the client.
    mutex: Mutex,
    path: String,
    session: Arc<Session>,
}

/// The names that contenders give their znodes. All users of a path must use the same.
pub type lk_layout_t = i32;

/// Those of Curator's InterProcessMutex.
pub const LK_LAYOUT_CURATOR: lk_layout_t = 0;
/// Those of go-zk, which share a path with Curator's.
pub const LK_LAYOUT_GO_ZK: lk_layout_t = 1;
/// Those of kazoo's Lock.
pub const LK_LAYOUT_KAZOO: lk_layout_t = 2;

impl Object for lk_lock_t {
    const NAME: &'static str = "lock";

    fn maker(&self) -> Option<Maker> {
        Some(self.maker)
    }
}

/// A lock on a path, whose ancestors are created when they are needed.
///
/// Never blocks and sends nothing. The lock keeps what it needs of the client, which may be freed
/// before it. Fails with `LK_BADARGUMENTS` if the path is not valid, `LK_EINVAL`, `LK_EFORKED`.
///
/// @param layout  one of `LK_LAYOUT_*`
/// @param label   what other contenders may read about this one, or NULL
/// @param out     where the lock goes; the caller frees it with `lk_lock_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_lock_new(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_layout_t,
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
        let layout = match layout {
            LK_LAYOUT_CURATOR => Layout::Curator,
            LK_LAYOUT_GO_ZK => Layout::GoZk,
            LK_LAYOUT_KAZOO => Layout::Kazoo,
            _ => return Err(Fault::invalid(format!("no layout has the number {layout}"))),
        };
        let session = Arc::clone(&client.session);
        let builder = Mutex::builder(&session.client, path).layout(layout);
        out.give(lk_lock_t {
            maker: Maker::this(),
            mutex: builder.label(label).build()?,
            path: path.to_owned(),
            session,
        });
        Ok(())
    })
}

/// Waits for the lock.
///
/// Blocks for at most `timeout_ms`, whatever happens meanwhile. Contenders are served in the order
/// in which they came. After any error nothing is held, and what the attempt had created is
/// deleted in the background. Fails with `LK_ETIMEDOUT`, `LK_ENODEGONE`, and as every call of a
/// client.
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
        let guard = wait_for(&lock.path, timeout_ms, lock.mutex.lock())?;
        out.give(lk_guard_t::new(Held::Lock(guard), &lock.session));
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
        let mutex = lock.mutex.clone();
        let granted = async move { mutex.lock().await.map(Held::Lock) };
        let granted = await_for(&lock.path, timeout_ms, granted);
        start_held(&lock.session, user, acquired, granted, out)
    })
}

/// Takes the lock if nobody holds it or waits for it.
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
        let guard = wait_for(&lock.path, timeout_ms, lock.mutex.try_lock())?;
        out.give(lk_guard_t::new(Held::Lock(guard), &lock.session));
        Ok(())
    })
}

/// How many contenders a new one would find ahead of it; 0 if the lock is free.
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
        let position = wait_for(&lock.path, timeout_ms, lock.mutex.queue_position())?;
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, position) }
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
