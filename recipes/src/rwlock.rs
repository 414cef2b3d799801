//! One writer or many readers, in one queue.
//!
//! Both kinds stand in one queue, so nobody starves: a reader waits for the writers ahead of it, a
//! writer for everybody ahead. A reader watches the nearest writer, and so sleeps through the ends
//! of all that are farther ahead.

use std::ops::Deref;
use std::time::{Duration, Instant};

use lockkeeper::path::name;
use lockkeeper::{Acl, Client};

use crate::error::LockError;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::layout::{Layout, WRITERS};
use crate::plan;
use crate::queue::{Queue, until, within};
use crate::state::GuardState;

/// A read/write lock on a path, for any number of processes and tasks.
///
/// Every call that acquires is a contender of its own, as with [`Mutex`](crate::Mutex), and so are
/// cancellation and what is not guaranteed. One that holds a read lock may take another at any
/// time, but one that holds a read lock and waits for a write lock waits for itself: use
/// [`ReadGuard::try_upgrade`].
///
/// ```no_run
/// # async fn show() {}
/// # async fn change() {}
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use lockkeeper::Client;
/// use lockkeeper_recipes::RwLock;
///
/// let client = Client::connect("127.0.0.1:2181").await?;
/// let lock = RwLock::new(&client, "/catalogue")?;
/// let writing = lock.write().await?;
/// change().await;
/// let reading = writing.downgrade().await?;
/// show().await;
/// reading.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Fences
///
/// A writer's fence is larger than those of all holders before it. Readers hold together, so a
/// resource compares a reader's fence with the largest writer's only: it is smaller for every reader
/// that was there before that writer. A writer that becomes a reader keeps its fence, because the
/// next writer may have queued already.
#[derive(Clone, Debug)]
pub struct RwLock {
    readers: Queue,
    writers: Queue,
}

/// The settings of a [`RwLock`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RwLockBuilder {
    queue: Queue,
    identity: Identity,
}

impl RwLock {
    /// A lock on `path` with [`Layout::Curator`] and the defaults of [`RwLockBuilder`]. Sends
    /// nothing; missing ancestors are created when they are needed.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, LockError> {
        Self::builder(client, path).build()
    }

    /// A lock on `path` with other settings.
    pub fn builder(client: &Client, path: &str) -> RwLockBuilder {
        let layout = Layout::default();
        RwLockBuilder {
            queue: Queue::new(client, path, layout, layout.writer()),
            identity: Identity::of_process(),
        }
    }

    /// Waits to read, for as long as it takes: until no writer is ahead.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] when the session ends or the server refuses, [`LockError::NodeGone`],
    /// [`LockError::LayoutConflict`], [`LockError::NumbersUsedUp`].
    pub async fn read(&self) -> Result<ReadGuard, LockError> {
        Ok(self.reading(self.readers.take().await?))
    }

    /// As [`RwLock::read`], for at most `timeout` from the first poll, whatever happens meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`RwLock::read`], and [`LockError::TimedOut`].
    pub async fn read_timeout(&self, timeout: Duration) -> Result<ReadGuard, LockError> {
        within(&self.readers.client, timeout, self.read()).await
    }

    /// As [`RwLock::read`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`RwLock::read`], and [`LockError::TimedOut`].
    pub async fn read_until(&self, deadline: Instant) -> Result<ReadGuard, LockError> {
        until(&self.readers.client, deadline, self.read()).await
    }

    /// Reads if no writer is in the queue; looks before it writes.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`], and those of [`RwLock::read`].
    pub async fn try_read(&self) -> Result<ReadGuard, LockError> {
        Ok(self.reading(self.readers.try_take().await?))
    }

    /// Waits to write, for as long as it takes: until nobody is ahead.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] when the session ends or the server refuses, [`LockError::NodeGone`],
    /// [`LockError::LayoutConflict`], [`LockError::NumbersUsedUp`].
    pub async fn write(&self) -> Result<WriteGuard, LockError> {
        Ok(self.writing(self.writers.take().await?))
    }

    /// As [`RwLock::write`], for at most `timeout` from the first poll, whatever happens meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`RwLock::write`], and [`LockError::TimedOut`].
    pub async fn write_timeout(&self, timeout: Duration) -> Result<WriteGuard, LockError> {
        within(&self.writers.client, timeout, self.write()).await
    }

    /// As [`RwLock::write`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`RwLock::write`], and [`LockError::TimedOut`].
    pub async fn write_until(&self, deadline: Instant) -> Result<WriteGuard, LockError> {
        until(&self.writers.client, deadline, self.write()).await
    }

    /// Writes if nobody is in the queue; looks before it writes.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`], and those of [`RwLock::write`].
    pub async fn try_write(&self) -> Result<WriteGuard, LockError> {
        Ok(self.writing(self.writers.try_take().await?))
    }

    /// How many contenders, readers and writers, a new writer would find ahead of it now. One read.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`].
    pub async fn queue_position(&self) -> Result<usize, LockError> {
        Ok(self.writers.count().await?)
    }

    /// Watch events that contenders of this lock and its clones have received so far, as
    /// [`Mutex::wakeups`](crate::Mutex::wakeups).
    pub fn wakeups(&self) -> u64 {
        self.writers.entry.shared.wakeups()
    }

    /// As [`Mutex::numbers_run_out`](crate::Mutex::numbers_run_out).
    pub fn numbers_run_out(&self) -> bool {
        self.writers.entry.shared.numbers_run_out()
    }

    fn reading(&self, guard: Guard) -> ReadGuard {
        let lock = self.clone();
        ReadGuard { guard, lock }
    }

    fn writing(&self, guard: Guard) -> WriteGuard {
        let lock = self.clone();
        WriteGuard { guard, lock }
    }
}

/// The right to read: a [`Guard`], beside those of other readers.
#[derive(Debug)]
pub struct ReadGuard {
    guard: Guard,
    lock: RwLock,
}

impl ReadGuard {
    /// Gets the right to write in addition, as soon as the other readers have gone: what was read
    /// under this guard still holds then, for no other writer has been in between.
    ///
    /// This guard stays. Once the write guard is there it may be released, or kept to go on reading
    /// when writing is over. At most one of all readers can wait like this; dropping the future
    /// makes room for another. Without a writer in the queue: a listing, and a create in one
    /// transaction with a check that this guard's znode is still there.
    ///
    /// # Errors
    ///
    /// [`LockError::UpgradeConflict`] at once if a writer stands in the queue already.
    /// [`LockError::Lost`] if this guard is lost. Those of [`RwLock::write`].
    pub async fn try_upgrade(&self) -> Result<WriteGuard, LockError> {
        if let GuardState::Lost(reason) = self.state() {
            return Err(LockError::Lost(reason));
        }
        if self.lock.readers.count().await? > 0 {
            return Err(LockError::UpgradeConflict);
        }
        let mut queue = self.lock.writers.clone();
        queue.entry.beside = Some(self.path().into());
        queue.entry.yields_to = WRITERS;
        match queue.take().await {
            Ok(guard) => Ok(self.lock.writing(guard)),
            Err(LockError::Busy) => Err(LockError::UpgradeConflict),
            Err(error) => Err(error),
        }
    }

    /// As [`Guard::release`].
    ///
    /// # Errors
    ///
    /// Those of [`Guard::release`].
    pub fn release(self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        self.guard.release()
    }
}

impl Deref for ReadGuard {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}

/// The right to write: a [`Guard`] without any other.
#[derive(Debug)]
pub struct WriteGuard {
    guard: Guard,
    lock: RwLock,
}

impl WriteGuard {
    /// Becomes a reader, in one transaction: no writer gets in between, and readers behind come in.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if this guard was lost. Those of [`RwLock::read`]. After an error, and
    /// when the future is dropped, neither lock is held.
    pub async fn downgrade(self) -> Result<ReadGuard, LockError> {
        let Self { guard, lock } = self;
        if let GuardState::Lost(reason) = guard.state() {
            return Err(LockError::Lost(reason));
        }
        let marker = lock.writers.entry.rule.marker;
        let Some(number) = plan::digits(name(guard.path()), marker) else {
            return Err(LockError::NodeGone);
        };
        let fence = guard.fence();
        let old = guard.hand_on(Some(number.to_owned()));
        drop(guard);
        let mut queue = lock.readers.clone();
        // At the tail it would wait for the writers that it is to keep out.
        queue.entry.requeues = false;
        let reader = queue.granted(queue.enter(Some(old))).await?;
        Ok(lock.reading(reader.with_fence(fence)))
    }

    /// As [`Guard::release`].
    ///
    /// # Errors
    ///
    /// Those of [`Guard::release`].
    pub fn release(self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        self.guard.release()
    }
}

impl Deref for WriteGuard {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}

impl RwLockBuilder {
    /// The names to use; every user of the path must use the same. Default: [`Layout::Curator`].
    pub fn layout(mut self, layout: Layout) -> Self {
        self.queue.entry.layout = layout;
        self
    }

    /// The label in the contenders' [`Identity`]. Default: empty.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.identity.label = label.into();
        self
    }

    /// As [`MutexBuilder::acl`](crate::MutexBuilder::acl). Default: the client's.
    pub fn acl(mut self, acl: Vec<Acl>) -> Self {
        self.queue.entry.acl = Some(acl);
        self
    }

    /// As [`MutexBuilder::requeue`](crate::MutexBuilder::requeue). Default: no.
    pub fn requeue(mut self, requeue: bool) -> Self {
        self.queue.entry.requeues = requeue;
        self
    }

    /// As [`MutexBuilder::refuse_blind_names`](crate::MutexBuilder::refuse_blind_names). Default:
    /// no.
    pub fn refuse_blind_names(mut self, refuse: bool) -> Self {
        self.queue.entry.refuses_blind = refuse;
        self
    }

    /// The lock.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if the path is no znode path.
    pub fn build(self) -> Result<RwLock, LockError> {
        let mut queue = self.queue.checked()?.identified(self.identity);
        let layout = queue.entry.layout;
        queue.entry.rule = layout.reader();
        let readers = queue.clone();
        queue.entry.rule = layout.writer();
        Ok(RwLock {
            readers,
            writers: queue,
        })
    }
}
