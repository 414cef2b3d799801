//! What a watch gives, and the place where the driver leaves it.
//!
//! A persistent watch that is not read keeps a bounded number of events; beyond that they are
//! merged into one [`WatchItem::Rearmed`], which asks for the same thing as a reconnect does: read
//! again.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use lockkeeper_session::WatchEnd;
use lockkeeper_wire::{EventType, Zxid};

use crate::lock::locked;

/// Events that a persistent watch keeps before they are merged.
const EVENTS_MAX: usize = 4096;

/// What happened to a watched znode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// What happened.
    pub kind: EventType,
    /// The znode, as a path below the client's chroot; of a child event the parent.
    pub path: String,
    /// The transaction, where the server tells it: from 3.9 on, and not for what happened while
    /// the client was out of touch.
    pub zxid: Option<Zxid>,
}

/// What a persistent watch gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchItem {
    /// Something happened.
    Event(WatchEvent),
    /// Events may be missing from here on backwards: the link was lost and is back, or too many
    /// events were left unread. Read again what is watched; events that follow are complete.
    Rearmed,
}

/// Where the driver leaves events for one watcher.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    inner: Mutex<SlotInner>,
}

#[derive(Debug, Default)]
struct SlotInner {
    items: VecDeque<WatchItem>,
    end: Option<WatchEnd>,
    /// Nothing will come any more, so the watch needs not be taken back.
    done: bool,
    waker: Option<Waker>,
}

impl Slot {
    /// Leaves an item; `is_last` for the only event of a one-shot watch.
    pub(crate) fn push(&self, item: WatchItem, is_last: bool) {
        let waker = {
            let mut inner = locked(&self.inner);
            if inner.items.len() >= EVENTS_MAX {
                inner.items.clear();
                inner.items.push_back(WatchItem::Rearmed);
            } else if item != WatchItem::Rearmed || inner.items.back() != Some(&item) {
                inner.items.push_back(item);
            }
            inner.done |= is_last;
            inner.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Ends the watch.
    pub(crate) fn end(&self, why: WatchEnd) {
        let waker = {
            let mut inner = locked(&self.inner);
            inner.done = true;
            inner.end.get_or_insert(why);
            inner.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Nothing will come, because the watch was never left.
    pub(crate) fn void(&self) {
        locked(&self.inner).done = true;
    }

    /// Whether nothing will come any more.
    pub(crate) fn is_done(&self) -> bool {
        locked(&self.inner).done
    }

    /// The next item, or the end behind all of them.
    pub(crate) fn poll_item(&self, cx: &mut Context<'_>) -> Poll<Result<WatchItem, WatchEnd>> {
        let mut inner = locked(&self.inner);
        if let Some(item) = inner.items.pop_front() {
            return Poll::Ready(Ok(item));
        }
        match inner.end {
            Some(why) => Poll::Ready(Err(why)),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt as _;

    use super::*;

    fn event() -> WatchItem {
        WatchItem::Event(WatchEvent {
            kind: EventType::NodeDataChanged,
            path: "/a".into(),
            zxid: None,
        })
    }

    fn next(slot: &Slot) -> Option<Result<WatchItem, WatchEnd>> {
        poll_fn(|cx| slot.poll_item(cx)).now_or_never()
    }

    #[test]
    fn unread_events_are_merged_and_the_end_comes_last() {
        let slot = Slot::default();
        for _ in 0..EVENTS_MAX {
            slot.push(event(), false);
        }
        slot.push(event(), false);
        slot.push(WatchItem::Rearmed, false);
        slot.push(event(), false);
        slot.end(WatchEnd::Closed);
        assert_eq!(next(&slot), Some(Ok(WatchItem::Rearmed)));
        assert_eq!(next(&slot), Some(Ok(event())));
        assert_eq!(next(&slot), Some(Err(WatchEnd::Closed)));
        assert_eq!(next(&slot), Some(Err(WatchEnd::Closed)));
    }
}
