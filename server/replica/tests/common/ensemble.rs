//! Whole members in one process: real peers, disks in memory, and a network that is a queue.
//!
//! One thing happens at a time and in one order, so every run of a scenario is the same. Time goes
//! on only when the network has nothing left to deliver.

mod clients;
mod effects;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lockkeeper_replica::{IoId, LinkId, Peer, PeerInput, Replica, RoleKind, Settings, Txn};
use lockkeeper_store::{ConnectionId, Store, Watches};
use lockkeeper_wire::{Record, ServerId, TxnEntry};
use lockkeeper_zab::{ElectionSettings, History, Membership};

use super::{Recorder, TICK_MS, now, settings};

/// Limits of the ensemble, ticks.
const INIT_LIMIT: u32 = 10;
const SYNC_LIMIT: u32 = 5;

/// How often a learner dials its leader, and the pause between, ms.
const DIALS: u32 = 5;
const DIAL_PAUSE_MS: u64 = 100;

/// Nothing a scenario waits for takes longer, ms.
const PATIENCE_MS: u64 = 60_000;

/// One member and what belongs to its machine.
pub struct Member {
    pub sid: ServerId,
    pub replica: Replica,
    pub store: Store,
    pub watches: Watches,
    pub clients: Recorder,
    /// Clients that are not heard of.
    pub silent: BTreeSet<ConnectionId>,
    disk: Disk,
    images: BTreeMap<LinkId, Store>,
    listens: bool,
}

/// What survives a crash, and what does not yet.
#[derive(Default)]
struct Disk {
    snapshot: Option<Store>,
    log: Vec<Txn>,
    accepted_epoch: i64,
    current_epoch: i64,
    written: Option<IoId>,
    /// In force, if it is another than at first; and proposed.
    membership: Option<Membership>,
    last_seen: Option<Membership>,
}

enum Message {
    Input(PeerInput),
    Image(LinkId, Store),
}

/// An ensemble and its network.
pub struct Ensemble {
    pub members: BTreeMap<i64, Member>,
    pub now_ms: u64,
    network: VecDeque<(ServerId, ServerId, Message)>,
    /// The two ends of each connection of the quorum port: learner and leader.
    links: BTreeMap<LinkId, (ServerId, ServerId)>,
    /// Members that nobody reaches.
    cut: BTreeSet<ServerId>,
    /// Members that everything reaches late, and what is on its way to them.
    slow: BTreeMap<ServerId, VecDeque<(ServerId, Message)>>,
    /// Learners that dial: when next, whom, and how often still.
    dials: Vec<(u64, ServerId, ServerId, u32)>,
    next_link: u64,
    next_connection: u64,
    membership: Membership,
    configure: fn(Settings) -> Settings,
    /// Transactions that leaders keep for learners that lag; of older ones they send an image.
    recent_max: usize,
}

impl Ensemble {
    /// Members 1 to `count`, all with a vote; they have a leader already.
    pub fn of(count: i64) -> Self {
        Self::configured(count, |settings| settings)
    }

    pub fn configured(count: i64, configure: fn(Settings) -> Settings) -> Self {
        Self::keeping(count, configure, 500)
    }

    /// Leaders have no more than `recent_max` transactions for learners that lag.
    pub fn forgetful(count: i64, recent_max: usize) -> Self {
        Self::keeping(count, |settings| settings, recent_max)
    }

    fn keeping(count: i64, configure: fn(Settings) -> Settings, recent_max: usize) -> Self {
        let lines = (1..=count).map(|sid| format!("server.{sid}=host{sid}:1:2:participant;2181\n"));
        let text = lines.collect::<String>() + "version=0";
        let membership: Membership = text.parse().expect("a membership");
        let mut ensemble = Self {
            members: BTreeMap::new(),
            now_ms: 0,
            network: VecDeque::new(),
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            dials: Vec::new(),
            next_link: 0,
            next_connection: 0,
            membership,
            configure,
            recent_max,
        };
        for sid in 1..=count {
            ensemble.start(ServerId(sid), Disk::default());
        }
        ensemble.until("a leader and its learners", |ensemble| {
            ensemble
                .members
                .values()
                .all(|member| member.replica.is_serving())
        });
        ensemble
    }

    fn start(&mut self, sid: ServerId, disk: Disk) {
        let mut store = disk.snapshot.clone().unwrap_or_else(|| Store::new(1));
        let oldest = store.last_zxid();
        replay(&mut store, &disk.log);
        let last = store.last_zxid();
        let history = History {
            last,
            oldest,
            accepted_epoch: disk.accepted_epoch,
            current_epoch: disk.current_epoch,
            recent: disk.log[disk.log.len().saturating_sub(self.recent_max)..].to_vec(),
            votes: true,
        };
        let peer_settings = lockkeeper_zab::Settings {
            sid,
            tick_ms: TICK_MS,
            init_limit: INIT_LIMIT,
            sync_limit: SYNC_LIMIT,
            reconfig_enabled: (self.configure)(settings(1)).reconfig.is_some(),
            recent_max: self.recent_max,
            recent_bytes_max: 1 << 20,
            election: ElectionSettings::default(),
        };
        let membership = disk.membership.as_ref().unwrap_or(&self.membership);
        let (membership, last_seen) = (membership.clone(), disk.last_seen.clone());
        let peer = Peer::new(peer_settings, membership, last_seen, history, self.now_ms);
        let settings = (self.configure)(settings(sid.0 as u8));
        let replica = Replica::new(settings, peer, &store, now(self.now_ms));
        let member = Member {
            sid,
            replica,
            store,
            watches: Watches::new(),
            clients: Recorder::default(),
            silent: BTreeSet::new(),
            disk,
            images: BTreeMap::new(),
            listens: false,
        };
        self.members.insert(sid.0, member);
        self.carry_out(sid);
    }

    /// The power fails and comes back: what was durable is what is found again.
    pub fn crash(&mut self, sid: i64) {
        let sid = ServerId(sid);
        let member = self.members.remove(&sid.0).expect("it runs");
        self.break_links(sid);
        self.network
            .retain(|(from, to, _)| *from != sid && *to != sid);
        self.dials.retain(|(_, learner, ..)| *learner != sid);
        self.start(sid, member.disk);
    }

    /// Nothing goes to the member or comes from it any more.
    pub fn cut_off(&mut self, sid: i64) {
        let sid = ServerId(sid);
        self.cut.insert(sid);
        self.network
            .retain(|(from, to, _)| from == to || (*from != sid && *to != sid));
    }

    /// The member is reached again; its old connections are gone, with all that was on them.
    pub fn rejoin(&mut self, sid: i64) {
        let sid = ServerId(sid);
        self.network
            .retain(|(from, to, _)| from == to || (*from != sid && *to != sid));
        self.break_links(sid);
        self.cut.remove(&sid);
    }

    /// From here on what goes to the member waits for [`Ensemble::release`].
    pub fn hold_back(&mut self, sid: i64) {
        self.slow.insert(ServerId(sid), VecDeque::new());
    }

    /// What was held back arrives.
    pub fn release(&mut self, sid: i64) {
        let sid = ServerId(sid);
        for (from, message) in self.slow.remove(&sid).unwrap_or_default() {
            self.network.push_back((from, sid, message));
        }
    }

    fn break_links(&mut self, sid: ServerId) {
        let broken: Vec<_> = self
            .links
            .iter()
            .filter(|(_, (learner, leader))| *learner == sid || *leader == sid)
            .map(|(link, _)| *link)
            .collect();
        for link in broken {
            self.close(link);
        }
    }

    fn close(&mut self, link: LinkId) {
        if let Some((learner, leader)) = self.links.remove(&link) {
            for (from, to) in [(learner, leader), (leader, learner)] {
                let closed = Message::Input(PeerInput::LinkClosed(link));
                self.network.push_back((from, to, closed));
            }
        }
    }

    pub fn member(&mut self, sid: i64) -> &mut Member {
        self.members.get_mut(&sid).expect("a member")
    }

    /// The one that serves as leader.
    pub fn leader(&self) -> i64 {
        let leads = |member: &&Member| {
            member.replica.is_serving() && member.replica.peer().role() == RoleKind::Leading
        };
        let leaders: Vec<_> = self
            .members
            .values()
            .filter(leads)
            .filter(|member| !self.cut.contains(&member.sid))
            .map(|member| member.sid.0)
            .collect();
        assert_eq!(leaders.len(), 1, "one leader: {leaders:?}");
        leaders[0]
    }

    pub fn followers(&self) -> Vec<i64> {
        let leader = self.leader();
        self.members
            .keys()
            .copied()
            .filter(|sid| *sid != leader)
            .collect()
    }

    /// Lets things happen until `done`; time goes on where nothing else does.
    pub fn until(&mut self, what: &str, done: impl Fn(&mut Self) -> bool) {
        let give_up_ms = self.now_ms + PATIENCE_MS;
        while !done(self) {
            if !self.step() {
                assert!(self.now_ms < give_up_ms, "waited in vain for {what}");
                self.pass_time();
            }
        }
    }

    /// Delivers all that is on its way, without time going on.
    pub fn settle(&mut self) {
        while self.step() {}
    }

    /// Lets this much time pass.
    pub fn pass(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        self.until("time", |ensemble| ensemble.now_ms >= until_ms);
        self.settle();
    }

    /// Delivers one message.
    pub fn step(&mut self) -> bool {
        let Some((from, to, message)) = self.network.pop_front() else {
            return false;
        };
        // A connection's end is noticed behind a cut as well, by those on this side of it.
        let is_end = matches!(message, Message::Input(PeerInput::LinkClosed(_)));
        if !is_end && from != to && (self.cut.contains(&from) || self.cut.contains(&to)) {
            return true;
        }
        if let Some(held) = self.slow.get_mut(&to)
            && from != to
        {
            held.push_back((from, message));
            return true;
        }
        match message {
            Message::Input(input) => self.input(to, input),
            Message::Image(link, store) => {
                if let Some(member) = self.members.get_mut(&to.0) {
                    member.images.insert(link, store);
                    self.input(to, PeerInput::Image(link));
                }
            }
        }
        true
    }

    fn input(&mut self, sid: ServerId, input: PeerInput) {
        let now = now(self.now_ms);
        let Some(member) = self.members.get_mut(&sid.0) else {
            return;
        };
        member.replica.handle_peer(input, &member.store, now);
        self.carry_out(sid);
    }

    fn pass_time(&mut self) {
        let next = self
            .members
            .values()
            .map(|member| member.replica.next_tick_ms());
        let next_ms = next.min().unwrap_or(u64::MAX);
        self.now_ms = next_ms.clamp(self.now_ms + 1, self.now_ms + TICK_MS / 4);
        let sids: Vec<_> = self.members.values().map(|member| member.sid).collect();
        let now = now(self.now_ms);
        for sid in sids {
            let member = self.member(sid.0);
            let heard = member.clients.sessions();
            for connection in heard {
                if !member.silent.contains(&connection) {
                    member.clients.heard_ms.insert(connection, now.mono_ms);
                }
            }
            member.replica.tick(&member.store, now, &mut member.clients);
            self.carry_out(sid);
        }
        self.dial_again();
    }

    /// All members have the same tree in the end.
    pub fn assert_same(&mut self) {
        self.until("all members to have applied the same", |ensemble| {
            let mut zxids = ensemble
                .members
                .values()
                .map(|member| member.store.last_zxid());
            let first = zxids.next();
            zxids.all(|zxid| Some(zxid) == first)
        });
        let digests: BTreeSet<_> = self
            .members
            .values()
            .map(|member| member.store.digest())
            .collect();
        assert_eq!(digests.len(), 1, "one digest at one zxid");
        for member in self.members.values() {
            assert_eq!(member.replica.traffic().digest_mismatches, 0);
        }
    }
}

/// Brings a store to the end of the log.
fn replay(store: &mut Store, log: &[Txn]) {
    for txn in log {
        let entry = TxnEntry::from_bytes(&txn.bytes).expect("as logged");
        store.apply(&entry);
    }
}
