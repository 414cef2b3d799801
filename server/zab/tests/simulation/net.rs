//! Links between members that delay, stall, cut, and cut on one side only.

use std::collections::{BTreeMap, VecDeque};

use lockkeeper_wire::{LeaderPacket, LearnerPacket};
use lockkeeper_zab::{LinkId, Txn};

/// What travels on a link.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    ToLearner(LeaderPacket),
    Image(Vec<Txn>),
    ToLeader(LearnerPacket),
    Closed,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) member: usize,
    pub(crate) other: LinkId,
    pub(crate) is_open: bool,
    /// What is on its way to this end, and when it may arrive.
    pub(crate) inbox: VecDeque<(u64, Message)>,
}

#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) ends: BTreeMap<LinkId, End>,
    next: u64,
    /// One way: from, to.
    pub(crate) blocked: Vec<(usize, usize)>,
}

impl Net {
    /// Joins two members; the dialler's end comes first.
    pub(crate) fn connect(&mut self, from: usize, to: usize) -> (LinkId, LinkId) {
        let (a, b) = (LinkId(self.next), LinkId(self.next + 1));
        self.next += 2;
        for (link, member, other) in [(a, from, b), (b, to, a)] {
            let end = End {
                member,
                other,
                is_open: true,
                inbox: VecDeque::new(),
            };
            self.ends.insert(link, end);
        }
        (a, b)
    }

    pub(crate) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// Puts something on its way from one end; returns the other end and when it arrives.
    pub(crate) fn send(
        &mut self,
        link: LinkId,
        message: Message,
        at_ms: u64,
    ) -> Option<(LinkId, u64)> {
        let end = self.ends.get(&link)?;
        if !end.is_open {
            return None;
        }
        let to = end.other;
        let other = self.ends.get_mut(&to)?;
        if !other.is_open {
            return None;
        }
        let at_ms = other
            .inbox
            .back()
            .map_or(at_ms, |(before, _)| at_ms.max(*before));
        other.inbox.push_back((at_ms, message));
        Some((to, at_ms))
    }

    /// This end is closed by its member; nothing comes to it any more.
    pub(crate) fn close(&mut self, link: LinkId) {
        if let Some(end) = self.ends.get_mut(&link) {
            end.is_open = false;
            end.inbox.clear();
        }
    }

    /// The open ends of a member.
    pub(crate) fn of(&self, member: usize) -> Vec<LinkId> {
        let ends = self.ends.iter();
        ends.filter(|(_, end)| end.member == member && end.is_open)
            .map(|(link, _)| *link)
            .collect()
    }
}
