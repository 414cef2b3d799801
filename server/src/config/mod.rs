//! What the server is told to do: flags, Apache's `zoo.cfg`, or values set by an embedding program.
//!
//! There are two sets of defaults. A server started from flags or embedded is safe: loopback, all
//! limits on. A server started from a `zoo.cfg` does what that file means to Apache's server, and
//! each setting that opens it to the world is worth a [`Warning`]. Both end in one [`Config`].
//!
//! ```text
//! listen, report, keys ← table ← zoo_cfg ← flags
//! ```

mod ensemble;
mod flags;
mod keys;
mod listen;
mod report;
mod table;
mod zoo_cfg;

use std::fmt;
use std::path::{Path, PathBuf};

pub use ensemble::{ClientAuth, Election, Ensemble, LocalSessions, QuorumTls};
pub use flags::{Invocation, USAGE};
pub use listen::{Host, Listen};
pub use report::{ConfigError, Origin, Setting, Warning, WarningKind};

use crate::words::Whitelist;

/// Apache's default tick.
const TICK_TIME_MS_DEFAULT: u32 = 3000;
/// Apache's default port for clients.
const CLIENT_PORT_DEFAULT: u16 = 2181;
/// Apache's default for the longest frame.
const FRAME_LEN_MAX_DEFAULT: usize = 0xf_ffff;

/// All settings of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where snapshots lie, in the subdirectory `version-2`.
    pub data_dir: PathBuf,
    /// Where transaction logs lie; `data_dir` unless set apart.
    pub data_log_dir: PathBuf,
    /// Whether missing directories are made.
    pub data_dir_create: bool,
    /// Where to listen for clients, in clear text.
    pub listen: Vec<Listen>,
    /// Connections that may wait to be accepted; none leaves it to the system.
    pub listen_backlog: Option<u32>,
    /// Threads for connections; none stands for half the processors, eight at most. With one of
    /// them the replica has no thread of its own.
    pub io_threads: Option<u32>,
    /// Whether idle client sockets are probed.
    pub tcp_keep_alive: bool,
    /// The unit of session expiry.
    pub tick_time_ms: u32,
    /// The shortest session timeout granted; none stands for two ticks.
    pub session_timeout_min_ms: Option<u32>,
    /// The longest session timeout granted; none stands for twenty ticks.
    pub session_timeout_max_ms: Option<u32>,
    /// Bounds on what clients may use.
    pub limits: Limits,
    /// How data is kept on disk.
    pub storage: Storage,
    /// How old snapshots and logs are removed; none keeps them all.
    pub purge: Option<Purge>,
    /// The four-letter words that are answered.
    pub words: Whitelist,
    /// Who may do what.
    pub access: Access,
    /// How containers and znodes with a time to live are removed.
    pub containers: Containers,
    /// The ensemble that the server is a member of; none for a server alone.
    pub ensemble: Option<Ensemble>,
    /// What the operator should be told at the start, in the order of the file.
    pub warnings: Vec<Warning>,
}

/// Bounds on what clients may use; none is no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections from one remote address.
    pub connections_per_address_max: Option<u32>,
    /// Connections in total.
    pub connections_max: Option<u32>,
    /// Bytes of one frame, not counting its length prefix.
    pub frame_len_max: usize,
    /// Requests in process; beyond it no connection with a request in process is read from.
    pub outstanding_max: u32,
    /// Watches of one session.
    pub watches_per_session_max: Option<u32>,
    /// Bytes of a connection's first frame, which asks for its session.
    pub handshake_len_max: usize,
    /// How long a connection may take to ask for its session.
    pub handshake_timeout_ms: u32,
}

/// How data is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// A snapshot is taken after at least half and at most all of so many transactions.
    pub snap_count: u32,
    /// The same by bytes of log; none counts transactions only.
    pub snap_log_bytes: Option<u64>,
    /// How far a log file is grown in advance.
    pub pre_alloc_bytes: u64,
    /// Whether transactions are synced before they are acknowledged.
    pub sync: bool,
    /// A sync that takes longer is logged.
    pub sync_warning_ms: u64,
}

/// How old snapshots and logs are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Snapshots that are kept, with the logs they need; at least 3.
    pub snapshots_kept: u32,
    /// Time between two rounds.
    pub interval_ms: u64,
}

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The digest identity that passes every check, as `user:hash`.
    pub super_digest: Option<Secret>,
    /// Whether access lists are not looked at.
    pub acl_skip: bool,
    /// Whether hard quotas refuse writes.
    pub quota_enforce: bool,
    /// Whether znodes with a time to live may be created.
    pub extended_types: bool,
}

/// How containers and znodes with a time to live are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Containers {
    /// Time between two sweeps.
    pub check_interval_ms: u64,
    /// Removals in a minute.
    pub per_minute_max: u32,
    /// Age at which a container that never had a child is removed; none keeps it.
    pub never_used_max_ms: Option<u64>,
}

/// A text that is never printed, and wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Config {
    /// The safe settings, with data in `data_dir` and clients on port 2181 of the loopback
    /// interface. What the fields say otherwise is up to the embedding program; [`Config::check`]
    /// tells whether it makes sense.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            data_log_dir: data_dir.clone(),
            data_dir,
            data_dir_create: true,
            listen: vec![Listen::loopback(CLIENT_PORT_DEFAULT)],
            listen_backlog: None,
            io_threads: None,
            tcp_keep_alive: false,
            tick_time_ms: TICK_TIME_MS_DEFAULT,
            session_timeout_min_ms: None,
            session_timeout_max_ms: None,
            limits: Limits::SAFE,
            storage: Storage::default(),
            purge: Some(Purge::DEFAULT),
            words: Whitelist::default(),
            access: Access {
                super_digest: None,
                acl_skip: false,
                quota_enforce: true,
                extended_types: true,
            },
            containers: Containers::default(),
            ensemble: None,
            warnings: Vec::new(),
        }
    }

    /// Reads a `zoo.cfg` and the dynamic file it may name.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, a value has no meaning, or a setting asks for a feature whose
    /// silent loss would be unsafe.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        zoo_cfg::load(path, &|path| std::fs::read(path))
    }

    /// The shortest session timeout granted.
    pub fn session_timeout_min_ms(&self) -> u32 {
        self.session_timeout_min_ms.unwrap_or_else(|| self.ticks(2))
    }

    /// The longest session timeout granted.
    pub fn session_timeout_max_ms(&self) -> u32 {
        self.session_timeout_max_ms
            .unwrap_or_else(|| self.ticks(20))
    }

    /// Checks that the tick and the session timeouts make sense together.
    ///
    /// # Errors
    ///
    /// A sentence that says what has to be otherwise.
    pub fn check(&self) -> Result<(), String> {
        let (min, max) = (self.session_timeout_min_ms(), self.session_timeout_max_ms());
        if self.tick_time_ms == 0 {
            Err("a tick is at least 1 ms".to_owned())
        } else if min == 0 {
            Err("a session timeout is at least 1 ms".to_owned())
        } else if min > max {
            Err(format!(
                "the shortest session timeout, {min} ms, is above the longest, {max} ms; \
                 they are 2 and 20 ticks unless set"
            ))
        } else if max > i32::MAX as u32 {
            Err(format!("a session timeout is at most {} ms", i32::MAX))
        } else {
            Ok(())
        }
    }

    /// So many ticks, as far as the protocol can carry them.
    fn ticks(&self, count: u32) -> u32 {
        self.tick_time_ms.saturating_mul(count).min(i32::MAX as u32)
    }
}

impl Limits {
    /// The limits of a server started from flags or embedded.
    pub const SAFE: Self = Self {
        connections_per_address_max: Some(60),
        connections_max: Some(4096),
        frame_len_max: FRAME_LEN_MAX_DEFAULT,
        outstanding_max: 1000,
        watches_per_session_max: Some(100_000),
        handshake_len_max: 8 << 10,
        handshake_timeout_ms: 10_000,
    };

    /// The limits of Apache's server where a `zoo.cfg` sets none.
    pub const APACHE: Self = Self {
        connections_max: None,
        watches_per_session_max: None,
        handshake_len_max: FRAME_LEN_MAX_DEFAULT,
        ..Self::SAFE
    };
}

impl Purge {
    /// Three snapshots, looked at every hour.
    pub const DEFAULT: Self = Self {
        snapshots_kept: 3,
        interval_ms: 3_600_000,
    };
}

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_bytes().into())
    }

    /// The bytes of the text; compare them with [`Secret::matches`] only.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether the text is `other`, in a time that tells nothing but the length.
    pub fn matches(&self, other: &[u8]) -> bool {
        let pairs = self.0.iter().zip(other);
        let difference = pairs.fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
        self.0.len() == other.len() && difference == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl Default for Storage {
    fn default() -> Self {
        Self {
            snap_count: 100_000,
            snap_log_bytes: Some(4_194_304 * 1024),
            pre_alloc_bytes: 65_536 * 1024,
            sync: true,
            sync_warning_ms: 1000,
        }
    }
}

impl Default for Containers {
    fn default() -> Self {
        Self {
            check_interval_ms: 60_000,
            per_minute_max: 10_000,
            never_used_max_ms: None,
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from leaving out writes that nobody reads.
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_timeouts_follow_the_tick() {
        let mut config = Config::new("/data");
        assert_eq!(
            (
                config.session_timeout_min_ms(),
                config.session_timeout_max_ms()
            ),
            (6000, 60_000)
        );
        config.tick_time_ms = 500;
        assert_eq!(
            (
                config.session_timeout_min_ms(),
                config.session_timeout_max_ms()
            ),
            (1000, 10_000)
        );
        config.tick_time_ms = u32::MAX;
        assert_eq!(config.session_timeout_max_ms(), i32::MAX as u32);
    }

    #[test]
    fn check_finds_what_makes_no_sense() {
        let mut config = Config::new("/data");
        assert_eq!(config.check(), Ok(()));
        config.session_timeout_min_ms = Some(60_001);
        assert!(
            config
                .check()
                .expect_err("above the longest")
                .contains("60001 ms")
        );
        config.session_timeout_min_ms = Some(0);
        assert!(config.check().is_err());
        config.session_timeout_min_ms = None;
        config.session_timeout_max_ms = Some(i32::MAX as u32 + 1);
        assert!(config.check().is_err());
        config.session_timeout_max_ms = Some(i32::MAX as u32);
        assert_eq!(config.check(), Ok(()));
        config.tick_time_ms = 0;
        assert!(config.check().is_err());
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut config = Config::new("/data");
        config.access.super_digest = Some(Secret::new("super:hash"));
        assert!(!format!("{config:?}").contains("hash"));
        let secret = config.access.super_digest.expect("just set");
        assert!(secret.matches(b"super:hash") && secret == Secret::new("super:hash"));
        assert!(!secret.matches(b"super:hasp") && !secret.matches(b"super:hash1"));
    }
}
