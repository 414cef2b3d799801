//! A latch that opens when so many have arrived.

use std::ffi::{c_char, c_void};

use lockkeeper_recipes::CountdownLatch;

use crate::at::At;
use crate::call::{lk_call_t, lk_done_fn, start_done};
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::{Fault, entry};
use crate::handle::{Out, put, put_if_wanted};
use crate::status::lk_status_t;
use crate::text::text_if_any;
use crate::wait::{await_for, carry_out, wait_for};

/// Arrives at the latch at a path, which opens for good when `count` have arrived. Who arrives and
/// dies has arrived.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if the path holds another count or no
/// latch, for a count that cannot be and an id that is no name, and as every call of a client.
///
/// @param count    how many the latch is for, 1 to 5,000; the same for all
/// @param id       a name that counts once, whoever sends it, also after a restart; NULL for one
///                 that nobody else has
/// @param missing  where it goes how many are missing now, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_latch_count_down(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    count: usize,
    id: *const c_char,
    id_len: isize,
    timeout_ms: i64,
    missing: *mut usize,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and strings.
        let (at, id) = unsafe {
            (
                latch(client, path, path_len, count)?,
                text_if_any("id", id, id_len)?,
            )
        };
        let left = match id {
            Some(id) => carry_out(at.path, timeout_ms, at.recipe.count_down_as(id))?,
            None => carry_out(at.path, timeout_ms, at.recipe.count_down())?,
        };
        // SAFETY: the header asks for NULL or room for the result.
        unsafe { put_if_wanted(missing, left) };
        Ok(())
    })
}

/// How many arrivals are missing at the latch at a path; 0 once it is open.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ETIMEDOUT`, and as `lk_latch_count_down`.
///
/// @param count  how many the latch is for
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_latch_missing(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    count: usize,
    timeout_ms: i64,
    out: *mut usize,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { latch(client, path, path_len, count)? };
        let missing = wait_for(at.path, timeout_ms, at.recipe.remaining())?;
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, missing) }
    })
}

/// Waits until the latch at a path is open.
///
/// Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT`, and as
/// `lk_latch_count_down`.
///
/// @param count  how many the latch is for
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_latch_wait(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    count: usize,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { latch(client, path, path_len, count)? };
        wait_for(at.path, timeout_ms, at.recipe.wait())
    })
}

/// As `lk_latch_wait`, without waiting: `done` is told the end.
///
/// Never blocks. Fails with `LK_ECONFLICT` for a count that cannot be, `LK_BADARGUMENTS`,
/// `LK_EINVAL`, `LK_EFORKED`; then `done` is not called.
///
/// @param count  how many the latch is for
/// @param user   handed to both functions
/// @param drop   frees `user`; or NULL
/// @param call   where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_latch_wait_async(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    count: usize,
    timeout_ms: i64,
    done: lk_done_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    call: *mut *mut lk_call_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for NULL or room for the call, for a client and a string.
        let (call, at) = unsafe { (Out::wanted(call), latch(client, path, path_len, count)?) };
        let latch = at.recipe;
        let open = await_for(at.path, timeout_ms, async move { latch.wait().await });
        start_done(at.session, user, done, open, call)
    })
}

/// Closes the latch at a path again with nobody arrived, in one transaction.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` also if somebody else does so at the
/// same time, and as `lk_latch_count_down`.
///
/// @param count  how many the latch is for
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_latch_reset(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    count: usize,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { latch(client, path, path_len, count)? };
        carry_out(at.path, timeout_ms, at.recipe.reset())
    })
}

/// # Safety
///
/// That of [`At::new`].
unsafe fn latch<'a>(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    count: usize,
) -> Result<At<'a, CountdownLatch>, Fault> {
    // SAFETY: the caller vouches for both.
    unsafe {
        At::new(client, path, path_len, |client, path| {
            CountdownLatch::new(client, path, count)
        })
    }
}
