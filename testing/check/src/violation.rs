//! A broken promise and its name.

use std::fmt;

/// The promises, by the names they have in every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Writes are linearizable.
    C1,
    /// Zxids never decrease within a session.
    C2,
    /// Replies come in the order of the requests, and a session reads its own writes.
    C3,
    /// An operation said not to have been applied is never found applied.
    C4,
    /// A read behind a sync sees all that was acknowledged before the sync.
    C5,
    /// An acknowledgement leaves only when what it covers is durable.
    D1,
    /// Applied is durable, durable is logged.
    D2,
    /// Recovery gives a state that had been promised.
    D3,
    /// Equal zxids mean equal digests.
    D4,
    /// Ephemerals are those of live sessions and go in the closing transaction.
    E1,
    /// No session expires before its timeout, and none much later.
    E2,
    /// Session ids never repeat, and a session has one owner at a time.
    E3,
    /// A lock has one owner at a zxid.
    L1,
    /// The guarded resource sees fences ascending.
    L2,
    /// Holders overlap only across an expiry.
    L3,
    /// Waiters are served in sequence order.
    L4,
    /// Limits are kept, and nothing is left over.
    R1,
    /// With faults gone, work goes on within bounds.
    V1,
    /// An event comes before any reply that shows its change.
    W1,
    /// Events come in the order of zxids.
    W2,
    /// A one-shot watch fires once.
    W3,
    /// No event is lost over a reconnect.
    W4,
    /// No event without the right to read.
    W5,
    /// A persistent watch sees every change.
    W6,
    /// Only what was asked for is applied.
    Z2,
    /// The log has no hole.
    Z5,
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {what}")]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// How it shows, for a person.
    pub what: String,
}

impl Violation {
    /// A violation of `rule`.
    pub fn new(rule: Rule, what: impl Into<String>) -> Self {
        Self {
            rule,
            what: what.into(),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
