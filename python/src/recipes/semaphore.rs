//! A semaphore.

use lockkeeper_recipes::{Limit, LockError, Semaphore as RecipeSemaphore};
use pyo3::prelude::*;

use crate::convert::{AclTuples, acl, count, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::recipes::hold::Hold;
use crate::recipes::value::SharedCount;
use crate::session::Session;

/// Who says how many leases there are: this process, the path, or a shared count.
#[derive(FromPyObject)]
pub(crate) enum LimitOf<'py> {
    Shared(Bound<'py, SharedCount>),
    Number(i64, bool),
}

/// So many leases at once.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Semaphore(Recipe<RecipeSemaphore>);

#[pymethods]
impl Semaphore {
    /// `limit` is a shared count, or a number and whether the path records it.
    #[new]
    fn new(
        session: &Session,
        path: &str,
        limit: LimitOf<'_>,
        label: &str,
        entries: Option<AclTuples>,
        requeue: bool,
    ) -> Result<Self, Failure> {
        let limit = match limit {
            LimitOf::Shared(shared) => Limit::Shared(shared.get().shared()?),
            LimitOf::Number(number, true) => Limit::Recorded(count(number)),
            LimitOf::Number(number, false) => Limit::Fixed(count(number)),
        };
        if matches!(limit, Limit::Recorded(0) | Limit::Fixed(0)) {
            return Err(Failure::Argument("limit must be from 1".into()));
        }
        let mut builder = RecipeSemaphore::builder(session.client()?, path, limit)
            .label(label)
            .requeue(requeue);
        if let Some(entries) = entries {
            builder = builder.acl(acl(entries));
        }
        Ok(Self(Recipe::new(builder.build()?, path)))
    }

    /// The pending value is a `Hold`.
    fn acquire(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("acquire", |semaphore| async move {
            semaphore.acquire_timeout(limit).await.map(Hold::lock)
        })
    }

    /// The pending value is a list of `Hold`.
    fn acquire_many(&self, leases: i64, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        let leases = usize::try_from(leases)
            .map_err(|_| Failure::Argument(format!("leases must be from 0, not {leases}")))?;
        self.0.call("acquire_many", |semaphore| async move {
            let leases = semaphore.acquire_many_timeout(leases, limit).await?;
            Ok::<_, LockError>(leases.into_iter().map(Hold::lock).collect::<Vec<_>>())
        })
    }

    /// The pending value is a `Hold`, or `None` if there is no lease left.
    fn try_acquire(&self) -> Result<Pending, Failure> {
        self.0.call("try_acquire", |semaphore| async move {
            match semaphore.try_acquire().await {
                Err(LockError::Busy) => Ok(None),
                taken => taken.map(Hold::lock).map(Some),
            }
        })
    }

    fn held(&self) -> Result<Pending, Failure> {
        self.0
            .call("held", |semaphore| async move { semaphore.held().await })
    }

    fn queue_position(&self) -> Result<Pending, Failure> {
        self.0.call("queue_position", |semaphore| async move {
            semaphore.queue_position().await
        })
    }
}
