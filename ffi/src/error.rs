//! Status codes, the last error of each thread, and the guard around every entry point.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use client::{Error, ErrorCode, Misuse, Outcome};
use lockkeeper_recipes::LockError;

use crate::text::{Text, lk_str_t};

/// How a call ended: 0 for good, ZooKeeper's own negative codes, or one of this library's below
/// -1000. Others than those listed may come from newer servers.
pub type lk_status_t = i32;

/// It was done.
pub const LK_OK: lk_status_t = 0;
/// The server is in trouble.
pub const LK_SYSTEMERROR: lk_status_t = -1;
/// An earlier part of a multi failed.
pub const LK_RUNTIMEINCONSISTENCY: lk_status_t = -2;
/// The link broke before the reply came; see `maybe_applied`.
pub const LK_CONNECTIONLOSS: lk_status_t = -4;
/// The server does not know the operation.
pub const LK_UNIMPLEMENTED: lk_status_t = -6;
/// No reply before the call's deadline; see `maybe_applied`.
pub const LK_OPERATIONTIMEOUT: lk_status_t = -7;
/// A path or another value that ZooKeeper does not allow.
pub const LK_BADARGUMENTS: lk_status_t = -8;
/// There is no znode at the path.
pub const LK_NONODE: lk_status_t = -101;
/// The ACL does not permit it.
pub const LK_NOAUTH: lk_status_t = -102;
/// The znode has another version.
pub const LK_BADVERSION: lk_status_t = -103;
/// Ephemerals have no children.
pub const LK_NOCHILDRENFOREPHEMERALS: lk_status_t = -108;
/// There is a znode at the path already.
pub const LK_NODEEXISTS: lk_status_t = -110;
/// The znode has children.
pub const LK_NOTEMPTY: lk_status_t = -111;
/// The session has ended; a new client is needed.
pub const LK_SESSIONEXPIRED: lk_status_t = -112;
/// The ACL is not valid.
pub const LK_INVALIDACL: lk_status_t = -114;
/// The ensemble refused a credential.
pub const LK_AUTHFAILED: lk_status_t = -115;
/// The client was closed.
pub const LK_CLOSING: lk_status_t = -116;
/// The session was moved to another server.
pub const LK_SESSIONMOVED: lk_status_t = -118;
/// A write to a server that only reads.
pub const LK_NOTREADONLY: lk_status_t = -119;
/// A quota would be exceeded.
pub const LK_QUOTAEXCEEDED: lk_status_t = -125;
/// The server was too busy and did not carry the request out.
pub const LK_THROTTLEDOP: lk_status_t = -127;

/// An argument is NULL, not UTF-8, or out of range. Nothing was done.
pub const LK_EINVAL: lk_status_t = -1001;
/// The object was made before a fork, by another process. Nothing was done.
pub const LK_EFORKED: lk_status_t = -1002;
/// A bug in the library. The text says where; free the object.
pub const LK_EPANIC: lk_status_t = -1003;
/// A call that blocks was made from a callback. Nothing was done.
pub const LK_ECALLBACK: lk_status_t = -1004;
/// The guard has been released before.
pub const LK_ERELEASED: lk_status_t = -1005;
/// No server took the session in the time set for connecting.
pub const LK_EUNREACHABLE: lk_status_t = -1006;
/// The server sent what cannot be understood.
pub const LK_EPROTOCOL: lk_status_t = -1007;
/// Too many calls wait for replies.
pub const LK_EQUEUEFULL: lk_status_t = -1008;
/// The system gave no thread or descriptor.
pub const LK_ESYSTEM: lk_status_t = -1009;
/// The lock was not granted before the deadline. Nothing of the attempt is left behind.
pub const LK_ETIMEDOUT: lk_status_t = -1101;
/// Somebody else holds the lock or waits for it.
pub const LK_EBUSY: lk_status_t = -1102;
/// The lock had been lost before the call.
pub const LK_ELOST: lk_status_t = -1103;
/// Somebody deleted the znode that waited for the lock.
pub const LK_ENODEGONE: lk_status_t = -1104;
/// The path is shared with a lock of another layout.
pub const LK_ELAYOUT: lk_status_t = -1105;
/// A failure that this version of the library has no code for.
pub const LK_EOTHER: lk_status_t = -1199;

/// What the last call that gives an `lk_status_t` did on this thread. Its fields do not change
/// within a major version.
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

/// A code in words, such as "znode does not exist"; valid for ever. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn lk_status_text(status: lk_status_t) -> *const c_char {
    let text = match status {
        LK_OK => c"no error",
        LK_SYSTEMERROR => c"server is in trouble",
        LK_RUNTIMEINCONSISTENCY => c"an earlier part of the multi failed",
        LK_CONNECTIONLOSS => c"connection lost",
        LK_UNIMPLEMENTED => c"operation is not supported by the server",
        LK_OPERATIONTIMEOUT => c"no reply before the deadline",
        LK_BADARGUMENTS => c"path or argument is not valid",
        LK_NONODE => c"znode does not exist",
        LK_NOAUTH => c"permission denied by the ACL",
        LK_BADVERSION => c"version does not match",
        LK_NOCHILDRENFOREPHEMERALS => c"ephemerals cannot have children",
        LK_NODEEXISTS => c"znode exists",
        LK_NOTEMPTY => c"znode has children",
        LK_SESSIONEXPIRED => c"session expired",
        LK_INVALIDACL => c"ACL is not valid",
        LK_AUTHFAILED => c"authentication failed",
        LK_CLOSING => c"client is closed",
        LK_SESSIONMOVED => c"session moved to another server",
        LK_NOTREADONLY => c"server is read-only",
        LK_QUOTAEXCEEDED => c"quota exceeded",
        LK_THROTTLEDOP => c"request throttled",
        LK_EINVAL => c"argument is NULL or out of range",
        LK_EFORKED => c"object belongs to the process before the fork",
        LK_EPANIC => c"bug in the library",
        LK_ECALLBACK => c"call would block in a callback",
        LK_ERELEASED => c"guard has been released",
        LK_EUNREACHABLE => c"no server could be reached",
        LK_EPROTOCOL => c"reply cannot be understood",
        LK_EQUEUEFULL => c"too many calls wait for replies",
        LK_ESYSTEM => c"system is out of threads or descriptors",
        LK_ETIMEDOUT => c"lock was not granted before the deadline",
        LK_EBUSY => c"lock is busy",
        LK_ELOST => c"lock was lost",
        LK_ENODEGONE => c"waiting znode was deleted by somebody else",
        LK_ELAYOUT => c"path is shared with a lock of another layout",
        _ => c"other error",
    };
    text.as_ptr()
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
            LockError::Lost(_) => LK_ELOST,
            LockError::NodeGone => LK_ENODEGONE,
            LockError::ReleaseRefused(refusal) => {
                return Self {
                    text: format!("{error}: {refusal}"),
                    ..refusal.clone().into()
                };
            }
            LockError::TimedOut => LK_ETIMEDOUT,
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
