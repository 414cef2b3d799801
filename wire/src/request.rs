//! Requests: the header, a record per operation, and [`Request`], which is any of them.

use bytes::{Bytes, BytesMut};

use crate::acl::Acl;
use crate::code::ErrorCode;
use crate::codec::{ByteStr, Reader, Record, record};
use crate::error::DecodeError;
use crate::id::Xid;
use crate::multi::{MultiReadRequest, MultiRequest};
use crate::op::OpCode;
use crate::watch::{SetWatches, SetWatches2};

/// The expected version that matches every version.
pub const ANY_VERSION: i32 = -1;

record! {
    /// What every request after the handshake starts with.
    #[derive(Copy)]
    pub struct RequestHeader {
        /// Echoed in the reply.
        pub xid: Xid,
        /// The operation; a number, since a server must be able to answer those it does not know.
        pub op: i32,
    }

    /// Body of create, create2 and createContainer.
    pub struct CreateRequest {
        /// Full path; with a sequential mode the number is appended to it.
        pub path: ByteStr,
        /// Data; null stays null.
        pub data: Option<Bytes>,
        /// Access list; null and empty are refused.
        pub acl: Option<Vec<Acl>>,
        /// A [`CreateMode`](crate::op::CreateMode) as its number.
        pub flags: i32,
    }

    /// Body of createTTL.
    pub struct CreateTtlRequest {
        /// Full path.
        pub path: ByteStr,
        /// Data.
        pub data: Option<Bytes>,
        /// Access list.
        pub acl: Option<Vec<Acl>>,
        /// 5 or 6.
        pub flags: i32,
        /// Time to live, ms, 1 to 2^40 - 1.
        pub ttl_ms: i64,
    }

    /// Body of delete, and of a check inside a multi: a path and the version expected there.
    pub struct PathVersion {
        /// Full path.
        pub path: ByteStr,
        /// Expected data version, or [`ANY_VERSION`].
        pub version: i32,
    }

    /// Body of exists, getData, getChildren and getChildren2: a path and whether to watch it.
    pub struct PathWatch {
        /// Full path; empty stands for the root.
        pub path: ByteStr,
        /// Leave a one-shot watch.
        pub watch: bool,
    }

    /// Body of setData.
    pub struct SetDataRequest {
        /// Full path.
        pub path: ByteStr,
        /// New data; null stays null.
        pub data: Option<Bytes>,
        /// Expected data version, or [`ANY_VERSION`].
        pub version: i32,
    }

    /// Body of getACL and getAllChildrenNumber.
    pub struct PathOnly {
        /// Full path.
        pub path: ByteStr,
    }

    /// Body of setACL.
    pub struct SetAclRequest {
        /// Full path.
        pub path: ByteStr,
        /// New access list.
        pub acl: Option<Vec<Acl>>,
        /// Expected ACL version, or [`ANY_VERSION`].
        pub version: i32,
    }

    /// Body of sync and of its reply: the path is echoed, even when null.
    pub struct SyncPath {
        /// Any text or null; no znode needs to be there.
        pub path: Option<ByteStr>,
    }

    /// Body of reconfig.
    pub struct ReconfigRequest {
        /// Comma list of `server.N=...` to add or change.
        pub joining_servers: Option<ByteStr>,
        /// Comma list of server ids to remove.
        pub leaving_servers: Option<ByteStr>,
        /// A whole new membership in place of the other two.
        pub new_members: Option<ByteStr>,
        /// Version of the configuration this is based on, or -1.
        pub cur_config_id: i64,
    }

    /// Body of checkWatches and removeWatches.
    pub struct PathWatcherType {
        /// Full path.
        pub path: ByteStr,
        /// A [`WatcherType`](crate::op::WatcherType) as its number.
        pub kind: i32,
    }

    /// Body of addWatch.
    pub struct AddWatchRequest {
        /// Any path; no znode needs to be there.
        pub path: Option<ByteStr>,
        /// An [`AddWatchMode`](crate::op::AddWatchMode) as its number.
        pub mode: i32,
    }

    /// Body of auth.
    pub struct AuthPacket {
        /// 0; ignored.
        pub kind: i32,
        /// Scheme; null is refused like an unknown one.
        pub scheme: Option<ByteStr>,
        /// The scheme's credential, such as `user:password`.
        pub auth: Option<Bytes>,
    }

    /// Body of sasl and of its reply.
    pub struct SaslToken {
        /// The mechanism's token.
        pub token: Option<Bytes>,
    }

    /// Body of getEphemerals.
    pub struct GetEphemeralsRequest {
        /// Only paths that start with this; null for all.
        pub prefix: Option<ByteStr>,
    }
}

/// Any request a client may send after the handshake.
///
/// Operations that only servers use among themselves (createSession, deleteContainer, error) have
/// no variant: such a request cannot be built, and one that arrives is refused by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    Create(CreateRequest),
    Create2(CreateRequest),
    CreateContainer(CreateRequest),
    CreateTtl(CreateTtlRequest),
    Delete(PathVersion),
    Exists(PathWatch),
    GetData(PathWatch),
    SetData(SetDataRequest),
    GetAcl(PathOnly),
    SetAcl(SetAclRequest),
    GetChildren(PathWatch),
    GetChildren2(PathWatch),
    Sync(SyncPath),
    Ping,
    Multi(MultiRequest),
    MultiRead(MultiReadRequest),
    Reconfig(ReconfigRequest),
    CheckWatches(PathWatcherType),
    RemoveWatches(PathWatcherType),
    Auth(AuthPacket),
    SetWatches(SetWatches),
    SetWatches2(SetWatches2),
    Sasl(SaslToken),
    GetEphemerals(GetEphemeralsRequest),
    GetAllChildrenNumber(PathOnly),
    AddWatch(AddWatchRequest),
    WhoAmI,
    CloseSession,
}

impl Request {
    /// The operation code that goes into the header.
    pub fn op(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::Create,
            Self::Create2(_) => OpCode::Create2,
            Self::CreateContainer(_) => OpCode::CreateContainer,
            Self::CreateTtl(_) => OpCode::CreateTtl,
            Self::Delete(_) => OpCode::Delete,
            Self::Exists(_) => OpCode::Exists,
            Self::GetData(_) => OpCode::GetData,
            Self::SetData(_) => OpCode::SetData,
            Self::GetAcl(_) => OpCode::GetAcl,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::GetChildren(_) => OpCode::GetChildren,
            Self::GetChildren2(_) => OpCode::GetChildren2,
            Self::Sync(_) => OpCode::Sync,
            Self::Ping => OpCode::Ping,
            Self::Multi(_) => OpCode::Multi,
            Self::MultiRead(_) => OpCode::MultiRead,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::CheckWatches(_) => OpCode::CheckWatches,
            Self::RemoveWatches(_) => OpCode::RemoveWatches,
            Self::Auth(_) => OpCode::Auth,
            Self::SetWatches(_) => OpCode::SetWatches,
            Self::SetWatches2(_) => OpCode::SetWatches2,
            Self::Sasl(_) => OpCode::Sasl,
            Self::GetEphemerals(_) => OpCode::GetEphemerals,
            Self::GetAllChildrenNumber(_) => OpCode::GetAllChildrenNumber,
            Self::AddWatch(_) => OpCode::AddWatch,
            Self::WhoAmI => OpCode::WhoAmI,
            Self::CloseSession => OpCode::CloseSession,
        }
    }

    /// Appends the body without a header.
    pub fn encode_body(&self, out: &mut BytesMut) {
        match self {
            Self::Create(body) | Self::Create2(body) | Self::CreateContainer(body) => {
                body.encode(out)
            }
            Self::CreateTtl(body) => body.encode(out),
            Self::Delete(body) => body.encode(out),
            Self::Exists(body)
            | Self::GetData(body)
            | Self::GetChildren(body)
            | Self::GetChildren2(body) => body.encode(out),
            Self::SetData(body) => body.encode(out),
            Self::GetAcl(body) | Self::GetAllChildrenNumber(body) => body.encode(out),
            Self::SetAcl(body) => body.encode(out),
            Self::Sync(body) => body.encode(out),
            Self::Multi(body) => body.encode(out),
            Self::MultiRead(body) => body.encode(out),
            Self::Reconfig(body) => body.encode(out),
            Self::CheckWatches(body) | Self::RemoveWatches(body) => body.encode(out),
            Self::Auth(body) => body.encode(out),
            Self::SetWatches(body) => body.encode(out),
            Self::SetWatches2(body) => body.encode(out),
            Self::Sasl(body) => body.encode(out),
            Self::GetEphemerals(body) => body.encode(out),
            Self::AddWatch(body) => body.encode(out),
            Self::Ping | Self::WhoAmI | Self::CloseSession => {}
        }
    }

    /// Appends a whole frame: length, header, body.
    pub fn encode_frame(&self, xid: Xid, out: &mut BytesMut) {
        crate::frame::encode(out, |out| {
            RequestHeader {
                xid,
                op: self.op().into(),
            }
            .encode(out);
            self.encode_body(out);
        });
    }

    /// Reads the body that belongs to the header's operation; the error is the code to answer with.
    ///
    /// [`ErrorCode::UNIMPLEMENTED`] for a number that no client may send, after which a server
    /// closes the connection; [`ErrorCode::MARSHALLING_ERROR`] for a body that cannot be decoded.
    pub fn decode(op: i32, body: &mut Reader<'_>) -> Result<Self, ErrorCode> {
        let op = OpCode::try_from(op).map_err(|_| ErrorCode::UNIMPLEMENTED)?;
        Self::decode_known(op, body)?.map_err(|_: DecodeError| ErrorCode::MARSHALLING_ERROR)
    }

    fn decode_known(
        op: OpCode,
        body: &mut Reader<'_>,
    ) -> Result<Result<Self, DecodeError>, ErrorCode> {
        Ok(match op {
            OpCode::Create => Record::decode(body).map(Self::Create),
            OpCode::Create2 => Record::decode(body).map(Self::Create2),
            OpCode::CreateContainer => Record::decode(body).map(Self::CreateContainer),
            OpCode::CreateTtl => Record::decode(body).map(Self::CreateTtl),
            OpCode::Delete => Record::decode(body).map(Self::Delete),
            OpCode::Exists => Record::decode(body).map(Self::Exists),
            OpCode::GetData => Record::decode(body).map(Self::GetData),
            OpCode::SetData => Record::decode(body).map(Self::SetData),
            OpCode::GetAcl => Record::decode(body).map(Self::GetAcl),
            OpCode::SetAcl => Record::decode(body).map(Self::SetAcl),
            OpCode::GetChildren => Record::decode(body).map(Self::GetChildren),
            OpCode::GetChildren2 => Record::decode(body).map(Self::GetChildren2),
            OpCode::Sync => Record::decode(body).map(Self::Sync),
            OpCode::Ping => Ok(Self::Ping),
            OpCode::Multi => Record::decode(body).map(Self::Multi),
            OpCode::MultiRead => Record::decode(body).map(Self::MultiRead),
            OpCode::Reconfig => Record::decode(body).map(Self::Reconfig),
            OpCode::CheckWatches => Record::decode(body).map(Self::CheckWatches),
            OpCode::RemoveWatches => Record::decode(body).map(Self::RemoveWatches),
            OpCode::Auth => Record::decode(body).map(Self::Auth),
            OpCode::SetWatches => Record::decode(body).map(Self::SetWatches),
            OpCode::SetWatches2 => Record::decode(body).map(Self::SetWatches2),
            OpCode::Sasl => Record::decode(body).map(Self::Sasl),
            OpCode::GetEphemerals => Record::decode(body).map(Self::GetEphemerals),
            OpCode::GetAllChildrenNumber => Record::decode(body).map(Self::GetAllChildrenNumber),
            OpCode::AddWatch => Record::decode(body).map(Self::AddWatch),
            OpCode::WhoAmI => Ok(Self::WhoAmI),
            OpCode::CloseSession => Ok(Self::CloseSession),
            OpCode::Notification
            | OpCode::Check
            | OpCode::DeleteContainer
            | OpCode::CreateSession
            | OpCode::Error => return Err(ErrorCode::UNIMPLEMENTED),
        })
    }
}
