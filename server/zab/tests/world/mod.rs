//! A world of electing servers: a clock, links that delay and break, crashes, and the little that
//! has to follow an election.

mod roles;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lockkeeper_wire::{Notification, ServerId, Zxid};
use lockkeeper_zab::{Election, ElectionEffect, ElectionSettings, Membership, Memberships};

use crate::common::members;
use roles::{Disk, Role};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.throw() % (range.end - range.start)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.throw().is_multiple_of(n)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// Nobody crashes and nothing is lost.
    None,
    /// Crashes, links that break, servers that are cut off.
    All,
}

struct Server {
    disk: Disk,
    /// `None` while it is down.
    up: Option<(Election, Role)>,
    /// Changes with each life and each role, so that what was meant for an earlier one is ignored.
    life: u64,
}

#[derive(Debug)]
enum Event {
    /// By the life that the connection began with.
    Deliver(ServerId, ServerId, Notification),
    Refused(ServerId, ServerId),
    Role(ServerId, u64),
    Start(ServerId),
    Heal(ServerId),
    Havoc,
}

/// One direction of a link.
#[derive(Default)]
struct Link {
    /// The last message ever sent, which a new connection repeats.
    last: Option<Notification>,
    /// When the last message of this connection arrives: the next comes behind it.
    busy_until_ms: u64,
}

pub(crate) struct World {
    dice: Dice,
    now_ms: u64,
    membership: Membership,
    servers: BTreeMap<ServerId, Server>,
    links: BTreeMap<(ServerId, ServerId), Link>,
    cut_off: BTreeSet<ServerId>,
    gone: BTreeSet<ServerId>,
    events: BTreeMap<(u64, u64), Event>,
    event_count: u64,
    trouble: Trouble,
    /// Whether there never was any trouble.
    is_calm: bool,
    /// The end of what a quorum has logged.
    committed: (i64, Zxid),
    leaders_established: BTreeMap<i64, ServerId>,
    pub(crate) history: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, voters: i64, observers: i64, trouble: Trouble) -> Self {
        let mut world = Self {
            dice: Dice(seed),
            now_ms: 0,
            membership: members(voters, observers, 0),
            servers: BTreeMap::new(),
            links: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            gone: BTreeSet::new(),
            events: BTreeMap::new(),
            event_count: 0,
            trouble,
            is_calm: trouble == Trouble::None,
            committed: (0, Zxid::ZERO),
            leaders_established: BTreeMap::new(),
            history: Vec::new(),
        };
        let sids: Vec<ServerId> = world.membership.members().keys().copied().collect();
        for sid in sids {
            // Logs of different length, as if from an epoch that nothing was committed in.
            let disk = Disk {
                current: 0,
                last: Zxid::new(0, world.dice.within(0..3) as u32),
                accepted: 0,
            };
            let server = Server {
                disk,
                up: None,
                life: 0,
            };
            world.servers.insert(sid, server);
            let delay = world.dice.within(0..100);
            world.schedule(delay, Event::Start(sid));
        }
        if trouble == Trouble::All {
            world.schedule(100, Event::Havoc);
        }
        world
    }

    pub(crate) fn run_for(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while self.step(end_ms) {}
        self.now_ms = end_ms;
    }

    /// Until one leader is established and all that are up and reachable have joined it.
    pub(crate) fn run_until_settled(&mut self, within_ms: u64) {
        let end_ms = self.now_ms + within_ms;
        while !self.is_settled() {
            if !self.step(end_ms) {
                let roles: Vec<_> = (self.servers.iter())
                    .map(|(sid, server)| (sid.0, server.up.as_ref().map(|(_, role)| role)))
                    .collect();
                panic!("no agreement within {within_ms} ms: {roles:?}");
            }
        }
    }

    /// From here on all works; who is down comes back, unless it is gone for good.
    pub(crate) fn end_trouble(&mut self) {
        self.trouble = Trouble::None;
        let sids: Vec<ServerId> = self.servers.keys().copied().collect();
        for sid in sids {
            self.heal(sid);
            if self.servers[&sid].up.is_none() {
                self.start(sid);
            }
        }
    }

    /// Or anybody, if nobody leads.
    pub(crate) fn crash_leader_for_good(&mut self) {
        let leads = |server: &Server| matches!(server.up, Some((_, Role::Leading { .. })));
        let alive = |sid: &ServerId| !self.gone.contains(sid) && self.membership.is_voter(*sid);
        let mut sids = self.servers.keys().filter(|sid| alive(sid)).copied();
        let leader = sids.clone().find(|sid| leads(&self.servers[sid]));
        let sid = leader.or_else(|| sids.next()).expect("somebody is left");
        self.gone.insert(sid);
        self.crash(sid);
    }

    fn schedule(&mut self, delay_ms: u64, event: Event) {
        self.event_count += 1;
        let at = (self.now_ms + delay_ms, self.event_count);
        self.events.insert(at, event);
    }

    /// Does what comes next, unless that is after `end_ms`.
    fn step(&mut self, end_ms: u64) -> bool {
        let timeout = (self.servers.iter())
            .filter_map(|(&sid, server)| {
                let (election, _) = server.up.as_ref()?;
                Some((election.poll_timeout()?, sid))
            })
            .min();
        let event = self.events.first_key_value().map(|(&(at_ms, _), _)| at_ms);
        match (timeout, event) {
            (Some((at_ms, sid)), event) if event.is_none_or(|event| at_ms < event) => {
                if at_ms > end_ms {
                    return false;
                }
                self.now_ms = self.now_ms.max(at_ms);
                let now_ms = self.now_ms;
                self.with(sid, |election| election.handle_timeout(now_ms));
            }
            (_, Some(at_ms)) if at_ms <= end_ms => {
                self.now_ms = self.now_ms.max(at_ms);
                let (_, event) = self.events.pop_first().expect("it was looked at");
                self.handle(event);
            }
            _ => return false,
        }
        true
    }

    fn handle(&mut self, event: Event) {
        let now_ms = self.now_ms;
        match event {
            Event::Deliver(from, to, notification) => {
                if self.can_reach(from, to) {
                    self.with(to, |election| {
                        election.handle_notification(from, notification, now_ms);
                    });
                }
            }
            Event::Refused(sid, by) => {
                if self.servers[&by].up.is_none() {
                    self.with(sid, |election| {
                        election.handle_voter_unreachable(by, now_ms);
                    });
                }
            }
            Event::Role(sid, life) => {
                if self.servers[&sid].life == life {
                    self.go_on(sid);
                }
            }
            Event::Start(sid) => self.start(sid),
            Event::Heal(sid) => self.heal(sid),
            Event::Havoc => self.havoc(),
        }
    }

    /// Lets an election do something, and does what comes out of it.
    fn with(&mut self, sid: ServerId, input: impl FnOnce(&mut Election)) {
        let Some((election, _)) = self.servers.get_mut(&sid).and_then(|s| s.up.as_mut()) else {
            return;
        };
        input(election);
        let effects: VecDeque<ElectionEffect> =
            std::iter::from_fn(|| election.poll_effect()).collect();
        for effect in effects {
            match effect {
                ElectionEffect::Notify { to, notification } => self.send(sid, to, notification),
                ElectionEffect::Decided(decision) => self.decided(sid, decision),
                ElectionEffect::VoterLooks { .. } => {}
                other => unreachable!("{other:?} without reconfiguration"),
            }
        }
    }

    fn send(&mut self, from: ServerId, to: ServerId, notification: Notification) {
        self.links.entry((from, to)).or_default().last = Some(notification);
        self.transmit(from, to);
    }

    /// Sends the last message, or finds that it cannot.
    fn transmit(&mut self, from: ServerId, to: ServerId) {
        if self.servers[&to].up.is_none() {
            let delay = self.dice.within(1..5);
            return self.schedule(delay, Event::Refused(from, to));
        }
        let breaks = self.trouble == Trouble::All && self.dice.one_in(8);
        let delay = match breaks {
            // The connection is replaced: what is under way on the old one may come late, after
            // what the new one repeats, or never.
            true if self.dice.one_in(2) => return,
            true => self.dice.within(1..2_000),
            false => self.dice.within(1..30),
        };
        let link = self.links.entry((from, to)).or_default();
        let Some(notification) = link.last.clone() else {
            return;
        };
        let mut at_ms = self.now_ms + delay;
        if !breaks {
            at_ms = at_ms.max(link.busy_until_ms);
            link.busy_until_ms = at_ms;
        }
        let event = Event::Deliver(from, to, notification);
        self.schedule(at_ms - self.now_ms, event);
    }

    /// The connections of a server are made anew, each repeating its last message.
    fn reconnect(&mut self, sid: ServerId) {
        let ends: Vec<_> = (self.links.keys().copied())
            .filter(|&(from, to)| from == sid || to == sid)
            .collect();
        for (from, to) in ends {
            if self.servers[&from].up.is_some() && self.can_reach(from, to) {
                self.transmit(from, to);
            }
        }
    }

    fn can_reach(&self, from: ServerId, to: ServerId) -> bool {
        let up = |sid| self.servers[&sid].up.is_some();
        let cut = self.cut_off.contains(&from) || self.cut_off.contains(&to);
        up(from) && up(to) && !cut
    }

    fn havoc(&mut self) {
        if self.trouble == Trouble::None {
            return;
        }
        let index = self.dice.within(0..self.servers.len() as u64) as usize;
        let sid = *self.servers.keys().nth(index).expect("one of them");
        let duration = self.dice.within(1..3_000);
        match self.dice.within(0..3) {
            0 if self.servers[&sid].up.is_some() => {
                self.crash(sid);
                self.schedule(duration, Event::Start(sid));
            }
            1 => {
                self.cut_off.insert(sid);
                self.schedule(duration, Event::Heal(sid));
                self.lose_followers();
            }
            _ => self.append(),
        }
        let delay = self.dice.within(1..1_500);
        self.schedule(delay, Event::Havoc);
    }

    fn start(&mut self, sid: ServerId) {
        let now_ms = self.now_ms;
        let memberships = Memberships::new(self.membership.clone(), None);
        let server = self.servers.get_mut(&sid).expect("it exists");
        if server.up.is_some() || self.gone.contains(&sid) {
            return;
        }
        let standing = (server.disk.last, server.disk.current);
        let settings = ElectionSettings::default();
        let election = Election::new(sid, false, settings, memberships, standing, now_ms);
        server.life += 1;
        server.up = Some((election, Role::Looking));
        self.history.push(format!("{now_ms} {sid} starts"));
        self.with(sid, |_| {});
        self.reconnect(sid);
    }

    fn crash(&mut self, sid: ServerId) {
        let server = self.servers.get_mut(&sid).expect("it exists");
        server.up = None;
        server.life += 1;
        self.history.push(format!("{} {sid} crashes", self.now_ms));
        for (_, link) in self
            .links
            .range_mut((sid, ServerId::NONE)..=(sid, ServerId(i64::MAX)))
        {
            link.last = None;
        }
        let others: Vec<ServerId> = self.servers.keys().copied().collect();
        for other in others {
            // The connection was reset.
            let delay = self.dice.within(1..5);
            self.schedule(delay, Event::Refused(other, sid));
        }
        self.lose_followers();
    }

    fn heal(&mut self, sid: ServerId) {
        if self.cut_off.remove(&sid) {
            self.reconnect(sid);
        }
    }
}
