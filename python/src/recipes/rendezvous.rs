//! A meeting point, and what stands there.

use lockkeeper::Client;
use lockkeeper_recipes::RecipeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{data, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::hold::Hold;
use crate::recipes::{Recipe, within};
use crate::session::Session;
use crate::stat::Stat;
use crate::value::nothing;

/// A path that is handed out before anybody knows what will stand there.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Rendezvous(Recipe<(Client, lockkeeper_recipes::Rendezvous)>);

#[pymethods]
impl Rendezvous {
    #[new]
    fn new(session: &Session, path: &str) -> Result<Self, Failure> {
        let client = session.client()?.clone();
        let rendezvous = lockkeeper_recipes::Rendezvous::new(&client, path)?;
        Ok(Self(Recipe::new((client, rendezvous), path)))
    }

    fn fill(&self, bytes: &[u8]) -> Result<Pending, Failure> {
        let data = data(bytes);
        self.0.call("fill", |(_, rendezvous)| async move {
            rendezvous.fill(data).await.map(nothing)
        })
    }

    /// The pending value is a `Hold`.
    fn occupy(&self, bytes: &[u8], timeout: Option<f64>) -> Result<Pending, Failure> {
        let (data, limit) = (data(bytes), limit(timeout)?);
        self.0.call("occupy", |(client, rendezvous)| async move {
            let hold = within(
                &client,
                limit,
                RecipeError::TimedOut,
                rendezvous.occupy(data),
            )
            .await;
            hold.map(Hold::lock)
        })
    }

    /// The pending value is a `Filled`.
    fn filled(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("filled", |(_, rendezvous)| async move {
            rendezvous.filled_timeout(limit).await.map(Filled)
        })
    }

    fn vacated(&self, met: &Filled, timeout: Option<f64>) -> Result<Pending, Failure> {
        let (met, limit) = (met.0.stat, limit(timeout)?);
        self.0.call("vacated", |(client, rendezvous)| async move {
            let vacated = within(
                &client,
                limit,
                RecipeError::TimedOut,
                rendezvous.vacated(&met),
            )
            .await;
            vacated.map(nothing)
        })
    }
}

/// What stands at a meeting point.
#[pyclass(frozen, eq, module = "lockkeeper")]
#[derive(PartialEq)]
pub(crate) struct Filled(lockkeeper_recipes::Filled);

#[pymethods]
impl Filled {
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data)
    }

    #[getter]
    fn stat(&self) -> Stat {
        Stat::from(self.0.stat)
    }

    fn __repr__(&self) -> String {
        format!(
            "Filled(data={} bytes, version={})",
            self.0.data.len(),
            self.0.stat.version
        )
    }
}
