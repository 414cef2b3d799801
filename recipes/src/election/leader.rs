//! A term of leadership.

use std::ops::Deref;
use std::sync::Arc;

use crate::error::LockError;
use crate::guard::Guard;
use crate::state::GuardState;

/// What ends leadership when the link breaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossPolicy {
    /// `PossiblyLost`: leads on without a link while nobody else can lead.
    #[default]
    Deadline,
    /// `Suspended`: leads only while connected. The term goes on, and with it leadership, if the
    /// session is found alive again.
    Strict,
}

impl LossPolicy {
    /// Whether one leads in this state.
    pub fn leads(self, state: GuardState) -> bool {
        match self {
            Self::Deadline => state.is_safe(),
            Self::Strict => state == GuardState::Held,
        }
    }
}

/// One of possibly several handles of a term: a [`Guard`], and when to stop.
///
/// The term lasts until a handle [resigns](Leader::resign), until the last handle is dropped, or
/// until it is lost. A [`Candidate`](crate::Candidate) keeps a handle of its own.
#[derive(Clone, Debug)]
pub struct Leader {
    guard: Arc<Guard>,
    policy: LossPolicy,
}

impl Leader {
    pub(super) fn new(guard: Guard, policy: LossPolicy) -> Self {
        Self {
            guard: Arc::new(guard),
            policy,
        }
    }

    /// Whether to act as leader now, by the election's [`LossPolicy`].
    pub fn is_leading(&self) -> bool {
        self.policy.leads(self.guard.state())
    }

    /// Resolves when not to act as leader any more, with the state that says why.
    ///
    /// Does not borrow the handle, and keeps no term alive.
    pub fn lost(&self) -> impl Future<Output = GuardState> + Send + use<> {
        let policy = self.policy;
        self.guard.when(move |state| !policy.leads(state))
    }

    /// Ends the term, whoever else has a handle of it, and waits until the znode is known to be
    /// gone.
    ///
    /// Starts at the call; dropping the future does not stop it. While the link is down it waits,
    /// in the background too, for the link or for the session's end.
    ///
    /// # Errors
    ///
    /// Those of [`Guard::release`]; none if another handle resigned before.
    pub fn resign(self) -> impl Future<Output = Result<(), LockError>> + Send + use<> {
        self.guard.step_down();
        self.guard.left()
    }
}

impl Deref for Leader {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}
