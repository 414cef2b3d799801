//! Carrying out what a member says.

use lockkeeper_wire::{LeaderPacket, LearnerPacket, ServerId};
use lockkeeper_zab::{Effect, IoId, LinkId, Peer, Serving};

use crate::disk::Write;
use crate::net::Message;
use crate::world::{Event, World};

impl World {
    /// Carries out all effects, or as many as come before a crash.
    pub(crate) fn drain(&mut self, member: usize) {
        loop {
            if self.members[member].crash_in == Some(0) {
                let ms = self.rng.between(50, 2_000);
                self.after(ms, Event::Start(member));
                self.reached("crash between effects");
                return self.crash(member);
            }
            let this = &mut self.members[member];
            let Some(effect) = this.peer.as_mut().and_then(Peer::poll_effect) else {
                break;
            };
            if let Some(count) = &mut this.crash_in {
                *count -= 1;
            }
            self.carry_out(member, effect);
        }
        let due = self.members[member]
            .peer
            .as_ref()
            .and_then(Peer::poll_timeout);
        if let Some(at_ms) = due {
            let life = self.life(member);
            self.at(at_ms.max(self.now_ms), Event::Timer { member, life });
        }
    }

    fn carry_out(&mut self, member: usize, effect: Effect) {
        self.log(|| format!("{} {effect:?}", member + 1));
        self.note(&effect);
        match effect {
            Effect::Notify { to, notification } => {
                let to = (to.0 - 1) as usize;
                if self.slots.insert((member, to), notification).is_none() {
                    let ms = self.delay_ms();
                    self.after(ms, Event::Notify { from: member, to });
                }
            }
            Effect::Listen => self.members[member].is_listening = true,
            Effect::StopListening => self.members[member].is_listening = false,
            Effect::Connect { leader } => self.connect(member, leader),
            Effect::SendToLearner { link, packet } => {
                self.checks.said_by_leader(&self.members[member], &packet);
                self.send(link, Message::ToLearner(packet));
            }
            Effect::SendImage { link } => {
                let image = self.members[member].store.clone();
                self.send(link, Message::Image(image));
            }
            Effect::SendToLeader { link, packet } => {
                self.checks
                    .said_by_learner(&self.members[member], member, &packet);
                self.send(link, Message::ToLeader(packet));
            }
            Effect::Close { link } => {
                self.send(link, Message::Closed);
                self.net.close(link);
            }
            Effect::Append { io, txn } => self.write(member, io, Write::Append(txn)),
            Effect::Truncate { io, zxid } => self.write(member, io, Write::Truncate(zxid)),
            Effect::InstallImage { io, link, zxid } => {
                let image = self.members[member].images.remove(&link).expect("an image");
                self.write(member, io, Write::Install(image, zxid));
            }
            Effect::WriteAcceptedEpoch { io, epoch } => {
                self.write(member, io, Write::Accepted(epoch));
            }
            Effect::WriteCurrentEpoch { io, epoch } => {
                self.write(member, io, Write::Current(epoch));
            }
            Effect::ReadLog { link, after, upto } => {
                let txns = match self.rng.one_in(4) {
                    true => None,
                    false => self.members[member].disk.read(after, upto),
                };
                let (ms, life) = (self.delay_ms(), self.life(member));
                self.after(
                    ms,
                    Event::LogRead {
                        member,
                        life,
                        link,
                        txns,
                    },
                );
            }
            Effect::Deliver { txn } => self.checks.delivered(&mut self.members, member, txn),
            Effect::Replay { txn } => self.checks.replayed(&mut self.members[member], txn),
            Effect::Serve { role } => {
                self.members[member].serving = Some(role);
                self.checks.serves(&self.members, member, role);
            }
            Effect::Retire => {
                self.members[member].serving = None;
                self.members[member].syncs.clear();
            }
            Effect::Pinged => self.members[member]
                .peer
                .as_mut()
                .expect("it speaks")
                .pong(Vec::new()),
            Effect::Synced { ticket } => {
                self.checks.synced(&mut self.members[member], ticket);
            }
            Effect::Forwarded { .. }
            | Effect::Touched { .. }
            | Effect::Revalidate { .. }
            | Effect::Revalidated { .. } => {}
            Effect::MembershipSeen { membership } => self.members[member].seen = Some(membership),
            Effect::MembershipChanged { membership } => {
                self.checks.activated(&membership);
                self.members[member].config = membership;
            }
        }
    }

    /// Counts what is rare enough to be missed.
    fn note(&mut self, effect: &Effect) {
        let what = match effect {
            Effect::SendToLearner { packet, .. } => match packet {
                LeaderPacket::Diff { .. } => "DIFF",
                LeaderPacket::Trunc { .. } => "TRUNC",
                LeaderPacket::Snap { .. } => "SNAP",
                _ => return,
            },
            Effect::Truncate { .. } => "cut",
            Effect::InstallImage { .. } => "image",
            Effect::ReadLog { .. } => "log read",
            Effect::Replay { .. } => "replay",
            Effect::Synced { .. } => "sync",
            Effect::Serve {
                role: Serving::Leading { .. },
            } => "epoch",
            Effect::SendToLeader {
                packet: LearnerPacket::AckEpoch { last, .. },
                ..
            } if last.0 < 0 => "image wanted",
            _ => return,
        };
        self.reached(what);
    }

    fn connect(&mut self, member: usize, leader: ServerId) {
        self.members[member].dial += 1;
        let (dial, life) = (self.members[member].dial, self.life(member));
        let ms = self.delay_ms();
        self.after(
            ms,
            Event::Dial {
                member,
                life,
                dial,
                leader,
                tries: 5,
            },
        );
    }

    fn send(&mut self, link: LinkId, message: Message) {
        let at_ms = self.now_ms + self.delay_ms();
        if let Some((to, at_ms)) = self.net.send(link, message, at_ms) {
            self.at(at_ms, Event::Link(to));
        }
    }

    fn write(&mut self, member: usize, io: IoId, write: Write) {
        let disk = &mut self.members[member].disk;
        let is_idle = disk.waiting.is_empty();
        disk.waiting.push_back((io, write));
        if is_idle {
            self.schedule_sync(member);
        }
    }

    pub(crate) fn delay_ms(&mut self) -> u64 {
        match self.rng.one_in(50) && !self.is_calm {
            true => self.rng.between(5, 400),
            false => self.rng.between(1, 5),
        }
    }
}
