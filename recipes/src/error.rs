//! Why a lock was not taken, or is no longer held.

use lockkeeper::{Error, Outcome};
use thiserror::Error as ThisError;

/// Why a guard stands for nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ThisError)]
#[non_exhaustive]
pub enum LossReason {
    /// The client was closed, and the session with it.
    #[error("the client was closed")]
    Closed,
    /// The server ended the session; the next contender may hold the lock already.
    #[error("the session expired")]
    Expired,
    /// Somebody else deleted the holder's znode: an operator, or a revoker that lost patience.
    #[error("the lock's znode was deleted by somebody else")]
    NodeDeleted,
    /// The holder gave it up through another handle.
    #[error("it was given up")]
    Resigned,
}

/// Why a lock operation failed.
///
/// After any error of an acquiring call the caller does not hold the lock, and its contender znode
/// is gone, or is being deleted in the background for as long as the session lives.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum LockError {
    /// `try_lock` found somebody else in the queue. Try later, or wait with a deadline.
    #[error("lock is busy")]
    Busy,
    /// The client could not do its part. An expired session needs a new client: the lock is not
    /// taken again under a new session behind the caller's back.
    #[error("client failed")]
    Client(
        #[from]
        #[source]
        Error,
    ),
    /// The path holds a contender that does not wait for this layout's names, so that nothing
    /// would keep the two apart. Give every user of the path the same layout.
    #[error(
        "path is shared with a lock of another layout ({name:?}): give every user of the path the \
         same layout"
    )]
    LayoutConflict {
        /// The other's znode.
        name: String,
    },
    /// What a semaphore's path says about its limit, or what was asked for, does not go with it.
    #[error("{path}: {what}")]
    Limit {
        /// The znode.
        path: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The guard had been lost before the call; what was to be done under it was not done.
    #[error("lock was lost: {0}")]
    Lost(LossReason),
    /// Somebody deleted the waiting contender's znode. Call again to queue at the tail, or let the
    /// builder's `requeue` do so.
    #[error("the waiting contender's znode was deleted by somebody else")]
    NodeGone,
    /// More than 2^31 children were created under the path, and the server gives equal numbers from
    /// then on, by which nobody can tell who came first. Delete the path when nobody uses it any
    /// more; the count then begins anew.
    #[error(
        "server's numbers for the lock's path are used up: delete the path when it is unused, and \
         the count begins anew"
    )]
    NumbersUsedUp,
    /// The server refuses to delete the znode of a lock that was given back, so others go on
    /// waiting behind it. Give the client the `DELETE` permission on the lock's path; the deletion
    /// is tried again in the background. The end of the session deletes the znode in any case.
    #[error(
        "the lock's znode may not be deleted: give this client the delete permission on the \
         lock's path, or close the client"
    )]
    ReleaseRefused(#[source] Error),
    /// The deadline passed before the lock was granted.
    #[error("lock was not granted before the deadline")]
    TimedOut,
    /// Another writer waits for the reader that would become one, and each would wait for the other.
    /// Release the read lock and take the write lock from scratch: what was read may change between.
    #[error("another writer waits already: release the read lock to let it through")]
    UpgradeConflict,
    /// The same owner holds this lock, or waits for it, and would wait for itself. Use
    /// [`Reentrant`](crate::Reentrant) if one owner takes the lock more than once.
    #[error("owner already holds this lock or waits for it and would wait for itself")]
    WouldDeadlock,
}

impl LockError {
    /// What is known about the effect of the call: of [`Guard::write`](crate::Guard::write) and
    /// [`Guard::confirm`](crate::Guard::confirm) whether the ensemble carried the multi out. An
    /// acquiring call that failed never holds the lock, whatever this says.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Client(error) | Self::ReleaseRefused(error) => error.outcome(),
            _ => Outcome::NotApplied,
        }
    }
}

/// Why a recipe that is no lock failed: a barrier, a latch, a value, a configuration, a group.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum RecipeError {
    /// Somebody else was faster: the value is no longer the one that was to be replaced. Read it
    /// again.
    #[error("{path}: was changed by somebody else in the meantime")]
    Changed {
        /// The znode.
        path: String,
    },
    /// The client could not do its part, or the server refused.
    #[error("client failed")]
    Client(
        #[from]
        #[source]
        Error,
    ),
    /// What is at the path does not go with what was asked for; the message says what to change.
    #[error("{path}: {what}")]
    Conflict {
        /// The znode.
        path: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// The lock or the leadership that was to cover the call is lost; nothing was done.
    #[error("the guard was lost: {0}")]
    Lost(LossReason),
    /// The deadline passed first.
    #[error("deadline passed")]
    TimedOut,
}

impl RecipeError {
    pub(crate) fn conflict(path: &str, what: impl Into<String>) -> Self {
        Self::Conflict {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    /// Whether the ensemble may have carried the call out.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Client(error) => error.outcome(),
            _ => Outcome::NotApplied,
        }
    }
}

impl From<LockError> for RecipeError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Client(error) | LockError::ReleaseRefused(error) => Self::Client(error),
            LockError::Lost(reason) => Self::Lost(reason),
            LockError::TimedOut => Self::TimedOut,
            other => Self::conflict("", other.to_string()),
        }
    }
}
