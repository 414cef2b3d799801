//! A connection in clear text or with TLS, whole and in halves.
//!
//! The halves of one in clear text are used by two threads, so that whoever has something to say
//! sends it. TLS has a state that both directions share; its halves belong to one task.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsStream;

#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Debug)]
pub(crate) enum Reader {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<Box<TlsStream<TcpStream>>>),
}

#[derive(Debug)]
pub(crate) enum Writer {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<Box<TlsStream<TcpStream>>>),
}

impl Stream {
    /// The socket, for its options.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    pub(crate) fn into_split(self) -> (Reader, Writer) {
        match self {
            Self::Plain(stream) => {
                let (reading, writing) = stream.into_split();
                (Reader::Plain(reading), Writer::Plain(writing))
            }
            Self::Tls(stream) => {
                let (reading, writing) = tokio::io::split(stream);
                (Reader::Tls(reading), Writer::Tls(writing))
            }
        }
    }
}

impl Writer {
    /// Writes what the socket takes at once, from any thread. With TLS nothing: see above.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write(bytes),
            Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Lets go of the socket without a farewell; the reading half, about to go as well, closes it.
    pub(crate) fn forget(self) {
        if let Self::Plain(stream) = self {
            stream.forget();
        }
    }
}

/// Hands a call on to whichever kind it is.
macro_rules! each {
    ($self:ident, $kind:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            $kind::Plain($stream) => $call,
            $kind::Tls($stream) => $call,
        }
    };
}

macro_rules! reads {
    ($kind:ident) => {
        impl AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                each!(self, $kind, stream => Pin::new(stream).poll_read(cx, buffer))
            }
        }
    };
}

macro_rules! writes {
    ($kind:ident) => {
        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                each!(self, $kind, stream => Pin::new(stream).poll_write(cx, bytes))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(self, $kind, stream => Pin::new(stream).poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(self, $kind, stream => Pin::new(stream).poll_shutdown(cx))
            }
        }
    };
}

reads!(Stream);
reads!(Reader);
writes!(Stream);
writes!(Writer);
