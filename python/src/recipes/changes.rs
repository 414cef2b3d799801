//! What comes one after the other: states of a value, configurations, members.

use std::sync::Arc;

use futures::stream::{BoxStream, Stream, StreamExt};
use lockkeeper::Client;
use lockkeeper_recipes::RecipeError;
use pyo3::prelude::*;
use tokio::sync::{Mutex, watch};

use crate::convert::limit;
use crate::failure::{Context, Failure};
use crate::pending::{Ending, Pending};
use crate::process::{Tied, locked};
use crate::recipes::within;
use crate::session::Session;
use crate::value::value;

/// Things of one kind, to be asked for one at a time.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Changes {
    source: Tied<Source>,
    context: Context,
}

struct Source {
    client: Client,
    /// Locked by tasks, not by threads: whoever waits for the next one keeps the others waiting.
    stream: Arc<Mutex<BoxStream<'static, Ending>>>,
    closed: watch::Sender<bool>,
}

impl Changes {
    pub(crate) fn new(
        context: Context,
        client: &Client,
        stream: impl Stream<Item = Ending> + Send + 'static,
    ) -> Self {
        let (closed, mut closing) = watch::channel(false);
        let stream =
            stream.take_until(async move { drop(closing.wait_for(|closed| *closed).await) });
        Self {
            source: Tied::new(Source {
                client: client.clone(),
                stream: Arc::new(Mutex::new(stream.boxed())),
                closed,
            }),
            context,
        }
    }
}

#[pymethods]
impl Changes {
    /// Pending until there is a next one; `None` behind the last. Dropping it loses nothing.
    #[pyo3(signature = (timeout = None))]
    fn next(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        let source = self.source.get()?;
        let (client, stream) = (source.client.clone(), Arc::clone(&source.stream));
        let call = async move {
            let next = async { stream.lock().await.next().await };
            let end = Ok(value(None::<bool>));
            within(&client, limit, RecipeError::TimedOut, async {
                next.await.unwrap_or(end)
            })
            .await
        };
        Ok(Pending::of(self.context.clone(), call))
    }

    /// Ends them, and whoever waits for the next one.
    fn close(&self) -> Result<(), Failure> {
        self.source.get()?.closed.send_replace(true);
        Ok(())
    }
}

/// An object of Python's that is replaced now and then, and a way to wait for that.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Latest {
    inner: Tied<Inner>,
}

struct Inner {
    client: Client,
    object: std::sync::Mutex<Py<PyAny>>,
    /// How often it was replaced.
    count: watch::Sender<u64>,
}

#[pymethods]
impl Latest {
    #[new]
    fn new(session: &Session, object: Py<PyAny>) -> Result<Self, Failure> {
        Ok(Self {
            inner: Tied::new(Inner {
                client: session.client()?.clone(),
                object: std::sync::Mutex::new(object),
                count: watch::Sender::new(0),
            }),
        })
    }

    /// How often it was replaced, and what it is.
    fn get(&self, py: Python<'_>) -> Result<(u64, Py<PyAny>), Failure> {
        let inner = self.inner.get()?;
        let object = locked(&inner.object).clone_ref(py);
        Ok((*inner.count.borrow(), object))
    }

    fn set(&self, object: Py<PyAny>) -> Result<(), Failure> {
        let inner = self.inner.get()?;
        // What goes may have a destructor, which must find the lock free.
        let old = std::mem::replace(&mut *locked(&inner.object), object);
        inner.count.send_modify(|count| *count += 1);
        drop(old);
        Ok(())
    }

    /// Pending until it was replaced more than `seen` times.
    fn after(&self, seen: u64, timeout: Option<f64>) -> Result<Pending, Failure> {
        let limit = limit(timeout)?;
        let inner = self.inner.get()?;
        let (client, mut count) = (inner.client.clone(), inner.count.subscribe());
        let call = async move {
            let replaced = async { Ok(count.wait_for(|count| *count > seen).await.is_ok()) };
            within::<_, Failure>(&client, limit, RecipeError::TimedOut, replaced).await
        };
        Ok(Pending::new(Context::new("changes", None), call))
    }
}
