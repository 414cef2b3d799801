//! A learner: one connection to the leader, from the dialling to the end of the epoch
//! (`Learner`, `Follower`, `Observer`).
//!
//! | phase | file | ends with |
//! |---|---|---|
//! | dialling | here | a connection |
//! | discovery | `discovery.rs` | the leader's epoch, accepted |
//! | synchronization | `sync.rs` | the leader's history, and UPTODATE |
//! | broadcast | `broadcast.rs` | the end of the role |
//!
//! Whatever goes wrong ends the role: the connection is closed and the member looks for a leader
//! again. Each phase is a value that the next one replaces, so nothing of one phase can be met in
//! another.

mod broadcast;
mod discovery;
mod sync;

use lockkeeper_wire::{
    ForwardedRequest, LeaderPacket, LearnerInfo, LearnerPacket, ServerId, SessionId, Touch, Zxid,
};

use crate::core::Core;
use crate::effect::{Effect, LinkId, Serving};
use crate::fault::Fault;
use broadcast::Broadcast;
use discovery::Discovery;
use sync::Sync;

/// A member that has another one for its leader.
#[derive(Debug)]
pub(crate) struct Learning {
    leader: ServerId,
    kind: Kind,
    link: Option<LinkId>,
    phase: Phase,
    /// Whether UPTODATE has come; true to the end of the role, however it ends.
    serves: bool,
    deadline_ms: u64,
}

/// With a vote, or to get one, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Follower,
    Observer,
}

#[derive(Debug)]
enum Phase {
    Dialling,
    Discovery(Discovery),
    Sync(Sync),
    Broadcast(Broadcast),
    /// A phase is being replaced, or has failed.
    Over,
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Dialling => "dialling",
            Self::Discovery(_) => "accepting an epoch",
            Self::Sync(_) => "taking over the leader's history",
            Self::Broadcast(_) => "following",
            Self::Over => "leaving",
        }
    }
}

impl Learning {
    /// Begins to dial.
    pub(crate) fn new(core: &mut Core, leader: ServerId, kind: Kind, now_ms: u64) -> Self {
        core.emit(Effect::Connect { leader });
        Self {
            leader,
            kind,
            link: None,
            phase: Phase::Dialling,
            serves: false,
            deadline_ms: now_ms + core.init_ms(),
        }
    }

    pub(crate) fn leader(&self) -> ServerId {
        self.leader
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether clients are served.
    pub(crate) fn is_serving(&self) -> bool {
        self.serves
    }

    fn serving(&self) -> Serving {
        let leader = self.leader;
        match self.kind {
            Kind::Follower => Serving::Following { leader },
            Kind::Observer => Serving::Observing { leader },
        }
    }

    pub(crate) fn handle_connected(&mut self, core: &mut Core, link: LinkId, now_ms: u64) {
        if !matches!(self.phase, Phase::Dialling) {
            return core.close(link);
        }
        self.link = Some(link);
        self.phase = Phase::Discovery(Discovery);
        self.deadline_ms = now_ms + core.init_ms();
        let accepted = Zxid(core.accepted_epoch << 32);
        let info = LearnerInfo::new(core.sid(), core.membership().version());
        let packet = match self.kind {
            Kind::Follower => LearnerPacket::FollowerInfo { accepted, info },
            Kind::Observer => LearnerPacket::ObserverInfo { accepted, info },
        };
        core.tell_leader(link, packet);
    }

    pub(crate) fn handle_unreachable(&mut self) -> Result<(), Fault> {
        match self.phase {
            Phase::Dialling => Err(Fault::Disconnected),
            _ => Ok(()),
        }
    }

    pub(crate) fn handle_packet(
        &mut self,
        core: &mut Core,
        link: LinkId,
        packet: LeaderPacket,
        now_ms: u64,
    ) -> Result<(), Fault> {
        if self.link != Some(link) {
            return Ok(());
        }
        if let LeaderPacket::Unknown(kind) = packet {
            tracing::warn!(kind, leader = %self.leader, "a packet of an unknown kind is ignored");
        } else {
            let phase = std::mem::replace(&mut self.phase, Phase::Over);
            self.phase = self.next(phase, core, link, packet, now_ms)?;
            self.serves |= matches!(self.phase, Phase::Broadcast(_));
        }
        self.deadline_ms = now_ms + self.read_limit_ms(core);
        Ok(())
    }

    /// What a phase becomes with a packet.
    fn next(
        &self,
        phase: Phase,
        core: &mut Core,
        link: LinkId,
        packet: LeaderPacket,
        now_ms: u64,
    ) -> Result<Phase, Fault> {
        match phase {
            Phase::Discovery(discovery) => discovery
                .handle_packet(core, link, packet, self.leader, self.kind)
                .map(Phase::Sync),
            Phase::Sync(mut sync) if packet == LeaderPacket::UpToDate => {
                let serving = self.serving();
                let broadcast = sync.finish(core, link, serving, now_ms)?;
                Ok(Phase::Broadcast(broadcast))
            }
            Phase::Sync(mut sync) => {
                sync.handle_packet(core, link, packet, now_ms)?;
                Ok(Phase::Sync(sync))
            }
            Phase::Broadcast(mut broadcast) => {
                broadcast.handle_packet(core, link, packet, now_ms)?;
                Ok(Phase::Broadcast(broadcast))
            }
            Phase::Dialling | Phase::Over => Err(out_of_phase(&packet, phase.name())),
        }
    }

    fn read_limit_ms(&self, core: &Core) -> u64 {
        match &self.phase {
            Phase::Broadcast(_) => core.sync_ms(),
            Phase::Sync(sync) if sync.has_joined() => core.sync_ms(),
            _ => core.init_ms(),
        }
    }

    /// The image of a SNAP is complete.
    pub(crate) fn handle_image(
        &mut self,
        core: &mut Core,
        link: LinkId,
        now_ms: u64,
    ) -> Result<(), Fault> {
        if self.link != Some(link) {
            return Ok(());
        }
        self.deadline_ms = now_ms + self.read_limit_ms(core);
        match &mut self.phase {
            Phase::Sync(sync) => sync.handle_image(core, link),
            phase => Err(Fault::OutOfPhase {
                packet: "an image",
                phase: phase.name(),
            }),
        }
    }

    pub(crate) fn handle_activity(&mut self, core: &Core, link: LinkId, now_ms: u64) {
        if self.link == Some(link) {
            self.deadline_ms = now_ms + self.read_limit_ms(core);
        }
    }

    pub(crate) fn handle_closed(&mut self, core: &mut Core, link: LinkId) -> Result<(), Fault> {
        if self.link != Some(link) {
            return Ok(());
        }
        core.forget(link);
        self.link = None;
        Err(Fault::Disconnected)
    }

    pub(crate) fn handle_durable(&mut self, core: &mut Core) {
        if let Phase::Broadcast(broadcast) = &mut self.phase {
            core.deliver();
            broadcast.answer_syncs(core);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now_ms: u64) -> Result<(), Fault> {
        match now_ms >= self.deadline_ms {
            true => Err(Fault::TimedOut {
                phase: self.phase.name(),
            }),
            false => Ok(()),
        }
    }

    pub(crate) fn poll_timeout(&self) -> u64 {
        self.deadline_ms
    }

    /// The role ends: the connection is closed and nothing more is said on it.
    pub(crate) fn leave(&mut self, core: &mut Core) {
        self.phase = Phase::Over;
        if let Some(link) = self.link.take() {
            core.close(link);
        }
    }

    pub(crate) fn forward(&mut self, core: &mut Core, request: ForwardedRequest) {
        if let (Phase::Broadcast(_), Some(link)) = (&self.phase, self.link) {
            core.tell_leader(link, LearnerPacket::Request(request));
        }
    }

    pub(crate) fn sync(&mut self, core: &mut Core, ticket: u64, session: SessionId, cxid: i32) {
        if let (Phase::Broadcast(broadcast), Some(link)) = (&mut self.phase, self.link) {
            broadcast.sync(core, link, ticket, session, cxid);
        }
    }

    pub(crate) fn pong(&mut self, core: &mut Core, touches: Vec<Touch>) {
        if let (Phase::Broadcast(broadcast), Some(link)) = (&mut self.phase, self.link) {
            broadcast.pong(core, link, touches);
        }
    }

    pub(crate) fn revalidate(&mut self, core: &mut Core, session: SessionId, timeout_ms: i32) {
        if let (Phase::Broadcast(_), Some(link)) = (&self.phase, self.link) {
            let packet = LearnerPacket::Revalidate {
                session,
                timeout_ms,
            };
            core.tell_leader(link, packet);
        }
    }
}

/// The fault of a packet that has no place in a phase.
fn out_of_phase(packet: &LeaderPacket, phase: &'static str) -> Fault {
    let packet = match packet {
        LeaderPacket::LeaderInfo { .. } => "LEADERINFO",
        LeaderPacket::Diff { .. } => "DIFF",
        LeaderPacket::Trunc { .. } => "TRUNC",
        LeaderPacket::Snap { .. } => "SNAP",
        LeaderPacket::NewLeader { .. } => "NEWLEADER",
        LeaderPacket::UpToDate => "UPTODATE",
        LeaderPacket::Proposal { .. } => "PROPOSAL",
        LeaderPacket::Commit { .. } => "COMMIT",
        LeaderPacket::CommitAndActivate { .. } => "COMMITANDACTIVATE",
        LeaderPacket::Inform { .. } => "INFORM",
        LeaderPacket::InformAndActivate { .. } => "INFORMANDACTIVATE",
        LeaderPacket::Ping { .. } => "PING",
        LeaderPacket::Revalidated { .. } => "REVALIDATE",
        LeaderPacket::Sync => "SYNC",
        LeaderPacket::Unknown(_) => "an unknown kind",
    };
    Fault::OutOfPhase { packet, phase }
}
