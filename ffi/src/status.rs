//! Status codes: what every call gives.

use std::ffi::c_char;

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
/// What was held has been given back before.
pub const LK_ERELEASED: lk_status_t = -1005;
/// No server took the session in the time set for connecting.
pub const LK_EUNREACHABLE: lk_status_t = -1006;
/// The server sent what cannot be understood.
pub const LK_EPROTOCOL: lk_status_t = -1007;
/// Too many calls wait for replies.
pub const LK_EQUEUEFULL: lk_status_t = -1008;
/// The system gave no thread or descriptor.
pub const LK_ESYSTEM: lk_status_t = -1009;
/// What was waited for did not come before the deadline. Nothing of the attempt is left behind.
pub const LK_ETIMEDOUT: lk_status_t = -1101;
/// Somebody else holds the lock or waits for it, or dispatches; or another call is under way.
pub const LK_EBUSY: lk_status_t = -1102;
/// What was held had been lost before the call.
pub const LK_ELOST: lk_status_t = -1103;
/// Somebody deleted the znode that waited for the lock.
pub const LK_ENODEGONE: lk_status_t = -1104;
/// The path is shared with a lock of another layout.
pub const LK_ELAYOUT: lk_status_t = -1105;
/// What is at the path does not go with what was asked for. The text says what to change.
pub const LK_ECONFLICT: lk_status_t = -1106;
/// Somebody else was faster: what was to be replaced is not there any more. Read it again.
pub const LK_ECHANGED: lk_status_t = -1107;
/// What is published is not good, or not whole. The text says why.
pub const LK_EREJECTED: lk_status_t = -1108;
/// Another writer waits for the reader that would become one. Release the read lock to let it through.
pub const LK_EUPGRADE: lk_status_t = -1109;
/// The server's numbers for the path are used up. Delete the path when nobody uses it.
pub const LK_ENUMBERS: lk_status_t = -1110;
/// A failure that this version of the library has no code for.
pub const LK_EOTHER: lk_status_t = -1199;

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
        LK_ERELEASED => c"was given back before",
        LK_EUNREACHABLE => c"no server could be reached",
        LK_EPROTOCOL => c"reply cannot be understood",
        LK_EQUEUEFULL => c"too many calls wait for replies",
        LK_ESYSTEM => c"system is out of threads or descriptors",
        LK_ETIMEDOUT => c"deadline passed",
        LK_EBUSY => c"busy",
        LK_ELOST => c"what was held was lost",
        LK_ENODEGONE => c"waiting znode was deleted by somebody else",
        LK_ELAYOUT => c"path is shared with a lock of another layout",
        LK_ECONFLICT => c"what is at the path does not go with the call",
        LK_ECHANGED => c"changed by somebody else in the meantime",
        LK_EREJECTED => c"what is published is not good",
        LK_EUPGRADE => c"another writer waits already",
        LK_ENUMBERS => c"numbers for the path are used up",
        _ => c"other error",
    };
    text.as_ptr()
}
