//! One ephemeral znode under a name of its own, kept by a task for as long as a handle wants it.
//!
//! What a contender is for a queue, this is for everything that only has to be there: a member of a
//! group, a party of a double barrier. The task belongs to the client and is there before the create
//! is sent, so that no exit of the caller leaves a znode behind.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{Either, select};
use lockkeeper::{Client, CreateMode, ErrorCode, Outcome, SessionId, Stat, Zxid, path};
use tokio::sync::oneshot;

use crate::bound::Bound;
use crate::contender::Grant;
use crate::error::RecipeError;
use crate::fence::Fence;
use crate::guard::Guard;
use crate::hold;
use crate::leave::{delete, end};
use crate::look::{Sight, client_gone, current, insist, until};
use crate::own::OwnWatch;
use crate::parents::make_parents;
use crate::retry::{Retry, is_transient};
use crate::state::{Cell, Keep};

/// How much of the session timeout an own znode under the same name has to go.
const GRACE_SHARE: u32 = 4;

/// What to be present as.
pub(crate) struct Place {
    pub(crate) path: Arc<str>,
    pub(crate) data: Bytes,
    /// Whether to wait for another session that is there under the same name, and, not for long, for
    /// this one's former self.
    pub(crate) waits: bool,
}

/// Resolves when the znode is there. The task starts at once; dropping the future ends it.
pub(crate) fn appear(
    client: &Client,
    place: Place,
) -> impl Future<Output = Result<Guard, RecipeError>> + Send + use<> {
    let cell = Arc::new(Cell::new(Arc::default()));
    let (tx, answer) = oneshot::channel();
    let presence = Presence {
        client: client.clone(),
        place,
        cell: Arc::clone(&cell),
    };
    client.spawn(presence.run(tx));
    let (client, keep) = (client.clone(), Keep(cell));
    async move {
        match answer.await {
            Ok(grant) => Ok(Guard::of(grant?, client, keep)),
            // The task went without a word: the client is no more.
            Err(_) => Err(client_gone(&client).into()),
        }
    }
}

struct Presence {
    client: Client,
    place: Place,
    cell: Arc<Cell>,
}

impl Presence {
    async fn run(self, answer: oneshot::Sender<Result<Grant, RecipeError>>) {
        let (client, path) = (&self.client, &self.place.path);
        // Our znode is younger than all that has been seen.
        let seen = client.last_zxid();
        let mut is_in_doubt = false;
        let stat = match self.create(seen, &mut is_in_doubt).await {
            Ok(Some(stat)) => stat,
            none => {
                if let Err(error) = none {
                    drop(answer.send(Err(error)));
                }
                if is_in_doubt
                    && let Ok(Some(stat)) = current(client, path, || client.exists(path)).await
                    && self.is_ours(&stat, seen)
                {
                    delete(client, path, &self.cell, Some(stat.czxid)).await;
                }
                return;
            }
        };
        let mut own = OwnWatch::new(client, path, &self.cell, 0);
        let grant = Grant {
            path: Arc::clone(path),
            fence: Fence(stat.czxid.0),
            bound: Bound::Lease,
        };
        // If nobody takes the grant, the handle is gone, and `hold` returns at once.
        drop(answer.send(Ok(grant)));
        if hold::hold(client, &self.cell, path, &mut own, Bound::Lease).await {
            drop(own);
            delete(client, path, &self.cell, Some(stat.czxid)).await;
        }
    }

    /// Creates the znode; `None` if it is not wanted any more. Without one, `is_in_doubt` says
    /// whether a create was sent whose outcome is not known.
    async fn create(
        &self,
        seen: Zxid,
        is_in_doubt: &mut bool,
    ) -> Result<Option<Stat>, RecipeError> {
        let (client, path) = (&self.client, &self.place.path);
        let is_wanted = || self.cell.read(|view| view.wanted);
        let mut retry = Retry::new(client);
        while is_wanted() {
            let data = self.place.data.clone();
            let error = match client.create(path, data, CreateMode::Ephemeral).await {
                Ok(created) => return Ok(Some(created.stat)),
                Err(error) => error,
            };
            match error.code() {
                Some(ErrorCode::NODE_EXISTS) => {
                    let Some(stat) = insist(client, || client.exists(path)).await? else {
                        continue;
                    };
                    let owner = stat.ephemeral_owner;
                    if *is_in_doubt && self.is_ours(&stat, seen) {
                        return Ok(Some(stat));
                    }
                    let is_own = owner == client.session_id();
                    if !self.place.waits || owner.0 == 0 {
                        return Err(taken(path, is_own));
                    }
                    if !is_own {
                        self.vacancy(owner).await?;
                        continue;
                    }
                    // One that was given up a moment ago is on its way out.
                    let patience = client.now() + client.negotiated_timeout() / GRACE_SHARE;
                    match until(client, patience, self.vacancy(owner)).await {
                        Err(RecipeError::TimedOut) => return Err(taken(path, true)),
                        vacant => vacant?,
                    }
                }
                Some(ErrorCode::NO_NODE) if let Some(parent) = path::parent(path) => {
                    make_parents(client, parent, CreateMode::Container, is_wanted).await?;
                }
                _ => {
                    *is_in_doubt |= error.outcome() == Outcome::Unknown;
                    if !is_transient(&error) && error.outcome() != Outcome::Unknown {
                        return Err(error.into());
                    }
                    retry.pause().await?;
                }
            }
        }
        Ok(None)
    }

    /// Whether a znode under the name is one that this task has created.
    fn is_ours(&self, stat: &Stat, seen: Zxid) -> bool {
        stat.ephemeral_owner == self.client.session_id() && stat.czxid > seen
    }

    /// Waits until the name is not `owner`'s any more, or not wanted.
    async fn vacancy(&self, owner: SessionId) -> Result<(), RecipeError> {
        let unwanted = pin!(self.cell.wait(|view| (!view.wanted).then_some(())));
        let mut sight = Sight::new(&self.client, &self.place.path);
        let vacant = pin!(async {
            while let Some(znode) = sight.next().await?
                && znode.stat.ephemeral_owner == owner
            {}
            Ok(())
        });
        match select(unwanted, vacant).await {
            Either::Left(_) => Ok(()),
            Either::Right((vacant, _)) => vacant,
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        end(&self.client, &self.cell);
    }
}

fn taken(path: &str, is_ours: bool) -> RecipeError {
    let what = match is_ours {
        true => "this client is there already under that name: choose another name, or leave first",
        false => "somebody else is there under that name: choose another name",
    };
    RecipeError::conflict(path, what)
}
