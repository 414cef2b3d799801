//! One leader among candidates that stand in line.
//!
//! An election is a lock whose holder is called leader, and who is wanted by name. What it adds to
//! the machinery: a term that may have several handles, a candidate that stands again when a term
//! ends, and a record of the leader that any number of observers can follow without being woken by
//! candidates that come and go.

mod candidate;
mod leader;
mod record;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use lockkeeper::{Acl, Client, SessionId};

pub use self::candidate::{Candidate, CandidateState, CandidateStates};
pub use self::leader::{Leader, LossPolicy};
pub use self::record::{KnownLeader, Observer};
use crate::contender::Ticket;
use crate::error::{LockError, LossReason};
use crate::fence::Fence;
use crate::identity::Identity;
use crate::layout::ElectionLayout;
use crate::queue::{Queue, until, within};

/// An election on a path, for any number of processes and tasks.
///
/// Every call that asks for leadership is a candidate of its own. Candidates lead in the order in
/// which their znodes were created, and the end of a term wakes one of them.
///
/// ```no_run
/// # async fn work(fence: lockkeeper_recipes::Fence) {}
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use lockkeeper::Client;
/// use lockkeeper_recipes::Election;
///
/// let client = Client::connect("127.0.0.1:2181").await?;
/// let election = Election::builder(&client, "/jobs/scheduler").id("host-7").build()?;
/// election.run(|leader| async move { work(leader.fence()).await }).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping any future of this type, at any await, leaves no znode behind: a task of the client
/// deletes it, after the link came back if need be.
///
/// # Not guaranteed
///
/// * That a leader stops acting when its term is over: see [`Guard`](crate::Guard). Its fence lets
///   a resource refuse what comes late.
/// * That there is a leader: between two terms there is none.
/// * A second life: a session that expires ends waiting and leading alike, with an error. Nobody
///   stands again under another session without being asked to.
#[derive(Clone, Debug)]
pub struct Election {
    queue: Queue,
    policy: LossPolicy,
    id: Arc<str>,
    publishes: bool,
}

/// The settings of an [`Election`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ElectionBuilder {
    election: Election,
}

/// A candidate as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// What it calls itself; text of another library's making if one of its candidates.
    pub id: String,
    /// How many are ahead of it; 0 for the leader.
    pub position: usize,
    /// Its fence, if it leads.
    pub fence: Fence,
    /// Its session.
    pub session: SessionId,
    /// When it joined, in ms since 1970 on the leader's clock.
    pub queued_ms: i64,
    /// Path of its znode.
    pub path: String,
}

impl Election {
    /// An election on `path` with [`ElectionLayout::Latch`] and the defaults of
    /// [`ElectionBuilder`]. Sends nothing; missing ancestors are created when they are needed.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if `path` is no znode path.
    pub fn new(client: &Client, path: &str) -> Result<Self, LockError> {
        Self::builder(client, path).build()
    }

    /// An election on `path` with other settings.
    pub fn builder(client: &Client, path: &str) -> ElectionBuilder {
        let layout = ElectionLayout::default();
        let mut queue = Queue::new(client, path, layout.names(), layout.rule());
        queue.entry.requeues = true;
        let Identity { host, pid, .. } = Identity::of_process();
        ElectionBuilder {
            election: Self {
                queue,
                policy: LossPolicy::default(),
                id: format!("{host}:{pid}").into(),
                publishes: false,
            },
        }
    }

    /// Waits for leadership, for as long as it takes. The queue is joined at the first poll.
    ///
    /// A candidate whose znode is deleted by somebody else while it waits joins again at the tail.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] when the session ends or the server refuses,
    /// [`LockError::LayoutConflict`], [`LockError::NumbersUsedUp`].
    pub async fn lead(&self) -> Result<Leader, LockError> {
        loop {
            match self.elected(self.queue.enter(None)).await {
                Err(LockError::Lost(LossReason::NodeDeleted)) => {}
                known => return known,
            }
        }
    }

    /// As [`Election::lead`], for at most `timeout` from the first poll, whatever happens meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Election::lead`], and [`LockError::TimedOut`].
    pub async fn lead_timeout(&self, timeout: Duration) -> Result<Leader, LockError> {
        within(&self.queue.client, timeout, self.lead()).await
    }

    /// As [`Election::lead`], until an instant of the client's clock.
    ///
    /// # Errors
    ///
    /// Those of [`Election::lead`], and [`LockError::TimedOut`].
    pub async fn lead_until(&self, deadline: Instant) -> Result<Leader, LockError> {
        until(&self.queue.client, deadline, self.lead()).await
    }

    /// Leads if nobody else stands; looks before it writes.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`], and those of [`Election::lead`].
    pub async fn try_lead(&self) -> Result<Leader, LockError> {
        self.elected(self.queue.try_enter().await?).await
    }

    /// Joins with a candidate that goes on standing, term after term, until it is closed.
    ///
    /// The requests leave in the background, in whatever state the link is.
    pub fn join(&self) -> Candidate {
        Candidate::new(self)
    }

    /// Runs `body` as leader, resigns, and returns what it returned.
    ///
    /// When leadership is lost by the [policy](ElectionBuilder::policy), `body` is dropped where it
    /// stands; with that done its candidate leaves, and joins again at the tail, to run `body` anew
    /// in its next term. What `body` had spawned goes on: let it watch [`Leader::lost`].
    ///
    /// # Errors
    ///
    /// Those of [`Election::lead`]: above all the end of the session, behind which nobody can
    /// stand again with this client. [`LockError::Lost`] if `body` ended in a term that was over:
    /// others may have led while it worked.
    pub async fn run<T, F>(&self, mut body: impl FnMut(Leader) -> F) -> Result<T, LockError>
    where
        F: Future<Output = T>,
    {
        loop {
            let leader = self.lead().await?;
            let lost = pin!(leader.lost());
            match select(pin!(body(leader.clone())), lost).await {
                Either::Left((value, _)) => return leader.resign().await.map(|()| value),
                Either::Right(_) => {}
            }
            // Other handles do not keep a term that is not relied on.
            drop(leader.resign());
        }
    }

    /// Everybody who stands, the leader first.
    ///
    /// A listing and, of one later moment each, up to 128 candidates per request; those who have
    /// left in between are left out.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`].
    pub async fn candidates(&self) -> Result<Vec<Participant>, LockError> {
        let contenders = self.queue.contenders().await?;
        let participants = contenders.into_iter().enumerate();
        Ok(participants
            .map(|(position, (path, znode))| Participant {
                id: String::from_utf8_lossy(znode.bytes()).into_owned(),
                position,
                fence: Fence(znode.stat.czxid.0),
                session: znode.stat.ephemeral_owner,
                queued_ms: znode.stat.ctime,
                path,
            })
            .collect())
    }

    /// Follows the leaders' records without standing. Sends nothing before the first look.
    ///
    /// There are records only if the candidates [publish](ElectionBuilder::publish) them.
    pub fn observe(&self) -> Observer {
        Observer::new(&self.queue)
    }

    /// Watch events that candidates of this `Election` and its clones have received so far; those
    /// of observers do not count.
    pub fn wakeups(&self) -> u64 {
        self.queue.entry.shared.wakeups()
    }

    /// The term of a candidate that has joined, made known before it is acted upon.
    async fn elected(&self, ticket: Ticket) -> Result<Leader, LockError> {
        let leader = Leader::new(self.queue.granted(ticket).await?, self.policy);
        if self.publishes {
            record::publish(&self.queue, &leader, &self.id).await?;
        }
        Ok(leader)
    }
}

impl ElectionBuilder {
    /// The names to use; every candidate on the path must use the same. Default:
    /// [`ElectionLayout::Latch`].
    pub fn layout(mut self, layout: ElectionLayout) -> Self {
        let entry = &mut self.election.queue.entry;
        (entry.layout, entry.rule) = (layout.names(), layout.rule());
        self
    }

    /// What this participant calls itself, in its znode's data. Default: `host:pid`.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.election.id = id.into().into();
        self
    }

    /// What ends leadership when the link breaks. Default: [`LossPolicy::Deadline`].
    pub fn policy(mut self, policy: LossPolicy) -> Self {
        self.election.policy = policy;
        self
    }

    /// Whether each leader writes its id, fence and znode to the znode `<path>-leader` before it
    /// acts, for [`Election::observe`]. Default: no, because other libraries do not.
    ///
    /// The record stands beside the election's path and not below it, where Curator's `LeaderLatch`
    /// would take it for a candidate. It is persistent, costs a write per term, and is written in a
    /// transaction that fails unless the writer still leads.
    pub fn publish(mut self, publish: bool) -> Self {
        self.election.publishes = publish;
        self
    }

    /// The ACL of the candidates' znodes and of the leader's record. Default: the client's.
    ///
    /// It must let candidates and observers read, and, for the record, candidates write.
    pub fn acl(mut self, acl: Vec<Acl>) -> Self {
        self.election.queue.entry.acl = Some(acl);
        self
    }

    /// As [`MutexBuilder::refuse_blind_names`](crate::MutexBuilder::refuse_blind_names). Default:
    /// no.
    pub fn refuse_blind_names(mut self, refuse: bool) -> Self {
        self.election.queue.entry.refuses_blind = refuse;
        self
    }

    /// The election.
    ///
    /// # Errors
    ///
    /// [`LockError::Client`] with a misuse if the path is no znode path.
    pub fn build(self) -> Result<Election, LockError> {
        let mut election = self.election;
        election.queue = election.queue.checked()?;
        election.queue.entry.data = election.id.to_string().into();
        Ok(election)
    }
}
