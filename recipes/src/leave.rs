//! The end of a znode that a task has kept: deleted, found gone, or left to the session's end.

use lockkeeper::{Client, ErrorCode, Outcome, State, WeakClient};

use crate::error::{LockError, LossReason};
use crate::retry::{Backoff, Retry, is_transient};
use crate::state::{Cell, GuardState};

/// The last word of a task that kept a znode, whatever ended it.
pub(crate) fn end(client: &Client, cell: &Cell) {
    let reason = match client.state() {
        State::Expired => LossReason::Expired,
        _ => LossReason::Closed,
    };
    cell.update(|view| {
        if view.left.is_some() {
            return;
        }
        // Once the znode is to go, the end of its session is as good as a deletion.
        if view.wanted && !matches!(view.state, GuardState::Lost(_)) {
            view.state = GuardState::Lost(reason);
        }
        view.left = Some(match view.state {
            GuardState::Lost(LossReason::Resigned) => Ok(()),
            GuardState::Lost(reason) => Err(LockError::Lost(reason)),
            _ => Ok(()),
        });
    });
}

/// Deletes until the znode is gone with its session or by us, or has been found gone.
///
/// The version is not compared: the name is unique, so there is nothing else to hit. A znode that
/// is not there was deleted by somebody else while its contender held, unless one of our own
/// requests may have done it.
pub(crate) async fn delete(client: &Client, path: &str, cell: &Cell) {
    let mut retry = Retry::new(client);
    let mut may_be_done = false;
    let left = loop {
        let error = match client.delete(path, None).await {
            Err(error) if !error.is_final() => error,
            _ => break Ok(()),
        };
        if error.code() == Some(ErrorCode::NO_NODE) {
            let lost = LockError::Lost(LossReason::NodeDeleted);
            break if may_be_done { Ok(()) } else { Err(lost) };
        }
        may_be_done |= error.outcome() == Outcome::Unknown;
        if !is_transient(&error) {
            tracing::warn!(%error, "a contender may not delete its own znode and keeps trying");
            client.spawn(delete_later(client.downgrade(), path.to_owned()));
            break Err(LockError::ReleaseRefused(error));
        }
        if retry.pause().await.is_err() {
            break Ok(());
        }
    };
    cell.update(|view| view.left = Some(left));
}

/// Goes on with a deletion that was refused, ever more rarely, while somebody else has the client:
/// when nobody has, the session is closed, and that deletes the znode whatever the ACLs say.
async fn delete_later(client: WeakClient, path: String) {
    let mut backoff = Backoff::slow();
    while let Some(rested) = client.upgrade().map(|client| backoff.rest(&client)) {
        rested.await;
        let Some(deleted) = client.upgrade().map(|client| client.delete(&path, None)) else {
            return;
        };
        match deleted.await {
            Err(error) if !error.is_final() && error.code() != Some(ErrorCode::NO_NODE) => {}
            _ => return,
        }
    }
}
