//! A lock, and the hold on it.

use std::sync::Arc;

use futures::future::ready;
use futures::{FutureExt, TryFutureExt};
use lockkeeper_recipes::{Guard, LockError, Mutex};
use pyo3::prelude::*;

use crate::convert::{AclTuples, acl, layout, limit};
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::Recipe;
use crate::recipes::kept::Kept;
use crate::session::Session;
use crate::stat::Holder;
use crate::value::nothing;

/// A lock to contend for.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Contest(Recipe<Mutex>);

#[pymethods]
impl Contest {
    /// Sends nothing.
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
        let mut builder = Mutex::builder(session.client()?, path)
            .layout(layout(names)?)
            .label(label)
            .requeue(requeue)
            .refuse_blind_names(refuse_blind_names);
        if let Some(entries) = entries {
            builder = builder.acl(acl(entries));
        }
        Ok(Self(Recipe::new(builder.build()?, path)))
    }

    /// The pending value is a `Hold`. `None` waits for as long as it takes.
    fn acquire(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        self.0.call("acquire", |mutex| async move {
            mutex.lock_timeout(limit).await.map(Hold::new)
        })
    }

    /// The pending value is a `Hold`, or `None` if the lock is busy.
    fn try_acquire(&self) -> Result<Pending, Failure> {
        self.0.call("try_acquire", |mutex| async move {
            match mutex.try_lock().await {
                Err(LockError::Busy) => Ok(None),
                taken => taken.map(Hold::new).map(Some),
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

/// A lock that is held, until it is released or this object goes.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Hold {
    kept: Kept<Guard>,
    fence: i64,
}

impl Hold {
    pub(crate) fn new(guard: Guard) -> Self {
        Self {
            fence: guard.fence().get(),
            kept: Kept::new(guard),
        }
    }

    /// For a call that is carried out under it.
    pub(crate) fn share(&self) -> Result<Arc<Guard>, Failure> {
        self.kept.share()
    }
}

#[pymethods]
impl Hold {
    #[getter]
    fn fence(&self) -> i64 {
        self.fence
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

    #[getter]
    fn revoked(&self) -> Result<bool, Failure> {
        Ok(self.kept.look(Guard::is_revoked)?.unwrap_or_default())
    }

    /// Seconds for which the lock stays ours if the link broke now.
    fn remaining(&self) -> Result<f64, Failure> {
        let remaining = self.kept.look(Guard::remaining)?;
        Ok(remaining.unwrap_or_default().as_secs_f64())
    }

    /// Starts the release; pending until the znode is gone. Nothing happens the second time.
    fn release(&self) -> Result<Pending, Failure> {
        let call = match self.kept.take()? {
            Some(guard) => guard.release().left_future(),
            None => ready(Ok(())).right_future(),
        };
        Ok(Pending::new(
            self.kept.context("release"),
            call.map_ok(nothing),
        ))
    }

    /// Proves by a write that the lock is held.
    fn confirm(&self) -> Result<Pending, Failure> {
        let proof = self.kept.share()?.confirm();
        Ok(Pending::new(
            self.kept.context("confirm"),
            proof.map_ok(nothing),
        ))
    }

    fn lost(&self) -> Result<Pending, Failure> {
        self.kept.lost()
    }
}
