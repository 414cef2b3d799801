//! An operation on its way, and the wait for it on the caller's own thread.
//!
//! The future is polled right where the caller blocks, so a call costs no hop through a runtime;
//! and it is dropped where an exception leaves, so an interrupted call means to the client what a
//! dropped future does: a read's answer is ignored, a lock's contender is taken out of the queue.

use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use pyo3::prelude::*;

use crate::failure::{Context, Failure};
use crate::process::{Blocked, Tied, is_stopping, locked};
use crate::value::{Value, value};

/// How long a wait stays away from the interpreter: half of the 100 ms within which Ctrl-C is to be
/// answered.
const SLICE: Duration = Duration::from_millis(50);

/// What an operation ends with.
pub(crate) type Ending = Result<Value, Failure>;
/// An operation under way.
pub(crate) type Running = BoxFuture<'static, Ending>;

/// An operation under way: waited for, or handed to a queue, once.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Pending {
    running: Tied<Mutex<Option<Running>>>,
    context: Context,
}

impl Pending {
    /// Wraps an operation that took its place in the session's order when `operation` was made.
    pub(crate) fn new<T, E>(
        context: Context,
        operation: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Self
    where
        T: for<'py> IntoPyObject<'py> + Send + 'static,
        E: Into<Failure> + 'static,
    {
        Self::of(
            context,
            operation.map(|result| match result {
                Ok(result) => Ok(value(result)),
                Err(error) => Err(error.into()),
            }),
        )
    }

    /// Wraps an operation whose result is on its way to Python already.
    pub(crate) fn of(
        context: Context,
        operation: impl Future<Output = Ending> + Send + 'static,
    ) -> Self {
        Self {
            running: Tied::new(Mutex::new(Some(operation.boxed()))),
            context,
        }
    }

    /// The operation, if nobody has taken it.
    pub(crate) fn take(&self) -> Result<Running, Failure> {
        locked(self.running.get()?).take().ok_or(Failure::Used)
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }
}

#[pymethods]
impl Pending {
    /// Blocks until the operation is over; detached, and open to signals.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let ending = self.take().map(|running| block(py, running));
        match ending {
            Ok(ending) => match ending? {
                Ok(value) => value(py),
                Err(failure) => Err(failure.into_exception(py, Some(&self.context))),
            },
            Err(failure) => Err(failure.into_exception(py, Some(&self.context))),
        }
    }
}

/// Polls on this thread until the operation ends, a signal handler raises or the interpreter ends.
fn block(py: Python<'_>, running: Running) -> PyResult<Ending> {
    let _blocked = match Blocked::enter() {
        Ok(blocked) => blocked,
        Err(failure) => return Ok(Err(failure)),
    };
    let alarm = Arc::new(Alarm::here());
    let waker = Waker::from(Arc::clone(&alarm));
    // A signal handler may fork, and then the operation is the parent's.
    let mut running = Tied::new(running);
    loop {
        let future = match running.get_mut() {
            Ok(future) => future,
            Err(failure) => return Ok(Err(failure)),
        };
        let slice = py.detach(|| poll_for(future, &alarm, &waker));
        if let Poll::Ready(ending) = slice {
            return Ok(ending);
        }
        py.check_signals()?;
        if is_stopping() {
            return Ok(Err(Failure::Stopped));
        }
    }
}

/// Polls for one slice at most.
fn poll_for(running: &mut Running, alarm: &Alarm, waker: &Waker) -> Poll<Ending> {
    let slice_ends = Instant::now() + SLICE;
    let mut task = Task::from_waker(waker);
    loop {
        if let Poll::Ready(ending) = running.poll_unpin(&mut task) {
            return Poll::Ready(ending);
        }
        while !alarm.rang() {
            let left = slice_ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Pending;
            }
            std::thread::park_timeout(left);
        }
    }
}

/// Wakes the thread that made it.
struct Alarm {
    thread: Thread,
    ringing: AtomicBool,
}

impl Alarm {
    fn here() -> Self {
        Self {
            thread: std::thread::current(),
            ringing: AtomicBool::new(false),
        }
    }

    fn rang(&self) -> bool {
        self.ringing.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ringing.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
