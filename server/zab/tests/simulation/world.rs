//! The world: members, their disks and links, and one queue of events in order of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use lockkeeper_wire::{Notification, ServerId, Zxid};
use lockkeeper_zab::{ElectionSettings, LinkId, Peer, RoleKind, Settings, Txn};

use crate::checks::Checks;
use crate::member::{Ensemble, Member};
use crate::net::{Message, Net};
use crate::rng::Rng;

/// What may happen at a moment. A life tells events of a member that has crashed since.
#[derive(Debug)]
pub(crate) enum Event {
    Chaos,
    Dial {
        member: usize,
        life: u64,
        dial: u64,
        leader: ServerId,
        tries: u32,
    },
    Link(LinkId),
    Load,
    LogRead {
        member: usize,
        life: u64,
        link: LinkId,
        txns: Option<Vec<Txn>>,
    },
    Notify {
        from: usize,
        to: usize,
    },
    Start(usize),
    Sync {
        member: usize,
        life: u64,
    },
    Timer {
        member: usize,
        life: u64,
    },
    Unreachable {
        member: usize,
        life: u64,
        of: usize,
    },
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now_ms: u64,
    pub(crate) members: Vec<Member>,
    pub(crate) net: Net,
    pub(crate) checks: Checks,
    pub(crate) is_calm: bool,
    pub(crate) loads: bool,
    pub(crate) chaos_ms: u64,
    pub(crate) trace: bool,
    pub(crate) ensemble: Ensemble,
    pub(crate) settings: Settings,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    bodies: BTreeMap<u64, Event>,
    next_event: u64,
    pub(crate) slots: BTreeMap<(usize, usize), Notification>,
    pub(crate) next_txn: u64,
    pub(crate) next_ticket: u64,
    /// How often what was seen.
    pub(crate) reach: BTreeMap<&'static str, u64>,
}

impl World {
    pub(crate) fn new(seed: u64, ensemble: &Ensemble) -> Self {
        let mut rng = Rng::new(seed);
        let membership = ensemble.membership();
        let start = match rng.one_in(4) {
            // Close to the end of an epoch.
            true => Zxid::new(1, u32::MAX - rng.between(2, 40) as u32),
            false => Zxid::ZERO,
        };
        let settings = Settings {
            tick_ms: 200,
            init_limit: 10,
            sync_limit: 5,
            reconfig_enabled: ensemble.changes,
            recent_max: [2, 10, 500][rng.index(3)],
            recent_bytes_max: [40, 1 << 20][rng.index(2)],
            election: ElectionSettings {
                wait_min_ms: 50,
                wait_max_ms: 1_000,
                final_wait_ms: 50,
            },
            ..Settings::new(ServerId(0))
        };
        let sids = 1..=ensemble.members() as i64;
        let mut world = Self {
            chaos_ms: rng.between(100, 1_500),
            rng,
            now_ms: 1,
            members: sids
                .map(|sid| Member::new(ServerId(sid), start, membership.clone()))
                .collect(),
            net: Net::default(),
            checks: Checks::new(ensemble.members(), membership, start),
            ensemble: *ensemble,
            is_calm: false,
            loads: true,
            trace: false,
            settings,
            events: BinaryHeap::new(),
            bodies: BTreeMap::new(),
            next_event: 0,
            slots: BTreeMap::new(),
            next_txn: 0,
            next_ticket: 0,
            reach: BTreeMap::new(),
        };
        for member in 0..world.members.len() {
            let at_ms = world.rng.between(1, 300);
            world.at(at_ms, Event::Start(member));
        }
        world.at(500, Event::Chaos);
        world.at(200, Event::Load);
        world
    }

    pub(crate) fn at(&mut self, at_ms: u64, event: Event) {
        self.events.push(Reverse((at_ms, self.next_event)));
        self.bodies.insert(self.next_event, event);
        self.next_event += 1;
    }

    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now_ms + ms, event);
    }

    pub(crate) fn reached(&mut self, what: &'static str) {
        *self.reach.entry(what).or_default() += 1;
    }

    pub(crate) fn life(&self, member: usize) -> u64 {
        self.members[member].life
    }

    pub(crate) fn log(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>7} {}", self.now_ms, text());
        }
    }

    /// Runs until a time.
    pub(crate) fn run_until(&mut self, end_ms: u64) {
        while let Some(&Reverse((at_ms, number))) = self.events.peek() {
            if at_ms > end_ms {
                break;
            }
            self.events.pop();
            self.now_ms = at_ms.max(self.now_ms);
            let event = self.bodies.remove(&number).expect("an event");
            self.happen(event);
        }
        self.now_ms = end_ms;
    }

    fn happen(&mut self, event: Event) {
        // What concerns a member that is paused waits for it.
        if let Some(member) = self.concerned(&event) {
            let until_ms = self.members[member].paused_until_ms;
            if until_ms > self.now_ms {
                return self.at(until_ms, event);
            }
        }
        match event {
            Event::Chaos => self.chaos(),
            Event::Dial {
                member,
                life,
                dial,
                leader,
                tries,
            } if life == self.life(member) => {
                self.dial(member, dial, leader, tries);
            }
            Event::Link(link) => self.arrive(link),
            Event::Load => self.load(),
            Event::LogRead {
                member,
                life,
                link,
                txns,
            } if life == self.life(member) => {
                self.input(member, |peer, now| peer.handle_log_read(link, txns, now));
            }
            Event::Notify { from, to } => self.deliver_notification(from, to),
            Event::Start(member) => self.start(member),
            Event::Sync { member, life } if life == self.life(member) => self.sync_disk(member),
            Event::Timer { member, life } if life == self.life(member) => {
                let due = self.members[member]
                    .peer
                    .as_ref()
                    .and_then(Peer::poll_timeout);
                if due.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    self.input(member, |peer, now| peer.handle_timeout(now));
                }
            }
            Event::Unreachable { member, life, of } if life == self.life(member) => {
                let of = self.members[of].sid;
                self.input(member, |peer, now| peer.handle_voter_unreachable(of, now));
            }
            _ => {}
        }
    }

    fn concerned(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Dial { member, .. }
            | Event::LogRead { member, .. }
            | Event::Timer { member, .. }
            | Event::Unreachable { member, .. } => Some(*member),
            Event::Link(link) => self.net.ends.get(link).map(|end| end.member),
            Event::Notify { to, .. } => Some(*to),
            _ => None,
        }
    }

    /// Tells a member something and carries out what it says.
    pub(crate) fn input(&mut self, member: usize, tell: impl FnOnce(&mut Peer, u64)) {
        let now_ms = self.now_ms;
        if let Some(peer) = &mut self.members[member].peer {
            tell(peer, now_ms);
            self.drain(member);
        }
    }

    fn deliver_notification(&mut self, from: usize, to: usize) {
        if self.members[to].peer.is_none() {
            self.slots.remove(&(from, to));
            let of = self.members[to].sid;
            return self.input(from, |peer, now| peer.handle_voter_unreachable(of, now));
        }
        if self.net.is_blocked(from, to) {
            return self.after(50, Event::Notify { from, to });
        }
        if let Some(notification) = self.slots.remove(&(from, to)) {
            let from = self.members[from].sid;
            self.input(to, |peer, now| {
                peer.handle_notification(from, notification, now)
            });
        }
    }

    fn dial(&mut self, member: usize, dial: u64, leader: ServerId, tries: u32) {
        if self.members[member].dial != dial {
            return;
        }
        let to = (leader.0 - 1) as usize;
        let is_open = self.members[to].is_listening
            && !self.net.is_blocked(member, to)
            && !self.net.is_blocked(to, member);
        if is_open {
            let (own, theirs) = self.net.connect(member, to);
            self.input(to, |peer, now| peer.handle_learner_accepted(theirs, now));
            return self.input(member, |peer, now| peer.handle_leader_connected(own, now));
        }
        if tries > 1 {
            let life = self.life(member);
            let tries = tries - 1;
            return self.after(
                20,
                Event::Dial {
                    member,
                    life,
                    dial,
                    leader,
                    tries,
                },
            );
        }
        self.input(member, |peer, now| peer.handle_leader_unreachable(now));
    }

    /// The first that waits for an end of a link, if its time has come.
    fn arrive(&mut self, link: LinkId) {
        let Some(end) = self.net.ends.get(&link) else {
            return;
        };
        let (member, other) = (end.member, end.other);
        let Some((at_ms, _)) = end.inbox.front() else {
            return;
        };
        if !end.is_open || *at_ms > self.now_ms {
            return;
        }
        let from = self.net.ends.get(&other).map(|end| end.member);
        if from.is_some_and(|from| self.net.is_blocked(from, member)) {
            return self.after(20, Event::Link(link));
        }
        let end = self.net.ends.get_mut(&link).expect("an end");
        let (_, message) = end.inbox.pop_front().expect("a message");
        match message {
            Message::ToLearner(packet) => {
                self.input(member, |peer, now| {
                    peer.handle_leader_packet(link, packet, now)
                });
            }
            Message::ToLeader(packet) => {
                self.input(member, |peer, now| {
                    peer.handle_learner_packet(link, packet, now)
                });
            }
            Message::Image(image) => {
                self.members[member].images.insert(link, image);
                self.input(member, |peer, now| peer.handle_image(link, now));
            }
            Message::Closed => {
                self.net.close(link);
                self.input(member, |peer, now| peer.handle_link_closed(link, now));
            }
        }
        // More may have come at the same time, and stalled.
        if self.net.ends[&link]
            .inbox
            .front()
            .is_some_and(|(at_ms, _)| *at_ms <= self.now_ms)
        {
            self.after(0, Event::Link(link));
        }
    }

    /// Whether all members that are to live serve under one leader and hold the same.
    pub(crate) fn is_settled(&self) -> bool {
        let agreed = self.checks.agreed.len();
        let role = |member: &Member| member.peer.as_ref().map(Peer::role);
        let leaders = self
            .members
            .iter()
            .filter(|member| role(member) == Some(RoleKind::Leading));
        leaders.count() == 1
            && (self.members.iter())
                .all(|member| member.serving.is_some() && member.store.len() == agreed)
    }
}
