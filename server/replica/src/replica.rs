//! The replica: one member of an ensemble, in every role.

use std::collections::{BTreeMap, VecDeque};

use lockkeeper_store::{ConnectionId, Expiry, PrepSettings, Store};
use lockkeeper_wire::SessionId;
use lockkeeper_zab::{Effect, Peer};

use crate::connection::{Connection, Now};
use crate::limits::Limits;
use crate::role::Role;
use crate::sessions::first_session;

/// How a member is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The high byte of the session ids made here.
    pub server_id: u8,
    /// Unit of session deadlines, ms (`tickTime`).
    pub tick_ms: u64,
    /// The shortest session timeout granted, ms.
    pub session_timeout_min_ms: i32,
    /// The longest session timeout granted, ms.
    pub session_timeout_max_ms: i32,
    /// What writes may do.
    pub prep: PrepSettings,
    /// Sessions that only their own server knows (`localSessionsEnabled`).
    pub local_sessions: Option<LocalSessions>,
    /// Reads are served to those who ask for it while there is no leader (`readonlymode.enabled`).
    pub read_only: bool,
    /// How memberships change; `None` if they do not (`reconfigEnabled`).
    pub reconfig: Option<ReconfigSettings>,
    /// Time between two looks for containers and TTL znodes to remove, ms.
    pub container_check_ms: u64,
    /// Most containers and TTL znodes removed in a minute.
    pub container_removals_per_minute: u64,
    /// Age at which a container that never had a child is removed, ms; 0 for never.
    pub container_never_used_ms: i64,
    /// Bounds.
    pub limits: Limits,
}

/// How local sessions are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalSessions {
    /// The first ephemeral makes such a session one like others
    /// (`localSessionsUpgradingEnabled`); otherwise it has none.
    pub upgrade: bool,
}

/// How changes of the membership are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconfigSettings {
    /// Voters that must be left: 2 where a server with a membership of one stands alone
    /// (`standaloneEnabled`), otherwise 1.
    pub voters_min: usize,
}

/// Counts for an operator, from the start of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Writes answered.
    pub writes: u64,
    /// Sum of the times from a write's arrival to its reply, ms.
    pub write_ms_sum: u64,
    /// The longest of them, ms.
    pub write_ms_max: u64,
    /// Sessions that ended because their client was not heard of.
    pub sessions_expired: u64,
    /// Transactions after which the tree's digest was not the one predicted.
    pub digest_mismatches: u64,
}

/// One member.
///
/// What happens outside comes in through [`connect`](Self::connect), [`submit`](Self::submit),
/// [`disconnect`](Self::disconnect), [`handle_peer`](Self::handle_peer) and [`tick`](Self::tick).
/// After any number of these [`poll_effect`](Self::poll_effect) says what other servers and the
/// disk are to get, and [`commit`](Self::commit) does what has been decided. Both are done until
/// there is nothing left, and before the next input.
#[derive(Debug)]
pub struct Replica {
    pub(crate) settings: Settings,
    pub(crate) peer: Peer,
    pub(crate) role: Role,
    /// Since when there has been no leader, ms.
    pub(crate) looking_since_ms: u64,
    /// Deadlines of local sessions, which outlive every role.
    pub(crate) locals: Expiry,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// The connection that owns each session with one here.
    pub(crate) owners: BTreeMap<SessionId, ConnectionId>,
    /// Syncs that the leader has not answered, by their tickets.
    pub(crate) syncs: BTreeMap<u64, ConnectionId>,
    pub(crate) next_ticket: u64,
    pub(crate) next_session: i64,
    /// What the peer has decided, and effects that must not be seen before that is done.
    pub(crate) decided: VecDeque<Effect>,
    /// How many of them are such effects.
    pub(crate) held_up: usize,
    /// For the outside.
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) traffic: Traffic,
}

impl Replica {
    /// A member on a recovered state: `store` holds all of the log that `peer` was made with.
    pub fn new(settings: Settings, peer: Peer, store: &Store, now: Now) -> Self {
        let next_session = first_session(settings.server_id, now.wall_ms, store);
        let mut replica = Self {
            locals: Expiry::new(settings.tick_ms),
            settings,
            peer,
            role: Role::Looking,
            looking_since_ms: now.mono_ms,
            connections: BTreeMap::new(),
            owners: BTreeMap::new(),
            syncs: BTreeMap::new(),
            next_ticket: 0,
            next_session,
            decided: VecDeque::new(),
            held_up: 0,
            effects: VecDeque::new(),
            traffic: Traffic::default(),
        };
        replica.settle(store, now);
        replica
    }

    /// What other servers and the disk are to get, in order; see [`Effect`]. Those that are about
    /// clients never come out.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The member as other servers see it.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether clients are served, reads only or all.
    pub fn is_serving(&self) -> bool {
        !matches!(self.role, Role::Looking)
    }

    /// Whether clients are served reads alone, since there is no leader.
    pub fn is_read_only(&self) -> bool {
        matches!(self.role, Role::ReadOnly)
    }

    /// Leaves the ensemble; see [`Peer::step_down`].
    pub fn step_down(&mut self, store: &Store, now: Now) {
        self.peer.step_down(now.mono_ms);
        self.settle(store, now);
    }

    /// Counts for an operator.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Writes of this member's clients, and of others' at a leader, that are under way.
    pub fn outstanding(&self) -> usize {
        match &self.role {
            Role::Looking | Role::ReadOnly => 0,
            Role::Leading(leading) => leading.proposals.len(),
            Role::Learning(learning) => learning.forwards.len(),
        }
    }
}
