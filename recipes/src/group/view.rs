//! Who comes and who goes: listings, compared with the one before.
//!
//! Names alone do not tell a member that was replaced by another one under the same name, as at a
//! restart. The parent's `cversion` does: it counts every child that comes or goes, so when it has
//! moved further than the names explain, the members that seem to have stayed are read again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lockkeeper::path::name;
use lockkeeper::{Stat, Zxid};

use super::{Group, Member};
use crate::error::RecipeError;
use crate::look::Sight;

/// A change of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// A member is there.
    Joined(Member),
    /// A member has left, or its session has ended.
    Left(Member),
}

/// A group as it changes.
pub struct GroupView {
    group: Group,
    sight: Sight<(Vec<String>, Stat)>,
    /// A listing that has not been compared with the members yet.
    listed: Option<Listing>,
    /// The one that the members and the events are from.
    known: Listing,
    members: BTreeMap<String, Member>,
    events: VecDeque<GroupEvent>,
}

/// The children, and what their parent says about them; nothing while there is no such znode.
#[derive(Default)]
struct Listing {
    names: BTreeSet<String>,
    parent: Stat,
}

impl Listing {
    /// Whether a child may have gone and come back between this listing and the next.
    fn hides_from(&self, next: &Self) -> bool {
        let told = self.names.symmetric_difference(&next.names).count();
        let counted = next.parent.cversion.wrapping_sub(self.parent.cversion);
        self.parent.czxid != next.parent.czxid || usize::try_from(counted) != Ok(told)
    }
}

impl GroupView {
    pub(super) fn new(group: &Group) -> Self {
        Self {
            group: group.clone(),
            sight: Sight::of_listings(&group.client, &group.path).synced(),
            listed: None,
            known: Listing::default(),
            members: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// The next change. Of several found at once, leaves come before joins, and joins in their
    /// order. Dropping the future loses nothing.
    ///
    /// While the link is down nothing comes; behind it comes the difference. A member that has left
    /// and come back, or was replaced under the same id, leaves and joins.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] when the session ends or the server refuses.
    pub async fn next(&mut self) -> Result<GroupEvent, RecipeError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                match &event {
                    GroupEvent::Joined(member) => {
                        let name = name(&member.path).to_owned();
                        self.members.insert(name, member.clone());
                    }
                    GroupEvent::Left(member) => drop(self.members.remove(name(&member.path))),
                }
                return Ok(event);
            }
            if self.listed.is_none() {
                let seen = self.sight.next().await?;
                self.listed = Some(
                    seen.map_or_else(Listing::default, |(names, parent)| Listing {
                        names: names.into_iter().collect(),
                        parent,
                    }),
                );
            }
            let Some(listed) = &self.listed else { continue };
            let is_hidden = self.known.hides_from(listed);
            let unread = |name: &&String| is_hidden || !self.known.names.contains(*name);
            let read = self
                .group
                .read(listed.names.iter().filter(unread).cloned().collect())
                .await?;
            let read_as: BTreeMap<&str, Zxid> = read
                .iter()
                .map(|member| (name(&member.path), member.joined))
                .collect();
            let has_stayed = |name: &str, member: &Member| match is_hidden {
                true => read_as.get(name) == Some(&member.joined),
                false => listed.names.contains(name),
            };
            let left = self
                .members
                .iter()
                .filter(|(name, member)| !has_stayed(name, member));
            let joined = read.iter().filter(|read| {
                let name = name(&read.path);
                let known = self.members.get(name);
                known.is_none_or(|known| !has_stayed(name, known))
            });
            let left = left.map(|(_, member)| GroupEvent::Left(member.clone()));
            let joined = joined.cloned().map(GroupEvent::Joined);
            self.events.extend(left.chain(joined));
            self.known = self.listed.take().unwrap_or_default();
        }
    }

    /// The members as of the last change returned, in the order of their names.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_hides_what_the_parent_has_counted_and_the_names_do_not_tell() {
        let listing = |names: &[&str], cversion, czxid| Listing {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            parent: Stat {
                cversion,
                czxid: Zxid(czxid),
                ..Stat::default()
            },
        };
        let before = listing(&["a", "b"], 2, 1);
        assert!(!before.hides_from(&listing(&["a", "c"], 4, 1)));
        assert!(before.hides_from(&listing(&["a", "b"], 4, 1)), "replaced");
        assert!(
            before.hides_from(&listing(&["a", "b"], 2, 9)),
            "a new parent"
        );
        let before = listing(&["a"], i32::MAX, 1);
        assert!(!before.hides_from(&listing(&[], i32::MIN, 1)));
    }
}
