//! W1: event before data; W2: in zxid order; W3: one-shot fires once; W4: nothing lost over a
//! reconnect; W5: no event without the right to read; W6: a persistent watch sees every change.
//! Source: ZooKeeper's watch guarantees; CVE-2024-23944; etcd's `tests/robustness/validate/watch.go`
//! for checking them by name.

use std::collections::BTreeSet;

use lockkeeper_check::replay::Replayed;
use lockkeeper_check::{Violation, watches};

use crate::record::Record;

pub(crate) fn check(record: &Record, replayed: &Replayed) -> (Vec<Violation>, usize) {
    let (mut violations, checked) = watches::check(&record.history, replayed);
    let ended = record.ended.keys().chain(&record.abandoned).copied();
    let ended: BTreeSet<_> = ended.collect();
    violations.extend(watches::lost(&record.waited, &replayed.changes, &ended));
    (violations, checked)
}
