//! Every bound on what a peer can grow, with its default.

/// Bounds; each is the most that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections from one address (`maxClientCnxns`); 0 for no bound.
    pub connections_per_address_max: usize,
    /// Connections in total (`maxCnxns`); 0 for no bound.
    pub connections_max: usize,
    /// Bytes of a frame behind the handshake (`jute.maxbuffer`).
    pub frame_len_max: usize,
    /// Bytes of a connection's first frame.
    pub handshake_len_max: usize,
    /// Time from connecting to the end of the handshake, ms.
    pub handshake_ms_max: u64,
    /// Requests of all connections that wait for a transaction (`globalOutstandingLimit`); above
    /// it, connections that have one waiting are not read.
    pub outstanding_max: usize,
    /// Requests of one connection that wait for a transaction; above it the connection is not read.
    pub outstanding_per_connection_max: usize,
    /// Bytes of replies and events that wait for a slow reader; above it its requests are not read.
    pub unsent_len_pause: usize,
    /// The same; above it the connection is closed, for events cannot be held back.
    pub unsent_len_max: usize,
    /// Watches of one connection.
    pub watches_per_connection_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_address_max: 60,
            connections_max: 4096,
            frame_len_max: lockkeeper_wire::frame::FRAME_LEN_MAX,
            handshake_len_max: 8 << 10,
            handshake_ms_max: 10_000,
            outstanding_max: 1000,
            outstanding_per_connection_max: 1000,
            unsent_len_pause: 4 << 20,
            unsent_len_max: 64 << 20,
            watches_per_connection_max: 100_000,
        }
    }
}
