//! A value and a number that several processes share.

use bytes::Bytes;
use futures::stream;
use lockkeeper::Client;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::convert::data;
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::recipes::changes::Changes;
use crate::session::Session;
use crate::value::value;

/// Bytes at a path.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct SharedValue(Recipe<(Client, lockkeeper_recipes::SharedValue)>);

#[pymethods]
impl SharedValue {
    #[new]
    fn new(session: &Session, path: &str) -> Result<Self, Failure> {
        let client = session.client()?.clone();
        let shared = lockkeeper_recipes::SharedValue::new(&client, path)?;
        Ok(Self(Recipe::new((client, shared), path)))
    }

    /// The pending value is a `Versioned`, or `None` if the znode is missing.
    fn get(&self) -> Result<Pending, Failure> {
        self.0.call("get", |(_, shared)| async move {
            let state = shared.get().await?;
            Ok::<_, Failure>(state.map(Versioned::bytes))
        })
    }

    /// The pending value is a `Versioned`.
    fn set(&self, bytes: &[u8]) -> Result<Pending, Failure> {
        let data = data(bytes);
        self.0.call("set", |(_, shared)| async move {
            shared.set(data).await.map(Versioned::bytes)
        })
    }

    /// The pending value is a `Versioned`.
    fn try_set(
        &self,
        previous: Option<Bound<'_, Versioned>>,
        bytes: &[u8],
    ) -> Result<Pending, Failure> {
        let previous = previous.map(|previous| previous.get().0.clone());
        let data = data(bytes);
        self.0.call("try_set", |(_, shared)| async move {
            let set = match &previous {
                Some(State::Bytes(previous)) => shared.try_set(Some(previous), data).await,
                Some(State::Count(previous)) => shared.try_set(Some(previous), data).await,
                None => shared.try_set::<Bytes>(None, data).await,
            };
            set.map(Versioned::bytes)
        })
    }

    /// Each is a `Versioned`, or `None` while the znode is missing.
    fn changes(&self) -> Result<Changes, Failure> {
        let (client, shared) = self.0.handle()?;
        let states = stream::unfold(shared.changes(), async |mut values| {
            let next = values.next().await;
            let state = next.map(|state| value(state.map(Versioned::bytes)));
            Some((state.map_err(Failure::from), values))
        });
        Ok(Changes::new(self.0.context("changes"), client, states))
    }
}

/// A number of 32 bits at a path.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct SharedCount(Recipe<(Client, lockkeeper_recipes::SharedCount)>);

impl SharedCount {
    pub(crate) fn shared(&self) -> Result<lockkeeper_recipes::SharedCount, Failure> {
        Ok(self.0.handle()?.1.clone())
    }
}

#[pymethods]
impl SharedCount {
    #[new]
    fn new(session: &Session, path: &str) -> Result<Self, Failure> {
        let client = session.client()?.clone();
        let shared = lockkeeper_recipes::SharedCount::new(&client, path)?;
        Ok(Self(Recipe::new((client, shared), path)))
    }

    /// The pending value is a `Versioned`, or `None` if the znode is missing.
    fn get(&self) -> Result<Pending, Failure> {
        self.0.call("get", |(_, shared)| async move {
            let state = shared.get().await?;
            Ok::<_, Failure>(state.map(Versioned::count))
        })
    }

    /// The pending value is a `Versioned`.
    fn set(&self, number: i32) -> Result<Pending, Failure> {
        self.0.call("set", |(_, shared)| async move {
            shared.set(number).await.map(Versioned::count)
        })
    }

    /// The pending value is a `Versioned`.
    fn try_set(
        &self,
        previous: Option<Bound<'_, Versioned>>,
        number: i32,
    ) -> Result<Pending, Failure> {
        let previous = match previous.as_ref().map(|previous| &previous.get().0) {
            Some(State::Count(previous)) => Some(previous.clone()),
            Some(State::Bytes(_)) => {
                let text = "previous must be a state of a shared count, not of a shared value";
                return Err(Failure::Argument(text.into()));
            }
            None => None,
        };
        self.0.call("try_set", |(_, shared)| async move {
            let set = shared.try_set(previous.as_ref(), number).await;
            set.map(Versioned::count)
        })
    }

    /// Each is a `Versioned`, or `None` while the znode is missing.
    fn changes(&self) -> Result<Changes, Failure> {
        let (client, shared) = self.0.handle()?;
        let states = stream::unfold(shared.changes(), async |mut counts| {
            let next = counts.next().await;
            let state = next.map(|state| value(state.map(Versioned::count)));
            Some((state.map_err(Failure::from), counts))
        });
        Ok(Changes::new(self.0.context("changes"), client, states))
    }
}

/// A state of a shared value or of a shared count.
#[pyclass(frozen, eq, module = "lockkeeper")]
#[derive(Clone, PartialEq)]
pub(crate) struct Versioned(State);

#[derive(Clone, PartialEq)]
enum State {
    Bytes(lockkeeper_recipes::Versioned<Bytes>),
    Count(lockkeeper_recipes::Versioned<i32>),
}

impl Versioned {
    fn bytes(state: lockkeeper_recipes::Versioned<Bytes>) -> Self {
        Self(State::Bytes(state))
    }

    fn count(state: lockkeeper_recipes::Versioned<i32>) -> Self {
        Self(State::Count(state))
    }
}

#[pymethods]
impl Versioned {
    #[getter]
    fn value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.0 {
            State::Bytes(state) => (&state.value).into_py_any(py),
            State::Count(state) => state.value.into_py_any(py),
        }
    }

    #[getter]
    fn revision(&self) -> i64 {
        match &self.0 {
            State::Bytes(state) => state.revision.0,
            State::Count(state) => state.revision.0,
        }
    }

    #[getter]
    fn version(&self) -> i32 {
        match &self.0 {
            State::Bytes(state) => state.version,
            State::Count(state) => state.version,
        }
    }

    /// Only annotations ask for it.
    #[classmethod]
    #[pyo3(signature = (of, /))]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        of: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let alias = class.py().import("types")?.getattr("GenericAlias")?;
        alias.call1((class, of))
    }

    fn __repr__(&self) -> String {
        let value = match &self.0 {
            State::Bytes(state) => format!("{} bytes", state.value.len()),
            State::Count(state) => state.value.to_string(),
        };
        let (revision, version) = (self.revision(), self.version());
        format!("Versioned(value={value}, revision={revision:#x}, version={version})")
    }
}
