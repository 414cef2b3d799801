//! A barrier: closed while its znode is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockkeeper::{Client, CreateMode, ErrorCode};

use crate::error::RecipeError;
use crate::look::{Sight, checked, current, insist, until};
use crate::parents::plant;

/// A gate that holds everybody until somebody opens it: closed while its znode exists.
///
/// The same znode as that of Curator's `DistributedBarrier` and kazoo's `Barrier`. Opening wakes
/// every waiter at once, which is the point. The barrier outlives whoever closed it.
///
/// ```no_run
/// # async fn example(client: lockkeeper::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use lockkeeper_recipes::Barrier;
///
/// let barrier = Barrier::new(&client, "/deploy/gate")?;
/// barrier.close().await?; // one process
/// barrier.wait().await?; // many others
/// # Ok(())
/// # }
/// ```
///
/// # Not guaranteed
///
/// * That a waiter notices a barrier that was opened and closed again at once: it may have seen the
///   gap, or not. Give each round a path of its own.
/// * That kazoo's waiters survive data written to the znode: they hang. Nothing here writes any.
#[derive(Clone, Debug)]
pub struct Barrier {
    client: Client,
    path: Arc<str>,
}

impl Barrier {
    /// A barrier at `path`. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, RecipeError> {
        Ok(Self {
            client: client.clone(),
            path: checked(path)?,
        })
    }

    /// Closes the barrier; whether it was open. Missing ancestors become containers.
    ///
    /// Goes on through lost links, so after one it may say `false` of what it did itself.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn close(&self) -> Result<bool, RecipeError> {
        let mode = CreateMode::Persistent;
        match plant(&self.client, &self.path, Bytes::new(), mode).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(ErrorCode::NODE_EXISTS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the barrier and wakes everybody; whether it was closed. As [`Barrier::close`].
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if the znode has children, [`RecipeError::Client`].
    pub async fn open(&self) -> Result<bool, RecipeError> {
        match insist(&self.client, || self.client.delete(&self.path, None)).await {
            Ok(()) => Ok(true),
            Err(error) => match error.code() {
                Some(ErrorCode::NO_NODE) => Ok(false),
                Some(ErrorCode::NOT_EMPTY) => Err(RecipeError::conflict(
                    &self.path,
                    "a barrier's znode has children: give the barrier a path of its own",
                )),
                _ => Err(error.into()),
            },
        }
    }

    /// Whether the barrier is closed, as the ensemble has it now.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn is_closed(&self) -> Result<bool, RecipeError> {
        let (client, path) = (&self.client, &self.path);
        let stat = current(client, path, || client.exists(path)).await?;
        Ok(stat.is_some())
    }

    /// Returns when the barrier is open; at once if it is. For as long as it takes, through lost
    /// links. May be dropped at any time.
    ///
    /// A barrier that was closed before the call is seen, whichever server the client is on.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn wait(&self) -> Result<(), RecipeError> {
        let mut sight = Sight::new(&self.client, &self.path).synced();
        while sight.next().await?.is_some() {}
        Ok(())
    }

    /// As [`Barrier::wait`], for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`Barrier::wait`], and [`RecipeError::TimedOut`].
    pub async fn wait_timeout(&self, timeout: Duration) -> Result<(), RecipeError> {
        match self.client.now().checked_add(timeout) {
            Some(deadline) => self.wait_until(deadline).await,
            None => self.wait().await,
        }
    }

    /// As [`Barrier::wait`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`Barrier::wait`], and [`RecipeError::TimedOut`].
    pub async fn wait_until(&self, deadline: Instant) -> Result<(), RecipeError> {
        until(&self.client, deadline, self.wait()).await
    }
}
