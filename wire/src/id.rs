//! The numbers that name things, each a type of its own so that none is taken for another.

use std::fmt;

use bytes::BytesMut;

use crate::codec::{Reader, Record};
use crate::error::DecodeError;

macro_rules! number {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl Record for $name {
            const LEN_MIN: usize = <$inner>::LEN_MIN;

            fn encode(&self, out: &mut BytesMut) {
                self.0.encode(out);
            }

            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                <$inner>::decode(reader).map($name)
            }
        }
    };
}

number! {
    /// A session; 0 asks for a new one. The high byte is the id of the server that made it.
    SessionId(i64)
}

number! {
    /// A server of the ensemble (`sid`); should be 1 to 254, since a session's id keeps its low byte.
    ServerId(i64)
}

number! {
    /// A transaction id: the leader's epoch in the high half, a counter in the low half.
    Zxid(i64)
}

number! {
    /// A request's number within its connection.
    Xid(i32)
}

impl SessionId {
    /// No session.
    pub const NONE: SessionId = SessionId(0);
}

impl ServerId {
    /// Nobody: what a server without a vote names as its leader.
    pub const NONE: ServerId = ServerId(i64::MIN);
}

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Zxid = Zxid(0);

    /// Builds an id from its halves.
    pub const fn new(epoch: u32, counter: u32) -> Self {
        Self(((epoch as i64) << 32) | counter as i64)
    }

    /// The high half.
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The low half.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The id that follows in the same epoch.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Xid {
    /// A watch event.
    pub const NOTIFICATION: Xid = Xid(-1);
    /// A ping and its reply.
    pub const PING: Xid = Xid(-2);
    /// An authentication packet and its reply.
    pub const AUTH: Xid = Xid(-4);
    /// The re-registration of watches after a reconnect.
    pub const SET_WATCHES: Xid = Xid(-8);
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
