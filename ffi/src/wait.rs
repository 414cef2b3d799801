//! Waits for a future on the caller's thread.
//!
//! The futures of the client are driven by its own thread and only tell their waiter to look again,
//! so a waiter needs no runtime. The deadline is kept here and not by a timer of that thread: it
//! holds even if that thread is stuck.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::error::Fault;
use crate::queue::may_block;
use crate::status::LK_ETIMEDOUT;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for as long as it takes.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    wait_until(future, None).expect("without a deadline nothing else ends the wait")
}

/// Waits until a deadline, if there is one; `None` if it passed. Looks at the future at least once.
pub(crate) fn wait_until<F: Future>(future: F, deadline: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let Some(deadline) = deadline else {
            thread::park();
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// Waits for a look or for what others do: given up at the deadline, it leaves nothing behind.
pub(crate) fn wait_for<T, E: Into<Fault>>(
    path: &str,
    timeout_ms: i64,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    finish(path, timeout_ms, call, || too_late(path))
}

/// Waits for a change: given up at the deadline, it may have been carried out, or still be.
pub(crate) fn carry_out<T, E: Into<Fault>>(
    path: &str,
    timeout_ms: i64,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    finish(path, timeout_ms, call, || {
        Fault::late("no reply before the deadline").at(path)
    })
}

fn finish<T, E: Into<Fault>>(
    path: &str,
    timeout_ms: i64,
    call: impl Future<Output = Result<T, E>>,
    late: impl FnOnce() -> Fault,
) -> Result<T, Fault> {
    may_block()?;
    match wait_until(call, deadline(timeout_ms)) {
        Some(end) => end.map_err(|error| error.into().at(path)),
        None => Err(late()),
    }
}

fn too_late(path: &str) -> Fault {
    Fault::new(LK_ETIMEDOUT, "deadline passed").at(path)
}

/// As [`wait_for`], in a task of the client's runtime.
pub(crate) fn await_for<T, E: Into<Fault>>(
    path: &str,
    timeout_ms: i64,
    call: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, Fault>> {
    let path = path.to_owned();
    async move {
        match within(timeout_ms, call).await {
            Some(end) => end.map_err(|error| error.into().at(&path)),
            None => Err(too_late(&path)),
        }
    }
}

/// As [`wait_until`], in a task of the client's runtime.
pub(crate) async fn within<F: Future>(timeout_ms: i64, future: F) -> Option<F::Output> {
    match timeout(timeout_ms) {
        Some(timeout) => tokio::time::timeout(timeout, future).await.ok(),
        None => Some(future.await),
    }
}

/// A timeout as C gives it: milliseconds, below 0 for none.
pub(crate) fn timeout(timeout_ms: i64) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// The end of [`timeout`], counted from now; none also for one that no clock can express.
pub(crate) fn deadline(timeout_ms: i64) -> Option<Instant> {
    Instant::now().checked_add(timeout(timeout_ms)?)
}
