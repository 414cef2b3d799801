//! A client's socket: whole frames come out, a connection's buffer goes in.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use lockkeeper_wire::Deframer;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// Fewest bytes asked of the socket at a time: what an idle connection keeps.
const READ_LEN_MIN: usize = 4 << 10;

/// Most bytes asked of the socket at a time.
const READ_LEN_MAX: usize = 64 << 10;

pub(crate) struct Socket {
    stream: OwnedReadHalf,
    pub(crate) deframer: Deframer,
    /// Bytes asked of the socket next.
    read_len: usize,
}

impl Socket {
    pub(crate) fn new(stream: OwnedReadHalf) -> Self {
        Self {
            stream,
            deframer: Deframer::new(),
            read_len: READ_LEN_MIN,
        }
    }

    /// Reads a piece into the deframer; 0 at the end. The room for it is not cleared first, and
    /// more is asked for next time if it was filled.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let buffer = self.deframer.buffer_mut();
        buffer.reserve(self.read_len);
        let mut space = buffer.limit(self.read_len);
        let len = ready!(pin!(self.stream.read_buf(&mut space)).poll(cx))?;
        self.read_len = match len {
            _ if len == self.read_len => (self.read_len * 2).min(READ_LEN_MAX),
            _ if len < self.read_len / 4 => (self.read_len / 2).max(READ_LEN_MIN),
            _ => self.read_len,
        };
        Poll::Ready(Ok(len))
    }
}
