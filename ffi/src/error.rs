//! Errors, the last one of each thread, and the guard around every entry point.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use client::{Error, ErrorCode, Misuse, Outcome};
use lockkeeper_recipes::{LockError, RecipeError};

use crate::status::{
    LK_AUTHFAILED, LK_BADARGUMENTS, LK_CLOSING, LK_CONNECTIONLOSS, LK_EBUSY, LK_ECHANGED,
    LK_ECONFLICT, LK_EINVAL, LK_ELAYOUT, LK_ELOST, LK_ENODEGONE, LK_ENUMBERS, LK_EOTHER, LK_EPANIC,
    LK_EPROTOCOL, LK_EQUEUEFULL, LK_ESYSTEM, LK_ETIMEDOUT, LK_EUNREACHABLE, LK_EUPGRADE,
    LK_NOTREADONLY, LK_OK, LK_OPERATIONTIMEOUT, LK_SESSIONEXPIRED, LK_SESSIONMOVED, LK_THROTTLEDOP,
    lk_status_t,
};
use crate::text::{Text, lk_str_t};

/// How a call ended: the last one on this thread that gave an `lk_status_t`, or one whose end a
/// callback is told. Its fields do not change within a major version.
#[repr(C)]
pub struct lk_error_t {
    /// What the call returned.
    pub code: lk_status_t,
    /// Nothing was done, and the same call may succeed if it is made again.
    pub retriable: bool,
    /// A write was sent and its reply never came: it may have been carried out, or still be.
    pub maybe_applied: bool,
    /// One sentence for people; empty for `LK_OK`.
    pub text: lk_str_t,
    /// The znode it is about, or empty.
    pub path: lk_str_t,
}

impl lk_error_t {
    const NONE: Self = Self {
        code: LK_OK,
        retriable: false,
        maybe_applied: false,
        text: lk_str_t::EMPTY,
        path: lk_str_t::EMPTY,
    };
}

/// What the last call did on this thread: the error behind a status.
///
/// Never blocks. Gives NULL only while the thread ends. The object belongs to the library and is
/// valid until the next call on this thread that gives an `lk_status_t`.
#[unsafe(no_mangle)]
pub extern "C" fn lk_last_error() -> *const lk_error_t {
    LAST.try_with(|last| &raw const *last.borrow().error)
        .unwrap_or(std::ptr::null())
}

/// Why a call failed, in the terms of C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    code: lk_status_t,
    text: String,
    path: String,
    outcome: Outcome,
}

impl Fault {
    pub(crate) fn new(code: lk_status_t, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            path: String::new(),
            outcome: Outcome::NotApplied,
        }
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(LK_EINVAL, text)
    }

    /// The deadline of a call passed that goes on without its caller.
    pub(crate) fn late(text: &str) -> Self {
        Self {
            outcome: Outcome::Unknown,
            ..Self::new(LK_OPERATIONTIMEOUT, text)
        }
    }

    pub(crate) fn code(&self) -> lk_status_t {
        self.code
    }

    fn conflict(path: &str, what: &str) -> Self {
        Self::new(LK_ECONFLICT, what).at(path)
    }

    /// Names the znode, unless it is known better.
    pub(crate) fn at(mut self, path: &str) -> Self {
        if self.path.is_empty() {
            path.clone_into(&mut self.path);
        }
        self
    }

    fn panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no text");
        Self {
            outcome: Outcome::Unknown,
            ..Self::new(LK_EPANIC, format!("bug in the library: {text}"))
        }
    }

    fn is_retriable(&self) -> bool {
        let may_pass = matches!(
            self.code,
            LK_CONNECTIONLOSS
                | LK_OPERATIONTIMEOUT
                | LK_SESSIONMOVED
                | LK_NOTREADONLY
                | LK_THROTTLEDOP
                | LK_EUNREACHABLE
                | LK_EQUEUEFULL
                | LK_ESYSTEM
                | LK_ETIMEDOUT
                | LK_EBUSY
                | LK_ENODEGONE
        );
        may_pass && self.outcome == Outcome::NotApplied
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::AuthFailed { .. } => LK_AUTHFAILED,
            Error::Closed { .. } => LK_CLOSING,
            Error::ConnectionLoss { .. } => LK_CONNECTIONLOSS,
            Error::Misuse(_) => LK_BADARGUMENTS,
            Error::Multi { code, .. } => status(*code),
            Error::Op(refusal) => status(refusal.code),
            Error::Protocol { .. } => LK_EPROTOCOL,
            Error::QueueFull => LK_EQUEUEFULL,
            Error::SessionExpired { .. } => LK_SESSIONEXPIRED,
            Error::Timeout { .. } => LK_OPERATIONTIMEOUT,
            Error::Unreachable { .. } => LK_EUNREACHABLE,
            _ => LK_EOTHER,
        };
        let path = match &error {
            Error::Op(refusal) => refusal.path.clone(),
            Error::Misuse(Misuse::Path { path, .. }) => path.clone(),
            _ => String::new(),
        };
        Self {
            code,
            text: error.to_string(),
            path,
            outcome: error.outcome(),
        }
    }
}

impl From<LockError> for Fault {
    fn from(error: LockError) -> Self {
        let code = match &error {
            LockError::Busy => LK_EBUSY,
            LockError::Client(error) => return error.clone().into(),
            LockError::LayoutConflict { .. } => LK_ELAYOUT,
            LockError::Limit { path, what } => return Self::conflict(path, what),
            LockError::Lost(_) => LK_ELOST,
            LockError::NodeGone => LK_ENODEGONE,
            LockError::NumbersUsedUp => LK_ENUMBERS,
            LockError::ReleaseRefused(refusal) => {
                return Self {
                    text: format!("{error}: {refusal}"),
                    ..refusal.clone().into()
                };
            }
            LockError::TimedOut => LK_ETIMEDOUT,
            LockError::UpgradeConflict => LK_EUPGRADE,
            _ => LK_EOTHER,
        };
        Self {
            outcome: error.outcome(),
            ..Self::new(code, error.to_string())
        }
    }
}

impl From<RecipeError> for Fault {
    fn from(error: RecipeError) -> Self {
        let code = match &error {
            RecipeError::Changed { path } => {
                let text = "was changed by somebody else in the meantime";
                return Self::new(LK_ECHANGED, text).at(path);
            }
            RecipeError::Client(error) => return error.clone().into(),
            RecipeError::Conflict { path, what } => return Self::conflict(path, what),
            RecipeError::Lost(_) => LK_ELOST,
            RecipeError::TimedOut => LK_ETIMEDOUT,
            _ => LK_EOTHER,
        };
        Self {
            outcome: error.outcome(),
            ..Self::new(code, error.to_string())
        }
    }
}

/// A server's code; one that is no failure cannot be the reason of one.
fn status(code: ErrorCode) -> lk_status_t {
    match code.0 {
        code @ ..0 => code,
        _ => LK_EPROTOCOL,
    }
}

/// Runs the body of an entry point: no panic leaves it, and its end is this thread's last error.
pub(crate) fn entry(body: impl FnOnce() -> Result<(), Fault>) -> lk_status_t {
    let result = catch_unwind(AssertUnwindSafe(body));
    let fault = match result {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(fault),
        Err(payload) => Some(Fault::panic(&*payload)),
    };
    let code = fault.as_ref().map_or(LK_OK, |fault| fault.code);
    // At the end of a thread there is nobody left to read it.
    let _ = LAST.try_with(|last| last.borrow_mut().set(fault.as_ref()));
    code
}

/// The same for entry points that cannot fail: after a panic they give `otherwise`.
pub(crate) fn entry_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// Hands the end of a call to a callback, as an error and what there is without one.
pub(crate) fn show<T>(end: Result<T, Fault>, callback: impl FnOnce(*const lk_error_t, Option<T>)) {
    let (given, fault) = match end {
        Ok(given) => (Some(given), None),
        Err(fault) => (None, Some(fault)),
    };
    show_error(fault.as_ref(), |error| callback(error, given));
}

/// Hands an error to a callback, or that there is none.
pub(crate) fn show_error(fault: Option<&Fault>, callback: impl FnOnce(*const lk_error_t)) {
    let mut shown = Last::new();
    shown.set(fault);
    callback(&raw const *shown.error);
}

/// What `lk_last_error` shows; boxed, because C keeps its address.
struct Last {
    error: Box<lk_error_t>,
    text: Text,
    path: Text,
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::new(Last::new());
}

impl Last {
    fn new() -> Self {
        Self {
            error: Box::new(lk_error_t::NONE),
            text: "".into(),
            path: "".into(),
        }
    }

    fn set(&mut self, fault: Option<&Fault>) {
        let Some(fault) = fault else {
            // Its texts stay where they are until there are new ones: nothing points to them.
            *self.error = lk_error_t::NONE;
            return;
        };
        self.text = fault.text.as_str().into();
        self.path = fault.path.as_str().into();
        *self.error = lk_error_t {
            code: fault.code,
            retriable: fault.is_retriable(),
            maybe_applied: fault.outcome == Outcome::Unknown,
            text: self.text.view(),
            path: self.path.view(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_code() -> lk_status_t {
        LAST.with(|last| last.borrow().error.code)
    }

    #[test]
    fn a_panic_stays_inside() {
        let status = entry(|| panic!("number {}", 7));
        assert_eq!(status, LK_EPANIC);
        assert_eq!(last_code(), LK_EPANIC);
        assert_eq!(entry_or(3, || panic!("no number")), 3);
    }

    #[test]
    fn success_clears_the_error() {
        entry(|| Err(Fault::invalid("wrong")));
        assert_eq!(entry(|| Ok(())), LK_OK);
        assert_eq!(last_code(), LK_OK);
    }

    #[test]
    fn errors_keep_zookeepers_numbers() {
        let outcome = Outcome::Unknown;
        let fault = Fault::from(Error::ConnectionLoss { outcome });
        assert_eq!(fault.code, -4);
        assert!(!fault.is_retriable());
        let outcome = Outcome::NotApplied;
        assert!(Fault::from(Error::ConnectionLoss { outcome }).is_retriable());
        assert_eq!(
            Fault::from(Error::SessionExpired { outcome }).code,
            ErrorCode::SESSION_EXPIRED.0
        );
        assert_eq!(status(ErrorCode(0)), LK_EPROTOCOL);
    }
}
