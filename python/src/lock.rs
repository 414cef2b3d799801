//! A lock, and the hold on it.

use std::sync;

use futures::FutureExt;
use futures::future::ready;
use lockkeeper_recipes::{Guard, GuardState, LockError, Mutex};
use pyo3::prelude::*;

use crate::convert::maybe_seconds;
use crate::failure::{Context, Failure, reason_word};
use crate::pending::Pending;
use crate::process::{Tied, locked};
use crate::value::Value;

/// A lock to contend for.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Contest {
    mutex: Tied<Mutex>,
    path: String,
}

impl Contest {
    pub(crate) fn new(mutex: Mutex, path: &str) -> Self {
        Self {
            mutex: Tied::new(mutex),
            path: path.to_owned(),
        }
    }

    fn context(&self, op: &'static str) -> Context {
        Context::new(op, Some(&self.path))
    }
}

#[pymethods]
impl Contest {
    /// The pending value is a `Hold`. `None` waits for as long as it takes.
    fn acquire(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let mutex = self.mutex.get()?.clone();
        let deadline = maybe_seconds("timeout", timeout)?;
        let call = async move {
            match deadline {
                Some(deadline) => mutex.lock_timeout(deadline).await,
                None => mutex.lock().await,
            }
        };
        let context = self.context("acquire");
        Ok(Pending::new(context, call, |guard| {
            Value::Grant(Some(guard))
        }))
    }

    /// The pending value is a `Hold`, or `None` if the lock is busy.
    fn try_acquire(&self) -> Result<Pending, Failure> {
        let mutex = self.mutex.get()?.clone();
        let call = async move {
            match mutex.try_lock().await {
                Err(LockError::Busy) => Ok(None),
                result => result.map(Some),
            }
        };
        let context = self.context("try_acquire");
        Ok(Pending::new(context, call, Value::Grant))
    }

    /// The pending value is a list of at most one: this lock has one holder.
    fn holders(&self) -> Result<Pending, Failure> {
        let mutex = self.mutex.get()?.clone();
        let call = async move { mutex.holder().await };
        let context = self.context("holders");
        Ok(Pending::new(context, call, |holder| {
            Value::Holders(holder.into_iter().collect())
        }))
    }

    fn queue_position(&self) -> Result<Pending, Failure> {
        let mutex = self.mutex.get()?.clone();
        let call = async move { mutex.queue_position().await };
        let context = self.context("queue_position");
        Ok(Pending::new(context, call, Value::Count))
    }
}

/// A lock that is held, until it is released or this object goes.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Hold {
    /// Nothing once it was released.
    guard: Tied<sync::Mutex<Option<Guard>>>,
    fence: i64,
    path: String,
}

impl Hold {
    pub(crate) fn new(guard: Guard) -> Self {
        Self {
            fence: guard.fence().get(),
            path: guard.path().to_owned(),
            guard: Tied::new(sync::Mutex::new(Some(guard))),
        }
    }

    fn look<T>(&self, look: impl FnOnce(&Guard) -> T) -> Result<Option<T>, Failure> {
        Ok(locked(self.guard.get()?).as_ref().map(look))
    }

    fn context(&self, op: &'static str) -> Context {
        Context::new(op, Some(&self.path))
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
        &self.path
    }

    /// One of `held`, `suspended`, `possibly_lost`, `lost` and `released`.
    #[getter]
    fn state(&self) -> Result<&'static str, Failure> {
        let state = self.look(Guard::state)?;
        Ok(state.map_or("released", state_word))
    }

    /// Why it was lost, if it was.
    #[getter]
    fn reason(&self) -> Result<Option<&'static str>, Failure> {
        Ok(match self.look(Guard::state)? {
            Some(GuardState::Lost(reason)) => Some(reason_word(reason)),
            _ => None,
        })
    }

    #[getter]
    fn revoked(&self) -> Result<bool, Failure> {
        Ok(self.look(Guard::is_revoked)?.unwrap_or_default())
    }

    /// Seconds for which the lock stays ours if the link broke now.
    fn remaining(&self) -> Result<f64, Failure> {
        let remaining = self.look(Guard::remaining)?;
        Ok(remaining.unwrap_or_default().as_secs_f64())
    }

    /// Starts the release; pending until the znode is gone. Nothing happens the second time.
    fn release(&self) -> Result<Pending, Failure> {
        let guard = locked(self.guard.get()?).take();
        let call = match guard {
            Some(guard) => guard.release().boxed(),
            None => ready(Ok(())).boxed(),
        };
        let context = self.context("release");
        Ok(Pending::new(context, call, |()| Value::Nothing))
    }

    /// Proves by a write that the lock is held.
    fn confirm(&self) -> Result<Pending, Failure> {
        let call = self.look(|guard| guard.confirm().boxed())?;
        let call = call.ok_or_else(|| Failure::Argument("lock was released".into()))?;
        let context = self.context("confirm");
        Ok(Pending::new(context, call, |()| Value::Nothing))
    }

    /// Pending until the lock must not be relied on; then the state, or `None` after the release.
    /// Does not keep the lock.
    fn lost(&self) -> Result<Pending, Failure> {
        let states = self.look(Guard::states)?;
        let call = async move {
            let Some(mut states) = states else {
                return Ok::<_, LockError>(None);
            };
            while let Some(state) = states.next().await {
                if !state.is_safe() {
                    return Ok(Some(state));
                }
            }
            Ok(None)
        };
        Ok(Pending::new(self.context("lost"), call, Value::State))
    }
}

/// The word for a guard's state.
pub(crate) fn state_word(state: GuardState) -> &'static str {
    match state {
        GuardState::Held => "held",
        GuardState::Suspended => "suspended",
        GuardState::PossiblyLost => "possibly_lost",
        GuardState::Lost(_) => "lost",
        // A state that is new to this module is not one to rely on.
        _ => "possibly_lost",
    }
}
