//! An election, its candidates and its observers.

use std::sync::Mutex;

use futures::future::ready;
use futures::{FutureExt, StreamExt, TryFutureExt, stream};
use lockkeeper::Client;
use lockkeeper_recipes::{
    CandidateState, Election as RecipeElection, ElectionLayout, Leader, LockError, LossPolicy,
};
use pyo3::prelude::*;

use crate::convert::{AclTuples, acl, limit};
use crate::failure::{Context, Failure};
use crate::pending::Pending;
use crate::process::{Tied, locked};
use crate::recipes::changes::Changes;
use crate::recipes::hold::{Hold, Right};
use crate::recipes::{Recipe, within};
use crate::session::Session;
use crate::value::{nothing, value};

/// How a candidate fares: a word, its fence while it leads, why it ended.
type Fares = (&'static str, Option<i64>, Option<String>);

/// An election on a path.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Election {
    recipe: Recipe<(Client, RecipeElection)>,
    policy: LossPolicy,
}

#[pymethods]
impl Election {
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        session: &Session,
        path: &str,
        id: Option<String>,
        layout: &str,
        policy: &str,
        publish: bool,
        entries: Option<AclTuples>,
        refuse_blind_names: bool,
    ) -> Result<Self, Failure> {
        let client = session.client()?.clone();
        let policy = match policy {
            "deadline" => LossPolicy::Deadline,
            "strict" => LossPolicy::Strict,
            _ => {
                let text = format!("policy must be \"deadline\" or \"strict\", not {policy:?}");
                return Err(Failure::Argument(text));
            }
        };
        let mut builder = RecipeElection::builder(&client, path)
            .layout(election_layout(layout)?)
            .policy(policy)
            .publish(publish)
            .refuse_blind_names(refuse_blind_names);
        if let Some(id) = id {
            builder = builder.id(id);
        }
        if let Some(entries) = entries {
            builder = builder.acl(acl(entries));
        }
        let election = builder.build()?;
        let recipe = Recipe::new((client, election), path);
        Ok(Self { recipe, policy })
    }

    /// The pending value is a `Hold`.
    fn lead(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let (limit, policy) = (limit(timeout)?, self.policy);
        self.recipe.call("lead", |(_, election)| async move {
            let leader = election.lead_timeout(limit).await?;
            Ok::<_, LockError>(term(leader, policy))
        })
    }

    /// The pending value is a `Hold`, or `None` if somebody else stands.
    fn try_lead(&self) -> Result<Pending, Failure> {
        let policy = self.policy;
        self.recipe.call("try_lead", |(_, election)| async move {
            match election.try_lead().await {
                Err(LockError::Busy) => Ok(None),
                taken => taken.map(|leader| Some(term(leader, policy))),
            }
        })
    }

    /// Starts to stand.
    fn join(&self) -> Result<Candidate, Failure> {
        let (client, election) = self.recipe.handle()?;
        Ok(Candidate {
            standing: Tied::new(Mutex::new(Some(election.join()))),
            client: Tied::new(client.clone()),
            context: self.recipe.context("candidate"),
            policy: self.policy,
        })
    }

    /// The pending value is a list of `Participant`.
    fn candidates(&self) -> Result<Pending, Failure> {
        self.recipe.call("candidates", |(_, election)| async move {
            let candidates = election.candidates().await?;
            let candidates = candidates.into_iter().map(Participant::from);
            Ok::<_, LockError>(candidates.collect::<Vec<_>>())
        })
    }

    /// Each is a `KnownLeader`.
    fn observe(&self) -> Result<Changes, Failure> {
        let (client, election) = self.recipe.handle()?;
        let leaders = stream::unfold(election.observe(), async |mut observer| {
            let leader = observer.next().await;
            let leader = leader.map(|leader| value(KnownLeader::from(leader)));
            Some((leader.map_err(Failure::from), observer))
        });
        Ok(Changes::new(
            self.recipe.context("observe"),
            client,
            leaders,
        ))
    }
}

/// A participant that stands term after term, until it is closed or this object goes.
#[pyclass(frozen, module = "lockkeeper._lockkeeper")]
pub(crate) struct Candidate {
    /// Nothing once it was closed.
    standing: Tied<Mutex<Option<lockkeeper_recipes::Candidate>>>,
    client: Tied<Client>,
    context: Context,
    policy: LossPolicy,
}

impl Candidate {
    fn look<T>(
        &self,
        look: impl FnOnce(&lockkeeper_recipes::Candidate) -> T,
    ) -> Result<Option<T>, Failure> {
        Ok(locked(self.standing.get()?).as_ref().map(look))
    }
}

#[pymethods]
impl Candidate {
    #[getter]
    fn state(&self) -> Result<Fares, Failure> {
        let state = self.look(|candidate| candidate.state())?;
        Ok(fares(state.unwrap_or(CandidateState::Closed)))
    }

    /// Each is a state; ends behind a final one.
    fn states(&self) -> Result<Changes, Failure> {
        let states = self.look(|candidate| candidate.states())?;
        let states = match states {
            Some(states) => stream::unfold(states, async |mut states| {
                Some((states.next().await?, states))
            })
            .left_stream(),
            None => stream::iter([CandidateState::Closed]).right_stream(),
        };
        let states = states.map(|state| Ok(value(fares(state))));
        let client = self.client.get()?;
        Ok(Changes::new(self.context.clone(), client, states))
    }

    /// The pending value is a `Hold`.
    fn lead(&self, timeout: Option<f64>) -> Result<Pending, Failure> {
        let (limit, policy) = (limit(timeout)?, self.policy);
        let client = self.client.get()?.clone();
        let leading = self.look(|candidate| candidate.await_leadership())?;
        let leading = leading.ok_or_else(closed)?;
        let call = async move {
            let leader = within(&client, limit, LockError::TimedOut, leading).await?;
            Ok::<_, LockError>(term(leader, policy))
        };
        Ok(Pending::new(self.context.clone(), call))
    }

    /// Starts to step down; pending until that is done.
    fn resign(&self) -> Result<Pending, Failure> {
        let resigned = self.look(|candidate| candidate.resign())?;
        let resigned = resigned.ok_or_else(closed)?;
        Ok(Pending::new(self.context.clone(), resigned.map_ok(nothing)))
    }

    /// Starts to leave; pending until the znode is gone. Nothing happens the second time.
    fn close(&self) -> Result<Pending, Failure> {
        let candidate = locked(self.standing.get()?).take();
        let call = match candidate {
            Some(candidate) => candidate.close().left_future(),
            None => ready(Ok(())).right_future(),
        };
        Ok(Pending::new(self.context.clone(), call.map_ok(nothing)))
    }
}

/// A candidate as others see it.
#[pyclass(frozen, eq, hash, get_all, module = "lockkeeper")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Participant {
    /// What it calls itself.
    id: String,
    /// How many are ahead of it; 0 for the leader.
    position: usize,
    /// Its fence, if it leads.
    fence: i64,
    /// Its session.
    session_id: i64,
    /// When it joined, ms since 1970 on the leader's clock.
    queued_ms: i64,
    /// Path of its znode.
    path: String,
}

impl From<lockkeeper_recipes::Participant> for Participant {
    fn from(participant: lockkeeper_recipes::Participant) -> Self {
        Self {
            id: participant.id,
            position: participant.position,
            fence: participant.fence.get(),
            session_id: participant.session.0,
            queued_ms: participant.queued_ms,
            path: participant.path,
        }
    }
}

#[pymethods]
impl Participant {
    fn __repr__(&self) -> String {
        let Self { id, position, .. } = self;
        let (fence, session_id, path) = (self.fence, self.session_id, &self.path);
        format!(
            "Participant(id={id:?}, position={position}, fence={fence}, \
             session_id={session_id:#x}, path={path:?})"
        )
    }
}

/// A leader as an observer knows it.
#[pyclass(frozen, eq, hash, get_all, module = "lockkeeper")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct KnownLeader {
    /// What it calls itself.
    id: String,
    /// The fence of its term; every later leader's is larger.
    fence: i64,
    /// Path of its znode.
    path: String,
    /// Whether that znode was there when the record was read; if not, the term is over.
    is_confirmed: bool,
}

impl From<lockkeeper_recipes::KnownLeader> for KnownLeader {
    fn from(leader: lockkeeper_recipes::KnownLeader) -> Self {
        Self {
            id: leader.id,
            fence: leader.fence.get(),
            path: leader.path,
            is_confirmed: leader.is_confirmed,
        }
    }
}

#[pymethods]
impl KnownLeader {
    fn __repr__(&self) -> String {
        let Self {
            id, fence, path, ..
        } = self;
        let confirmed = if self.is_confirmed { "True" } else { "False" };
        format!("KnownLeader(id={id:?}, fence={fence}, path={path:?}, is_confirmed={confirmed})")
    }
}

fn term(leader: Leader, policy: LossPolicy) -> Hold {
    Hold::new(Right::Lead(leader, policy))
}

fn closed() -> Failure {
    Failure::Argument("candidate was closed".into())
}

fn fares(state: CandidateState) -> Fares {
    match state {
        CandidateState::Closed => ("closed", None, None),
        CandidateState::Ended(error) => ("ended", None, Some(Failure::from(error).text())),
        CandidateState::Leading(fence) => ("leading", Some(fence.get()), None),
        CandidateState::Suspended(fence) => ("suspended", Some(fence.get()), None),
        CandidateState::Waiting => ("waiting", None, None),
        CandidateState::PossiblyLost(fence) => ("possibly_lost", Some(fence.get()), None),
        // A state that is new to this module is not one to lead in.
        _ => ("waiting", None, None),
    }
}

fn election_layout(name: &str) -> Result<ElectionLayout, Failure> {
    match name {
        "latch" => Ok(ElectionLayout::Latch),
        "selector" => Ok(ElectionLayout::Selector),
        "kazoo" => Ok(ElectionLayout::Kazoo),
        _ => Err(Failure::Argument(format!(
            "layout must be \"latch\", \"selector\" or \"kazoo\", not {name:?}"
        ))),
    }
}
