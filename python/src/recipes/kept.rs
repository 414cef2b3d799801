//! What is handed out to be kept: it stands in the ensemble until it is given back or lost.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::future::ready;
use futures::stream::{self, BoxStream};
use lockkeeper_recipes::{Guard, GuardState, LossPolicy, Membership, Party};

use crate::failure::{Context, Failure, reason_word};
use crate::pending::Pending;
use crate::process::{Tied, locked};

/// Something with a state, of which others are told by a znode.
pub(crate) trait Standing {
    fn path(&self) -> &str;
    fn state(&self) -> GuardState;
    /// The states, the present one first; ends behind the last one. Does not keep the thing.
    fn states(&self) -> BoxStream<'static, GuardState>;
    /// Which of them are not to be relied on.
    fn policy(&self) -> LossPolicy {
        LossPolicy::Deadline
    }
}

/// One of them, until it is taken out to be given back or this object goes.
pub(crate) struct Kept<G> {
    thing: Tied<Mutex<Option<Arc<G>>>>,
    path: String,
}

impl<G: Standing> Kept<G> {
    pub(crate) fn new(thing: G) -> Self {
        Self {
            path: thing.path().to_owned(),
            thing: Tied::new(Mutex::new(Some(Arc::new(thing)))),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn context(&self, op: &'static str) -> Context {
        Context::new(op, Some(&self.path))
    }

    /// What `look` sees, unless it was given back.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&G) -> T) -> Result<Option<T>, Failure> {
        Ok(locked(self.thing.get()?).as_deref().map(look))
    }

    /// The thing for a call that needs it, or the error that says that it was given back.
    pub(crate) fn share(&self) -> Result<Arc<G>, Failure> {
        let shared = locked(self.thing.get()?).clone();
        shared.ok_or_else(|| Failure::Argument(format!("{}: was given back already", self.path)))
    }

    /// The thing for good, the first time, unless a call that is under way shares it: then it is
    /// given back when that ends.
    pub(crate) fn take(&self) -> Result<Option<G>, Failure> {
        Ok(locked(self.thing.get()?).take().and_then(Arc::into_inner))
    }

    /// One of `held`, `suspended`, `possibly_lost`, `lost` and `released`.
    pub(crate) fn state(&self) -> Result<&'static str, Failure> {
        let state = self.look(G::state)?;
        Ok(state.map_or("released", state_word))
    }

    /// Why it was lost, if it was.
    pub(crate) fn reason(&self) -> Result<Option<&'static str>, Failure> {
        Ok(match self.look(G::state)? {
            Some(GuardState::Lost(reason)) => Some(reason_word(reason)),
            _ => None,
        })
    }

    /// Pending until it must not be relied on; then the state, or `None` once it was given back.
    pub(crate) fn lost(&self) -> Result<Pending, Failure> {
        let seen = self.look(|thing| (thing.states(), thing.policy()))?;
        let call = async move {
            let Some((states, policy)) = seen else {
                return Ok::<_, Failure>(None);
            };
            let mut over = states.skip_while(|state| ready(policy.leads(*state)));
            Ok(over.next().await.map(state_word))
        };
        Ok(Pending::new(self.context("lost"), call))
    }
}

macro_rules! standing {
    ($($thing:ty),*) => { $(
        impl Standing for $thing {
            fn path(&self) -> &str {
                self.path()
            }

            fn state(&self) -> GuardState {
                self.state()
            }

            fn states(&self) -> BoxStream<'static, GuardState> {
                stream::unfold(self.states(), async |mut states| {
                    Some((states.next().await?, states))
                })
                .boxed()
            }
        }
    )* };
}

standing!(Guard, Membership, Party);

/// The word for a state.
fn state_word(state: GuardState) -> &'static str {
    match state {
        GuardState::Held => "held",
        GuardState::Suspended => "suspended",
        GuardState::PossiblyLost => "possibly_lost",
        GuardState::Lost(_) => "lost",
        // A state that is new to this module is not one to rely on.
        _ => "possibly_lost",
    }
}
