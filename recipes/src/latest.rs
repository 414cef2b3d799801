//! A value that one task writes and many read: the latest counts, and nothing is queued.

use std::sync::Arc;

use crate::state::Watched;

/// The value, the number of its changes, and whether anybody still wants it.
#[derive(Debug)]
pub(crate) struct Latest<T>(Watched<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    value: T,
    generation: u64,
    is_wanted: bool,
    is_final: bool,
}

impl<T: Clone> Latest<T> {
    pub(crate) fn new(value: T) -> Arc<Self> {
        Arc::new(Self(Watched::new(Inner {
            value,
            generation: 0,
            is_wanted: true,
            is_final: false,
        })))
    }

    pub(crate) fn get(&self) -> T {
        self.0.read(|inner| inner.value.clone())
    }

    /// Changes the value; `write` says whether that is worth a word.
    pub(crate) fn update(&self, write: impl FnOnce(&mut T) -> bool) {
        self.0.update(|inner| {
            if write(&mut inner.value) {
                inner.generation += 1;
            }
        });
    }

    /// No change will follow.
    pub(crate) fn finish(&self) {
        self.0.update(|inner| inner.is_final = true);
    }

    pub(crate) fn abandon(&self) {
        self.0.update(|inner| inner.is_wanted = false);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.read(|inner| !inner.is_wanted)
    }

    /// Resolves when nobody wants the value any more.
    pub(crate) async fn abandoned(&self) {
        self.0.wait(|inner| (!inner.is_wanted).then_some(())).await;
    }

    /// The value and its generation once that is beyond `seen`; `None` when no such will come.
    pub(crate) async fn after(&self, seen: Option<u64>) -> Option<(u64, T)> {
        self.0
            .wait(|inner| match seen {
                Some(seen) if inner.generation <= seen => inner.is_final.then_some(None),
                _ => Some(Some((inner.generation, inner.value.clone()))),
            })
            .await
    }
}

/// The task's side: says at its end, however that comes, that no change will follow.
pub(crate) struct Writer<T: Clone>(pub(crate) Arc<Latest<T>>);

impl<T: Clone> Drop for Writer<T> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// The handle's side: while one lives, the value is wanted.
#[derive(Debug)]
pub(crate) struct Reader<T: Clone>(pub(crate) Arc<Latest<T>>);

impl<T: Clone> Drop for Reader<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_reader_sees_the_present_value_then_changes_then_the_end() {
        let latest = Latest::new(1);
        let seen = latest.after(None).now_or_never().unwrap();
        assert_eq!(seen, Some((0, 1)));
        assert_eq!(latest.after(Some(0)).now_or_never(), None);
        latest.update(|value| {
            *value = 2;
            false
        });
        assert_eq!(
            latest.after(Some(0)).now_or_never(),
            None,
            "not worth a word"
        );
        latest.update(|value| {
            *value = 3;
            true
        });
        assert_eq!(latest.after(Some(0)).now_or_never(), Some(Some((1, 3))));
        drop(Writer(Arc::clone(&latest)));
        assert_eq!(latest.after(Some(1)).now_or_never(), Some(None));
        assert_eq!(latest.after(Some(0)).now_or_never(), Some(Some((1, 3))));
        drop(Reader(Arc::clone(&latest)));
        assert!(latest.abandoned().now_or_never().is_some());
    }
}
