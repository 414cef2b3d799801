//! The membership in force and the last one seen.

use std::collections::BTreeSet;

use lockkeeper_wire::ServerId;

use super::Membership;
use crate::quorums::JointQuorums;

/// The membership that is committed and the newest that was proposed; mostly they are the same.
///
/// While the one seen is newer, quorums must be quorums of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memberships {
    committed: Membership,
    last_seen: Membership,
}

impl Memberships {
    /// Those that a server starts with; nothing seen beyond the committed one unless given.
    pub fn new(committed: Membership, last_seen: Option<Membership>) -> Self {
        let mut memberships = Self {
            last_seen: committed.clone(),
            committed,
        };
        if let Some(last_seen) = last_seen {
            memberships.see(last_seen);
        }
        memberships
    }

    /// The one in force.
    pub fn committed(&self) -> &Membership {
        &self.committed
    }

    /// The newest.
    pub fn last_seen(&self) -> &Membership {
        &self.last_seen
    }

    /// Whether a change is under way.
    pub fn is_changing(&self) -> bool {
        self.last_seen.version() > self.committed.version()
    }

    /// Whether a server may vote in either.
    pub fn is_voter(&self, sid: ServerId) -> bool {
        self.committed.is_voter(sid) || self.last_seen.is_voter(sid)
    }

    /// Who may vote in either.
    pub fn voters(&self) -> BTreeSet<ServerId> {
        self.committed.voters() | self.last_seen.voters()
    }

    /// The quorums that hold now.
    pub fn quorums(&self) -> JointQuorums {
        let next = self.is_changing().then(|| self.last_seen.quorums().clone());
        JointQuorums::new(self.committed.quorums().clone(), next)
    }

    /// A newer membership was proposed; an older one changes nothing. Returns whether it is newer.
    pub fn see(&mut self, membership: Membership) -> bool {
        let newer = membership.version() > self.last_seen.version();
        if newer {
            self.last_seen = membership;
        }
        newer
    }

    /// What was proposed is not to be: nothing is seen beyond the committed one any more.
    pub fn forget_seen(&mut self) {
        self.last_seen = self.committed.clone();
    }

    /// A newer membership takes effect; an older one changes nothing. Returns the one before it.
    pub fn activate(&mut self, membership: Membership) -> Option<Membership> {
        if membership.version() <= self.committed.version() {
            return None;
        }
        self.see(membership.clone());
        Some(std::mem::replace(&mut self.committed, membership))
    }
}
