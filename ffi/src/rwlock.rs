//! A read/write lock: two locks on one path.

use std::ffi::c_char;

use lockkeeper_recipes::RwLock;

use crate::connection::lk_client_t;
use crate::error::{Fault, entry};
use crate::guard::lk_guard_t;
use crate::handle::{Out, borrow};
use crate::held::Held;
use crate::kept::given_back;
use crate::lock::{
    LK_LOCK_REFUSE_BLIND, LK_LOCK_REQUEUE, Lock, Options, layout_of, lk_layout_t,
    lk_lock_options_t, lk_lock_t,
};
use crate::queue::may_block;
use crate::status::lk_status_t;
use crate::text::{text, text_if_any};
use crate::wait::wait_for;

/// Both sides of a read/write lock on a path: many hold the one together, one holds the other alone,
/// and all stand in one queue. A writer's fence is larger than those of all holders before it.
///
/// Never blocks and sends nothing. Fails as `lk_lock_new`.
///
/// @param layout   one of `LK_LAYOUT_*`
/// @param options  sum of `LK_LOCK_REQUEUE` and `LK_LOCK_REFUSE_BLIND`, or 0
/// @param label    what other contenders may read about this one, or NULL
/// @param readers  where the lock for reading goes; the caller frees it with `lk_lock_free`
/// @param writers  where the lock for writing goes; the caller frees it with `lk_lock_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rwlock_new(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_layout_t,
    options: lk_lock_options_t,
    label: *const c_char,
    label_len: isize,
    readers: *mut *mut lk_lock_t,
    writers: *mut *mut lk_lock_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, strings, and room for the results.
        let (readers, writers) = unsafe { (Out::new(readers), Out::new(writers)) };
        let (readers, writers) = (readers?, writers?);
        // SAFETY: as above.
        let (client, path, label) = unsafe {
            (
                borrow(client)?,
                text("path", path, path_len)?,
                text_if_any("label", label, label_len)?.unwrap_or_default(),
            )
        };
        let options = Options::of(options, LK_LOCK_REQUEUE | LK_LOCK_REFUSE_BLIND)?;
        let lock = RwLock::builder(&client.session.client, path)
            .layout(layout_of(layout)?)
            .requeue(options.requeue)
            .refuse_blind_names(options.refuse_blind)
            .label(label)
            .build()
            .map_err(|error| Fault::from(error).at(path))?;
        let reading = Lock::Readers(lock.clone());
        readers.give(lk_lock_t::new(reading, path, &client.session));
        writers.give(lk_lock_t::new(Lock::Writers(lock), path, &client.session));
        Ok(())
    })
}

/// Gives a reader the right to write in addition, as soon as the other readers have gone: what was
/// read still holds then. The reader's guard stays, to be released or kept to go on reading.
///
/// Blocks for at most `timeout_ms`. Fails at once with `LK_EUPGRADE` if a writer stands in the queue
/// already, with `LK_ELOST` if the guard is lost, `LK_EINVAL` also for other guards,
/// `LK_ERELEASED`, and as `lk_lock_acquire`. Until it returns the guard cannot be released
/// (`LK_EBUSY`).
///
/// @param out  where the writer's guard goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rwlock_upgrade(
    guard: *const lk_guard_t,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard and for room for the result.
        let (out, guard) = unsafe { (Out::new(out)?, borrow(guard)?) };
        let held = guard.held.share()?;
        let Held::Reader(reader) = &*held else {
            return Err(Fault::invalid("guard is not a reader's"));
        };
        let writer = wait_for(held.path(), timeout_ms, reader.try_upgrade())?;
        out.give(lk_guard_t::new(Held::Writer(writer), guard.session()));
        Ok(())
    })
}

/// Makes a reader of a writer, in one transaction: no other writer gets in between.
///
/// Blocks for at most `timeout_ms`. The writer's guard is given back, also by an error, after which
/// neither is held; it is still to be freed. Fails with `LK_ELOST`, `LK_EINVAL` also for other
/// guards, which stay, `LK_ERELEASED`, `LK_EBUSY`, and as `lk_lock_acquire`.
///
/// @param out  where the reader's guard goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rwlock_downgrade(
    guard: *mut lk_guard_t,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a guard and for room for the result.
        let (out, guard) = unsafe { (Out::new(out)?, borrow(guard)?) };
        may_block()?;
        let is_writer = guard.held.look(|held| matches!(held, Held::Writer(_)));
        if !is_writer.ok_or_else(given_back)? {
            return Err(Fault::invalid("guard is not a writer's"));
        }
        let Held::Writer(writer) = guard.held.take()? else {
            return Err(given_back());
        };
        let path = writer.path().to_owned();
        let reader = wait_for(&path, timeout_ms, writer.downgrade())?;
        out.give(lk_guard_t::new(Held::Reader(reader), guard.session()));
        Ok(())
    })
}
