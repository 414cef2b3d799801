//! What several processes share: a value, or a number.

use std::ffi::{c_char, c_void};

use client::{ErrorCode, Zxid};
use futures::FutureExt;
use lockkeeper_recipes::{SharedCount, SharedValue, Versioned};

use crate::at::At;
use crate::call::{lk_call_t, looks, start_each, wanted};
use crate::callback::{User, lk_drop_fn};
use crate::connection::lk_client_t;
use crate::error::{Fault, entry, lk_error_t, show};
use crate::handle::{Out, put, put_if_wanted};
use crate::ops::LK_ANY_VERSION;
use crate::result::{LK_NO_VERSION, lk_result_fn, lk_result_t, tell_result};
use crate::status::{LK_NONODE, lk_status_t};
use crate::text::data;
use crate::wait::{carry_out, wait_for};

/// A state of a shared count. Its fields do not change within a major version.
#[repr(C)]
pub struct lk_count_t {
    /// The zxid of the write that made it: larger means later.
    pub revision: i64,
    /// The number.
    pub value: i32,
    /// The version that `lk_count_set` compares.
    pub version: i32,
}

impl From<Versioned<i32>> for lk_count_t {
    fn from(count: Versioned<i32>) -> Self {
        Self {
            revision: count.revision.0,
            value: count.value,
            version: count.version,
        }
    }
}

/// The value at a path, as this client's server has it, which may lag: what Curator calls
/// `SharedValue`.
///
/// Blocks for at most `timeout_ms`, through broken links. Fails with `LK_NONODE` if there is none,
/// `LK_ETIMEDOUT`, and as every call of a client.
///
/// @param out  where data, revision and version go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_value_get(
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
                At::new(client, path, path_len, SharedValue::new)?,
            )
        };
        let value = wait_for(at.path, timeout_ms, at.recipe.get())?;
        out.give(value.ok_or_else(|| missing(at.path))?.into());
        Ok(())
    })
}

/// Replaces the value at a path, or makes it.
///
/// Blocks for at most `timeout_ms`. It is sent once: if `maybe_applied` is set, the value may be the
/// new one, or may have been for a while. Fails with `LK_ECHANGED` if the version is another one,
/// and as every call of a client.
///
/// @param data     NULL with a length of 0 for no bytes
/// @param version  the version that is replaced, `LK_NO_VERSION`, or `LK_ANY_VERSION`
/// @param out      where the new state goes, to be freed with `lk_result_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_value_set(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    data_ptr: *const c_void,
    data_len: usize,
    version: i32,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for NULL or room for the result, a client, a string and bytes.
        let (out, at, data) = unsafe {
            (
                Out::wanted(out),
                At::new(client, path, path_len, SharedValue::new)?,
                data("data", data_ptr, data_len)?.to_vec(),
            )
        };
        let set = async {
            match previous(version)? {
                Previous::Any => Ok(at.recipe.set(data).await?),
                Previous::This(known) => Ok(at.recipe.try_set(known.as_ref(), data).await?),
            }
        };
        let state = carry_out::<_, Fault>(at.path, timeout_ms, set)?;
        if let Some(out) = out {
            out.give(state.into());
        }
        Ok(())
    })
}

/// Asks to be told of the value at a path: of the present state, and then of each new one, of which
/// those in between may be left out. While there is none the error is `LK_NONODE`; another error is
/// the last call.
///
/// Never blocks. `drop` runs exactly once: when the call is given up, when the session is over, or
/// when the client's last object is freed; and if this call fails, before it returns. Fails with
/// `LK_BADARGUMENTS`, `LK_EINVAL`, `LK_EFORKED`.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_value_watch(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    changed: lk_result_fn,
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
                At::new(client, path, path_len, SharedValue::new)?,
            )
        };
        let changed = wanted(changed)?;
        let states = looks(at.recipe.changes(), |states| states.next().boxed());
        let path = at.path.to_owned();
        let started = start_each(at.session, user, states, move |user, state| {
            let state = state.and_then(|state| state.ok_or_else(|| missing(&path)));
            let state = state.map(lk_result_t::from);
            tell_result(user, changed, state.as_ref().err(), state.as_ref().ok());
        });
        started.hand_to(call);
        Ok(())
    })
}

/// The number at a path, as this client's server has it, which may lag: four bytes, the highest
/// first, as Curator's `SharedCount` has it.
///
/// Blocks for at most `timeout_ms`, through broken links. Fails with `LK_NONODE` if there is none,
/// `LK_ECONFLICT` if the data is no such number, `LK_ETIMEDOUT`, and as every call of a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_count_get(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    out: *mut lk_count_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { At::new(client, path, path_len, SharedCount::new)? };
        let count = wait_for(at.path, timeout_ms, at.recipe.get())?;
        let count = count.ok_or_else(|| missing(at.path))?;
        // SAFETY: the header asks for room for the result.
        unsafe { put(out, count.into()) }
    })
}

/// Replaces the number at a path, or makes it. As `lk_value_set`.
///
/// @param version  the version that is replaced, `LK_NO_VERSION`, or `LK_ANY_VERSION`
/// @param out      where the new state goes, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_count_set(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    value: i32,
    version: i32,
    timeout_ms: i64,
    out: *mut lk_count_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let at = unsafe { At::new(client, path, path_len, SharedCount::new)? };
        let set = async {
            match previous(version)? {
                Previous::Any => Ok(at.recipe.set(value).await?),
                Previous::This(known) => Ok(at.recipe.try_set(known.as_ref(), value).await?),
            }
        };
        let state = carry_out::<_, Fault>(at.path, timeout_ms, set)?;
        // SAFETY: the header asks for NULL or room for the result.
        unsafe { put_if_wanted(out, state.into()) };
        Ok(())
    })
}

/// Told a state of a shared count. Runs as every callback; see "Callbacks" above.
///
/// @param error  never NULL, valid until the function returns; its code is `LK_OK` for a count
/// @param count  valid until the function returns; NULL if there is none
pub type lk_count_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, error: *const lk_error_t, count: *const lk_count_t),
>;

/// As `lk_value_watch`, for a number; data that is no number is told as `LK_ECONFLICT`, and is not
/// the last call.
///
/// @param user  handed to both functions
/// @param drop  frees `user`; or NULL
/// @param call  where the call goes, to be freed with `lk_call_free`; or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_count_watch(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    changed: lk_count_fn,
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
                At::new(client, path, path_len, SharedCount::new)?,
            )
        };
        let changed = wanted(changed)?;
        let states = looks(at.recipe.changes(), |states| states.next().boxed());
        let path = at.path.to_owned();
        let started = start_each(at.session, user, states, move |user, state| {
            let state = state.and_then(|state| state.ok_or_else(|| missing(&path)));
            show(state.map(lk_count_t::from), |error, count| {
                let count = count.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
                // SAFETY: the function is the caller's, made for this pointer, and the header says
                // where it runs.
                unsafe { changed(user.ptr, error, count) };
            });
        });
        started.hand_to(call);
        Ok(())
    })
}

/// What is to be replaced.
enum Previous {
    Any,
    This(Option<Versioned<i32>>),
}

fn previous(version: i32) -> Result<Previous, Fault> {
    match version {
        LK_ANY_VERSION => Ok(Previous::Any),
        LK_NO_VERSION => Ok(Previous::This(None)),
        0.. => Ok(Previous::This(Some(Versioned {
            value: 0,
            revision: Zxid(0),
            version,
        }))),
        _ => Err(Fault::invalid(format!("no version is {version}"))),
    }
}

fn missing(path: &str) -> Fault {
    Fault::new(LK_NONODE, ErrorCode::NO_NODE.text()).at(path)
}
