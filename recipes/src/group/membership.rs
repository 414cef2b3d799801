//! Being a member: a znode that a task makes, and makes again if somebody else deletes it.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{Either, select};
use lockkeeper::{Call, Client, ErrorCode, Stat};
use tokio::sync::oneshot;

use super::GroupLayout;
use crate::error::{LockError, LossReason, RecipeError};
use crate::latest::{Latest, Reader, Writer};
use crate::leave::end_reason;
use crate::look::{Sight, client_gone, insist};
use crate::presence::{Place, appear};
use crate::retry::{Backoff, session_error};
use crate::state::GuardState;

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
    pub(super) async fn begin(
        client: &Client,
        layout: GroupLayout,
        path: Arc<str>,
        data: Bytes,
    ) -> Result<Self, RecipeError> {
        let latest = Latest::new(GuardState::Held);
        let (leave, left) = oneshot::channel();
        let membership = Self {
            client: client.clone(),
            layout,
            path,
            data: Arc::new(Mutex::new(data)),
            reader: Reader(Arc::clone(&latest)),
            left,
        };
        let (join, joined) = oneshot::channel();
        let stay = Stay {
            client: client.clone(),
            path: Arc::clone(&membership.path),
            data: Arc::clone(&membership.data),
            writer: Writer(latest),
        };
        client.spawn(stay.run(join, leave));
        match joined.await {
            Ok(Ok(())) => Ok(membership),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(client_gone(client).into()),
        }
    }

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
