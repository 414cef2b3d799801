//! A candidate that stands until it is closed: a task that tells how it fares.

use std::sync::Arc;

use futures::future::{Either, select};

use super::{Election, Leader, LossPolicy};
use crate::contender::Old;
use crate::error::{LockError, LossReason};
use crate::fence::Fence;
use crate::look::client_gone;
use crate::state::{GuardState, Watched};

/// How a candidate fares. Each term has its fence, so that whoever sees only some of the states
/// can tell terms apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CandidateState {
    /// It left the queue because it was closed. Final.
    Closed,
    /// It stands no more: its session is over, or the server refused. Final.
    Ended(LockError),
    /// It leads.
    Leading(Fence),
    /// The session may have expired, and somebody else may lead: stop.
    PossiblyLost(Fence),
    /// The link is down, but nobody else can lead yet.
    Suspended(Fence),
    /// It stands in the queue.
    Waiting,
}

impl CandidateState {
    fn is_final(&self) -> bool {
        matches!(self, Self::Closed | Self::Ended(_))
    }

    fn leads(&self, policy: LossPolicy) -> bool {
        match self {
            Self::Leading(_) => true,
            Self::Suspended(_) => policy.leads(GuardState::Suspended),
            _ => false,
        }
    }
}

/// A participant that stands for leadership, term after term, until it is closed or its session
/// ends. Dropping it closes it in the background.
///
/// A term that ends because its znode was deleted, or because a handle of it
/// [resigned](Leader::resign), is followed by another place at the tail.
#[derive(Debug)]
pub struct Candidate {
    desk: Arc<Watched<Desk>>,
}

/// What the task and the handles tell each other.
#[derive(Debug)]
struct Desk {
    policy: LossPolicy,
    state: CandidateState,
    /// The present term, from its start to its end.
    leader: Option<Leader>,
    /// The term that is to be given up.
    resigning: Option<Fence>,
    closing: bool,
    /// How the last znode's deletion went.
    left: Result<(), LockError>,
}

impl Candidate {
    pub(super) fn new(election: &Election) -> Self {
        let desk = Arc::new(Watched::new(Desk {
            policy: election.policy,
            state: CandidateState::Waiting,
            leader: None,
            resigning: None,
            closing: false,
            left: Ok(()),
        }));
        let standing = Standing {
            election: election.clone(),
            desk: Arc::clone(&desk),
        };
        election.queue.client.spawn(standing.run());
        Self { desk }
    }

    /// How it fares now.
    pub fn state(&self) -> CandidateState {
        self.desk.read(|desk| desk.state.clone())
    }

    /// The changes of [`Candidate::state`] in their order, the present state first; the latest
    /// counts, and those in between may be left out. Outlives the candidate.
    pub fn states(&self) -> CandidateStates {
        CandidateStates {
            desk: Arc::clone(&self.desk),
            seen: None,
        }
    }

    /// The present term, if it leads by the election's [`LossPolicy`](crate::LossPolicy).
    pub fn leader(&self) -> Option<Leader> {
        self.desk
            .read(|desk| desk.leader.clone())
            .filter(Leader::is_leading)
    }

    /// Waits until it leads: at once if it does. The future does not borrow the candidate.
    ///
    /// # Errors
    ///
    /// The one it [ended](CandidateState::Ended) with.
    pub fn await_leadership(
        &self,
    ) -> impl Future<Output = Result<Leader, LockError>> + Send + use<> {
        let desk = Arc::clone(&self.desk);
        async move {
            desk.wait(|desk| match (&desk.state, &desk.leader) {
                (CandidateState::Ended(error), _) => Some(Err(error.clone())),
                (CandidateState::Closed, _) => Some(Err(LockError::Lost(LossReason::Resigned))),
                (state, Some(leader)) if state.leads(desk.policy) => Some(Ok(leader.clone())),
                _ => None,
            })
            .await
        }
    }

    /// Steps down and queues again at the tail, in one transaction; returns when that is done. The
    /// candidate behind it leads. A candidate that does not lead stays where it is.
    ///
    /// Starts at the call; dropping the future does not stop it. While the link is down it waits
    /// for the link or for the session's end, and this candidate does not act as leader.
    ///
    /// # Errors
    ///
    /// Those of [`Leader::resign`].
    pub fn resign(&self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        let mut term = None;
        self.desk.update(|desk| {
            term.clone_from(&desk.leader);
            desk.resigning = term.as_ref().map(|leader| leader.fence());
        });
        async move {
            match term {
                Some(leader) => leader.left().await,
                None => Ok(()),
            }
        }
    }

    /// Leaves, and waits until the znode is known to be gone.
    ///
    /// Starts at the call; dropping the future does not stop it.
    ///
    /// # Errors
    ///
    /// Those of [`Leader::resign`].
    pub fn close(self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        let desk = Arc::clone(&self.desk);
        drop(self);
        async move {
            desk.wait(|desk| desk.state.is_final().then(|| desk.left.clone()))
                .await
        }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.desk.update(|desk| desk.closing = true);
    }
}

/// A candidate's states as they change.
#[derive(Debug)]
pub struct CandidateStates {
    desk: Arc<Watched<Desk>>,
    seen: Option<CandidateState>,
}

impl CandidateStates {
    /// The next state that differs from the last one returned; `None` after a final one.
    pub async fn next(&mut self) -> Option<CandidateState> {
        let seen = self.seen.as_ref();
        if seen.is_some_and(CandidateState::is_final) {
            return None;
        }
        let differs = |desk: &Desk| (Some(&desk.state) != seen).then(|| desk.state.clone());
        self.seen = Some(self.desk.wait(differs).await);
        self.seen.clone()
    }
}

/// The task of a candidate.
struct Standing {
    election: Election,
    desk: Arc<Watched<Desk>>,
}

/// How a term ended.
enum TermEnd {
    Closing,
    Over(LossReason),
    /// Another znode is to take the place of this one.
    Resigning,
}

impl Standing {
    async fn run(self) {
        let mut old = None;
        // The term that was given up last, whose znode may still be there.
        let mut before = None;
        let end = loop {
            let leader = match self.stand(old.take(), before.as_ref()).await {
                Ok(leader) => leader,
                Err(LockError::Lost(LossReason::NodeDeleted)) => continue,
                Err(error) => break CandidateState::Ended(error),
            };
            let Some(leader) = leader else {
                break CandidateState::Closed;
            };
            match self.follow(&leader).await {
                TermEnd::Closing => {
                    let left = leader.resign().await;
                    self.desk.update(|desk| desk.left = left);
                    break CandidateState::Closed;
                }
                TermEnd::Over(LossReason::NodeDeleted) => before = None,
                TermEnd::Over(LossReason::Resigned) => before = Some(leader),
                TermEnd::Over(reason) => break CandidateState::Ended(LockError::Lost(reason)),
                TermEnd::Resigning => {
                    old = Some(leader.hand_on(None));
                    leader.step_down();
                    before = Some(leader);
                }
            }
        };
        self.say(end, None);
    }

    /// Queues until it leads; `None` if it is to leave, and has.
    async fn stand(
        &self,
        old: Option<Old>,
        before: Option<&Leader>,
    ) -> Result<Option<Leader>, LockError> {
        self.say(CandidateState::Waiting, None);
        let ticket = self.election.queue.enter(old);
        let left = ticket.left();
        let closing = self.desk.wait(|desk| desk.closing.then_some(()));
        let elected = self.election.elected(ticket);
        match select(Box::pin(elected), Box::pin(closing)).await {
            Either::Left((elected, _)) => elected.map(Some),
            Either::Right(((), elected)) => {
                drop(elected);
                let mut left = left.await;
                if let Some(term) = before {
                    left = left.and(term.left().await);
                }
                self.desk.update(|desk| desk.left = left);
                Ok(None)
            }
        }
    }

    /// Tells how the term fares, to its end.
    async fn follow(&self, leader: &Leader) -> TermEnd {
        let fence = leader.fence();
        let mut states = leader.states();
        self.say(CandidateState::Leading(fence), Some(leader));
        loop {
            let asked = self.desk.wait(|desk| match desk.closing {
                true => Some(TermEnd::Closing),
                false => (desk.resigning == Some(fence)).then_some(TermEnd::Resigning),
            });
            let state = match select(Box::pin(asked), Box::pin(states.next())).await {
                Either::Left((end, _)) => return end,
                Either::Right((state, _)) => state,
            };
            let state = match state {
                Some(GuardState::Held) => CandidateState::Leading(fence),
                Some(GuardState::Suspended) => CandidateState::Suspended(fence),
                Some(GuardState::PossiblyLost) => CandidateState::PossiblyLost(fence),
                Some(GuardState::Lost(reason)) => return TermEnd::Over(reason),
                None => return TermEnd::Over(LossReason::Resigned),
            };
            self.say(state, Some(leader));
        }
    }

    fn say(&self, state: CandidateState, leader: Option<&Leader>) {
        self.desk.update(|desk| {
            desk.state = state;
            desk.leader = leader.cloned();
        });
    }
}

impl Drop for Standing {
    /// Runs at the task's end, and also when the client ends and drops the task wherever it is.
    fn drop(&mut self) {
        if !self.desk.read(|desk| desk.state.is_final()) {
            let error = client_gone(&self.election.queue.client);
            self.say(CandidateState::Ended(error.into()), None);
        }
    }
}
