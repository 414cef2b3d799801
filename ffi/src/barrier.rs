//! A barrier: closed while its znode is there.

use std::ffi::{c_char, c_void};

use lockkeeper_recipes::Barrier;

use crate::at::At;
use crate::call::{lk_call_t, lk_done_fn, start_done};
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::entry;
use crate::handle::{Out, put, put_if_wanted};
use crate::status::lk_status_t;
use crate::wait::{await_for, carry_out, wait_for};

/// Closes the barrier at a path: until it is opened, everybody waits. The znode is that of Curator's
/// `DistributedBarrier` and kazoo's `Barrier`; it outlives who made it.
///
/// Blocks for at most `timeout_ms`. Fails as every call of a client.
///
/// @param changed  where it goes whether the barrier was open, or NULL; through a broken link it
///                 may say no of what this call did
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_barrier_close(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    changed: *mut bool,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { At::new(client, path, path_len, Barrier::new)? };
        let was_open = carry_out(at.path, timeout_ms, at.recipe.close())?;
        // SAFETY: the header asks for NULL or room for the result.
        unsafe { put_if_wanted(changed, was_open) };
        Ok(())
    })
}

/// Opens the barrier at a path and wakes everybody.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if the znode has children, and as
/// every call of a client.
///
/// @param changed  where it goes whether the barrier was closed, or NULL; as `lk_barrier_close`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_barrier_open(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    changed: *mut bool,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { At::new(client, path, path_len, Barrier::new)? };
        let was_closed = carry_out(at.path, timeout_ms, at.recipe.open())?;
        // SAFETY: the header asks for NULL or room for the result.
        unsafe { put_if_wanted(changed, was_closed) };
        Ok(())
    })
}

/// Whether the barrier at a path is closed, as the ensemble has it now.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT` and as every call of a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_barrier_is_closed(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    out: *mut bool,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { At::new(client, path, path_len, Barrier::new)? };
        let is_closed = wait_for(at.path, timeout_ms, at.recipe.is_closed())?;
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, is_closed) }
    })
}

/// Waits until the barrier at a path is open; it may be closed again by then.
///
/// Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT` and as every
/// call of a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_barrier_wait(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { At::new(client, path, path_len, Barrier::new)? };
        wait_for(at.path, timeout_ms, at.recipe.wait())
    })
}

/// As `lk_barrier_wait`, without waiting: `done` is told the end.
///
/// Never blocks. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`, `LK_EFORKED`; then `done` is not called.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_barrier_wait_async(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    done: lk_done_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    call: *mut *mut lk_call_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for NULL or room for the call, for a client and a string.
        let (call, at) = unsafe {
            (
                Out::wanted(call),
                At::new(client, path, path_len, Barrier::new)?,
            )
        };
        let barrier = at.recipe;
        let open = await_for(at.path, timeout_ms, async move { barrier.wait().await });
        start_done(at.session, user, done, open, call)
    })
}
