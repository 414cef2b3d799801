//! A place to queue: the ways to ask for it, the same for every recipe whose znodes stand in line.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{Either, select};
use lockkeeper::path::check;
use lockkeeper::{Client, Error, ErrorCode, Misuse};

use crate::contender::{Entry, enter};
use crate::error::LockError;
use crate::guard::Guard;
use crate::layout::Layout;
use crate::plan::{self, Rule};

/// One path's queue, seen by one kind of contender.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) client: Client,
    pub(crate) entry: Entry,
}

impl Queue {
    /// With the defaults of every setting. The path is not looked at: see [`Queue::checked`].
    pub(crate) fn new(client: &Client, path: &str, layout: Layout, rule: Rule) -> Self {
        Self {
            client: client.clone(),
            entry: Entry {
                parent: path.into(),
                layout,
                rule,
                data: Bytes::new(),
                acl: None,
                is_impatient: false,
                requeues: false,
                refuses_blind: false,
                shared: Default::default(),
            },
        }
    }

    /// Fails if the path is no znode path.
    pub(crate) fn checked(self) -> Result<Self, LockError> {
        match check(&self.entry.parent) {
            Ok(()) => Ok(self),
            Err(source) => {
                let path = self.entry.parent.to_string();
                Err(Error::from(Misuse::Path { path, source }).into())
            }
        }
    }

    /// Waits until nobody is ahead.
    pub(crate) async fn take(&self) -> Result<Guard, LockError> {
        let ticket = enter(&self.client, self.entry.clone());
        Guard::granted(self.client.clone(), ticket).await
    }

    /// Takes the front if nobody is in the way; looks before it writes.
    pub(crate) async fn try_take(&self) -> Result<Guard, LockError> {
        if !self.ahead().await?.is_empty() {
            return Err(LockError::Busy);
        }
        let mut impatient = self.clone();
        impatient.entry.is_impatient = true;
        impatient.take().await
    }

    /// The names that a new contender would find ahead of it, oldest first.
    pub(crate) async fn ahead(&self) -> Result<Vec<String>, Error> {
        match self.client.children(&self.entry.parent).await {
            Ok(children) => Ok(plan::queue(&children, &self.entry.rule)),
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The attempt, cut short after `timeout`; not at all if that is beyond what the clock can say.
pub(crate) async fn within<T>(
    client: &Client,
    timeout: Duration,
    attempt: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    match client.now().checked_add(timeout) {
        Some(deadline) => until(client, deadline, attempt).await,
        None => attempt.await,
    }
}

/// The attempt, dropped at the deadline if it has not ended.
pub(crate) async fn until<T>(
    client: &Client,
    deadline: Instant,
    attempt: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    match select(Box::pin(attempt), client.sleep_until(deadline)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(LockError::TimedOut),
    }
}
