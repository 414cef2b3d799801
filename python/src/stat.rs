//! Metadata and holders as frozen Python objects.

use lockkeeper_recipes::{Fence, Holder as RecipeHolder};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

/// A znode's metadata at one moment.
#[pyclass(frozen, eq, hash, get_all, module = "lockkeeper")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stat {
    /// Transaction that created the znode.
    czxid: i64,
    /// Transaction that last set its data.
    mzxid: i64,
    /// Leader's clock at creation, ms since 1970.
    ctime: i64,
    /// Leader's clock when the data was last set, ms since 1970.
    mtime: i64,
    /// Times the data was set.
    version: i32,
    /// Children created and deleted, each counted once.
    cversion: i32,
    /// Times the ACL was set.
    aversion: i32,
    /// The session an ephemeral belongs to; 0 for every other kind.
    ephemeral_owner: i64,
    /// Bytes of data.
    data_length: i32,
    /// Children now.
    num_children: i32,
    /// Transaction that last created or deleted a child, or the znode itself.
    pzxid: i64,
}

impl From<lockkeeper::Stat> for Stat {
    fn from(stat: lockkeeper::Stat) -> Self {
        Self {
            czxid: stat.czxid.0,
            mzxid: stat.mzxid.0,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            ephemeral_owner: stat.ephemeral_owner.0,
            data_length: stat.data_length,
            num_children: stat.num_children,
            pzxid: stat.pzxid.0,
        }
    }
}

#[pymethods]
impl Stat {
    /// When the znode was created, as a `datetime` in UTC.
    #[getter]
    fn created<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        utc(py, self.ctime)
    }

    /// When its data was last set, as a `datetime` in UTC.
    #[getter]
    fn modified<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        utc(py, self.mtime)
    }

    fn __repr__(&self) -> String {
        format!(
            "Stat(czxid={:#x}, mzxid={:#x}, ctime={}, mtime={}, version={}, cversion={}, \
             aversion={}, ephemeral_owner={:#x}, data_length={}, num_children={}, pzxid={:#x})",
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            self.cversion,
            self.aversion,
            self.ephemeral_owner,
            self.data_length,
            self.num_children,
            self.pzxid
        )
    }
}

/// Times before 1970 and after 9999 are what a broken clock makes: an error of Python's.
fn utc(py: Python<'_>, ms: i64) -> PyResult<Bound<'_, PyAny>> {
    let datetime = py.import("datetime")?;
    let utc = datetime.getattr("timezone")?.getattr("utc")?;
    let class = datetime.getattr("datetime")?;
    let class = class.cast::<PyType>()?;
    let start = class.call_method1("fromtimestamp", (0, utc))?;
    let named = PyDict::new(py);
    named.set_item("milliseconds", ms)?;
    start.add(datetime.getattr("timedelta")?.call((), Some(&named))?)
}

/// Who holds a lock, as others see it.
#[pyclass(frozen, eq, hash, get_all, module = "lockkeeper")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Holder {
    /// Path of its znode.
    path: String,
    /// Its fence; `None` if it cannot be told.
    fence: Option<i64>,
    /// The session that holds.
    session_id: i64,
    /// When it queued, ms since 1970 on the leader's clock.
    queued_ms: i64,
    /// Its machine; `None` if another library wrote the data.
    host: Option<String>,
    /// Its process; `None` if another library wrote the data.
    pid: Option<u32>,
    /// What it calls itself; `None` if another library wrote the data.
    label: Option<String>,
}

impl From<RecipeHolder> for Holder {
    fn from(holder: RecipeHolder) -> Self {
        let identity = holder.identity;
        Self {
            path: holder.path,
            fence: holder.fence.map(Fence::get),
            session_id: holder.session.0,
            queued_ms: holder.queued_ms,
            pid: identity.as_ref().map(|identity| identity.pid),
            host: identity.as_ref().map(|identity| identity.host.clone()),
            label: identity.map(|identity| identity.label),
        }
    }
}

#[pymethods]
impl Holder {
    fn __repr__(&self) -> String {
        let Self {
            path,
            fence,
            session_id,
            host,
            pid,
            label,
            ..
        } = self;
        let text = |value: &Option<String>| match value {
            Some(value) => format!("{value:?}"),
            None => "None".to_owned(),
        };
        let number =
            |value: Option<i64>| value.map_or("None".to_owned(), |value| value.to_string());
        let (fence, pid) = (number(*fence), number(pid.map(i64::from)));
        format!(
            "Holder(path={path:?}, fence={fence}, session_id={session_id:#x}, host={}, pid={pid}, \
             label={})",
            text(host),
            text(label)
        )
    }
}
