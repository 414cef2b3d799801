//! The invariants, one function each, after the table in the plan for reliability: Z1 to Z10 from the
//! specification of Zab, D1 and D2 about disks, and that `sync` keeps what it promises (C5).
//!
//! `agreed` is what was delivered anywhere while it was served: the one history.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use lockkeeper_wire::{LeaderPacket, LearnerPacket, ServerId, Zxid};
use lockkeeper_zab::{Membership, Peer, Serving, Txn};

use crate::disk::Write;
use crate::member::Member;

pub(crate) struct Checks {
    /// The newest in force anywhere.
    membership: Membership,
    start: Zxid,
    proposed: BTreeMap<Zxid, Bytes>,
    pub(crate) agreed: Vec<Txn>,
    leaders: BTreeMap<i64, ServerId>,
    /// What each epoch began with.
    established: Vec<(i64, Vec<Txn>)>,
    /// How much of `agreed` is durable with each member.
    durable: Vec<usize>,
    /// How much of each store was compared with `agreed`.
    compared: Vec<usize>,
    /// The last zxid that each member acknowledged, and the epoch in which it did.
    acked: Vec<(Zxid, i64)>,
}

fn follows(previous: Zxid, next: Zxid) -> bool {
    next.0 == previous.0 + 1 || (next.epoch() > previous.epoch() && next.counter() == 1)
}

fn is_prefix(short: &[Txn], long: &[Txn]) -> bool {
    long.starts_with(short)
}

impl Checks {
    pub(crate) fn new(members: usize, membership: Membership, start: Zxid) -> Self {
        Self {
            membership,
            start,
            proposed: BTreeMap::new(),
            agreed: Vec::new(),
            leaders: BTreeMap::new(),
            established: Vec::new(),
            durable: vec![0; members],
            compared: vec![0; members],
            acked: vec![(Zxid::ZERO, 0); members],
        }
    }

    /// A membership is in force.
    pub(crate) fn activated(&mut self, membership: &Membership) {
        if membership.version() > self.membership.version() {
            self.membership = membership.clone();
        }
    }

    /// A store was made anew.
    pub(crate) fn forget_store(&mut self, member: usize) {
        self.compared[member] = 0;
    }

    pub(crate) fn proposed(&mut self, member: &Member, txn: &Txn) {
        self.z7_leader_has_earlier_epochs(member, txn.zxid);
        let before = self.proposed.insert(txn.zxid, txn.bytes.clone());
        assert_eq!(before, None, "{} is proposed once", txn.zxid);
    }

    pub(crate) fn delivered(&mut self, members: &mut [Member], member: usize, txn: Txn) {
        let this = &mut members[member];
        self.z2_was_proposed(&txn);
        self.d2_delivered_is_durable(this, txn.zxid);
        this.store.push(txn);
        self.z3_stores_agree(&members[member].store, member);
        self.z9_quorum_holds(members);
    }

    pub(crate) fn replayed(&mut self, member: &mut Member, txn: Txn) {
        assert!(
            member.serving.is_none(),
            "nobody is served from a replayed store"
        );
        self.d2_delivered_is_durable(member, txn.zxid);
        member.store.push(txn);
    }

    pub(crate) fn serves(&mut self, members: &[Member], member: usize, role: Serving) {
        let this = &members[member];
        self.z3_stores_agree(&this.store, member);
        if let Serving::Leading { epoch } = role {
            self.z1_one_leader(epoch, this.sid);
            self.z8_epoch_begins_with_all(epoch, &this.store);
        }
        self.z9_quorum_holds(members);
    }

    /// A write has become durable.
    pub(crate) fn written(&mut self, members: &mut [Member], member: usize, write: &Write) {
        self.d2_epochs_grow(&members[member]);
        let (image_zxid, image_len) = {
            let durable = &members[member].disk.durable;
            (durable.image_zxid, durable.image_len)
        };
        match write {
            Write::Append(_) => {
                let history = &members[member].disk.durable.history;
                let at = history.len() - 1;
                let previous = match at > image_len {
                    true => history[at - 1].zxid,
                    false => image_zxid,
                };
                z5_no_hole(previous, history[at].zxid);
            }
            Write::Truncate(zxid) => {
                self.d1_only_newer_epochs_cut(&members[member], member, *zxid);
                let store = &mut members[member].store;
                store.retain(|txn| txn.zxid <= *zxid);
                self.compared[member] = self.compared[member].min(store.len());
            }
            Write::Install(image, _) => {
                members[member].store = image.clone();
                self.compared[member] = 0;
            }
            Write::Accepted(_) | Write::Current(_) => {}
        }
        self.durable_changed(members, member);
        self.z10_one_epoch_one_history(members, member);
    }

    /// What is durable with a member may be less or more than before.
    pub(crate) fn durable_changed(&mut self, members: &[Member], member: usize) {
        self.durable[member] = 0;
        self.z9_quorum_holds(members);
    }

    /// A member's disk is lost, and with it what the member said.
    pub(crate) fn emptied(&mut self, members: &[Member], member: usize) {
        self.acked[member] = (Zxid::ZERO, 0);
        self.durable_changed(members, member);
    }

    pub(crate) fn synced(&mut self, member: &mut Member, ticket: u64) {
        let Some(agreed) = member.syncs.remove(&ticket) else {
            panic!("sync {ticket} is answered once, and not after its role ended");
        };
        c5_sync_shows_all(member.store.len(), agreed);
    }

    /// D1: what a learner says is durable is so when it says it.
    pub(crate) fn said_by_learner(&mut self, this: &Member, member: usize, packet: &LearnerPacket) {
        let durable = &this.disk.durable;
        match packet {
            LearnerPacket::AckEpoch { last, .. } if last.0 >= 0 => {
                let (accepted, _) = this.peer.as_ref().expect("it speaks").epochs();
                assert_eq!(durable.accepted_epoch, accepted, "the promise is durable");
                assert_eq!(durable.last(), *last, "so is what it says it has");
            }
            LearnerPacket::Ack { zxid } if zxid.counter() == 0 => {
                assert!(
                    durable.current_epoch >= i64::from(zxid.epoch()),
                    "the epoch is joined before NEWLEADER is acknowledged"
                );
            }
            LearnerPacket::Ack { zxid } => {
                assert!(durable.holds(*zxid), "{zxid} is durable before its ack");
                self.acked[member] = (*zxid, durable.accepted_epoch);
            }
            _ => {}
        }
    }

    /// D1 for the leader's own promise.
    pub(crate) fn said_by_leader(&self, this: &Member, packet: &LeaderPacket) {
        if let LeaderPacket::LeaderInfo { zxid, .. } = packet {
            assert_eq!(
                this.disk.durable.accepted_epoch,
                zxid.0 >> 32,
                "an epoch is accepted before it is offered"
            );
        }
    }

    /// Z1: at most one established leader per epoch.
    fn z1_one_leader(&mut self, epoch: i64, sid: ServerId) {
        let leader = self.leaders.insert(epoch, sid);
        assert_eq!(leader, None, "epoch {epoch} is established once");
    }

    /// Z2: only broadcast transactions are applied.
    fn z2_was_proposed(&self, txn: &Txn) {
        let bytes = self.proposed.get(&txn.zxid);
        assert_eq!(
            bytes,
            Some(&txn.bytes),
            "{} was proposed like this",
            txn.zxid
        );
    }

    /// Z3: of two applied sequences one is a prefix of the other.
    fn z3_stores_agree(&mut self, store: &[Txn], member: usize) {
        for (at, txn) in store.iter().enumerate().skip(self.compared[member]) {
            match self.agreed.get(at) {
                Some(agreed) => assert_eq!(agreed, txn, "all stores have one history"),
                None => {
                    let previous = self.agreed.last().map_or(self.start, |txn| txn.zxid);
                    z4_z6_in_order(previous, txn.zxid);
                    self.z2_was_proposed(txn);
                    self.agreed.push(txn.clone());
                }
            }
        }
        self.compared[member] = store.len();
    }

    /// Z7: a leader has applied all earlier epochs' commits before it proposes.
    fn z7_leader_has_earlier_epochs(&self, member: &Member, zxid: Zxid) {
        let earlier = self
            .agreed
            .partition_point(|txn| txn.zxid.epoch() < zxid.epoch());
        assert!(
            member.store.len() >= earlier,
            "{zxid} is proposed behind all of the epochs before"
        );
    }

    /// Z8: what an epoch begins with extends what every earlier one began with, and all that was
    /// applied of these. It may begin after a later one, and is then a part of that.
    fn z8_epoch_begins_with_all(&mut self, epoch: i64, history: &[Txn]) {
        assert!(
            is_prefix(up_to(epoch - 1, &self.agreed), history),
            "epoch {epoch} begins with all that is committed"
        );
        for (other, began_with) in &self.established {
            let is_extended = match *other < epoch {
                true => is_prefix(began_with, history),
                false => is_prefix(history, began_with),
            };
            assert!(is_extended, "epochs {other} and {epoch} extend one another");
        }
        self.established.push((epoch, history.to_vec()));
    }

    /// Z9: what is committed is durable with a quorum, at every moment. Of a disk that was emptied
    /// that cannot be said, and nothing is counted on it until it holds something again.
    fn z9_quorum_holds(&mut self, members: &[Member]) {
        let agreed = &self.agreed;
        let mut holders = BTreeSet::new();
        for (durable, member) in self.durable.iter_mut().zip(members) {
            let history = &member.disk.durable.history;
            *durable = (*durable).min(history.len());
            while *durable < agreed.len() && history.get(*durable) == Some(&agreed[*durable]) {
                *durable += 1;
            }
            if *durable == agreed.len() || member.disk.durable.is_emptied {
                holders.insert(member.sid);
            }
        }
        assert!(
            self.membership
                .quorums()
                .is_reached(|sid| holders.contains(&sid)),
            "{holders:?} hold all that is committed"
        );
    }

    /// Z10: of two members in one epoch, one history is a prefix of the other.
    fn z10_one_epoch_one_history(&self, members: &[Member], member: usize) {
        let own = &members[member].disk.durable;
        for other in members.iter().map(|member| &member.disk.durable) {
            if other.current_epoch != own.current_epoch {
                continue;
            }
            let (own, other) = (
                up_to(own.current_epoch, &own.history),
                up_to(own.current_epoch, &other.history),
            );
            assert!(
                is_prefix(own, other) || is_prefix(other, own),
                "two members of one epoch have one history"
            );
        }
    }

    /// D1: what was acknowledged is cut only for a leader of a newer epoch.
    fn d1_only_newer_epochs_cut(&self, this: &Member, member: usize, zxid: Zxid) {
        let (acked, epoch) = self.acked[member];
        assert!(
            acked <= zxid || this.disk.durable.accepted_epoch > epoch,
            "{acked} was acknowledged in epoch {epoch} and is cut in it"
        );
    }

    /// D2: what is applied is durable.
    fn d2_delivered_is_durable(&self, member: &Member, zxid: Zxid) {
        assert!(
            member.disk.durable.holds(zxid),
            "{zxid} is durable before it is applied"
        );
    }

    /// D2: an epoch is joined after it was accepted.
    fn d2_epochs_grow(&self, member: &Member) {
        let durable = &member.disk.durable;
        assert!(
            durable.accepted_epoch >= durable.current_epoch,
            "accepted, then joined"
        );
        assert!(
            member
                .peer
                .as_ref()
                .is_none_or(|peer: &Peer| peer.epochs().0 >= durable.accepted_epoch),
            "accepted epochs only grow"
        );
    }
}

/// The part of a history that belongs to the epochs up to one.
fn up_to(epoch: i64, history: &[Txn]) -> &[Txn] {
    let end = history.partition_point(|txn| i64::from(txn.zxid.epoch()) <= epoch);
    &history[..end]
}

/// Z5: a log has no hole.
fn z5_no_hole(previous: Zxid, next: Zxid) {
    assert!(
        follows(previous, next),
        "{next} is logged behind {previous}"
    );
}

/// Z4, Z6: transactions of an epoch apply in the order in which they were proposed, without a hole,
/// and epochs apply in order.
fn z4_z6_in_order(previous: Zxid, next: Zxid) {
    assert!(
        follows(previous, next),
        "{next} is applied behind {previous}"
    );
}

/// C5: a sync shows everything that was applied anywhere when it was asked for.
fn c5_sync_shows_all(store: usize, agreed: usize) {
    assert!(
        store >= agreed,
        "{store} of {agreed} are there after a sync"
    );
}
