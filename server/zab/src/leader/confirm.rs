//! `sync`, confirmed: before it is answered, a quorum has shown that it still follows.
//!
//! Apache's leader answers at once, and may have been deposed without knowing. This one pings, and
//! counts only answers to pings that were sent after the question came: whoever answers such a ping
//! had not accepted a newer epoch by then, so nothing had been committed without this leader. One
//! round of pings serves all questions that came before it began.
//!
//! Confirmed, the question is answered behind the commit of what was proposed last when it came.

use std::collections::{BTreeMap, VecDeque};

use lockkeeper_wire::{LeaderPacket, Touch, Zxid};

use super::{Leading, Phase};
use crate::core::Core;
use crate::effect::{Effect, LinkId};
use crate::fault::Fault;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// A client of this member.
    Own(u64),
    /// The learner on this link.
    Learner(LinkId),
}

/// All that is asked and not answered.
#[derive(Debug, Default)]
pub(super) struct Confirm {
    round: Option<Round>,
    /// For the next round.
    next: Vec<(Wish, Zxid)>,
    /// Confirmed, and behind which commit to answer; for learners and for own clients, in order.
    for_learners: VecDeque<(LinkId, Zxid)>,
    for_own: VecDeque<(u64, Zxid)>,
}

#[derive(Debug)]
struct Round {
    wishes: Vec<(Wish, Zxid)>,
    /// Which ping of each learner, counted from its first, has to be answered.
    needs: BTreeMap<LinkId, u64>,
}

impl Leading {
    /// A client of this member asks.
    pub(crate) fn sync(&mut self, core: &mut Core, ticket: u64) {
        self.wish(core, Wish::Own(ticket));
        self.answer_syncs(core);
    }

    pub(super) fn wish(&mut self, core: &mut Core, wish: Wish) {
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            return;
        };
        let behind = broadcast.proposed(core);
        broadcast.confirm.next.push((wish, behind));
        self.begin_round(core);
    }

    /// Begins a round if something is asked and none is under way.
    fn begin_round(&mut self, core: &mut Core) {
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            return;
        };
        if broadcast.confirm.round.is_some() || broadcast.confirm.next.is_empty() {
            return;
        }
        broadcast.confirm.round = Some(Round {
            wishes: std::mem::take(&mut broadcast.confirm.next),
            needs: BTreeMap::new(),
        });
        self.ping_all(core);
    }

    /// Pings everyone whom a ping can reach. The round under way counts it for those who were not
    /// there when it began.
    pub(super) fn ping_all(&mut self, core: &mut Core) {
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            return;
        };
        let zxid = broadcast.proposed(core);
        for (link, learner) in self.learners.iter_mut() {
            if !learner.is_forwarding() {
                continue;
            }
            // Before UPTODATE a ping keeps a learner waiting, and is not answered.
            if learner.is_active() {
                learner.pings += 1;
                if let Some(round) = &mut broadcast.confirm.round {
                    round.needs.entry(link).or_insert(learner.pings);
                }
            }
            core.tell_learner(link, LeaderPacket::Ping { zxid });
        }
    }

    /// A learner answers a ping.
    pub(super) fn handle_pong(
        &mut self,
        core: &mut Core,
        link: LinkId,
        touches: Vec<Touch>,
    ) -> Result<(), Fault> {
        let Some(learner) = self.learners.get_mut(link) else {
            return Ok(());
        };
        learner.pongs += 1;
        if !touches.is_empty() {
            core.emit(Effect::Touched { touches });
        }
        Ok(())
    }

    /// Answers what is confirmed and committed.
    pub(super) fn answer_syncs(&mut self, core: &mut Core) {
        while self.conclude_round(core) {
            self.begin_round(core);
        }
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            return;
        };
        let Confirm {
            for_learners,
            for_own,
            ..
        } = &mut broadcast.confirm;
        let (committed, delivered) = (core.log.committed(), core.log.delivered());
        let is_reached = |behind: Zxid, end: Zxid| behind.counter() == 0 || behind <= end;
        while let Some((link, _)) =
            for_learners.pop_front_if(|(_, behind)| is_reached(*behind, committed))
        {
            if self.learners.get(link).is_some() {
                core.tell_learner(link, LeaderPacket::Sync);
            }
        }
        while let Some((ticket, _)) =
            for_own.pop_front_if(|(_, behind)| is_reached(*behind, delivered))
        {
            core.emit(Effect::Synced { ticket });
        }
    }

    /// Ends the round if a quorum has answered; returns whether it did.
    fn conclude_round(&mut self, core: &Core) -> bool {
        let Phase::Broadcast(broadcast) = &mut self.phase else {
            return false;
        };
        let confirm = &mut broadcast.confirm;
        let Some(round) = &confirm.round else {
            return false;
        };
        let quorums = core.quorums();
        let answered = |sid| {
            sid == core.sid()
                || self.learners.iter().any(|(link, learner)| {
                    let need = round.needs.get(&link);
                    learner.sid == Some(sid) && need.is_some_and(|need| learner.pongs >= *need)
                })
        };
        if !quorums.is_reached(answered) {
            return false;
        }
        for (wish, behind) in confirm
            .round
            .take()
            .into_iter()
            .flat_map(|round| round.wishes)
        {
            match wish {
                Wish::Own(ticket) => confirm.for_own.push_back((ticket, behind)),
                Wish::Learner(link) => confirm.for_learners.push_back((link, behind)),
            }
        }
        true
    }
}
