//! Who belongs to the ensemble: servers, their addresses and roles, and the quorums they form.
//!
//! A membership is written as text, by the rules of Java's properties files: in the static or dynamic
//! configuration file, in notifications, in NEWLEADER and as the data of `/zookeeper/config`. Its
//! version is the zxid of the transaction that made it, 0 for one that came from a static file.
//!
//! Two memberships are exactly equal (`==`) or, which is what the protocol asks, agree
//! ([`Membership::agrees_with`]).

mod error;
mod member;
mod pair;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use lockkeeper_wire::ServerId;

pub use error::MembershipError;
pub use member::{HostPort, Member, MemberAddress, MemberRole};
pub use pair::Memberships;

use crate::quorums::Quorums;

/// A membership of at least one voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    members: BTreeMap<ServerId, Member>,
    quorums: Quorums,
    version: i64,
}

impl Membership {
    /// A membership in which more than half of the participants are a quorum.
    pub fn majority(
        members: BTreeMap<ServerId, Member>,
        version: i64,
    ) -> Result<Self, MembershipError> {
        let voters = voters(&members)?;
        Ok(Self {
            members,
            quorums: Quorums::Majority { voters },
            version,
        })
    }

    /// A membership whose participants are in groups. Each has to be in exactly one, and weighs 1
    /// unless `weights` says otherwise. A group may name servers that are no participants if their
    /// weight is given; they weigh in what the group needs and never vote.
    pub fn hierarchical(
        members: BTreeMap<ServerId, Member>,
        groups: BTreeMap<i64, BTreeSet<ServerId>>,
        mut weights: BTreeMap<ServerId, i64>,
        version: i64,
    ) -> Result<Self, MembershipError> {
        let voters = voters(&members)?;
        let mut grouped = BTreeSet::new();
        for &sid in groups.values().flatten() {
            if !grouped.insert(sid) {
                return Err(MembershipError::SeveralGroups { sid });
            }
        }
        for &sid in &voters {
            if !grouped.contains(&sid) {
                return Err(MembershipError::NoGroup { sid });
            }
            weights.entry(sid).or_insert(1);
        }
        if let Some((&sid, _)) = weights.iter().find(|(_, weight)| **weight < 0) {
            return Err(MembershipError::NegativeWeight { sid });
        }
        if let Some(&sid) = grouped.iter().find(|sid| !weights.contains_key(sid)) {
            return Err(MembershipError::NoWeight { sid });
        }
        Ok(Self {
            members,
            quorums: Quorums::Hierarchical {
                voters,
                groups,
                weights,
            },
            version,
        })
    }

    /// The same membership with another version.
    pub fn with_version(self, version: i64) -> Self {
        Self { version, ..self }
    }

    /// The zxid of the transaction that made it, or 0.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// All servers.
    pub fn members(&self) -> &BTreeMap<ServerId, Member> {
        &self.members
    }

    /// One server.
    pub fn member(&self, sid: ServerId) -> Option<&Member> {
        self.members.get(&sid)
    }

    /// What a server is here, if it belongs to the ensemble.
    pub fn role(&self, sid: ServerId) -> Option<MemberRole> {
        self.member(sid).map(|member| member.role)
    }

    /// Who may vote.
    pub fn voters(&self) -> &BTreeSet<ServerId> {
        self.quorums.voters()
    }

    /// Whether a server may vote.
    pub fn is_voter(&self, sid: ServerId) -> bool {
        self.voters().contains(&sid)
    }

    /// Which sets of voters are enough.
    pub fn quorums(&self) -> &Quorums {
        &self.quorums
    }

    /// Whether both stand for the same ensemble: they have the same version, or the same servers at
    /// the same addresses in the same roles and, with groups, the same groups and weights. Addresses
    /// are compared by name and port, never by what a name resolves to (ZOOKEEPER-4708).
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.version == other.version
            || (self.members == other.members && self.quorums == other.quorums)
    }
}

fn voters(members: &BTreeMap<ServerId, Member>) -> Result<BTreeSet<ServerId>, MembershipError> {
    let voters: BTreeSet<ServerId> = members
        .iter()
        .filter(|(_, member)| member.role == MemberRole::Participant)
        .map(|(&sid, _)| sid)
        .collect();
    match voters.is_empty() {
        true => Err(MembershipError::NoParticipant),
        false => Ok(voters),
    }
}
