//! One peer on a bench: told what others would say, and what it says written down in short.

#![allow(dead_code, unreachable_pub)]

pub mod change;
mod show;

use bytes::Bytes;
use lockkeeper_wire::quorum::PROTOCOL;
use lockkeeper_wire::{
    ForwardedRequest, LeaderPacket, LearnerInfo, LearnerPacket, Notification, PeerState, ServerId,
    SessionId, Vote, Zxid,
};
use lockkeeper_zab::{Effect, History, IoId, LinkId, Membership, Peer, Settings, Txn};

use show::show;

pub const ONE: ServerId = ServerId(1);
pub const TWO: ServerId = ServerId(2);
pub const THREE: ServerId = ServerId(3);

/// The link that the bench dials or accepts first; others as a test likes.
pub const LINK: LinkId = LinkId(1);

pub fn zxid(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(epoch, counter)
}

pub fn txn(epoch: u32, counter: u32) -> Txn {
    let zxid = zxid(epoch, counter);
    Txn {
        zxid,
        bytes: body(zxid),
    }
}

pub fn body(zxid: Zxid) -> Bytes {
    Bytes::from(format!("{zxid}"))
}

/// A log of epoch 1 with so many transactions, all in memory.
pub fn log_of(count: u32) -> History {
    history((1..=count).map(|counter| txn(1, counter)).collect())
}

/// What a member finds that has this log and no more.
pub fn history(recent: Vec<Txn>) -> History {
    let last = recent.last().map_or(Zxid::ZERO, |txn| txn.zxid);
    let epoch = i64::from(last.epoch());
    History {
        last,
        oldest: Zxid::ZERO,
        accepted_epoch: epoch,
        current_epoch: epoch,
        recent,
        votes: true,
    }
}

/// 1, 2 and 3 vote, 4 observes.
pub fn membership() -> Membership {
    let text = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\nversion=0";
    text.parse().expect("a membership")
}

pub fn settings(sid: ServerId) -> Settings {
    Settings {
        tick_ms: 1_000,
        init_limit: 10,
        sync_limit: 5,
        ..Settings::new(sid)
    }
}

pub struct Bench {
    pub peer: Peer,
    pub now_ms: u64,
    last_io: IoId,
}

impl Bench {
    pub fn new(sid: ServerId, history: History) -> Self {
        Self::with(settings(sid), history)
    }

    pub fn with(settings: Settings, history: History) -> Self {
        let mut bench = Self::started(settings, history, None);
        bench.said();
        bench
    }

    pub fn started(settings: Settings, history: History, seen: Option<Membership>) -> Self {
        Self {
            peer: Peer::new(settings, membership(), seen, history, 0),
            now_ms: 0,
            last_io: IoId(0),
        }
    }

    /// A member that has just been elected, by all.
    pub fn elected(sid: ServerId, history: History) -> Self {
        Self::elected_with(settings(sid), history)
    }

    pub fn elected_with(settings: Settings, history: History) -> Self {
        let sid = settings.sid;
        let vote = Vote {
            leader: sid,
            zxid: history.last,
            epoch: history.current_epoch,
        };
        let mut bench = Self::with(settings, history);
        for from in [ONE, TWO, THREE] {
            if from != sid {
                bench.hear_vote(from, PeerState::Looking, vote, 1);
            }
        }
        bench
    }

    /// A member that has just found 3 for its leader.
    pub fn with_leader(sid: ServerId, history: History) -> Self {
        let mut bench = Self::new(sid, history);
        bench.find_leader();
        bench
    }

    /// All vote for this member, which has this to show.
    pub fn elect_itself(&mut self, last: Zxid, epoch: i64) {
        self.elect_itself_with(TWO, last, epoch);
    }

    /// And this one.
    pub fn elect_itself_with(&mut self, other: ServerId, last: Zxid, epoch: i64) {
        let (vote, round) = self.own_vote();
        let vote = Vote {
            zxid: last,
            epoch,
            ..vote
        };
        for from in [ONE, TWO, THREE, other] {
            if from != vote.leader {
                self.hear_vote(from, PeerState::Looking, vote, round);
            }
        }
        // Others may still come.
        self.pass(200);
        assert_eq!(self.peer.leader(), Some(vote.leader));
    }

    /// What it tells others.
    fn own_vote(&mut self) -> (Vote, i64) {
        let mut own = None;
        while let Some(effect) = self.peer.poll_effect() {
            if let Effect::Notify { notification, .. } = effect {
                own = Some((notification.vote, notification.round));
            }
        }
        own.expect("it looks for a leader")
    }

    /// 3 leads, and 1 and 2 follow it.
    pub fn find_leader(&mut self) {
        for from in [TWO, ONE, THREE] {
            self.hear_leader_of(from, THREE);
        }
    }

    pub fn hear_leader_of(&mut self, from: ServerId, leader: ServerId) {
        let vote = Vote {
            leader,
            zxid: Zxid::ZERO,
            epoch: 9,
        };
        let state = match from == leader {
            true => PeerState::Leading,
            false => PeerState::Following,
        };
        self.hear_vote(from, state, vote, 77);
    }

    pub fn hear_vote(&mut self, from: ServerId, state: PeerState, vote: Vote, round: i64) {
        let notification = Notification {
            state,
            vote,
            round,
            version: 2,
            config: Some(Bytes::new()),
        };
        self.peer
            .handle_notification(from, notification, self.now_ms);
    }

    /// Everything said since the last time, in short; notifications are left out.
    pub fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(effect) = self.peer.poll_effect() {
            if let Effect::Append { io, .. }
            | Effect::Truncate { io, .. }
            | Effect::InstallImage { io, .. }
            | Effect::WriteAcceptedEpoch { io, .. }
            | Effect::WriteCurrentEpoch { io, .. } = &effect
            {
                assert_eq!(io.0, self.last_io.0 + 1, "writes are counted one by one");
                self.last_io = *io;
            }
            if let Some(text) = show(&effect) {
                said.push(text);
            }
        }
        said
    }

    /// All that was written is durable; what is said then.
    pub fn synced(&mut self) -> Vec<String> {
        let mut said = self.said();
        self.peer.handle_durable(self.last_io, self.now_ms);
        said.extend(self.said());
        said
    }

    /// Only the first so many writes are.
    pub fn synced_upto(&mut self, io: u64) -> Vec<String> {
        let mut said = self.said();
        self.peer.handle_durable(IoId(io), self.now_ms);
        said.extend(self.said());
        said
    }

    pub fn last_io(&self) -> u64 {
        self.last_io.0
    }

    pub fn pass(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(at_ms) = self.peer.poll_timeout().filter(|at_ms| *at_ms <= end_ms) {
            self.now_ms = at_ms.max(self.now_ms);
            self.peer.handle_timeout(self.now_ms);
        }
        self.now_ms = end_ms;
    }

    pub fn learner_says(&mut self, link: LinkId, packet: LearnerPacket) {
        self.peer.handle_learner_packet(link, packet, self.now_ms);
    }

    pub fn leader_says(&mut self, packet: LeaderPacket) {
        self.peer.handle_leader_packet(LINK, packet, self.now_ms);
    }

    /// A learner connects and says who it is.
    pub fn introduce(&mut self, link: LinkId, sid: ServerId, accepted: u32) {
        self.peer.handle_learner_accepted(link, self.now_ms);
        self.learner_says(
            link,
            LearnerPacket::FollowerInfo {
                accepted: zxid(accepted, 0),
                info: LearnerInfo {
                    sid,
                    protocol: PROTOCOL,
                    config_version: 0,
                },
            },
        );
    }

    pub fn observe(&mut self, link: LinkId, sid: ServerId) {
        self.peer.handle_learner_accepted(link, self.now_ms);
        let info = LearnerInfo::new(sid, 0);
        let accepted = Zxid::ZERO;
        self.learner_says(link, LearnerPacket::ObserverInfo { accepted, info });
    }

    pub fn promise(&mut self, link: LinkId, last: Zxid, current_epoch: i32) {
        self.learner_says(
            link,
            LearnerPacket::AckEpoch {
                last,
                current_epoch,
            },
        );
    }

    /// The same, and looks at the membership in NEWLEADER.
    pub fn promise_and_see(&mut self, link: LinkId, last: Zxid, see: impl Fn(&Bytes)) {
        self.said();
        self.promise(link, last, 0);
        let mut seen = 0;
        while let Some(effect) = self.peer.poll_effect() {
            if let Effect::SendToLearner {
                packet: LeaderPacket::NewLeader { config, .. },
                ..
            } = effect
            {
                see(&config);
                seen += 1;
            }
        }
        assert_eq!(seen, 1);
    }

    pub fn ack(&mut self, link: LinkId, zxid: Zxid) {
        self.learner_says(link, LearnerPacket::Ack { zxid });
    }

    /// Server 2 comes over [`LINK`] with the same log, and the epoch begins.
    pub fn begin_epoch(&mut self, epoch: u32) {
        let last = self.peer.last_logged();
        let (accepted, current) = self.peer.epochs();
        self.introduce(LINK, TWO, accepted as u32);
        self.synced();
        self.promise(LINK, last, current as i32);
        self.synced();
        self.ack(LINK, zxid(epoch, 0));
        assert!(
            self.peer.is_serving(),
            "the epoch has begun: {:?}",
            self.said()
        );
        self.said();
    }

    /// Proposes the next transaction.
    pub fn propose(&mut self) -> Zxid {
        let zxid = self.peer.next_zxid().expect("a leader that serves");
        let bytes = body(zxid);
        self.peer.propose(Txn { zxid, bytes }, None, self.now_ms);
        zxid
    }

    /// The leader sends a transaction and its commit.
    pub fn committed(&mut self, epoch: u32, counters: impl IntoIterator<Item = u32>) {
        for counter in counters {
            let zxid = zxid(epoch, counter);
            self.proposal(zxid);
            self.leader_says(LeaderPacket::Commit { zxid });
        }
    }

    pub fn proposal(&mut self, zxid: Zxid) {
        let txn = body(zxid);
        self.leader_says(LeaderPacket::Proposal { zxid, txn });
    }

    pub fn new_leader(&mut self, epoch: u32) {
        let (zxid, config) = (zxid(epoch, 0), Bytes::new());
        self.leader_says(LeaderPacket::NewLeader { zxid, config });
    }

    /// The connection is there and the leader has offered an epoch, which is accepted.
    pub fn accept(&mut self, epoch: u32) -> Vec<String> {
        self.peer.handle_leader_connected(LINK, self.now_ms);
        self.leader_says(LeaderPacket::LeaderInfo {
            zxid: zxid(epoch, 0),
            protocol: PROTOCOL,
        });
        self.synced()
    }

    /// The same, and what the leader has is what this member has.
    pub fn follow(&mut self, epoch: u32) {
        self.accept(epoch);
        let zxid = self.peer.last_logged();
        self.leader_says(LeaderPacket::Diff { zxid });
        self.new_leader(epoch);
        self.synced();
        self.leader_says(LeaderPacket::UpToDate);
        assert!(self.peer.is_serving(), "{:?}", self.said());
        self.said();
    }
}

pub fn request(op: i32) -> LearnerPacket {
    LearnerPacket::Request(ForwardedRequest {
        session: SessionId(5),
        cxid: 1,
        op,
        body: Bytes::new(),
        identities: None,
    })
}
