//! The rules of writes once more, without any cleverness: a map of paths, scanned when a question
//! comes up. It shares no code with the store and judges and changes in one go.

use std::collections::BTreeMap;

use bytes::Bytes;
use lockkeeper_wire::acl::{ADMIN, CREATE, DELETE, READ, WRITE};
use lockkeeper_wire::multi::{MultiOp, MultiResponse, MultiResult};
use lockkeeper_wire::reply::{Create2Response, CreateResponse, StatResponse};
use lockkeeper_wire::{Acl, ErrorCode, Id, Request, Response, SessionId, Stat, Zxid};

use super::rules::{check_path, check_version, expand, may, parent_of};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Persistent,
    Ephemeral(SessionId),
    Container,
    Ttl(i64),
}

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) data: Option<Bytes>,
    pub(crate) acl: Vec<Acl>,
    pub(crate) kind: Kind,
    czxid: i64,
    mzxid: i64,
    pzxid: i64,
    ctime: i64,
    mtime: i64,
    pub(crate) version: i32,
    creations: i32,
    pub(crate) aversion: i32,
}

#[derive(Clone)]
pub(crate) struct Naive {
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) sessions: BTreeMap<SessionId, i32>,
}

/// Who writes when.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) session: SessionId,
    pub(crate) identities: &'a [Id],
    pub(crate) zxid: i64,
    pub(crate) time_ms: i64,
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
    pub(crate) fn fresh() -> Self {
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
        }
    }

    pub(crate) fn children(&self, path: &str) -> Vec<String> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let below = self.nodes.keys().filter_map(|p| p.strip_prefix(&prefix));
        below
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn ephemerals(&self, session: SessionId) -> Vec<String> {
        let own = |(_, node): &(&String, &Node)| node.kind == Kind::Ephemeral(session);
        let own = self.nodes.iter().filter(own);
        own.map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn stat(&self, path: &str) -> Stat {
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
    pub(crate) fn digest(&self) -> u64 {
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

    pub(crate) fn begin_session(&mut self, session: SessionId, timeout_ms: i32) {
        self.sessions.insert(session, timeout_ms);
    }

    pub(crate) fn write(&mut self, by: By<'_>, request: &Request) -> Result<Response, ErrorCode> {
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
                for path in self.ephemerals(by.session) {
                    self.remove(&path, by.zxid);
                }
                self.sessions.remove(&by.session);
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

    fn plain(
        &mut self,
        by: By<'_>,
        body: &lockkeeper_wire::request::CreateRequest,
        with_stat: bool,
    ) -> Outcome {
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
    pub(crate) fn delete_container(&mut self, by: By<'_>, path: &str) -> Result<(), ErrorCode> {
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
        self.nodes.remove(path);
        let parent = parent_of(path).expect("every znode but the root has a parent");
        self.node(parent).expect("it stands above").pzxid = zxid;
    }

    fn alive(&self, by: By<'_>) -> Result<(), ErrorCode> {
        let alive = self.sessions.contains_key(&by.session);
        alive.then_some(()).ok_or(ErrorCode::SESSION_EXPIRED)
    }

    fn node(&mut self, path: &str) -> Result<&mut Node, ErrorCode> {
        self.nodes.get_mut(path).ok_or(ErrorCode::NO_NODE)
    }
}
