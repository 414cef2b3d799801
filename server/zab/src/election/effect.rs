//! What an election is told and what it says.

use std::collections::BTreeSet;

use lockkeeper_wire::{Notification, PeerState, ServerId, Vote};

use crate::membership::Membership;

/// Waits, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Before the vote is told again for the first time
    /// (`zookeeper.fastleader.minNotificationInterval`); each next wait is twice as long.
    pub wait_min_ms: u64,
    /// The longest of these (`zookeeper.fastleader.maxNotificationInterval`).
    pub wait_max_ms: u64,
    /// For something better, when enough votes agree.
    pub final_wait_ms: u64,
}

impl Default for ElectionSettings {
    fn default() -> Self {
        Self {
            wait_min_ms: 200,
            wait_max_ms: 60_000,
            final_wait_ms: 200,
        }
    }
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionEffect {
    /// A newer membership was learnt from a notification, and is in force here.
    Adopted {
        /// The membership.
        membership: Membership,
    },
    /// The election is over.
    Decided(Decision),
    /// A server is to be told; a notification to it that has not left yet is replaced.
    Notify {
        /// Whom.
        to: ServerId,
        /// What.
        notification: Notification,
    },
    /// This server leads, and one that may vote is looking for a leader (ZOOKEEPER-3109).
    VoterLooks {
        /// Which.
        sid: ServerId,
    },
}

/// The end of an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What this server is from now on; never looking.
    pub state: PeerState,
    /// The leader, and what spoke for it.
    pub vote: Vote,
    /// The election that it came out of.
    pub round: i64,
    /// Whose votes decided.
    pub voters: BTreeSet<ServerId>,
}
