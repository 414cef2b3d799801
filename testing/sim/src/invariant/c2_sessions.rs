//! C2: zxids never decrease within a session; C3: replies in request order; C5: a sync sees what was
//! acknowledged; E3: ids never repeat, one owner at a time. Source: ZooKeeper's guarantees.

use lockkeeper_check::Violation;
use lockkeeper_check::order::{self, Reads};
use lockkeeper_check::replay::Replayed;

use crate::record::Record;

/// One member answers everybody, so its reads are linearizable as well.
pub(crate) fn check(record: &Record, replayed: &Replayed) -> Vec<Violation> {
    order::check(&record.history, replayed, Reads::Linearizable)
}
