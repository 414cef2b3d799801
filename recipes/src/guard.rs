//! What a holder holds: a fence, a state that changes, and the way to give it back.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lockkeeper::{Client, Error, ErrorCode, Op, OpResult, Outcome};

use crate::contender::{Grant, Old, Ticket, left};
use crate::error::{LockError, LossReason};
use crate::fence::Fence;
use crate::state::{Cell, GuardState, Keep, Moving};

/// A lock that is held, until the guard is released or dropped, or the lock is lost.
///
/// Dropping never blocks, needs no runtime on its thread and releases in the background; a panic
/// under the guard does the same. The guard keeps the client's session alive.
///
/// **Not guaranteed**: that this process is the only one that acts. ZooKeeper keeps two znodes from
/// being first at once; it cannot keep a process that was paused, or a packet that was delayed,
/// from acting after its session expired. Watching [`Guard::lost`] makes the window small;
/// [`Guard::fence`] compared by the resource, or [`Guard::write`] for data in ZooKeeper, closes it.
pub struct Guard {
    grant: Grant,
    client: Client,
    keep: Keep,
}

impl Guard {
    pub(crate) async fn granted(client: Client, ticket: Ticket) -> Result<Self, LockError> {
        let (grant, keep) = ticket.granted().await?;
        Ok(Self::of(grant, client, keep))
    }

    pub(crate) fn of(grant: Grant, client: Client, keep: Keep) -> Self {
        Self {
            grant,
            client,
            keep,
        }
    }

    /// The same hold under the fence of the one that it goes on from.
    pub(crate) fn with_fence(mut self, fence: Fence) -> Self {
        self.grant.fence = fence;
        self
    }

    /// The number to hand to the resource with every write.
    pub fn fence(&self) -> Fence {
        self.grant.fence
    }

    /// Path of the znode that stands for this hold.
    pub fn path(&self) -> &str {
        &self.grant.path
    }

    /// Gives the lock up for every handle of the guard.
    pub(crate) fn step_down(&self) {
        self.cell().update(|view| {
            view.wanted = false;
            if !matches!(view.state, GuardState::Lost(_)) {
                view.state = GuardState::Lost(LossReason::Resigned);
            }
        });
    }

    /// Leaves the znode to a transaction that puts another one in its place.
    pub(crate) fn hand_on(&self, number: Option<String>) -> Old {
        Old {
            path: Arc::clone(&self.grant.path),
            moving: Moving::new(self.cell()),
            number,
        }
    }

    /// Resolves when the znode is known to be gone, with what [`Guard::release`] returns.
    pub(crate) fn left(&self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        left(self.cell())
    }

    /// Resolves with the first state that is one of these.
    pub(crate) fn when<F>(&self, is: F) -> impl Future<Output = GuardState> + Send + use<F>
    where
        F: Fn(GuardState) -> bool + Send,
    {
        let cell = Arc::clone(self.cell());
        async move {
            cell.wait(move |view| is(view.state).then_some(view.state))
                .await
        }
    }

    /// What may be relied on now.
    ///
    /// The deadline is looked at here and not only when the background task runs, so that a process
    /// which wakes from a pause, or on Linux with its machine from a suspension, sees `PossiblyLost`
    /// at once. It counts from the last answered request and allows for a server that relays contact
    /// with delay, but not for a follower that was cut off from its leader for longer than that
    /// ([`Client::lease_deadline`]); the guard of a [strict](crate::MutexBuilder::strict) lock
    /// counts only what a quorum must have heard ([`Client::confirmed_deadline`]). Only the fence is
    /// exact.
    pub fn state(&self) -> GuardState {
        let state = self.cell().read(|view| view.state);
        match state.is_safe() && self.remaining().is_zero() {
            true => GuardState::PossiblyLost,
            false => state,
        }
    }

    /// How long the lock is certain to stay ours if the link broke now; zero when it is not.
    pub fn remaining(&self) -> Duration {
        if !self.cell().read(|view| view.state.is_safe()) {
            return Duration::ZERO;
        }
        self.grant.bound.left(&self.client)
    }

    /// The changes of [`Guard::state`], the present state first. Outlives the guard.
    pub fn states(&self) -> GuardStates {
        GuardStates {
            cell: Arc::clone(self.cell()),
            seen: None,
        }
    }

    /// Resolves when the lock must not be relied on any more: with `PossiblyLost` or `Lost`.
    ///
    /// Meant for a `select` beside the work the lock protects. The future does not borrow the
    /// guard. It is pending for ever once the guard is released.
    pub fn lost(&self) -> impl Future<Output = GuardState> + Send + use<> {
        self.when(|state| !state.is_safe())
    }

    /// Whether somebody asked for the lock by writing `__REVOKE__` (Curator) or `unlock` to the
    /// guard's znode. The lock is still held; giving it up is a courtesy.
    pub fn is_revoked(&self) -> bool {
        self.cell().read(|view| view.revoked)
    }

    /// Resolves when [`Guard::is_revoked`] turns true. Does not borrow the guard.
    pub fn revoked(&self) -> impl Future<Output = ()> + Send + use<> {
        let cell = Arc::clone(self.cell());
        async move { cell.wait(|view| view.revoked.then_some(())).await }
    }

    /// The part that makes a multi fail unless this hold still stands. Put it first.
    pub fn check(&self) -> Op {
        Op::check(self.path(), None)
    }

    /// Carries `ops` out if and only if the lock is still held: one multi of [`Guard::check`] and
    /// `ops`. Returns the results of `ops`, in their order.
    ///
    /// Submitted at the call, in order with the client's other calls. Fails with
    /// [`LockError::Lost`] and nothing applied when the hold is over; other errors tell by
    /// [`LockError::outcome`] whether the multi may have been applied.
    pub fn write(
        &self,
        ops: Vec<Op>,
    ) -> impl Future<Output = Result<Vec<OpResult>, LockError>> + Send + use<> {
        let sent = match self.cell().read(|view| view.state) {
            GuardState::Lost(reason) => Err(LockError::Lost(reason)),
            _ => {
                let parts = std::iter::once(self.check()).chain(ops).collect();
                Ok(self.client.multi(parts))
            }
        };
        async move {
            match sent?.await {
                Ok(mut results) => {
                    results.remove(0);
                    Ok(results)
                }
                Err(error) => Err(write_error(error)),
            }
        }
    }

    /// Proves that the lock is held now: a transaction that a quorum agrees to and that fails with
    /// [`LockError::Lost`] otherwise. One write; what it proves is over by the time it is known.
    pub fn confirm(&self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        let proof = self.write(Vec::new());
        async move { proof.await.map(drop) }
    }

    /// Gives the lock back and waits until the znode is known to be gone.
    ///
    /// The release starts at the call; dropping the future does not stop it. While the link is
    /// down it waits, in the background too, for the link or for the session's end, which deletes
    /// the znode as well.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the lock had been lost before: the last chance to notice it. Whoever
    /// else deleted the znode while it was held did so before; a session that ends while the
    /// release is under way did so only if [`Guard::remaining`] was zero when it began.
    /// [`LockError::ReleaseRefused`] if the server refuses the deletion; the znode then stays first
    /// until the session ends, as it does with the client's last handle, or until a later attempt,
    /// made in the background, succeeds.
    pub fn release(self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        let left = self.left();
        drop(self);
        left
    }

    fn cell(&self) -> &Arc<Cell> {
        &self.keep.0
    }
}

/// What a guarded write that failed says about the hold; nothing where it may have been applied.
fn write_error(error: Error) -> LockError {
    match &error {
        Error::Multi {
            index: 0,
            code: ErrorCode::NO_NODE,
        } => LockError::Lost(LossReason::NodeDeleted),
        Error::SessionExpired { outcome } if *outcome == Outcome::Unknown => error.into(),
        Error::SessionExpired { .. } => LockError::Lost(LossReason::Expired),
        // The leader's word, for the whole multi or for its first part.
        _ if error.code() == Some(ErrorCode::SESSION_EXPIRED) => {
            LockError::Lost(LossReason::Expired)
        }
        _ => error.into(),
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("path", &self.path())
            .field("fence", &self.fence())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// A guard's states as they change: the latest one counts, those in between may be left out.
#[derive(Debug)]
pub struct GuardStates {
    cell: Arc<Cell>,
    seen: Option<GuardState>,
}

impl GuardStates {
    /// The next state that differs from the last one returned; `None` after `Lost` and after the
    /// release.
    pub async fn next(&mut self) -> Option<GuardState> {
        if let Some(GuardState::Lost(_)) = self.seen {
            return None;
        }
        let seen = self.seen;
        let next = self
            .cell
            .wait(|view| {
                let is_over = !view.wanted || view.left.is_some();
                match (Some(view.state) != seen, is_over) {
                    (true, false) => Some(Some(view.state)),
                    (true, true) if matches!(view.state, GuardState::Lost(_)) => {
                        Some(Some(view.state))
                    }
                    (_, true) => Some(None),
                    (false, false) => None,
                }
            })
            .await;
        self.seen = next.or(seen);
        next
    }
}

#[cfg(test)]
mod tests {
    use lockkeeper::{OpCode, OpError};

    use super::*;

    #[test]
    fn a_write_that_failed_says_lost_only_where_nothing_was_applied() {
        let (index, outcome) = (0, Outcome::NotApplied);
        let expired = LockError::Lost(LossReason::Expired);
        for error in [
            Error::SessionExpired { outcome },
            Error::Multi {
                index,
                code: ErrorCode::SESSION_EXPIRED,
            },
            Error::Op(OpError {
                code: ErrorCode::SESSION_EXPIRED,
                op: OpCode::Multi,
                path: String::new(),
            }),
        ] {
            assert_eq!(write_error(error), expired);
        }
        let code = ErrorCode::NO_NODE;
        assert_eq!(
            write_error(Error::Multi { index, code }),
            LockError::Lost(LossReason::NodeDeleted)
        );
        let index = 1;
        for error in [
            Error::Multi { index, code },
            Error::SessionExpired {
                outcome: Outcome::Unknown,
            },
        ] {
            assert_eq!(write_error(error.clone()), LockError::Client(error));
        }
    }
}
