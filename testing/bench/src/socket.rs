//! A session over a plain blocking socket: the cheapest client that can keep a server busy.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use lockkeeper_wire::frame::{self, FRAME_LEN_MAX};
use lockkeeper_wire::{
    ConnectRequest, ConnectResponse, Deframer, ErrorCode, Record, ReplyHeader, Request, SessionId,
    Xid, Zxid,
};

const READ_LEN: usize = 256 << 10;

/// A server silent for this long is broken.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Socket {
    stream: TcpStream,
    deframer: Deframer,
    /// Requests that leave with the next write.
    out: BytesMut,
    chunk: Vec<u8>,
    sent: i32,
    answered: i32,
}

impl Socket {
    /// Connects and opens a session.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut socket = Self {
            stream,
            deframer: Deframer::new(),
            out: BytesMut::new(),
            chunk: vec![0; READ_LEN],
            sent: 0,
            answered: 0,
        };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 60_000,
            session_id: SessionId::NONE,
            password: None,
            read_only: Some(false),
        };
        frame::encode(&mut socket.out, |out| request.encode(out));
        socket.flush()?;
        loop {
            if let Some(body) = socket.next_frame()? {
                let response = ConnectResponse::from_bytes(&body).map_err(io::Error::other)?;
                return match response.timeout_ms {
                    0 => Err(io::Error::other("the session was refused")),
                    _ => Ok(socket),
                };
            }
            socket.fill()?;
        }
    }

    /// Requests sent and not answered.
    pub(crate) fn in_flight(&self) -> usize {
        (self.sent - self.answered) as usize
    }

    /// Queues a request for the next [`Socket::flush`].
    pub(crate) fn push(&mut self, request: &Request) {
        self.sent = self.sent.wrapping_add(1).max(1);
        request.encode_frame(Xid(self.sent), &mut self.out);
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Waits for replies; gives how many have come, all of them in order and without an error
    /// but for `tolerated`.
    pub(crate) fn receive(&mut self, tolerated: ErrorCode) -> io::Result<usize> {
        self.fill()?;
        let mut count = 0;
        while let Some(body) = self.next_frame()? {
            let header = ReplyHeader::from_bytes(&body).map_err(io::Error::other)?;
            self.answered += 1;
            if header.xid != Xid(self.answered) {
                let text = format!("reply {} came in place of {}", header.xid.0, self.answered);
                return Err(io::Error::other(text));
            }
            if header.err != ErrorCode::OK && header.err != tolerated {
                return Err(io::Error::other(format!("a reply says {:?}", header.err)));
            }
            count += 1;
        }
        Ok(count)
    }

    /// Sends requests one after the other with at most `in_flight` unanswered, and waits for all.
    pub(crate) fn run_all(
        &mut self,
        requests: impl IntoIterator<Item = Request>,
        in_flight: usize,
        tolerated: ErrorCode,
    ) -> io::Result<()> {
        for request in requests {
            self.push(&request);
            if self.in_flight() >= in_flight {
                self.flush()?;
                self.receive(tolerated)?;
            }
        }
        self.flush()?;
        while self.in_flight() > 0 {
            self.receive(tolerated)?;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        match self.stream.read(&mut self.chunk)? {
            0 => Err(io::Error::other("the server closed the connection")),
            len => {
                let buffer = self.deframer.buffer_mut();
                buffer.extend_from_slice(&self.chunk[..len]);
                Ok(())
            }
        }
    }

    fn next_frame(&mut self) -> io::Result<Option<bytes::Bytes>> {
        let frame = self.deframer.next_frame(FRAME_LEN_MAX);
        frame.map_err(io::Error::other)
    }
}
