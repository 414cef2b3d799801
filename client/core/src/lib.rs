//! A client's session with a ZooKeeper ensemble as a state machine without I/O.
//!
//! The owner of a [`Session`] moves bytes and time; the session decides everything else. It never
//! reads a clock, opens a socket, starts a thread or asks for entropy: the same inputs give the
//! same outputs, on any machine.
//!
//! | inputs | |
//! |---|---|
//! | [`Session::handle_connected`] | the link asked for is open |
//! | [`Session::handle_bytes`] | bytes have come |
//! | [`Session::handle_disconnected`] | the link has ended or could not be opened |
//! | [`Session::handle_timeout`] | the time of [`Session::poll_timeout`] has come |
//! | [`Session::submit`] and the other calls | the application wants something |
//!
//! | outputs | |
//! |---|---|
//! | [`Session::poll_event`] | what to do with the link, replies, watch events, states |
//! | [`Session::poll_transmit`] | bytes to send, when the last ones have been taken |
//! | [`Session::poll_timeout`] | when to call `handle_timeout` |
//!
//! **Contract.** After any input drain all outputs before the next one, events first. Replies and
//! watch events come out of one queue in the server's order; an owner that keeps this order up to
//! its callers gives them ZooKeeper's ordering guarantees. Each ticket is answered exactly once.
//! There is one owner; time never goes back.
//!
//! ```text
//! connect_string ← error ← event ← auth, pending, phase, watches
//! connect_string ← endpoints; auth, endpoints ← config; event ← deadlines
//! contact ← pending, timer
//! config, auth, chroot, deadlines, pending, phase, timer, watches ← session ← receive, transmit
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod auth;
mod chroot;
mod config;
mod connect_string;
mod contact;
mod deadlines;
mod endpoints;
mod error;
mod event;
mod pending;
mod phase;
mod receive;
mod session;
mod timer;
mod transmit;
mod watches;

pub use auth::Credential;
pub use chroot::CONFIG_PATH;
pub use config::{Config, Limits};
pub use connect_string::{ConnectString, ConnectStringError, DEFAULT_PORT, HostPort};
pub use endpoints::Backoff;
pub use error::{Error, LinkLoss, Misuse, OpError, Outcome, Violation};
pub use event::{Event, SessionCredentials, State, StateChange, Ticket, WatchEnd, WatchEvent};
pub use session::Session;
