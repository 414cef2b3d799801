//! The election port: who dials, and what servers tell one another about their votes
//! (`QuorumCnxManager`, `FastLeaderElection`).
//!
//! The dialler greets with an [`Initial`], once and without a length before it; from then on both
//! sides send frames, each with a [`Notification`]. Neither is a record of `zookeeper.jute`, and both
//! have grown: how much of a notification there is tells the version of the server that sent it.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::{Reader, Record, record};
use crate::error::DecodeError;
use crate::frame;
use crate::id::{ServerId, Zxid};

/// Bytes of the addresses in a greeting, at most.
pub const ADDRESSES_LEN_MAX: usize = 2048;

/// Bytes of a frame on the election port, at most.
pub const NOTIFICATION_LEN_MAX: usize = 524_288;

/// The notification format that carries the sender's membership; servers since 3.5 send it.
pub const NOTIFICATION_VERSION: i32 = 2;

/// The greeting's version for one address, since 3.5. No server id is negative, so the greeting of
/// older servers, which is a server id alone, cannot be mistaken for it.
const ONE_ADDRESS: i64 = -65_536;

/// The greeting's version for several addresses, since 3.6.
const SEVERAL_ADDRESSES: i64 = -65_535;

/// What the dialler says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initial {
    /// The dialler.
    pub sid: ServerId,
    /// Where its own election port is, each `host:port`, an IPv6 host in brackets; not judged here.
    /// Empty from a server older than 3.5.
    pub addresses: Vec<String>,
}

impl Initial {
    /// Appends the greeting. It has to leave in one write: Apache's servers read it with one call.
    ///
    /// One address goes out in the version that servers of 3.5 read too (ZOOKEEPER-3720).
    pub fn encode(&self, out: &mut BytesMut) {
        if self.addresses.is_empty() {
            return self.sid.encode(out);
        }
        out.put_i64(match self.addresses.len() {
            1 => ONE_ADDRESS,
            _ => SEVERAL_ADDRESSES,
        });
        self.sid.encode(out);
        frame::encode(out, |out| {
            out.put_slice(self.addresses.join("|").as_bytes());
        });
    }

    /// Takes a greeting off the front of what has come; `None` until there is all of it.
    ///
    /// After an error the connection is of no more use.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, DecodeError> {
        let Some(version) = buffer.first_chunk().map(|first| i64::from_be_bytes(*first)) else {
            return Ok(None);
        };
        if version >= 0 {
            buffer.advance(ServerId::LEN_MIN);
            return Ok(Some(Self {
                sid: ServerId(version),
                addresses: Vec::new(),
            }));
        }
        if version != ONE_ADDRESS && version != SEVERAL_ADDRESSES {
            return Err(DecodeError::Unknown {
                what: "version of the election greeting",
                value: i32::try_from(version).unwrap_or(i32::MIN),
            });
        }
        /// Version, server id, length.
        const HEAD_LEN: usize = 20;
        let Some(head) = buffer.first_chunk::<HEAD_LEN>() else {
            return Ok(None);
        };
        let [.., a, b, c, d] = *head;
        let len = addresses_len(i32::from_be_bytes([a, b, c, d]))?;
        if buffer.len() < HEAD_LEN + len {
            return Ok(None);
        }
        buffer.advance(size_of_val(&version));
        let sid = ServerId(buffer.get_i64());
        buffer.advance(size_of::<i32>());
        let text = buffer.split_to(len);
        Ok(Some(Self {
            sid,
            addresses: String::from_utf8_lossy(&text)
                .split('|')
                .map(str::to_owned)
                .collect(),
        }))
    }
}

fn addresses_len(len: i32) -> Result<usize, DecodeError> {
    match usize::try_from(len) {
        Ok(0) => Err(DecodeError::Null),
        Ok(len) if len > ADDRESSES_LEN_MAX => Err(DecodeError::TooLong {
            len,
            max: ADDRESSES_LEN_MAX,
        }),
        Ok(len) => Ok(len),
        Err(_) => Err(DecodeError::NegativeLength(len)),
    }
}

/// What a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerState {
    /// Searching for a leader.
    Looking,
    /// Following one, with a vote.
    Following,
    /// Leading.
    Leading,
    /// Following one without a vote.
    Observing,
}

impl From<PeerState> for i32 {
    fn from(state: PeerState) -> i32 {
        state as i32
    }
}

impl TryFrom<i32> for PeerState {
    type Error = DecodeError;

    fn try_from(value: i32) -> Result<Self, DecodeError> {
        match value {
            0 => Ok(Self::Looking),
            1 => Ok(Self::Following),
            2 => Ok(Self::Leading),
            3 => Ok(Self::Observing),
            _ => Err(DecodeError::Unknown {
                what: "state of a server",
                value,
            }),
        }
    }
}

record! {
    /// Whom a server wants to lead, and what speaks for it.
    #[derive(Copy)]
    pub struct Vote {
        /// The candidate.
        pub leader: ServerId,
        /// The end of the candidate's log.
        pub zxid: Zxid,
        /// The epoch the candidate last joined (`peerEpoch`).
        pub epoch: i64,
    }
}

/// A server tells its vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What the sender is doing.
    pub state: PeerState,
    /// Its vote while it looks; the leader it has, otherwise.
    pub vote: Vote,
    /// The election it votes in (`electionEpoch`): counted by each server from its own start.
    pub round: i64,
    /// The format: 0 from servers before 3.4 and of 3.4, 2 from all since 3.5.
    pub version: i32,
    /// The membership that the sender has committed, as text; `None` below version 2.
    pub config: Option<Bytes>,
}

impl Notification {
    /// Appends the notification with the length before it.
    pub fn encode_frame(&self, out: &mut BytesMut) {
        frame::encode(out, |out| self.encode(out));
    }
}

impl Record for Notification {
    /// All up to the vote's epoch, which servers before 3.4 left out.
    const LEN_MIN: usize = LEN_BEFORE_3_4;

    /// Appends the long form, whatever the version: below version 2 its receiver stops at the
    /// membership.
    fn encode(&self, out: &mut BytesMut) {
        i32::from(self.state).encode(out);
        self.vote.leader.encode(out);
        self.vote.zxid.encode(out);
        self.round.encode(out);
        self.vote.epoch.encode(out);
        self.version.encode(out);
        frame::encode(out, |out| {
            out.put_slice(self.config.as_deref().unwrap_or_default());
        });
    }

    /// Reads to the end of `reader`, whose length tells the form. Lengths that no server sends are
    /// errors (ZOOKEEPER-3769).
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = reader.remaining();
        let state = PeerState::try_from(i32::decode(reader)?)?;
        let leader = ServerId::decode(reader)?;
        let zxid = Zxid::decode(reader)?;
        let round = i64::decode(reader)?;
        let epoch = match len {
            LEN_BEFORE_3_4 => zxid.0 >> 32,
            _ => i64::decode(reader)?,
        };
        let version = match len {
            LEN_BEFORE_3_4 => 0,
            // Apache's receiver takes the number that 3.4 wrote here for no version at all.
            LEN_BEFORE_3_5 => i32::decode(reader).map(|_| 0)?,
            _ => i32::decode(reader)?,
        };
        let config = match version {
            NOTIFICATION_VERSION.. => {
                let len = i32::decode(reader)?;
                let len = usize::try_from(len).map_err(|_| DecodeError::NegativeLength(len))?;
                Some(reader.take_shared(len)?)
            }
            _ => None,
        };
        Ok(Self {
            state,
            vote: Vote {
                leader,
                zxid,
                epoch,
            },
            round,
            version,
            config,
        })
    }
}

/// State, leader, zxid, round.
const LEN_BEFORE_3_4: usize = 28;

/// The same, the vote's epoch, and four bytes more.
const LEN_BEFORE_3_5: usize = 40;
