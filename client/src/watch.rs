//! Watches as values: a one-shot watch is a future, a persistent one a stream. Dropping either ends
//! the interest, and the server's watch with it when nobody else shares it.
//!
//! The driver puts events in before it completes any later reply, so a caller that sees a changed
//! value finds the event already here. A persistent watch that is not read keeps a bounded number
//! of events; beyond that they are merged into one [`WatchItem::Rearmed`], which asks for the same
//! thing as a reconnect does: read again.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use lockkeeper_session::{Ticket, WatchEnd};
use lockkeeper_wire::{EventType, Zxid};

use crate::inbox::{Command, Inbox, locked};

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
    /// Leaves an item; `last` for the only event of a one-shot watch.
    pub(crate) fn push(&self, item: WatchItem, last: bool) {
        let waker = {
            let mut inner = locked(&self.inner);
            if inner.items.len() >= EVENTS_MAX {
                inner.items.clear();
                inner.items.push_back(WatchItem::Rearmed);
            } else if item != WatchItem::Rearmed || inner.items.back() != Some(&item) {
                inner.items.push_back(item);
            }
            inner.done |= last;
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

    fn poll_item(&self, cx: &mut Context<'_>) -> Poll<Result<WatchItem, WatchEnd>> {
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

/// What both kinds of watch are made of.
#[derive(Debug)]
pub(crate) struct Watcher {
    slot: Arc<Slot>,
    inbox: Arc<Inbox>,
    ticket: Ticket,
}

impl Watcher {
    pub(crate) fn new(slot: Arc<Slot>, inbox: Arc<Inbox>, ticket: Ticket) -> Self {
        Self {
            slot,
            inbox,
            ticket,
        }
    }

    /// The call that should have left this watch has failed: there is nothing to take back.
    pub(crate) fn void(&self) {
        locked(&self.slot.inner).done = true;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if !locked(&self.slot.inner).done {
            self.inbox.push(Command::Unwatch(self.ticket));
        }
    }
}

/// A watch for one event: a future of it.
///
/// It ends with [`WatchEnd`] if the session does. A lost link does not end it: after a reconnect
/// the server tells what was missed.
#[derive(Debug)]
#[must_use = "a watch that is dropped is taken back"]
pub struct OneShotWatch {
    watcher: Watcher,
}

impl OneShotWatch {
    pub(crate) fn new(watcher: Watcher) -> Self {
        Self { watcher }
    }
}

impl Future for OneShotWatch {
    type Output = Result<WatchEvent, WatchEnd>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.watcher.slot.poll_item(cx) {
                Poll::Ready(Ok(WatchItem::Event(event))) => return Poll::Ready(Ok(event)),
                // Only persistent watches are told of being armed again.
                Poll::Ready(Ok(WatchItem::Rearmed)) => {}
                Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A watch for every event of a znode, or of all znodes below it.
///
/// As a stream it gives the same items as [`PersistentWatch::next`] and ends behind the error.
#[derive(Debug)]
#[must_use = "a watch that is dropped is taken back"]
pub struct PersistentWatch {
    watcher: Watcher,
    ended: bool,
}

impl PersistentWatch {
    pub(crate) fn new(watcher: Watcher) -> Self {
        Self {
            watcher,
            ended: false,
        }
    }

    /// The next event in the server's order, or the mark that some may be missing.
    ///
    /// Dropping the future loses nothing. After an error every further call gives it again.
    pub async fn next(&mut self) -> Result<WatchItem, WatchEnd> {
        poll_fn(|cx| self.watcher.slot.poll_item(cx)).await
    }
}

impl Stream for PersistentWatch {
    type Item = Result<WatchItem, WatchEnd>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = self.watcher.slot.poll_item(cx);
        self.ended = matches!(item, Poll::Ready(Err(_)));
        item.map(Some)
    }
}

#[cfg(test)]
mod tests {
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
