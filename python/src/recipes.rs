//! The recipes, each as a class whose methods return a [`Pending`].
//!
//! What a recipe hands out to be kept - a lock, a place inside a barrier - is [`kept::Kept`]; what it
//! tells one after the other is [`changes::Changes`].

pub(crate) mod barrier;
pub(crate) mod changes;
pub(crate) mod config;
pub(crate) mod countdown;
pub(crate) mod double_barrier;
pub(crate) mod election;
pub(crate) mod group;
pub(crate) mod hold;
pub(crate) mod kept;
pub(crate) mod lock;
pub(crate) mod rendezvous;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod value;

use std::time::Duration;

use futures::future::{Either, select};
use lockkeeper::Client;
use pyo3::prelude::*;

use crate::failure::{Context, Failure};
use crate::pending::Pending;
use crate::process::Tied;

/// A recipe's handle, and the path that its failures name.
pub(crate) struct Recipe<R> {
    handle: Tied<R>,
    path: String,
}

impl<R: Clone> Recipe<R> {
    pub(crate) fn new(handle: R, path: &str) -> Self {
        Self {
            handle: Tied::new(handle),
            path: path.to_owned(),
        }
    }

    pub(crate) fn handle(&self) -> Result<&R, Failure> {
        self.handle.get()
    }

    pub(crate) fn context(&self, op: &'static str) -> Context {
        Context::new(op, Some(&self.path))
    }

    /// A call on a handle of its own, made when it is waited for.
    pub(crate) fn call<T, E, F>(
        &self,
        op: &'static str,
        call: impl FnOnce(R) -> F,
    ) -> Result<Pending, Failure>
    where
        T: for<'py> IntoPyObject<'py> + Send + 'static,
        E: Into<Failure> + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let handle = self.handle()?.clone();
        Ok(Pending::new(self.context(op), call(handle)))
    }
}

/// The result of `work`, or `timed_out` after `limit`, when the work is dropped.
pub(crate) async fn within<T, E>(
    client: &Client,
    limit: Duration,
    timed_out: impl Into<E>,
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    let Some(deadline) = client.now().checked_add(limit) else {
        return work.await;
    };
    match select(Box::pin(work), client.sleep_until(deadline)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(timed_out.into()),
    }
}
