//! What makes a server a member of an ensemble.

use std::path::PathBuf;

use lockkeeper_wire::ServerId;
use lockkeeper_zab::Membership;

/// All settings of a member beside those of any server. Limits are counted in ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// This member, as the file `myid` in the data directory says.
    pub sid: ServerId,
    /// Who belongs to the ensemble, as far as the configuration knows.
    pub membership: Membership,
    /// A leader has so long to find its quorum, a learner to get in step.
    pub init_limit: u32,
    /// A member that is silent for so long is given up.
    pub sync_limit: u32,
    /// A learner tries so long to connect to its leader; none stands for `init_limit`.
    pub connect_limit: Option<u32>,
    /// The pause between its attempts.
    pub connect_pause_ms: u32,
    /// Whether the ports for members are opened on all interfaces rather than on this member's
    /// addresses.
    pub listen_everywhere: bool,
    /// How leaders are elected.
    pub election: Election,
    /// Whether the leader serves clients.
    pub leader_serves: bool,
    /// TLS between members; none for clear text.
    pub tls: Option<QuorumTls>,
    /// Whether an empty data directory is a new member's. If not, it is one whose data is lost,
    /// which does not vote until it has been brought up to date, unless a file `initialize` says
    /// otherwise.
    pub empty_is_new: bool,
    /// Sessions that only the server of their connection knows.
    pub local_sessions: LocalSessions,
    /// Whether clients that ask for it are served reads while there is no leader.
    pub read_only: bool,
    /// Transactions kept in memory for learners that lag.
    pub recent_max: u32,
    /// A lagging learner is sent transactions from the log as long as these are at most so many
    /// times as large as a snapshot; none always sends the snapshot.
    pub log_sync_factor: Option<f64>,
}

/// TLS between members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumTls {
    /// Whether connections are opened with TLS.
    pub dial: bool,
    /// Whether connections in clear text are accepted too, while an ensemble moves to TLS.
    pub accept_plain: bool,
    /// This member's private key and certificates, in PEM.
    pub key_store: PathBuf,
    /// The authorities of the members' certificates, in PEM.
    pub trust_store: PathBuf,
    /// Whether who connects has to show a certificate.
    pub client_auth: ClientAuth,
    /// Whether a certificate has to be for the host of a member.
    pub verify_hosts: bool,
}

/// Whether who connects has to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not asked for one.
    None,
    /// Only who shows a good one is let in.
    Need,
    /// Who shows a bad one is not let in.
    Want,
}

/// Sessions that only the server of their connection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalSessions {
    /// There are none.
    None,
    /// Every new session is one, and never has an ephemeral.
    Only,
    /// Every new session is one until it creates an ephemeral.
    Upgraded,
}

/// How leaders are elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Time a member's election port may take to accept a connection.
    pub connect_timeout_ms: u32,
    /// Time whoever connects may take to say who it is; none stands for the sync limit.
    pub greeting_timeout_ms: Option<u32>,
    /// Attempts, a second apart, to open the own election port; none for as many as it takes.
    pub bind_attempts_max: Option<u32>,
    /// The first wait before a vote is told again; each next one is twice as long.
    pub wait_min_ms: u32,
    /// The longest of these waits.
    pub wait_max_ms: u32,
}

impl Ensemble {
    /// A member with Apache's settings where `zoo.cfg` sets none, and with the limits of its sample
    /// file.
    pub fn new(sid: ServerId, membership: Membership) -> Self {
        Self {
            sid,
            membership,
            init_limit: 10,
            sync_limit: 5,
            connect_limit: None,
            connect_pause_ms: 100,
            listen_everywhere: false,
            election: Election::default(),
            leader_serves: true,
            tls: None,
            empty_is_new: true,
            local_sessions: LocalSessions::None,
            read_only: false,
            recent_max: RECENT_MIN,
            log_sync_factor: Some(LOG_SYNC_FACTOR),
        }
    }
}

/// The fewest transactions kept in memory, as with Apache's server.
pub(super) const RECENT_MIN: u32 = 500;

/// Apache's default, and what it takes for a factor that it cannot use.
pub(super) const LOG_SYNC_FACTOR: f64 = 0.33;

impl Default for Election {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5000,
            greeting_timeout_ms: None,
            // Names in container platforms resolve some time after the start.
            bind_attempts_max: None,
            wait_min_ms: 200,
            wait_max_ms: 60_000,
        }
    }
}
