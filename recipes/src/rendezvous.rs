//! A meeting point: a znode whose path is known before its content (ZooKeeper paper, section 2.4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockkeeper::{Client, CreateMode, ErrorCode, Stat};

use crate::error::RecipeError;
use crate::guard::Guard;
use crate::look::{Sight, checked, insist, until};
use crate::parents::plant;
use crate::presence::{Place, appear};

/// A path that is handed out before anybody knows what will stand there: a master's address, say,
/// for workers that are started beside it.
///
/// Whoever knows it [fills](Rendezvous::fill) it, all others [wait](Rendezvous::filled) for that.
/// The znode may have been made before, empty, by whoever starts the parties: an empty one counts
/// as not filled.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    client: Client,
    path: Arc<str>,
}

/// What stands at a meeting point.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filled {
    /// The data; not empty.
    pub data: Bytes,
    /// The znode's metadata: `version` counts refills, `mzxid` orders them.
    pub stat: Stat,
}

impl Rendezvous {
    /// A meeting point at `path`. Sends nothing.
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

    /// Leaves data for all who wait and all who come. Of several who fill it the last one counts.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if `data` is empty, or while somebody occupies the meeting point,
    /// with whom it would go; [`RecipeError::Client`], with outcome unknown if the link broke: it is
    /// safe to fill again.
    pub async fn fill(&self, data: impl Into<Bytes>) -> Result<(), RecipeError> {
        let data = self.not_empty(data.into())?;
        let mode = CreateMode::Persistent;
        loop {
            match plant(&self.client, &self.path, data.clone(), mode).await {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some(ErrorCode::NODE_EXISTS) => {}
                Err(error) => return Err(error.into()),
            }
            let stat = insist(&self.client, || self.client.exists(&self.path)).await?;
            if stat.is_some_and(|stat| stat.ephemeral_owner.0 != 0) {
                let what = "somebody occupies the meeting point, and what is left would go with \
                            them: occupy it too, or choose another path";
                return Err(RecipeError::conflict(&self.path, what));
            }
            match self.client.set(&self.path, data.clone(), None).await {
                Ok(_) => return Ok(()),
                // Deleted in between.
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Leaves data for as long as the guard lives: those who met notice its end by
    /// [`Rendezvous::vacated`]. Waits while another session's data is there.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if `data` is empty or the znode is there and persistent,
    /// [`RecipeError::Client`].
    pub async fn occupy(&self, data: impl Into<Bytes>) -> Result<Guard, RecipeError> {
        let place = Place {
            path: Arc::clone(&self.path),
            data: self.not_empty(data.into())?,
            waits: true,
        };
        appear(&self.client, place).await
    }

    /// Returns what stands here, as soon as there is something. Through lost links, for as long as
    /// it takes; may be dropped at any time.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn filled(&self) -> Result<Filled, RecipeError> {
        let mut sight = Sight::new(&self.client, &self.path).synced();
        loop {
            if let Some(znode) = sight.next().await?
                && let Some(data) = znode.data.filter(|data| !data.is_empty())
            {
                let stat = znode.stat;
                return Ok(Filled { data, stat });
            }
        }
    }

    /// As [`Rendezvous::filled`], for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`Rendezvous::filled`], and [`RecipeError::TimedOut`].
    pub async fn filled_timeout(&self, timeout: Duration) -> Result<Filled, RecipeError> {
        match self.client.now().checked_add(timeout) {
            Some(deadline) => self.filled_until(deadline).await,
            None => self.filled().await,
        }
    }

    /// As [`Rendezvous::filled`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`Rendezvous::filled`], and [`RecipeError::TimedOut`].
    pub async fn filled_until(&self, deadline: Instant) -> Result<Filled, RecipeError> {
        until(&self.client, deadline, self.filled()).await
    }

    /// Returns when the znode that was `met`, as [`Filled::stat`] tells, is not there any more, also
    /// if another one has taken its place.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`].
    pub async fn vacated(&self, met: &Stat) -> Result<(), RecipeError> {
        // Others may have met on another server, which is ahead of this one.
        let mut sight = Sight::new(&self.client, &self.path).synced();
        while let Some(znode) = sight.next().await?
            && znode.stat.czxid == met.czxid
        {}
        Ok(())
    }

    fn not_empty(&self, data: Bytes) -> Result<Bytes, RecipeError> {
        match data.is_empty() {
            true => Err(RecipeError::conflict(
                &self.path,
                "an empty meeting point counts as not filled: give it some data",
            )),
            false => Ok(data),
        }
    }
}
