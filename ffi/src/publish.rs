//! Configurations of several keys that are published as a whole.

use std::ffi::{c_char, c_void};
use std::slice;

use client::Client;
use lockkeeper_recipes::{ConfigSet, Keys, SetLayout};

use crate::at::At;
use crate::connection::lk_client_t;
use crate::error::{Fault, entry};
use crate::guard::lk_guard_t;
use crate::handle::{borrow, put_if_wanted};
use crate::status::lk_status_t;
use crate::text::{data, text};
use crate::wait::carry_out;

/// How the keys of a configuration lie. All users of a path must use the same.
pub type lk_keys_layout_t = i32;

/// Each publication in a directory of its own that never changes, and a pointer to one of them.
pub const LK_KEYS_VERSIONS: lk_keys_layout_t = 0;
/// The keys below the path, and `ready` beside them while they are whole. Published under a guard
/// only.
pub const LK_KEYS_READY: lk_keys_layout_t = 1;

/// A key of a configuration and its value. Its fields do not change within a major version.
#[repr(C)]
pub struct lk_key_t {
    /// One element of a path.
    pub name: *const c_char,
    /// Bytes of the name, or -1 for a NUL at its end.
    pub name_len: isize,
    /// The first byte of the value; NULL for none.
    pub value: *const c_void,
    /// How many bytes there are.
    pub value_len: usize,
}

/// Publishes several keys in place of all there were, as a whole: readers never see half of it,
/// whenever this process dies.
///
/// Blocks for at most `timeout_ms`. With a guard every write goes through only while it is held, and
/// its client does the writing; it must not be released meanwhile (`LK_EBUSY`). Fails with
/// `LK_ELOST` if the guard is lost, `LK_ECHANGED` if somebody else has published meanwhile,
/// `LK_ECONFLICT` if a key cannot be called that, there are more than 5,000, or the layout needs a
/// guard, `LK_ERELEASED`, and as every call of a client. Unless `maybe_applied` is set, readers see
/// nothing of what failed.
///
/// @param layout    one of `LK_KEYS_*`
/// @param keys      `keys_len` of them, each name once; NULL for none
/// @param guard     of a lock, of a leader; or NULL
/// @param revision  where the zxid goes that orders it, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_publish_keys(
    client: *const lk_client_t,
    path: *const c_char,
    path_len: isize,
    layout: lk_keys_layout_t,
    keys: *const lk_key_t,
    keys_len: usize,
    guard: *const lk_guard_t,
    timeout_ms: i64,
    revision: *mut i64,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a client, a string, and so many keys.
        let (at, keys) = unsafe {
            (
                At::new(client, path, path_len, |client, path| {
                    keys_at(client, path, layout)
                })?,
                keys_of(keys, keys_len)?,
            )
        };
        let held = match guard.is_null() {
            true => None,
            // SAFETY: the header asks for a guard.
            false => Some(unsafe { borrow(guard)? }.held.share()?),
        };
        let publish = at
            .recipe
            .publish(&keys, held.as_deref().map(|held| &**held));
        let zxid = carry_out(at.path, timeout_ms, publish)?;
        // SAFETY: the header asks for NULL or room for the result.
        unsafe { put_if_wanted(revision, zxid.0) };
        Ok(())
    })
}

pub(crate) fn keys_at(
    client: &Client,
    path: &str,
    layout: lk_keys_layout_t,
) -> Result<ConfigSet, Fault> {
    let layout = match layout {
        LK_KEYS_READY => SetLayout::Ready,
        LK_KEYS_VERSIONS => SetLayout::Versions,
        _ => return Err(Fault::invalid(format!("no layout has the number {layout}"))),
    };
    Ok(ConfigSet::new(client, path)?.layout(layout))
}

/// # Safety
///
/// `keys` is NULL or points to so many keys, whose names and values are as the header says.
unsafe fn keys_of(keys: *const lk_key_t, len: usize) -> Result<Keys, Fault> {
    let keys = match (keys.is_null(), len) {
        (true, 0) => &[],
        (true, _) => return Err(Fault::invalid("keys are NULL")),
        // SAFETY: the caller vouches for so many keys.
        (false, _) => unsafe { slice::from_raw_parts(keys, len) },
    };
    let mut map = Keys::new();
    for key in keys {
        // SAFETY: the caller vouches for names and values.
        let (name, value) = unsafe {
            (
                text("name of a key", key.name, key.name_len)?,
                data("value of a key", key.value, key.value_len)?,
            )
        };
        if map.insert(name.to_owned(), value.to_vec().into()).is_some() {
            return Err(Fault::invalid(format!("key {name:?} is there twice")));
        }
    }
    Ok(map)
}
