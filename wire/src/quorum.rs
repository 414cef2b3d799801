//! The quorum port: what a leader and its learners tell one another (`QuorumPacket`).
//!
//! Every packet has a kind, a zxid, data and identities. What the data means depends on the kind and
//! on who speaks, so there is a type for each direction, [`LearnerPacket`] and [`LeaderPacket`], in
//! which a packet has the fields that its kind uses and no others. A kind that this direction does
//! not have is read as `Unknown`: Apache's servers warn of it and go on.
//!
//! Nothing before a packet tells its length; [`decode_packet`] finds the end of one in a buffer that
//! is still growing, and judges every length as soon as it is there.

mod leader;
mod learner;

use bytes::{Bytes, BytesMut};

pub use leader::LeaderPacket;
pub use learner::{ForwardedRequest, LearnerInfo, LearnerPacket, Touch};

use crate::acl::Id;
use crate::codec::{Reader, Record};
use crate::error::DecodeError;
use crate::frame;
use crate::id::Zxid;

/// Bytes of a packet's data, and once more of its identities, that Apache's servers accept unless
/// they are told otherwise (`jute.maxbuffer` and `zookeeper.jute.maxbuffer.extrasize`).
pub const PACKET_LEN_MAX: usize = 2 * frame::FRAME_LEN_MAX;

/// The version of the protocol between servers, spoken since 3.4.
pub const PROTOCOL: i32 = 0x1_0000;

/// What one side of the quorum port sends.
pub trait Packet: Record {}

impl Packet for LeaderPacket {}
impl Packet for LearnerPacket {}

/// Takes one whole packet off the front of what has come; `None` until there is all of it.
///
/// Neither the data nor the identities may be longer than `len_max` bytes. What is behind the packet
/// stays in the buffer: an image follows [`LeaderPacket::Snap`] and is none. After an error the
/// connection is of no more use.
pub fn decode_packet<P: Packet>(
    buffer: &mut BytesMut,
    len_max: usize,
) -> Result<Option<P>, DecodeError> {
    match packet_len(buffer, len_max)? {
        Some(len) if len <= buffer.len() => P::from_bytes(&buffer.split_to(len).freeze()).map(Some),
        _ => Ok(None),
    }
}

/// The length of the packet at the front, or what it is at least; `None` if even that is not known.
fn packet_len(bytes: &[u8], len_max: usize) -> Result<Option<usize>, DecodeError> {
    let bounded = |len: usize| match len <= len_max {
        true => Ok(len),
        false => Err(DecodeError::TooLong { len, max: len_max }),
    };
    /// Kind and zxid.
    const DATA_AT: usize = 12;
    let Some(data_len) = length_at(bytes, DATA_AT)? else {
        return Ok(None);
    };
    let count_at = DATA_AT + size_of::<i32>() + bounded(data_len)?;
    let Some(count) = int_at(bytes, count_at) else {
        return Ok(None);
    };
    // As in a vector: null, or any other negative count, is none.
    let count = usize::try_from(count).unwrap_or(0);
    let start = count_at + size_of::<i32>();
    let mut len = bounded(count.saturating_mul(Id::LEN_MIN))?;
    if bytes.len() < start + len {
        return Ok(None);
    }
    let mut at = start;
    for _ in 0..2 * count {
        let Some(text_len) = length_at(bytes, at)? else {
            return Ok(None);
        };
        len = bounded(len + text_len)?;
        at += size_of::<i32>() + text_len;
    }
    Ok(Some(start + len))
}

fn int_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|four| i32::from_be_bytes(*four))
}

/// The length of a buffer or text, nothing for null.
fn length_at(bytes: &[u8], at: usize) -> Result<Option<usize>, DecodeError> {
    match int_at(bytes, at) {
        None => Ok(None),
        Some(-1) => Ok(Some(0)),
        Some(len) => match usize::try_from(len) {
            Ok(len) => Ok(Some(len)),
            Err(_) => Err(DecodeError::NegativeLength(len)),
        },
    }
}

/// A packet before its kind has given its data a meaning.
struct Parts {
    kind: i32,
    zxid: Zxid,
    data: Option<Bytes>,
    identities: Option<Vec<Id>>,
}

impl Parts {
    /// The shortest packet: no data, no identities.
    const LEN_MIN: usize = 20;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: Record::decode(reader)?,
            zxid: Record::decode(reader)?,
            data: Record::decode(reader)?,
            identities: Record::decode(reader)?,
        })
    }

    fn data(&self) -> Result<&Bytes, DecodeError> {
        self.data.as_ref().ok_or(DecodeError::Null)
    }
}

/// Appends a packet without data.
fn put_bare(out: &mut BytesMut, kind: i32, zxid: Zxid) {
    kind.encode(out);
    zxid.encode(out);
    None::<Bytes>.encode(out);
    None::<Vec<Id>>.encode(out);
}

/// Appends a packet whose data `data` writes.
fn put(out: &mut BytesMut, kind: i32, zxid: Zxid, data: impl FnOnce(&mut BytesMut)) {
    kind.encode(out);
    zxid.encode(out);
    frame::encode(out, data);
    None::<Vec<Id>>.encode(out);
}

/// Numbers of the kinds (`Leader.java`).
mod kind {
    pub(super) const REQUEST: i32 = 1;
    pub(super) const PROPOSAL: i32 = 2;
    pub(super) const ACK: i32 = 3;
    pub(super) const COMMIT: i32 = 4;
    pub(super) const PING: i32 = 5;
    pub(super) const REVALIDATE: i32 = 6;
    pub(super) const SYNC: i32 = 7;
    pub(super) const INFORM: i32 = 8;
    pub(super) const COMMIT_AND_ACTIVATE: i32 = 9;
    pub(super) const NEW_LEADER: i32 = 10;
    pub(super) const FOLLOWER_INFO: i32 = 11;
    pub(super) const UP_TO_DATE: i32 = 12;
    pub(super) const DIFF: i32 = 13;
    pub(super) const TRUNC: i32 = 14;
    pub(super) const SNAP: i32 = 15;
    pub(super) const OBSERVER_INFO: i32 = 16;
    pub(super) const LEADER_INFO: i32 = 17;
    pub(super) const ACK_EPOCH: i32 = 18;
    pub(super) const INFORM_AND_ACTIVATE: i32 = 19;
}

/// The zxid of packets that have none.
const NO_ZXID: Zxid = Zxid(-1);
