//! A place to queue: the ways to ask for it, the same for every recipe whose znodes stand in line.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use lockkeeper::path::{check, join};
use lockkeeper::{
    ByteStr, Client, Error, ErrorCode, Misuse, OpCode, OpError, ReadOp, ReadResult, Znode,
};

use crate::bound::Bound;
use crate::contender::{Entry, Old, Ticket, enter};
use crate::error::LockError;
use crate::guard::Guard;
use crate::identity::Identity;
use crate::layout::Layout;
use crate::look::before;
use crate::plan::{Listing, Rule, oldest_first};

/// Znodes read in one request.
const READS_MAX: usize = 128;

/// One path's queue, seen by one kind of contender.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) client: Client,
    pub(crate) entry: Entry,
}

impl Queue {
    /// With the defaults of every setting. The path is not looked at: see [`Queue::checked`].
    pub(crate) fn new(client: &Client, path: &str, layout: Layout, rule: Rule) -> Self {
        Self {
            client: client.clone(),
            entry: Entry {
                parent: path.into(),
                layout,
                rule,
                data: Bytes::new(),
                acl: None,
                yields_to: &[],
                beside: None,
                requeues: false,
                refuses_blind: false,
                room: None,
                claims: false,
                bound: Bound::Lease,
                shared: Default::default(),
            },
        }
    }

    /// Fails if the path is no znode path.
    pub(crate) fn checked(self) -> Result<Self, LockError> {
        match check(&self.entry.parent) {
            Ok(()) => Ok(self),
            Err(source) => {
                let path = self.entry.parent.to_string();
                Err(Error::from(Misuse::Path { path, source }).into())
            }
        }
    }

    /// Lets contenders say whose they are.
    pub(crate) fn identified(mut self, identity: Identity) -> Self {
        let session = self.client.session_id().to_string();
        self.entry.data = Identity {
            session,
            ..identity
        }
        .to_json();
        self
    }

    /// Waits until nobody is ahead.
    pub(crate) async fn take(&self) -> Result<Guard, LockError> {
        self.granted(self.enter(None)).await
    }

    /// Starts to contend, if need be in the place of an older znode.
    pub(crate) fn enter(&self, old: Option<Old>) -> Ticket {
        enter(&self.client, self.entry.clone(), old)
    }

    pub(crate) async fn granted(&self, ticket: Ticket) -> Result<Guard, LockError> {
        Guard::granted(self.client.clone(), ticket).await
    }

    /// Takes the front if nobody is in the way; looks before it writes.
    pub(crate) async fn try_take(&self) -> Result<Guard, LockError> {
        self.granted(self.try_enter().await?).await
    }

    /// As [`Queue::enter`] if nobody is in the way, and gives up where somebody has come first.
    pub(crate) async fn try_enter(&self) -> Result<Ticket, LockError> {
        if self.count().await? > 0 {
            return Err(LockError::Busy);
        }
        let mut impatient = self.clone();
        impatient.entry.yields_to = impatient.entry.rule.blockers;
        Ok(impatient.enter(None))
    }

    /// How many a new contender would find ahead of it.
    pub(crate) async fn count(&self) -> Result<usize, Error> {
        let children = self.children().await?;
        Ok(Listing::new(&children, &self.entry.rule).queue().len())
    }

    /// Their names, oldest first.
    pub(crate) async fn ahead(&self) -> Result<Vec<String>, Error> {
        let children = self.children().await?;
        let ahead = oldest_first(Listing::new(&children, &self.entry.rule).queue());
        Ok(ahead.into_iter().map(str::to_owned).collect())
    }

    /// The children of the parent; none if there is no parent.
    async fn children(&self) -> Result<Vec<ByteStr>, Error> {
        match self.client.children_shared(&self.entry.parent).await {
            Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Ok(Vec::new()),
            known => known,
        }
    }

    /// Those ahead of a new contender, oldest first, with path, data and metadata; whoever leaves
    /// meanwhile is left out.
    pub(crate) async fn contenders(&self) -> Result<Vec<(String, Znode)>, Error> {
        let names = self.ahead().await?;
        let mut found = Vec::with_capacity(names.len());
        for names in names.chunks(READS_MAX) {
            let paths = names.iter().map(|name| join(&self.entry.parent, name));
            let paths: Vec<String> = paths.collect();
            let reads = paths.iter().map(|path| ReadOp::get(path)).collect();
            let znodes: Vec<Result<Znode, Error>> = match self.client.multi_read(reads).await {
                Ok(results) => paths.iter().zip(results).map(part).collect(),
                // Before 3.6, or too much for one reply.
                Err(Error::Op(_)) => join_all(paths.iter().map(|path| self.client.get(path))).await,
                Err(error) => return Err(error),
            };
            for (path, znode) in paths.into_iter().zip(znodes) {
                match znode {
                    Ok(znode) => found.push((path, znode)),
                    Err(error) if error.code() == Some(ErrorCode::NO_NODE) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }
}

/// What a get inside a multi-read gave, as a get of its own would have.
fn part((path, result): (&String, ReadResult)) -> Result<Znode, Error> {
    let code = match result {
        ReadResult::Znode(znode) => return Ok(znode),
        ReadResult::Failed(code) => code,
        ReadResult::Children(_) => ErrorCode::MARSHALLING_ERROR,
    };
    let (op, path) = (OpCode::GetData, path.clone());
    Err(OpError { code, op, path }.into())
}

/// The attempt, cut short after `timeout`; not at all if that is beyond what the clock can say.
pub(crate) async fn within<T>(
    client: &Client,
    timeout: Duration,
    attempt: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    match client.now().checked_add(timeout) {
        Some(deadline) => until(client, deadline, attempt).await,
        None => attempt.await,
    }
}

/// The attempt, dropped at the deadline if it has not ended.
pub(crate) async fn until<T>(
    client: &Client,
    deadline: Instant,
    attempt: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    let ended = before(client, deadline, attempt).await;
    ended.unwrap_or(Err(LockError::TimedOut))
}
