//! L1: a lock has one owner at a zxid; L2: the guarded resource sees fences ascending; L3: holders
//! overlap only across an expiry; L4: waiters are served in sequence order. Source: the recipes'
//! promises; `jepsen-io/etcd: src/jepsen/etcd/lock.clj` for what no lock can promise.

use lockkeeper_check::{Violation, locks};

use crate::record::Record;

pub(crate) fn check(record: &Record) -> Vec<Violation> {
    locks::check(&record.holds, &record.uses, &record.ended)
}
