//! Watches as values: a one-shot watch is a future, a persistent one a stream. Dropping either ends
//! the interest, and the server's watch with it when nobody else shares it.
//!
//! The driver puts events into their slot before it completes any later reply, so a caller that
//! sees a changed value finds the event already here.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use lockkeeper_session::{Ticket, WatchEnd};

use crate::inbox::{Command, Inbox};
use crate::slot::{Slot, WatchEvent, WatchItem};

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
        self.slot.void();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if !self.slot.is_done() {
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
