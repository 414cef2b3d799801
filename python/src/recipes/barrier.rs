//! A barrier.

use pyo3::prelude::*;

use crate::convert::limit;
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::session::Session;
use crate::value::nothing;

/// A gate that is closed while its znode is there.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Barrier(Recipe<lockkeeper_recipes::Barrier>);

#[pymethods]
impl Barrier {
    #[new]
    fn new(session: &Session, path: &str) -> Result<Self, Failure> {
        let barrier = lockkeeper_recipes::Barrier::new(session.client()?, path)?;
        Ok(Self(Recipe::new(barrier, path)))
    }

    /// The pending value says whether it was open.
    fn close(&self) -> Result<Pending, Failure> {
        self.0
            .call("close", |barrier| async move { barrier.close().await })
    }

    /// The pending value says whether it was closed.
    fn open(&self) -> Result<Pending, Failure> {
        self.0
            .call("open", |barrier| async move { barrier.open().await })
    }

    fn is_closed(&self) -> Result<Pending, Failure> {
        self.0.call(
            "is_closed",
            |barrier| async move { barrier.is_closed().await },
        )
    }

    fn wait(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("wait", |barrier| async move {
            barrier.wait_timeout(limit).await.map(nothing)
        })
    }
}
