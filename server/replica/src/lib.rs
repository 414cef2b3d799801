//! One member as a value: requests in, transactions through, replies and events out.
//!
//! A [`Replica`] has one owner and no I/O. Writes go through one pipeline, whose stages are queues:
//! received, prepared, waiting for the log, committed, answered. A standalone server is an ensemble
//! of one, whose own durable write is a quorum; what changes in an ensemble is only who says that a
//! transaction is committed.
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
//! limits, password ← connection ← pipeline ← replica
//! answer           ←              pipeline
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

mod answer;
mod connection;
mod limits;
mod password;
mod pipeline;
mod replica;

pub use answer::{Answering, answer, is_read, needs_watches};
pub use connection::{Clients, Now};
pub use limits::Limits;
pub use password::session_password;
pub use replica::{Replica, Settings, Traffic};
