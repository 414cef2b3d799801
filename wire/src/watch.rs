//! Watch events and the re-registration of watches after a reconnect.

use bytes::BytesMut;

use crate::code::ErrorCode;
use crate::codec::{ByteStr, Record, record};
use crate::id::{Xid, Zxid};
use crate::op::EventType;
use crate::reply::ReplyHeader;

/// `state` of every event a server sends: the session is connected.
pub const SYNC_CONNECTED: i32 = 3;

record! {
    /// What a server tells a watcher.
    pub struct WatcherEvent {
        /// An [`EventType`] as its number.
        pub kind: i32,
        /// [`SYNC_CONNECTED`].
        pub state: i32,
        /// The znode it happened to; for a child event, the parent.
        pub path: ByteStr,
    }

    /// Body of setWatches: what a client watches, and how far it has seen.
    #[derive(Default)]
    pub struct SetWatches {
        /// The client's last seen zxid; data and child watches fire at once for later changes.
        pub relative_zxid: Zxid,
        /// Paths with a data watch.
        pub data: Vec<ByteStr>,
        /// Paths whose creation is waited for.
        pub exist: Vec<ByteStr>,
        /// Paths with a child watch.
        pub child: Vec<ByteStr>,
    }

    /// Body of setWatches2: the same with persistent watches, which are only armed again.
    #[derive(Default)]
    pub struct SetWatches2 {
        /// The client's last seen zxid.
        pub relative_zxid: Zxid,
        /// Paths with a data watch.
        pub data: Vec<ByteStr>,
        /// Paths whose creation is waited for.
        pub exist: Vec<ByteStr>,
        /// Paths with a child watch.
        pub child: Vec<ByteStr>,
        /// Paths with a persistent watch.
        pub persistent: Vec<ByteStr>,
        /// Paths with a persistent recursive watch.
        pub persistent_recursive: Vec<ByteStr>,
    }
}

/// Appends a whole notification frame.
///
/// `zxid` is the transaction's, or -1 for an event made by setWatches.
pub fn encode_frame(kind: EventType, zxid: Zxid, path: &str, out: &mut BytesMut) {
    crate::frame::encode(out, |out| {
        ReplyHeader {
            xid: Xid::NOTIFICATION,
            zxid,
            err: ErrorCode::OK,
        }
        .encode(out);
        i32::from(kind).encode(out);
        SYNC_CONNECTED.encode(out);
        crate::codec::put_buffer(path.as_bytes(), out);
    });
}
