//! Whole members in one process: real peers, disks in memory, and a network that is a queue.
//!
//! One thing happens at a time and in one order, so every run of a scenario is the same. Time goes
//! on only when the network has nothing left to deliver.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lockkeeper_replica::{Effect, IoId, LinkId, Peer, PeerInput, Replica, RoleKind, Settings, Txn};
use lockkeeper_store::{ConnectionId, Store, Watches};
use lockkeeper_wire::{
    ConnectRequest, LearnerPacket, Record, Request, ServerId, SessionId, TxnEntry, Xid, Zxid,
};
use lockkeeper_zab::{ElectionSettings, History, Membership};

use super::{Recorder, TICK_MS, hello, now, settings};

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
    /// Nothing becomes durable while this is set.
    stuck: bool,
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
            reconfig_enabled: false,
            recent_max: self.recent_max,
            recent_bytes_max: 1 << 20,
            election: ElectionSettings::default(),
        };
        let membership = self.membership.clone();
        let peer = Peer::new(peer_settings, membership, None, history, self.now_ms);
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
        assert!(!member.disk.stuck, "what is not durable would have to go");
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

    /// While set, nothing that the member writes becomes durable.
    pub fn stick_disk(&mut self, sid: i64, stuck: bool) {
        self.member(sid).disk.stuck = stuck;
        self.report_durable(ServerId(sid));
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

    /// Does what a member wants until it wants nothing more.
    fn carry_out(&mut self, sid: ServerId) {
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

    fn report_durable(&mut self, sid: ServerId) {
        let disk = &mut self.member(sid.0).disk;
        if !disk.stuck
            && let Some(io) = disk.written.take()
        {
            self.input(sid, PeerInput::Durable(io));
        }
    }

    fn effect(&mut self, sid: ServerId, effect: Effect) {
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
            Effect::MembershipChanged { membership } => self.membership = membership,
            effect => self.store_effect(sid, effect),
        }
    }

    /// The disk is not to be asked twice: what is written here is durable once it is reported.
    fn store_effect(&mut self, sid: ServerId, effect: Effect) {
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

    fn send(&mut self, from: ServerId, to: ServerId, input: PeerInput) {
        self.network.push_back((from, to, Message::Input(input)));
    }

    fn dial(&mut self, learner: ServerId, leader: ServerId, attempts: u32) {
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

    fn dial_again(&mut self) {
        let (due, later) = std::mem::take(&mut self.dials)
            .into_iter()
            .partition(|(at_ms, ..)| *at_ms <= self.now_ms);
        self.dials = later;
        let due: Vec<_> = due;
        for (_, learner, leader, attempts) in due {
            self.dial(learner, leader, attempts);
        }
    }

    /// A connection that asks for a session; the answer is not waited for.
    pub fn handshake(&mut self, sid: i64, request: &ConnectRequest) -> ConnectionId {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        let now = now(self.now_ms);
        let member = self.member(sid);
        member.clients.heard_ms.insert(connection, now.mono_ms);
        member
            .replica
            .connect(&member.store, connection, request, now, &mut member.clients);
        self.carry_out(ServerId(sid));
        connection
    }

    /// A connection with a session of its own.
    pub fn connected(&mut self, sid: i64) -> ConnectionId {
        self.resumed(sid, SessionId::NONE)
    }

    /// A connection that has resumed a session.
    pub fn resumed(&mut self, sid: i64, session: SessionId) -> ConnectionId {
        let connection = self.handshake(sid, &hello(session, Zxid::ZERO));
        self.until("a session", |ensemble| {
            ensemble.member(sid).clients.is_open(connection)
        });
        assert!(self.member(sid).clients.granted(connection).timeout_ms > 0);
        connection
    }

    /// Hands a request to a member; nothing has been delivered to others when this returns.
    pub fn submit(&mut self, sid: i64, connection: ConnectionId, xid: i32, request: Request) {
        let now = now(self.now_ms);
        let member = self.member(sid);
        let (xid, identities) = (Xid(xid), [].into());
        member
            .replica
            .submit(&member.store, connection, xid, request, identities, now);
        member.replica.drain(
            connection,
            &member.store,
            &mut member.watches,
            &mut member.clients,
        );
        self.carry_out(ServerId(sid));
    }

    /// A learner's packet that no replica of ours would send.
    pub fn forge(&mut self, learner: i64, packet: LearnerPacket) {
        let of = |(_, (from, _)): &(&LinkId, &(ServerId, ServerId))| from.0 == learner;
        let link = self.links.iter().find(of);
        let (&link, &(from, leader)) = link.expect("a learner");
        self.send(from, leader, PeerInput::LearnerPacket(link, packet));
    }

    pub fn disconnect(&mut self, sid: i64, connection: ConnectionId) {
        let member = self.member(sid);
        member
            .replica
            .disconnect(connection, &mut member.watches, &member.clients);
    }

    /// The next `count` replies of a connection.
    pub fn replies(&mut self, sid: i64, connection: ConnectionId, count: usize) -> Vec<(i32, i32)> {
        let mut replies = Vec::new();
        let give_up_ms = self.now_ms + PATIENCE_MS;
        while replies.len() < count {
            replies.extend(self.member(sid).clients.replies(connection));
            if replies.len() < count && !self.step() {
                assert!(self.now_ms < give_up_ms, "waited in vain for replies");
                self.pass_time();
            }
        }
        replies
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
