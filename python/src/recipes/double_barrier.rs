//! A double barrier, and being inside.

use futures::future::ready;
use futures::{FutureExt, TryFutureExt};
use lockkeeper::path::join;
use pyo3::prelude::*;

use crate::convert::{count, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::recipes::kept::Kept;
use crate::session::Session;
use crate::value::nothing;

/// A place where so many wait for each other.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct DoubleBarrier(Recipe<lockkeeper_recipes::DoubleBarrier>);

#[pymethods]
impl DoubleBarrier {
    #[new]
    fn new(session: &Session, path: &str, parties: i64) -> Result<Self, Failure> {
        let client = session.client()?;
        let barrier = lockkeeper_recipes::DoubleBarrier::new(client, path, count(parties));
        let barrier = barrier.map_err(Failure::of_argument)?;
        Ok(Self(Recipe::new(barrier, path)))
    }

    fn round(&self, number: u64) -> Result<Self, Failure> {
        let path = join(&self.0.path, &number.to_string());
        Ok(Self(Recipe::new(self.0.handle()?.round(number), &path)))
    }

    /// The pending value is a `Party`.
    fn enter(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("enter", |barrier| async move {
            barrier.enter_timeout(limit).await.map(Party::new)
        })
    }
}

/// One who has gone in, until it leaves or this object goes.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Party {
    kept: Kept<lockkeeper_recipes::Party>,
    members: Option<Vec<String>>,
}

impl Party {
    fn new(party: lockkeeper_recipes::Party) -> Self {
        Self {
            members: party.members().map(<[String]>::to_vec),
            kept: Kept::new(party),
        }
    }
}

#[pymethods]
impl Party {
    #[getter]
    fn members(&self) -> Option<Vec<String>> {
        self.members.clone()
    }

    #[getter]
    fn path(&self) -> &str {
        self.kept.path()
    }

    #[getter]
    fn state(&self) -> Result<&'static str, Failure> {
        self.kept.state()
    }

    #[getter]
    fn reason(&self) -> Result<Option<&'static str>, Failure> {
        self.kept.reason()
    }

    /// Pending until all have left; dropping it leaves without waiting. Nothing happens the second
    /// time.
    #[pyo3(signature = (timeout = None))]
    fn release(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        let call = match self.kept.take()? {
            Some(party) => party.leave_timeout(limit).left_future(),
            None => ready(Ok(())).right_future(),
        };
        Ok(Pending::new(
            self.kept.context("leave"),
            call.map_ok(nothing),
        ))
    }

    fn lost(&self) -> Result<Pending, Failure> {
        self.kept.lost()
    }
}
