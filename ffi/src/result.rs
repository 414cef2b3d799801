//! What the operations give: one kind of object with a part for each question.

use client::{Created, Stat, Znode};

use crate::error::{Fault, entry, entry_or};
use crate::handle::{Maker, Object, borrow, put, take};
use crate::status::lk_status_t;
use crate::text::{Text, lk_bytes_t, lk_str_t};

/// What an operation found or made. Belongs to whoever received it; one thread at a time may use
/// it, it may wander, and it may be used on both sides of a fork.
pub struct lk_result_t {
    path: Option<Text>,
    data: Option<Box<[u8]>>,
    stat: Option<Stat>,
    children: Vec<Text>,
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

const EMPTY: lk_result_t = lk_result_t {
    path: None,
    data: None,
    stat: None,
    children: Vec::new(),
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
        let stat = result
            .stat
            .ok_or_else(|| Fault::invalid("result has no metadata"))?;
        // SAFETY: the header asks for room for a stat.
        unsafe { put(out, stat.into()) }
    })
}

/// How many children were listed; 0 for the results of other operations and for NULL. Never
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

/// The name of a child, without slashes, in no order; empty beyond the last. Never blocks. Belongs
/// to the result.
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

/// Frees a result and all that was asked of it; NULL is allowed. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lk_result_free(result: *mut lk_result_t) {
    entry_or((), || {
        // SAFETY: the header asks for NULL or a result that nobody uses any more.
        drop(unsafe { take(result) });
    });
}
