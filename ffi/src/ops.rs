//! The operations on znodes, each a blocking call with a deadline.

use std::ffi::{c_char, c_void};

use client::{CreateMode, ErrorCode};

use crate::connection::lk_client_t;
use crate::error::{Fault, entry};
use crate::handle::{Out, borrow};
use crate::result::lk_result_t;
use crate::status::{LK_NONODE, lk_status_t};
use crate::text::{data, text};

/// The kind of znode that is created.
pub type lk_create_mode_t = i32;

/// Stays until it is deleted.
pub const LK_PERSISTENT: lk_create_mode_t = 0;
/// Goes with its session; has no children.
pub const LK_EPHEMERAL: lk_create_mode_t = 1;
/// Persistent, with a number of ten digits appended to its name.
pub const LK_PERSISTENT_SEQUENTIAL: lk_create_mode_t = 2;
/// Ephemeral, with a number of ten digits appended to its name.
pub const LK_EPHEMERAL_SEQUENTIAL: lk_create_mode_t = 3;
/// Removed by the server some time after its last child.
pub const LK_CONTAINER: lk_create_mode_t = 4;

/// As a version: whatever it is.
pub const LK_ANY_VERSION: i32 = -1;

/// Creates a znode that everybody may read and write.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_NONODE` (no parent), `LK_NODEEXISTS`,
/// `LK_NOCHILDRENFOREPHEMERALS`, `LK_NOAUTH`, `LK_QUOTAEXCEEDED`, and as every call of a client.
///
/// @param data  NULL with a length of 0 for no data
/// @param mode  one of `LK_PERSISTENT` and those behind it
/// @param out   where path and metadata go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_create(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    data_ptr: *const c_void,
    data_len: usize,
    mode: lk_create_mode_t,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, bytes, and room for the result.
        let (out, client, path, data) = unsafe {
            (
                Out::new(out)?,
                borrow(client)?,
                text("path", path, path_len)?,
                data("data", data_ptr, data_len)?,
            )
        };
        let mode = CreateMode::try_from(mode)
            .ok()
            .filter(|mode| !mode.is_ttl())
            .ok_or_else(|| Fault::invalid(format!("no create mode has the number {mode}")))?;
        let data = data.to_vec();
        let created = client.call(path, timeout_ms, |client| client.create(path, data, mode))?;
        out.give(created.into());
        Ok(())
    })
}

/// Reads a znode's data and metadata.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_NOAUTH`, and as every call of a
/// client.
///
/// @param out  where data and metadata go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_get(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, client, path) = unsafe {
            (
                Out::new(out)?,
                borrow(client)?,
                text("path", path, path_len)?,
            )
        };
        let znode = client.call(path, timeout_ms, |client| client.get(path))?;
        out.give(znode.into());
        Ok(())
    })
}

/// Sets a znode's data.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_BADVERSION`, `LK_NOAUTH`,
/// `LK_QUOTAEXCEEDED`, and as every call of a client.
///
/// @param data     NULL with a length of 0 for no data
/// @param version  the version that the data must have, or `LK_ANY_VERSION`
/// @param out      where the new metadata goes, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_set(
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
        // SAFETY: the header asks for a client, bytes, and room for the result.
        let (out, client, path, data) = unsafe {
            (
                Out::new(out)?,
                borrow(client)?,
                text("path", path, path_len)?,
                data("data", data_ptr, data_len)?,
            )
        };
        let (data, version) = (data.to_vec(), expected(version)?);
        let stat = client.call(path, timeout_ms, |client| client.set(path, data, version))?;
        out.give(stat.into());
        Ok(())
    })
}

/// Deletes a znode that has no children.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_BADVERSION`, `LK_NOTEMPTY`,
/// `LK_NOAUTH`, and as every call of a client.
///
/// @param version  the version that the data must have, or `LK_ANY_VERSION`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_delete(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    version: i32,
    timeout_ms: i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client and a string.
        let (client, path) = unsafe { (borrow(client)?, text("path", path, path_len)?) };
        let version = expected(version)?;
        client.call(path, timeout_ms, |client| client.delete(path, version))
    })
}

/// Whether there is a znode at a path, and its metadata: `LK_NONODE` if there is none.
///
/// Blocks for at most `timeout_ms`. Fails as every call of a client.
///
/// @param out  where the metadata goes, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_exists(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, client, path) = unsafe {
            (
                Out::new(out)?,
                borrow(client)?,
                text("path", path, path_len)?,
            )
        };
        let found = client.call(path, timeout_ms, |client| client.exists(path))?;
        let stat =
            found.ok_or_else(|| Fault::new(LK_NONODE, ErrorCode::NO_NODE.text()).at(path))?;
        out.give(stat.into());
        Ok(())
    })
}

/// Lists the names of a znode's children, in no order.
///
/// Blocks for at most `timeout_ms`. Fails with `LK_NONODE`, `LK_NOAUTH`, and as every call of a
/// client.
///
/// @param out  where the names go, to be freed with `lk_result_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_children(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    timeout_ms: i64,
    out: *mut *mut lk_result_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, and room for the result.
        let (out, client, path) = unsafe {
            (
                Out::new(out)?,
                borrow(client)?,
                text("path", path, path_len)?,
            )
        };
        let names = client.call(path, timeout_ms, |client| client.children(path))?;
        out.give(names.into());
        Ok(())
    })
}

fn expected(version: i32) -> Result<Option<i32>, Fault> {
    match version {
        LK_ANY_VERSION => Ok(None),
        0.. => Ok(Some(version)),
        _ => Err(Fault::invalid(format!("no version is {version}"))),
    }
}
