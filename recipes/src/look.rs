//! One znode, looked at again and again: a read that leaves a watch, and another when it fires.
//!
//! Events only lead to another look and are never taken for the news itself. So a spurious event
//! costs a read, an event that was missed behind a broken link costs nothing, and a one-shot watch
//! that fired for something of no interest cannot leave its owner waiting for ever.

use std::sync::Arc;
use std::time::Instant;

use futures::future::{Either, select};
use lockkeeper::{
    Call, Client, Error, ErrorCode, EventType, Misuse, OneShotWatch, Outcome, Stat, WatchEnd,
    Znode, path,
};

use crate::error::RecipeError;
use crate::retry::{Retry, doubtful, is_transient, session_error};

/// A znode that is being followed: its data, or its children.
pub(crate) struct Sight<T = Znode> {
    client: Client,
    path: Arc<str>,
    read: fn(&Client, &str) -> Call<(T, OneShotWatch)>,
    watch: Option<OneShotWatch>,
    event: Option<EventType>,
    /// Whether the next look is to see what the leader has committed by now.
    syncs: bool,
}

impl Sight {
    /// Follows the data. Sends nothing before the first look.
    pub(crate) fn new(client: &Client, path: &Arc<str>) -> Self {
        Self::of(client, path, |client, path| client.get_watched(path))
    }
}

impl Sight<Vec<String>> {
    /// Follows the names of the children. Sends nothing before the first look.
    pub(crate) fn of_children(client: &Client, path: &Arc<str>) -> Self {
        Self::of(client, path, |client, path| client.children_watched(path))
    }
}

impl Sight<(Vec<String>, Stat)> {
    /// The same with the parent's metadata.
    pub(crate) fn of_listings(client: &Client, path: &Arc<str>) -> Self {
        Self::of(client, path, |client, path| {
            client.children_with_stat_watched(path)
        })
    }
}

impl<T> Sight<T> {
    fn of(
        client: &Client,
        path: &Arc<str>,
        read: fn(&Client, &str) -> Call<(T, OneShotWatch)>,
    ) -> Self {
        Self {
            client: client.clone(),
            path: Arc::clone(path),
            read,
            watch: None,
            event: None,
            syncs: false,
        }
    }

    /// Lets the first look show what others had done before it, also on a server that lags.
    pub(crate) fn synced(mut self) -> Self {
        self.syncs = true;
        self
    }

    /// What is there now the first time, and after each event from then on; `None` while there is no
    /// such znode. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, Error> {
        self.changed().await?;
        let mut retry = Retry::new(&self.client);
        loop {
            match self.look().await {
                Ok((seen, watch)) => {
                    self.watch = Some(watch);
                    self.syncs = false;
                    return Ok(seen);
                }
                Err(error) if is_transient(&error) => retry.pause().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets the next look be at once and see what the leader has committed by then.
    pub(crate) fn again(&mut self) {
        self.watch = None;
        self.syncs = true;
    }

    async fn look(&self) -> Result<(Option<T>, OneShotWatch), Error> {
        loop {
            let sync = self.syncs.then(|| self.client.sync(&self.path));
            let read = (self.read)(&self.client, &self.path);
            if let Some(sync) = sync {
                sync.await?;
            }
            match read.await {
                Ok((seen, watch)) => return Ok((Some(seen), watch)),
                // A read of a znode that is missing leaves no watch.
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
                Err(error) => return Err(error),
            }
            // If it has been created in between, it is still to be read.
            if let (None, watch) = self.client.exists_watched(&self.path).await? {
                return Ok((None, watch));
            }
        }
    }

    /// Waits for the event behind the last look, if there was one.
    async fn changed(&mut self) -> Result<(), Error> {
        let Some(watch) = &mut self.watch else {
            return Ok(());
        };
        let event = watch.await;
        self.watch = None;
        self.event = event.as_ref().ok().map(|event| event.kind);
        watch_ended(&self.client, event.err())
    }

    /// What the event said that led to the last look: for those to whom it matters that something
    /// was there, even if it is gone again by the time of the look.
    pub(crate) fn event(&self) -> Option<EventType> {
        self.event
    }
}

/// A watch that ended without an event: an error if the session did too, else a reason to look.
pub(crate) fn watch_ended(client: &Client, end: Option<WatchEnd>) -> Result<(), Error> {
    match end.and_then(|_| session_error(client.state())) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Makes a call that may be made twice until it is answered or the session ends. If one of its
/// tries may have been carried out, the session's end says so.
pub(crate) async fn insist<T, F>(client: &Client, mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut retry = Retry::new(client);
    let mut is_in_doubt = false;
    let ended = loop {
        match call().await {
            Err(error) if is_transient(&error) => {
                is_in_doubt |= error.outcome() == Outcome::Unknown;
                if let Err(error) = retry.pause().await {
                    break error;
                }
            }
            Err(error) if error.is_final() => break error,
            answer => return answer,
        }
    };
    Err(match is_in_doubt {
        true => doubtful(ended),
        false => ended,
    })
}

/// What the leader has committed by now: a read behind a `sync`.
pub(crate) async fn current<T>(
    client: &Client,
    path: &str,
    mut read: impl FnMut() -> Call<T>,
) -> Result<T, Error> {
    insist(client, || {
        let (sync, read) = (client.sync(path), read());
        async move {
            sync.await?;
            read.await
        }
    })
    .await
}

/// The future's result, or `TimedOut` at the deadline, when the future is dropped.
pub(crate) async fn until<T, E>(
    client: &Client,
    deadline: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, RecipeError>
where
    RecipeError: From<E>,
{
    match before(client, deadline, work).await {
        Some(result) => result.map_err(RecipeError::from),
        None => Err(RecipeError::TimedOut),
    }
}

/// What the future gives, or nothing at the deadline, when the future is dropped.
pub(crate) async fn before<T>(
    client: &Client,
    deadline: Instant,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(Box::pin(work), client.sleep_until(deadline)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// The path if it is one.
pub(crate) fn checked(path: &str) -> Result<Arc<str>, RecipeError> {
    match path::check(path) {
        Ok(()) => Ok(path.into()),
        Err(source) => {
            let path = path.to_owned();
            Err(Error::from(Misuse::Path { path, source }).into())
        }
    }
}

/// What every call on a client that is gone fails with.
pub(crate) fn client_gone(client: &Client) -> Error {
    session_error(client.state()).unwrap_or(Error::Closed {
        outcome: Outcome::NotApplied,
    })
}
