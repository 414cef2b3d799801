//! From the grant to the end of the guard: what the holder may rely on, told as it changes.
//!
//! Three things can end a hold: the handle's drop, the own znode's end, the session's. A broken
//! link ends nothing, but starts a clock: after the client's lease deadline the server may have
//! given the lock to the next contender without our knowing.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use lockkeeper::{Client, Error, State};

use crate::bound::{Bound, keep_confirmed, prove};
use crate::error::LossReason;
use crate::own::{OwnEnd, OwnWatch, stat_of_own};
use crate::retry::{Retry, connected, session_error};
use crate::state::{Cell, GuardState};

/// A hold that ends within this time costs no watch on the own znode. The first look tells of what
/// has happened until then.
const UNWATCHED: Duration = Duration::from_millis(10);

/// What a holder waits for, in the order in which it is looked at.
enum Input {
    /// The handle was dropped.
    Unwanted,
    Lost(LossReason),
    Link(State),
    /// The own znode was found after a gap.
    Seen,
    LeaseOver,
}

/// Keeps the guard's state true; returns whether the znode is left to be deleted.
pub(crate) async fn hold(
    client: &Client,
    cell: &Cell,
    path: &str,
    own: &mut OwnWatch,
    bound: Bound,
) -> bool {
    let mut unwanted = pin!(cell.wait(|view| (!view.wanted).then_some(())));
    let mut states = client.states();
    let mut lease = Lease::new(client, bound);
    let mut beats = match bound {
        Bound::Confirmed => keep_confirmed(client, path).boxed(),
        Bound::Lease => pending().boxed(),
    };
    // One that had to wait has its watch already.
    let mut unwatched = (!own.is_seen()).then(|| client.sleep_until(client.now() + UNWATCHED));
    let mut look: Option<BoxFuture<'_, Result<bool, Error>>> = None;
    if states.next().await.state != State::Connected {
        publish(cell, GuardState::Suspended);
        look = Some(look_again(client, path, bound).boxed());
    }
    loop {
        let input = {
            let mut changed = pin!(states.next());
            poll_fn(|cx| {
                if unwanted.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Input::Unwanted);
                }
                unwatched.take_if(|timer| timer.poll_unpin(cx).is_ready());
                if unwatched.is_none()
                    && let Poll::Ready(end) = own.poll_end(cx)
                {
                    return Poll::Ready(Input::Lost(end.reason()));
                }
                if let Poll::Ready(change) = changed.as_mut().poll(cx) {
                    return Poll::Ready(Input::Link(change.state));
                }
                if let Poll::Ready(end) = beats.poll_unpin(cx) {
                    return Poll::Ready(Input::Lost(end.reason()));
                }
                if let Some(Poll::Ready(known)) = look.as_mut().map(|look| look.poll_unpin(cx)) {
                    return Poll::Ready(match known {
                        Ok(true) => Input::Seen,
                        Ok(false) => Input::Lost(LossReason::NodeDeleted),
                        Err(error) => Input::Lost(OwnEnd::Session(error).reason()),
                    });
                }
                lease.poll_over(cx).map(|()| Input::LeaseOver)
            })
            .await
        };
        match input {
            Input::Unwanted => {
                let in_doubt = bound.left(client).is_zero();
                cell.update(|view| view.in_doubt = in_doubt);
                return true;
            }
            Input::Lost(reason) => {
                publish(cell, GuardState::Lost(reason));
                return false;
            }
            Input::Link(state) => match session_error(state) {
                Some(error) => {
                    publish(cell, GuardState::Lost(OwnEnd::Session(error).reason()));
                    return false;
                }
                // Back, perhaps after a gap: the znode is looked at before anything is said.
                None if state == State::Connected => {
                    look = Some(look_again(client, path, bound).boxed());
                }
                // What was asked of the old link may be answered by one that reads only.
                None => {
                    look = None;
                    publish(cell, GuardState::Suspended);
                }
            },
            Input::Seen => {
                look = None;
                lease = Lease::new(client, bound);
                publish(cell, GuardState::Held);
            }
            Input::LeaseOver => {
                publish(cell, GuardState::PossiblyLost);
                look.get_or_insert_with(|| look_again(client, path, bound).boxed());
            }
        }
    }
}

/// Looks until the answer came under a deadline that still runs: whether the znode is there.
///
/// A deadline that passed on a link that lived on is carried on only by what a quorum agrees to,
/// so then something is written, a check that changes nothing; for a strict hold at once.
pub(crate) async fn look_again(client: &Client, path: &str, bound: Bound) -> Result<bool, Error> {
    connected(client).await?;
    let mut retry = Retry::new(client);
    let mut found = match bound {
        Bound::Confirmed => prove(client, path).await,
        Bound::Lease => Ok(stat_of_own(client, path).await?.is_some()),
    };
    loop {
        match found {
            Ok(false) => return Ok(false),
            Ok(true) if !bound.left(client).is_zero() => return Ok(true),
            Err(error) if error.is_final() => return Err(error),
            _ => retry.pause().await?,
        }
        found = prove(client, path).await;
    }
}

/// Tells the guard, unless that would hide something worse.
fn publish(cell: &Cell, state: GuardState) {
    let hides = |now| match (now, state) {
        (GuardState::Lost(_), _) | (GuardState::PossiblyLost, GuardState::Suspended) => true,
        (now, state) => now == state,
    };
    if !cell.read(|view| hides(view.state)) {
        cell.update(|view| view.state = state);
    }
}

/// The deadline as a timer that runs out once, if nothing moves it on.
struct Lease<'a> {
    client: &'a Client,
    bound: Bound,
    timer: Option<BoxFuture<'static, ()>>,
}

impl<'a> Lease<'a> {
    fn new(client: &'a Client, bound: Bound) -> Self {
        let deadline = bound.deadline(client).unwrap_or_else(|| client.now());
        Self {
            client,
            bound,
            timer: Some(client.sleep_until(deadline)),
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(timer) = &mut self.timer {
            ready!(timer.poll_unpin(cx));
            let deadline = self.bound.deadline(self.client);
            self.timer = deadline
                .filter(|&deadline| self.client.now() < deadline)
                .map(|deadline| self.client.sleep_until(deadline));
            if self.timer.is_none() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
