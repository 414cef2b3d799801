//! Which servers are enough of them (`QuorumMaj`, `QuorumHierarchical`).
//!
//! Any two sets that are a quorum of the same membership have a server in common, and that is all the
//! protocol asks of them. While a membership is being changed, a set must be a quorum of the old one
//! and of the new one.

use std::collections::{BTreeMap, BTreeSet};

use lockkeeper_wire::ServerId;

/// The quorums of one membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quorums {
    /// More than half of the voters.
    Majority {
        /// Who may vote.
        voters: BTreeSet<ServerId>,
    },
    /// In more than half of the groups, servers with more than half of the group's weight.
    Hierarchical {
        /// Who may vote.
        voters: BTreeSet<ServerId>,
        /// The groups by their number. A group whose weights add up to nothing does not count.
        groups: BTreeMap<i64, BTreeSet<ServerId>>,
        /// The weight of every server in a group.
        weights: BTreeMap<ServerId, i64>,
    },
}

impl Quorums {
    /// Who may vote.
    pub fn voters(&self) -> &BTreeSet<ServerId> {
        match self {
            Self::Majority { voters } | Self::Hierarchical { voters, .. } => voters,
        }
    }

    /// What a server's vote weighs; 0 for one that cannot become leader.
    pub fn weight(&self, sid: ServerId) -> i64 {
        match self {
            Self::Majority { voters } => i64::from(voters.contains(&sid)),
            Self::Hierarchical { weights, .. } => weights.get(&sid).copied().unwrap_or(0),
        }
    }

    /// Whether the voters that `has` holds for are a quorum.
    pub fn is_reached(&self, has: impl Fn(ServerId) -> bool) -> bool {
        let has = |sid: &&ServerId| has(**sid);
        match self {
            Self::Majority { voters } => voters.iter().filter(has).count() > voters.len() / 2,
            Self::Hierarchical {
                voters,
                groups,
                weights,
            } => {
                let weight = |sid: &ServerId| weights.get(sid).copied().unwrap_or(0);
                let (mut counted, mut won) = (0, 0);
                for group in groups.values() {
                    let total = sum(group.iter().map(weight));
                    let present = group.intersection(voters).filter(has);
                    counted += usize::from(total != 0);
                    won += usize::from(total != 0 && sum(present.map(weight)) > total / 2);
                }
                won > counted / 2
            }
        }
    }
}

/// Wide enough for as many weights as there can be, so that none is lost.
fn sum(weights: impl Iterator<Item = i64>) -> i128 {
    weights.map(i128::from).sum()
}

/// The quorums of the membership in force and, while it is being changed, of the next one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointQuorums {
    committed: Quorums,
    next: Option<Quorums>,
}

impl JointQuorums {
    /// Joins the quorums of both memberships.
    pub fn new(committed: Quorums, next: Option<Quorums>) -> Self {
        Self { committed, next }
    }

    /// Whether the voters that `has` holds for are a quorum of each membership.
    pub fn is_reached(&self, has: impl Fn(ServerId) -> bool) -> bool {
        self.committed.is_reached(&has)
            && (self.next.as_ref()).is_none_or(|next| next.is_reached(&has))
    }

    /// Whether a server may vote in either.
    pub fn has_voter(&self, sid: ServerId) -> bool {
        self.committed.voters().contains(&sid)
            || (self.next.as_ref()).is_some_and(|next| next.voters().contains(&sid))
    }
}
