//! Who there is: an ensemble as a run begins it, and one member with all that surrounds it.

use std::collections::BTreeMap;

use lockkeeper_wire::{ServerId, Zxid};
use lockkeeper_zab::{LinkId, Membership, Peer, Serving, Txn};

use crate::disk::{Disk, Durable};

/// What a run begins with, and which faults it has beside the usual ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ensemble {
    pub(crate) voters: usize,
    pub(crate) observers: usize,
    /// Servers that the membership does not name, but that follow.
    pub(crate) strangers: usize,
    /// Whether the membership is changed.
    pub(crate) changes: bool,
    /// Whether disks are emptied.
    pub(crate) empties: bool,
}

impl Ensemble {
    pub(crate) fn members(&self) -> usize {
        self.voters + self.observers + self.strangers
    }

    pub(crate) fn membership(&self) -> Membership {
        let named = self.voters + self.observers;
        membership((1..=named).map(|sid| (sid, sid <= self.voters)), Zxid::ZERO)
    }
}

/// A membership of these servers, each with whether it votes.
pub(crate) fn membership(
    members: impl Iterator<Item = (usize, bool)>,
    version: Zxid,
) -> Membership {
    let mut text = String::new();
    for (sid, votes) in members {
        let role = if votes { "participant" } else { "observer" };
        text += &format!("server.{sid}=m{sid}:1:2:{role}\n");
    }
    text += &format!("version={:x}", version.0);
    text.parse().expect("a membership")
}

/// One member and what surrounds it.
pub(crate) struct Member {
    pub(crate) sid: ServerId,
    pub(crate) peer: Option<Peer>,
    pub(crate) disk: Disk,
    pub(crate) store: Vec<Txn>,
    /// The membership in its files, and the one proposed last.
    pub(crate) config: Membership,
    pub(crate) seen: Option<Membership>,
    pub(crate) is_listening: bool,
    pub(crate) serving: Option<Serving>,
    /// Images read and kept, by their link.
    pub(crate) images: BTreeMap<LinkId, Vec<Txn>>,
    /// Counts its starts.
    pub(crate) life: u64,
    pub(crate) dial: u64,
    pub(crate) paused_until_ms: u64,
    /// Crashes after so many effects more.
    pub(crate) crash_in: Option<u64>,
    /// Open syncs, and what was delivered anywhere when they began.
    pub(crate) syncs: BTreeMap<u64, usize>,
    pub(crate) disk_ms: u64,
}

impl Member {
    pub(crate) fn new(sid: ServerId, start: Zxid, config: Membership) -> Self {
        Self {
            sid,
            peer: None,
            disk: Disk {
                durable: Durable {
                    image_zxid: start,
                    accepted_epoch: i64::from(start.epoch()),
                    current_epoch: i64::from(start.epoch()),
                    ..Durable::default()
                },
                ..Disk::default()
            },
            store: Vec::new(),
            config,
            seen: None,
            is_listening: false,
            serving: None,
            images: BTreeMap::new(),
            life: 0,
            dial: 0,
            paused_until_ms: 0,
            crash_in: None,
            syncs: BTreeMap::new(),
            disk_ms: 2,
        }
    }
}
