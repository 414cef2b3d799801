//! Group membership: who is there, as ephemeral znodes under one path.

mod membership;
mod view;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use lockkeeper::path::{join, name};
use lockkeeper::{Client, Error, ErrorCode, SessionId, Zxid};

pub use self::membership::{Membership, MembershipStates};
pub use self::view::{GroupEvent, GroupView};
use crate::error::RecipeError;
use crate::layout::Guid;
use crate::look::{checked, current, insist};

/// Reads sent before the first of them is awaited.
const READS_MAX: usize = 128;
const KAZOO_PARTY: &str = "__party__";

/// How members' znodes are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupLayout {
    /// The id is the name, the data are the member's: Curator's `GroupMember`.
    #[default]
    Curator,
    /// `<32 hex digits>__party__`, the data are the id: kazoo's `Party`, which has no room for data
    /// besides.
    KazooParty,
}

/// A group at a path, to be joined and to be watched.
///
/// # Not guaranteed
///
/// * That a view shows a member that came and went between two looks.
/// * That all views show the same group at the same time; each shows changes in the server's order.
///
/// Everybody who watches the group is told of each change: with n members that all watch it, n²
/// events when all come. Let only those watch who need to.
#[derive(Clone, Debug)]
pub struct Group {
    client: Client,
    path: Arc<str>,
    layout: GroupLayout,
}

/// A member as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// What it calls itself.
    pub id: String,
    /// What it says about itself; empty in [`GroupLayout::KazooParty`].
    pub data: Bytes,
    /// Path of its znode.
    pub path: String,
    /// The session that is a member.
    pub session: SessionId,
    /// When it joined: the zxid of its znode's creation.
    pub joined: Zxid,
}

impl Group {
    /// The group at `path` with [`GroupLayout::Curator`]. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, RecipeError> {
        Ok(Self {
            client: client.clone(),
            path: checked(path)?,
            layout: GroupLayout::default(),
        })
    }

    /// How members are called; the same for all who use the path.
    #[must_use]
    pub fn layout(mut self, layout: GroupLayout) -> Self {
        self.layout = layout;
        self
    }

    /// Joins, for as long as the returned value lives. Waits while another session is there under
    /// the same id: after a restart that is the process's former self, until its session expires.
    /// Dropping the future leaves nothing behind.
    ///
    /// If somebody else deletes the znode, it is made again; an expired session ends the
    /// membership for good.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if the id cannot stand in a path, if this client is a member under
    /// it already and stays for a quarter of the session timeout, or if the layout has no room for
    /// data. [`RecipeError::Client`].
    pub async fn join(&self, id: &str, data: impl Into<Bytes>) -> Result<Membership, RecipeError> {
        let data = data.into();
        let (name, data) = match self.layout {
            GroupLayout::Curator => (id.to_owned(), data),
            GroupLayout::KazooParty if data.is_empty() => (
                format!("{}{KAZOO_PARTY}", Guid::of(&self.client).plain()),
                Bytes::copy_from_slice(id.as_bytes()),
            ),
            GroupLayout::KazooParty => {
                let what = "kazoo's parties have no room for a member's data: leave it empty";
                return Err(RecipeError::conflict(&self.path, what));
            }
        };
        let path = join(&self.path, &name);
        if name.is_empty() || name.contains('/') || checked(&path).is_err() {
            let what = "no member can be called that: give it an id that can stand in a path";
            return Err(RecipeError::conflict(id, what));
        }
        Membership::begin(&self.client, self.layout, path.into(), data).await
    }

    /// The members, those who joined first in front, as the ensemble has them now.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn members(&self) -> Result<Vec<Member>, RecipeError> {
        let (client, path) = (&self.client, &self.path);
        let names = match current(client, path, || client.children(path)).await {
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Vec::new(),
            names => names?,
        };
        Ok(self.read(names).await?)
    }

    /// The joins and leaves from now on; those who are there already join first. Sends nothing
    /// before it is asked.
    pub fn view(&self) -> GroupView {
        GroupView::new(self)
    }

    async fn read(&self, names: Vec<String>) -> Result<Vec<Member>, Error> {
        let names = names.into_iter().filter(|name| self.is_member(name));
        let mut reads = stream::iter(names)
            .map(async |name| {
                let path = join(&self.path, &name);
                let read = insist(&self.client, || self.client.get(&path)).await;
                (path, read)
            })
            .buffered(READS_MAX);
        let mut members = Vec::new();
        while let Some((path, read)) = reads.next().await {
            match read {
                // What outlives its session is no member.
                Ok(znode) if znode.stat.ephemeral_owner.0 == 0 => {}
                Ok(znode) => {
                    let data = znode.data.unwrap_or_default();
                    let (id, data) = match self.layout {
                        GroupLayout::Curator => (name(&path).to_owned(), data),
                        GroupLayout::KazooParty => {
                            (String::from_utf8_lossy(&data).into_owned(), Bytes::new())
                        }
                    };
                    members.push(Member {
                        id,
                        data,
                        path,
                        session: znode.stat.ephemeral_owner,
                        joined: znode.stat.czxid,
                    });
                }
                // Left since the listing.
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
                Err(error) => return Err(error),
            }
        }
        members.sort_by_key(|member| member.joined);
        Ok(members)
    }

    fn is_member(&self, name: &str) -> bool {
        match self.layout {
            GroupLayout::Curator => true,
            GroupLayout::KazooParty => name.contains(KAZOO_PARTY),
        }
    }
}
