//! D4: equal zxids mean equal digests, on the members and on the model; with it E1, Z2 and Z5, which
//! a replay shows as well. Source: `DigestLogFormat` of Apache's servers; the naive model.

use lockkeeper_check::Violation;
use lockkeeper_check::replay::{Replayed, replay};

use crate::record::Record;

pub(crate) fn check(record: &Record) -> (Replayed, Vec<Violation>) {
    let mut replayed = replay(&record.history);
    let violations = std::mem::take(&mut replayed.violations);
    (replayed, violations)
}
