//! A server that does what the test says, over real sockets.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lockkeeper::{Builder, Client, ErrorCode, EventType, SessionId, Stat, Zxid};
use lockkeeper_wire::reply::{GetDataResponse, StatResponse};
use lockkeeper_wire::{
    ConnectRequest, ConnectResponse, Deframer, Reader, Record, ReplyHeader, Request, RequestHeader,
    Response, Xid, frame, reply, watch,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) const ID: SessionId = SessionId(0x77);

pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    pub(crate) fn client(&self) -> Builder {
        Client::builder(self.listener.local_addr().unwrap().to_string())
    }

    /// Takes the next link and its handshake.
    pub(crate) async fn accept(&self) -> (Peer, ConnectRequest) {
        let (stream, _) = self.listener.accept().await.unwrap();
        Peer::take_link(stream).await
    }

    /// The same, answered.
    pub(crate) async fn welcome(&self) -> (Peer, ConnectRequest) {
        let (mut peer, request) = self.accept().await;
        peer.answer_handshake(ID).await;
        (peer, request)
    }

    /// A client and the server's end of its link.
    pub(crate) async fn connected(&self) -> (Client, Peer) {
        self.connected_with(self.client()).await
    }

    pub(crate) async fn connected_with(&self, builder: Builder) -> (Client, Peer) {
        let (client, (peer, _)) = tokio::join!(builder.connect(), self.welcome());
        (client.unwrap(), peer)
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The server's end of a link.
pub(crate) struct Peer {
    stream: Box<dyn Stream>,
    frames: Deframer,
    pub(crate) zxid: i64,
}

impl Peer {
    /// Reads the handshake of a new link.
    pub(crate) async fn take_link(stream: impl Stream + 'static) -> (Self, ConnectRequest) {
        let mut peer = Peer {
            stream: Box::new(stream),
            frames: Deframer::new(),
            zxid: 0x10,
        };
        let request = ConnectRequest::from_bytes(&peer.frame().await.unwrap()).unwrap();
        (peer, request)
    }

    async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.next_frame(usize::MAX).unwrap() {
                return Some(frame);
            }
            let read = self.stream.read_buf(self.frames.buffer_mut()).await;
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn answer_handshake(&mut self, session_id: SessionId) {
        self.answer_handshake_for(session_id, 10_000).await;
    }

    pub(crate) async fn answer_handshake_for(&mut self, session_id: SessionId, timeout_ms: i32) {
        let answer = ConnectResponse {
            protocol_version: 0,
            timeout_ms,
            session_id,
            password: Some(Bytes::from_static(&[5; 16])),
            read_only: Some(false),
        };
        self.send(|out| frame::encode(out, |out| answer.encode(out)))
            .await;
    }

    /// The next request but for pings, or `None` when the client has hung up.
    pub(crate) async fn next(&mut self) -> Option<(Xid, Request)> {
        loop {
            let frame = self.frame().await?;
            let mut reader = Reader::new(&frame);
            let header = RequestHeader::decode(&mut reader).unwrap();
            let request = Request::decode(header.op, &mut reader).unwrap();
            if request != Request::Ping {
                return Some((header.xid, request));
            }
        }
    }

    /// Answers the next ping.
    pub(crate) async fn pong(&mut self) {
        let frame = self.frame().await.expect("the client has hung up");
        let header = RequestHeader::decode(&mut Reader::new(&frame)).unwrap();
        assert_eq!(header.xid, Xid::PING);
        self.reply(Xid::PING, ErrorCode::OK, &Response::Empty).await;
    }

    /// The next request, which must come.
    pub(crate) async fn take(&mut self) -> (Xid, Request) {
        self.next().await.expect("the client has hung up")
    }

    pub(crate) async fn reply(&mut self, xid: Xid, err: ErrorCode, body: &Response) {
        self.zxid += 1;
        let zxid = Zxid(self.zxid);
        self.send(|out| reply::encode_frame(ReplyHeader { xid, zxid, err }, body, out))
            .await;
    }

    pub(crate) async fn notify(&mut self, kind: EventType, path: &str) {
        let zxid = Zxid(self.zxid);
        self.send(|out| watch::encode_frame(kind, zxid, path, out))
            .await;
    }

    pub(crate) async fn send(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut out = BytesMut::new();
        write(&mut out);
        self.stream.write_all(&out).await.unwrap();
    }
}

pub(crate) fn data(text: &'static str) -> Response {
    Response::GetData(GetDataResponse {
        data: Some(Bytes::from_static(text.as_bytes())),
        stat: Stat::default(),
    })
}

pub(crate) fn stat() -> Response {
    Response::Stat(StatResponse {
        stat: Stat::default(),
    })
}

/// A bound on what should happen at once, so that a failure does not hang.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what)
        .await
        .expect("took too long")
}
