//! The session's state as a latest value: never a queue, so nothing can overflow or come late.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockkeeper_session::{Error, Session, SessionCredentials, State};
use lockkeeper_wire::{SessionId, Zxid};
use tokio::sync::Notify;

use crate::lock::locked;

/// A change of the session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The state entered.
    pub state: State,
    /// 0 for the first state, then one more with each change.
    pub generation: u64,
    /// The session it is about; 0 before there is one.
    pub session: SessionId,
    /// Changes since the last one this stream gave that were overtaken by this one.
    pub skipped: u64,
}

/// What the driver lets everybody see.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) change: lockkeeper_session::StateChange,
    pub(crate) credentials: SessionCredentials,
    pub(crate) timeout: Duration,
    pub(crate) zxid_seen: Zxid,
    pub(crate) lease: Option<Instant>,
    pub(crate) confirmed: Option<Instant>,
    pub(crate) end: Option<Error>,
}

/// The view and word of its changes.
#[derive(Debug)]
pub(crate) struct Status {
    view: Mutex<View>,
    changed: Notify,
}

impl Status {
    pub(crate) fn new(session: &Session) -> Self {
        Self {
            view: Mutex::new(View {
                change: session.state(),
                credentials: session.credentials(),
                timeout: session.timeout(),
                zxid_seen: session.zxid_seen(),
                lease: session.lease_deadline(),
                confirmed: session.confirmed_deadline(),
                end: None,
            }),
            changed: Notify::new(),
        }
    }

    pub(crate) fn view(&self) -> View {
        locked(&self.view).clone()
    }

    /// Looks at one part of the view.
    pub(crate) fn look<T>(&self, part: impl FnOnce(&View) -> T) -> T {
        part(&locked(&self.view))
    }

    /// What changes with every reply.
    pub(crate) fn progress(&self, session: &Session) {
        let mut view = locked(&self.view);
        view.zxid_seen = session.zxid_seen();
        view.lease = session.lease_deadline();
        view.confirmed = session.confirmed_deadline();
    }

    /// A new state.
    pub(crate) fn enter(&self, change: lockkeeper_session::StateChange, session: &Session) {
        {
            let mut view = locked(&self.view);
            view.change = change;
            view.credentials = session.credentials();
            view.timeout = session.timeout();
            view.zxid_seen = session.zxid_seen();
            view.lease = session.lease_deadline();
            view.confirmed = session.confirmed_deadline();
            view.end = session.end_error();
        }
        self.changed.notify_waiters();
    }

    /// The driver has gone without a final state: its runtime was shut down.
    pub(crate) fn abandon(&self, error: Error) {
        {
            let mut view = locked(&self.view);
            if view.change.state.is_final() {
                return;
            }
            view.change.state = State::Closed;
            view.change.generation += 1;
            view.lease = None;
            view.confirmed = None;
            view.end = Some(error);
        }
        self.changed.notify_waiters();
    }
}

/// The states of a session, one after the other, without those that were overtaken.
#[derive(Clone, Debug)]
pub struct States {
    status: Arc<Status>,
    /// Generations given so far.
    next: u64,
}

impl States {
    pub(crate) fn new(status: Arc<Status>) -> Self {
        Self { status, next: 0 }
    }

    /// The present state the first time, then each time the latest one as soon as it is new.
    ///
    /// Never ends behind a final state: nothing new comes. Dropping the future loses nothing.
    pub async fn next(&mut self) -> StateChange {
        loop {
            let mut changed = pin!(self.status.changed.notified());
            changed.as_mut().enable();
            let change = self.status.look(|view| view.change);
            if change.generation >= self.next {
                let first = self.next == 0;
                let skipped = if first {
                    0
                } else {
                    change.generation - self.next
                };
                self.next = change.generation + 1;
                return StateChange {
                    state: change.state,
                    generation: change.generation,
                    session: change.session,
                    skipped,
                };
            }
            changed.await;
        }
    }
}
