//! A client of ZooKeeper ensembles.
//!
//! ```no_run
//! use lockkeeper::{Client, CreateMode};
//!
//! # async fn example() -> Result<(), lockkeeper::Error> {
//! let client = Client::connect("zk1:2181,zk2:2181/app").await?;
//! let made = client.create("/config", "v1", CreateMode::Persistent).await?;
//! let (znode, changed) = client.get_watched("/config").await?;
//! assert_eq!(znode.bytes(), b"v1");
//!
//! let write = client.set("/config", "v2", Some(made.stat.version));
//! println!("event: {:?}", changed.await);
//! write.await?;
//! client.close().await
//! # }
//! ```
//!
//! A [`Client`] is one session, shared by its clones. Requests go out in the order of the calls,
//! whether or not their futures are awaited, and a watch event reaches its watcher before any later
//! reply completes. A broken link is repaired in the background: requests that had not left wait,
//! reads are asked again, and writes whose reply was lost end with an error that says so
//! ([`Error::outcome`]). What this does not give: a write repeated on its own, or order between two
//! clients.
//!
//! ```text
//! lock ← slot, states
//! slot ← inbox ← watch, call, driver
//! runtime ← call, driver
//! call, watch, driver ← client ← builder
//! options, client ← operations; retry ← builder
//! ```

#![forbid(unsafe_code)]

mod builder;
mod call;
mod client;
mod driver;
mod inbox;
mod lock;
mod operations;
mod options;
mod retry;
pub mod runtime;
mod slot;
mod states;
mod watch;

pub use builder::Builder;
pub use call::Call;
pub use client::{Client, WeakClient};
pub use lockkeeper_session::{
    ConnectStringError, Error, HostPort, LinkLoss, Misuse, OpError, Outcome, SessionCredentials,
    State, Violation, WatchEnd,
};
pub use lockkeeper_wire::reply::ClientInfo;
pub use lockkeeper_wire::{
    Acl, AddWatchMode, ByteStr, CreateMode, ErrorCode, EventType, Id, OpCode, PathError, SessionId,
    Stat, Zxid, acl, path,
};
pub use options::{
    CreateOptions, Created, Op, OpResult, ReadOp, ReadResult, ReconfigOptions, Znode,
};
pub use runtime::Runtime;
pub use slot::{WatchEvent, WatchItem};
pub use states::{StateChange, States};
pub use watch::{OneShotWatch, PersistentWatch};
