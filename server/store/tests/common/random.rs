//! Random writes: drafts that proptest makes and shrinks, turned into requests against the naive
//! model, so that most of them name znodes that are there and some do not.

use std::collections::VecDeque;

use bytes::Bytes;
use lockkeeper_check::tree::{By, Naive};
use lockkeeper_store::{Identities, StatsWanted, Store, Write, authenticate};
use lockkeeper_wire::acl::{ALL, CREATE, READ};
use lockkeeper_wire::multi::MultiOp;
use lockkeeper_wire::request::{
    CreateRequest, CreateTtlRequest, PathVersion, SetAclRequest, SetDataRequest,
};
use lockkeeper_wire::{Acl, ByteStr, ErrorCode, Request, Response, SessionId, TxnEntry};
use proptest::prelude::*;

use super::{Server, local, multi};

/// Sessions that random writes come from; 1 is local, 2 is a digest user, 3 is super.
const SESSIONS: i64 = 3;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Begin(i64),
    Write(i64, Vec<Draft>),
    DeleteContainer(Pick),
    /// Applies as many outstanding transactions.
    Apply(usize),
}

/// One part of a request; several make a multi.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    verb: u8,
    path: Pick,
    flags: i32,
    acl: u8,
    version: u8,
    data: u8,
}

/// A path: of a znode that is there, of a child for one, or one that is never legal.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    kind: u8,
    at: prop::sample::Index,
    name: u8,
}

fn pick() -> impl Strategy<Value = Pick> {
    (0..40u8, any::<prop::sample::Index>(), 0..4u8).prop_map(|(kind, at, name)| Pick {
        kind,
        at,
        name,
    })
}

fn draft() -> impl Strategy<Value = Draft> {
    let flags = prop_oneof![12 => 0..5, 1 => -1..8];
    (0..32u8, pick(), flags, 0..40u8, 0..16u8, 0..4u8).prop_map(
        |(verb, path, flags, acl, version, data)| Draft {
            verb,
            path,
            flags,
            acl,
            version,
            data,
        },
    )
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let session = 1..=SESSIONS;
    prop_oneof![
        4 => session.clone().prop_map(Step::Begin),
        24 => (session.clone(), draft()).prop_map(|(session, one)| Step::Write(session, vec![one])),
        6 => (session, prop::collection::vec(draft(), 0..5))
            .prop_map(|(session, parts)| Step::Write(session, parts)),
        3 => pick().prop_map(Step::DeleteContainer),
        8 => (0..8usize).prop_map(Step::Apply),
    ]
}

pub(crate) fn identities_of(session: i64) -> Identities {
    let alice = |password: &[u8]| {
        authenticate(&local(), Some("digest"), Some(password), Some(SUPER_DIGEST))
            .expect("a digest credential is always accepted")
    };
    match session {
        1 => local(),
        2 => alice(b"alice:pw"),
        _ => alice(b"super:secret"),
    }
}

const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

impl Pick {
    /// Mostly legal; `new` prefers a child that is not there yet.
    fn resolve(&self, model: &Naive, new: bool) -> String {
        let there = model.nodes.keys().nth(self.at.index(model.nodes.len()));
        let there = there.expect("the root is always there");
        let name = ["a", "b", "c", "long-name"][usize::from(self.name)];
        match self.kind {
            0 => format!("{there}/"),
            1 => format!("{there}//{name}"),
            2 => name.to_owned(),
            3 => format!("/missing/{name}"),
            4..8 => format!("{}/{name}", there.trim_end_matches('/')),
            8..12 => there.clone(),
            _ if !new => there.clone(),
            _ => format!("{}/{name}", there.trim_end_matches('/')),
        }
    }
}

fn acl(draft: u8) -> Option<Vec<Acl>> {
    let open = Acl::new(ALL, "world", "anyone");
    Some(match draft {
        0 => return None,
        1 => vec![],
        2 => Acl::creator_all(),
        3 => vec![open.clone(), open],
        4 => vec![Acl::new(READ, "world", "anyone"), Acl::new(ALL, "auth", "")],
        5 => vec![Acl::new(
            ALL,
            "digest",
            "alice:V55/p2T0OpjQ+low3NVAH4aLvm0=",
        )],
        6 => vec![Acl::new(READ | CREATE, "world", "anyone")],
        7 => Acl::read_only(),
        _ => vec![open],
    })
}

impl Draft {
    fn version(&self, current: Option<i32>) -> i32 {
        match (self.version, current) {
            (0, _) => 5,
            (1..8, Some(current)) => current,
            _ => -1,
        }
    }

    fn part(&self, model: &Naive) -> MultiOp {
        let path = self.path.resolve(model, self.verb < 16);
        let node = model.nodes.get(&path);
        let version = self.version(node.map(|node| node.version));
        let data = [None, Some(""), Some("x"), Some("much more data")][usize::from(self.data)];
        let data = data.map(|text| Bytes::from_static(text.as_bytes()));
        let path: ByteStr = path.into();
        let body = |flags| CreateRequest {
            path: path.clone(),
            data: data.clone(),
            acl: acl(self.acl),
            flags,
        };
        match self.verb {
            0..7 => MultiOp::Create(body(self.flags)),
            7..11 => MultiOp::Create2(body(self.flags)),
            11..14 => MultiOp::CreateContainer(body(self.flags)),
            14..16 => MultiOp::CreateTtl(CreateTtlRequest {
                path,
                data,
                acl: acl(self.acl),
                flags: if self.version == 0 { self.flags } else { 5 },
                ttl_ms: i64::from(self.data) * 1000,
            }),
            16..21 => MultiOp::Delete(PathVersion { path, version }),
            21..26 => MultiOp::SetData(SetDataRequest {
                path,
                data,
                version,
            }),
            _ => MultiOp::Check(PathVersion { path, version }),
        }
    }

    fn request(&self, model: &Naive) -> Request {
        match self.part(model) {
            MultiOp::Create(body) => Request::Create(body),
            MultiOp::Create2(body) => Request::Create2(body),
            MultiOp::CreateContainer(body) => Request::CreateContainer(body),
            MultiOp::CreateTtl(body) => Request::CreateTtl(body),
            MultiOp::Delete(body) => Request::Delete(body),
            MultiOp::SetData(body) => Request::SetData(body),
            // A check stands in no request of its own: its place is for what no multi takes.
            MultiOp::Check(_) if self.verb == 26 => Request::CloseSession,
            MultiOp::Check(body) => {
                let node = model.nodes.get(&*body.path);
                Request::SetAcl(SetAclRequest {
                    path: body.path,
                    acl: acl(self.acl),
                    version: self.version(node.map(|node| node.aversion)),
                })
            }
        }
    }
}

/// A transaction on its way, and what the model says about it.
pub(crate) struct Outstanding {
    pub(crate) entry: TxnEntry,
    pub(crate) wanted: StatsWanted,
    pub(crate) outcome: Result<Response, ErrorCode>,
    pub(crate) after: Naive,
}

/// A store and the model side by side; the model is ahead by what is outstanding.
pub(crate) struct Pair {
    pub(crate) server: Server,
    pub(crate) model: Naive,
    pub(crate) outstanding: VecDeque<Outstanding>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let mut pair = Self {
            server: Server::on(Store::new(3)),
            model: Naive::fresh(),
            outstanding: VecDeque::new(),
        };
        for session in 1..SESSIONS {
            pair.prep(&Step::Begin(session));
        }
        pair
    }

    /// Prepares the step's write, if it has one, on both sides.
    pub(crate) fn prep(&mut self, step: &Step) {
        let Self { server, model, .. } = self;
        let number = match step {
            Step::Begin(session) | Step::Write(session, _) => *session,
            Step::DeleteContainer(_) => 0,
            Step::Apply(_) => return,
        };
        let (session, identities) = (SessionId(number), identities_of(number));
        let by = By {
            session,
            identities: &identities,
            zxid: server.zxid.0 + 1,
            time_ms: server.time_ms + 1,
        };
        let mut wanted = StatsWanted::default();
        let (entry, outcome) = match step {
            Step::Begin(_) => {
                model.begin_session(session, 4000);
                let entry = server.prep(session, &identities, Write::CreateSession(4000));
                (entry, Ok(Response::Empty))
            }
            Step::Write(_, drafts) => {
                let request = match drafts.as_slice() {
                    [one] => one.request(model),
                    parts => multi(parts.iter().map(|part| part.part(model)).collect()),
                };
                wanted = StatsWanted::by(&request);
                let outcome = model.write(by, &request);
                let entry = server.prep(session, &identities, Write::Request(&request));
                (entry, outcome)
            }
            Step::DeleteContainer(pick) => {
                let path = pick.resolve(model, false);
                let outcome = model.delete_container(by, &path).map(|()| Response::Empty);
                let entry = server.prep(session, &identities, Write::DeleteContainer(&path));
                (entry, outcome)
            }
            Step::Apply(_) => return,
        };
        self.outstanding.push_back(Outstanding {
            entry,
            wanted,
            outcome,
            after: self.model.clone(),
        });
    }

    /// Prepares and applies without looking at the outcomes.
    pub(crate) fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.prep(step);
            while let Some(next) = self.outstanding.pop_front() {
                self.server.apply(&next.entry);
            }
        }
    }
}
