//! What a session is told at its start.

use std::time::Duration;

use crate::auth::Credential;
use crate::connect_string::ConnectString;
use crate::endpoints::Backoff;
use crate::event::SessionCredentials;

/// Settings of a session.
pub struct Config {
    /// Servers and chroot.
    pub connect: ConnectString,
    /// The session timeout asked for, 1 ms to 2^31 - 1 ms; the server's answer counts.
    pub session_timeout: Duration,
    /// Whether a server without a quorum will do, for reads.
    pub read_only: bool,
    /// A session to take over instead of making a new one.
    pub resume: Option<SessionCredentials>,
    /// Credentials shown to every server, in this order.
    pub auth: Vec<Credential>,
    /// How long the first connect may take; `None` for as long as it takes.
    pub first_connect_max: Option<Duration>,
    /// Delays between rounds over the servers.
    pub backoff: Box<dyn Backoff>,
    /// Randomness for the servers' order and for jitter.
    pub seed: u64,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests without a reply on a link; more wait in the queue. A server counts all its clients
    /// against `globalOutstandingLimit`, 1000 by default.
    pub in_flight_max: usize,
    /// Bytes of a request's frame; servers drop the link above their `jute.maxbuffer`.
    pub request_len_max: usize,
    /// Bytes of a reply's frame; servers do not bound what they send.
    pub reply_len_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_max: 1000,
            request_len_max: lockkeeper_wire::frame::FRAME_LEN_MAX,
            reply_len_max: 64 * 1024 * 1024,
        }
    }
}
