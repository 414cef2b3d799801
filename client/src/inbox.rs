//! The way from calls to the driver: one locked list, which fixes the order of requests.
//!
//! A call takes its ticket and its place under one lock, so order is decided where the application
//! calls and not where it awaits. The driver takes the whole list at a time and is woken once for
//! it, not once per call. The list is bounded by what waits for replies: above the bounds a call
//! fails at once, since it cannot wait without giving up its place.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::Instant;

use lockkeeper_session::{Credential, Error, Ticket};
use lockkeeper_wire::{Request, Response};
use tokio::sync::{Notify, oneshot};

use crate::lock::locked;
use crate::slot::Slot;

/// What a call waits for.
pub(crate) type Answer = oneshot::Sender<Result<Response, Error>>;

/// What the driver is asked to do.
pub(crate) enum Command {
    AddAuth {
        ticket: Ticket,
        credential: Credential,
        answer: Answer,
    },
    Close,
    Deadline(Ticket, Instant),
    /// A request; `slot` takes the events of the watch that it leaves.
    Submit {
        ticket: Ticket,
        request: Request,
        weight: usize,
        answer: Answer,
        slot: Option<Arc<Slot>>,
        deadline: Option<Instant>,
    },
    Unwatch(Ticket),
}

/// Bounds of what waits for replies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) calls_max: usize,
    pub(crate) bytes_max: usize,
}

#[derive(Default)]
struct Inner {
    commands: Vec<Command>,
    waker: Option<Waker>,
    tickets: u64,
    calls: usize,
    bytes: usize,
    /// Set once the driver has ended: what every further call gets.
    end: Option<Error>,
}

/// The list, shared by calls, watches and the driver.
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
    limits: QueueLimits,
    room: Notify,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Inbox {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self {
            inner: Mutex::default(),
            limits,
            room: Notify::new(),
        }
    }

    /// Gives a call its ticket and its place; `weight` is about how many bytes it holds.
    pub(crate) fn submit(
        &self,
        weight: usize,
        command: impl FnOnce(Ticket) -> Command,
    ) -> Result<Ticket, Error> {
        let mut inner = locked(&self.inner);
        if let Some(end) = &inner.end {
            return Err(end.clone());
        }
        if inner.is_full(self.limits) {
            return Err(Error::QueueFull);
        }
        inner.calls += 1;
        inner.bytes += weight;
        let ticket = Ticket(inner.tickets);
        inner.tickets += 1;
        push(inner, command(ticket));
        Ok(ticket)
    }

    /// Adds what needs no ticket; forgotten when the driver has ended.
    pub(crate) fn push(&self, command: Command) {
        let inner = locked(&self.inner);
        if inner.end.is_none() {
            push(inner, command);
        }
    }

    /// Takes everything, or leaves word to be woken when something comes.
    pub(crate) fn take(&self, into: &mut Vec<Command>, cx: &mut Context<'_>) {
        let mut inner = locked(&self.inner);
        std::mem::swap(&mut inner.commands, into);
        if into.is_empty() {
            inner.waker = Some(cx.waker().clone());
        }
    }

    /// Calls have been answered.
    pub(crate) fn answered(&self, calls: usize, bytes: usize) {
        let mut inner = locked(&self.inner);
        inner.calls -= calls;
        inner.bytes -= bytes;
        if !inner.is_full(self.limits) {
            drop(inner);
            self.room.notify_waiters();
        }
    }

    /// The driver ends: gives what came too late; later calls get the error at once.
    pub(crate) fn end(&self, error: Error) -> Vec<Command> {
        let mut inner = locked(&self.inner);
        inner.end.get_or_insert(error);
        let late = std::mem::take(&mut inner.commands);
        drop(inner);
        self.room.notify_waiters();
        late
    }

    /// Waits until a call would be taken, or has an answer already.
    pub(crate) async fn room(&self) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            {
                let inner = locked(&self.inner);
                if inner.end.is_some() || !inner.is_full(self.limits) {
                    return;
                }
            }
            room.await;
        }
    }
}

impl Inner {
    fn is_full(&self, limits: QueueLimits) -> bool {
        self.calls >= limits.calls_max || self.bytes >= limits.bytes_max
    }
}

/// Adds a command and wakes the driver, if it waits, once the lock is free again.
fn push(mut inner: MutexGuard<'_, Inner>, command: Command) {
    inner.commands.push(command);
    let waker = inner.waker.take();
    drop(inner);
    waker.into_iter().for_each(Waker::wake);
}
