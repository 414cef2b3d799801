//! The invariants, one file each, under the names they have in every report.
//!
//! | name | statement | where |
//! |---|---|---|
//! | C1 | writes are linearizable | `c1_linear.rs` |
//! | C2, C3, C5 | orders within a session and across a sync | `c2_sessions.rs` |
//! | C4 | what is said not to have been applied was not | `c4_outcomes.rs` |
//! | D1 | who is told of a transaction can rely on the disk | `d1_durable.rs` |
//! | D2 | applied ≤ durable ≤ logged | `d2_marks.rs` |
//! | D3 | recovery gives what was promised | `d3_recovery.rs` |
//! | D4, E1, Z2, Z5 | the log replayed on the model | `d4_replay.rs` |
//! | E2 | no expiry before its time, none much later | `e2_expiry.rs` |
//! | E3 | ids never repeat, one owner at a time | with `c2_sessions.rs`: both are orders |
//! | L1, L2, L3, L4 | locks | `l_locks.rs` |
//! | R1 | limits are kept, nothing is left over | `r1_leftovers.rs` |
//! | V1 | with faults gone, work ends | `v1_liveness.rs` |
//! | W1 to W6 | events | `w_watches.rs` |
//!
//! Some are checked at the moment something happens, the others on the whole history of a world.

pub(crate) mod c1_linear;
pub(crate) mod c2_sessions;
pub(crate) mod c4_outcomes;
pub(crate) mod d1_durable;
pub(crate) mod d2_marks;
pub(crate) mod d3_recovery;
pub(crate) mod d4_replay;
pub(crate) mod e2_expiry;
pub(crate) mod l_locks;
pub(crate) mod r1_leftovers;
pub(crate) mod v1_liveness;
pub(crate) mod w_watches;

use lockkeeper_check::Violation;

use crate::record::Record;

/// Checks the whole history of a world; gives what is wrong and how much was looked at.
pub(crate) fn check_history(record: &Record) -> (Vec<Violation>, usize) {
    let (replayed, mut violations) = d4_replay::check(record);
    let mut checked = replayed.compared;
    violations.extend(c2_sessions::check(record, &replayed));
    let (faults, events) = w_watches::check(record, &replayed);
    violations.extend(faults);
    let (faults, ordered) = c1_linear::check(record);
    violations.extend(faults);
    violations.extend(c4_outcomes::check(record, &replayed));
    violations.extend(l_locks::check(record));
    checked += events + ordered;
    (violations, checked)
}
