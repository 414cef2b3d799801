//! How a learner is brought to the leader's history: DIFF, TRUNC or SNAP
//! (`LearnerHandler.syncFollower`).
//!
//! Everything rests on one fact: of two logs that hold transactions of the same epoch, the parts up
//! to the end of that epoch's shorter part are equal. So a learner may be told to cut its log only
//! at a transaction of the epoch in which its log ends.

use lockkeeper_wire::Zxid;

use crate::history::Log;

/// What a learner reports as the end of its log to be sent an image whatever the leader holds: no
/// log begins this early, and the number names no epoch. Such a learner does not count when the
/// leader asks who has less than itself.
pub(crate) const IMAGE_WANTED: Zxid = Zxid(i64::MIN + 1);

/// Where a learner's log and the leader's part, and what follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The learner's log is a part of mine: all behind its end follows.
    Diff,
    /// Up to this zxid it is, and that one is in both; all behind it follows.
    Trunc(Zxid),
    /// The two have to be compared on the disk, from here.
    Read {
        /// Just before the learner's end.
        after: Zxid,
    },
    /// Only an image will do.
    Snap,
}

/// Whether a zxid names the beginning of an epoch and no transaction. Apache's leaders take such
/// numbers for the end of their history when they begin to serve, and put it on their images.
fn begins_epoch(zxid: Zxid) -> bool {
    zxid.counter() == 0
}

impl Log {
    /// The rows of the table, first match.
    pub(crate) fn plan(&self, learner: Zxid) -> Plan {
        if learner.0 < 0 {
            return Plan::Snap;
        }
        if self.holds(learner) {
            return Plan::Diff;
        }
        if learner < self.floor() {
            let after = match begins_epoch(learner) {
                true => learner,
                false => Zxid(learner.0 - 1),
            };
            return Plan::Read { after };
        }
        if begins_epoch(learner) {
            // Who names the beginning of an epoch has all that it began with, and so have I if my
            // log goes on behind it.
            return match learner < self.last() {
                true => Plan::Diff,
                false => Plan::Snap,
            };
        }
        let common = self.at_or_before(learner);
        match common.epoch() == learner.epoch() && !begins_epoch(common) {
            true => Plan::Trunc(common),
            false => Plan::Snap,
        }
    }
}
