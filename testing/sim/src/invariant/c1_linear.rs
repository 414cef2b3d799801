//! C1: writes are linearizable. Source: ZooKeeper's guarantees; Herlihy and Wing 1990.
//!
//! The replay (`d4_replay`) says so by zxids. This says it without them.

use lockkeeper_check::{Violation, list, register};

use crate::record::Record;
use crate::workload::{LIST, REGISTERS};

pub(crate) fn check(record: &Record) -> (Vec<Violation>, usize) {
    let (mut violations, registers) = register::check(&record.history, REGISTERS);
    let (more, appends) = list::check(&record.history, LIST);
    violations.extend(more);
    (violations, registers + appends)
}
