//! A meeting point: a path that is known before what will stand there.

use std::ffi::{c_char, c_void};

use lockkeeper_recipes::Rendezvous;

use crate::at::At;
use crate::call::{lk_call_t, lk_done_fn, start_done};
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::entry;
use crate::guard::lk_guard_t;
use crate::handle::{Out, borrow};
use crate::held::Held;
use crate::result::{lk_result_fn, lk_result_t, start_result};
use crate::status::lk_status_t;
use crate::text::data;
use crate::wait::{await_for, carry_out, wait_for};

/// Leaves data at a meeting point, for all who wait and all who come; of several the last counts.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_ECONFLICT` if there are no bytes, and as every
/// call of a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rendezvous_fill(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    data_ptr: *const c_void,
    data_len: usize,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string and bytes.
        let (at, data) = unsafe {
            (
                At::new(client, path, path_len, Rendezvous::new)?,
                data("data", data_ptr, data_len)?,
            )
        };
        carry_out(at.path, timeout_ms, at.recipe.fill(data.to_vec()))
    })
}

/// Leaves data at a meeting point for as long as the guard is held. Waits while another session's
/// data is there.
///
/// Blocks for at most `timeout_ms`; after an error nothing is left behind. Fails with
/// `LK_ETIMEDOUT`, `LK_ECONFLICT` if there are no bytes or a persistent znode is there, and as every
/// call of a client.
///
/// @param out  where the guard goes; the caller frees it with `lk_guard_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rendezvous_occupy(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    data_ptr: *const c_void,
    data_len: usize,
    timeout_ms: i64,
    out: *mut *mut lk_guard_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, bytes, and room for the result.
        let (out, at, data) = unsafe {
            (
                Out::new(out)?,
                At::new(client, path, path_len, Rendezvous::new)?,
                data("data", data_ptr, data_len)?,
            )
        };
        let guard = wait_for(at.path, timeout_ms, at.recipe.occupy(data.to_vec()))?;
        out.give(lk_guard_t::new(Held::Lock(guard), at.session));
        Ok(())
    })
}

/// Waits until something stands at a meeting point. A znode without data does not count.
///
/// Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT` and as every
/// call of a client.
///
/// @param out  where data and metadata go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rendezvous_wait(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, at) = unsafe {
            (
                Out::new(out)?,
                At::new(client, path, path_len, Rendezvous::new)?,
            )
        };
        out.give(wait_for(at.path, timeout_ms, at.recipe.filled())?.into());
        Ok(())
    })
}

/// As `lk_rendezvous_wait`, without waiting: `found` is told the end.
///
/// Never blocks. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`, `LK_EFORKED`; then `found` is not
/// called.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rendezvous_wait_async(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    found: lk_result_fn,
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
                At::new(client, path, path_len, Rendezvous::new)?,
            )
        };
        let point = at.recipe;
        let filled = async move { point.filled().await.map(lk_result_t::from) };
        let filled = await_for(at.path, timeout_ms, filled);
        start_result(at.session, user, found, filled, call)
    })
}

/// Waits until what was met is not there any more, also if something else has taken its place.
///
/// Blocks for at most `timeout_ms`, through broken links. Fails with `LK_ETIMEDOUT` and as every
/// call of a client.
///
/// @param met  what `lk_rendezvous_wait` gave
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rendezvous_vacated(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    met: *const lk_result_t,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string and a result.
        let (at, met) = unsafe {
            (
                At::new(client, path, path_len, Rendezvous::new)?,
                borrow(met)?.stat()?,
            )
        };
        wait_for(at.path, timeout_ms, at.recipe.vacated(&met))
    })
}

/// As `lk_rendezvous_vacated`, without waiting: `done` is told the end.
///
/// Never blocks, and copies what it needs of `met`. Fails with `LK_BADARGUMENTS`, `LK_EINVAL`,
/// `LK_EFORKED`; then `done` is not called.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_rendezvous_vacated_async(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    met: *const lk_result_t,
    timeout_ms: i64,
    done: lk_done_fn,
    user: *mut c_void,
    drop: lk_drop_fn,
    call: *mut *mut lk_call_t,
) -> lk_status_t {
    let user = User::new(user, drop);
    entry(|| {
        // SAFETY: the header asks for NULL or room for the call, a client, a string and a result.
        let (call, at, met) = unsafe {
            (
                Out::wanted(call),
                At::new(client, path, path_len, Rendezvous::new)?,
                borrow(met)?.stat()?,
            )
        };
        let point = at.recipe;
        let gone = async move { point.vacated(&met).await };
        let gone = await_for(at.path, timeout_ms, gone);
        start_done(at.session, user, done, gone, call)
    })
}
