//! What operations take and give, as plain values.

use std::time::Duration;

use bytes::Bytes;
use lockkeeper_session::{Error, Misuse, Violation};
use lockkeeper_wire::multi::{self, MultiOp, MultiResult};
use lockkeeper_wire::request::{
    CreateRequest, CreateTtlRequest, PathVersion, PathWatch, SetDataRequest,
};
use lockkeeper_wire::{
    ANY_VERSION, Acl, ByteStr, CreateMode, ErrorCode, Request, Response, Stat, path,
};

/// The longest time to live that fits into a znode's metadata, ms.
const TTL_MS_MAX: u128 = (1 << 40) - 1;

/// How a znode is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateOptions {
    /// The kind of znode.
    pub mode: CreateMode,
    /// Its access list; `None` for the client's default.
    pub acl: Option<Vec<Acl>>,
    /// Time to live, 1 ms to 2^40 - 1 ms: needed by the TTL modes and refused with the others.
    pub ttl: Option<Duration>,
}

impl CreateOptions {
    /// A znode of this kind with the client's default access list.
    pub fn new(mode: CreateMode) -> Self {
        Self {
            mode,
            acl: None,
            ttl: None,
        }
    }

    /// With this access list.
    pub fn acl(mut self, acl: Vec<Acl>) -> Self {
        self.acl = Some(acl);
        self
    }

    /// With this time to live.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

impl From<CreateMode> for CreateOptions {
    fn from(mode: CreateMode) -> Self {
        Self::new(mode)
    }
}

/// A znode that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its path, with the number appended if it is sequential.
    pub path: String,
    /// Its metadata.
    pub stat: Stat,
}

/// Data up to this length is copied out of what was received: keeping a slice of it would keep all
/// that came with it.
const COPIED_LEN_MAX: usize = 4096;

/// A znode's data and metadata, of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Znode {
    /// The data; null and empty differ.
    pub data: Option<Bytes>,
    /// The metadata.
    pub stat: Stat,
}

impl Znode {
    pub(crate) fn new(data: Option<Bytes>, stat: Stat) -> Self {
        let copied = |data: Bytes| match data.len() {
            0..=COPIED_LEN_MAX => Bytes::copy_from_slice(&data),
            _ => data,
        };
        Self {
            data: data.map(copied),
            stat,
        }
    }

    /// The data, with null read as empty.
    pub fn bytes(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }
}

/// One write of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Creates a znode.
    Create {
        /// Its path.
        path: String,
        /// Its data.
        data: Bytes,
        /// How.
        options: CreateOptions,
    },
    /// Deletes a znode.
    Delete {
        /// Its path.
        path: String,
        /// The data version it must have; `None` for any.
        version: Option<i32>,
    },
    /// Sets a znode's data.
    Set {
        /// Its path.
        path: String,
        /// The new data.
        data: Bytes,
        /// The data version it must have; `None` for any.
        version: Option<i32>,
    },
    /// Does nothing but fail, and with it the whole multi, if the znode is not as expected.
    Check {
        /// Its path.
        path: String,
        /// The data version it must have; `None` asks only that it is there.
        version: Option<i32>,
    },
}

impl Op {
    /// Creates a znode.
    pub fn create(path: &str, data: impl Into<Bytes>, options: impl Into<CreateOptions>) -> Self {
        Self::Create {
            path: path.to_owned(),
            data: data.into(),
            options: options.into(),
        }
    }

    /// Deletes a znode.
    pub fn delete(path: &str, version: Option<i32>) -> Self {
        Self::Delete {
            path: path.to_owned(),
            version,
        }
    }

    /// Sets a znode's data.
    pub fn set(path: &str, data: impl Into<Bytes>, version: Option<i32>) -> Self {
        Self::Set {
            path: path.to_owned(),
            data: data.into(),
            version,
        }
    }

    /// Fails the multi unless the znode is there with this data version.
    pub fn check(path: &str, version: Option<i32>) -> Self {
        Self::Check {
            path: path.to_owned(),
            version,
        }
    }

    pub(crate) fn into_wire(self, default_acl: &[Acl]) -> Result<MultiOp, Misuse> {
        Ok(match self {
            Self::Create {
                path,
                data,
                options,
            } => match create_request(&path, data, options, default_acl)? {
                Request::CreateContainer(body) => MultiOp::CreateContainer(body),
                Request::CreateTtl(body) => MultiOp::CreateTtl(body),
                Request::Create2(body) => MultiOp::Create2(body),
                other => unreachable!("create makes no {:?}", other.op()),
            },
            Self::Delete { path, version } => MultiOp::Delete(path_version(&path, version)?),
            Self::Set {
                path,
                data,
                version,
            } => MultiOp::SetData(set_request(&path, data, version)?),
            Self::Check { path, version } => MultiOp::Check(path_version(&path, version)?),
        })
    }
}

/// What a part of a multi that was carried out gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// A znode was created.
    Created {
        /// Its path, with the number appended if it is sequential.
        path: String,
        /// Its metadata; servers of 3.8 and before leave it out in a multi.
        stat: Option<Stat>,
    },
    /// A znode was deleted.
    Deleted,
    /// Data was set; the znode's new metadata.
    Set(Stat),
    /// A check held.
    Checked,
}

impl OpResult {
    pub(crate) fn from_wire(result: MultiResult) -> Result<Self, Violation> {
        Ok(match result {
            MultiResult::Create(body) => Self::Created {
                path: body.path.to_string(),
                stat: None,
            },
            MultiResult::Create2(body) => Self::Created {
                path: body.path.to_string(),
                stat: Some(body.stat),
            },
            MultiResult::Delete => Self::Deleted,
            MultiResult::SetData(stat) => Self::Set(stat),
            MultiResult::Check => Self::Checked,
            MultiResult::Error(_) => return Err(Violation::Kind),
        })
    }
}

/// One read of a multi-read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOp {
    /// Data and metadata of a znode.
    Get(String),
    /// Names of a znode's children.
    Children(String),
}

impl ReadOp {
    /// Data and metadata of a znode.
    pub fn get(path: &str) -> Self {
        Self::Get(path.to_owned())
    }

    /// Names of a znode's children.
    pub fn children(path: &str) -> Self {
        Self::Children(path.to_owned())
    }

    pub(crate) fn into_wire(self) -> Result<multi::ReadOp, Misuse> {
        Ok(match self {
            Self::Get(path) => multi::ReadOp::GetData(path_watch(&path, false)?),
            Self::Children(path) => multi::ReadOp::GetChildren(path_watch(&path, false)?),
        })
    }
}

/// What a part of a multi-read gives; parts fail alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// Data and metadata.
    Znode(Znode),
    /// Names of children, in no order.
    Children(Vec<String>),
    /// This part was refused.
    Failed(ErrorCode),
}

impl ReadResult {
    pub(crate) fn from_wire(result: multi::ReadResult) -> Self {
        match result {
            multi::ReadResult::GetData { data, stat } => Self::Znode(Znode::new(data, stat)),
            multi::ReadResult::GetChildren(children) => Self::Children(texts(children)),
            multi::ReadResult::Error(code) => Self::Failed(code),
        }
    }
}

/// A change of the ensemble's membership: joining and leaving servers, or the whole membership.
///
/// Texts are Apache's: `server.N=host:port:port[:role];[host:]port`, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconfigOptions {
    /// Servers to add or change.
    pub joining: Option<String>,
    /// Ids of servers to remove.
    pub leaving: Option<String>,
    /// A whole membership in place of the other two.
    pub members: Option<String>,
    /// Version of the configuration this is based on; `None` for any.
    pub from_version: Option<i64>,
}

/// The request that creates a znode; always one whose reply has the metadata.
pub(crate) fn create_request(
    path: &str,
    data: Bytes,
    options: CreateOptions,
    default_acl: &[Acl],
) -> Result<Request, Misuse> {
    let CreateOptions { mode, acl, ttl } = options;
    let checked = if mode.is_sequential() {
        path::check_sequential(path)
    } else {
        path::check(path)
    };
    let path = checked_path(path, checked)?;
    let data = Some(data);
    let acl = Some(acl.unwrap_or_else(|| default_acl.to_vec()));
    let flags = mode.into();
    match (mode.is_ttl(), ttl) {
        (true, Some(ttl)) if (1..=TTL_MS_MAX).contains(&ttl.as_millis()) => {
            Ok(Request::CreateTtl(CreateTtlRequest {
                path,
                data,
                acl,
                flags,
                ttl_ms: ttl.as_millis() as i64,
            }))
        }
        (true, _) | (false, Some(_)) => Err(Misuse::Ttl),
        (false, None) => {
            let body = CreateRequest {
                path,
                data,
                acl,
                flags,
            };
            Ok(match mode {
                CreateMode::Container => Request::CreateContainer(body),
                _ => Request::Create2(body),
            })
        }
    }
}

pub(crate) fn set_request(
    path: &str,
    data: Bytes,
    version: Option<i32>,
) -> Result<SetDataRequest, Misuse> {
    Ok(SetDataRequest {
        path: znode_path(path)?,
        data: Some(data),
        version: version.unwrap_or(ANY_VERSION),
    })
}

pub(crate) fn path_version(path: &str, version: Option<i32>) -> Result<PathVersion, Misuse> {
    Ok(PathVersion {
        path: znode_path(path)?,
        version: version.unwrap_or(ANY_VERSION),
    })
}

pub(crate) fn path_watch(path: &str, watch: bool) -> Result<PathWatch, Misuse> {
    Ok(PathWatch {
        path: znode_path(path)?,
        watch,
    })
}

/// A path that every server would accept.
pub(crate) fn znode_path(path: &str) -> Result<ByteStr, Misuse> {
    checked_path(path, path::check(path))
}

fn checked_path(path: &str, checked: Result<(), path::PathError>) -> Result<ByteStr, Misuse> {
    match checked {
        Ok(()) => Ok(path.into()),
        Err(source) => Err(Misuse::Path {
            path: path.to_owned(),
            source,
        }),
    }
}

pub(crate) fn texts(children: Vec<ByteStr>) -> Vec<String> {
    let texts = children.iter().map(|name| name.as_str().to_owned());
    texts.collect()
}

/// The error for a reply of a kind that its request cannot have; the core decodes by operation, so
/// only the parts of a multi can differ, in kind and in number.
pub(crate) fn wrong_kind<T>(_: Response) -> Result<T, Error> {
    Err(Error::Protocol {
        what: Violation::Kind,
        outcome: lockkeeper_session::Outcome::Unknown,
    })
}
