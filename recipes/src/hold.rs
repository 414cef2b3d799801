//! From the grant to the end of the guard: what the holder may rely on, told as it changes.
//!
//! Three things can end a hold: the handle's drop, the own znode's end, the session's. A broken
//! link ends nothing, but starts a clock: after the client's lease deadline the server may have
//! given the lock to the next contender without our knowing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::BoxFuture;
use lockkeeper::{Client, Error, Op, State};

use crate::error::LossReason;
use crate::own::{OwnEnd, OwnWatch, stat_of_own};
use crate::retry::{Retry, connected, session_error};
use crate::state::{Cell, GuardState};

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
pub(crate) async fn hold(client: &Client, cell: &Cell, path: &str, own: &mut OwnWatch) -> bool {
    let mut unwanted = pin!(cell.wait(|view| (!view.wanted).then_some(())));
    let mut states = client.states();
    let mut lease = Lease::new(client);
    let mut look: Option<BoxFuture<'_, Result<bool, Error>>> = None;
    if states.next().await.state != State::Connected {
        publish(cell, GuardState::Suspended);
        look = Some(look_again(client, path).boxed());
    }
    loop {
        let input = {
            let mut changed = pin!(states.next());
            poll_fn(|cx| {
                if unwanted.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Input::Unwanted);
                }
                if let Poll::Ready(end) = own.poll_end(cx) {
                    return Poll::Ready(Input::Lost(end.reason()));
                }
                if let Poll::Ready(change) = changed.as_mut().poll(cx) {
                    return Poll::Ready(Input::Link(change.state));
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
            Input::Unwanted => return true,
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
                    look = Some(look_again(client, path).boxed());
                }
                // What was asked of the old link may be answered by one that reads only.
                None => {
                    look = None;
                    publish(cell, GuardState::Suspended);
                }
            },
            Input::Seen => {
                look = None;
                lease = Lease::new(client);
                publish(cell, GuardState::Held);
            }
            Input::LeaseOver => {
                publish(cell, GuardState::PossiblyLost);
                look.get_or_insert_with(|| look_again(client, path).boxed());
            }
        }
    }
}

/// Looks until the answer came under a lease that still runs: whether the znode is there.
///
/// A lease that ran out on a link that lived on is carried on only by what the leader has to look
/// at the session for, so something is written: a check, which changes nothing.
async fn look_again(client: &Client, path: &str) -> Result<bool, Error> {
    let mut retry = Retry::new(client);
    connected(client).await?;
    loop {
        if stat_of_own(client, path).await?.is_none() {
            return Ok(false);
        }
        if client
            .lease_deadline()
            .is_some_and(|deadline| client.now() < deadline)
        {
            return Ok(true);
        }
        retry.pause().await?;
        // Whatever it says, the next look tells.
        let _ = client.multi(vec![Op::check(path, None)]).await;
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

/// The client's lease deadline as a timer that runs out once, if nothing moves it on.
struct Lease<'a> {
    client: &'a Client,
    timer: Option<BoxFuture<'static, ()>>,
}

impl<'a> Lease<'a> {
    fn new(client: &'a Client) -> Self {
        let deadline = client.lease_deadline().unwrap_or_else(|| client.now());
        Self {
            client,
            timer: Some(client.sleep_until(deadline)),
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(timer) = &mut self.timer {
            ready!(timer.poll_unpin(cx));
            let deadline = self.client.lease_deadline();
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
