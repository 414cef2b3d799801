//! A countdown latch.

use pyo3::prelude::*;

use crate::convert::{count, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::session::Session;
use crate::value::nothing;

/// A latch that opens for good after so many arrivals.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct CountdownLatch(Recipe<lockkeeper_recipes::CountdownLatch>);

#[pymethods]
impl CountdownLatch {
    #[new]
    fn new(session: &Session, path: &str, arrivals: i64) -> Result<Self, Failure> {
        let client = session.client()?;
        let latch = lockkeeper_recipes::CountdownLatch::new(client, path, count(arrivals));
        let latch = latch.map_err(Failure::of_argument)?;
        Ok(Self(Recipe::new(latch, path)))
    }

    /// The pending value is how many are missing now.
    fn count_down(&self, id: Option<String>) -> Result<Pending, Failure> {
        self.0.call("count_down", |latch| async move {
            match id {
                Some(id) => latch.count_down_as(&id).await,
                None => latch.count_down().await,
            }
        })
    }

    fn remaining(&self) -> Result<Pending, Failure> {
        self.0
            .call("remaining", |latch| async move { latch.remaining().await })
    }

    fn reset(&self) -> Result<Pending, Failure> {
        self.0.call(
            "reset",
            |latch| async move { latch.reset().await.map(nothing) },
        )
    }

    fn wait(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("wait", |latch| async move {
            latch.wait_timeout(limit).await.map(nothing)
        })
    }
}
