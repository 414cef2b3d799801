//! What leaves a connection: one buffer that everybody appends to, and one sender at a time.
//!
//! Waking the connection's task costs more than sending for it. So another thread that has written
//! may try to send, and leaves to the task what it cannot do without waiting.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::AsyncWrite;

use crate::stream::Writer;
use crate::sync::{lock, try_lock};

/// Sent bytes kept as room for the next replies; more is given back.
const SPARE_LEN_MAX: usize = 256 << 10;

/// Most bytes sent by another thread than the connection's own.
const TRY_LEN_MAX: usize = 64 << 10;

/// Replies and events on their way out.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Replies and events that nobody has begun to send.
    unsent: Mutex<BytesMut>,
    sending: Mutex<Sending>,
}

#[derive(Debug, Default)]
struct Sending {
    /// There while the connection's task is.
    stream: Option<Writer>,
    /// Taken from the buffer, and how much of it the stream has accepted.
    bytes: BytesMut,
    sent: usize,
}

impl Outgoing {
    pub(crate) fn open(&self, stream: Writer) {
        lock(&self.sending).stream = Some(stream);
    }

    /// Lets go of the socket, whoever else still knows the connection.
    pub(crate) fn close(&self) {
        if let Some(stream) = lock(&self.sending).stream.take() {
            // The reading half, about to go as well, closes it.
            stream.forget();
        }
    }

    /// The buffer, for appending.
    pub(crate) fn buffer(&self) -> MutexGuard<'_, BytesMut> {
        lock(&self.unsent)
    }

    /// Bytes that the stream has not accepted.
    pub(crate) fn len(&self) -> usize {
        let sending = lock(&self.sending);
        sending.bytes.len() - sending.sent + self.buffer().len()
    }

    /// Sends until all has left or the stream takes no more; says whether all has left. The task
    /// is woken when there is room again.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut sending = lock(&self.sending);
        let sent = sending.send(&self.unsent, |stream, bytes| {
            Pin::new(stream).poll_write(cx, bytes)
        })?;
        match &mut sending.stream {
            // TLS has accepted what the socket may not have taken.
            Some(stream) if sent => match Pin::new(stream).poll_flush(cx)? {
                Poll::Ready(()) => Ok(true),
                Poll::Pending => Ok(false),
            },
            _ => Ok(sent),
        }
    }

    /// Sends a little from any thread, without waiting for anything; says whether all has left. If
    /// it has not, the task must be woken.
    pub(crate) fn try_send(&self) -> bool {
        if self.buffer().len() > TRY_LEN_MAX {
            return false;
        }
        let Some(mut sending) = try_lock(&self.sending) else {
            return false;
        };
        let sent = sending.send(&self.unsent, |stream, bytes| {
            match stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                written => Poll::Ready(written),
            }
        });
        // The task meets an error again when it sends what is left.
        sent.unwrap_or(false)
    }
}

impl Sending {
    fn send(
        &mut self,
        unsent: &Mutex<BytesMut>,
        mut write: impl FnMut(&mut Writer, &[u8]) -> Poll<io::Result<usize>>,
    ) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        loop {
            if self.sent == self.bytes.len() {
                self.bytes.clear();
                self.sent = 0;
                let mut unsent = lock(unsent);
                if unsent.is_empty() {
                    return Ok(true);
                }
                // The emptied buffer takes the full one's place, unless it has grown too large.
                if self.bytes.capacity() > SPARE_LEN_MAX {
                    self.bytes = BytesMut::new();
                }
                std::mem::swap(&mut *unsent, &mut self.bytes);
            }
            match write(stream, &self.bytes[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(len)) => self.sent += len,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(false),
            }
        }
    }
}
