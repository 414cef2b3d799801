//! What a learner sends to its leader.

use bytes::{BufMut, Bytes, BytesMut};

use super::{NO_ZXID, PROTOCOL, Parts, kind, put, put_bare};
use crate::acl::Id;
use crate::codec::{Reader, Record, record};
use crate::error::DecodeError;
use crate::frame;
use crate::id::{ServerId, SessionId, Zxid};

/// A packet from a learner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LearnerPacket {
    /// The first packet of a learner with a vote, or of one that is to get one.
    FollowerInfo {
        /// The accepted epoch in the high half.
        accepted: Zxid,
        /// Who it is.
        info: LearnerInfo,
    },
    /// The first packet of a learner without a vote.
    ObserverInfo {
        /// The accepted epoch in the high half.
        accepted: Zxid,
        /// Who it is.
        info: LearnerInfo,
    },
    /// The leader's epoch is accepted.
    AckEpoch {
        /// The end of the learner's log.
        last: Zxid,
        /// The learner's current epoch; -1 if it had accepted this leader's epoch before, so that
        /// its answer does not count again.
        current_epoch: i32,
    },
    /// All up to this zxid is durable.
    Ack {
        /// A proposal's, or the start of the leader's epoch.
        zxid: Zxid,
    },
    /// A client's request that the leader must order.
    Request(ForwardedRequest),
    /// The answer to the leader's ping.
    Ping {
        /// As in the leader's.
        zxid: Zxid,
        /// Sessions heard of since the last one.
        touches: Vec<Touch>,
    },
    /// Asks whether a session that moved here is alive, and takes it over.
    Revalidate {
        /// The session.
        session: SessionId,
        /// Its timeout.
        timeout_ms: i32,
    },
    /// A kind that no learner sends.
    Unknown(i32),
}

/// Who a learner is (`LearnerInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerInfo {
    /// The learner; -1 from one so old that it does not say.
    pub sid: ServerId,
    /// [`PROTOCOL`], or less from servers before 3.4.
    pub protocol: i32,
    /// Version of the membership that it has committed; 0 from servers before 3.5.
    pub config_version: i64,
}

impl LearnerInfo {
    /// A learner of this version of the protocol.
    pub fn new(sid: ServerId, config_version: i64) -> Self {
        Self {
            sid,
            protocol: PROTOCOL,
            config_version,
        }
    }

    fn encode(&self, out: &mut BytesMut) {
        self.sid.encode(out);
        self.protocol.encode(out);
        self.config_version.encode(out);
    }

    /// Reads what there is: the fields came one by one with later versions.
    fn decode(data: Option<&Bytes>) -> Result<Self, DecodeError> {
        /// What Apache takes a learner for that tells no version.
        const PROTOCOL_UNTOLD: i32 = 1;
        let mut info = Self {
            sid: ServerId(-1),
            protocol: PROTOCOL_UNTOLD,
            config_version: 0,
        };
        let Some(data) = data else {
            return Ok(info);
        };
        let mut reader = Reader::new(data);
        info.sid = Record::decode(&mut reader)?;
        if reader.remaining() >= i32::LEN_MIN {
            info.protocol = Record::decode(&mut reader)?;
        }
        if reader.remaining() >= i64::LEN_MIN {
            info.config_version = Record::decode(&mut reader)?;
        }
        Ok(info)
    }
}

/// A request as the learner's client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session: SessionId,
    /// The client's number for the request.
    pub cxid: i32,
    /// Its operation code.
    pub op: i32,
    /// The request's body, unchanged.
    pub body: Bytes,
    /// Who the client is; `None` for requests that a server makes.
    pub identities: Option<Vec<Id>>,
}

record! {
    /// A session was heard of.
    #[derive(Copy)]
    pub struct Touch {
        /// Which.
        pub session: SessionId,
        /// Its timeout.
        pub timeout_ms: i32,
    }
}

impl Record for LearnerPacket {
    const LEN_MIN: usize = Parts::LEN_MIN;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::FollowerInfo { accepted, info } => {
                put(out, kind::FOLLOWER_INFO, *accepted, |out| info.encode(out));
            }
            Self::ObserverInfo { accepted, info } => {
                put(out, kind::OBSERVER_INFO, *accepted, |out| info.encode(out));
            }
            Self::AckEpoch {
                last,
                current_epoch,
            } => put(out, kind::ACK_EPOCH, *last, |out| current_epoch.encode(out)),
            Self::Ack { zxid } => put_bare(out, kind::ACK, *zxid),
            Self::Request(request) => request.encode(out),
            Self::Ping { zxid, touches } => put(out, kind::PING, *zxid, |out| {
                touches.iter().for_each(|touch| touch.encode(out));
            }),
            Self::Revalidate {
                session,
                timeout_ms,
            } => put(out, kind::REVALIDATE, NO_ZXID, |out| {
                session.encode(out);
                timeout_ms.encode(out);
            }),
            Self::Unknown(kind) => put_bare(out, *kind, NO_ZXID),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let parts = Parts::decode(reader)?;
        let zxid = parts.zxid;
        Ok(match parts.kind {
            kind::FOLLOWER_INFO => Self::FollowerInfo {
                accepted: zxid,
                info: LearnerInfo::decode(parts.data.as_ref())?,
            },
            kind::OBSERVER_INFO => Self::ObserverInfo {
                accepted: zxid,
                info: LearnerInfo::decode(parts.data.as_ref())?,
            },
            kind::ACK_EPOCH => Self::AckEpoch {
                last: zxid,
                current_epoch: i32::from_bytes(parts.data()?)?,
            },
            kind::ACK => Self::Ack { zxid },
            kind::REQUEST => Self::Request(ForwardedRequest::decode(parts)?),
            kind::PING => Self::Ping {
                zxid,
                touches: touches(&parts.data.unwrap_or_default())?,
            },
            kind::REVALIDATE => {
                let Touch {
                    session,
                    timeout_ms,
                } = Touch::from_bytes(parts.data()?)?;
                Self::Revalidate {
                    session,
                    timeout_ms,
                }
            }
            unknown => Self::Unknown(unknown),
        })
    }
}

/// Only the end of the data tells how many there are.
fn touches(data: &Bytes) -> Result<Vec<Touch>, DecodeError> {
    let mut reader = Reader::new(data);
    let mut touches = Vec::with_capacity(data.len() / Touch::LEN_MIN);
    while reader.remaining() > 0 {
        touches.push(Touch::decode(&mut reader)?);
    }
    Ok(touches)
}

impl ForwardedRequest {
    fn encode(&self, out: &mut BytesMut) {
        kind::REQUEST.encode(out);
        NO_ZXID.encode(out);
        frame::encode(out, |out| {
            self.session.encode(out);
            self.cxid.encode(out);
            self.op.encode(out);
            out.put_slice(&self.body);
        });
        self.identities.encode(out);
    }

    fn decode(parts: Parts) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(parts.data()?);
        Ok(Self {
            session: Record::decode(&mut reader)?,
            cxid: Record::decode(&mut reader)?,
            op: Record::decode(&mut reader)?,
            body: reader.rest_shared(),
            identities: parts.identities,
        })
    }
}
