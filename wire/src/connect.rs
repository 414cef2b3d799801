//! The handshake: the only messages without a header.

use bytes::{Bytes, BytesMut};

use crate::codec::{Reader, Record};
use crate::error::DecodeError;
use crate::id::{SessionId, Zxid};

/// Length of a session password, bytes.
pub const PASSWORD_LEN: usize = 16;

/// A client's first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// 0; servers ignore it.
    pub protocol_version: i32,
    /// The highest zxid the client has seen in a reply; a server behind it must refuse.
    pub last_zxid_seen: Zxid,
    /// Requested session timeout, ms.
    pub timeout_ms: i32,
    /// The session to resume, or [`SessionId::NONE`].
    pub session_id: SessionId,
    /// The session's password; null and any length are legal with a new session.
    pub password: Option<Bytes>,
    /// Whether a read-only server will do. `None`: the short form of clients up to 3.3, which want
    /// the short form back.
    pub read_only: Option<bool>,
}

/// A server's first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectResponse {
    /// 0.
    pub protocol_version: i32,
    /// Negotiated session timeout, ms; 0 says that the session has ended or was refused.
    pub timeout_ms: i32,
    /// The session; 0 with a timeout of 0.
    pub session_id: SessionId,
    /// Its password, 16 bytes; zeros with a timeout of 0.
    pub password: Option<Bytes>,
    /// Whether this server is read-only. `None`: the short form.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The answer to a resume that fails: wrong password, unknown or ended session.
    pub fn refusal(short: bool) -> Self {
        Self {
            protocol_version: 0,
            timeout_ms: 0,
            session_id: SessionId::NONE,
            password: Some(Bytes::from_static(&[0; PASSWORD_LEN])),
            read_only: (!short).then_some(false),
        }
    }
}

fn decode_read_only(reader: &mut Reader<'_>) -> Result<Option<bool>, DecodeError> {
    if reader.remaining() == 0 {
        Ok(None)
    } else {
        bool::decode(reader).map(Some)
    }
}

fn encode_read_only(read_only: Option<bool>, out: &mut BytesMut) {
    if let Some(read_only) = read_only {
        read_only.encode(out);
    }
}

impl Record for ConnectRequest {
    const LEN_MIN: usize = 28;

    fn encode(&self, out: &mut BytesMut) {
        self.protocol_version.encode(out);
        self.last_zxid_seen.encode(out);
        self.timeout_ms.encode(out);
        self.session_id.encode(out);
        self.password.encode(out);
        encode_read_only(self.read_only, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: Record::decode(reader)?,
            last_zxid_seen: Record::decode(reader)?,
            timeout_ms: Record::decode(reader)?,
            session_id: Record::decode(reader)?,
            password: Record::decode(reader)?,
            read_only: decode_read_only(reader)?,
        })
    }
}

impl Record for ConnectResponse {
    const LEN_MIN: usize = 20;

    fn encode(&self, out: &mut BytesMut) {
        self.protocol_version.encode(out);
        self.timeout_ms.encode(out);
        self.session_id.encode(out);
        self.password.encode(out);
        encode_read_only(self.read_only, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: Record::decode(reader)?,
            timeout_ms: Record::decode(reader)?,
            session_id: Record::decode(reader)?,
            password: Record::decode(reader)?,
            read_only: decode_read_only(reader)?,
        })
    }
}
