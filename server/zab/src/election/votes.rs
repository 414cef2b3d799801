//! Votes as they were heard, and which of them are for the same thing (`Vote.equals`).

use std::collections::{BTreeMap, BTreeSet};

use lockkeeper_wire::{Notification, PeerState, ServerId, Vote};

/// One server's vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) state: PeerState,
    pub(super) vote: Vote,
    pub(super) round: i64,
    version: i32,
}

impl From<&Notification> for Heard {
    fn from(notification: &Notification) -> Self {
        Self {
            state: notification.state,
            vote: notification.vote,
            round: notification.round,
            version: notification.version,
        }
    }
}

impl Heard {
    /// The vote of a server that looks.
    pub(super) fn looking(vote: Vote, round: i64) -> Self {
        Self {
            state: PeerState::Looking,
            vote,
            round,
            version: 0,
        }
    }

    /// As if it had come from a server of before 3.4.
    pub(super) fn unversioned(self) -> Self {
        Self { version: 0, ..self }
    }

    /// Whether both are for the same thing.
    ///
    /// Two servers that have a leader agree if it is the same one in the same epoch, and servers
    /// before 3.4 did not know of the epoch.
    fn agrees_with(&self, other: &Self) -> bool {
        if self.state == PeerState::Looking || other.state == PeerState::Looking {
            self.vote == other.vote && self.round == other.round
        } else if (self.version > 0) != (other.version > 0) {
            self.vote.leader == other.vote.leader
        } else {
            self.vote.leader == other.vote.leader && self.vote.epoch == other.vote.epoch
        }
    }
}

/// The last vote of each server.
#[derive(Debug, Default)]
pub(super) struct Votes(BTreeMap<ServerId, Heard>);

impl Votes {
    /// Replaces a server's vote. Returns whether it is another one than before.
    pub(super) fn insert(&mut self, from: ServerId, heard: Heard) -> bool {
        self.0.insert(from, heard) != Some(heard)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn has(&self, sid: ServerId) -> bool {
        self.0.contains_key(&sid)
    }

    /// Who agrees with a vote.
    pub(super) fn agreeing_with(&self, vote: &Heard) -> BTreeSet<ServerId> {
        self.0
            .iter()
            .filter(|(_, heard)| heard.agrees_with(vote))
            .map(|(&sid, _)| sid)
            .collect()
    }

    /// Whether a leader that others have does lead: it says so itself or, if it is this server,
    /// `is_current` holds.
    pub(super) fn confirm(
        &self,
        leader: ServerId,
        sid: ServerId,
        is_current: impl FnOnce() -> bool,
    ) -> bool {
        match leader == sid {
            true => is_current(),
            false => (self.0.get(&leader)).is_some_and(|heard| heard.state == PeerState::Leading),
        }
    }
}
