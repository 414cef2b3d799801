//! Locks that outlive a panic, and the inbox of a task.
//!
//! The server binary aborts on a panic. Inside another program a panicking thread must not turn
//! every later lock into a second panic; it is reported by the thread's own end.

use std::future::poll_fn;
use std::sync::{
    Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
use std::task::{Poll, Waker};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock if nobody has it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Messages for one task, which takes all that are there at once.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    messages: Vec<T>,
    /// The task, while it waits.
    waiting: Option<Waker>,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        let state = State {
            messages: Vec::new(),
            waiting: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl<T> Inbox<T> {
    /// Adds a message; the task is woken only if it waits.
    pub(crate) fn push(&self, message: T) {
        self.extend([message]);
    }

    /// Adds messages under one lock.
    pub(crate) fn extend(&self, messages: impl IntoIterator<Item = T>) {
        let mut state = lock(&self.state);
        state.messages.extend(messages);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(task) = waiting {
            task.wake();
        }
    }

    /// Takes all messages into the emptied `batch`; waits for one.
    pub(crate) async fn take(&self, batch: &mut Vec<T>) {
        batch.clear();
        poll_fn(|cx| {
            let mut state = lock(&self.state);
            if state.messages.is_empty() {
                state.waiting = Some(cx.waker().clone());
                return Poll::Pending;
            }
            std::mem::swap(&mut state.messages, batch);
            Poll::Ready(())
        })
        .await;
    }
}
