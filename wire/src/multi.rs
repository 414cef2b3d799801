//! multi and multiRead: lists of operations with a small header before each and an end mark.
//!
//! Only the `done` byte ends a list; type and err of the end mark are not looked at, as in Apache's
//! servers. A failed part of a response has the type of an error and its code twice.

use bytes::{Bytes, BytesMut};

use crate::code::ErrorCode;
use crate::codec::{ByteStr, Reader, Record, record};
use crate::error::DecodeError;
use crate::op::{CreateMode, OpCode};
use crate::reply::{Create2Response, CreateResponse, GetChildrenResponse, GetDataResponse};
use crate::request::{CreateRequest, CreateTtlRequest, PathVersion, PathWatch, SetDataRequest};
use crate::stat::Stat;

record! {
    /// What stands before each part, and as the end mark.
    #[derive(Copy)]
    pub struct MultiHeader {
        /// Operation code of the part; -1 for an error and for the end.
        pub op: i32,
        /// Whether this is the end.
        pub done: bool,
        /// In responses the part's code; -1 in requests.
        pub err: i32,
    }
}

const END: MultiHeader = MultiHeader {
    op: -1,
    done: true,
    err: -1,
};

fn put_part(op: OpCode, err: i32, out: &mut BytesMut) {
    MultiHeader {
        op: op.into(),
        done: false,
        err,
    }
    .encode(out);
}

/// Reads parts up to the end mark.
fn decode_parts<T>(
    reader: &mut Reader<'_>,
    mut part: impl FnMut(i32, &mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut parts = Vec::new();
    loop {
        let header = MultiHeader::decode(reader)?;
        if header.done {
            return Ok(parts);
        }
        parts.push(part(header.op, reader)?);
    }
}

fn unknown(op: i32) -> DecodeError {
    DecodeError::Unknown {
        what: "part of a multi",
        value: op,
    }
}

/// One part of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MultiOp {
    Create(CreateRequest),
    Create2(CreateRequest),
    CreateContainer(CreateRequest),
    CreateTtl(CreateTtlRequest),
    Delete(PathVersion),
    SetData(SetDataRequest),
    Check(PathVersion),
}

impl MultiOp {
    /// The part's operation code.
    pub fn op(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::Create,
            Self::Create2(_) => OpCode::Create2,
            Self::CreateContainer(_) => OpCode::CreateContainer,
            Self::CreateTtl(_) => OpCode::CreateTtl,
            Self::Delete(_) => OpCode::Delete,
            Self::SetData(_) => OpCode::SetData,
            Self::Check(_) => OpCode::Check,
        }
    }

    /// The path the part is about.
    pub fn path(&self) -> &ByteStr {
        match self {
            Self::Create(part) | Self::Create2(part) | Self::CreateContainer(part) => &part.path,
            Self::CreateTtl(part) => &part.path,
            Self::Delete(part) | Self::Check(part) => &part.path,
            Self::SetData(part) => &part.path,
        }
    }

    /// The same, for a chroot to put its prefix on.
    pub fn path_mut(&mut self) -> &mut ByteStr {
        match self {
            Self::Create(part) | Self::Create2(part) | Self::CreateContainer(part) => {
                &mut part.path
            }
            Self::CreateTtl(part) => &mut part.path,
            Self::Delete(part) | Self::Check(part) => &mut part.path,
            Self::SetData(part) => &mut part.path,
        }
    }

    fn decode(op: i32, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match OpCode::try_from(op)? {
            OpCode::Create => Self::Create(decode_create(reader)?),
            OpCode::Create2 => Self::Create2(decode_create(reader)?),
            OpCode::CreateContainer => Self::CreateContainer(decode_create(reader)?),
            OpCode::CreateTtl => Self::CreateTtl(Record::decode(reader)?),
            OpCode::Delete => Self::Delete(Record::decode(reader)?),
            OpCode::SetData => Self::SetData(Record::decode(reader)?),
            OpCode::Check => Self::Check(Record::decode(reader)?),
            _ => return Err(unknown(op)),
        })
    }

    fn encode(&self, out: &mut BytesMut) {
        put_part(self.op(), -1, out);
        match self {
            Self::Create(part) | Self::Create2(part) | Self::CreateContainer(part) => {
                part.encode(out)
            }
            Self::CreateTtl(part) => part.encode(out),
            Self::Delete(part) | Self::Check(part) => part.encode(out),
            Self::SetData(part) => part.encode(out),
        }
    }
}

/// A create inside a multi whose flags name no mode, or one with a time to live, makes the whole
/// multi undecodable (servers from 3.9).
fn decode_create(reader: &mut Reader<'_>) -> Result<CreateRequest, DecodeError> {
    let part = CreateRequest::decode(reader)?;
    match CreateMode::try_from(part.flags)? {
        mode if mode.is_ttl() => Err(DecodeError::Unknown {
            what: "create mode without a TTL",
            value: part.flags,
        }),
        _ => Ok(part),
    }
}

/// Body of a multi: all of it happens, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiRequest {
    /// The parts, in the order in which they take effect.
    pub ops: Vec<MultiOp>,
}

impl Record for MultiRequest {
    const LEN_MIN: usize = MultiHeader::LEN_MIN;

    fn encode(&self, out: &mut BytesMut) {
        for op in &self.ops {
            op.encode(out);
        }
        END.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        decode_parts(reader, MultiOp::decode).map(|ops| Self { ops })
    }
}

/// Outcome of one part of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MultiResult {
    Create(CreateResponse),
    Create2(Create2Response),
    Delete,
    SetData(Stat),
    Check,
    /// The part's code: [`ErrorCode::OK`] for parts before the failed one,
    /// [`ErrorCode::RUNTIME_INCONSISTENCY`] for those behind it.
    Error(ErrorCode),
}

/// Reply of multi: as many results as parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiResponse {
    /// Results in the order of the parts.
    pub results: Vec<MultiResult>,
}

impl MultiResponse {
    /// The place and code of the part that failed, if the multi did.
    pub fn failure(&self) -> Option<(usize, ErrorCode)> {
        let code = |result: &MultiResult| match result {
            MultiResult::Error(code) if !code.is_ok() => Some(*code),
            _ => None,
        };
        self.results
            .iter()
            .enumerate()
            .find_map(|(at, result)| Some((at, code(result)?)))
    }
}

impl Record for MultiResponse {
    const LEN_MIN: usize = MultiHeader::LEN_MIN;

    fn encode(&self, out: &mut BytesMut) {
        for result in &self.results {
            match result {
                MultiResult::Create(body) => {
                    put_part(OpCode::Create, 0, out);
                    body.encode(out);
                }
                MultiResult::Create2(body) => {
                    put_part(OpCode::Create2, 0, out);
                    body.encode(out);
                }
                MultiResult::Delete => put_part(OpCode::Delete, 0, out),
                MultiResult::SetData(stat) => {
                    put_part(OpCode::SetData, 0, out);
                    stat.encode(out);
                }
                MultiResult::Check => put_part(OpCode::Check, 0, out),
                MultiResult::Error(code) => {
                    put_part(OpCode::Error, code.0, out);
                    code.encode(out);
                }
            }
        }
        END.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        decode_parts(reader, |op, reader| {
            Ok(match OpCode::try_from(op)? {
                OpCode::Create => MultiResult::Create(Record::decode(reader)?),
                OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                    MultiResult::Create2(Record::decode(reader)?)
                }
                OpCode::Delete => MultiResult::Delete,
                OpCode::SetData => MultiResult::SetData(Record::decode(reader)?),
                OpCode::Check => MultiResult::Check,
                OpCode::Error => MultiResult::Error(Record::decode(reader)?),
                _ => return Err(unknown(op)),
            })
        })
        .map(|results| Self { results })
    }
}

/// One part of a multiRead; its watch flag is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReadOp {
    GetData(PathWatch),
    GetChildren(PathWatch),
    /// A part that multiRead does not take; a server answers with what it has collected before.
    Foreign(MultiOp),
}

/// Body of a multiRead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiReadRequest {
    /// The parts.
    pub ops: Vec<ReadOp>,
}

impl Record for MultiReadRequest {
    const LEN_MIN: usize = MultiHeader::LEN_MIN;

    fn encode(&self, out: &mut BytesMut) {
        for op in &self.ops {
            match op {
                ReadOp::GetData(part) => {
                    put_part(OpCode::GetData, -1, out);
                    part.encode(out);
                }
                ReadOp::GetChildren(part) => {
                    put_part(OpCode::GetChildren, -1, out);
                    part.encode(out);
                }
                ReadOp::Foreign(part) => part.encode(out),
            }
        }
        END.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ops = decode_parts(reader, |op, reader| {
            Ok(match OpCode::try_from(op)? {
                OpCode::GetData => ReadOp::GetData(Record::decode(reader)?),
                OpCode::GetChildren => ReadOp::GetChildren(Record::decode(reader)?),
                _ => ReadOp::Foreign(MultiOp::decode(op, reader)?),
            })
        })?;
        let foreign = ops
            .iter()
            .filter(|op| matches!(op, ReadOp::Foreign(_)))
            .count();
        if foreign > 0 && foreign < ops.len() {
            return Err(DecodeError::Unknown {
                what: "multi of one kind",
                value: -1,
            });
        }
        Ok(Self { ops })
    }
}

/// Outcome of one part of a multiRead; parts fail alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReadResult {
    GetData { data: Option<Bytes>, stat: Stat },
    GetChildren(Vec<ByteStr>),
    Error(ErrorCode),
}

/// Reply of multiRead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiReadResponse {
    /// Results in the order of the parts.
    pub results: Vec<ReadResult>,
}

impl Record for MultiReadResponse {
    const LEN_MIN: usize = MultiHeader::LEN_MIN;

    fn encode(&self, out: &mut BytesMut) {
        for result in &self.results {
            match result {
                ReadResult::GetData { data, stat } => {
                    put_part(OpCode::GetData, 0, out);
                    data.encode(out);
                    stat.encode(out);
                }
                ReadResult::GetChildren(children) => {
                    put_part(OpCode::GetChildren, 0, out);
                    children.encode(out);
                }
                ReadResult::Error(code) => {
                    put_part(OpCode::Error, code.0, out);
                    code.encode(out);
                }
            }
        }
        END.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        decode_parts(reader, |op, reader| {
            Ok(match OpCode::try_from(op)? {
                OpCode::GetData => {
                    let GetDataResponse { data, stat } = Record::decode(reader)?;
                    ReadResult::GetData { data, stat }
                }
                OpCode::GetChildren => {
                    ReadResult::GetChildren(GetChildrenResponse::decode(reader)?.children)
                }
                OpCode::Error => ReadResult::Error(Record::decode(reader)?),
                _ => return Err(unknown(op)),
            })
        })
        .map(|results| Self { results })
    }
}
