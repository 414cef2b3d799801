//! Completions of one asyncio loop: a list, a bell, and one callback that empties the list.
//!
//! Operations run as tasks of the runtime and leave their endings here. The first to find the list
//! empty rings; the loop's reader then completes everything that has come, attached once. Waking
//! the loop for each operation, as the bridge crates do, costs ten times as much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use lockkeeper::{Error, Outcome};
use pyo3::intern;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use crate::bell::Bell;
use crate::failure::{Context, Failure};
use crate::pending::{Ending, Pending};
use crate::process::{self, Tied, locked};

/// Where operations started for one loop end.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Queue {
    inner: Tied<Inner>,
}

struct Inner {
    done: Arc<Done>,
    waiting: Mutex<Waiting>,
}

struct Done {
    bell: Bell,
    endings: Mutex<Vec<(u64, Ending)>>,
}

#[derive(Default)]
struct Waiting {
    last: u64,
    by_ticket: HashMap<u64, Waiter>,
}

struct Waiter {
    future: Py<PyAny>,
    context: Context,
    task: AbortHandle,
}

impl Done {
    fn push(&self, ticket: u64, ending: Ending) {
        let was_empty = {
            let mut endings = locked(&self.endings);
            endings.push((ticket, ending));
            endings.len() == 1
        };
        if was_empty {
            self.bell.ring();
        }
    }
}

#[pymethods]
impl Queue {
    #[new]
    fn new() -> Result<Self, Failure> {
        let bell = Bell::new().map_err(Failure::Threads)?;
        let endings = Mutex::default();
        Ok(Self {
            inner: Tied::new(Inner {
                done: Arc::new(Done { bell, endings }),
                waiting: Mutex::default(),
            }),
        })
    }

    /// What the loop is to watch for reading.
    fn fileno(&self) -> Result<i32, Failure> {
        Ok(self.inner.get()?.done.bell.fd())
    }

    /// Starts an operation whose ending completes `future`; returns a ticket for `cancel`.
    fn start(&self, pending: &Pending, future: Py<PyAny>) -> Result<u64, Failure> {
        let inner = self.inner.get()?;
        let runtime = process::runtime()?;
        let running = pending.take()?;
        let mut waiting = locked(&inner.waiting);
        waiting.last += 1;
        let ticket = waiting.last;
        let done = Arc::clone(&inner.done);
        let task = runtime.spawn(async move { done.push(ticket, running.await) });
        let waiter = Waiter {
            future,
            context: pending.context().clone(),
            task: task.abort_handle(),
        };
        waiting.by_ticket.insert(ticket, waiter);
        Ok(ticket)
    }

    /// Drops an operation, if it is not over.
    fn cancel(&self, ticket: u64) -> Result<(), Failure> {
        let waiter = locked(&self.inner.get()?.waiting).by_ticket.remove(&ticket);
        if let Some(waiter) = waiter {
            waiter.task.abort();
        }
        Ok(())
    }

    /// Completes the futures of all operations that are over. For the loop's own thread.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let inner = self.inner.get()?;
        inner.done.bell.silence();
        let endings = std::mem::take(&mut *locked(&inner.done.endings));
        for (ticket, ending) in endings {
            // Not while the callbacks run: they may start operations.
            let waiter = locked(&inner.waiting).by_ticket.remove(&ticket);
            if let Some(waiter) = waiter {
                // One bad future must not keep the others waiting.
                if let Err(error) = waiter.complete(py, ending) {
                    error.write_unraisable(py, None);
                }
            }
        }
        Ok(())
    }

    /// Drops all operations: their futures end as calls of a closed client. For the loop's own
    /// thread.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        let waiting = std::mem::take(&mut locked(&self.inner.get()?.waiting).by_ticket);
        for waiter in waiting.into_values() {
            waiter.task.abort();
            let outcome = Outcome::Unknown;
            waiter.complete(py, Err(Error::Closed { outcome }.into()))?;
        }
        Ok(())
    }
}

impl Waiter {
    /// A future that was cancelled meanwhile is left alone: the value is dropped, and with it a
    /// lock that nobody waits for any more.
    fn complete(self, py: Python<'_>, ending: Ending) -> PyResult<()> {
        let future = self.future.bind(py);
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        let made = match ending {
            Ok(value) => value(py),
            Err(failure) => Err(failure.into_exception(py, Some(&self.context))),
        };
        match made {
            Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
            Err(error) => future.call_method1(intern!(py, "set_exception"), (error,))?,
        };
        Ok(())
    }
}
