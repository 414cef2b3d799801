//! A client's socket: whole frames come out, a connection's buffer goes in.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use lockkeeper_wire::Deframer;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::links::Link;
use crate::sync::lock;

/// Fewest bytes asked of the socket at a time: what an idle connection keeps.
const READ_LEN_MIN: usize = 4 << 10;

/// Most bytes asked of the socket at a time.
const READ_LEN_MAX: usize = 64 << 10;

/// Sent bytes kept as room for the next replies; more is given back.
const SPARE_LEN_MAX: usize = 256 << 10;

pub(crate) struct Socket {
    stream: TcpStream,
    pub(crate) deframer: Deframer,
    /// Bytes asked of the socket next.
    read_len: usize,
    /// Taken from the link's buffer and not accepted by the stream yet.
    sending: BytesMut,
    sent: usize,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            deframer: Deframer::new(),
            read_len: READ_LEN_MIN,
            sending: BytesMut::new(),
            sent: 0,
        }
    }

    /// Bytes taken from the link's buffer that the stream has not accepted.
    pub(crate) fn unsent_len(&self) -> usize {
        self.sending.len() - self.sent
    }

    /// Sends until all has left or the stream takes no more; says whether all has left.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, link: &Link) -> io::Result<bool> {
        loop {
            if self.sent == self.sending.len() {
                self.sending.clear();
                self.sent = 0;
                let mut unsent = lock(&link.unsent);
                if unsent.is_empty() {
                    return Ok(true);
                }
                // The emptied buffer takes the full one's place, unless it has grown too large.
                if self.sending.capacity() > SPARE_LEN_MAX {
                    self.sending = BytesMut::new();
                }
                std::mem::swap(&mut *unsent, &mut self.sending);
            }
            match Pin::new(&mut self.stream).poll_write(cx, &self.sending[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(len)) => self.sent += len,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(false),
            }
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
