//! Who comes and who goes: listings, compared with the one before.

use std::collections::{BTreeMap, VecDeque};

use lockkeeper::path::name;

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
    sight: Sight<Vec<String>>,
    /// A listing that has not been compared with the members yet.
    listed: Option<Vec<String>>,
    members: BTreeMap<String, Member>,
    events: VecDeque<GroupEvent>,
}

impl GroupView {
    pub(super) fn new(group: &Group) -> Self {
        Self {
            group: group.clone(),
            sight: Sight::of_children(&group.client, &group.path).synced(),
            listed: None,
            members: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// The next change. Of several found at once, leaves come before joins, and joins in their
    /// order. Dropping the future loses nothing.
    ///
    /// While the link is down nothing comes; behind it comes the difference.
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
                self.listed = Some(self.sight.next().await?.unwrap_or_default());
            }
            let Some(names) = &self.listed else { continue };
            let unknown = names
                .iter()
                .filter(|name| !self.members.contains_key(*name));
            let joined = self.group.read(unknown.cloned().collect()).await?;
            let left = self
                .members
                .iter()
                .filter(|(name, _)| !names.contains(name));
            let left = left.map(|(_, member)| GroupEvent::Left(member.clone()));
            self.events.extend(left);
            self.events
                .extend(joined.into_iter().map(GroupEvent::Joined));
            self.listed = None;
        }
    }

    /// The members as of the last change returned, in the order of their names.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }
}
