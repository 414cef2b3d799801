//! What the operations give: one kind of object with a part for each question.

use std::ffi::c_void;
use std::ptr;

use bytes::Bytes;
use client::{Created, Stat, Znode};
use lockkeeper_recipes::{Filled, Keys, Revision, Versioned};

use crate::call::{lk_call_t, start, wanted};
use crate::callback::User;
use crate::error::{Fault, entry, entry_or, lk_error_t, show_error};
use crate::handle::{Maker, Object, Out, borrow, put, take};
use crate::member::{Somebody, lk_member_t};
use crate::session::Session;
use crate::status::lk_status_t;
use crate::text::{Text, lk_bytes_t, lk_str_t};

/// As a version: none; for a write, that there is to be nothing yet.
pub const LK_NO_VERSION: i32 = -2;

/// What an operation found or made. Belongs to whoever received it; one thread at a time may use
/// it, it may wander, and it may be used on both sides of a fork.
#[derive(Clone)]
pub struct lk_result_t {
    path: Option<Text>,
    data: Option<Box<[u8]>>,
    stat: Option<Stat>,
    /// Revision and version, where there is no stat.
    made: Option<(i64, i32)>,
    children: Vec<Text>,
    /// Of the children, where they are keys.
    values: Vec<Box<[u8]>>,
    members: Vec<Somebody>,
}

/// A znode's metadata, as ZooKeeper's `Stat`. Its fields do not change within a major version.
#[repr(C)]
pub struct lk_stat_t {
    /// Transaction that created the znode.
    pub czxid: i64,
    /// Transaction that last set its data.
    pub mzxid: i64,
    /// When it was created, ms since 1970 on the leader's clock.
    pub ctime: i64,
    /// When its data was last set, ms since 1970 on the leader's clock.
    pub mtime: i64,
    /// How often the data was set.
    pub version: i32,
    /// How many children were created or deleted.
    pub cversion: i32,
    /// How often the ACL was set.
    pub aversion: i32,
    /// Bytes of data.
    pub data_length: i32,
    /// The session an ephemeral belongs to, else 0.
    pub ephemeral_owner: i64,
    /// Transaction that last created or deleted a child.
    pub pzxid: i64,
    /// Children now.
    pub num_children: i32,
}

impl Object for lk_result_t {
    const NAME: &'static str = "result";

    fn maker(&self) -> Option<Maker> {
        None
    }
}

/// Told what was found. Runs as every callback; see "Callbacks" above.
///
/// @param error   never NULL, valid until the function returns; its code is `LK_OK` for a result
/// @param result  valid until the function returns; NULL if there is none
pub type lk_result_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, error: *const lk_error_t, result: *const lk_result_t),
>;

/// The same, when it is known to be there.
type ResultFn = unsafe extern "C" fn(*mut c_void, *const lk_error_t, *const lk_result_t);

/// Starts an operation that gives a result.
pub(crate) fn start_result(
    session: &Session,
    user: User,
    found: lk_result_fn,
    operation: impl Future<Output = Result<lk_result_t, Fault>> + Send + 'static,
    call: Option<Out<lk_call_t>>,
) -> Result<(), Fault> {
    let found = wanted(found)?;
    start(session, user, operation, call, move |user, end| {
        tell_result(user, found, end.as_ref().err(), end.as_ref().ok());
    });
    Ok(())
}

/// Calls a function with a result.
pub(crate) fn tell_result(
    user: &User,
    found: ResultFn,
    fault: Option<&Fault>,
    result: Option<&lk_result_t>,
) {
    let result = result.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the function is the caller's, made for this pointer, and the header says where it
    // runs.
    show_error(fault, |error| unsafe { found(user.ptr, error, result) });
}

impl lk_result_t {
    pub(crate) fn of_members<T: Into<Somebody>>(members: Vec<T>) -> Self {
        Self {
            members: members.into_iter().map(Into::into).collect(),
            ..EMPTY
        }
    }

    pub(crate) fn stat(&self) -> Result<Stat, Fault> {
        self.stat
            .ok_or_else(|| Fault::invalid("result has no metadata"))
    }
}

const EMPTY: lk_result_t = lk_result_t {
    path: None,
    data: None,
    stat: None,
    made: None,
    children: Vec::new(),
    values: Vec::new(),
    members: Vec::new(),
};

impl From<Created> for lk_result_t {
    fn from(created: Created) -> Self {
        Self {
            path: Some(created.path.as_str().into()),
            stat: Some(created.stat),
            ..EMPTY
        }
    }
}

impl From<Znode> for lk_result_t {
    fn from(znode: Znode) -> Self {
        Self {
            data: znode.data.map(|data| (&*data).into()),
            stat: Some(znode.stat),
            ..EMPTY
        }
    }
}

impl From<Filled> for lk_result_t {
    fn from(filled: Filled) -> Self {
        Self {
            data: Some((&*filled.data).into()),
            stat: Some(filled.stat),
            ..EMPTY
        }
    }
}

impl From<Versioned<Bytes>> for lk_result_t {
    fn from(state: Versioned<Bytes>) -> Self {
        Self {
            data: Some((&*state.value).into()),
            made: Some((state.revision.0, state.version)),
            ..EMPTY
        }
    }
}

impl From<&Revision<Bytes>> for lk_result_t {
    fn from(revision: &Revision<Bytes>) -> Self {
        Self {
            data: Some((&*revision.value).into()),
            made: Some((revision.revision.0, LK_NO_VERSION)),
            ..EMPTY
        }
    }
}

impl From<&Revision<Keys>> for lk_result_t {
    fn from(revision: &Revision<Keys>) -> Self {
        let keys = &revision.value;
        Self {
            made: Some((revision.revision.0, LK_NO_VERSION)),
            children: keys.keys().map(|name| name.as_str().into()).collect(),
            values: keys.values().map(|value| (&**value).into()).collect(),
            ..EMPTY
        }
    }
}

impl From<Stat> for lk_result_t {
    fn from(stat: Stat) -> Self {
        Self {
            stat: Some(stat),
            ..EMPTY
        }
    }
}

impl From<Vec<String>> for lk_result_t {
    fn from(children: Vec<String>) -> Self {
        Self {
            children: children.iter().map(|name| name.as_str().into()).collect(),
            ..EMPTY
        }
    }
}

impl From<Stat> for lk_stat_t {
    fn from(stat: Stat) -> Self {
        Self {
            czxid: stat.czxid.0,
            mzxid: stat.mzxid.0,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            data_length: stat.data_length,
            ephemeral_owner: stat.ephemeral_owner.0,
            pzxid: stat.pzxid.0,
            num_children: stat.num_children,
        }
    }
}

/// The path of a znode that was created, with its number if it has one; empty for the results of
/// other operations and for NULL. Never blocks. Belongs to the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_path(result: *const lk_result_t) -> lk_str_t {
    entry_or(lk_str_t::EMPTY, || {
        // SAFETY: the header asks for NULL or a result.
        let Ok(result) = (unsafe { borrow(result) }) else {
            return lk_str_t::EMPTY;
        };
        result.path.as_ref().map_or(lk_str_t::EMPTY, Text::view)
    })
}

/// The data of a znode that was read; NULL if it is null, and for the results of other operations
/// and for NULL. Never blocks. Belongs to the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_data(result: *const lk_result_t) -> lk_bytes_t {
    entry_or(lk_bytes_t::NULL, || {
        // SAFETY: the header asks for NULL or a result.
        let Ok(result) = (unsafe { borrow(result) }) else {
            return lk_bytes_t::NULL;
        };
        result
            .data
            .as_deref()
            .map_or(lk_bytes_t::NULL, lk_bytes_t::of)
    })
}

/// The metadata of a znode that was created, read, set or found. Never blocks. Fails with
/// `LK_EINVAL`, also for a list of children, which has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_stat(
    result: *const lk_result_t,
    out: *mut lk_stat_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a result.
        let result = unsafe { borrow(result)? };
        // SAFETY: the header asks for room for a stat.
        unsafe { put(out, result.stat()?.into()) }
    })
}

/// The zxid of the write that made what was read or set: larger means later. 0 for the results of
/// other operations and for NULL. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_revision(result: *const lk_result_t) -> i64 {
    // SAFETY: the header asks for NULL or a result.
    made(unsafe { borrow(result) }).0
}

/// The version of the data that was read or set, to be compared by the next write; `LK_NO_VERSION`
/// for a configuration, the results of other operations and NULL. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_version(result: *const lk_result_t) -> i32 {
    // SAFETY: the header asks for NULL or a result.
    made(unsafe { borrow(result) }).1
}

fn made(result: Result<&lk_result_t, Fault>) -> (i64, i32) {
    let made = result.ok().and_then(|result| {
        let of_stat = || result.stat.map(|stat| (stat.mzxid.0, stat.version));
        result.made.or_else(of_stat)
    });
    made.unwrap_or((0, LK_NO_VERSION))
}

/// How many children were listed, or keys; 0 for the results of other operations and for NULL. Never
/// blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_children_len(result: *const lk_result_t) -> usize {
    entry_or(0, || {
        // SAFETY: the header asks for NULL or a result.
        let Ok(result) = (unsafe { borrow(result) }) else {
            return 0;
        };
        result.children.len()
    })
}

/// The name of a child, without slashes, in no order, or of a key; empty beyond the last. Never
/// blocks. Belongs to the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_child(result: *const lk_result_t, index: usize) -> lk_str_t {
    entry_or(lk_str_t::EMPTY, || {
        // SAFETY: the header asks for NULL or a result.
        let Ok(result) = (unsafe { borrow(result) }) else {
            return lk_str_t::EMPTY;
        };
        result
            .children
            .get(index)
            .map_or(lk_str_t::EMPTY, Text::view)
    })
}

/// The value of a key of a configuration; NULL for other children, beyond the last and for NULL. Never
/// blocks. Belongs to the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_value(result: *const lk_result_t, index: usize) -> lk_bytes_t {
    entry_or(lk_bytes_t::NULL, || {
        // SAFETY: the header asks for NULL or a result.
        let Ok(result) = (unsafe { borrow(result) }) else {
            return lk_bytes_t::NULL;
        };
        let value = result.values.get(index);
        value.map_or(lk_bytes_t::NULL, |value| lk_bytes_t::of(value))
    })
}

/// How many members of a group were listed, or candidates; 0 for the results of other operations and
/// for NULL. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_members_len(result: *const lk_result_t) -> usize {
    entry_or(0, || {
        // SAFETY: the header asks for NULL or a result.
        unsafe { borrow(result) }.map_or(0, |result| result.members.len())
    })
}

/// A member of a group, or a candidate. Never blocks. Fails with `LK_EINVAL`, also beyond the last.
///
/// @param out  where it goes; what it points to belongs to the result
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_member(
    result: *const lk_result_t,
    index: usize,
    out: *mut lk_member_t,
) -> lk_status_t {
    entry(|| {
        // SAFETY: the header asks for a result.
        let result = unsafe { borrow(result)? };
        let member = result.members.get(index);
        let member =
            member.ok_or_else(|| Fault::invalid(format!("result has no member {index}")))?;
        // SAFETY: the header asks for room for a member.
        unsafe { put(out, member.view()) }
    })
}

/// Frees a result and all that was asked of it; NULL is allowed. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_free(result: *mut lk_result_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a result that nobody uses any more.
        drop(unsafe { take(result) });
    });
}
