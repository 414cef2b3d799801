//! A right that is held: a lock, the right to read or write, a lease, a term of leadership.

use std::ops::Deref;
use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use futures::{FutureExt, TryFutureExt};
use lockkeeper::Client;
use lockkeeper_recipes::{Guard, GuardState, Leader, LockError, LossPolicy, ReadGuard, WriteGuard};
use pyo3::prelude::*;

use crate::convert::limit;
use crate::failure::Failure;
use crate::pending::Pending;
use crate::recipes::kept::{Kept, Standing};
use crate::recipes::within;
use crate::value::nothing;

/// What kind of right it is, with what that kind can do besides.
pub(crate) enum Right {
    Lead(Leader, LossPolicy),
    Lock(Guard),
    Read(ReadGuard, Client),
    Write(WriteGuard, Client),
}

impl Deref for Right {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        match self {
            Self::Lead(leader, _) => leader,
            Self::Lock(guard) => guard,
            Self::Read(guard, _) => guard,
            Self::Write(guard, _) => guard,
        }
    }
}

impl Right {
    fn release(self) -> BoxFuture<'static, Result<(), LockError>> {
        match self {
            Self::Lead(leader, _) => leader.resign().boxed(),
            Self::Lock(guard) => guard.release().boxed(),
            Self::Read(guard, _) => guard.release().boxed(),
            Self::Write(guard, _) => guard.release().boxed(),
        }
    }
}

impl Standing for Right {
    fn path(&self) -> &str {
        Guard::path(self)
    }

    fn state(&self) -> GuardState {
        Guard::state(self)
    }

    fn states(&self) -> BoxStream<'static, GuardState> {
        Standing::states(&**self)
    }

    fn policy(&self) -> LossPolicy {
        match self {
            Self::Lead(_, policy) => *policy,
            _ => LossPolicy::Deadline,
        }
    }
}

/// A right that is held, until it is released or this object goes.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Hold {
    kept: Kept<Right>,
    fence: i64,
}

impl Hold {
    pub(crate) fn new(right: Right) -> Self {
        Self {
            fence: right.fence().get(),
            kept: Kept::new(right),
        }
    }

    pub(crate) fn lock(guard: Guard) -> Self {
        Self::new(Right::Lock(guard))
    }

    /// For a call that is carried out under it.
    pub(crate) fn share(&self) -> Result<Arc<Right>, Failure> {
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
        let revoked = self.kept.look(|right| right.is_revoked())?;
        Ok(revoked.unwrap_or_default())
    }

    /// Whether to act on it now, by its own policy.
    #[getter]
    fn stands(&self) -> Result<bool, Failure> {
        let stands = self
            .kept
            .look(|right| right.policy().leads(Guard::state(right)))?;
        Ok(stands.unwrap_or_default())
    }

    /// Seconds for which the right stays ours if the link broke now.
    fn remaining(&self) -> Result<f64, Failure> {
        let remaining = self.kept.look(|right| right.remaining())?;
        Ok(remaining.unwrap_or_default().as_secs_f64())
    }

    /// Starts the release; pending until the znode is gone. Nothing happens the second time.
    fn release(&self) -> Result<Pending, Failure> {
        let call = match self.kept.take()? {
            Some(right) => right.release().left_future(),
            None => ready(Ok(())).right_future(),
        };
        Ok(Pending::new(
            self.kept.context("release"),
            call.map_ok(nothing),
        ))
    }

    /// Proves by a write that it is held.
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

    /// Of a right to read: the pending value is a right to write besides.
    fn upgrade(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        let right = self.kept.share()?;
        let call = async move {
            let Right::Read(guard, client) = &*right else {
                return Err(Failure::Argument("is no right to read".into()));
            };
            let writing = guard.try_upgrade();
            let writing = within(client, limit, LockError::TimedOut, writing).await?;
            Ok(Self::new(Right::Write(writing, client.clone())))
        };
        Ok(Pending::new(self.kept.context("upgrade"), call))
    }

    /// Of a right to write: the pending value is a right to read in its place.
    fn downgrade(&self) -> Result<Pending, Failure> {
        let right = self.kept.take()?;
        let call = async move {
            let Some(Right::Write(guard, client)) = right else {
                return Err(Failure::Argument("is no right to write any more".into()));
            };
            let reading = guard.downgrade().await?;
            Ok(Self::new(Right::Read(reading, client)))
        };
        Ok(Pending::new(self.kept.context("downgrade"), call))
    }
}
