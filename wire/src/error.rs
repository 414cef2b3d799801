//! What can be wrong with bytes.

use thiserror::Error;

/// A frame cannot be accepted; the connection it came over is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length prefix is negative.
    #[error("frame length {0} is negative")]
    Negative(i32),
    /// The length prefix is above what the receiver accepts.
    #[error("frame of {len} bytes is longer than the {max} that are accepted")]
    TooLong {
        /// Bytes announced.
        len: usize,
        /// Bytes accepted.
        max: usize,
    },
}

/// A record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A text, buffer or vector is null where a value is needed.
    #[error("null where a value is needed")]
    Null,
    /// A length is negative and not the -1 of null.
    #[error("length {0} is negative")]
    NegativeLength(i32),
    /// The record needs more bytes than there are.
    #[error("{need} bytes needed, {have} left")]
    Truncated {
        /// Bytes the record claims.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// A record is longer than its receiver accepts.
    #[error("{len} bytes are more than the {max} that are accepted")]
    TooLong {
        /// Bytes announced.
        len: usize,
        /// Bytes accepted.
        max: usize,
    },
    /// A number that selects a record's kind stands for none that is known here.
    #[error("{value} is not a known {what}")]
    Unknown {
        /// What the number should have been.
        what: &'static str,
        /// The number.
        value: i32,
    },
    /// Bytes follow where the record must end.
    #[error("{0} bytes follow the record")]
    Trailing(usize),
}
