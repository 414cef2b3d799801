//! Members that lose one another, crash and come back in any order: what was acknowledged stays, and
//! equal zxids mean equal trees.

mod common;

use std::collections::BTreeMap;

use common::ensemble::Ensemble;
use common::{TICK_MS, create, exists, hello, read, set};
use lockkeeper_store::ConnectionId;
use lockkeeper_wire::request::SyncPath;
use lockkeeper_wire::{
    ConnectResponse, CreateMode, Reader, Record, ReplyHeader, Request, SessionId, Xid, Zxid,
};

const RUNS: u64 = 400;
const STEPS: usize = 250;
const MEMBERS: i64 = 3;
const CLIENTS: usize = 4;

/// Numbers that look like chance (`splitmix64`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    fn member(&mut self) -> i64 {
        self.below(MEMBERS as u64) as i64 + 1
    }
}

/// One client, and what it may rely on.
#[derive(Default)]
struct Client {
    at: Option<(i64, ConnectionId)>,
    session: Option<SessionId>,
    /// Whether the handshake was answered.
    greeted: bool,
    xid: i32,
    /// Creates that are not answered, by number.
    asked: BTreeMap<i32, String>,
    answered: i32,
    acknowledged: Vec<String>,
}

impl Client {
    fn connect(&mut self, ensemble: &mut Ensemble, sid: i64) {
        let session = self.session.unwrap_or(SessionId::NONE);
        let connection = ensemble.handshake(sid, &hello(session, Zxid::ZERO));
        self.at = Some((sid, connection));
        self.greeted = false;
        self.asked.clear();
        self.answered = self.xid;
    }

    fn ask(&mut self, ensemble: &mut Ensemble, chance: &mut Chance, number: usize) {
        let Some((sid, connection)) = self.at else {
            return;
        };
        self.xid += 1;
        let path = format!("/c{number}-{}", self.xid);
        let request = match chance.below(5) {
            0 => set("/shared"),
            1 => read("/shared", chance.below(2) == 0),
            4 => Request::Sync(SyncPath { path: None }),
            2 if chance.below(4) == 0 => create(&format!("{path}e"), CreateMode::Ephemeral),
            _ => {
                self.asked.insert(self.xid, path.clone());
                create(&path, CreateMode::Persistent)
            }
        };
        ensemble.submit(sid, connection, self.xid, request);
    }

    /// Takes the replies that have come.
    fn listen(&mut self, ensemble: &mut Ensemble) {
        let Some((sid, connection)) = self.at else {
            return;
        };
        let clients = &mut ensemble.member(sid).clients;
        for frame in clients.frames(connection) {
            if !std::mem::replace(&mut self.greeted, true) {
                let granted = ConnectResponse::from_bytes(&frame).expect("a connect response");
                self.session = (granted.timeout_ms > 0).then_some(granted.session_id);
                continue;
            }
            let header = ReplyHeader::decode(&mut Reader::new(&frame)).expect("a header");
            if header.xid == Xid::NOTIFICATION {
                continue;
            }
            self.answered += 1;
            assert_eq!(header.xid.0, self.answered, "in the order of asking");
            if let Some(path) = self.asked.remove(&header.xid.0)
                && header.err.is_ok()
            {
                self.acknowledged.push(path);
            }
        }
        if clients.closed.contains(&connection) {
            self.at = None;
        }
    }
}

#[test]
fn acknowledged_writes_stay_and_equal_zxids_mean_equal_trees() {
    let mut reached = 0;
    for seed in 0..RUNS {
        let mut chance = Chance(seed);
        let mut ensemble = match seed % 2 {
            0 => Ensemble::of(MEMBERS),
            _ => Ensemble::forgetful(MEMBERS, 3),
        };
        let first = ensemble.connected(1);
        ensemble.submit(1, first, 1, create("/shared", CreateMode::Persistent));
        ensemble.replies(1, first, 1);
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
        let mut digests = BTreeMap::new();
        let mut cut = None;
        for _ in 0..STEPS {
            let number = chance.below(CLIENTS as u64) as usize;
            let client = &mut clients[number];
            match chance.below(20) {
                0 => match cut.take() {
                    Some(sid) => ensemble.rejoin(sid),
                    None => {
                        let sid = chance.member();
                        ensemble.cut_off(sid);
                        cut = Some(sid);
                    }
                },
                1 if chance.below(3) == 0 => {
                    let sid = chance.member();
                    for client in &mut clients {
                        client.listen(&mut ensemble);
                        client.at = client.at.filter(|(at, _)| *at != sid);
                    }
                    ensemble.crash(sid);
                }
                2..4 => ensemble.pass(chance.below(4 * TICK_MS)),
                4 if client.at.is_some() => {
                    client.listen(&mut ensemble);
                    client.connect(&mut ensemble, chance.member());
                }
                5..14 => client.ask(&mut ensemble, &mut chance, number),
                _ => {
                    for _ in 0..chance.below(10) {
                        ensemble.step();
                    }
                }
            }
            for client in &mut clients {
                client.listen(&mut ensemble);
                if client.at.is_none() {
                    client.connect(&mut ensemble, chance.member());
                }
            }
            for member in ensemble.members.values() {
                if member.replica.is_serving() {
                    let (zxid, digest) = (member.store.last_zxid(), member.store.digest());
                    let known = *digests.entry(zxid).or_insert(digest);
                    assert_eq!(digest, known, "run {seed}, {zxid}, {:?}", member.sid);
                }
            }
        }
        if let Some(sid) = cut {
            ensemble.rejoin(sid);
        }
        ensemble.until("everybody's service", |ensemble| {
            ensemble
                .members
                .values()
                .all(|member| member.replica.is_serving())
        });
        for client in &mut clients {
            client.listen(&mut ensemble);
        }
        ensemble.assert_same();
        let store = &ensemble.member(1).store;
        let mut acknowledged = clients.iter().flat_map(|client| &client.acknowledged);
        reached += acknowledged.clone().count();
        let lost = acknowledged.find(|path| !exists(store, path));
        assert_eq!(lost, None, "run {seed}");
    }
    assert!(reached > 5 * RUNS as usize, "only {reached} writes");
}
