//! Into the queue: one create, whatever becomes of its reply.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use lockkeeper::path::{join, name};
use lockkeeper::{
    ByteStr, CreateMode, CreateOptions, Error, ErrorCode, Op, OpResult, Outcome, Stat, Violation,
};

use super::turn::PROBES_MAX;
use super::{Contender, Old};
use crate::error::{LockError, LossReason};
use crate::fence::Fence;
use crate::layout::Guid;
use crate::leave;
use crate::own::{OwnWatch, stat_of_own};
use crate::parents::{self, make_parents};
use crate::plan::{self, Listing};
use crate::retry::{Retry, is_transient};
use crate::state::Cell;

/// The path and, if the server tells, the metadata of a znode that is being created.
type Created = BoxFuture<'static, Result<(String, Option<Stat>), Error>>;

/// A znode in the queue.
pub(super) struct Seat {
    pub(super) path: Arc<str>,
    pub(super) fence: Fence,
    /// Who was ahead when last known; `None` when the own znode was not listed.
    pub(super) ahead: Option<Ahead>,
    /// Why the contender gives up before it waits, if it does; its znode exists all the same.
    pub(super) refused: Option<LockError>,
    pub(super) own: OwnWatch,
}

/// Who is in a contender's way.
pub(super) struct Ahead {
    pub(super) count: usize,
    /// As many of them as are looked at before there is another listing, nearest last.
    pub(super) nearest: Vec<String>,
    /// Whether one of all is of a kind that the contender yields to.
    pub(super) is_yielded_to: bool,
}

impl Seat {
    /// The nearest one ahead is gone.
    pub(super) fn pass(&mut self) {
        if let Some(ahead) = &mut self.ahead
            && ahead.nearest.pop().is_some()
        {
            ahead.count -= 1;
        }
    }
}

impl Contender {
    /// Creates the znode; `None` if it is not wanted any more and does not exist.
    ///
    /// The listing is sent right behind the create, on the same link, so that it shows the new
    /// znode: a free lock costs one round trip. The same guid serves until the outcome of every
    /// create sent under it is known.
    pub(super) async fn take_seat(&self, mut old: Option<Old>) -> Result<Option<Seat>, LockError> {
        let client = &self.client;
        let guid = Guid::of(client);
        let prefix = self.entry.layout.prefix(guid);
        let mut retry = Retry::new(client);
        let mut parents_made = false;
        let mut parent_vanishes = false;
        while self.cell.read(|view| view.wanted) {
            if parent_vanishes {
                // What became of it is seen by the child's reply.
                let mode = parents::mode(self.entry.layout);
                drop(client.create(&self.entry.parent, "", mode));
            }
            let create = self.create(&prefix, old.as_ref());
            let listing = client.children_shared(&self.entry.parent);
            let error = match create.await {
                Ok((path, stat)) => {
                    if let Some(old) = old {
                        old.moving.done();
                    }
                    let listed = match listing.await {
                        Ok(children) => Ok(children),
                        Err(_) => self.list().await,
                    };
                    let Some(stat) = self.stat(&path, stat).await? else {
                        return Err(LockError::NodeGone);
                    };
                    let fence = Fence(stat.czxid.0);
                    #[cfg(feature = "__seeded-bugs")]
                    let fence = match lockkeeper_bugs::is(lockkeeper_bugs::Bug::FencesAlike) {
                        true => Fence(1),
                        false => fence,
                    };
                    return Ok(Some(self.seat(name(&path), fence, listed.as_deref())));
                }
                Err(error) => error,
            };
            if let Error::Multi {
                index: 0,
                code: ErrorCode::NO_NODE,
            } = error
            {
                match old.take() {
                    Some(old) if old.number.is_none() => continue,
                    _ => return Err(LockError::Lost(LossReason::NodeDeleted)),
                }
            }
            if error.code() == Some(ErrorCode::NO_NODE) {
                // The server may remove an idle container between this and the next create. Where
                // that has happened, the parent goes out once more, in one piece with its child.
                parent_vanishes = parents_made;
                let mode = parents::mode(self.entry.layout);
                let is_wanted = || self.cell.read(|view| view.wanted);
                make_parents(client, &self.entry.parent, mode, is_wanted).await?;
                parents_made = true;
                continue;
            }
            if error.is_final() {
                return Err(error.into());
            }
            if error.outcome() == Outcome::Unknown {
                if let Some(seat) = self.find(&prefix).await? {
                    if let Some(old) = old {
                        old.moving.done();
                    }
                    return Ok(Some(seat));
                }
            } else if !is_transient(&error) {
                return Err(error.into());
            }
            retry.pause().await?;
        }
        Ok(None)
    }

    /// Sends the create, in one transaction with what has to go or to be there; that part comes
    /// first, so that its failure is told apart by its index.
    fn create(&self, prefix: &str, old: Option<&Old>) -> Created {
        let (client, entry) = (&self.client, &self.entry);
        let (number, mode) = match old.and_then(|old| old.number.as_deref()) {
            Some(number) => (number, CreateMode::Ephemeral),
            None => ("", CreateMode::EphemeralSequential),
        };
        let name = format!("{prefix}{}{number}", entry.rule.marker);
        let path = join(&entry.parent, &name);
        let mut options = CreateOptions::from(mode);
        options.acl.clone_from(&entry.acl);
        let with = match (old, &entry.beside) {
            (Some(old), _) => Op::delete(&old.path, None),
            (None, Some(beside)) => Op::check(beside, None),
            (None, None) => {
                let create = client.create(&path, entry.data.clone(), options);
                return async move { create.await.map(|it| (it.path, Some(it.stat))) }.boxed();
            }
        };
        let multi = client.multi(vec![with, Op::create(&path, entry.data.clone(), options)]);
        async move {
            match multi.await?.pop() {
                Some(OpResult::Created { path, stat }) => Ok((path, stat)),
                _ => Err(Error::Protocol {
                    what: Violation::Kind,
                    outcome: Outcome::Unknown,
                }),
            }
        }
        .boxed()
    }

    /// The metadata of the new znode, which old servers leave out of a multi's reply.
    async fn stat(&self, path: &str, known: Option<Stat>) -> Result<Option<Stat>, Error> {
        match known {
            Some(stat) => Ok(Some(stat)),
            None => stat_of_own(&self.client, path).await,
        }
    }

    /// Finds out what became of a create whose reply was lost; errors only end the session.
    ///
    /// `sync` before the listing makes the answer final: the leader refuses what the old link still
    /// carries once the session has come over a new one, and everything it took before is visible
    /// behind the `sync`. Without it, a server that lags may show nothing, and the second znode
    /// would wait for the first one for ever. A server that refuses the listing is asked again, ever
    /// more rarely: giving up would leave a znode that nobody deletes.
    async fn find(&self, prefix: &str) -> Result<Option<Seat>, Error> {
        let client = &self.client;
        let parent = &self.entry.parent;
        let mut retry = Retry::new(client).slow();
        let children = loop {
            retry.pause().await?;
            let sync = client.sync(parent);
            let listing = client.children_shared(parent);
            match (sync.await, listing.await) {
                (Ok(()), Ok(children)) => break children,
                (Ok(()), Err(error)) if error.code() == Some(ErrorCode::NO_NODE) => {
                    return Ok(None);
                }
                _ => {}
            }
        };
        let mut found = None;
        for own in Listing::new(&children, &self.entry.rule).own_names(prefix) {
            let path = join(parent, own);
            if found.is_none()
                && let Some(stat) = stat_of_own(client, &path).await?
            {
                found = Some(self.seat(own, Fence(stat.czxid.0), Ok(&children)));
            } else {
                // A second one, or the corpse of another session.
                let (client, cell) = (client.clone(), Cell::new(Arc::default()));
                self.client
                    .spawn(async move { leave::delete(&client, &path, &cell, None).await });
            }
        }
        Ok(found)
    }

    /// The children of the parent; none if there is no parent.
    pub(super) async fn list(&self) -> Result<Vec<ByteStr>, Error> {
        let mut retry = Retry::new(&self.client);
        loop {
            match self.client.children_shared(&self.entry.parent).await {
                Err(error) if error.code() == Some(ErrorCode::NO_NODE) => return Ok(Vec::new()),
                Err(error) if is_transient(&error) => retry.pause().await?,
                known => return known,
            }
        }
    }

    fn seat(&self, own: &str, fence: Fence, listed: Result<&[ByteStr], &Error>) -> Seat {
        let entry = &self.entry;
        let seq = plan::sequence(own, &[entry.rule.marker]);
        if seq.is_some_and(plan::runs_out) {
            self.report_number();
        }
        let (ahead, refused) = match listed {
            Err(error) => (None, Some(error.clone().into())),
            Ok(children) => {
                let listing = Listing::new(children, &entry.rule);
                self.report_foreign(listing.foreign);
                let used_up = seq.is_some_and(plan::may_repeat);
                let used_up = used_up.then_some(LockError::NumbersUsedUp);
                let blind = |name: &&ByteStr| entry.refuses_blind && entry.rule.is_blind_to(name);
                let blind = children.iter().find(blind).map(|name| {
                    let name = name.to_string();
                    LockError::LayoutConflict { name }
                });
                (self.ahead(listing, own), used_up.or(blind))
            }
        };
        let path: Arc<str> = join(&entry.parent, own).into();
        let own = OwnWatch::new(&self.client, &path, &self.cell, 0);
        Seat {
            path,
            fence,
            ahead,
            refused,
            own,
        }
    }

    /// The own number is the parent's count of creations, so the alarm costs no request.
    fn report_number(&self) {
        if self.entry.shared.reports_numbers_run_out() {
            tracing::warn!(
                path = &*self.entry.parent,
                "over 2^30 children were created under a lock: drain and delete its path before \
                 the server's numbers run out at 2^31"
            );
        }
    }

    /// Looks at a newer listing.
    pub(super) fn refresh(&self, seat: &mut Seat, children: &[impl AsRef<str>]) {
        let listing = Listing::new(children, &self.entry.rule);
        seat.ahead = self.ahead(listing, name(&seat.path));
    }

    /// Who is in the way of `own`, but for what stands beside it: where room is waited for
    /// everybody, else those ahead.
    fn ahead(&self, listing: Listing<'_>, own: &str) -> Option<Ahead> {
        let entry = &self.entry;
        let (mut ahead, probes) = match entry.room {
            Some(_) => (listing.others(own)?, 0),
            None => (listing.ahead(own)?, PROBES_MAX),
        };
        if let Some(beside) = &entry.beside {
            ahead.retain(|other| other.text != name(beside));
        }
        let is_yielded_to = |other: &plan::Name<'_>| entry.yields_to.contains(&other.kind);
        let (count, is_yielded_to) = (ahead.len(), ahead.iter().any(is_yielded_to));
        let nearest = plan::newest(ahead, probes).into_iter();
        Some(Ahead {
            count,
            nearest: nearest.map(str::to_owned).collect(),
            is_yielded_to,
        })
    }

    fn report_foreign(&self, count: usize) {
        if count > 0 && self.entry.shared.reports_foreign() {
            tracing::warn!(
                count,
                "children of a lock that are no contenders are ignored"
            );
        }
    }
}
