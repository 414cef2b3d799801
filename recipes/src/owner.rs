//! Who takes a lock, where that matters: the same owner twice must not wait for itself.
//!
//! An owner is a value that the caller passes around, not a thread: tasks move between threads, and
//! guards are handed over. One who passes none is nobody, and two nobodies are two contenders.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};

use crate::error::LockError;
use crate::guard::Guard;
use crate::lock::Mutex;

static OWNERS_MADE: AtomicU64 = AtomicU64::new(0);

/// An identity within this process. Clones are the same owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u64);

impl Owner {
    /// Somebody new.
    #[expect(
        clippy::new_without_default,
        reason = "a default that differs each time surprises"
    )]
    pub fn new() -> Self {
        Self(OWNERS_MADE.fetch_add(1, Ordering::Relaxed))
    }
}

/// The owners that hold a lock or wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners(Arc<StdMutex<BTreeSet<Owner>>>);

impl Owners {
    /// Notes the owner until the claim is dropped.
    pub(crate) fn claim(&self, owner: &Owner) -> Result<Claim, LockError> {
        match self.lock().insert(owner.clone()) {
            true => Ok(Claim {
                owners: self.clone(),
                owner: owner.clone(),
            }),
            false => Err(LockError::WouldDeadlock),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Claim {
    owners: Owners,
    owner: Owner,
}

impl Claim {
    pub(crate) fn with(self, guard: Guard) -> Owned {
        Owned { guard, claim: self }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.owners.lock().remove(&self.owner);
    }
}

/// A [`Guard`] with an owner, by [`Mutex::lock_as`].
#[derive(Debug)]
pub struct Owned {
    guard: Guard,
    claim: Claim,
}

impl Owned {
    /// As [`Guard::release`]. The owner may lock again once the znode is gone.
    ///
    /// # Errors
    ///
    /// Those of [`Guard::release`].
    pub async fn release(self) -> Result<(), LockError> {
        let Self { guard, claim } = self;
        let released = guard.release().await;
        drop(claim);
        released
    }
}

impl Deref for Owned {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}

/// One owner's view of a lock that it may take again while it holds it.
///
/// Clones are the same owner. Locking again while held sends nothing and returns another handle of
/// the same hold, with the same fence; the lock is released when the last handle is gone. To end
/// a hold and know it, [`ReentrantGuard::release`] the last one.
#[derive(Clone, Debug)]
pub struct Reentrant {
    mutex: Mutex,
    held: Arc<StdMutex<Held>>,
}

#[derive(Debug)]
enum Held {
    No,
    Waiting,
    Yes(Weak<Guard>),
}

/// One of possibly several handles of one hold.
#[derive(Clone, Debug)]
pub struct ReentrantGuard(Arc<Guard>);

impl Reentrant {
    /// A new owner of the lock.
    pub fn new(mutex: Mutex) -> Self {
        Self {
            mutex,
            held: Arc::new(StdMutex::new(Held::No)),
        }
    }

    /// As [`Mutex::lock`], or another handle at once if the owner holds the lock. A hold that was
    /// lost is returned too, until its handles are gone: their state says so.
    ///
    /// # Errors
    ///
    /// [`LockError::WouldDeadlock`] while the same owner waits for the lock elsewhere, and those
    /// of [`Mutex::lock`].
    pub async fn lock(&self) -> Result<ReentrantGuard, LockError> {
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            match &*held {
                Held::Waiting => return Err(LockError::WouldDeadlock),
                Held::Yes(guard) => {
                    if let Some(guard) = guard.upgrade() {
                        return Ok(ReentrantGuard(guard));
                    }
                }
                Held::No => {}
            }
            *held = Held::Waiting;
        }
        // Puts the owner back to "not held" if this future is dropped while it waits.
        let mut waiting = Waiting {
            held: &self.held,
            next: Held::No,
        };
        let guard = Arc::new(self.mutex.lock().await?);
        waiting.next = Held::Yes(Arc::downgrade(&guard));
        Ok(ReentrantGuard(guard))
    }
}

struct Waiting<'a> {
    held: &'a StdMutex<Held>,
    next: Held,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = std::mem::replace(&mut self.next, Held::No);
    }
}

impl ReentrantGuard {
    /// Gives this handle back; the last one releases the lock as [`Guard::release`] does.
    ///
    /// # Errors
    ///
    /// For the last handle those of [`Guard::release`]; none for the others.
    pub async fn release(self) -> Result<(), LockError> {
        match Arc::into_inner(self.0) {
            Some(guard) => guard.release().await,
            None => Ok(()),
        }
    }
}

impl Deref for ReentrantGuard {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t10_an_owner_is_refused_while_it_has_a_claim() {
        let owners = Owners::default();
        let (a, b) = (Owner::new(), Owner::new());
        let claim = owners.claim(&a).unwrap();
        assert_eq!(owners.claim(&a).unwrap_err(), LockError::WouldDeadlock);
        assert!(owners.claim(&b).is_ok());
        drop(claim);
        assert!(owners.claim(&a).is_ok());
    }
}
