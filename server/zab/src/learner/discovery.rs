//! Discovery: the leader offers an epoch, and the learner promises to follow no older one.
//!
//! The promise is durable before it is made. What the learner adds to it, the end of its log and the
//! epoch it joined last, decides whether this leader may lead at all, so it is durable too.

use lockkeeper_wire::{LeaderPacket, LearnerPacket, ServerId};

use super::sync::Sync;
use super::{Kind, out_of_phase};
use crate::core::Core;
use crate::effect::{Effect, LinkId};
use crate::fault::Fault;
use crate::plan::IMAGE_WANTED;

/// FOLLOWERINFO or OBSERVERINFO is sent; LEADERINFO is awaited.
#[derive(Debug)]
pub(super) struct Discovery;

/// In ACKEPOCH, instead of an epoch: "do not count me among those who have less than you".
const DOES_NOT_COUNT: i32 = -1;

impl Discovery {
    /// Accepts the leader's epoch.
    pub(super) fn handle_packet(
        self,
        core: &mut Core,
        link: LinkId,
        packet: LeaderPacket,
        leader: ServerId,
        kind: Kind,
    ) -> Result<Sync, Fault> {
        let LeaderPacket::LeaderInfo { zxid, .. } = packet else {
            return Err(out_of_phase(&packet, "accepting an epoch"));
        };
        let (epoch, accepted) = (zxid.0 >> 32, core.accepted_epoch);
        if epoch < accepted {
            return Err(Fault::StaleEpoch {
                offered: epoch,
                accepted,
            });
        }
        // Only once: the next leader may need a promise that counts.
        let wants_image = std::mem::take(&mut core.wants_image);
        let counts = epoch > accepted && core.votes && !wants_image;
        let current_epoch = match counts {
            true => i32::try_from(core.current_epoch).unwrap_or(DOES_NOT_COUNT),
            false => DOES_NOT_COUNT,
        };
        // Who has forgotten what it promised promises nothing until it has a history again: its disk
        // must go on to show that it has none.
        if epoch > accepted && core.votes {
            core.accept_epoch(epoch);
        }
        let last = match wants_image {
            true => IMAGE_WANTED,
            false => core.log.last(),
        };
        let packet = LearnerPacket::AckEpoch {
            last,
            current_epoch,
        };
        core.emit_after(core.io(), Effect::SendToLeader { link, packet });
        Ok(Sync::new(epoch, leader, kind, wants_image))
    }
}
