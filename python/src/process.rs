//! What belongs to a process: its runtime, its values, and the way out of both.
//!
//! Threads do not survive a fork, and locks that they held stay locked for ever. So a value made
//! before a fork is refused in the child and never dropped there, which would close the parent's
//! session or wait for a thread that is gone; the child's first new client starts a runtime of its
//! own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::failure::Failure;

/// How long the end of the interpreter waits for blocked calls to come back.
const CALLS_PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits for the runtime's own threads.
const THREADS_PATIENCE: Duration = Duration::from_millis(500);

/// The runtime of this process or of the one it was forked from. Locked only while attached to the
/// interpreter, so nobody holds it when the interpreter forks.
static RUNTIME: Mutex<Option<Tied<Runtime>>> = Mutex::new(None);
/// The interpreter ends: no call blocks any more.
static STOPPING: AtomicBool = AtomicBool::new(false);
/// Calls that are detached from the interpreter now.
static BLOCKED: AtomicUsize = AtomicUsize::new(0);

/// A value that only the process that made it may use or drop.
pub(crate) struct Tied<T> {
    pid: u32,
    value: Option<T>,
}

impl<T> Tied<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            pid: std::process::id(),
            value: Some(value),
        }
    }

    /// The value, or the error that names the fork and the way around it.
    pub(crate) fn get(&self) -> Result<&T, Failure> {
        self.value
            .as_ref()
            .filter(|_| self.is_own())
            .ok_or(Failure::Forked)
    }

    /// The same for changing it.
    pub(crate) fn get_mut(&mut self) -> Result<&mut T, Failure> {
        let own = self.is_own();
        self.value.as_mut().filter(|_| own).ok_or(Failure::Forked)
    }

    fn take(mut self) -> Option<T> {
        if self.is_own() {
            self.value.take()
        } else {
            None
        }
    }

    fn is_own(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        if !self.is_own() {
            std::mem::forget(self.value.take());
        }
    }
}

/// The runtime of this process, started when it is first asked for.
pub(crate) fn runtime() -> Result<Handle, Failure> {
    if is_stopping() {
        return Err(Failure::Stopped);
    }
    let mut kept = locked(&RUNTIME);
    if let Some(Ok(runtime)) = kept.as_ref().map(Tied::get) {
        return Ok(runtime.handle().clone());
    }
    // One thread: a session's link and its timers meet there without waking another.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("lockkeeper")
        .enable_io()
        .enable_time()
        .build()
        .map_err(Failure::Threads)?;
    let handle = runtime.handle().clone();
    *kept = Some(Tied::new(runtime));
    Ok(handle)
}

/// Whether the interpreter ends.
pub(crate) fn is_stopping() -> bool {
    STOPPING.load(Ordering::Acquire)
}

/// Counts a call as blocked while it lives.
#[derive(Debug)]
pub(crate) struct Blocked;

impl Blocked {
    pub(crate) fn enter() -> Result<Self, Failure> {
        if is_stopping() {
            return Err(Failure::Stopped);
        }
        BLOCKED.fetch_add(1, Ordering::AcqRel);
        Ok(Self)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // Stays at zero: a call that a signal handler forked out of was not counted in the child.
        let _ = BLOCKED.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            count.checked_sub(1)
        });
    }
}

/// For `os.register_at_fork`: forgets what the parent's threads were in the middle of.
#[pyfunction]
pub(crate) fn after_fork_in_child() {
    BLOCKED.store(0, Ordering::Release);
    *locked(&RUNTIME) = None;
}

/// For `atexit`: ends all blocked calls with an error, then the threads.
///
/// A thread that wanted to attach to an interpreter that is being torn down would hang or be
/// killed, so the calls come back before that.
#[pyfunction]
pub(crate) fn stop(py: Python<'_>) {
    STOPPING.store(true, Ordering::Release);
    let patience_ends = Instant::now() + CALLS_PATIENCE;
    while BLOCKED.load(Ordering::Acquire) > 0 && Instant::now() < patience_ends {
        py.detach(|| std::thread::sleep(Duration::from_millis(2)));
    }
    let runtime = locked(&RUNTIME).take().and_then(Tied::take);
    if let Some(runtime) = runtime {
        py.detach(|| runtime.shutdown_timeout(THREADS_PATIENCE));
    }
}

/// What these locks guard is whole at every step, so a panic elsewhere has left nothing half done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
