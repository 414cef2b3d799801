//! One of so many: how those wait who do not have to be first.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use lockkeeper::Error;

use super::Contender;
use super::seat::Seat;
use super::turn::{Turn, ended};
use crate::error::{LockError, RecipeError};
use crate::look::Sight;
use crate::own::OwnEnd;
use crate::value::{Counts, SharedCount, Versioned};

/// For how many there is room.
#[derive(Clone, Debug)]
pub(crate) enum Room {
    Fixed(usize),
    /// As a shared count says, which may change at any time.
    Shared(SharedCount),
}

/// What a contender that waits for room can hear of.
enum News {
    Unwanted,
    End(OwnEnd),
    /// Who is there, as it is listed now.
    Listed(Result<Option<Vec<String>>, Error>),
    Counted(Result<usize, LockError>),
}

impl Contender {
    /// Waits until there are no more znodes than there is room for.
    ///
    /// Any of the others may go, so all of them are watched, by a listing for each change. They
    /// are counted whatever their numbers, since one that came later may hold all the same; so a
    /// recipe lets one owner at a time come here. Room that becomes less ends nobody's hold.
    pub(super) async fn wait_room(&self, seat: &mut Seat, room: &Room) -> Turn {
        if let Some(error) = seat.refused.take() {
            return Turn::Failed(error);
        }
        let (mut room, mut counts) = match room {
            Room::Fixed(room) => (Some(*room), None),
            Room::Shared(count) => (None, Some(count.changes_synced())),
        };
        let mut listings = Sight::of_children(&self.client, &self.entry.parent);
        let mut is_fresh = true;
        loop {
            match &seat.ahead {
                None => return Turn::NodeGone,
                // Create and listing have just shown the own znode.
                Some(others) if room.is_some_and(|room| others.count < room) && is_fresh => {
                    return Turn::Come;
                }
                Some(others) if room.is_some_and(|room| others.count < room) => {
                    return self.verdict(seat).await;
                }
                Some(_) if room.is_some() && !self.entry.yields_to.is_empty() => {
                    return Turn::Failed(LockError::Busy);
                }
                Some(_) => {}
            }
            match self
                .news(seat, &mut listings, counts.as_mut(), room.is_some())
                .await
            {
                News::Unwanted => return Turn::Abandoned,
                News::End(end) => return ended(end),
                News::Listed(Ok(children)) => {
                    if !is_fresh {
                        self.cell.shared.count_wakeup();
                    }
                    is_fresh = false;
                    match children {
                        Some(children) => self.refresh(seat, &children),
                        None => return Turn::NodeGone,
                    }
                }
                News::Listed(Err(error)) => return Turn::Failed(error.into()),
                News::Counted(Ok(count)) => room = Some(count),
                News::Counted(Err(error)) => return Turn::Failed(error),
            }
        }
    }

    /// The first of what happens; the lists are not asked for before there is a count.
    async fn news(
        &self,
        seat: &mut Seat,
        listings: &mut Sight<Vec<String>>,
        counts: Option<&mut Counts>,
        is_counted: bool,
    ) -> News {
        let mut unwanted = pin!(self.cell.wait(|view| (!view.wanted).then_some(())));
        let mut listed = pin!(listings.next());
        let mut counted = pin!(async {
            match counts {
                Some(counts) => {
                    let count = counts.next().await;
                    room_of(counts.path(), count)
                }
                None => std::future::pending().await,
            }
        });
        poll_fn(|cx| {
            if unwanted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(News::Unwanted);
            }
            // Sends the watch on the own znode ahead of everything else.
            if let Poll::Ready(end) = seat.own.poll_end(cx) {
                return Poll::Ready(News::End(end));
            }
            if let Poll::Ready(count) = counted.as_mut().poll(cx) {
                return Poll::Ready(News::Counted(count));
            }
            match is_counted {
                true => listed.as_mut().poll(cx).map(News::Listed),
                false => Poll::Pending,
            }
        })
        .await
    }
}

/// What a shared count at `path` leaves room for; fewer than none are none.
pub(crate) fn room_of(
    path: &str,
    count: Result<Option<Versioned<i32>>, RecipeError>,
) -> Result<usize, LockError> {
    let (path, what) = match count {
        Ok(Some(count)) => return Ok(usize::try_from(count.value).unwrap_or(0)),
        Ok(None) => (
            path.to_owned(),
            "is missing: set the shared count first".into(),
        ),
        Err(RecipeError::Client(error)) => return Err(error.into()),
        Err(RecipeError::Conflict { path, what }) => (path, what),
        Err(other) => (path.to_owned(), other.to_string()),
    };
    Err(LockError::Limit { path, what })
}
