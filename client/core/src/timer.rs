//! The deadlines of a session, each a formula over three instants.
//!
//! `t` is the negotiated timeout, `s` the last time something was sent, `r` the last time something
//! was heard. All of them are monotonic and handed in, so a test can walk through a session's life
//! in no time. Sources: `ClientCnxn.java` for ping, silence and expiry; the lease is derived from
//! `ExpiryQueue.java` (see [`Timers::lease`]).

use std::time::{Duration, Instant};

use crate::contact::{By, Contact};

/// The longest pause between two heartbeats, whatever the timeout.
const HEARTBEAT_MAX: Duration = Duration::from_secs(10);
/// The least time a connect attempt gets.
const ATTEMPT_MIN: Duration = Duration::from_millis(50);
/// The most time a close waits for its reply.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What the deadlines are computed from.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    timeout: Duration,
    sent_at: Instant,
    heard_at: Instant,
    lease: Option<Instant>,
    confirmed: Option<Instant>,
    contact: Contact,
}

impl Timers {
    pub(crate) fn new(timeout: Duration, now: Instant) -> Self {
        Self {
            timeout,
            sent_at: now,
            heard_at: now,
            lease: None,
            confirmed: None,
            contact: Contact::default(),
        }
    }

    /// `t`: the requested timeout until a server has negotiated another.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A server has taken the session over a new link.
    pub(crate) fn established(&mut self, timeout: Duration, now: Instant) {
        self.timeout = timeout;
        self.sent_at = now;
        self.heard_at = now;
        self.contact = Contact::default();
    }

    /// A handshake that was sent at `asked_at` has been answered by a server with a quorum: the
    /// leader has looked at the session, and its clock there has started anew.
    pub(crate) fn validated(&mut self, asked_at: Instant, now: Instant) {
        self.lease = Some(asked_at + lease_len(self.timeout));
        self.contact = Contact::validated(asked_at, now);
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent_at = self.sent_at.max(now);
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = self.heard_at.max(now);
    }

    /// A request sent at `asked_at` has been answered.
    ///
    /// A reply that comes after the lease has run out does not carry it on: a follower may answer
    /// for a session that the leader has already ended. What the leader is known to have heard does.
    pub(crate) fn acknowledged(&mut self, asked_at: Instant, by: By, now: Instant) {
        let Some(mut lease) = self.lease else {
            return;
        };
        let t = self.timeout;
        if let Some(heard_of) = self.contact.answered(asked_at, by, relay_len(t), now) {
            lease = lease.max(heard_of + lease_len(t));
            self.confirmed = self.confirmed.max(Some(heard_of + confirmed_len(t)));
        }
        if now <= lease {
            lease = lease.max(asked_at + lease_len(t));
        }
        self.lease = Some(lease);
    }

    /// Until when the ensemble cannot have ended the session, by what this client knows:
    /// the send time of the newest answered request plus 7/10 `t`.
    ///
    /// The leader hears of a touch at most half a tick after the server that answered, and `t` is
    /// at least two ticks unless an operator has lowered the minimum: 3/4 `t` are left, and 1/20
    /// goes for the way between servers and for clocks that run at different rates.
    pub(crate) fn lease(&self) -> Option<Instant> {
        self.lease
    }

    /// The same by what the leader is known to have heard: 19/20 `t` after it. The rest goes for
    /// clocks that run at different rates.
    pub(crate) fn confirmed(&self) -> Option<Instant> {
        self.confirmed
    }

    /// When to send a ping: a third of `t` after the last send, and after the last thing heard
    /// unless a ping is already on its way.
    pub(crate) fn heartbeat_at(&self, ping_outstanding: bool) -> Instant {
        let pause = (self.timeout / 3).min(HEARTBEAT_MAX);
        let from = if ping_outstanding {
            self.sent_at
        } else {
            self.sent_at.min(self.heard_at)
        };
        from + pause
    }

    /// When a silent link is given up for another server.
    pub(crate) fn failover_at(&self) -> Instant {
        self.heard_at + self.timeout * 2 / 3
    }

    /// When the session is taken for ended although no server could say so.
    pub(crate) fn expiry_at(&self) -> Instant {
        self.heard_at + self.timeout * 4 / 3
    }

    /// When a connect attempt that starts now is given up: its share of what is left of `t`.
    ///
    /// Once `t` has run out the session is most likely gone, and attempts get shares of a whole
    /// `t` again, since then only a clear answer matters.
    pub(crate) fn attempt_until(&self, attempts_left: u32, now: Instant) -> Instant {
        let left = (self.heard_at + self.timeout).saturating_duration_since(now);
        let whole = if left.is_zero() { self.timeout } else { left };
        now + (whole / attempts_left.max(1)).max(ATTEMPT_MIN)
    }

    /// The longest pause between rounds over the servers: short against what is left of a session
    /// whose link has just gone.
    pub(crate) fn pause_max(&self) -> Duration {
        self.timeout / 10
    }

    /// When a close stops waiting for its reply.
    pub(crate) fn close_until(&self, now: Instant) -> Instant {
        now + (self.timeout / 3).min(CLOSE_MAX)
    }
}

fn lease_len(timeout: Duration) -> Duration {
    timeout * 7 / 10
}

fn confirmed_len(timeout: Duration) -> Duration {
    timeout * 19 / 20
}

/// How long the leader may take to hear of a touch: what a lease falls short of `t`.
fn relay_len(timeout: Duration) -> Duration {
    timeout - lease_len(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(6);

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn anywhen() -> Instant {
        Instant::now()
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn formulas() {
        let zero = anywhen();
        let mut timers = Timers::new(T, zero);
        timers.established(T, zero);
        assert_eq!(timers.heartbeat_at(false), zero + secs(2));
        assert_eq!(timers.failover_at(), zero + secs(4));
        assert_eq!(timers.expiry_at(), zero + secs(8));
        timers.sent(zero + secs(1));
        assert_eq!(timers.heartbeat_at(false), zero + secs(2));
        assert_eq!(timers.heartbeat_at(true), zero + secs(3));
        assert_eq!(timers.close_until(zero), zero + secs(2));
        assert_eq!(timers.attempt_until(3, zero + secs(3)), zero + secs(4));
        assert_eq!(timers.attempt_until(1, zero + secs(7)), zero + secs(13));
        let mut long = Timers::new(secs(60), zero);
        long.established(secs(60), zero);
        assert_eq!(long.heartbeat_at(false), zero + secs(10));
    }

    #[test]
    fn a_lease_that_ran_out_needs_proof() {
        let zero = anywhen();
        let mut timers = Timers::new(T, zero);
        assert_eq!((timers.lease(), timers.confirmed()), (None, None));
        timers.established(T, zero + secs(1));
        assert_eq!(timers.lease(), None);
        timers.validated(zero, zero + secs(1));
        let first = zero + Duration::from_millis(4200);
        assert_eq!(timers.lease(), Some(first));
        timers.acknowledged(zero + secs(1), By::Server, zero + secs(2));
        assert_eq!(timers.lease(), Some(first + secs(1)));
        for by in [By::Server, By::Quorum] {
            timers.acknowledged(zero + secs(5), by, zero + secs(6));
            assert_eq!(
                timers.lease(),
                Some(first + secs(1)),
                "came after the lease had ended"
            );
        }
        // The leader had looked at the session before the handshake was answered.
        let confirmed = zero + Duration::from_millis(5700);
        assert_eq!(timers.confirmed(), Some(confirmed));
        let later = zero + Duration::from_millis(7800);
        timers.acknowledged(later, By::Leader, zero + secs(8));
        assert_eq!(timers.lease(), Some(first + secs(1)), "it is on its way");
        timers.acknowledged(zero + secs(8), By::Quorum, zero + secs(9));
        assert_eq!(timers.confirmed(), Some(confirmed + secs(5)));
        assert_eq!(
            timers.lease(),
            Some(first + secs(8)),
            "it counts again, and so does this answer"
        );
        timers.acknowledged(zero, By::Quorum, zero + secs(9));
        assert_eq!(timers.lease(), Some(first + secs(8)), "never shrinks");
        assert_eq!(timers.confirmed(), Some(confirmed + secs(5)));
    }

    #[test]
    fn another_link_proves_nothing_about_the_one_before() {
        let zero = anywhen();
        let mut timers = Timers::new(T, zero);
        timers.established(T, zero);
        timers.validated(zero, zero);
        timers.acknowledged(zero + secs(1), By::Server, zero + secs(1));
        timers.acknowledged(zero + secs(4), By::Leader, zero + secs(4));
        timers.established(T, zero + secs(4));
        timers.acknowledged(zero + secs(5), By::Quorum, zero + secs(5));
        assert_eq!(timers.confirmed(), None);
    }
}
