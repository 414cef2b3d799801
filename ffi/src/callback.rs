//! A function of the caller's with what belongs to it.

use std::ffi::c_void;
use std::sync::mpsc;

use crate::session::Job;

/// Frees what a callback's `user` points to. Called exactly once, after the callback or in its
/// place.
pub type lk_drop_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// `user`, to be dropped once, wherever that is.
pub(crate) struct User {
    pub(crate) ptr: *mut c_void,
    drop: lk_drop_fn,
}

// SAFETY: the header says that callbacks run on another thread than the one that registers them.
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

/// A value that is handed to the callback thread, to be used there or only to be dropped.
pub(crate) struct OnCallbackThread<T: Send + 'static> {
    value: Option<T>,
    thread: mpsc::Sender<Job>,
}

impl<T: Send + 'static> OnCallbackThread<T> {
    pub(crate) fn new(value: T, thread: mpsc::Sender<Job>) -> Self {
        Self {
            value: Some(value),
            thread,
        }
    }

    /// Uses the value there.
    pub(crate) fn run(mut self, job: impl FnOnce(T) + Send + 'static) {
        let value = self.value.take().expect("taken here or by the drop");
        self.send(Box::new(move || job(value)));
    }

    fn send(&self, job: Job) {
        // The thread lives as long as a sender. Were it gone, the job is dropped with what it
        // holds, here.
        let _ = self.thread.send(job);
    }
}

impl<T: Send + 'static> Drop for OnCallbackThread<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.send(Box::new(move || drop(value)));
        }
    }
}
