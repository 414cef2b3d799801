//! A read/write lock.

use lockkeeper::Client;
use lockkeeper_recipes::{LockError, RwLock as RecipeLock};
use pyo3::prelude::*;

use crate::convert::{AclTuples, acl, layout, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::recipes::hold::{Hold, Right};
use crate::session::Session;

/// A lock for one writer or many readers.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct RwLock(Recipe<(Client, RecipeLock)>);

#[pymethods]
impl RwLock {
    #[new]
    fn new(
        session: &Session,
        path: &str,
        names: &str,
        label: &str,
        entries: Option<AclTuples>,
        requeue: bool,
        refuse_blind_names: bool,
    ) -> Result<Self, Failure> {
        let client = session.client()?.clone();
        let mut builder = RecipeLock::builder(&client, path)
            .layout(layout(names)?)
            .label(label)
            .requeue(requeue)
            .refuse_blind_names(refuse_blind_names);
        if let Some(entries) = entries {
            builder = builder.acl(acl(entries));
        }
        let lock = builder.build()?;
        Ok(Self(Recipe::new((client, lock), path)))
    }

    /// The pending value is a `Hold`.
    fn read(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("read", |(client, lock)| async move {
            let guard = lock.read_timeout(limit).await?;
            Ok::<_, LockError>(Hold::new(Right::Read(guard, client)))
        })
    }

    /// The pending value is a `Hold`, or `None` if the lock is busy.
    fn try_read(&self) -> Result<Pending, Failure> {
        self.0.call("try_read", |(client, lock)| async move {
            match lock.try_read().await {
                Err(LockError::Busy) => Ok(None),
                taken => taken.map(|guard| Some(Hold::new(Right::Read(guard, client)))),
            }
        })
    }

    /// The pending value is a `Hold`.
    fn write(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("write", |(client, lock)| async move {
            let guard = lock.write_timeout(limit).await?;
            Ok::<_, LockError>(Hold::new(Right::Write(guard, client)))
        })
    }

    /// The pending value is a `Hold`, or `None` if the lock is busy.
    fn try_write(&self) -> Result<Pending, Failure> {
        self.0.call("try_write", |(client, lock)| async move {
            match lock.try_write().await {
                Err(LockError::Busy) => Ok(None),
                taken => taken.map(|guard| Some(Hold::new(Right::Write(guard, client)))),
            }
        })
    }

    fn queue_position(&self) -> Result<Pending, Failure> {
        self.0.call("queue_position", |(_, lock)| async move {
            lock.queue_position().await
        })
    }
}
