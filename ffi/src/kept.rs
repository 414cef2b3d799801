//! What an object holds until it is given back, looked at by any number of threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Fault;
use crate::status::{LK_EBUSY, LK_ERELEASED};

/// A thing that can be taken out once. A call that needs it for a while shares it.
pub(crate) struct Kept<T>(Mutex<Option<Arc<T>>>);

impl<T> Kept<T> {
    pub(crate) fn new(thing: T) -> Self {
        Self(Mutex::new(Some(Arc::new(thing))))
    }

    /// Looks at it for a moment, unless it was taken out.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock().as_deref().map(look)
    }

    /// The thing for a call that may take its time.
    pub(crate) fn share(&self) -> Result<Arc<T>, Fault> {
        self.lock().clone().ok_or_else(given_back)
    }

    /// Takes it out, to give it back.
    pub(crate) fn take(&self) -> Result<T, Fault> {
        let mut kept = self.lock();
        let thing = kept.take().ok_or_else(given_back)?;
        Arc::try_unwrap(thing).map_err(|shared| {
            *kept = Some(shared);
            Fault::new(LK_EBUSY, "another call that needs it is under way")
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn given_back() -> Fault {
    Fault::new(LK_ERELEASED, "was given back before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_shares_is_not_taken_from_under_it() {
        let kept = Kept::new(7);
        let shared = kept.share().unwrap();
        let busy = kept.take().unwrap_err();
        assert_eq!(
            busy,
            Fault::new(LK_EBUSY, "another call that needs it is under way")
        );
        assert_eq!(kept.look(|thing| *thing), Some(7));
        drop(shared);
        assert_eq!(kept.take(), Ok(7));
        assert_eq!(kept.take(), Err(given_back()));
        assert!(kept.share().is_err());
        assert_eq!(kept.look(|thing| *thing), None);
    }
}
