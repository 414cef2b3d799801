//! A grant that was written down: what the front of the queue is worth once a quorum has said so.

use std::pin::pin;

use futures::future::{Either, select};
use lockkeeper::{Error, ErrorCode, Stat};

use super::Contender;
use super::seat::Seat;
use super::turn::Turn;
use crate::fence::Fence;
use crate::hold::look_again;
use crate::own::{OwnWatch, note_revocation};
use crate::retry::{Retry, is_transient};

impl Contender {
    /// Writes the own znode and takes that write's zxid as the fence.
    ///
    /// The write goes through only if the znode is there, and comes after whatever let this
    /// contender to the front, so that fences follow grants even where these do not follow
    /// creation. The grant waits for a deadline that still runs, too.
    pub(super) async fn claim(&self, seat: &mut Seat) -> Turn {
        // The own write is to wake nobody here.
        seat.own = OwnWatch::new(&self.client, &seat.path, &self.cell, 0);
        let unwanted = self.cell.wait(|view| (!view.wanted).then_some(()));
        let claimed = async {
            match self.write_own(&seat.path).await? {
                None => Ok(None),
                Some(stat) => {
                    let bound = self.entry.bound;
                    let is_there = !bound.left(&self.client).is_zero()
                        || look_again(&self.client, &seat.path, bound).await?;
                    Ok(is_there.then_some(stat))
                }
            }
        };
        let claimed: Result<Option<Stat>, Error> = match select(pin!(unwanted), pin!(claimed)).await
        {
            Either::Left(_) => return Turn::Abandoned,
            Either::Right((claimed, _)) => claimed,
        };
        match claimed {
            Ok(Some(stat)) => {
                seat.fence = Fence(stat.mzxid.0);
                seat.own = OwnWatch::new(&self.client, &seat.path, &self.cell, stat.version);
                Turn::Come
            }
            Ok(None) => Turn::NodeGone,
            Err(error) => Turn::Failed(error.into()),
        }
    }

    /// The znode behind the write; `None` if it is gone. Overwrites no request to give the lock up
    /// before it was read: each version is looked at that was not written here.
    async fn write_own(&self, path: &str) -> Result<Option<Stat>, Error> {
        let client = &self.client;
        let mut retry = Retry::new(client);
        let mut version = 0;
        loop {
            let data = self.entry.data.clone();
            let mut result = client.set(path, data, Some(version)).await.map(Some);
            if let Err(error) = &result
                && error.code() == Some(ErrorCode::BAD_VERSION)
            {
                match note_revocation(client, path, &self.cell).await {
                    Ok(seen) => {
                        version = seen;
                        continue;
                    }
                    Err(error) => result = Err(error),
                }
            }
            match result {
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => return Ok(None),
                Err(error) if is_transient(&error) => retry.pause().await?,
                known => return known,
            }
        }
    }
}
