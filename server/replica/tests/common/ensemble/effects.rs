//! What members want done: by the network, and by their disks.

use lockkeeper_replica::{Effect, LinkId, PeerInput};
use lockkeeper_store::Store;
use lockkeeper_wire::{Record, ServerId};

use super::{DIAL_PAUSE_MS, DIALS, Ensemble, Message, replay};
use crate::common::now;

impl Ensemble {
    /// Does what a member wants until it wants nothing more.
    pub(super) fn carry_out(&mut self, sid: ServerId) {
        loop {
            while let Some(effect) = self.member(sid.0).replica.poll_effect() {
                self.effect(sid, effect);
            }
            let now = now(self.now_ms);
            let member = self.member(sid.0);
            if !member.replica.has_decided() {
                break;
            }
            let outcome = member.replica.commit(
                &mut member.store,
                &mut member.watches,
                now,
                &mut member.clients,
            );
            outcome.expect("what is committed fits");
        }
        self.report_durable(sid);
    }

    pub(super) fn report_durable(&mut self, sid: ServerId) {
        let disk = &mut self.member(sid.0).disk;
        if let Some(io) = disk.written.take() {
            self.input(sid, PeerInput::Durable(io));
        }
    }

    pub(super) fn effect(&mut self, sid: ServerId, effect: Effect) {
        match effect {
            Effect::Notify { to, notification } => {
                let from = sid;
                let notification = PeerInput::Notification { from, notification };
                self.send(sid, to, notification);
            }
            Effect::Listen => self.member(sid.0).listens = true,
            Effect::StopListening => self.member(sid.0).listens = false,
            Effect::Connect { leader } => self.dial(sid, leader, DIALS),
            Effect::SendToLearner { link, packet } => {
                if let Some((learner, _)) = self.links.get(&link).copied() {
                    self.send(sid, learner, PeerInput::LeaderPacket(link, passed(packet)));
                }
            }
            Effect::SendToLeader { link, packet } => {
                if let Some((_, leader)) = self.links.get(&link).copied() {
                    self.send(sid, leader, PeerInput::LearnerPacket(link, passed(packet)));
                }
            }
            Effect::SendImage { link } => {
                let image = self.member(sid.0).store.clone();
                if let Some((learner, _)) = self.links.get(&link).copied() {
                    let image = Message::Image(link, copied(&image));
                    self.network.push_back((sid, learner, image));
                }
            }
            Effect::Close { link } => self.close(link),
            // The disk has no more than the memory.
            Effect::ReadLog { link, .. } => self.send(sid, sid, PeerInput::LogRead(link, None)),
            Effect::MembershipSeen { membership } => {
                self.member(sid.0).disk.last_seen = Some(membership);
            }
            Effect::MembershipChanged { membership } => {
                self.member(sid.0).disk.membership = Some(membership);
            }
            effect => self.store_effect(sid, effect),
        }
    }

    /// The disk is not to be asked twice: what is written here is durable once it is reported.
    pub(super) fn store_effect(&mut self, sid: ServerId, effect: Effect) {
        let member = self.member(sid.0);
        let disk = &mut member.disk;
        let io = match effect {
            Effect::Append { io, txn } => {
                disk.log.push(txn);
                io
            }
            Effect::Truncate { io, zxid } => {
                disk.log.retain(|txn| txn.zxid <= zxid);
                if member.store.last_zxid() > zxid {
                    member.store = disk.snapshot.clone().unwrap_or_else(|| Store::new(1));
                    replay(&mut member.store, &disk.log);
                }
                io
            }
            Effect::InstallImage { io, link, .. } => {
                member.store = member.images.remove(&link).expect("a whole image");
                disk.snapshot = Some(member.store.clone());
                disk.log.clear();
                io
            }
            Effect::WriteAcceptedEpoch { io, epoch } => {
                disk.accepted_epoch = epoch;
                io
            }
            Effect::WriteCurrentEpoch { io, epoch } => {
                disk.current_epoch = epoch;
                io
            }
            effect => panic!("not for the outside: {effect:?}"),
        };
        disk.written = Some(io);
    }

    pub(super) fn send(&mut self, from: ServerId, to: ServerId, input: PeerInput) {
        self.network.push_back((from, to, Message::Input(input)));
    }

    pub(super) fn dial(&mut self, learner: ServerId, leader: ServerId, attempts: u32) {
        let is_up = !self.cut.contains(&learner)
            && !self.cut.contains(&leader)
            && self.members.get(&leader.0).is_some_and(|it| it.listens);
        if is_up {
            self.next_link += 1;
            let link = LinkId(self.next_link);
            self.links.insert(link, (learner, leader));
            self.send(learner, leader, PeerInput::LearnerAccepted(link));
            self.send(leader, learner, PeerInput::LeaderConnected(link));
        } else if attempts == 1 {
            self.send(learner, learner, PeerInput::LeaderUnreachable);
        } else {
            let at_ms = self.now_ms + DIAL_PAUSE_MS;
            self.dials.push((at_ms, learner, leader, attempts - 1));
        }
    }

    pub(super) fn dial_again(&mut self) {
        let (due, later) = std::mem::take(&mut self.dials)
            .into_iter()
            .partition(|(at_ms, ..)| *at_ms <= self.now_ms);
        self.dials = later;
        let due: Vec<_> = due;
        for (_, learner, leader, attempts) in due {
            self.dial(learner, leader, attempts);
        }
    }
}

/// What the other side reads of a packet.
fn passed<P: Record>(packet: P) -> P {
    P::from_bytes(&packet.to_bytes()).expect("as it was written")
}

/// An image as it travels.
fn copied(store: &Store) -> Store {
    let mut bytes = Vec::new();
    store.write_image(&mut bytes).expect("written");
    Store::read_image(&mut bytes.as_slice(), store.last_zxid(), 7).expect("read")
}
