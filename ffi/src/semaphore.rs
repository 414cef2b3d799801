//! A semaphore: a lock that so many hold at once.

use std::ffi::c_char;
use std::slice;

use lockkeeper_recipes::{Limit, Semaphore, SharedCount};

use crate::at::At;
use crate::connection::lk_client_t;
use crate::error::{Fault, entry};
use crate::guard::lk_guard_t;
use crate::handle::Out;
use crate::handle::{borrow, give};
use crate::held::Held;
use crate::lock::{LK_LOCK_REQUEUE, Lock, Options, lk_lock_options_t, lk_lock_t};
use crate::status::lk_status_t;
use crate::text::text_if_any;
use crate::wait::wait_for;

/// As a limit: what the shared count says.
pub const LK_LIMIT_SHARED: usize = 0;

/// A semaphore on a path, that many may hold at once: each lease is a guard. The znodes are those of
/// Curator's `InterProcessSemaphoreV2`.
///
/// Never blocks and sends nothing. Fails as `lk_lock_new`.
///
/// @param limit    how many may hold it; written to the path by who comes first, and who says
///                 another number is refused
/// @param count    path of a shared count that says how many, instead of the limit, which must then
///                 be `LK_LIMIT_SHARED`; else NULL
/// @param options  `LK_LOCK_REQUEUE` or 0
/// @param out      where the lock goes; the caller frees it with `lk_lock_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_semaphore_new(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    limit: usize,
    count: *const c_char,
    count_len: isize,
    options: lk_lock_options_t,
    out: *mut *mut lk_lock_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, strings, and room for the result.
        let (out, count) = unsafe { (Out::new(out)?, text_if_any("count", count, count_len)?) };
        let options = Options::of(options, LK_LOCK_REQUEUE)?;
        // SAFETY: as above.
        let at = unsafe {
            At::new(client, path, path_len, |client, path| {
                let limit = match (count, limit) {
                    (Some(count), LK_LIMIT_SHARED) => {
                        Limit::Shared(SharedCount::new(client, count)?)
                    }
                    (None, 1..) => Limit::Recorded(limit),
                    _ => return Err(Fault::invalid("a limit is a number or a shared count")),
                };
                let builder = Semaphore::builder(client, path, limit);
                Ok::<_, Fault>(builder.requeue(options.requeue).build()?)
            })?
        };
        out.give(lk_lock_t::new(
            Lock::Semaphore(at.recipe),
            at.path,
            at.session,
        ));
        Ok(())
    })
}

/// Waits for so many leases of a semaphore at once; nobody else is admitted in between. They may be
/// released one by one.
///
/// Blocks for at most `timeout_ms`. After any error none is held, and all of `out` is NULL. Fails
/// with `LK_ECONFLICT` also if there are never so many, `LK_EINVAL` also for other locks, and as
/// `lk_lock_acquire`.
///
/// @param out  room for `leases` guards; the caller frees each with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_semaphore_acquire_many(
    semaphore: *const lk_lock_t,
    leases: usize,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        if out.is_null() {
            return Err(Fault::invalid("where to put the result is NULL"));
        }
        // SAFETY: the header asks for room for so many pointers, of which nothing is read.
        let out = unsafe {
            std::ptr::write_bytes(out, 0, leases);
            slice::from_raw_parts_mut(out, leases)
        };
        // SAFETY: the header asks for a lock.
        let lock = unsafe { borrow(semaphore)? };
        let Lock::Semaphore(semaphore) = &lock.lock else {
            return Err(Fault::invalid("lock is not a semaphore"));
        };
        let guards = wait_for(&lock.path, timeout_ms, semaphore.acquire_many(leases))?;
        for (slot, guard) in out.iter_mut().zip(guards) {
            *slot = give(lk_guard_t::new(Held::Lock(guard), &lock.session));
        }
        Ok(())
    })
}
