//! A latch that opens when so many have arrived.
//!
//! An arrival is a znode with a name of its own and never a decrement, so one that is sent twice
//! because its reply was lost counts once. Whoever sees enough arrivals writes `done`, and waiters
//! watch nothing else: one event each, however many arrive.
//!
//! The last to arrive sees enough, because its listing is behind its create; if it dies in between,
//! a waiter sees to it, which for that looks at the arrivals once in a session timeout.
//!
//! Opening and resetting write to the path on condition of its version, so that neither acts on a
//! listing from before the other. Who finds the latch open leaves no znode: there are no more
//! arrivals than it takes to open it, and those that were on their way meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{Either, select};
use lockkeeper::path::join;
use lockkeeper::{Client, CreateMode, Error, ErrorCode, Op};

use crate::error::RecipeError;
use crate::layout::Guid;
use crate::look::{Sight, checked, current, insist, until};
use crate::parents::plant;

const DONE: &str = "done";
const ARRIVAL: &str = "d-";
/// A reset deletes all arrivals in one transaction.
const COUNT_MAX: usize = 5_000;

/// A latch on a path: closed until [`CountdownLatch::count_down`] was called `count` times, by any
/// processes, and open from then on.
///
/// Arrivals are persistent: one who arrived and died has arrived. Only this library writes this
/// layout: the path holds the count as decimal text, `d-<id>` for each arrival, `done`.
#[derive(Clone, Debug)]
pub struct CountdownLatch {
    client: Client,
    path: Arc<str>,
    count: usize,
    is_set_up: Arc<AtomicBool>,
}

impl CountdownLatch {
    /// A latch at `path` that opens after `count` arrivals, the same number for all. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Client`] with a misuse if `path` is no znode path, [`RecipeError::Conflict`]
    /// if `count` is 0 or more than 5,000.
    pub fn new(client: &Client, path: &str, count: usize) -> Result<Self, RecipeError> {
        if !(1..=COUNT_MAX).contains(&count) {
            let what = format!("a latch counts 1 to {COUNT_MAX} arrivals");
            return Err(RecipeError::conflict(path, what));
        }
        Ok(Self {
            client: client.clone(),
            path: checked(path)?,
            count,
            is_set_up: Arc::default(),
        })
    }

    /// Arrives, once; how many are missing now. Does nothing if the latch is open. Carried on
    /// through lost links; if the future is dropped, the arrival may count or not.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if the path holds another count or no latch,
    /// [`RecipeError::Client`].
    pub async fn count_down(&self) -> Result<usize, RecipeError> {
        self.count_down_as(&Guid::of(&self.client).hyphenated())
            .await
    }

    /// Arrives under a name of the caller's; the same name counts once, whoever sends it, also
    /// after a restart.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if the name cannot stand in a path, and those of
    /// [`CountdownLatch::count_down`].
    pub async fn count_down_as(&self, id: &str) -> Result<usize, RecipeError> {
        let arrival = join(&self.path, &format!("{ARRIVAL}{id}"));
        if id.contains('/') || checked(&arrival).is_err() {
            let what = "no arrival can be called that: give it an id that can stand in a path";
            return Err(RecipeError::conflict(id, what));
        }
        self.set_up().await?;
        let (client, done) = (&self.client, join(&self.path, DONE));
        if current(client, &done, || client.exists(&done))
            .await?
            .is_some()
        {
            return Ok(0);
        }
        let create = || client.create(&arrival, Bytes::new(), CreateMode::Persistent);
        match insist(client, create).await {
            Ok(_) => {}
            Err(error) if error.code() == Some(ErrorCode::NODE_EXISTS) => {}
            Err(error) => return Err(error.into()),
        }
        self.settle().await
    }

    /// How many arrivals are missing; 0 once the latch is open.
    ///
    /// # Errors
    ///
    /// Those of [`CountdownLatch::count_down`].
    pub async fn remaining(&self) -> Result<usize, RecipeError> {
        self.set_up().await?;
        let (client, path) = (&self.client, &self.path);
        let children = current(client, path, || client.children(path)).await?;
        Ok(self.missing(&children))
    }

    /// Returns when the latch is open; at once if it is. For as long as it takes, through lost
    /// links. May be dropped at any time.
    ///
    /// # Errors
    ///
    /// Those of [`CountdownLatch::count_down`].
    pub async fn wait(&self) -> Result<(), RecipeError> {
        self.set_up().await?;
        let mut done = Sight::new(&self.client, &join(&self.path, DONE).into()).synced();
        while done.next().await?.is_none() {
            let mut changed = pin!(done.next());
            let seen = loop {
                if self.settle().await? == 0 {
                    return Ok(());
                }
                match select(changed, self.next_look()).await {
                    Either::Left((seen, _)) => break seen?,
                    Either::Right((_, still)) => changed = still,
                }
            };
            if seen.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// As [`CountdownLatch::wait`], for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`CountdownLatch::wait`], and [`RecipeError::TimedOut`].
    pub async fn wait_timeout(&self, timeout: Duration) -> Result<(), RecipeError> {
        match self.client.now().checked_add(timeout) {
            Some(deadline) => self.wait_until(deadline).await,
            None => self.wait().await,
        }
    }

    /// As [`CountdownLatch::wait`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`CountdownLatch::wait`], and [`RecipeError::TimedOut`].
    pub async fn wait_until(&self, deadline: Instant) -> Result<(), RecipeError> {
        until(&self.client, deadline, self.wait()).await
    }

    /// Closes the latch again with nobody arrived, in one transaction. Who arrives meanwhile has
    /// arrived before it or counts after it; who waits and has not looked since the latch opened
    /// goes on waiting.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Conflict`] if somebody else has reset the latch, or opened it, at the same
    /// time, and those of [`CountdownLatch::count_down`]; the client's error with outcome unknown if
    /// its link broke.
    pub async fn reset(&self) -> Result<(), RecipeError> {
        self.set_up().await?;
        let (client, path) = (&self.client, &self.path);
        let stat = current(client, path, || client.get(path)).await?.stat;
        let children = insist(client, || client.children(path)).await?;
        let mut ops = vec![Op::set(path, self.text(), Some(stat.version))];
        let ours = children
            .iter()
            .filter(|name| *name == DONE || name.starts_with(ARRIVAL));
        ops.extend(ours.map(|name| Op::delete(&join(path, name), None)));
        match client.multi(ops).await {
            Ok(_) => Ok(()),
            Err(Error::Multi {
                code: ErrorCode::BAD_VERSION | ErrorCode::NO_NODE,
                ..
            }) => Err(RecipeError::conflict(
                path,
                "somebody else has reset or opened the latch at the same time: look again",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes `done` if enough have arrived; how many are missing.
    async fn settle(&self) -> Result<usize, RecipeError> {
        let (client, path) = (&self.client, &self.path);
        loop {
            // The version is from before the listing: a reset in between changes it.
            let (version, children) = insist(client, || {
                let (znode, children) = (client.get(path), client.children(path));
                async move { Ok((znode.await?.stat.version, children.await?)) }
            })
            .await?;
            let missing = self.missing(&children);
            if missing > 0 || children.iter().any(|name| name == DONE) {
                return Ok(missing);
            }
            let open = || {
                client.multi(vec![
                    Op::set(path, self.text(), Some(version)),
                    Op::create(&join(path, DONE), "", CreateMode::Persistent),
                ])
            };
            match insist(client, open).await {
                Ok(_) => return Ok(0),
                Err(error) if error.code() == Some(ErrorCode::BAD_VERSION) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn missing(&self, children: &[String]) -> usize {
        if children.iter().any(|name| name == DONE) {
            return 0;
        }
        let arrived = children.iter().filter(|name| name.starts_with(ARRIVAL));
        self.count.saturating_sub(arrived.count())
    }

    /// Makes the path or compares the count that it holds, once.
    async fn set_up(&self) -> Result<(), RecipeError> {
        if self.is_set_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (client, path) = (&self.client, &self.path);
        match plant(client, path, self.text(), CreateMode::Persistent).await {
            Ok(_) => {}
            Err(error) if error.code() == Some(ErrorCode::NODE_EXISTS) => {
                let znode = current(client, path, || client.get(path)).await?;
                if znode.bytes() != self.text() {
                    let what = format!(
                        "holds {:?} and not the count {}: give every user of the latch the same \
                         count, and the latch a path of its own",
                        String::from_utf8_lossy(&znode.bytes()[..znode.bytes().len().min(32)]),
                        self.count
                    );
                    return Err(RecipeError::conflict(path, what));
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.is_set_up.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn text(&self) -> Bytes {
        self.count.to_string().into()
    }

    /// Ends after one to two session timeouts.
    fn next_look(&self) -> impl Future<Output = ()> + Unpin {
        let timeout = self.client.negotiated_timeout();
        let share = (self.client.random() % 1000) as u32;
        let at = self.client.now() + timeout + timeout * share / 1000;
        self.client.sleep_until(at)
    }
}
