//! Replies: the header, a record per operation, and [`Response`], which is any of them.

use bytes::{Bytes, BytesMut};

use crate::acl::Acl;
use crate::code::ErrorCode;
use crate::codec::{ByteStr, Reader, Record, record};
use crate::error::DecodeError;
use crate::id::{Xid, Zxid};
use crate::multi::{MultiReadResponse, MultiResponse};
use crate::op::OpCode;
use crate::request::{SaslToken, SyncPath};
use crate::stat::Stat;

record! {
    /// What every frame of a server after the handshake starts with.
    #[derive(Copy)]
    pub struct ReplyHeader {
        /// The request's number, or one of the reserved ones.
        pub xid: Xid,
        /// The transaction of a write; of a read, the last one applied when it was answered.
        pub zxid: Zxid,
        /// [`ErrorCode::OK`] when a body follows.
        pub err: ErrorCode,
    }

    /// Reply of create.
    pub struct CreateResponse {
        /// The path made, with its number if it is sequential.
        pub path: ByteStr,
    }

    /// Reply of create2, createContainer and createTTL.
    pub struct Create2Response {
        /// The path made.
        pub path: ByteStr,
        /// Its metadata.
        pub stat: Stat,
    }

    /// Reply of exists, setData and setACL.
    #[derive(Copy)]
    pub struct StatResponse {
        /// The znode's metadata.
        pub stat: Stat,
    }

    /// Reply of getData and reconfig.
    pub struct GetDataResponse {
        /// The data; null and empty differ.
        pub data: Option<Bytes>,
        /// The znode's metadata.
        pub stat: Stat,
    }

    /// Reply of getChildren.
    pub struct GetChildrenResponse {
        /// Names without a slash, in no order.
        pub children: Vec<ByteStr>,
    }

    /// Reply of getChildren2.
    pub struct GetChildren2Response {
        /// Names without a slash, in no order.
        pub children: Vec<ByteStr>,
        /// The parent's metadata.
        pub stat: Stat,
    }

    /// Reply of getACL.
    pub struct GetAclResponse {
        /// The access list; digests are hidden from who may not administer the znode.
        pub acl: Vec<Acl>,
        /// The znode's metadata.
        pub stat: Stat,
    }

    /// Reply of getEphemerals.
    pub struct GetEphemeralsResponse {
        /// Full paths, in no order.
        pub ephemerals: Vec<ByteStr>,
    }

    /// Reply of getAllChildrenNumber.
    #[derive(Copy)]
    pub struct GetAllChildrenNumberResponse {
        /// Znodes below the path.
        pub total: i32,
    }

    /// An identity of the connection as whoAmI shows it.
    pub struct ClientInfo {
        /// Scheme.
        pub scheme: ByteStr,
        /// User; of a digest id only the part before the colon.
        pub user: ByteStr,
    }

    /// Reply of whoAmI.
    pub struct WhoAmIResponse {
        /// The connection's identities, in no order.
        pub identities: Vec<ClientInfo>,
    }

    /// Reply of addWatch, and of a failed part of a multi.
    #[derive(Copy)]
    pub struct ErrorResponse {
        /// The code.
        pub err: ErrorCode,
    }
}

/// The body of a good reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Response {
    Create(CreateResponse),
    Create2(Create2Response),
    Stat(StatResponse),
    GetData(GetDataResponse),
    GetChildren(GetChildrenResponse),
    GetChildren2(GetChildren2Response),
    GetAcl(GetAclResponse),
    Sync(SyncPath),
    Multi(MultiResponse),
    MultiRead(MultiReadResponse),
    Sasl(SaslToken),
    GetEphemerals(GetEphemeralsResponse),
    GetAllChildrenNumber(GetAllChildrenNumberResponse),
    WhoAmI(WhoAmIResponse),
    Error(ErrorResponse),
    /// Operations whose good reply has no body.
    Empty,
}

impl Response {
    /// Appends the body without a header.
    pub fn encode_body(&self, out: &mut BytesMut) {
        match self {
            Self::Create(body) => body.encode(out),
            Self::Create2(body) => body.encode(out),
            Self::Stat(body) => body.encode(out),
            Self::GetData(body) => body.encode(out),
            Self::GetChildren(body) => body.encode(out),
            Self::GetChildren2(body) => body.encode(out),
            Self::GetAcl(body) => body.encode(out),
            Self::Sync(body) => body.encode(out),
            Self::Multi(body) => body.encode(out),
            Self::MultiRead(body) => body.encode(out),
            Self::Sasl(body) => body.encode(out),
            Self::GetEphemerals(body) => body.encode(out),
            Self::GetAllChildrenNumber(body) => body.encode(out),
            Self::WhoAmI(body) => body.encode(out),
            Self::Error(body) => body.encode(out),
            Self::Empty => {}
        }
    }

    /// Reads the body of a good reply to `op`.
    ///
    /// A createContainer is read as create2 answers it; servers before 3.5.3 do not know it.
    pub fn decode(op: OpCode, body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match op {
            OpCode::Create => Self::Create(Record::decode(body)?),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Self::Create2(Record::decode(body)?)
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => Self::Stat(Record::decode(body)?),
            OpCode::GetData | OpCode::Reconfig => Self::GetData(Record::decode(body)?),
            OpCode::GetChildren => Self::GetChildren(Record::decode(body)?),
            OpCode::GetChildren2 => Self::GetChildren2(Record::decode(body)?),
            OpCode::GetAcl => Self::GetAcl(Record::decode(body)?),
            OpCode::Sync => Self::Sync(Record::decode(body)?),
            OpCode::Multi => Self::Multi(Record::decode(body)?),
            OpCode::MultiRead => Self::MultiRead(Record::decode(body)?),
            OpCode::Sasl => Self::Sasl(Record::decode(body)?),
            OpCode::GetEphemerals => Self::GetEphemerals(Record::decode(body)?),
            OpCode::GetAllChildrenNumber => Self::GetAllChildrenNumber(Record::decode(body)?),
            OpCode::WhoAmI => Self::WhoAmI(Record::decode(body)?),
            OpCode::AddWatch => Self::Error(Record::decode(body)?),
            OpCode::Delete
            | OpCode::Ping
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CloseSession
            | OpCode::Notification
            | OpCode::Check
            | OpCode::DeleteContainer
            | OpCode::CreateSession
            | OpCode::Error => Self::Empty,
        })
    }
}

/// Appends a whole reply frame; the body is left out unless the code is [`ErrorCode::OK`].
pub fn encode_frame(header: ReplyHeader, body: &Response, out: &mut BytesMut) {
    crate::frame::encode(out, |out| {
        header.encode(out);
        if header.err.is_ok() {
            body.encode_body(out);
        }
    });
}
