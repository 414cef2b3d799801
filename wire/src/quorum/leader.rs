//! What a leader sends to its learners.

use bytes::{BufMut, Bytes, BytesMut};

use super::{NO_ZXID, Parts, kind, put, put_bare};
use crate::codec::{Reader, Record};
use crate::error::DecodeError;
use crate::id::{ServerId, SessionId, Zxid};

/// A packet from the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaderPacket {
    /// The epoch that the leader wants to begin.
    LeaderInfo {
        /// The epoch in the high half.
        zxid: Zxid,
        /// The leader's version of the protocol, [`PROTOCOL`](super::PROTOCOL).
        protocol: i32,
    },
    /// What the learner lacks follows as proposals.
    Diff {
        /// The last one committed.
        zxid: Zxid,
    },
    /// The learner is to cut its log; proposals may follow.
    Trunc {
        /// The last one that it keeps.
        zxid: Zxid,
    },
    /// The leader's state follows at once behind the packet, as an image.
    Snap {
        /// The last one that the image is sure to hold.
        zxid: Zxid,
    },
    /// The history up to here is the epoch's.
    NewLeader {
        /// The epoch in the high half.
        zxid: Zxid,
        /// The membership that the leader knows of last, as text; empty from servers before 3.5.
        config: Bytes,
    },
    /// The learner may serve clients.
    UpToDate,
    /// A transaction to be logged.
    Proposal {
        /// Its zxid.
        zxid: Zxid,
        /// The transaction, as it stands in the log.
        txn: Bytes,
    },
    /// A proposed transaction is decided.
    Commit {
        /// Its zxid.
        zxid: Zxid,
    },
    /// The same for a change of the membership, which takes effect with it.
    CommitAndActivate {
        /// Its zxid.
        zxid: Zxid,
        /// Who leads from here on.
        leader: ServerId,
    },
    /// A decided transaction, for a learner without a vote.
    Inform {
        /// Its zxid.
        zxid: Zxid,
        /// The transaction, as it stands in the log.
        txn: Bytes,
    },
    /// The same for a change of the membership.
    InformAndActivate {
        /// Its zxid.
        zxid: Zxid,
        /// Who leads from here on.
        leader: ServerId,
        /// The transaction, as it stands in the log.
        txn: Bytes,
    },
    /// Asks for a sign of life and for the sessions heard of.
    Ping {
        /// The last one proposed.
        zxid: Zxid,
    },
    /// The answer to a revalidation.
    Revalidated {
        /// The session.
        session: SessionId,
        /// Whether it is alive.
        valid: bool,
    },
    /// The learner's oldest sync request that waits is answered.
    Sync,
    /// A kind that no leader sends.
    Unknown(i32),
}

impl Record for LeaderPacket {
    const LEN_MIN: usize = Parts::LEN_MIN;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::LeaderInfo { zxid, protocol } => {
                put(out, kind::LEADER_INFO, *zxid, |out| protocol.encode(out));
            }
            Self::Diff { zxid } => put_bare(out, kind::DIFF, *zxid),
            Self::Trunc { zxid } => put_bare(out, kind::TRUNC, *zxid),
            Self::Snap { zxid } => put_bare(out, kind::SNAP, *zxid),
            Self::NewLeader { zxid, config } => {
                put(out, kind::NEW_LEADER, *zxid, |out| out.put_slice(config));
            }
            Self::UpToDate => put_bare(out, kind::UP_TO_DATE, NO_ZXID),
            Self::Proposal { zxid, txn } => {
                put(out, kind::PROPOSAL, *zxid, |out| out.put_slice(txn));
            }
            Self::Commit { zxid } => put_bare(out, kind::COMMIT, *zxid),
            Self::CommitAndActivate { zxid, leader } => {
                put(out, kind::COMMIT_AND_ACTIVATE, *zxid, |out| {
                    leader.encode(out);
                });
            }
            Self::Inform { zxid, txn } => put(out, kind::INFORM, *zxid, |out| out.put_slice(txn)),
            Self::InformAndActivate { zxid, leader, txn } => {
                put(out, kind::INFORM_AND_ACTIVATE, *zxid, |out| {
                    leader.encode(out);
                    out.put_slice(txn);
                });
            }
            Self::Ping { zxid } => put_bare(out, kind::PING, *zxid),
            Self::Revalidated { session, valid } => put(out, kind::REVALIDATE, NO_ZXID, |out| {
                session.encode(out);
                valid.encode(out);
            }),
            Self::Sync => put_bare(out, kind::SYNC, Zxid::ZERO),
            Self::Unknown(kind) => put_bare(out, *kind, NO_ZXID),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let parts = Parts::decode(reader)?;
        let zxid = parts.zxid;
        Ok(match parts.kind {
            kind::LEADER_INFO => Self::LeaderInfo {
                zxid,
                protocol: i32::from_bytes(parts.data()?)?,
            },
            kind::DIFF => Self::Diff { zxid },
            kind::TRUNC => Self::Trunc { zxid },
            kind::SNAP => Self::Snap { zxid },
            kind::NEW_LEADER => Self::NewLeader {
                zxid,
                config: parts.data.unwrap_or_default(),
            },
            kind::UP_TO_DATE => Self::UpToDate,
            kind::PROPOSAL => Self::Proposal {
                zxid,
                txn: parts.data()?.clone(),
            },
            kind::COMMIT => Self::Commit { zxid },
            kind::COMMIT_AND_ACTIVATE => Self::CommitAndActivate {
                zxid,
                leader: ServerId::from_bytes(parts.data()?)?,
            },
            kind::INFORM => Self::Inform {
                zxid,
                txn: parts.data()?.clone(),
            },
            kind::INFORM_AND_ACTIVATE => {
                let mut data = Reader::new(parts.data()?);
                Self::InformAndActivate {
                    zxid,
                    leader: Record::decode(&mut data)?,
                    txn: data.rest_shared(),
                }
            }
            kind::PING => Self::Ping { zxid },
            kind::REVALIDATE => {
                let mut data = Reader::new(parts.data()?);
                Self::Revalidated {
                    session: Record::decode(&mut data)?,
                    valid: Record::decode(&mut data)?,
                }
            }
            kind::SYNC => Self::Sync,
            unknown => Self::Unknown(unknown),
        })
    }
}
