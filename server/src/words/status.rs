//! What the answers are made of.

use std::net::SocketAddr;
use std::path::PathBuf;

use lockkeeper_wire::{OpCode, SessionId, Zxid};

use super::Value;

/// The state of a server at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// What part the server plays.
    pub mode: Mode,
    /// The last transaction applied.
    pub zxid: Zxid,
    /// Znodes, those under `/zookeeper` included.
    pub znode_count: u64,
    /// Ephemeral znodes.
    pub ephemerals_count: u64,
    /// Watches of all kinds.
    pub watch_count: u64,
    /// Bytes of paths and data.
    pub approximate_data_size: u64,
    /// Sessions known to the ensemble.
    pub sessions_global: u64,
    /// Sessions known to this server only.
    pub sessions_local: u64,
    /// Time from the receipt of a request to its reply.
    pub latency: Latency,
    /// Requests received, pings included.
    pub packets_received: u64,
    /// Replies and watch events sent.
    pub packets_sent: u64,
    /// Open connections.
    pub connection_count: u64,
    /// Requests in process.
    pub outstanding: u64,
    /// Time since the server began to serve.
    pub uptime_ms: u64,
    /// Open and allowed file descriptors; none where the system does not tell.
    pub descriptors: Option<(u64, u64)>,
    /// Sizes of replies; none before the first.
    pub response_sizes: Option<ResponseSizes>,
    /// The open connections; see [`super::Word::needs`].
    pub connections: Vec<Connection>,
    /// The sessions, by id; see [`super::Word::needs`].
    pub sessions: Vec<KnownSession>,
    /// Settings that may be shown.
    pub settings: Settings,
    /// Further metrics in the order in which `mntr` shall list them, without `zk_`. Names consist
    /// of letters, digits and underscores: one other line breaks the scrape of a whole server.
    pub metrics: Vec<(String, Value)>,
}

/// What part a server plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Follows a leader, with a vote.
    Follower,
    /// Leads an ensemble.
    Leader,
    /// Follows a leader without a vote.
    Observer,
    /// Serves reads while its ensemble has no quorum.
    ReadOnly,
    /// Serves alone.
    Standalone,
}

/// Times of requests since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Requests counted.
    pub count: u64,
    /// The sum of their times.
    pub sum_ms: u64,
    /// The shortest; 0 before the first.
    pub min_ms: u64,
    /// The longest; 0 before the first.
    pub max_ms: u64,
}

/// Sizes of replies since the start, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseSizes {
    /// Of the last one.
    pub last: u64,
    /// Of the smallest.
    pub min: u64,
    /// Of the largest.
    pub max: u64,
}

/// An open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The other end.
    pub remote: SocketAddr,
    /// What the server waits for: 1 to read, 4 to write, 5 for both, 0 for neither.
    pub interest_ops: u8,
    /// Requests in process.
    pub queued: u64,
    /// Requests received.
    pub received: u64,
    /// Replies and events sent.
    pub sent: u64,
    /// The session; none before the handshake is done.
    pub session: Option<Session>,
}

/// A connection's session and the last request on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// The last operation; none before the first.
    pub op: Option<OpCode>,
    /// When the connection was made, in milliseconds since 1970.
    pub established_ms: i64,
    /// The session's timeout.
    pub timeout_ms: u32,
    /// The xid of the last request; not shown when negative.
    pub xid: i32,
    /// The zxid of the last reply.
    pub zxid: Zxid,
    /// When the last reply left, on a clock without a fixed start.
    pub responded_ms: u64,
    /// How long the last request took.
    pub latency_last_ms: u64,
    /// Times of the connection's requests.
    pub latency: Latency,
}

/// A session, connected to this server or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSession {
    /// The session's id.
    pub id: SessionId,
    /// Its timeout.
    pub timeout_ms: i32,
    /// Paths of its ephemerals.
    pub ephemerals: Vec<String>,
}

/// Settings that may be shown to anyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The port for clients.
    pub client_port: u16,
    /// Where snapshots lie, `version-2` included.
    pub data_dir: PathBuf,
    /// Bytes there; may be some seconds old.
    pub data_dir_bytes: u64,
    /// Where logs lie, `version-2` included.
    pub data_log_dir: PathBuf,
    /// Bytes there; may be some seconds old.
    pub data_log_dir_bytes: u64,
    /// The unit of session expiry.
    pub tick_time_ms: u32,
    /// Connections from one address; 0 for no bound.
    pub connections_per_address_max: u32,
    /// The shortest session timeout granted.
    pub session_timeout_min_ms: u32,
    /// The longest session timeout granted.
    pub session_timeout_max_ms: u32,
    /// Connections that may wait to be accepted; none leaves it to the system.
    pub listen_backlog: Option<u32>,
    /// The server's id; 0 for a server alone.
    pub server_id: u64,
}

/// The machine and the process, as far as they may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The machine's name.
    pub host_name: String,
    /// Who runs the server.
    pub user_name: String,
    /// The working directory.
    pub user_dir: PathBuf,
}

impl Latency {
    /// Counts one request.
    pub fn record(&mut self, ms: u64) {
        self.min_ms = if self.count == 0 {
            ms
        } else {
            self.min_ms.min(ms)
        };
        self.max_ms = self.max_ms.max(ms);
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.count += 1;
    }

    /// The mean, to four decimals; 0 before the first request.
    pub fn mean_ms(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        (self.sum_ms as f64 / self.count as f64 * 1e4).round() / 1e4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies() {
        let mut latency = Latency::default();
        assert_eq!(latency.mean_ms(), 0.0);
        for ms in [4, 1, 8] {
            latency.record(ms);
        }
        assert_eq!(
            (latency.min_ms, latency.max_ms, latency.mean_ms()),
            (1, 8, 4.3333)
        );
    }
}
