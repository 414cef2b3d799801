//! When calls end that nothing has answered before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::event::Ticket;

/// One instant per call, by time and by call.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Instant, Ticket)>,
    by_call: BTreeMap<Ticket, Instant>,
}

impl Deadlines {
    /// Sets a call's deadline, in place of an earlier one.
    pub(crate) fn set(&mut self, ticket: Ticket, at: Instant) {
        self.forget(ticket);
        self.by_call.insert(ticket, at);
        self.by_time.insert((at, ticket));
    }

    /// The call has ended.
    pub(crate) fn forget(&mut self, ticket: Ticket) {
        if let Some(at) = self.by_call.remove(&ticket) {
            self.by_time.remove(&(at, ticket));
        }
    }

    /// The first deadline of all.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes a call whose deadline has passed, the earliest first.
    pub(crate) fn take_passed(&mut self, now: Instant) -> Option<Ticket> {
        let &(at, ticket) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.forget(ticket);
        Some(ticket)
    }
}
