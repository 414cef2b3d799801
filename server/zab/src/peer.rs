//! One member of an ensemble, as far as agreement goes.
//!
//! A [`Peer`] is a value: what happened goes in by `handle_*`, what the replica above wants by the
//! other methods, and what is to be done comes out of [`Peer::poll_effect`]. It holds exactly one
//! role. A role ends as a whole, by a fault, and the next one begins with an election; what outlives
//! it is in [`Core`]. How one role follows another is in `peer/roles.rs`.

mod roles;

use lockkeeper_wire::{
    ForwardedRequest, LeaderPacket, LearnerPacket, Notification, ServerId, SessionId, Touch, Zxid,
};

use crate::core::Core;
use crate::effect::{Effect, IoId, LinkId};
use crate::election::Election;
use crate::fault::Fault;
use crate::history::{History, Log, Txn};
use crate::leader::{Leading, is_epoch_over};
use crate::learner::Kind;
use crate::membership::{Membership, Memberships};
use crate::settings::Settings;
pub use roles::RoleKind;
use roles::{Role, alone, standing};

/// One member of an ensemble.
///
/// After any input or call, drain [`Peer::poll_effect`] before the next. Times are ms on one clock
/// that never goes back.
#[derive(Debug)]
pub struct Peer {
    core: Core,
    role: Role,
    is_stopping: bool,
}

impl Peer {
    /// A member of an ensemble, searching for a leader.
    ///
    /// `last_seen` is a newer membership that was proposed and is maybe not committed.
    pub fn new(
        settings: Settings,
        membership: Membership,
        last_seen: Option<Membership>,
        history: History,
        now_ms: u64,
    ) -> Self {
        let (votes, last) = (history.votes, history.last);
        let (accepted, written) = (history.accepted_epoch, history.current_epoch);
        // A log that holds a transaction of an epoch holds all that the epoch began with, unless what
        // was promised before the log began is forgotten.
        let current = match votes {
            true => written.max(last.0 >> 32),
            false => written,
        };
        // A membership whose proposal is not in the log has no say.
        let is_lost = (last_seen.as_ref()).is_some_and(|seen| seen.version() > last.0);
        assert!(
            accepted >= current,
            "epoch {current} was joined, and only {accepted} accepted"
        );
        let election = Election::new(
            settings.sid,
            settings.reconfig_enabled,
            settings.election,
            Memberships::new(membership, last_seen.filter(|_| !is_lost)),
            standing(votes, last, current),
            now_ms,
        );
        let log = Log::new(history, &settings);
        let mut peer = Self {
            core: Core::new(settings, election, log, (accepted, written), votes),
            role: Role::Looking,
            is_stopping: false,
        };
        if current > written {
            peer.core.join_epoch(current);
        }
        if is_lost {
            let membership = peer.core.membership().clone();
            peer.core.emit(Effect::MembershipSeen { membership });
        }
        peer.follow_election(now_ms);
        peer
    }

    /// An ensemble of one, which leads at once in the epoch of its log: no election, no connections,
    /// no epochs on the disk, and an epoch whose counter is used up is followed by the next.
    pub fn standalone(last: Zxid) -> Self {
        let settings = Settings::alone();
        let epoch = last.0 >> 32;
        let history = History {
            last,
            oldest: last,
            accepted_epoch: epoch,
            current_epoch: epoch,
            recent: Vec::new(),
            votes: true,
        };
        let mut election = Election::new(
            settings.sid,
            false,
            settings.election,
            Memberships::new(alone(settings.sid), None),
            (last, epoch),
            0,
        );
        // Its outcome is no news.
        while election.poll_effect().is_some() {}
        let log = Log::new(history, &settings);
        let mut core = Core::new(settings, election, log, (epoch, epoch), true);
        let leading = Leading::alone(&mut core, epoch + i64::from(is_epoch_over(last)));
        Self {
            core,
            role: Role::Alone(Box::new(leading)),
            is_stopping: false,
        }
    }

    /// Another server told its vote.
    pub fn handle_notification(&mut self, from: ServerId, notification: Notification, now_ms: u64) {
        if matches!(self.role, Role::Alone(_) | Role::Stopped) {
            return;
        }
        let election = &mut self.core.election;
        election.handle_notification(from, notification, now_ms);
        self.follow_election(now_ms);
    }

    /// A server's election port refuses, or its link was reset.
    pub fn handle_voter_unreachable(&mut self, sid: ServerId, now_ms: u64) {
        if matches!(self.role, Role::Looking) {
            self.core.election.handle_voter_unreachable(sid, now_ms);
            self.follow_election(now_ms);
        }
    }

    /// [`Effect::Connect`] succeeded.
    pub fn handle_leader_connected(&mut self, link: LinkId, now_ms: u64) {
        match &mut self.role {
            Role::Learning(learning) => learning.handle_connected(&mut self.core, link, now_ms),
            _ => self.core.close(link),
        }
    }

    /// [`Effect::Connect`] failed.
    pub fn handle_leader_unreachable(&mut self, now_ms: u64) {
        if let Role::Learning(learning) = &mut self.role {
            let result = learning.handle_unreachable();
            self.go_on(result, now_ms);
        }
    }

    /// A server dialled the quorum port.
    pub fn handle_learner_accepted(&mut self, link: LinkId, now_ms: u64) {
        match &mut self.role {
            Role::Leading(leading) => leading.handle_accepted(&self.core, link, now_ms),
            _ => self.core.close(link),
        }
    }

    /// A learner sent a packet.
    pub fn handle_learner_packet(&mut self, link: LinkId, packet: LearnerPacket, now_ms: u64) {
        if let Role::Leading(leading) = &mut self.role {
            let result = leading.handle_packet(&mut self.core, link, packet, now_ms);
            self.go_on(result, now_ms);
        }
    }

    /// The leader sent a packet.
    pub fn handle_leader_packet(&mut self, link: LinkId, packet: LeaderPacket, now_ms: u64) {
        if let Role::Learning(learning) = &mut self.role {
            let result = learning.handle_packet(&mut self.core, link, packet, now_ms);
            self.go_on(result, now_ms);
        }
    }

    /// The image behind [`LeaderPacket::Snap`] was read to its end. Its reader keeps it until
    /// [`Effect::InstallImage`] or the end of the link.
    pub fn handle_image(&mut self, link: LinkId, now_ms: u64) {
        if let Role::Learning(learning) = &mut self.role {
            let result = learning.handle_image(&mut self.core, link, now_ms);
            self.go_on(result, now_ms);
        }
    }

    /// Bytes of an image moved on this link.
    pub fn handle_activity(&mut self, link: LinkId, now_ms: u64) {
        match &mut self.role {
            Role::Leading(leading) => leading.handle_activity(&self.core, link, now_ms),
            Role::Learning(learning) => learning.handle_activity(&self.core, link, now_ms),
            Role::Looking | Role::Alone(_) | Role::Stopped => {}
        }
    }

    /// A link is gone.
    pub fn handle_link_closed(&mut self, link: LinkId, now_ms: u64) {
        match &mut self.role {
            Role::Leading(leading) => leading.handle_closed(&mut self.core, link),
            Role::Learning(learning) => {
                let result = learning.handle_closed(&mut self.core, link);
                self.go_on(result, now_ms);
            }
            Role::Looking | Role::Alone(_) | Role::Stopped => {}
        }
    }

    /// All storage effects up to this one are durable.
    pub fn handle_durable(&mut self, upto: IoId, now_ms: u64) {
        self.core.handle_durable(upto);
        match &mut self.role {
            Role::Leading(leading) | Role::Alone(leading) => {
                let result = leading.progress(&mut self.core, now_ms);
                self.go_on(result, now_ms);
            }
            Role::Learning(learning) => learning.handle_durable(&mut self.core),
            Role::Looking | Role::Stopped => {}
        }
    }

    /// The answer to [`Effect::ReadLog`]: all transactions of the range in order; `None` if the log
    /// does not reach back to its start, holds a gap, or if it would be too much.
    pub fn handle_log_read(&mut self, link: LinkId, txns: Option<Vec<Txn>>, now_ms: u64) {
        if let Role::Leading(leading) = &mut self.role {
            leading.handle_log_read(&mut self.core, link, txns, now_ms);
        }
    }

    /// The time of [`Peer::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        let result = match &mut self.role {
            Role::Looking => {
                self.core.election.handle_timeout(now_ms);
                return self.follow_election(now_ms);
            }
            Role::Leading(leading) => leading.handle_timeout(&mut self.core, now_ms),
            Role::Learning(learning) => learning.handle_timeout(now_ms),
            Role::Alone(_) | Role::Stopped => return,
        };
        self.go_on(result, now_ms);
    }

    /// The zxid of the next proposal; `None` for all but a serving leader, and for a leader that is
    /// about to end its epoch.
    pub fn next_zxid(&self) -> Option<Zxid> {
        match &self.role {
            Role::Leading(leading) | Role::Alone(leading) => leading.next_zxid(&self.core),
            Role::Looking | Role::Learning(_) | Role::Stopped => None,
        }
    }

    /// Proposes a transaction with the zxid [`Peer::next_zxid`]; `membership` is the one that it
    /// brings, if it brings one.
    ///
    /// # Panics
    ///
    /// If the zxid is another one: transactions are made from the leader's own numbers.
    pub fn propose(&mut self, txn: Txn, membership: Option<Membership>, now_ms: u64) {
        match &mut self.role {
            Role::Leading(leading) | Role::Alone(leading) => {
                let result = leading.propose(&mut self.core, txn, membership, now_ms);
                self.go_on(result, now_ms);
            }
            _ => panic!("only a leader that serves proposes"),
        }
    }

    /// Sends a client's write to the leader; nothing happens if there is none.
    pub fn forward(&mut self, request: ForwardedRequest) {
        if let Role::Learning(learning) = &mut self.role {
            learning.forward(&mut self.core, request);
        }
    }

    /// Asks that all that is committed now be delivered here; answered by [`Effect::Synced`] unless
    /// the role ends first. Session and cxid are the asking client's: a learner hands them to its
    /// leader.
    pub fn sync(&mut self, ticket: u64, session: SessionId, cxid: i32, _now_ms: u64) {
        match &mut self.role {
            Role::Leading(leading) | Role::Alone(leading) => leading.sync(&mut self.core, ticket),
            Role::Learning(learning) => learning.sync(&mut self.core, ticket, session, cxid),
            Role::Looking | Role::Stopped => {}
        }
    }

    /// The answer to [`Effect::Pinged`].
    pub fn pong(&mut self, touches: Vec<Touch>) {
        if let Role::Learning(learning) = &mut self.role {
            learning.pong(&mut self.core, touches);
        }
    }

    /// Asks the leader whether a session that moved here is alive.
    pub fn revalidate(&mut self, session: SessionId, timeout_ms: i32) {
        if let Role::Learning(learning) = &mut self.role {
            learning.revalidate(&mut self.core, session, timeout_ms);
        }
    }

    /// The answer to [`Effect::Revalidate`].
    pub fn revalidated(&mut self, link: LinkId, session: SessionId, valid: bool) {
        if let Role::Leading(leading) = &mut self.role {
            leading.revalidated(&mut self.core, link, session, valid);
        }
    }

    /// Leaves the ensemble for good: a leader proposes nothing more, waits for what is outstanding
    /// and closes; all others close at once. [`Peer::role`] is [`RoleKind::Stopped`] then.
    pub fn step_down(&mut self, now_ms: u64) {
        self.is_stopping = true;
        let result = match &mut self.role {
            Role::Leading(leading) | Role::Alone(leading) => {
                leading.hand_over(&mut self.core, now_ms)
            }
            Role::Looking | Role::Learning(_) => Err(Fault::Disconnected),
            Role::Stopped => Ok(()),
        };
        self.go_on(result, now_ms);
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.core.poll_effect()
    }

    /// When to call [`Peer::handle_timeout`], ms.
    pub fn poll_timeout(&self) -> Option<u64> {
        match &self.role {
            Role::Looking => self.core.election.poll_timeout(),
            Role::Leading(leading) => leading.poll_timeout(),
            Role::Learning(learning) => Some(learning.poll_timeout()),
            Role::Alone(_) | Role::Stopped => None,
        }
    }

    /// What this member is doing.
    pub fn role(&self) -> RoleKind {
        match &self.role {
            Role::Looking => RoleKind::Looking,
            Role::Leading(_) | Role::Alone(_) => RoleKind::Leading,
            Role::Learning(learning) => match learning.kind() {
                Kind::Follower => RoleKind::Following,
                Kind::Observer => RoleKind::Observing,
            },
            Role::Stopped => RoleKind::Stopped,
        }
    }

    /// Whether clients may be served: between [`Effect::Serve`] and [`Effect::Retire`].
    pub fn is_serving(&self) -> bool {
        match &self.role {
            Role::Leading(leading) | Role::Alone(leading) => leading.is_serving(),
            Role::Learning(learning) => learning.is_serving(),
            Role::Looking | Role::Stopped => false,
        }
    }

    /// The accepted and the current epoch, as written last.
    pub fn epochs(&self) -> (i64, i64) {
        (self.core.accepted_epoch, self.core.current_epoch)
    }

    /// The leader, whether it is established yet or not.
    pub fn leader(&self) -> Option<ServerId> {
        match &self.role {
            Role::Leading(_) | Role::Alone(_) => Some(self.core.sid()),
            Role::Learning(learning) => Some(learning.leader()),
            Role::Looking | Role::Stopped => None,
        }
    }

    /// The committed membership.
    pub fn membership(&self) -> &Membership {
        self.core.membership()
    }

    /// The committed membership and the last one seen; `None` for a server that stands alone.
    pub fn memberships(&self) -> Option<&Memberships> {
        (!matches!(self.role, Role::Alone(_))).then(|| self.core.memberships())
    }

    /// Whether a server is in step with this leader, or is this leader itself; false in other roles.
    pub fn is_synced(&self, sid: ServerId) -> bool {
        match &self.role {
            Role::Leading(leading) => sid == self.core.sid() || leading.is_synced(sid),
            _ => false,
        }
    }

    /// The end of the log, durable or not.
    pub fn last_logged(&self) -> Zxid {
        self.core.log.last()
    }

    /// The last transaction in the store.
    pub fn delivered(&self) -> Zxid {
        self.core.log.delivered()
    }
}
