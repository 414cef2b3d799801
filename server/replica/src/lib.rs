//! One member of an ensemble as a value: requests in, transactions through, replies and events out.
//!
//! A [`Replica`] has one owner and no I/O. Writes go through one pipeline, whose stages are queues:
//! received, prepared, proposed, committed, answered. A leader prepares and proposes; a learner
//! sends what it receives to its leader. What is committed comes back to both in the same way, from
//! the [`Peer`] inside, and ends in the same `Store::apply`. A standalone
//! server is an ensemble of one, whose own durable write is a quorum.
//!
//! The tree and the watches are not inside the replica but handed to it, because reads may look at
//! them too: a connection that waits for no write answers its reads with [`answer`] wherever it
//! lives. One order stands above that freedom. Who applies holds the tree alone and puts each
//! event into its connection's buffer before letting go; who reads puts the reply into the buffer
//! while still holding the tree. So an event reaches a client before any reply that shows what
//! caused it. And a connection's requests behind one of its writes come here, where they wait for
//! it; so a session reads what it has written.
//!
//! ```text
//! limits, password ← connection, pipeline ← role ← replica ← handshake, requests, sessions, local
//! answer, fault                                            ← forward, input, commit
//!                                                          ← reconfig, read_only
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod answer;
mod commit;
mod connection;
mod fault;
mod forward;
mod handshake;
mod input;
mod limits;
mod local;
mod password;
mod pipeline;
mod read_only;
mod reconfig;
mod replica;
mod requests;
mod role;
mod sessions;

pub use answer::{Answering, answer, is_read, needs_watches};
pub use connection::{Clients, Now};
// What a replica is made with, and what it says: the shell names it without knowing the protocol.
pub use fault::Fault;
pub use input::PeerInput;
pub use limits::Limits;
pub use lockkeeper_zab::{Effect, IoId, LinkId, Peer, RoleKind, Txn};
pub use password::session_password;
pub use replica::{LocalSessions, ReconfigSettings, Replica, Settings, Traffic};
