//! What other servers, the disk and the clock tell a member.

use lockkeeper_store::Store;
use lockkeeper_wire::{LeaderPacket, LearnerPacket, Notification, ServerId};
use lockkeeper_zab::{Effect, IoId, LinkId, Txn};

use crate::connection::Now;
use crate::replica::Replica;

/// Anything but what a client sends; each is an input of [`lockkeeper_zab::Peer`], where it is
/// described.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PeerInput {
    Notification {
        from: ServerId,
        notification: Notification,
    },
    VoterUnreachable(ServerId),
    LeaderConnected(LinkId),
    LeaderUnreachable,
    LearnerAccepted(LinkId),
    LearnerPacket(LinkId, LearnerPacket),
    LeaderPacket(LinkId, LeaderPacket),
    Image(LinkId),
    Activity(LinkId),
    LinkClosed(LinkId),
    Durable(IoId),
    LogRead(LinkId, Option<Vec<Txn>>),
}

impl Replica {
    /// Something came from outside. What it decided is done by [`Replica::commit`].
    pub fn handle_peer(&mut self, input: PeerInput, store: &Store, now: Now) {
        let (peer, now_ms) = (&mut self.peer, now.mono_ms);
        match input {
            PeerInput::Notification { from, notification } => {
                peer.handle_notification(from, notification, now_ms);
            }
            PeerInput::VoterUnreachable(sid) => peer.handle_voter_unreachable(sid, now_ms),
            PeerInput::LeaderConnected(link) => peer.handle_leader_connected(link, now_ms),
            PeerInput::LeaderUnreachable => peer.handle_leader_unreachable(now_ms),
            PeerInput::LearnerAccepted(link) => peer.handle_learner_accepted(link, now_ms),
            PeerInput::LearnerPacket(link, packet) => {
                peer.handle_learner_packet(link, packet, now_ms);
            }
            PeerInput::LeaderPacket(link, packet) => {
                peer.handle_leader_packet(link, packet, now_ms);
            }
            PeerInput::Image(link) => peer.handle_image(link, now_ms),
            PeerInput::Activity(link) => peer.handle_activity(link, now_ms),
            PeerInput::LinkClosed(link) => peer.handle_link_closed(link, now_ms),
            PeerInput::Durable(io) => peer.handle_durable(io, now_ms),
            PeerInput::LogRead(link, txns) => peer.handle_log_read(link, txns, now_ms),
        }
        self.settle(store, now);
    }

    /// Sorts what the peer wants: what changes nothing that a client can see is done at once, what
    /// is decided waits for [`Replica::commit`], the rest is for the outside.
    pub(crate) fn settle(&mut self, store: &Store, now: Now) {
        self.follow_search(now);
        while let Some(effect) = self.peer.poll_effect() {
            match effect {
                Effect::Forwarded { link, request, .. } => {
                    self.take_forwarded(store, link, &request, now);
                }
                Effect::Revalidate {
                    link,
                    session,
                    timeout_ms,
                } => self.revalidate(store, link, session, timeout_ms, now),
                Effect::Touched { touches } => self.touch(&touches, now),
                Effect::Deliver { .. }
                | Effect::Replay { .. }
                | Effect::Serve { .. }
                | Effect::Retire
                | Effect::Pinged
                | Effect::Revalidated { .. }
                | Effect::Synced { .. }
                | Effect::MembershipChanged { .. } => self.decided.push_back(effect),
                // Behind what is decided already; and whatever follows stays behind it.
                effect if self.is_held_up(&effect) => {
                    self.held_up += 1;
                    self.decided.push_back(effect);
                }
                effect => self.effects.push_back(effect),
            }
        }
    }

    fn is_held_up(&self, effect: &Effect) -> bool {
        self.held_up > 0 || (!self.decided.is_empty() && is_about_store(effect))
    }
}

/// Whether who carries it out looks at the store, or replaces it.
pub(crate) fn is_about_store(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::SendImage { .. } | Effect::InstallImage { .. } | Effect::Truncate { .. }
    )
}
