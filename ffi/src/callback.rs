//! A function of the caller's with what belongs to it.

use std::ffi::c_void;

use tokio::sync::oneshot;

use crate::queue::Queue;

/// Frees what a callback's `user` points to. Called exactly once, after the last call of the
/// callback or in its place, and where callbacks run.
pub type lk_drop_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// `user`, to be dropped once, wherever that is.
pub(crate) struct User {
    pub(crate) ptr: *mut c_void,
    drop: lk_drop_fn,
}

// SAFETY: the header says that callbacks may run on another thread than registers them.
unsafe impl Send for User {}

impl User {
    /// Takes the duty to call `drop` over.
    pub(crate) fn new(ptr: *mut c_void, drop: lk_drop_fn) -> Self {
        Self { ptr, drop }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the function is the caller's, made for this pointer, and this runs once.
            unsafe { drop(self.ptr) };
        }
    }
}

/// A value that is handed to where callbacks run, to be used there or only to be dropped.
pub(crate) struct Handover<T: Send + 'static> {
    value: Option<T>,
    queue: Queue,
}

impl<T: Send + 'static> Handover<T> {
    pub(crate) fn new(value: T, queue: Queue) -> Self {
        Self {
            value: Some(value),
            queue,
        }
    }

    /// Uses the value there.
    pub(crate) fn run(mut self, job: impl FnOnce(T) + Send + 'static) {
        let value = self.take();
        self.queue.send(Box::new(move || job(value)));
    }

    /// Uses the value there and waits for it to come back, so that of a stream no more than one
    /// item waits for its turn. `None` if the job was dropped.
    pub(crate) async fn lend(mut self, job: impl FnOnce(&T) + Send + 'static) -> Option<Self> {
        let (back, returned) = oneshot::channel();
        let (value, queue) = (self.take(), self.queue.clone());
        self.queue.send(Box::new(move || {
            job(&value);
            // If nobody waits any more, it is dropped here and so takes another turn.
            let _ = back.send(Self::new(value, queue));
        }));
        returned.await.ok()
    }

    fn take(&mut self) -> T {
        self.value.take().expect("taken once, or by the drop")
    }
}

impl<T: Send + 'static> Drop for Handover<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.queue.send(Box::new(move || drop(value)));
        }
    }
}
