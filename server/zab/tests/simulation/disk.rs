//! A disk with a durable mark: what is written waits until it is synced, and a crash keeps as much of
//! the waiting writes as it likes, from the front.

use std::collections::VecDeque;

use lockkeeper_wire::Zxid;
use lockkeeper_zab::{History, IoId, Txn};

use crate::rng::Rng;

/// What is on a disk for good. The history is whole: the part in the image first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) history: Vec<Txn>,
    /// How much of the history is in the oldest image and in no log.
    pub(crate) image_len: usize,
    /// The zxid of that image.
    pub(crate) image_zxid: Zxid,
    pub(crate) accepted_epoch: i64,
    pub(crate) current_epoch: i64,
    /// Whether it was emptied under a member, which has not caught up since.
    pub(crate) is_emptied: bool,
}

impl Durable {
    pub(crate) fn last(&self) -> Zxid {
        match self.history.len() > self.image_len {
            true => self.history[self.history.len() - 1].zxid,
            false => self.image_zxid,
        }
    }

    pub(crate) fn holds(&self, zxid: Zxid) -> bool {
        self.history
            .binary_search_by_key(&zxid, |txn| txn.zxid)
            .is_ok()
    }
}

/// One storage effect.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Append(Txn),
    Truncate(Zxid),
    Install(Vec<Txn>, Zxid),
    Accepted(i64),
    Current(i64),
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) durable: Durable,
    pub(crate) waiting: VecDeque<(IoId, Write)>,
}

impl Disk {
    /// Makes the oldest waiting write durable.
    pub(crate) fn sync_one(&mut self) -> Option<(IoId, Write)> {
        let (io, write) = self.waiting.pop_front()?;
        let durable = &mut self.durable;
        match &write {
            Write::Append(txn) => durable.history.push(txn.clone()),
            Write::Truncate(zxid) => {
                assert!(*zxid >= durable.image_zxid, "an image cannot be cut");
                durable.history.retain(|txn| txn.zxid <= *zxid);
                assert!(
                    durable.last() == *zxid || zxid.counter() == 0,
                    "{zxid} is where the log is cut"
                );
            }
            Write::Install(history, zxid) => {
                durable.image_len = history.len();
                durable.image_zxid = *zxid;
                durable.history = history.clone();
            }
            Write::Accepted(epoch) => durable.accepted_epoch = *epoch,
            Write::Current(epoch) => {
                durable.current_epoch = *epoch;
                durable.is_emptied = false;
            }
        }
        Some((io, write))
    }

    /// What a member finds when it starts.
    pub(crate) fn recover(&self, rng: &mut Rng) -> History {
        let durable = &self.durable;
        let log = &durable.history[durable.image_len..];
        let kept = rng.index(log.len() + 1);
        History {
            last: durable.last(),
            oldest: durable.image_zxid,
            accepted_epoch: durable.accepted_epoch,
            current_epoch: durable.current_epoch,
            recent: log[log.len() - kept..].to_vec(),
            votes: !durable.is_emptied,
        }
    }

    /// What a leader reads for a learner.
    pub(crate) fn read(&self, after: Zxid, upto: Zxid) -> Option<Vec<Txn>> {
        let durable = &self.durable;
        if after < durable.image_zxid {
            return None;
        }
        let log = durable.history[durable.image_len..].iter();
        let range = log.filter(|txn| txn.zxid > after && txn.zxid <= upto);
        Some(range.cloned().collect())
    }
}
