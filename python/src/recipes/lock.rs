//! A lock.

use lockkeeper_recipes::{LockError, Mutex};
use pyo3::prelude::*;

use crate::convert::{AclTuples, acl, layout, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::recipes::hold::Hold;
use crate::session::Session;
use crate::stat::Holder;

/// A lock to contend for.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Contest(Recipe<Mutex>);

#[pymethods]
impl Contest {
    /// Sends nothing.
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        session: &Session,
        path: &str,
        names: &str,
        label: &str,
        entries: Option<AclTuples>,
        requeue: bool,
        refuse_blind_names: bool,
        strict: bool,
    ) -> Result<Self, Failure> {
        let mut builder = Mutex::builder(session.client()?, path)
            .layout(layout(names)?)
            .label(label)
            .requeue(requeue)
            .refuse_blind_names(refuse_blind_names)
            .strict(strict);
        if let Some(entries) = entries {
            builder = builder.acl(acl(entries));
        }
        Ok(Self(Recipe::new(builder.build()?, path)))
    }

    /// The pending value is a `Hold`. `None` waits for as long as it takes.
    fn acquire(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("acquire", |mutex| async move {
            mutex.lock_timeout(limit).await.map(Hold::lock)
        })
    }

    /// The pending value is a `Hold`, or `None` if the lock is busy.
    fn try_acquire(&self) -> Result<Pending, Failure> {
        self.0.call("try_acquire", |mutex| async move {
            match mutex.try_lock().await {
                Err(LockError::Busy) => Ok(None),
                taken => taken.map(Hold::lock).map(Some),
            }
        })
    }

    /// The pending value is a list of at most one: this lock has one holder.
    fn holders(&self) -> Result<Pending, Failure> {
        self.0.call("holders", |mutex| async move {
            let holder = mutex.holder().await?;
            let holders: Vec<Holder> = holder.into_iter().map(Holder::from).collect();
            Ok::<_, LockError>(holders)
        })
    }

    fn queue_position(&self) -> Result<Pending, Failure> {
        self.0.call("queue_position", |mutex| async move {
            mutex.queue_position().await
        })
    }
}
