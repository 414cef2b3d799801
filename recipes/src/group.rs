//! Group membership: who is there, as ephemeral znodes under one path.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{Either, select};
use futures::stream::{self, StreamExt};
use lockkeeper::path::{join, name};
use lockkeeper::{Call, Client, Error, ErrorCode, SessionId, Stat, Zxid};
use tokio::sync::oneshot;

use crate::error::{LockError, LossReason, RecipeError};
use crate::latest::{Latest, Reader, Writer};
use crate::layout::Guid;
use crate::leave::end_reason;
use crate::look::{Sight, checked, client_gone, current, insist};
use crate::presence::{Place, appear};
use crate::retry::{Backoff, session_error};
use crate::state::GuardState;

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
/// * That a view shows a member that came and went between two looks, or one that left and came
///   back under the same name.
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
        let latest = Latest::new(GuardState::Held);
        let (leave, left) = oneshot::channel();
        let membership = Membership {
            client: self.client.clone(),
            layout: self.layout,
            path: path.into(),
            data: Arc::new(Mutex::new(data)),
            reader: Reader(Arc::clone(&latest)),
            left,
        };
        let (join, joined) = oneshot::channel();
        let stay = Stay {
            client: self.client.clone(),
            path: Arc::clone(&membership.path),
            data: Arc::clone(&membership.data),
            writer: Writer(latest),
        };
        self.client.spawn(stay.run(join, leave));
        match joined.await {
            Ok(Ok(())) => Ok(membership),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(client_gone(&self.client).into()),
        }
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
        GroupView {
            group: self.clone(),
            sight: Sight::of_children(&self.client, &self.path).synced(),
            listed: None,
            members: BTreeMap::new(),
            events: VecDeque::new(),
        }
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

/// Keeps the znode there until the membership is dropped or the session is over.
struct Stay {
    client: Client,
    path: Arc<str>,
    data: Arc<Mutex<Bytes>>,
    writer: Writer<GuardState>,
}

impl Stay {
    async fn run(
        self,
        joined: oneshot::Sender<Result<(), RecipeError>>,
        left: oneshot::Sender<Result<(), LockError>>,
    ) {
        let mut joined = Some(joined);
        let mut backoff = Backoff::slow();
        loop {
            let data = lock(&self.data).clone();
            let place = Place {
                path: Arc::clone(&self.path),
                data: data.clone(),
                waits: true,
            };
            let abandoned = pin!(self.writer.0.abandoned());
            let guard = match select(abandoned, pin!(appear(&self.client, place))).await {
                Either::Left(_) => return,
                Either::Right((Ok(guard), _)) => guard,
                Either::Right((Err(error), _)) => {
                    if let Some(joined) = joined.take() {
                        return drop(joined.send(Err(error)));
                    }
                    if session_error(self.client.state()).is_some() {
                        return;
                    }
                    tracing::warn!(%error, "a member's znode cannot be made again for now");
                    let abandoned = pin!(self.writer.0.abandoned());
                    match select(abandoned, backoff.rest(&self.client)).await {
                        Either::Left(_) => return,
                        Either::Right(_) => continue,
                    }
                }
            };
            backoff = Backoff::slow();
            if *lock(&self.data) != data {
                // Changed while the znode was away; a failure shows in the znode's state.
                let _ = insist(&self.client, || set(&self.client, &self.path, &self.data)).await;
            }
            if let Some(joined) = joined.take() {
                drop(joined.send(Ok(())));
            }
            let mut states = guard.states();
            let reason = loop {
                let abandoned = pin!(self.writer.0.abandoned());
                match select(abandoned, pin!(states.next())).await {
                    Either::Left(_) => return drop(left.send(guard.release().await)),
                    Either::Right((Some(state), _)) => {
                        self.publish(state);
                        if let GuardState::Lost(reason) = state {
                            break reason;
                        }
                    }
                    Either::Right((None, _)) => return,
                }
            };
            if reason != LossReason::NodeDeleted {
                return;
            }
        }
    }

    fn publish(&self, state: GuardState) {
        self.writer.0.update(|present| {
            let is_news = *present != state;
            *present = state;
            is_news
        });
    }
}

impl Drop for Stay {
    /// Runs at the task's end, and also when the client ends and drops the task wherever it is.
    fn drop(&mut self) {
        let is_final = |state| match state {
            GuardState::Lost(reason) => reason != LossReason::NodeDeleted,
            _ => false,
        };
        let latest = &self.writer.0;
        if !latest.is_abandoned() && !is_final(latest.get()) {
            self.publish(GuardState::Lost(end_reason(&self.client)));
        }
    }
}

/// Sends what the member has to say now: of several of these the last one sent says the latest.
fn set(client: &Client, path: &str, data: &Mutex<Bytes>) -> Call<Stat> {
    let data = lock(data);
    client.set(path, data.clone(), None)
}

fn lock(data: &Mutex<Bytes>) -> MutexGuard<'_, Bytes> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Being a member. Dropping it leaves, in the background.
#[derive(Debug)]
pub struct Membership {
    client: Client,
    layout: GroupLayout,
    path: Arc<str>,
    data: Arc<Mutex<Bytes>>,
    reader: Reader<GuardState>,
    left: oneshot::Receiver<Result<(), LockError>>,
}

impl Membership {
    /// Path of the znode.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What others see, as far as is known. `Lost(NodeDeleted)` is followed by `Held` when the
    /// znode has been made again, which is tried for as long as the session lives, ever more rarely
    /// while the server refuses; `Lost` for another reason is final.
    pub fn state(&self) -> GuardState {
        self.reader.0.get()
    }

    /// The changes of [`Membership::state`], the present state first.
    pub fn states(&self) -> MembershipStates {
        MembershipStates {
            latest: Arc::clone(&self.reader.0),
            seen: None,
        }
    }

    /// Changes what the member says about itself. Of several of these the one called last counts.
    /// Views do not report it: who wants to know reads the member's znode.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] in [`GroupLayout::KazooParty`]; [`RecipeError::Client`].
    pub async fn update(&self, data: impl Into<Bytes>) -> Result<(), RecipeError> {
        if self.layout == GroupLayout::KazooParty {
            let what = "kazoo's parties have no room for a member's data";
            return Err(RecipeError::conflict(&self.path, what));
        }
        *lock(&self.data) = data.into();
        match insist(&self.client, || set(&self.client, &self.path, &self.data)).await {
            Ok(_) => Ok(()),
            // It is being made again, with the new data.
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves, and returns when the znode is known to be gone. Dropping the future leaves without
    /// waiting.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`], also if the server refuses to delete the znode: it is tried again in
    /// the background, and the end of the session deletes it.
    pub async fn leave(self) -> Result<(), RecipeError> {
        let (client, path, left) = (self.client, self.path, self.left);
        drop(self.reader);
        if let Ok(Err(LockError::ReleaseRefused(error))) = left.await {
            return Err(error.into());
        }
        let mut sight = Sight::new(&client, &path).synced();
        while let Some(znode) = sight.next().await?
            && znode.stat.ephemeral_owner == client.session_id()
        {}
        Ok(())
    }
}

/// The states of a [`Membership`]: the latest one counts, those in between may be left out.
#[derive(Debug)]
pub struct MembershipStates {
    latest: Arc<Latest<GuardState>>,
    seen: Option<u64>,
}

impl MembershipStates {
    /// The next state; `None` behind a final one, and once the membership was dropped.
    pub async fn next(&mut self) -> Option<GuardState> {
        let (generation, state) = self.latest.after(self.seen).await?;
        self.seen = Some(generation);
        Some(state)
    }
}

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
