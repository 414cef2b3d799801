//! Results as they come from the client, made into Python objects only once attached.

use lockkeeper::{Client, Stat, Znode};
use lockkeeper_recipes::{Guard, GuardState, Holder};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::lock::{Hold, state_word};
use crate::session::Session;
use crate::stat;

/// The result of an operation.
pub(crate) enum Value {
    Count(usize),
    Data(Znode),
    Grant(Option<Guard>),
    Holders(Vec<Holder>),
    MaybeStat(Option<Stat>),
    Names(Vec<String>),
    Nothing,
    Open(Client),
    State(Option<GuardState>),
    Stat(Stat),
    Text(String),
}

impl Value {
    pub(crate) fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Count(count) => count.into_py_any(py),
            Self::Data(znode) => {
                let data = PyBytes::new(py, znode.bytes());
                (data, stat::Stat::from(znode.stat)).into_py_any(py)
            }
            Self::Grant(guard) => guard.map(Hold::new).into_py_any(py),
            Self::Holders(holders) => {
                let holders = holders.into_iter().map(stat::Holder::from);
                holders.collect::<Vec<_>>().into_py_any(py)
            }
            Self::MaybeStat(stat) => stat.map(stat::Stat::from).into_py_any(py),
            Self::Names(names) => PyList::new(py, names)?.into_py_any(py),
            Self::Nothing => Ok(py.None()),
            Self::Open(client) => Session::new(client).into_py_any(py),
            Self::State(state) => state.map(state_word).into_py_any(py),
            Self::Stat(stat) => stat::Stat::from(stat).into_py_any(py),
            Self::Text(text) => text.into_py_any(py),
        }
    }
}
