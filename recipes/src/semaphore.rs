//! So many at once: leases, and a queue in front of them.
//!
//! Whoever asks takes the semaphore's mutex, then adds its lease to the others and waits until there
//! are no more than may be. Only the one that has the mutex watches the leases, so a release wakes
//! one session. The lease is made before it is counted, so that a listing alone tells the
//! truth, whatever replies were lost and whatever became of the limit.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select, try_join, try_join_all};
use lockkeeper::path::join;
use lockkeeper::{Acl, Client, ErrorCode};

use crate::contender::{Room, Ticket, room_of};
use crate::error::{LockError, LossReason};
use crate::guard::Guard;
use crate::identity::Identity;
use crate::layout::Layout;
use crate::look::{client_gone, insist};
use crate::queue::{Queue, until, within};
use crate::retry::is_transient;
use crate::state::GuardState;
use crate::value::SharedCount;

/// How many may hold a semaphore, and who says so.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// This number, by this process alone: as in Curator, nobody notices if another process is
    /// given another one.
    Fixed(usize),
    /// This number, written to the semaphore's path by whoever comes first; whoever was given
    /// another one is refused.
    Recorded(usize),
    /// What the count says now; less than 1 admits nobody. A count that is lowered ends nobody's
    /// lease, and one that is raised lets those in who wait.
    Shared(SharedCount),
}

/// A semaphore on a path, for any number of processes and tasks: each lease is a [`Guard`].
///
/// ```no_run
/// # async fn download() {}
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use lockkeeper::Client;
/// use lockkeeper_recipes::Semaphore;
///
/// let client = Client::connect("127.0.0.1:2181").await?;
/// let downloads = Semaphore::new(&client, "/downloads", 3)?;
/// let lease = downloads.acquire().await?;
/// download().await;
/// lease.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping any future of this type, at any await, leaves no znode behind, and so do deadlines and
/// errors.
///
/// # Fences
///
/// A lease's fence is the zxid of a write that its contender makes once it is admitted, so fences
/// grow from lease to lease. Several leases stand at once: a resource cannot tell by fences alone
/// which of them are over, but [`Guard::write`] can.
///
/// # Not guaranteed
///
/// * That a holder stops acting when it loses its lease: see [`Guard`].
/// * Anything beside kazoo's `Semaphore`, which takes every child of the path for a lease.
#[derive(Clone, Debug)]
pub struct Semaphore {
    path: String,
    /// The mutex in front of the leases.
    gate: Queue,
    leases: Queue,
    limit: Limit,
}

/// The settings of a [`Semaphore`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SemaphoreBuilder {
    path: String,
    gate: Queue,
    limit: Limit,
    identity: Identity,
}

impl Semaphore {
    /// A semaphore on `path` for `limit` holders, a number that is [recorded](Limit::Recorded)
    /// there. Sends nothing; missing ancestors are created when they are needed.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str, limit: usize) -> Result<Self, LockError> {
        Self::builder(client, path, Limit::Recorded(limit)).build()
    }

    /// A semaphore on `path` with other settings.
    pub fn builder(client: &Client, path: &str, limit: Limit) -> SemaphoreBuilder {
        let layout = Layout::Curator;
        SemaphoreBuilder {
            path: path.to_owned(),
            gate: Queue::new(client, path, layout, layout.mutex()),
            limit,
            identity: Identity::of_process(),
        }
    }

    /// Waits for a lease, for as long as it takes. The queue is joined at the first poll.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] when the session ends or the server refuses; [`LockError::Limit`] when
    /// the path records another limit, or the shared count is missing or no number;
    /// [`LockError::NodeGone`], [`LockError::NumbersUsedUp`].
    pub async fn acquire(&self) -> Result<Guard, LockError> {
        let mut leases = self.acquire_many(1).await?;
        leases.pop().ok_or(LockError::NodeGone)
    }

    /// As [`Semaphore::acquire`], for at most `timeout` from the first poll, whatever happens
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::acquire`], and [`LockError::TimedOut`].
    pub async fn acquire_timeout(&self, timeout: Duration) -> Result<Guard, LockError> {
        within(&self.gate.client, timeout, self.acquire()).await
    }

    /// As [`Semaphore::acquire`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::acquire`], and [`LockError::TimedOut`].
    pub async fn acquire_until(&self, deadline: Instant) -> Result<Guard, LockError> {
        until(&self.gate.client, deadline, self.acquire()).await
    }

    /// Waits for so many leases at once; they may be released one by one.
    ///
    /// Nobody else is admitted before all of them are there, so two that ask for many never wait
    /// for each other. Each lease is a znode with requests of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::acquire`]; [`LockError::Limit`] if there are never so many. Under a
    /// [shared](Limit::Shared) limit there may be later, so whoever asks for more than it says waits
    /// at the front and keeps everybody behind waiting, too.
    pub async fn acquire_many(&self, leases: usize) -> Result<Vec<Guard>, LockError> {
        self.check_room(leases)?;
        if leases == 0 {
            return Ok(Vec::new());
        }
        loop {
            let gate = self.gate.take().await?;
            match self.admitted(gate, &self.leases, leases).await {
                Err(LockError::NodeGone) if self.gate.entry.requeues => {}
                known => return known,
            }
        }
    }

    /// As [`Semaphore::acquire_many`], for at most `timeout` from the first poll.
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::acquire_many`], and [`LockError::TimedOut`].
    pub async fn acquire_many_timeout(
        &self,
        leases: usize,
        timeout: Duration,
    ) -> Result<Vec<Guard>, LockError> {
        within(&self.gate.client, timeout, self.acquire_many(leases)).await
    }

    /// As [`Semaphore::acquire_many`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`Semaphore::acquire_many`], and [`LockError::TimedOut`].
    pub async fn acquire_many_until(
        &self,
        leases: usize,
        deadline: Instant,
    ) -> Result<Vec<Guard>, LockError> {
        until(&self.gate.client, deadline, self.acquire_many(leases)).await
    }

    /// Takes a lease if there is one and nobody waits; looks before it writes.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`], and those of [`Semaphore::acquire`].
    pub async fn try_acquire(&self) -> Result<Guard, LockError> {
        self.check_room(1)?;
        let limit = match &self.limit {
            Limit::Fixed(limit) | Limit::Recorded(limit) => *limit,
            Limit::Shared(count) => room_of(count.path(), count.get().await)?,
        };
        if self.held().await? >= limit {
            return Err(LockError::Busy);
        }
        let gate = self.gate.try_take().await?;
        let mut leases = self.leases.clone();
        leases.entry.yields_to = leases.entry.rule.blockers;
        let mut leases = self.admitted(gate, &leases, 1).await?;
        leases.pop().ok_or(LockError::NodeGone)
    }

    /// How many leases there are now, those included that wait to be admitted. One read.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`].
    pub async fn held(&self) -> Result<usize, LockError> {
        Ok(self.leases.count().await?)
    }

    /// How many stand in the queue for a lease now. One read.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`].
    pub async fn queue_position(&self) -> Result<usize, LockError> {
        Ok(self.gate.count().await?)
    }

    /// Watch events that contenders of this semaphore and its clones have received so far, as
    /// [`Mutex::wakeups`](crate::Mutex::wakeups).
    pub fn wakeups(&self) -> u64 {
        self.gate.entry.shared.wakeups()
    }

    /// As [`Mutex::numbers_run_out`](crate::Mutex::numbers_run_out), of the queue and of the leases.
    pub fn numbers_run_out(&self) -> bool {
        self.gate.entry.shared.numbers_run_out()
    }

    fn check_room(&self, leases: usize) -> Result<(), LockError> {
        match self.limit {
            Limit::Fixed(limit) | Limit::Recorded(limit) if leases > limit => {
                let what = format!("has {limit} leases and never {leases}: ask for fewer");
                Err(self.limit_error(what))
            }
            _ => Ok(()),
        }
    }

    /// Adds leases while the gate is held, and gives it up when all of them are granted.
    ///
    /// Without the gate somebody else may add leases, too, and each would wait for the other's to
    /// go; so its loss ends the attempt.
    async fn admitted(
        &self,
        gate: Guard,
        leases: &Queue,
        count: usize,
    ) -> Result<Vec<Guard>, LockError> {
        let tickets: Vec<Ticket> = (0..count).map(|_| leases.enter(None)).collect();
        let granted = try_join_all(tickets.into_iter().map(|ticket| leases.granted(ticket)));
        let admitted = try_join(granted, self.agree());
        let gone = gate.when(|state| matches!(state, GuardState::Lost(_)));
        match select(pin!(admitted), pin!(gone)).await {
            Either::Left((admitted, _)) => admitted.map(|(leases, ())| leases),
            Either::Right((GuardState::Lost(LossReason::NodeDeleted), _)) => {
                Err(LockError::NodeGone)
            }
            Either::Right(_) => Err(client_gone(&self.gate.client).into()),
        }
    }

    /// Sees to it that the path records this limit, if it is to.
    async fn agree(&self) -> Result<(), LockError> {
        let Limit::Recorded(limit) = self.limit else {
            return Ok(());
        };
        let client = &self.gate.client;
        loop {
            let znode = match insist(client, || client.get(&self.path)).await {
                Ok(znode) => znode,
                // The gate's znode is below it, so both were deleted by somebody.
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {
                    return Err(LockError::NodeGone);
                }
                Err(error) => return Err(error.into()),
            };
            let text = String::from_utf8_lossy(znode.bytes());
            if text.is_empty() {
                let set = client.set(&self.path, limit.to_string(), Some(znode.stat.version));
                match set.await {
                    Err(error)
                        if !is_transient(&error)
                            && error.code() != Some(ErrorCode::BAD_VERSION) =>
                    {
                        return Err(error.into());
                    }
                    // Whatever became of it, the next look tells.
                    _ => continue,
                }
            }
            return match text.trim().parse() {
                Ok(recorded) if limit == recorded => Ok(()),
                Ok(recorded) => Err(self.limit_error(format!(
                    "records a limit of {recorded:?}, not {limit}: give every user of the path the \
                     same"
                ))),
                Err::<usize, _>(_) => Err(self.limit_error(
                    "holds data that is no limit: use another path, or a limit that is not recorded"
                        .into(),
                )),
            };
        }
    }

    fn limit_error(&self, what: String) -> LockError {
        let path = self.path.clone();
        LockError::Limit { path, what }
    }
}

impl SemaphoreBuilder {
    /// The label in the contenders' [`Identity`]. Default: empty.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.identity.label = label.into();
        self
    }

    /// As [`MutexBuilder::acl`](crate::MutexBuilder::acl). Default: the client's.
    pub fn acl(mut self, acl: Vec<Acl>) -> Self {
        self.gate.entry.acl = Some(acl);
        self
    }

    /// As [`MutexBuilder::requeue`](crate::MutexBuilder::requeue). Default: no.
    pub fn requeue(mut self, requeue: bool) -> Self {
        self.gate.entry.requeues = requeue;
        self
    }

    /// The semaphore.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if the path is no znode path.
    pub fn build(self) -> Result<Semaphore, LockError> {
        let Self { path, limit, .. } = self;
        let mut gate = self.gate.checked()?.identified(self.identity);
        gate.entry.parent = join(&path, "locks").into();
        let mut leases = gate.clone();
        leases.entry.parent = join(&path, "leases").into();
        leases.entry.rule = Layout::lease();
        leases.entry.requeues = false;
        leases.entry.claims = true;
        leases.entry.room = Some(match &limit {
            Limit::Fixed(limit) | Limit::Recorded(limit) => Room::Fixed(*limit),
            Limit::Shared(count) => Room::Shared(count.clone()),
        });
        Ok(Semaphore {
            path,
            gate,
            leases,
            limit,
        })
    }
}
