//! The ZooKeeper protocol as values: what travels on the client port and between servers, and what
//! lies in the log.
//!
//! The crate turns bytes into records and back and knows nothing else: no socket, clock or tree.
//! Names follow `zookeeper.jute`; units are milliseconds; integers are big endian. Decoders take
//! slices of the buffer they read, so payload is not copied, and they bound every allocation by
//! the bytes that are there.
//!
//! | module | what it holds |
//! |---|---|
//! | [`frame`] | length-prefixed frames cut from a stream |
//! | [`codec`] | the Jute encoding: cursor, [`Record`], shared text |
//! | [`id`], [`op`], [`code`] | numbers: ids, operation codes and kinds, error codes |
//! | [`path`], [`acl`], [`stat`] | paths and chroots, access lists, metadata |
//! | [`connect`], [`request`], [`reply`], [`multi`], [`watch`] | the client port |
//! | [`txn`] | transactions in the log and between servers |
//! | [`quorum`], [`election`] | the two ports between servers: packets, notifications |
//!
//! ```text
//! error ← codec ← id, code, op ← stat, acl, path ← connect, request, reply, multi, watch, txn
//! frame ← request, reply, watch, quorum, election; acl ← quorum
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod acl;
pub mod code;
pub mod codec;
pub mod connect;
pub mod election;
pub mod error;
pub mod frame;
pub mod id;
pub mod multi;
pub mod op;
pub mod path;
pub mod quorum;
pub mod reply;
pub mod request;
pub mod stat;
pub mod txn;
pub mod watch;

pub use acl::{Acl, Id};
pub use code::ErrorCode;
pub use codec::{ByteStr, Reader, Record};
pub use connect::{ConnectRequest, ConnectResponse};
pub use election::{Initial, Notification, PeerState, Vote};
pub use error::{DecodeError, FrameError};
pub use frame::Deframer;
pub use id::{ServerId, SessionId, Xid, Zxid};
pub use op::{AddWatchMode, CreateMode, EventType, OpCode, WatcherType};
pub use path::{Chroot, PathError, ZnodePath};
pub use quorum::{ForwardedRequest, LeaderPacket, LearnerInfo, LearnerPacket, Touch};
pub use reply::{ReplyHeader, Response};
pub use request::{ANY_VERSION, Request, RequestHeader};
pub use stat::Stat;
pub use txn::{Txn, TxnEntry, TxnHeader};
pub use watch::WatcherEvent;
