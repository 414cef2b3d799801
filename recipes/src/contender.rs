//! One contender: a task that owns one znode from before its creation until its deletion is known.
//!
//! Whoever wants the lock holds no more than a ticket, and dropping it at any await is only a
//! message to this task. The task belongs to the client and is there before the create is sent, so
//! no exit of the caller - error, cancellation, panic, a runtime that is gone - can leave a znode
//! that nobody deletes. If the client ends, the session ends, and the server does the same.
//!
//! ```text
//! take_seat ── create + listing, one round trip; look-up when the reply was lost
//!     │
//! wait_turn ── watches the next one ahead; its end or ours, whichever comes first
//!     │
//!  (claim)  ── if asked for: writes the own znode, for a fence that follows grants
//!     │
//!   hold    ── watches the own znode, the link and the lease
//!     │
//!   leave   ── deletes until the server says that it is gone
//! ```
//!
//! One that follows another of the same owner takes its place in one transaction.
//!
//! Queue recipes differ in names and in whom they wait for: in the [`Rule`] they bring.

mod claim;
mod room;
mod seat;
mod turn;

use std::sync::Arc;

use bytes::Bytes;
use lockkeeper::{Acl, Client};
use tokio::sync::oneshot;

pub(crate) use self::room::{Room, room_of};
use self::seat::Seat;
use self::turn::Turn;
use crate::bound::Bound;
use crate::error::LockError;
use crate::fence::Fence;
use crate::hold;
use crate::layout::Layout;
use crate::leave;
use crate::look::client_gone;
use crate::plan::Rule;
use crate::state::{Cell, Keep, Moving, Shared, View};

/// How to contend, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The znode whose children are the queue.
    pub(crate) parent: Arc<str>,
    pub(crate) layout: Layout,
    pub(crate) rule: Rule,
    /// What the contender's znode says.
    pub(crate) data: Bytes,
    /// `None` for the client's default.
    pub(crate) acl: Option<Vec<Acl>>,
    /// Gives up as soon as a contender of one of these kinds is ahead.
    pub(crate) yields_to: &'static [&'static str],
    /// Path of another znode of the same owner in the same queue: it must be there when this one
    /// is created, and is not waited for.
    pub(crate) beside: Option<Arc<str>>,
    /// Queues again at the tail when the waiting znode is deleted by somebody else.
    pub(crate) requeues: bool,
    /// Fails when the listing holds names that the layout is blind to.
    pub(crate) refuses_blind: bool,
    /// Waits only until there are no more contenders than there is room for.
    pub(crate) room: Option<Room>,
    /// Writes its znode once more when it is its turn, and takes that write's zxid for its fence.
    pub(crate) claims: bool,
    /// Which deadline the hold trusts, and a grant that is claimed.
    pub(crate) bound: Bound,
    pub(crate) shared: Arc<Shared>,
}

/// A znode of the same owner whose place the new one takes, in one transaction.
#[derive(Debug)]
pub(crate) struct Old {
    pub(crate) path: Arc<str>,
    pub(crate) moving: Moving,
    /// Its number, if the new one takes that too instead of queueing at the tail. It is then not
    /// created if the old one is gone.
    pub(crate) number: Option<String>,
}

/// A place at the front.
#[derive(Debug)]
pub(crate) struct Grant {
    /// Path of the own znode.
    pub(crate) path: Arc<str>,
    pub(crate) fence: Fence,
    pub(crate) bound: Bound,
}

/// The wish for a grant; dropping it takes the wish back.
pub(crate) struct Ticket {
    answer: oneshot::Receiver<Result<Grant, LockError>>,
    keep: Keep,
    client: Client,
}

/// Starts to contend. The requests leave when the client's runtime polls the task.
pub(crate) fn enter(client: &Client, entry: Entry, old: Option<Old>) -> Ticket {
    let cell = Arc::new(Cell::new(Arc::clone(&entry.shared)));
    let (tx, answer) = oneshot::channel();
    let contender = Contender {
        client: client.clone(),
        entry,
        cell: Arc::clone(&cell),
    };
    client.spawn(contender.run(old, tx));
    Ticket {
        answer,
        keep: Keep(cell),
        client: client.clone(),
    }
}

impl Ticket {
    /// Resolves when the ticket is gone, and the znode with it.
    pub(crate) fn left(&self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        left(&self.keep.0)
    }

    /// Resolves when the contender is first. Whoever drops this future has dropped the ticket.
    pub(crate) async fn granted(self) -> Result<(Grant, Keep), LockError> {
        match self.answer.await {
            Ok(answer) => answer.map(|grant| (grant, self.keep)),
            // The task went without a word: the client is no more.
            Err(_) => Err(client_gone(&self.client).into()),
        }
    }
}

/// Resolves when the znode is known to be gone, with what a release is told.
pub(crate) fn left(cell: &Arc<Cell>) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
    let cell = Arc::clone(cell);
    async move { cell.wait(|view| view.left.clone()).await }
}

struct Contender {
    client: Client,
    entry: Entry,
    cell: Arc<Cell>,
}

impl Contender {
    async fn run(self, mut old: Option<Old>, answer: oneshot::Sender<Result<Grant, LockError>>) {
        let mut seat = loop {
            let mut seat = match self.take_seat(old.take()).await {
                Ok(Some(seat)) => seat,
                Ok(None) => return,
                Err(error) => return drop(answer.send(Err(error))),
            };
            let mut turn = match &self.entry.room {
                Some(room) => self.wait_room(&mut seat, room).await,
                None => self.wait_turn(&mut seat).await,
            };
            if self.entry.claims && matches!(turn, Turn::Come) {
                turn = self.claim(&mut seat).await;
            }
            match turn {
                Turn::Come => break seat,
                Turn::Abandoned => return self.leave(seat).await,
                Turn::NodeGone if self.entry.requeues => {
                    // Whoever asked for that znode has not asked for the next one.
                    self.cell.update(|view| view.revoked = false);
                }
                Turn::NodeGone => return drop(answer.send(Err(LockError::NodeGone))),
                Turn::Failed(error) => {
                    drop(answer.send(Err(error)));
                    return self.leave(seat).await;
                }
            }
        };
        let grant = Grant {
            path: Arc::clone(&seat.path),
            fence: seat.fence,
            bound: self.entry.bound,
        };
        // If nobody takes the grant, the ticket is dropped, and `hold` returns at once.
        drop(answer.send(Ok(grant)));
        let (path, bound) = (&seat.path, self.entry.bound);
        if hold::hold(&self.client, &self.cell, path, &mut seat.own, bound).await {
            self.leave(seat).await;
        }
    }

    async fn leave(&self, seat: Seat) {
        // The watch on the own znode goes first, so that its end wakes nobody here.
        drop(seat.own);
        let moved = |view: &View| (!view.moving).then_some(view.left.is_some());
        if self.cell.wait(moved).await {
            return;
        }
        leave::delete(&self.client, &seat.path, &self.cell, None).await;
    }
}

impl Drop for Contender {
    /// Runs at the task's end, and also when the client ends and drops the task wherever it is.
    fn drop(&mut self) {
        leave::end(&self.client, &self.cell);
    }
}
