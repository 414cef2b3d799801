//! What the operator decides, and the bounds.

use lockkeeper_wire::ServerId;

pub use crate::election::ElectionSettings;

/// How a member is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This member.
    pub sid: ServerId,
    /// The unit of the limits (`tickTime`), ms.
    pub tick_ms: u64,
    /// Ticks in which a leader must find a quorum and a learner must be in step (`initLimit`).
    pub init_limit: u32,
    /// Ticks after which a silent partner is given up (`syncLimit`).
    pub sync_limit: u32,
    /// Whether memberships told by others are taken over (`reconfigEnabled`).
    pub reconfig_enabled: bool,
    /// Delivered transactions kept in memory for learners that lag, at most
    /// (`zookeeper.commitLogCount`).
    pub recent_max: usize,
    /// Bytes of transactions kept in memory beyond which none that are delivered stay.
    pub recent_bytes_max: usize,
    /// How votes are sent.
    pub election: ElectionSettings,
}

impl Settings {
    /// Limits as in Apache's sample configuration, and Apache's defaults for the rest.
    pub fn new(sid: ServerId) -> Self {
        Self {
            sid,
            tick_ms: 2_000,
            init_limit: 10,
            sync_limit: 5,
            reconfig_enabled: false,
            recent_max: 500,
            recent_bytes_max: 64 << 20,
            election: ElectionSettings::default(),
        }
    }

    /// Of a server without an ensemble: nobody ever lags.
    pub(crate) fn alone() -> Self {
        Self {
            recent_max: 0,
            ..Self::new(ServerId(0))
        }
    }
}
