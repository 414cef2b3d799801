//! The history: what is logged, durable, committed and delivered.
//!
//! The log proper is on the disk; here is its end, at least all that is not delivered yet, and what
//! is known about the rest. Four marks divide it, in this order where all is well:
//!
//! ```text
//! oldest ..... floor ....| recent: delivered ≤ durable ≤ last |      delivered ≤ committed ≤ last
//! ```
//!
//! A mark is a zxid and says "up to here". Since a transaction can be logged, cut off and logged
//! again, durability is counted in writes ([`IoId`]) and only then told as a zxid.

use std::collections::VecDeque;

use bytes::Bytes;
use lockkeeper_wire::Zxid;

use crate::effect::IoId;
use crate::settings::Settings;

/// A transaction as this crate knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Its id.
    pub zxid: Zxid,
    /// The entry as it stands in the log (`TxnEntry`).
    pub bytes: Bytes,
}

/// What was found on the disk at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The end of the log; the store holds all of it, committed or not.
    pub last: Zxid,
    /// The oldest snapshot: the log cannot be cut behind a zxid before it.
    pub oldest: Zxid,
    /// The accepted epoch.
    pub accepted_epoch: i64,
    /// The current epoch. If the log ends in a later one that is accepted, that one counts: a log
    /// that holds a transaction of an epoch holds all that the epoch began with.
    pub current_epoch: i64,
    /// The end of the log without a gap, as much as was kept; may be empty.
    pub recent: Vec<Txn>,
    /// False if the disk was emptied under a member that had voted before: what it promised is
    /// forgotten, so it takes no part in quorums until it has caught up with a leader.
    pub votes: bool,
}

/// Whether a transaction may come right behind another in a log: the next counter, or the first of
/// a later epoch. Anything else is a hole (ZOOKEEPER-4925).
pub(crate) fn follows(previous: Zxid, next: Zxid) -> bool {
    match next.counter() {
        0 => false,
        1 => next > previous,
        _ => next.0 - 1 == previous.0,
    }
}

/// The log as far as it is in memory, and the marks.
#[derive(Debug)]
pub(crate) struct Log {
    oldest: Zxid,
    /// All of the log behind this zxid, which is in it, is in `recent`.
    floor: Zxid,
    recent: VecDeque<Txn>,
    recent_bytes: usize,
    recent_max: usize,
    recent_bytes_max: usize,
    /// Writes on their way, and where the durable part of the log ends after each.
    writes: VecDeque<(IoId, Zxid)>,
    durable: Zxid,
    committed: Zxid,
    delivered: Zxid,
}

impl Log {
    pub(crate) fn new(history: History, settings: &Settings) -> Self {
        let mut recent = VecDeque::from(history.recent);
        let pairs = recent.iter().zip(recent.iter().skip(1));
        assert!(
            { pairs }.all(|(a, b)| follows(a.zxid, b.zxid))
                && recent.back().is_none_or(|txn| txn.zxid == history.last),
            "what was recovered ends at the end of the log and has no hole"
        );
        // What is in front of the first is not known, so that one is the floor itself.
        let floor = recent.pop_front().map_or(history.last, |txn| txn.zxid);
        let mut log = Self {
            oldest: history.oldest,
            floor,
            recent_bytes: recent.iter().map(|txn| txn.bytes.len()).sum(),
            recent,
            recent_max: settings.recent_max,
            recent_bytes_max: settings.recent_bytes_max,
            writes: VecDeque::new(),
            durable: history.last,
            committed: history.last,
            delivered: history.last,
        };
        log.trim();
        log
    }

    /// The end of the log, durable or not.
    pub(crate) fn last(&self) -> Zxid {
        self.recent.back().map_or(self.floor, |txn| txn.zxid)
    }

    /// The log cannot be cut behind a zxid before this one.
    pub(crate) fn oldest(&self) -> Zxid {
        self.oldest
    }

    /// All behind this zxid is in memory.
    pub(crate) fn floor(&self) -> Zxid {
        self.floor
    }

    pub(crate) fn durable(&self) -> Zxid {
        self.durable
    }

    pub(crate) fn committed(&self) -> Zxid {
        self.committed
    }

    pub(crate) fn delivered(&self) -> Zxid {
        self.delivered
    }

    /// The transactions in memory that come after a zxid.
    pub(crate) fn after(&self, zxid: Zxid) -> impl Iterator<Item = &Txn> {
        let at = self.recent.partition_point(|txn| txn.zxid <= zxid);
        self.recent.range(at..)
    }

    /// The transaction in memory with this zxid.
    pub(crate) fn get(&self, zxid: Zxid) -> Option<&Txn> {
        self.recent
            .binary_search_by_key(&zxid, |txn| txn.zxid)
            .ok()
            .map(|at| &self.recent[at])
    }

    /// Whether a transaction is known to be in the log.
    pub(crate) fn holds(&self, zxid: Zxid) -> bool {
        zxid == self.floor || self.get(zxid).is_some()
    }

    /// The last zxid in memory that is not above this one; the floor if there is none.
    pub(crate) fn at_or_before(&self, zxid: Zxid) -> Zxid {
        let at = self.recent.partition_point(|txn| txn.zxid <= zxid);
        match at.checked_sub(1) {
            Some(before) => self.recent[before].zxid,
            None => self.floor,
        }
    }

    pub(crate) fn append(&mut self, io: IoId, txn: Txn) {
        assert!(
            follows(self.last(), txn.zxid),
            "{} is logged behind {}",
            txn.zxid,
            self.last()
        );
        self.writes.push_back((io, txn.zxid));
        self.recent_bytes += txn.bytes.len();
        self.recent.push_back(txn);
    }

    pub(crate) fn truncate(&mut self, io: IoId, zxid: Zxid) {
        assert!(
            zxid < self.last() && zxid >= self.oldest,
            "a cut in the log"
        );
        while let Some(txn) = self.recent.pop_back_if(|txn| txn.zxid > zxid) {
            self.recent_bytes -= txn.bytes.len();
        }
        self.floor = self.floor.min(zxid);
        self.end_at(io, zxid);
    }

    pub(crate) fn install(&mut self, io: IoId, zxid: Zxid) {
        self.recent.clear();
        self.recent_bytes = 0;
        self.oldest = zxid;
        self.floor = zxid;
        self.end_at(io, zxid);
        self.committed = zxid;
        self.delivered = zxid;
    }

    /// No mark may stay behind the new end, and no write of what was there may move one there.
    fn end_at(&mut self, io: IoId, zxid: Zxid) {
        for mark in [&mut self.durable, &mut self.committed, &mut self.delivered] {
            *mark = zxid.min(*mark);
        }
        for (_, end) in &mut self.writes {
            *end = zxid.min(*end);
        }
        self.writes.push_back((io, zxid));
    }

    pub(crate) fn handle_durable(&mut self, upto: IoId) {
        while let Some((_, end)) = self.writes.pop_front_if(|(io, _)| *io <= upto) {
            self.durable = end;
        }
    }

    /// All up to here is decided. Going back is no news.
    pub(crate) fn commit(&mut self, zxid: Zxid) {
        assert!(zxid <= self.last(), "only what is logged is committed");
        self.committed = self.committed.max(zxid);
    }

    /// What was said about commits counted under a leader that is gone.
    pub(crate) fn forget_commits(&mut self) {
        self.committed = self.delivered;
    }

    /// The next transaction that is committed and durable, once.
    pub(crate) fn deliver(&mut self) -> Option<Txn> {
        self.take_up_to(self.committed.min(self.durable))
    }

    /// The next transaction that is durable, committed or not, once.
    pub(crate) fn replay(&mut self) -> Option<Txn> {
        self.take_up_to(self.durable)
    }

    fn take_up_to(&mut self, end: Zxid) -> Option<Txn> {
        let txn = self.after(self.delivered).next()?;
        if txn.zxid > end {
            return None;
        }
        let txn = txn.clone();
        self.delivered = txn.zxid;
        self.committed = self.committed.max(txn.zxid);
        self.trim();
        Some(txn)
    }

    /// Forgets the oldest of what is delivered, down to the bounds.
    fn trim(&mut self) {
        while self.recent.len() > self.recent_max || self.recent_bytes > self.recent_bytes_max {
            let delivered = self.delivered;
            let Some(txn) = self.recent.pop_front_if(|txn| txn.zxid <= delivered) else {
                return;
            };
            self.recent_bytes -= txn.bytes.len();
            self.floor = txn.zxid;
        }
    }
}

#[cfg(test)]
mod tests {
    use lockkeeper_wire::ServerId;

    use super::*;

    fn txn(counter: u32) -> Txn {
        Txn {
            zxid: Zxid::new(1, counter),
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn no_write_that_was_under_way_makes_durable_what_is_cut() {
        let history = History {
            last: Zxid::ZERO,
            oldest: Zxid::ZERO,
            accepted_epoch: 1,
            current_epoch: 1,
            recent: Vec::new(),
            votes: true,
        };
        let mut log = Log::new(history, &Settings::new(ServerId(1)));
        for io in 1..=3 {
            log.append(IoId(io), txn(io as u32));
        }
        log.truncate(IoId(4), Zxid::new(1, 1));
        log.append(IoId(5), txn(2));
        log.handle_durable(IoId(3));
        assert_eq!(log.durable(), Zxid::new(1, 1));
        log.handle_durable(IoId(5));
        assert_eq!(log.durable(), Zxid::new(1, 2));
    }
}
