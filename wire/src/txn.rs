//! Transactions as they travel in proposals and lie in the log: header, body, digest.
//!
//! Nothing marks the digest's presence: the body is read by its type, and 12 bytes left behind it
//! are the digest. The close of a session is the one body that may be missing, so it is told by
//! length too: nothing but a digest behind the header means that no list was written.

use bytes::{Bytes, BytesMut};

use crate::acl::Acl;
use crate::code::ErrorCode;
use crate::codec::{ByteStr, Reader, Record, record};
use crate::error::DecodeError;
use crate::id::{SessionId, Zxid};
use crate::op::OpCode;
use crate::request::PathVersion;

/// `parentCVersion` of a create written by servers that did not record it.
pub const PARENT_CVERSION_UNKNOWN: i32 = -1;

/// The digest algorithm that [`TxnDigest::version`] names.
pub const DIGEST_VERSION: i32 = 2;

record! {
    /// Who asked for what and when.
    #[derive(Copy)]
    pub struct TxnHeader {
        /// The session that asked.
        pub client_id: SessionId,
        /// Its number for the request.
        pub cxid: i32,
        /// The transaction's own id.
        pub zxid: Zxid,
        /// Leader's wall clock, ms since 1970.
        pub time_ms: i64,
        /// Operation code of the body.
        pub op: i32,
    }

    /// A digest of the whole tree after the transaction.
    #[derive(Copy)]
    pub struct TxnDigest {
        /// The algorithm, [`DIGEST_VERSION`].
        pub version: i32,
        /// The sum.
        pub digest: i64,
    }

    /// Body of create and create2.
    pub struct CreateTxn {
        /// The path made, number included.
        pub path: ByteStr,
        /// Its data.
        pub data: Option<Bytes>,
        /// Its access list, expanded.
        pub acl: Vec<Acl>,
        /// Whether it belongs to the session in the header.
        pub ephemeral: bool,
        /// The parent's count of creations afterwards, or [`PARENT_CVERSION_UNKNOWN`].
        pub parent_cversion: i32,
    }

    /// Body of createContainer.
    pub struct CreateContainerTxn {
        /// The path made.
        pub path: ByteStr,
        /// Its data.
        pub data: Option<Bytes>,
        /// Its access list, expanded.
        pub acl: Vec<Acl>,
        /// The parent's count of creations afterwards.
        pub parent_cversion: i32,
    }

    /// Body of createTTL.
    pub struct CreateTtlTxn {
        /// The path made.
        pub path: ByteStr,
        /// Its data.
        pub data: Option<Bytes>,
        /// Its access list, expanded.
        pub acl: Vec<Acl>,
        /// The parent's count of creations afterwards.
        pub parent_cversion: i32,
        /// Time to live, ms.
        pub ttl_ms: i64,
    }

    /// Body of setData and reconfig.
    pub struct SetDataTxn {
        /// The path.
        pub path: ByteStr,
        /// New data.
        pub data: Option<Bytes>,
        /// New data version.
        pub version: i32,
    }

    /// Body of setACL.
    pub struct SetAclTxn {
        /// The path.
        pub path: ByteStr,
        /// New access list, expanded.
        pub acl: Vec<Acl>,
        /// New ACL version.
        pub version: i32,
    }

}

/// What a transaction does to the tree and the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Txn {
    /// A session begins, with its timeout in ms.
    CreateSession(i32),
    /// A session ends, and with it the ephemerals listed; `None` when the writer kept no list.
    CloseSession(Option<Vec<ByteStr>>),
    /// A request failed; it took a zxid all the same.
    Error(ErrorCode),
    /// create.
    Create(CreateTxn),
    /// create2: as create.
    Create2(CreateTxn),
    /// createContainer.
    CreateContainer(CreateContainerTxn),
    /// createTTL.
    CreateTtl(CreateTtlTxn),
    /// delete.
    Delete(ByteStr),
    /// Removal of a used and empty container, or of a TTL znode whose time has passed.
    DeleteContainer(ByteStr),
    /// setData.
    SetData(SetDataTxn),
    /// A new membership, written to its znode.
    Reconfig(SetDataTxn),
    /// setACL.
    SetAcl(SetAclTxn),
    /// A check inside a multi; `version` is the one checked plus 1.
    Check(PathVersion),
    /// All parts or, when one of them is an error, none.
    Multi(Vec<Txn>),
}

impl Txn {
    /// The operation code of the header or of the part of a multi.
    pub fn op(&self) -> OpCode {
        match self {
            Self::CreateSession(_) => OpCode::CreateSession,
            Self::CloseSession(_) => OpCode::CloseSession,
            Self::Error(_) => OpCode::Error,
            Self::Create(_) => OpCode::Create,
            Self::Create2(_) => OpCode::Create2,
            Self::CreateContainer(_) => OpCode::CreateContainer,
            Self::CreateTtl(_) => OpCode::CreateTtl,
            Self::Delete(_) => OpCode::Delete,
            Self::DeleteContainer(_) => OpCode::DeleteContainer,
            Self::SetData(_) => OpCode::SetData,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::Check(_) => OpCode::Check,
            Self::Multi(_) => OpCode::Multi,
        }
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut BytesMut) {
        match self {
            Self::CreateSession(timeout_ms) => timeout_ms.encode(out),
            Self::CloseSession(paths) => {
                if let Some(paths) = paths {
                    paths.encode(out);
                }
            }
            Self::Error(code) => code.encode(out),
            Self::Create(body) | Self::Create2(body) => body.encode(out),
            Self::CreateContainer(body) => body.encode(out),
            Self::CreateTtl(body) => body.encode(out),
            Self::Delete(path) | Self::DeleteContainer(path) => path.encode(out),
            Self::SetData(body) | Self::Reconfig(body) => body.encode(out),
            Self::SetAcl(body) => body.encode(out),
            Self::Check(body) => body.encode(out),
            Self::Multi(parts) => {
                (parts.len() as i32).encode(out);
                for part in parts {
                    i32::from(part.op()).encode(out);
                    // Apache writes each part's body as a buffer of its own.
                    let start = out.len();
                    0i32.encode(out);
                    part.encode_body(out);
                    let len = (out.len() - start - 4) as i32;
                    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
                }
            }
        }
    }

    fn decode_body(op: i32, body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match OpCode::try_from(op)? {
            OpCode::CreateSession => Self::CreateSession(Record::decode(body)?),
            OpCode::CloseSession if TxnDigest::ends(body) => Self::CloseSession(None),
            OpCode::CloseSession => Self::CloseSession(Some(Record::decode(body)?)),
            OpCode::Error => Self::Error(Record::decode(body)?),
            OpCode::Create => Self::Create(CreateTxn::decode_any(body)?),
            OpCode::Create2 => Self::Create2(Record::decode(body)?),
            OpCode::CreateContainer => Self::CreateContainer(Record::decode(body)?),
            OpCode::CreateTtl => Self::CreateTtl(Record::decode(body)?),
            OpCode::Delete => Self::Delete(Record::decode(body)?),
            OpCode::DeleteContainer => Self::DeleteContainer(Record::decode(body)?),
            OpCode::SetData => Self::SetData(Record::decode(body)?),
            OpCode::Reconfig => Self::Reconfig(Record::decode(body)?),
            OpCode::SetAcl => Self::SetAcl(Record::decode(body)?),
            _ => {
                return Err(DecodeError::Unknown {
                    what: "transaction type",
                    value: op,
                });
            }
        })
    }

    /// Parts of a multi are those operations that may stand in one, and an error.
    fn decode_part(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let op = i32::decode(reader)?;
        let len = i32::decode(reader)?;
        let len = usize::try_from(len).map_err(|_| DecodeError::NegativeLength(len))?;
        let mut body = reader.sub(len)?;
        let part = match OpCode::try_from(op)? {
            OpCode::Check => Self::Check(Record::decode(&mut body)?),
            OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::SetData => Self::decode_body(op, &mut body)?,
            OpCode::Error => return Self::decode_error(body),
            _ => {
                return Err(DecodeError::Unknown {
                    what: "part of a multi",
                    value: op,
                });
            }
        };
        match body.remaining() {
            0 => Ok(part),
            more => Err(DecodeError::Trailing(more)),
        }
    }

    /// A part that an Apache server has made an error of in its memory, when it applied a failed
    /// multi, still has the body it had before; it would not have failed by itself.
    fn decode_error(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let code = Record::decode(&mut body)?;
        Ok(Self::Error(match body.remaining() {
            0 => code,
            _ => ErrorCode::OK,
        }))
    }

    fn decode(op: i32, body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if op != i32::from(OpCode::Multi) {
            return Self::decode_body(op, body);
        }
        /// Type and an empty body.
        const PART_LEN_MIN: usize = 8;
        let count = usize::try_from(i32::decode(body)?).unwrap_or(0);
        if count.saturating_mul(PART_LEN_MIN) > body.remaining() {
            return Err(DecodeError::Truncated {
                need: count.saturating_mul(PART_LEN_MIN),
                have: body.remaining(),
            });
        }
        let parts = (0..count)
            .map(|_| Self::decode_part(body))
            .collect::<Result<_, _>>()?;
        Ok(Self::Multi(parts))
    }
}

impl TxnDigest {
    /// Whether nothing but a digest, or nothing at all, is left.
    ///
    /// A list of one short path can be as long as a digest, but a list that starts with the
    /// digest's version, 2, has no room for two paths in what is left unless both are empty.
    fn ends(rest: &Reader<'_>) -> bool {
        let version = DIGEST_VERSION.to_be_bytes();
        rest.remaining() == 0
            || (rest.remaining() == Self::LEN_MIN && rest.rest().starts_with(&version))
    }
}

impl CreateTxn {
    /// Reads a body that may end before `parentCVersion`, as servers before 3.4 wrote it.
    fn decode_any(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            path: Record::decode(body)?,
            data: Record::decode(body)?,
            acl: Record::decode(body)?,
            ephemeral: Record::decode(body)?,
            parent_cversion: match body.remaining() {
                0 => PARENT_CVERSION_UNKNOWN,
                _ => Record::decode(body)?,
            },
        })
    }
}

/// A whole entry: what a log record holds and a proposal carries, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnEntry {
    /// Who, when, and the zxid.
    pub header: TxnHeader,
    /// What.
    pub txn: Txn,
    /// The tree's digest afterwards; error transactions have none.
    pub digest: Option<TxnDigest>,
}

impl Record for TxnEntry {
    const LEN_MIN: usize = TxnHeader::LEN_MIN;

    fn encode(&self, out: &mut BytesMut) {
        self.header.encode(out);
        self.txn.encode_body(out);
        if let Some(digest) = &self.digest {
            digest.encode(out);
        }
    }

    /// Reads to the end of `reader`: what follows the body must be a digest or nothing.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header = TxnHeader::decode(reader)?;
        let txn = Txn::decode(header.op, reader)?;
        let digest = match reader.remaining() {
            0 => None,
            TxnDigest::LEN_MIN => Some(TxnDigest::decode(reader)?),
            more => return Err(DecodeError::Trailing(more)),
        };
        Ok(Self {
            header,
            txn,
            digest,
        })
    }
}
