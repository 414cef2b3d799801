//! Failures on their way to the exception tree, which is Python: `lockkeeper/errors.py`.
//!
//! A class there may derive from several built-in ones, such as `TimeoutError`, which native
//! exception types cannot. What crosses is a name, a text and the facts.

use std::io;

use lockkeeper::{Error, Misuse, Outcome};
use lockkeeper_recipes::{LockError, LossReason, RecipeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Why an operation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An argument that cannot be, with the reason.
    Argument(String),
    /// The client's error.
    Client(Error),
    /// The value was made before a fork.
    Forked,
    /// The lock's own error.
    Lock(LockError),
    /// Another recipe's own error.
    Recipe(RecipeError),
    /// The interpreter ends.
    Stopped,
    /// A runtime or a descriptor could not be had.
    Threads(io::Error),
    /// The operation has been waited for, or handed to a loop, before.
    Used,
}

/// What failed: the operation's name as the caller knows it, and its path.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) op: &'static str,
    pub(crate) path: Option<String>,
}

impl Context {
    pub(crate) fn new(op: &'static str, path: Option<&str>) -> Self {
        Self {
            op,
            path: path.map(str::to_owned),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Client(error) => Self::Client(error),
            error => Self::Lock(error),
        }
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        match error {
            RecipeError::Client(error) => Self::Client(error),
            error => Self::Recipe(error),
        }
    }
}

/// The exception of a failure without an operation.
impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| failure.into_exception(py, None))
    }
}

impl Failure {
    /// The failure of a constructor, which looks at nothing but its arguments.
    pub(crate) fn of_argument(error: RecipeError) -> Self {
        match error {
            RecipeError::Conflict { what, .. } => Self::Argument(what),
            error => error.into(),
        }
    }

    /// The exception to raise.
    pub(crate) fn into_exception(self, py: Python<'_>, context: Option<&Context>) -> PyErr {
        let name = self.name();
        let told = match &self {
            Self::Client(error) | Self::Lock(LockError::ReleaseRefused(error)) => Some(error),
            _ => None,
        };
        let code = told.and_then(Error::code).map(|code| code.0);
        let maybe_applied = told.is_some_and(|error| error.outcome() == Outcome::Unknown);
        let reason = match &self {
            Self::Lock(LockError::Lost(reason)) | Self::Recipe(RecipeError::Lost(reason)) => {
                Some(reason_word(*reason))
            }
            _ => None,
        };
        let facts = (
            name,
            self.text(),
            code,
            context.map(|context| context.op),
            context.and_then(|context| context.path.as_deref()),
            maybe_applied,
            reason,
        );
        match maker(py).and_then(|maker| maker.call1(facts)) {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }

    /// The name of the class; one that is unknown there is an `OperationError`.
    fn name(&self) -> &'static str {
        match self {
            Self::Argument(_) => "InvalidArgument",
            Self::Client(error) => client_name(error),
            Self::Forked => "ForkedError",
            Self::Lock(error) => match error {
                LockError::Busy => "LockBusy",
                LockError::LayoutConflict { .. } => "LayoutConflict",
                LockError::Limit { .. } => "Conflict",
                LockError::Lost(_) => "LockLost",
                LockError::NodeGone => "ContenderGone",
                LockError::ReleaseRefused(error) => client_name(error),
                LockError::TimedOut => "LockTimeout",
                LockError::UpgradeConflict => "UpgradeConflict",
                _ => "LockError",
            },
            Self::Recipe(error) => match error {
                RecipeError::Changed { .. } => "Changed",
                RecipeError::Conflict { .. } => "Conflict",
                RecipeError::Lost(_) => "LockLost",
                RecipeError::TimedOut => "OperationTimeout",
                _ => "LockkeeperError",
            },
            Self::Stopped => "ClosedError",
            Self::Threads(_) | Self::Used => "LockkeeperError",
        }
    }

    /// What it says.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Argument(text) => text.clone(),
            Self::Client(Error::QueueFull) => {
                "too many calls wait for replies: wait for some before making more".into()
            }
            Self::Client(error) => error.to_string(),
            Self::Forked => "made before a fork, whose child has no threads to serve it: create \
                             the client after the fork, in the process that uses it"
                .into(),
            Self::Lock(error) => error.to_string(),
            Self::Recipe(error) => error.to_string(),
            Self::Stopped => "interpreter is shutting down".into(),
            Self::Threads(error) => format!("cannot start: {error}"),
            Self::Used => "operation has been waited for already".into(),
        }
    }
}

fn client_name(error: &Error) -> &'static str {
    match error {
        Error::AuthFailed { .. } => "AuthFailed",
        Error::Closed { .. } => "ClosedError",
        Error::ConnectionLoss { .. } => "ConnectionLoss",
        Error::Misuse(Misuse::NoRuntime) => "LockkeeperError",
        Error::Misuse(_) => "InvalidArgument",
        Error::Multi { code, .. } => code.name(),
        Error::Op(refusal) => refusal.code.name(),
        Error::Protocol { .. } => "ProtocolError",
        Error::QueueFull => "QueueFull",
        Error::SessionExpired { .. } => "SessionExpired",
        Error::Timeout { .. } => "OperationTimeout",
        Error::Unreachable { .. } => "Unreachable",
        _ => "LockkeeperError",
    }
}

/// The word for why a lock was lost.
pub(crate) fn reason_word(reason: LossReason) -> &'static str {
    match reason {
        LossReason::Closed => "closed",
        LossReason::Expired => "expired",
        LossReason::NodeDeleted => "node_deleted",
        LossReason::Resigned => "released",
        _ => "unknown",
    }
}

/// The function that makes an exception of the facts.
fn maker(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MAKER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MAKER
        .get_or_try_init(py, || {
            Ok(py.import("lockkeeper.errors")?.getattr("_make")?.unbind())
        })
        .map(|maker| maker.bind(py))
}
