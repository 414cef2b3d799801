//! The life of a member: it starts, its disk keeps up, clients ask it for things, it crashes.

use bytes::Bytes;
use lockkeeper_wire::txn::{SetDataTxn, TxnHeader};
use lockkeeper_wire::{OpCode, Record, SessionId, Txn as Body, TxnEntry, Zxid};
use lockkeeper_zab::{Memberships, Peer, Settings, Txn};

use crate::member;

use crate::net::Message;
use crate::world::{Event, World};

impl World {
    pub(crate) fn start(&mut self, member: usize) {
        if self.members[member].peer.is_some() {
            return;
        }
        let history = self.members[member].disk.recover(&mut self.rng);
        self.log(|| format!("{} starts at {}", member + 1, history.last));
        let this = &mut self.members[member];
        let settings = Settings {
            sid: this.sid,
            ..self.settings.clone()
        };
        this.store = this.disk.durable.history.clone();
        let (config, seen) = (this.config.clone(), this.seen.clone());
        this.peer = Some(Peer::new(settings, config, seen, history, self.now_ms));
        self.checks.forget_store(member);
        self.drain(member);
    }

    /// A member is gone between two effects: what it said before is said, what is not durable may be
    /// lost.
    pub(crate) fn crash(&mut self, member: usize) {
        self.log(|| format!("{} crashes", member + 1));
        let kept = match self.rng.one_in(3) {
            true => self.rng.index(self.members[member].disk.waiting.len() + 1),
            false => 0,
        };
        for _ in 0..kept {
            self.members[member].disk.sync_one();
        }
        let this = &mut self.members[member];
        this.disk.waiting.clear();
        this.peer = None;
        this.life += 1;
        this.is_listening = false;
        this.serving = None;
        this.crash_in = None;
        this.images.clear();
        this.syncs.clear();
        self.checks.durable_changed(&self.members, member);
        for link in self.net.of(member) {
            let at_ms = self.now_ms + self.rng.between(1, 20);
            let is_told = !self.rng.one_in(5);
            if is_told && let Some((to, at_ms)) = self.net.send(link, Message::Closed, at_ms) {
                self.at(at_ms, Event::Link(to));
            }
            self.net.close(link);
        }
        for other in 0..self.members.len() {
            if other != member && self.rng.one_in(2) {
                let life = self.life(other);
                let event = Event::Unreachable {
                    member: other,
                    life,
                    of: member,
                };
                self.after(10, event);
            }
        }
        self.slots.retain(|(from, _), _| *from != member);
    }

    /// Makes some of what waits durable, and says so once.
    pub(crate) fn sync_disk(&mut self, member: usize) {
        let count = self.rng.index(self.members[member].disk.waiting.len()) + 1;
        let mut upto = None;
        for _ in 0..count {
            if let Some((io, write)) = self.members[member].disk.sync_one() {
                self.checks.written(&mut self.members, member, &write);
                upto = Some(io);
            }
        }
        if !self.members[member].disk.waiting.is_empty() {
            self.schedule_sync(member);
        }
        if let Some(upto) = upto {
            self.input(member, |peer, now| peer.handle_durable(upto, now));
        }
    }

    pub(crate) fn schedule_sync(&mut self, member: usize) {
        let limit_ms = self.members[member].disk_ms;
        let ms = self.rng.between(1, limit_ms);
        let life = self.life(member);
        self.after(ms, Event::Sync { member, life });
    }

    pub(crate) fn load(&mut self) {
        let ms = self.rng.between(1, 60);
        self.after(ms, Event::Load);
        if !self.loads {
            return;
        }
        let member = self.rng.index(self.members.len());
        for _ in 0..self.rng.between(1, 4) {
            self.propose(member);
        }
        if self.ensemble.changes && self.rng.one_in(20) {
            self.change_membership(member);
        }
        if self.rng.one_in(4) && self.members[member].serving.is_some() {
            let ticket = self.next_ticket;
            self.next_ticket += 1;
            let agreed = self.checks.agreed.len();
            self.members[member].syncs.insert(ticket, agreed);
            self.input(member, |peer, now| peer.sync(ticket, SessionId(7), 1, now));
        }
    }

    pub(crate) fn propose(&mut self, member: usize) -> Option<Zxid> {
        let this = &mut self.members[member];
        if this.paused_until_ms > self.now_ms {
            return None;
        }
        let zxid = this.peer.as_ref().and_then(Peer::next_zxid)?;
        self.next_txn += 1;
        let bytes = Bytes::from(self.next_txn.to_be_bytes().to_vec());
        let txn = Txn { zxid, bytes };
        self.checks.proposed(&self.members[member], &txn);
        self.input(member, |peer, now| peer.propose(txn, None, now));
        Some(zxid)
    }

    /// Proposes that others vote, if enough of them are in step.
    fn change_membership(&mut self, member: usize) {
        let this = &self.members[member];
        let Some(peer) = this
            .peer
            .as_ref()
            .filter(|_| this.paused_until_ms <= self.now_ms)
        else {
            return;
        };
        let is_changing = peer.memberships().is_none_or(Memberships::is_changing);
        let (Some(zxid), false) = (peer.next_zxid(), is_changing) else {
            return;
        };
        let rng = &mut self.rng;
        let kinds: Vec<_> = (1..=self.members.len())
            .map(|sid| (sid, rng.below(3)))
            .collect();
        if kinds.iter().all(|(_, kind)| *kind != 0) {
            return;
        }
        let named = kinds.iter().filter(|(_, kind)| *kind < 2);
        let next = member::membership(named.map(|(sid, kind)| (*sid, *kind == 0)), zxid);
        if !next.quorums().is_reached(|sid| peer.is_synced(sid)) {
            return;
        }
        self.reached("change");
        let entry = TxnEntry {
            header: TxnHeader {
                client_id: SessionId(1),
                cxid: 1,
                zxid,
                time_ms: 1,
                op: i32::from(OpCode::Reconfig),
            },
            txn: Body::Reconfig(SetDataTxn {
                path: "/zookeeper/config".into(),
                data: Some(next.to_bytes()),
                version: -1,
            }),
            digest: None,
        };
        let bytes = entry.to_bytes();
        let txn = Txn { zxid, bytes };
        self.checks.proposed(&self.members[member], &txn);
        self.input(member, |peer, now| peer.propose(txn, Some(next), now));
    }
}
