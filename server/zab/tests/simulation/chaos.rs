//! What goes wrong, and how it ends.

use lockkeeper_zab::RoleKind;

use crate::disk::Durable;
use crate::member::Member;
use crate::net::Message;
use crate::world::{Event, World};

impl World {
    /// One more thing goes wrong, or right.
    pub(crate) fn chaos(&mut self) {
        if self.is_calm {
            return;
        }
        let ms = self.rng.between(1, self.chaos_ms);
        self.after(ms, Event::Chaos);
        let member = self.victim();
        let other = self.rng.index(self.members.len());
        match self.rng.below(12) {
            0 if self.members[member].peer.is_some() => {
                self.crash(member);
                let ms = self.rng.between(10, 2_500);
                self.after(ms, Event::Start(member));
            }
            1 | 2 => self.members[member].crash_in = Some(self.rng.below(30)),
            3 => {
                let ms = self.rng.between(50, 3_000);
                self.log(|| format!("{} is paused for {ms} ms", member + 1));
                self.members[member].paused_until_ms = self.now_ms + ms;
            }
            4 => self.block(member, other),
            5 => {
                self.block(member, other);
                self.block(other, member);
            }
            6 => {
                for other in 0..self.members.len() {
                    self.block(member, other);
                    if self.rng.one_in(2) {
                        self.block(other, member);
                    }
                }
            }
            7 | 8 => self.net.blocked.clear(),
            9 | 10 => {
                let links = self.net.of(member);
                if !links.is_empty() {
                    let link = links[self.rng.index(links.len())];
                    self.cut(link);
                }
            }
            11 if self.ensemble.empties && self.rng.one_in(4) => self.empty(member),
            _ => self.members[member].disk_ms = [2, 10, 600][self.rng.index(3)],
        }
    }

    /// A disk is lost, if no other is lost just now.
    fn empty(&mut self, member: usize) {
        let lost = |member: &Member| member.disk.durable.is_emptied;
        if self.members.iter().any(lost) {
            return;
        }
        self.reached("empty disk");
        self.crash(member);
        self.members[member].disk.durable = Durable {
            is_emptied: true,
            ..Durable::default()
        };
        self.checks.emptied(&self.members, member);
        let ms = self.rng.between(10, 2_500);
        self.after(ms, Event::Start(member));
    }

    /// A leader more often than others.
    fn victim(&mut self) -> usize {
        let is_leader = |member: &usize| {
            let peer = self.members[*member].peer.as_ref();
            peer.is_some_and(|peer| peer.role() == RoleKind::Leading)
        };
        let leader = (0..self.members.len()).find(is_leader);
        match leader {
            Some(leader) if self.rng.one_in(2) => leader,
            _ => self.rng.index(self.members.len()),
        }
    }

    fn block(&mut self, from: usize, to: usize) {
        if from != to && !self.net.is_blocked(from, to) {
            self.log(|| format!("{} cannot reach {}", from + 1, to + 1));
            self.net.blocked.push((from, to));
        }
    }

    /// A connection breaks; one of its ends may not learn of it.
    fn cut(&mut self, link: lockkeeper_zab::LinkId) {
        let other = self.net.ends[&link].other;
        let told = self.rng.below(3);
        for (end, is_told) in [(link, told != 0), (other, told != 1)] {
            let Some(state) = self.net.ends.get_mut(&end) else {
                continue;
            };
            state.inbox.clear();
            if is_told && state.is_open {
                state.inbox.push_back((self.now_ms, Message::Closed));
                self.after(0, Event::Link(end));
            }
        }
        // Nothing crosses it any more.
        for end in [link, other] {
            if let Some(state) = self.net.ends.get_mut(&end) {
                state.other = lockkeeper_zab::LinkId(u64::MAX);
            }
        }
    }

    /// Nothing goes wrong any more, and all that went wrong is mended.
    pub(crate) fn calm_down(&mut self) {
        self.is_calm = true;
        self.net.blocked.clear();
        for member in 0..self.members.len() {
            self.members[member].paused_until_ms = 0;
            self.members[member].crash_in = None;
            self.members[member].disk_ms = 4;
            self.start(member);
        }
    }
}
