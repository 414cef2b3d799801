//! The rules of reads and writes once more, without any cleverness: a map of paths, scanned when a
//! question comes up. It shares no code with the store and judges and changes in one go.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use lockkeeper_wire::acl::{ADMIN, CREATE, DELETE, READ, WRITE};
use lockkeeper_wire::multi::{MultiOp, MultiResponse, MultiResult};
use lockkeeper_wire::reply::{Create2Response, CreateResponse, StatResponse};
use lockkeeper_wire::request::CreateRequest;
use lockkeeper_wire::{
    Acl, ByteStr, ErrorCode, EventType, Id, Request, Response, SessionId, Stat, Zxid,
};

use crate::rules::{check_path, check_version, expand, may, parent_of};

/// What a znode is besides its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Stays.
    Persistent,
    /// Goes with its session.
    Ephemeral(SessionId),
    /// Goes some time after its last child.
    Container,
    /// Goes when unchanged for so many ms.
    Ttl(i64),
}

/// A znode.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its data; null and empty differ.
    pub data: Option<Bytes>,
    /// Its access list.
    pub acl: Vec<Acl>,
    /// Its kind.
    pub kind: Kind,
    czxid: i64,
    mzxid: i64,
    pzxid: i64,
    ctime: i64,
    mtime: i64,
    /// Times the data was set.
    pub version: i32,
    creations: i32,
    /// Times the access list was set.
    pub aversion: i32,
}

/// The tree and the sessions.
#[derive(Clone, Debug)]
pub struct Naive {
    /// Znodes by full path.
    pub nodes: BTreeMap<String, Node>,
    /// Sessions alive and their timeouts, ms.
    pub sessions: BTreeMap<SessionId, i32>,
    changes: Vec<Change>,
}

/// A step of a write that watches may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The transaction.
    pub zxid: Zxid,
    /// Created, deleted or data set.
    pub kind: EventType,
    /// The znode.
    pub path: String,
    /// Its access list; of a deleted one, as it was.
    pub acl: Vec<Acl>,
    /// The parent's access list.
    pub parent_acl: Vec<Acl>,
}

/// Who writes when.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// The session.
    pub session: SessionId,
    /// Its identities.
    pub identities: &'a [Id],
    /// The transaction.
    pub zxid: i64,
    /// The leader's wall clock, ms since 1970.
    pub time_ms: i64,
}

/// What a create asks for besides its path.
struct Wanted<'a> {
    data: &'a Option<Bytes>,
    acl: &'a Option<Vec<Acl>>,
    sequential: bool,
    kind: Kind,
    with_stat: bool,
}

type Outcome = Result<MultiResult, ErrorCode>;

impl Naive {
    /// What a new server has.
    pub fn fresh() -> Self {
        let node = |acl, aversion| Node {
            data: Some(Bytes::new()),
            acl,
            kind: Kind::Persistent,
            czxid: 0,
            mzxid: 0,
            pzxid: 0,
            ctime: 0,
            mtime: 0,
            version: 0,
            creations: 0,
            aversion,
        };
        let nodes = [
            ("/", node(Acl::open(), 0)),
            ("/zookeeper", node(Acl::open(), 0)),
            ("/zookeeper/config", node(Acl::read_only(), -1)),
            ("/zookeeper/quota", node(Acl::open(), 0)),
        ];
        Self {
            nodes: nodes.map(|(path, node)| (path.to_owned(), node)).into(),
            sessions: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// Names of a znode's children, sorted.
    pub fn children(&self, path: &str) -> Vec<String> {
        let names = self.below(path).filter(|name| !name.contains('/'));
        names.map(str::to_owned).collect()
    }

    /// Paths of what lies below a znode, without its own path and the slash behind it.
    pub fn below(&self, path: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let from = (Bound::Excluded(prefix.clone()), Bound::Unbounded);
        let below = self.nodes.range::<String, _>(from);
        below.map_while(move |(path, _)| path.strip_prefix(&prefix))
    }

    /// Takes what has changed since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Paths of a session's ephemerals, sorted.
    pub fn ephemerals(&self, session: SessionId) -> Vec<String> {
        let own = |(_, node): &(&String, &Node)| node.kind == Kind::Ephemeral(session);
        let own = self.nodes.iter().filter(own);
        own.map(|(path, _)| path.clone()).collect()
    }

    /// A znode's metadata.
    ///
    /// # Panics
    /// When there is none at the path.
    pub fn stat(&self, path: &str) -> Stat {
        let node = &self.nodes[path];
        let children = self.children(path).len() as i32;
        Stat {
            czxid: Zxid(node.czxid),
            mzxid: Zxid(node.mzxid),
            ctime: node.ctime,
            mtime: node.mtime,
            version: node.version,
            cversion: 2 * node.creations - children,
            aversion: node.aversion,
            ephemeral_owner: match node.kind {
                Kind::Ephemeral(session) => session,
                _ => SessionId::NONE,
            },
            data_length: node.data.as_ref().map_or(0, Bytes::len) as i32,
            num_children: children,
            pzxid: Zxid(node.pzxid),
        }
    }

    /// The digest of all znodes but those below `/zookeeper`, each computed anew.
    pub fn digest(&self) -> u64 {
        let counted = |path: &str| !path.starts_with("/zookeeper/");
        let nodes = self.nodes.iter().filter(|(path, _)| counted(path));
        let digest_of = |(path, node): (&String, &Node)| {
            let mut bytes = path.trim_end_matches('/').as_bytes().to_vec();
            bytes.extend_from_slice(node.data.as_deref().unwrap_or_default());
            let times = [node.czxid, node.mzxid, node.pzxid, node.ctime, node.mtime];
            bytes.extend(times.iter().flat_map(|long| long.to_be_bytes()));
            let counts = [node.version, node.creations, node.aversion];
            bytes.extend(counts.iter().flat_map(|int| int.to_be_bytes()));
            let owner = match node.kind {
                Kind::Persistent => 0,
                Kind::Ephemeral(session) => session.0,
                Kind::Container => i64::MIN,
                Kind::Ttl(ttl_ms) => -0x0100_0000_0000_0000 + ttl_ms,
            };
            bytes.extend(owner.to_be_bytes());
            u64::from(crc32fast::hash(&bytes))
        };
        nodes.map(digest_of).fold(0, u64::wrapping_add)
    }

    /// A session begins, or gets another timeout.
    pub fn begin_session(&mut self, session: SessionId, timeout_ms: i32) {
        self.sessions.insert(session, timeout_ms);
    }

    /// Carries a write out, or refuses it.
    pub fn write(&mut self, by: By<'_>, request: &Request) -> Result<Response, ErrorCode> {
        let part = match request {
            Request::Create(body) => MultiOp::Create(body.clone()),
            Request::Create2(body) => MultiOp::Create2(body.clone()),
            Request::CreateContainer(body) => MultiOp::CreateContainer(body.clone()),
            Request::CreateTtl(body) => MultiOp::CreateTtl(body.clone()),
            Request::Delete(body) => MultiOp::Delete(body.clone()),
            Request::SetData(body) => MultiOp::SetData(body.clone()),
            Request::SetAcl(body) => {
                self.alive(by)?;
                check_path(&body.path)?;
                let acl = expand(&body.acl, by.identities)?;
                let node = self.node(&body.path)?;
                may(&node.acl, ADMIN, by.identities)?;
                check_version(body.version, node.aversion)?;
                node.acl = acl;
                node.aversion += 1;
                let stat = self.stat(&body.path);
                return Ok(Response::Stat(StatResponse { stat }));
            }
            Request::CloseSession => {
                self.alive(by)?;
                self.end_session(by, &[]);
                return Ok(Response::Empty);
            }
            Request::Multi(body) => return self.multi(by, &body.ops),
            _ => return Err(ErrorCode::UNIMPLEMENTED),
        };
        // Only in a multi do the flags of a plain create make a container.
        let alone = match part {
            MultiOp::Create(body) if body.flags == 4 => self.plain(by, &body, false),
            MultiOp::Create2(body) if body.flags == 4 => self.plain(by, &body, true),
            part => self.part(by, &part),
        };
        alone.map(|result| match result {
            MultiResult::Create(body) => Response::Create(body),
            MultiResult::Create2(body) => Response::Create2(body),
            MultiResult::SetData(stat) => Response::Stat(StatResponse { stat }),
            _ => Response::Empty,
        })
    }

    /// Ends a session: its ephemerals go, those listed first and in that order.
    pub fn end_session(&mut self, by: By<'_>, listed: &[ByteStr]) {
        let own = self.ephemerals(by.session);
        let first = listed.iter().map(ToString::to_string);
        for path in first.filter(|path| own.contains(path)).chain(own.clone()) {
            if self.nodes.contains_key(&path) {
                self.remove(&path, by.zxid);
            }
        }
        self.sessions.remove(&by.session);
    }

    fn multi(&mut self, by: By<'_>, ops: &[MultiOp]) -> Result<Response, ErrorCode> {
        self.alive(by)?;
        let before = self.clone();
        let mut results = Vec::new();
        for op in ops {
            match self.part(by, op) {
                Ok(result) => results.push(result),
                Err(code) => {
                    *self = before;
                    let rest = ops.len() - results.len() - 1;
                    results.fill(MultiResult::Error(ErrorCode::OK));
                    results.push(MultiResult::Error(code));
                    let aborted = MultiResult::Error(ErrorCode::RUNTIME_INCONSISTENCY);
                    results.extend(std::iter::repeat_n(aborted, rest));
                    break;
                }
            }
        }
        Ok(Response::Multi(MultiResponse { results }))
    }

    fn part(&mut self, by: By<'_>, op: &MultiOp) -> Outcome {
        match op {
            MultiOp::Create(body) if body.flags != 4 => self.plain(by, body, false),
            MultiOp::Create2(body) if body.flags != 4 => self.plain(by, body, true),
            MultiOp::Create(body) | MultiOp::Create2(body) | MultiOp::CreateContainer(body) => {
                if !(0..5).contains(&body.flags) {
                    return Err(ErrorCode::BAD_ARGUMENTS);
                }
                let wanted = Wanted {
                    data: &body.data,
                    acl: &body.acl,
                    sequential: matches!(body.flags, 2 | 3),
                    kind: Kind::Container,
                    with_stat: true,
                };
                self.create(by, &body.path, wanted)
            }
            MultiOp::CreateTtl(body) => {
                if !(5..7).contains(&body.flags) || !(1..1 << 40).contains(&body.ttl_ms) {
                    return Err(ErrorCode::BAD_ARGUMENTS);
                }
                let wanted = Wanted {
                    data: &body.data,
                    acl: &body.acl,
                    sequential: body.flags == 6,
                    kind: Kind::Ttl(body.ttl_ms),
                    with_stat: true,
                };
                self.create(by, &body.path, wanted)
            }
            MultiOp::Delete(body) => self.delete(by, &body.path, body.version),
            MultiOp::SetData(body) => {
                self.alive(by)?;
                check_path(&body.path)?;
                let node = self.node(&body.path)?;
                may(&node.acl, WRITE, by.identities)?;
                check_version(body.version, node.version)?;
                node.data.clone_from(&body.data);
                node.version += 1;
                (node.mzxid, node.mtime) = (by.zxid, by.time_ms);
                let acl = node.acl.clone();
                self.changes.push(Change {
                    zxid: Zxid(by.zxid),
                    kind: EventType::NodeDataChanged,
                    path: body.path.to_string(),
                    acl,
                    parent_acl: Vec::new(),
                });
                Ok(MultiResult::SetData(self.stat(&body.path)))
            }
            MultiOp::Check(body) => {
                self.alive(by)?;
                check_path(&body.path)?;
                let node = self.node(&body.path)?;
                may(&node.acl, READ, by.identities)?;
                check_version(body.version, node.version)?;
                Ok(MultiResult::Check)
            }
        }
    }

    fn plain(&mut self, by: By<'_>, body: &CreateRequest, with_stat: bool) -> Outcome {
        if !(0..5).contains(&body.flags) {
            return Err(ErrorCode::BAD_ARGUMENTS);
        }
        let wanted = Wanted {
            data: &body.data,
            acl: &body.acl,
            sequential: matches!(body.flags, 2 | 3),
            kind: match body.flags {
                1 | 3 => Kind::Ephemeral(by.session),
                _ => Kind::Persistent,
            },
            with_stat,
        };
        self.create(by, &body.path, wanted)
    }

    fn create(&mut self, by: By<'_>, path: &str, wanted: Wanted<'_>) -> Outcome {
        self.alive(by)?;
        let parent_path = parent_of(path)?;
        let acl = expand(wanted.acl, by.identities)?;
        let parent = self.node(parent_path)?;
        may(&parent.acl, CREATE, by.identities)?;
        let path = match wanted.sequential {
            true => format!("{path}{:010}", parent.creations),
            false => path.to_owned(),
        };
        check_path(&path)?;
        if self.nodes.contains_key(&path) {
            return Err(ErrorCode::NODE_EXISTS);
        }
        let parent = self.node(parent_path)?;
        if matches!(parent.kind, Kind::Ephemeral(_)) {
            return Err(ErrorCode::NO_CHILDREN_FOR_EPHEMERALS);
        }
        parent.creations += 1;
        parent.pzxid = by.zxid;
        let parent_acl = parent.acl.clone();
        self.changes.push(Change {
            zxid: Zxid(by.zxid),
            kind: EventType::NodeCreated,
            path: path.clone(),
            acl: acl.clone(),
            parent_acl,
        });
        let node = Node {
            data: wanted.data.clone(),
            acl,
            kind: wanted.kind,
            czxid: by.zxid,
            mzxid: by.zxid,
            pzxid: by.zxid,
            ctime: by.time_ms,
            mtime: by.time_ms,
            version: 0,
            creations: 0,
            aversion: 0,
        };
        self.nodes.insert(path.clone(), node);
        let stat = self.stat(&path);
        let path = path.into();
        Ok(match wanted.with_stat {
            true => MultiResult::Create2(Create2Response { path, stat }),
            false => MultiResult::Create(CreateResponse { path }),
        })
    }

    fn delete(&mut self, by: By<'_>, path: &str, version: i32) -> Outcome {
        self.alive(by)?;
        let parent_path = parent_of(path)?;
        if ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"].contains(&path) {
            return Err(ErrorCode::BAD_ARGUMENTS);
        }
        may(&self.node(parent_path)?.acl, DELETE, by.identities)?;
        check_version(version, self.node(path)?.version)?;
        if !self.children(path).is_empty() {
            return Err(ErrorCode::NOT_EMPTY);
        }
        self.remove(path, by.zxid);
        Ok(MultiResult::Delete)
    }

    /// The removal of a container or TTL znode, which no session asks for.
    pub fn delete_container(&mut self, by: By<'_>, path: &str) -> Result<(), ErrorCode> {
        let parent_path = parent_of(path)?;
        self.node(parent_path)?;
        let node = self.node(path)?;
        if !matches!(node.kind, Kind::Container | Kind::Ttl(_)) {
            return Err(ErrorCode::BAD_VERSION);
        }
        if !self.children(path).is_empty() {
            return Err(ErrorCode::NOT_EMPTY);
        }
        self.remove(path, by.zxid);
        Ok(())
    }

    fn remove(&mut self, path: &str, zxid: i64) {
        let gone = self.nodes.remove(path).expect("it was looked for");
        let parent = parent_of(path).expect("every znode but the root has a parent");
        let parent = self.node(parent).expect("it stands above");
        parent.pzxid = zxid;
        let parent_acl = parent.acl.clone();
        self.changes.push(Change {
            zxid: Zxid(zxid),
            kind: EventType::NodeDeleted,
            path: path.to_owned(),
            acl: gone.acl,
            parent_acl,
        });
    }

    fn alive(&self, by: By<'_>) -> Result<(), ErrorCode> {
        let alive = self.sessions.contains_key(&by.session);
        alive.then_some(()).ok_or(ErrorCode::SESSION_EXPIRED)
    }

    pub(crate) fn node(&mut self, path: &str) -> Result<&mut Node, ErrorCode> {
        self.nodes.get_mut(path).ok_or(ErrorCode::NO_NODE)
    }
}
