//! A connection without a client library: what is acknowledged is exactly what was read here.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::{Bytes, BytesMut};
use lockkeeper_wire::request::{CreateRequest, PathWatch, SetDataRequest, SyncPath};
use lockkeeper_wire::{
    Acl, ConnectRequest, ConnectResponse, CreateMode, Deframer, OpCode, Reader, Record,
    ReplyHeader, Request, Response, SessionId, Xid, Zxid, frame,
};

use crate::wait;

/// A session with one connection.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    deframer: Deframer,
    next_xid: i32,
    next_reply: i32,
}

/// A reply: its code and its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) err: i32,
    body: Bytes,
}

impl Raw {
    /// Opens a session; an error if the server is not there or goes meanwhile.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(wait::PATIENCE))?;
        stream.set_write_timeout(Some(wait::PATIENCE))?;
        let mut raw = Self {
            stream,
            deframer: Deframer::new(),
            next_xid: 1,
            next_reply: 1,
        };
        let handshake = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 10_000,
            session_id: SessionId::NONE,
            password: None,
            read_only: Some(false),
        };
        let mut out = BytesMut::new();
        frame::encode(&mut out, |out| handshake.encode(out));
        raw.stream.write_all(&out)?;
        let answer = raw.frame()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let granted = ConnectResponse::from_bytes(&answer).map_err(io::Error::other)?;
        if granted.timeout_ms == 0 {
            return Err(io::Error::other("the session was refused"));
        }
        Ok(raw)
    }

    pub(crate) fn send_create(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        self.send(&Request::Create(CreateRequest {
            path: path.into(),
            data: Some(Bytes::copy_from_slice(data)),
            acl: Some(Acl::open()),
            flags: CreateMode::Persistent.into(),
        }))
    }

    pub(crate) fn send_set(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        self.send(&Request::SetData(SetDataRequest {
            path: path.into(),
            data: Some(Bytes::copy_from_slice(data)),
            version: -1,
        }))
    }

    /// The data of a znode; `None` if it is not there.
    pub(crate) fn data(&mut self, path: &str) -> io::Result<Option<Bytes>> {
        self.send(&Request::GetData(PathWatch {
            path: path.into(),
            watch: false,
        }))?;
        let reply = self.reply()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if reply.err != 0 {
            return Ok(None);
        }
        let mut reader = Reader::new(&reply.body);
        match Response::decode(OpCode::GetData, &mut reader).map_err(io::Error::other)? {
            Response::GetData(body) => Ok(body.data),
            other => Err(io::Error::other(format!("getData answered {other:?}"))),
        }
    }

    /// Waits until this server shows all that was acknowledged before anywhere.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.send(&Request::Sync(SyncPath {
            path: Some("/".into()),
        }))?;
        let reply = self.reply()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match reply.err {
            0 => Ok(()),
            err => Err(io::Error::other(format!("sync answered {err}"))),
        }
    }

    fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut out = BytesMut::new();
        request.encode_frame(Xid(self.next_xid), &mut out);
        self.next_xid += 1;
        self.stream.write_all(&out)
    }

    /// The next reply, which must be to the oldest request; `None` when the server has gone.
    pub(crate) fn reply(&mut self) -> io::Result<Option<Reply>> {
        let Some(frame) = self.frame()? else {
            return Ok(None);
        };
        let mut reader = Reader::new(&frame);
        let header = ReplyHeader::decode(&mut reader).map_err(io::Error::other)?;
        if header.xid != Xid(self.next_reply) {
            let text = format!("reply to {}, not to {}", header.xid, self.next_reply);
            return Err(io::Error::other(text));
        }
        self.next_reply += 1;
        Ok(Some(Reply {
            err: header.err.0,
            body: reader.rest_shared(),
        }))
    }

    fn frame(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let next = self.deframer.next_frame(usize::MAX);
            if let Some(frame) = next.map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(len) => self.deframer.buffer_mut().extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let text = format!("no frame within {:?}", wait::PATIENCE);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                Err(error) => return Err(error),
            }
        }
    }
}
