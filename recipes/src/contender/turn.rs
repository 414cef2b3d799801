//! From the queue's tail to its head: watch the next one ahead, look when it stirs.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures::FutureExt;
use lockkeeper::path::join;
use lockkeeper::{Error, ErrorCode, EventType, OneShotWatch};

use super::Contender;
use super::seat::Seat;
use crate::error::LockError;
use crate::own::OwnEnd;
use crate::retry::{Retry, is_transient, session_error};

/// Up to so many contenders ahead are looked at one by one on a wake-up. With more of them one is,
/// and a listing tells of the rest, mostly that all are gone: it was the first who left. Either way
/// it is one round trip, and so many names are all that a contender keeps of a listing.
pub(super) const PROBES_MAX: usize = 4;

/// How waiting ended.
pub(super) enum Turn {
    /// Nobody is ahead.
    Come,
    /// The handle was dropped.
    Abandoned,
    /// Somebody deleted the own znode.
    NodeGone,
    Failed(LockError),
}

impl Contender {
    /// Waits until nobody is ahead.
    ///
    /// Who is ahead is fixed when the znode is created and only shrinks, so the nearest ones
    /// are kept and the last of them is watched: one session wakes when a contender goes. An event
    /// never grants anything by itself; it leads to a read, and the read decides. Where one that is
    /// ahead may turn into another kind under its number, that read is a listing.
    pub(super) async fn wait_turn(&self, seat: &mut Seat) -> Turn {
        if let Some(error) = seat.refused.take() {
            return Turn::Failed(error);
        }
        let mut width = 1;
        let mut is_listed = true;
        loop {
            match &seat.ahead {
                None => return Turn::NodeGone,
                // Create and listing have just shown the own znode: a free lock needs no look at it.
                Some(ahead) if ahead.count == 0 && width == 1 => return Turn::Come,
                Some(ahead) if ahead.count == 0 && (is_listed || !self.entry.rule.turns) => {
                    return self.verdict(seat).await;
                }
                Some(ahead) if ahead.is_yielded_to => return Turn::Failed(LockError::Busy),
                Some(ahead) if ahead.nearest.is_empty() => {
                    match self.list().await {
                        Ok(children) => self.refresh(seat, &children),
                        Err(error) => return Turn::Failed(error.into()),
                    }
                    is_listed = true;
                    continue;
                }
                Some(_) => {}
            }
            // Sends the watch on the own znode ahead of the probe, once.
            if let Poll::Ready(end) = poll_fn(|cx| Poll::Ready(seat.own.poll_end(cx))).await {
                return ended(end);
            }
            let probe = self.probe(seat, width).await;
            (width, is_listed) = (PROBES_MAX, false);
            let watch = match probe {
                Ok(Some(watch)) => watch,
                Ok(None) => continue,
                Err(error) => return Turn::Failed(error.into()),
            };
            if let Some(turn) = self.sleep(seat, watch).await {
                return turn;
            }
        }
    }

    /// Nobody is ahead; is the own znode still there?
    ///
    /// Its watch is older than the read that showed nobody ahead, so this costs a round trip only
    /// if an event came: whoever deletes a whole queue deletes the first ones and this one together.
    pub(super) async fn verdict(&self, seat: &mut Seat) -> Turn {
        let mut unwanted = pin!(self.cell.wait(|view| (!view.wanted).then_some(())));
        poll_fn(|cx| {
            if unwanted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Turn::Abandoned);
            }
            match seat.own.poll_end(cx) {
                Poll::Ready(end) => Poll::Ready(ended(end)),
                Poll::Pending if seat.own.is_seen() => Poll::Ready(Turn::Come),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Looks at the nearest survivors: a watch on the nearest if it is there, `None` when
    /// `seat.ahead` has changed or is worth another try.
    async fn probe(&self, seat: &mut Seat, width: usize) -> Result<Option<OneShotWatch>, Error> {
        let client = &self.client;
        let parent = &self.entry.parent;
        let Some(ahead) = &seat.ahead else {
            return Ok(None);
        };
        let Some((nearest, rest)) = ahead.nearest.split_last() else {
            return Ok(None);
        };
        let nearest = join(parent, nearest);
        let watch = client.get_watched(&nearest);
        let is_few = ahead.count <= width && ahead.count == ahead.nearest.len();
        let few = if is_few { rest } else { &[] };
        let listing = (width > 1 && !is_few).then(|| client.children_shared(parent));
        let others: Vec<_> = few
            .iter()
            .rev()
            .map(|name| client.exists(&join(parent, name)))
            .collect();
        match watch.await {
            Ok((_, watch)) => return Ok(Some(watch)),
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
            Err(error) if is_transient(&error) => {
                Retry::new(client).pause().await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        seat.pass();
        for other in others {
            match other.await {
                Ok(None) => seat.pass(),
                _ => return Ok(None),
            }
        }
        if let Some(listing) = listing {
            let children = match listing.await {
                Ok(children) => children,
                Err(_) => self.list().await?,
            };
            self.refresh(seat, &children);
        }
        Ok(None)
    }

    /// Waits for the watch, the own znode's end or the handle's drop.
    async fn sleep(&self, seat: &mut Seat, mut watch: OneShotWatch) -> Option<Turn> {
        let mut unwanted = pin!(self.cell.wait(|view| (!view.wanted).then_some(())));
        let event = poll_fn(|cx| {
            if unwanted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Turn::Abandoned));
            }
            if let Poll::Ready(end) = seat.own.poll_end(cx) {
                return Poll::Ready(Err(ended(end)));
            }
            watch.poll_unpin(cx).map(Ok)
        })
        .await;
        match event {
            Err(turn) => return Some(turn),
            // The last one ahead is looked at once more: the grant rests on a read.
            Ok(Ok(event)) => {
                self.cell.shared.count_wakeup();
                if event.kind == EventType::NodeDeleted
                    && seat.ahead.as_ref().is_some_and(|ahead| ahead.count > 1)
                {
                    seat.pass();
                }
            }
            Ok(Err(_)) => {
                if let Some(error) = session_error(self.client.state()) {
                    return Some(Turn::Failed(error.into()));
                }
            }
        }
        None
    }
}

pub(super) fn ended(end: OwnEnd) -> Turn {
    match end {
        OwnEnd::Deleted => Turn::NodeGone,
        OwnEnd::Session(error) => Turn::Failed(error.into()),
    }
}
