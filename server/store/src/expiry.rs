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
        #[cfg(feature = "__seeded-bugs")]
        let at_ms = match deadline.timeout_ms {
            half if lockkeeper_bugs::is(lockkeeper_bugs::Bug::ExpiresEarly) => {
                at_ms - half / 2 / self.tick_ms * self.tick_ms
            }
            late if lockkeeper_bugs::is(lockkeeper_bugs::Bug::ExpiresLate) => {
                at_ms + 3 * late / self.tick_ms * self.tick_ms
            }
            _ => at_ms,
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_MS: u64 = 1000;

    fn expiry(sessions: impl IntoIterator<Item = (i64, u64)>) -> Expiry {
        let mut expiry = Expiry::new(TICK_MS);
        for (session, timeout_ms) in sessions {
            expiry.track(SessionId(session), timeout_ms, 0);
        }
        expiry
    }

    fn due(expiry: &Expiry, now_ms: u64) -> Vec<i64> {
        expiry.due(now_ms).map(|session| session.0).collect()
    }

    /// Both tables say the same, and no bucket is empty.
    fn check(expiry: &Expiry) {
        let by_session = expiry
            .sessions
            .iter()
            .map(|(&id, deadline)| (deadline.at_ms, id));
        let by_bucket = expiry
            .buckets
            .iter()
            .flat_map(|(&at_ms, ids)| ids.iter().map(move |&id| (at_ms, id)));
        assert_eq!(by_session.collect::<BTreeSet<_>>(), by_bucket.collect());
        assert!(expiry.buckets.values().all(|ids| !ids.is_empty()));
        assert!(
            expiry
                .buckets
                .keys()
                .all(|at_ms| at_ms % expiry.tick_ms == 0)
        );
    }

    #[test]
    fn a_deadline_is_the_tick_after_a_full_timeout() {
        for (touched_ms, timeout_ms, at_ms) in [
            (0, 4000, 5000),
            (1, 4000, 5000),
            (999, 4000, 5000),
            (1000, 4000, 6000),
            (0, 4001, 5000),
            (999, 4001, 6000),
            (0, 0, 1000),
            (5, 1, 1000),
        ] {
            let mut expiry = Expiry::new(TICK_MS);
            expiry.track(SessionId(1), timeout_ms, touched_ms);
            assert_eq!(
                expiry.next_due_ms(),
                Some(at_ms),
                "{touched_ms} {timeout_ms}"
            );
            assert_eq!(due(&expiry, at_ms - 1), []);
            assert_eq!(due(&expiry, at_ms), [1]);
            check(&expiry);
        }
    }

    #[test]
    fn a_touch_only_moves_later() {
        let mut expiry = expiry([(1, 4000)]);
        for (touched_ms, at_ms) in [
            (500, 5000),
            (3000, 8000),
            (1000, 8000),
            (2999, 8000),
            (4000, 9000),
        ] {
            expiry.touch(SessionId(1), touched_ms);
            assert_eq!(expiry.next_due_ms(), Some(at_ms), "{touched_ms}");
            check(&expiry);
        }
        expiry.touch(SessionId(2), 0);
        assert!(
            !expiry.is_tracked(SessionId(2)),
            "a stranger's touch begins nothing"
        );
    }

    #[test]
    fn a_resumed_session_has_its_new_timeout_from_then_on() {
        for (timeout_ms, at_ms) in [(10_000, 13_000), (4000, 7000), (1000, 4000), (9000, 12_000)] {
            let mut expiry = expiry([(1, 9000)]);
            expiry.track(SessionId(1), timeout_ms, 2500);
            assert_eq!(expiry.next_due_ms(), Some(at_ms), "{timeout_ms}");
            expiry.touch(SessionId(1), 20_000);
            let again_ms = (20_000 + timeout_ms) / TICK_MS * TICK_MS + TICK_MS;
            assert_eq!(expiry.next_due_ms(), Some(again_ms), "{timeout_ms}");
            check(&expiry);
        }
    }

    #[test]
    fn sessions_are_due_in_the_order_of_their_deadlines() {
        let mut expiry = expiry([(3, 2000), (1, 5000), (2, 2500), (4, 9000)]);
        assert_eq!(due(&expiry, 2999), []);
        assert_eq!(due(&expiry, 3000), [2, 3]);
        assert_eq!(due(&expiry, 8000), [2, 3, 1]);
        expiry.forget(SessionId(3));
        expiry.forget(SessionId(3));
        expiry.touch(SessionId(2), 4000);
        assert_eq!(due(&expiry, 8000), [1, 2]);
        assert_eq!(due(&expiry, u64::MAX), [1, 2, 4]);
        check(&expiry);
        for session in 1..=4 {
            expiry.forget(SessionId(session));
        }
        assert_eq!(expiry.next_due_ms(), None);
        check(&expiry);
    }

    #[test]
    fn an_extension_moves_everybody_by_whole_ticks() {
        for (by_ms, moved_ms) in [
            (0, 0),
            (1, 1000),
            (1000, 1000),
            (1001, 2000),
            (60_000, 60_000),
        ] {
            let mut expiry = expiry((0..1000).map(|session| (session, 100 * session as u64)));
            let before = expiry.sessions.clone();
            expiry.extend_all(by_ms);
            check(&expiry);
            for (session, deadline) in &expiry.sessions {
                assert_eq!(deadline.at_ms, before[session].at_ms + moved_ms);
            }
            // Touches and ends find them where they are now.
            for session in 0..1000 {
                match session % 3 {
                    0 => expiry.touch(SessionId(session), 50_000),
                    1 => expiry.forget(SessionId(session)),
                    _ => expiry.track(SessionId(session), 2000, 0),
                }
            }
            check(&expiry);
            assert_eq!(expiry.sessions.len(), 667);
        }
    }
}
