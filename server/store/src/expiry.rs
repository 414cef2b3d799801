//! Session deadlines in tick buckets, as the leader keeps them.
//!
//! A session touched at `t` ends when the clock passes the next multiple of a tick after
//! `t + timeout`: never before a full timeout, at most one tick later. Sessions that end together
//! are found together, at the cost of a look at one bucket a tick.

use std::collections::{BTreeMap, BTreeSet};

use lockkeeper_wire::SessionId;

/// Deadlines of all sessions. Times are ms of one monotonic clock.
#[derive(Debug)]
pub struct Expiry {
    tick_ms: u64,
    buckets: BTreeMap<u64, BTreeSet<SessionId>>,
    sessions: BTreeMap<SessionId, Deadline>,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    timeout_ms: u64,
    at_ms: u64,
}

impl Expiry {
    /// No session yet; `tick_ms` is at least 1.
    pub fn new(tick_ms: u64) -> Self {
        assert!(tick_ms > 0, "a tick has a length");
        Self {
            tick_ms,
            buckets: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// Begins a session, or gives a resumed one its new timeout.
    pub fn track(&mut self, session: SessionId, timeout_ms: u64, now_ms: u64) {
        let timeout_changed = self
            .sessions
            .get(&session)
            .is_none_or(|deadline| deadline.timeout_ms != timeout_ms);
        if timeout_changed {
            self.forget(session);
        }
        let deadline = Deadline {
            timeout_ms,
            at_ms: 0,
        };
        self.sessions.entry(session).or_insert(deadline);
        self.touch(session, now_ms);
    }

    /// Notes that the session was heard of at `now_ms`. A deadline only moves later.
    pub fn touch(&mut self, session: SessionId, now_ms: u64) {
        let Some(deadline) = self.sessions.get_mut(&session) else {
            return;
        };
        let at_ms = ((now_ms + deadline.timeout_ms) / self.tick_ms + 1) * self.tick_ms;
        if at_ms <= deadline.at_ms {
            return;
        }
        let before = std::mem::replace(&mut deadline.at_ms, at_ms);
        self.leave(session, before);
        self.buckets.entry(at_ms).or_default().insert(session);
    }

    /// Ends the watch over a session.
    pub fn forget(&mut self, session: SessionId) {
        if let Some(deadline) = self.sessions.remove(&session) {
            self.leave(session, deadline.at_ms);
        }
    }

    fn leave(&mut self, session: SessionId, bucket: u64) {
        if let Some(sessions) = self.buckets.get_mut(&bucket) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.buckets.remove(&bucket);
            }
        }
    }

    /// Whether the session is watched over.
    pub fn is_tracked(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Sessions whose deadline has come, unless they were heard of meanwhile.
    pub fn due(&self, now_ms: u64) -> impl Iterator<Item = SessionId> {
        self.buckets
            .range(..=now_ms)
            .flat_map(|(_, sessions)| sessions.iter().copied())
    }

    /// When the next bucket is due.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.buckets.first_key_value().map(|(&at_ms, _)| at_ms)
    }

    /// Moves every deadline later: the time during which this process stood still counts for
    /// nobody.
    pub fn extend_all(&mut self, by_ms: u64) {
        let by_ms = by_ms.div_ceil(self.tick_ms) * self.tick_ms;
        for deadline in self.sessions.values_mut() {
            deadline.at_ms += by_ms;
        }
        let buckets = std::mem::take(&mut self.buckets);
        self.buckets = buckets
            .into_iter()
            .map(|(at_ms, sessions)| (at_ms + by_ms, sessions))
            .collect();
    }
}
