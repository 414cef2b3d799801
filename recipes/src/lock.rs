//! A fenced mutual-exclusion lock whose queue is a znode's children.

use std::time::{Duration, Instant};

use lockkeeper::path::join;
use lockkeeper::{Acl, Client, ErrorCode, SessionId, Stat};

use crate::bound::Bound;
use crate::error::LockError;
use crate::fence::Fence;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::layout::Layout;
use crate::owner::{Owned, Owner, Owners};
use crate::queue::{Queue, until, within};

/// A lock on a path, for any number of processes and tasks.
///
/// Every call that acquires is a contender of its own, also two calls on one `Mutex`: clones share
/// nothing but settings. Contenders are served in the order in which their znodes were created,
/// and a release wakes one of them.
///
/// ```no_run
/// # async fn work(fence: lockkeeper_recipes::Fence) {}
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use lockkeeper::Client;
/// use lockkeeper_recipes::Mutex;
///
/// let client = Client::connect("127.0.0.1:2181").await?;
/// let lock = Mutex::new(&client, "/jobs/nightly")?;
/// let guard = lock.lock().await?;
/// let lost = Box::pin(guard.lost());
/// futures::future::select(lost, Box::pin(work(guard.fence()))).await;
/// guard.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping any future of this type, at any await, leaves no znode behind: a task of the client
/// deletes it, after the link came back if need be. The same holds for deadlines and errors.
///
/// # Not guaranteed
///
/// * That a holder stops acting when it loses the lock: see [`Guard`].
/// * A second life: a session that expires ends waiting and holding alike, with an error. The lock
///   is never taken again under another session without being asked for.
/// * Order across a deleted and recreated parent.
#[derive(Clone, Debug)]
pub struct Mutex {
    queue: Queue,
    owners: Owners,
}

/// The settings of a [`Mutex`].
#[derive(Clone, Debug)]
#[must_use]
pub struct MutexBuilder {
    queue: Queue,
    identity: Identity,
}

/// A contender as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Path of its znode.
    pub path: String,
    /// Its fence, as it is with the strictness of the `Mutex` that was asked. `None` where that
    /// cannot be told: a strict holder has not claimed the lock yet, or somebody else has written
    /// on its znode since.
    pub fence: Option<Fence>,
    /// The session that holds.
    pub session: SessionId,
    /// When it queued, in ms since 1970 on the leader's clock.
    pub queued_ms: i64,
    /// Who it says it is; `None` if the data was written by another library.
    pub identity: Option<Identity>,
}

impl Mutex {
    /// A lock on `path` with [`Layout::Curator`] and the defaults of [`MutexBuilder`].
    ///
    /// Sends nothing. The path's ancestors are created when they are needed.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, LockError> {
        Self::builder(client, path).build()
    }

    /// A lock on `path` with other settings.
    pub fn builder(client: &Client, path: &str) -> MutexBuilder {
        let layout = Layout::default();
        MutexBuilder {
            queue: Queue::new(client, path, layout, layout.mutex()),
            identity: Identity::of_process(),
        }
    }

    /// Waits for the lock, for as long as it takes. The queue is joined at the first poll.
    ///
    /// A free lock costs one round trip: a create and a listing, sent together.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] when the session ends or the server refuses, [`LockError::NodeGone`],
    /// [`LockError::LayoutConflict`], [`LockError::NumbersUsedUp`].
    pub async fn lock(&self) -> Result<Guard, LockError> {
        self.queue.take().await
    }

    /// As [`Mutex::lock`], for at most `timeout` from the first poll, whatever happens meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Mutex::lock`], and [`LockError::TimedOut`].
    pub async fn lock_timeout(&self, timeout: Duration) -> Result<Guard, LockError> {
        within(&self.queue.client, timeout, self.lock()).await
    }

    /// As [`Mutex::lock`], until an instant of the client's clock.
    ///
    /// A grant that comes at the deadline is either returned, with its znode in place, or taken
    /// back and the znode deleted.
    ///
    /// # Errors
    ///
    /// Those of [`Mutex::lock`], and [`LockError::TimedOut`].
    pub async fn lock_until(&self, deadline: Instant) -> Result<Guard, LockError> {
        until(&self.queue.client, deadline, self.lock()).await
    }

    /// Takes the lock if nobody is in the queue.
    ///
    /// Looks before it writes: a busy lock costs one read and the server sees no write. Of several
    /// that find it free at once, the first to create its znode wins; the others delete theirs in
    /// the background. A guard dropped just before may still be in the queue; await
    /// [`Guard::release`] to be sure that it is not.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`], and those of [`Mutex::lock`].
    pub async fn try_lock(&self) -> Result<Guard, LockError> {
        self.queue.try_take().await
    }

    /// As [`Mutex::lock`] on behalf of `owner`, who is told at once if it would wait for itself.
    ///
    /// Owners are told apart within this `Mutex` and its clones, not across processes.
    ///
    /// # Errors
    ///
    /// [`LockError::WouldDeadlock`] if the owner holds the lock or waits for it, and those of
    /// [`Mutex::lock`].
    pub async fn lock_as(&self, owner: &Owner) -> Result<Owned, LockError> {
        let claim = self.owners.claim(owner)?;
        Ok(claim.with(self.lock().await?))
    }

    /// How many contenders a new one would find ahead of it now; 0 if the lock is free. One read.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`].
    pub async fn queue_position(&self) -> Result<usize, LockError> {
        Ok(self.queue.count().await?)
    }

    /// The present holder, or none. For people: it may have changed before the call returns.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`].
    pub async fn holder(&self) -> Result<Option<Holder>, LockError> {
        for name in self.queue.ahead().await? {
            let path = join(&self.queue.entry.parent, &name);
            match self.queue.client.get(&path).await {
                Ok(znode) => {
                    let (bound, stat) = (self.queue.entry.bound, znode.stat);
                    let identity = znode.data.as_deref().and_then(Identity::from_json);
                    return Ok(Some(Holder {
                        path,
                        fence: fence_seen(bound, &stat, identity.is_some()),
                        session: stat.ephemeral_owner,
                        queued_ms: stat.ctime,
                        identity,
                    }));
                }
                // Released since the listing; the next one holds.
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Watch events that contenders of this `Mutex` and its clones have received so far: one for
    /// each contender that left directly ahead of a waiter, and one for each change that somebody
    /// else made to an own znode. To see what a crowd costs.
    pub fn wakeups(&self) -> u64 {
        self.queue.entry.shared.wakeups()
    }

    /// Whether a contender of this `Mutex` or its clones has got a number of 2^30 or more; the log
    /// warns of it once.
    ///
    /// The server counts all children that were ever created under the path. When the count is at
    /// 2^31 - 1 it stays there: contenders get equal numbers, and nobody can tell any more who came
    /// first. From then on nobody is let in ([`LockError::NumbersUsedUp`]); other libraries may let
    /// two in. Stop using the path, delete it, and the count begins anew.
    pub fn numbers_run_out(&self) -> bool {
        self.queue.entry.shared.numbers_run_out()
    }
}

impl MutexBuilder {
    /// The names to use; every user of the path must use the same. Default: [`Layout::Curator`].
    pub fn layout(mut self, layout: Layout) -> Self {
        self.queue.entry.layout = layout;
        self.queue.entry.rule = layout.mutex();
        self
    }

    /// What [`Holder::identity`] calls this contender. Default: empty.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.identity.label = label.into();
        self
    }

    /// Whose contender this says it is. Default: [`Identity::of_process`].
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// The ACL of the contenders' znodes. Default: the client's.
    ///
    /// It must let this client and the other contenders read; a revoker needs to write.
    pub fn acl(mut self, acl: Vec<Acl>) -> Self {
        self.queue.entry.acl = Some(acl);
        self
    }

    /// Whether a waiter whose znode is deleted by somebody else queues again at the tail instead
    /// of failing with [`LockError::NodeGone`]. Default: no.
    pub fn requeue(mut self, requeue: bool) -> Self {
        self.queue.entry.requeues = requeue;
        self
    }

    /// Whether to fail with [`LockError::LayoutConflict`] when the queue holds a contender that
    /// does not wait for this layout's names. Looked at once, when the contender queues. Default:
    /// no, because one such znode, left over or forged, then keeps everybody out.
    pub fn refuse_blind_names(mut self, refuse: bool) -> Self {
        self.queue.entry.refuses_blind = refuse;
        self
    }

    /// Whether grants and guards count only what a quorum has vouched for. Default: no.
    ///
    /// * A grant waits until its contender has written its znode once more, with the same data, and
    ///   its [`Fence`] is the zxid of that write. So fences follow grants also where these do not
    ///   follow creation. A znode that is gone by then was never granted: [`LockError::NodeGone`].
    /// * A guard turns `PossiblyLost` before the ensemble could end its session even behind a
    ///   follower that was cut off from its leader, or a leader from its quorum, and goes on
    ///   answering. It leaves `Suspended` and `PossiblyLost` only by a quorum's word.
    ///
    /// It costs a write and a round trip for each grant, one wake-up of the next in line, and for
    /// each client that holds a `sync` and a write about every third of the session timeout: the
    /// client does not know the server's tick, and that is one or more with timeouts from three
    /// ticks on. Timeouts are to be two ticks at least, as they are unless a server's minimum was
    /// lowered. The ACL of the znode must let the client write.
    ///
    /// Whoever compares fences of a path is to have all its users strict or none: a fence of one
    /// kind may be smaller than an earlier one of the other.
    pub fn strict(mut self, strict: bool) -> Self {
        self.queue.entry.claims = strict;
        self.queue.entry.bound = match strict {
            true => Bound::Confirmed,
            false => Bound::Lease,
        };
        self
    }

    /// The lock.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if the path is no znode path.
    pub fn build(self) -> Result<Mutex, LockError> {
        Ok(Mutex {
            queue: self.queue.checked()?.identified(self.identity),
            owners: Owners::default(),
        })
    }
}

/// The fence of the holder whose znode has this stat, if it can be told.
///
/// A strict holder writes its identity once more when it is first, so that while the data is an
/// identity the last write is the one that counts.
fn fence_seen(bound: Bound, stat: &Stat, is_identity: bool) -> Option<Fence> {
    match bound {
        Bound::Lease => Some(Fence(stat.czxid.0)),
        Bound::Confirmed if is_identity && stat.version > 0 => Some(Fence(stat.mzxid.0)),
        Bound::Confirmed => None,
    }
}
