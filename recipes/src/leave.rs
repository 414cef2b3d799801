//! The end of a znode that a task has kept: deleted, found gone, or left to the session's end.

use lockkeeper::{Client, ErrorCode, Outcome, State, WeakClient, Zxid};

use crate::error::{LockError, LossReason};
use crate::look::current;
use crate::own::OwnEnd;
use crate::retry::{Backoff, Retry, is_transient};
use crate::state::{Cell, GuardState, View};

/// The last word of a task that kept a znode, whatever ended it.
pub(crate) fn end(client: &Client, cell: &Cell) {
    let reason = end_reason(client);
    cell.update(|view| {
        if view.left.is_some() {
            return;
        }
        if view.wanted && !matches!(view.state, GuardState::Lost(_)) {
            view.state = GuardState::Lost(reason);
        }
        view.left = Some(match view.state {
            GuardState::Lost(reason) if reason != LossReason::Resigned => {
                Err(LockError::Lost(reason))
            }
            _ => after_session(view, reason),
        });
    });
}

/// Once the znode is to go, the end of its session is as good as a deletion, unless that may have
/// come first.
fn after_session(view: &View, reason: LossReason) -> Result<(), LockError> {
    match reason {
        LossReason::Expired if view.in_doubt => Err(LockError::Lost(reason)),
        _ => Ok(()),
    }
}

/// How a task ends that nothing else has ended.
pub(crate) fn end_reason(client: &Client) -> LossReason {
    match client.state() {
        State::Expired => LossReason::Expired,
        _ => LossReason::Closed,
    }
}

/// Deletes until the znode is gone with its session or by us, or has been found gone.
///
/// Nothing is compared where the name is unique, since there is nothing else to hit. Where others
/// use the name too, `born` is the znode's czxid, and another delete is sent only while that one is
/// there: whoever waited for the name may have it by then. A znode that is not there was deleted by
/// somebody else while its contender held, unless one of our own requests may have done it.
pub(crate) async fn delete(client: &Client, path: &str, cell: &Cell, born: Option<Zxid>) {
    let mut retry = Retry::new(client);
    let mut may_be_done = false;
    let ended = |error| {
        let reason = OwnEnd::Session(error).reason();
        cell.read(|view| after_session(view, reason))
    };
    let left = loop {
        if may_be_done && !is_left(client, path, born).await {
            break Ok(());
        }
        let error = match client.delete(path, None).await {
            Ok(()) => break Ok(()),
            Err(error) if error.is_final() => break ended(error),
            Err(error) => error,
        };
        if error.code() == Some(ErrorCode::NO_NODE) {
            let lost = LockError::Lost(LossReason::NodeDeleted);
            break if may_be_done { Ok(()) } else { Err(lost) };
        }
        may_be_done |= error.outcome() == Outcome::Unknown;
        if !is_transient(&error) {
            tracing::warn!(%error, "a contender may not delete its own znode and keeps trying");
            client.spawn(delete_later(client.downgrade(), path.to_owned(), born));
            break Err(LockError::ReleaseRefused(error));
        }
        if let Err(error) = retry.pause().await {
            break ended(error);
        }
    };
    cell.update(|view| view.left = Some(left));
}

/// Goes on with a deletion that was refused, ever more rarely, while somebody else has the client:
/// when nobody has, the session is closed, and that deletes the znode whatever the ACLs say.
async fn delete_later(client: WeakClient, path: String, born: Option<Zxid>) {
    let mut backoff = Backoff::slow();
    while let Some(rested) = client.upgrade().map(|client| backoff.rest(&client)) {
        rested.await;
        let Some(client) = client.upgrade() else {
            return;
        };
        if !is_left(&client, &path, born).await {
            return;
        }
        let deleted = client.delete(&path, None);
        drop(client);
        match deleted.await {
            Err(error) if !error.is_final() && error.code() != Some(ErrorCode::NO_NODE) => {}
            _ => return,
        }
    }
}

/// Whether the znode may still be there, and not only another one under its name.
async fn is_left(client: &Client, path: &str, born: Option<Zxid>) -> bool {
    let Some(born) = born else { return true };
    match current(client, path, || client.exists(path)).await {
        Ok(stat) => stat.is_some_and(|stat| stat.czxid == born),
        // The end of the session, which the delete will meet too.
        Err(_) => true,
    }
}
