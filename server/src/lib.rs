//! A server of the ZooKeeper protocol: the shell around the replica.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | flags and `zoo.cfg`, read once into [`Config`] |
//! | [`error`] | why the server does not start, and the exit code that says so |
//! | [`words`] | answers to the four-letter words |
//! | [`recovery`] | the state of a server from its files, on any disk |
//! | [`server`] | threads, and the way they end |
//! | [`embed`] | a server inside another program |
//!
//! Five kinds of thread: `lk-io-*` serve connections and answer reads, `lk-replica` owns the
//! replica, `lk-disk` logs what gathers while it syncs, `lk-snapshot` writes a frozen tree and
//! ends, and in an ensemble `lk-peers` has the connections to the other members. They share the tree, which the replica's thread alone changes, the connections' outgoing
//! buffers, and the journal. Where one thread for connections is enough, the replica is a task on
//! it.
//!
//! ```text
//! words ← config ← error, bind
//! sync, stream ← outgoing ← links, peers ← node ← disk, member
//!                                  lone ← node; recovery ← disk
//!        links, node ← status, socket ← connection ← listen
//!        node, disk, member, listen ← server ← embed
//! ```

#![forbid(unsafe_code)]

mod bind;
pub mod config;
mod connection;
mod disk;
pub mod embed;
pub mod error;
mod links;
mod listen;
mod lone;
mod member;
mod node;
mod outgoing;
mod peers;
pub mod recovery;
pub mod server;
mod socket;
mod status;
mod stream;
mod sync;
pub mod words;

pub use config::{Config, ConfigError};
pub use disk::snapshot_of;
pub use error::{Failure, StartError};
pub use server::{Server, Stopper};
