//! A membership as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use lockkeeper_wire::ServerId;

use super::{Member, Membership, MembershipError};
use crate::properties;
use crate::quorums::Quorums;

impl Membership {
    /// Reads the text that travels.
    pub fn from_bytes(text: &[u8]) -> Result<Self, MembershipError> {
        String::from_utf8_lossy(text).parse()
    }

    /// The text that travels.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from(self.to_string())
    }

    /// Makes a membership of settings, such as those of a static file: `server.N`, `group.N` and
    /// `weight.N`, of which the last of each key counts.
    pub fn from_settings<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
        version: i64,
    ) -> Result<Self, MembershipError> {
        let mut lines = Lines::default();
        for (key, value) in settings {
            lines.add(key, value)?;
        }
        let version = lines.version.unwrap_or(version);
        lines.build(version)
    }

    /// The version that the name of a dynamic file tells: what follows its last dot, read as a
    /// hexadecimal number, or else 0.
    pub fn version_in_name(name: &str) -> i64 {
        name.rsplit_once('.')
            .and_then(|(_, suffix)| i64::from_str_radix(suffix, 16).ok())
            .unwrap_or(0)
    }

    /// The lines of a dynamic configuration file: sorted as text, without the version, without an
    /// end of line after the last.
    pub fn to_dynamic_file(&self) -> String {
        let mut lines: Vec<String> = self.lines().collect();
        lines.sort();
        lines.join("\n")
    }

    /// All lines but the version.
    fn lines(&self) -> impl Iterator<Item = String> {
        let (groups, weights) = match &self.quorums {
            Quorums::Majority { .. } => (None, None),
            Quorums::Hierarchical {
                groups, weights, ..
            } => (Some(groups), Some(weights)),
        };
        let servers = (self.members.iter()).map(|(sid, member)| format!("server.{sid}={member}"));
        let groups = groups.into_iter().flatten().map(|(group, sids)| {
            let sids: Vec<String> = sids.iter().map(ServerId::to_string).collect();
            format!("group.{group}={}", sids.join(":"))
        });
        let weights =
            (weights.into_iter().flatten()).map(|(sid, weight)| format!("weight.{sid}={weight}"));
        servers.chain(groups).chain(weights)
    }
}

/// The text that travels: a line for each setting, the version last and without an end of line.
impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|line| writeln!(f, "{line}"))?;
        write!(f, "version={:x}", self.version)
    }
}

/// Reads the text that travels; the version is 0 where there is none.
impl FromStr for Membership {
    type Err = MembershipError;

    fn from_str(text: &str) -> Result<Self, MembershipError> {
        let lines = Lines::from_text(text)?;
        let version = lines.version.unwrap_or(0);
        lines.build(version)
    }
}

/// Settings on their way to a membership.
#[derive(Default)]
struct Lines {
    members: BTreeMap<ServerId, Member>,
    groups: BTreeMap<i64, BTreeSet<ServerId>>,
    weights: BTreeMap<ServerId, i64>,
    /// Weights alone make a hierarchy too, one in which nobody has a group.
    hierarchical: bool,
    version: Option<i64>,
}

impl Lines {
    fn from_text(text: &str) -> Result<Self, MembershipError> {
        let properties = properties::parse(text)
            .map_err(|properties::BadEscape { line }| MembershipError::Escape { line })?;
        let mut lines = Self::default();
        for property in properties {
            lines.add(&property.key, &property.value)?;
        }
        Ok(lines)
    }

    fn add(&mut self, key: &str, value: &str) -> Result<(), MembershipError> {
        let number = |text: &str, radix| {
            i64::from_str_radix(text.trim(), radix).map_err(|_| MembershipError::Number {
                key: key.to_owned(),
                text: text.to_owned(),
            })
        };
        let named = |key: &str| number(key.split_once('.').map_or("", |(_, sid)| sid), 10);
        if key.starts_with("server.") {
            let sid = ServerId(named(key)?);
            self.members.insert(sid, Member::parse(key, value)?);
        } else if key.starts_with("group") {
            let sids = value
                .split(':')
                .map(|sid| number(sid, 10).map(ServerId))
                .collect::<Result<_, _>>()?;
            self.groups.insert(named(key)?, sids);
            self.hierarchical = true;
        } else if key.starts_with("weight") {
            let sid = ServerId(named(key)?);
            self.weights.insert(sid, number(value, 10)?);
            self.hierarchical = true;
        } else if key == "version" {
            self.version = Some(number(value, 16)?);
        } else {
            return Err(MembershipError::UnknownKey {
                key: key.to_owned(),
            });
        }
        Ok(())
    }

    fn build(self, version: i64) -> Result<Membership, MembershipError> {
        match self.hierarchical {
            true => Membership::hierarchical(self.members, self.groups, self.weights, version),
            false => Membership::majority(self.members, version),
        }
    }
}
