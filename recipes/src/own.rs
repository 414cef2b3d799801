//! The contender's watch on its own znode: deleted by somebody, or written on to ask for the lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use lockkeeper::{Client, Error, Stat};

use crate::error::LossReason;
use crate::retry::{Retry, session_error};
use crate::state::Cell;

/// What a revoker writes: Curator's `Revoker`, and the recipe in ZooKeeper's documentation.
const REVOCATIONS: [&[u8]; 2] = [b"__REVOKE__", b"unlock"];

/// How the znode came to its end without its contender.
#[derive(Debug)]
pub(crate) enum OwnEnd {
    Deleted,
    Session(Error),
}

impl OwnEnd {
    pub(crate) fn reason(&self) -> LossReason {
        match self {
            Self::Deleted => LossReason::NodeDeleted,
            Self::Session(Error::SessionExpired { .. }) => LossReason::Expired,
            Self::Session(_) => LossReason::Closed,
        }
    }
}

/// The watch on the own znode. Nothing is sent before it is first polled.
pub(crate) struct OwnWatch {
    end: BoxFuture<'static, OwnEnd>,
    is_seen: Arc<AtomicBool>,
}

impl OwnWatch {
    /// Notes a revocation in `cell`: data of another version than the one that is known.
    pub(crate) fn new(client: &Client, path: &Arc<str>, cell: &Arc<Cell>, version: i32) -> Self {
        let is_seen = Arc::new(AtomicBool::new(false));
        let (client, path, cell) = (client.clone(), Arc::clone(path), Arc::clone(cell));
        let seen = Arc::clone(&is_seen);
        Self {
            end: async move { watch_own(&client, &path, &cell, version, &seen).await }.boxed(),
            is_seen,
        }
    }

    /// Ready when the znode is gone.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<OwnEnd> {
        self.end.poll_unpin(cx)
    }

    /// Whether the last look found the znode and no event has come since. Means what it says right
    /// behind [`OwnWatch::poll_end`], which also sees to it that it becomes true or an end comes.
    pub(crate) fn is_seen(&self) -> bool {
        self.is_seen.load(Ordering::Relaxed)
    }
}

/// Watches by `exists`, so that nothing but a revocation is read; a watch left on a missing znode,
/// the price of `exists`, ends here with the future. An event only leads to another look, never to
/// a verdict.
async fn watch_own(
    client: &Client,
    path: &str,
    cell: &Cell,
    mut version_seen: i32,
    is_seen: &AtomicBool,
) -> OwnEnd {
    let mut retry = Retry::new(client).slow();
    loop {
        let error = match client.exists_watched(path).await {
            Ok((Some(stat), watch)) if stat.ephemeral_owner == client.session_id() => {
                is_seen.store(true, Ordering::Relaxed);
                if stat.version != version_seen {
                    version_seen = stat.version;
                    // A read that fails is made up for by the next event.
                    let _ = note_revocation(client, path, cell).await;
                }
                let event = watch.await;
                is_seen.store(false, Ordering::Relaxed);
                if event.is_ok() {
                    cell.shared.count_wakeup();
                    retry = Retry::new(client).slow();
                    continue;
                }
                // The watch ended without an event. Unless the session has, look again.
                match session_error(client.state()) {
                    Some(error) => return OwnEnd::Session(error),
                    None => retry.pause().await.err(),
                }
            }
            Ok(_) => return OwnEnd::Deleted,
            Err(error) if error.is_final() => Some(error),
            Err(_) => retry.pause().await.err(),
        };
        if let Some(error) = error {
            return OwnEnd::Session(error);
        }
    }
}

/// Looks whether somebody asks for the lock; returns the version of the data that was looked at. A
/// request that was overwritten is gone.
pub(crate) async fn note_revocation(
    client: &Client,
    path: &str,
    cell: &Cell,
) -> Result<i32, Error> {
    let znode = client.get(path).await?;
    if REVOCATIONS.contains(&znode.bytes()) {
        cell.update(|view| view.revoked = true);
    }
    Ok(znode.stat.version)
}

/// The znode's stat if it is there and belongs to this session; errors only end the session.
///
/// The owner is compared because a read may still show a znode of a session that is gone.
pub(crate) async fn stat_of_own(client: &Client, path: &str) -> Result<Option<Stat>, Error> {
    let mut retry = Retry::new(client).slow();
    loop {
        match client.exists(path).await {
            Ok(stat) => return Ok(stat.filter(|stat| stat.ephemeral_owner == client.session_id())),
            Err(error) if error.is_final() => return Err(error),
            Err(_) => retry.pause().await?,
        }
    }
}
