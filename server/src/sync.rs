//! Locks that outlive a panic, and the inbox of a thread.
//!
//! The server binary aborts on a panic. Inside another program a panicking thread must not turn
//! every later lock into a second panic; it is reported by the thread's own end.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError,
};
use std::time::{Duration, Instant};

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

/// Messages for one thread, which takes all that are there at once.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct State<T> {
    messages: Vec<T>,
    waiting: bool,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        let state = State {
            messages: Vec::new(),
            waiting: false,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
        }
    }
}

impl<T> Inbox<T> {
    /// Adds a message; the thread is woken only if it sleeps.
    pub(crate) fn push(&self, message: T) {
        self.extend([message]);
    }

    /// Adds messages under one lock.
    pub(crate) fn extend(&self, messages: impl IntoIterator<Item = T>) {
        let mut state = lock(&self.state);
        state.messages.extend(messages);
        if std::mem::take(&mut state.waiting) {
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Takes all messages into the emptied `batch`; waits for one, at most until the deadline.
    pub(crate) fn take(&self, batch: &mut Vec<T>, deadline: Option<Instant>) {
        batch.clear();
        let mut state = lock(&self.state);
        while state.messages.is_empty() {
            state.waiting = true;
            state = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(timeout) => {
                    self.filled
                        .wait_timeout(state, timeout)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.waiting = false;
        std::mem::swap(&mut state.messages, batch);
    }
}
