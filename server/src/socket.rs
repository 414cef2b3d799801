//! A client's socket: whole frames come out, a connection's buffer goes in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use lockkeeper_wire::Deframer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::links::Link;
use crate::sync::lock;

/// Bytes asked of the socket at a time.
const READ_LEN: usize = 64 << 10;

/// Sent bytes kept as room for the next replies; more is given back.
const SPARE_LEN_MAX: usize = 256 << 10;

pub(crate) struct Socket {
    stream: TcpStream,
    pub(crate) deframer: Deframer,
    /// Taken from the link's buffer and not accepted by the stream yet.
    sending: BytesMut,
    sent: usize,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            deframer: Deframer::new(),
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

    /// Reads a piece into the deframer; 0 at the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let buffer = self.deframer.buffer_mut();
        let filled = buffer.len();
        buffer.resize(filled + READ_LEN, 0);
        let mut space = ReadBuf::new(&mut buffer[filled..]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let len = space.filled().len();
        buffer.truncate(filled + len);
        polled.map_ok(|()| len)
    }
}
