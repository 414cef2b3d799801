//! A client that sends whatever a test likes: one blocking socket, frames, records of the protocol.
//!
//! Every wait has a deadline, in [`Client::next`] for the server and in [`until`] for everything
//! else; both are long, because they are reached only when something is broken.

#![allow(dead_code, unreachable_pub)]

pub mod binary;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use lockkeeper_wire::request::{CreateRequest, PathVersion, PathWatch, SetDataRequest};
use lockkeeper_wire::{
    Acl, ConnectRequest, ConnectResponse, CreateMode, Deframer, ErrorCode, OpCode, Reader, Record,
    ReplyHeader, Request, Response, SessionId, WatcherEvent, Xid, Zxid,
};

/// Longer than anything takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `condition` holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A handshake for a new session.
pub fn handshake(timeout_ms: i32) -> ConnectRequest {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms,
        session_id: SessionId::NONE,
        password: Some(Bytes::from_static(&[0; 16])),
        read_only: Some(false),
    }
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    deframer: Deframer,
    /// What the handshake was answered with.
    pub granted: Option<ConnectResponse>,
    next_xid: i32,
}

impl Client {
    /// A connection on which nothing has been sent.
    #[track_caller]
    pub fn raw(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("an option");
        let patience = Some(PATIENCE);
        stream.set_read_timeout(patience).expect("an option");
        stream.set_write_timeout(patience).expect("an option");
        Self {
            stream,
            deframer: Deframer::new(),
            granted: None,
            next_xid: 1,
        }
    }

    /// A connection with a session of the longest timeout.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let client = Self::open(address, &handshake(i32::MAX));
        let granted = client.granted.as_ref().expect("an answer");
        assert!(granted.timeout_ms > 0, "refused: {granted:?}");
        client
    }

    /// A connection that has got the answer to this handshake, or has been closed over it.
    #[track_caller]
    pub fn open(address: SocketAddr, request: &ConnectRequest) -> Self {
        let mut client = Self::raw(address);
        client.send_frame(&request.to_bytes());
        client.granted = client
            .next()
            .map(|frame| ConnectResponse::from_bytes(&frame).expect("a connect response"));
        client
    }

    /// The handshake that resumes this client's session.
    pub fn resumption(&self) -> ConnectRequest {
        let granted = self.granted.as_ref().expect("a session");
        ConnectRequest {
            session_id: granted.session_id,
            password: granted.password.clone(),
            ..handshake(granted.timeout_ms)
        }
    }

    pub fn session(&self) -> SessionId {
        self.granted.as_ref().expect("a session").session_id
    }

    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are; a server that has closed meanwhile is no failure of the test.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            assert!(is_gone(&error), "cannot send: {error}");
        }
    }

    pub fn send_frame(&mut self, payload: &[u8]) {
        let mut frame = (payload.len() as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(payload);
        self.send_bytes(&frame);
    }

    /// Sends a header with any number for the operation, and a body.
    pub fn send_op(&mut self, xid: i32, op: i32, body: &[u8]) {
        let mut payload = xid.to_be_bytes().to_vec();
        payload.extend_from_slice(&op.to_be_bytes());
        payload.extend_from_slice(body);
        self.send_frame(&payload);
    }

    /// Sends a request without waiting for its reply.
    pub fn send(&mut self, request: &Request) -> Xid {
        self.send_all(std::slice::from_ref(request))
    }

    /// Sends requests in one piece; gives the number of the last.
    pub fn send_all(&mut self, requests: &[Request]) -> Xid {
        let mut out = BytesMut::new();
        for request in requests {
            request.encode_frame(Xid(self.next_xid), &mut out);
            self.next_xid += 1;
        }
        self.send_bytes(&out);
        Xid(self.next_xid - 1)
    }

    /// Sends requests in one piece from another thread, so that this one can read the replies.
    pub fn send_aside(&mut self, requests: &[Request]) -> JoinHandle<()> {
        let mut out = BytesMut::new();
        for request in requests {
            request.encode_frame(Xid(self.next_xid), &mut out);
            self.next_xid += 1;
        }
        let mut stream = self.stream.try_clone().expect("a second handle");
        std::thread::spawn(move || stream.write_all(&out).expect("the server reads"))
    }

    /// The next frame; `None` when the server has closed the connection.
    #[track_caller]
    pub fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = self.deframer.next_frame(usize::MAX).expect("frames");
            if frame.is_some() {
                return frame;
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(len) => self.deframer.buffer_mut().extend_from_slice(&piece[..len]),
                Err(error) if is_gone(&error) => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no frame and no end: {error}"),
            }
        }
    }

    /// The next frame of a connection that is still served.
    #[track_caller]
    pub fn message(&mut self) -> Message {
        let frame = self.next().expect("the connection is open");
        Message::decode(&frame)
    }

    /// Sends a request and gives its reply, which must be the next frame.
    #[track_caller]
    pub fn call(&mut self, request: &Request) -> Message {
        let xid = self.send(request);
        let message = self.message();
        let expected = match request {
            Request::Ping => Xid::PING,
            _ => xid,
        };
        assert_eq!(message.header.xid, expected, "{request:?}");
        message
    }

    /// Sends a request that must succeed and gives the body of its reply.
    #[track_caller]
    pub fn ask(&mut self, request: &Request) -> Response {
        let message = self.call(request);
        assert_eq!(message.header.err, ErrorCode::OK, "{request:?}");
        message.response(request.op())
    }

    #[track_caller]
    pub fn data(&mut self, path: &str) -> Option<Bytes> {
        match self.ask(&get(path)) {
            Response::GetData(body) => body.data,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn exists(&mut self, path: &str) -> bool {
        let err = self.call(&exists(path)).header.err;
        assert!(err.is_ok() || err == ErrorCode::NO_NODE, "{err:?}");
        err.is_ok()
    }

    /// Asserts that the server closes the connection, and that no frame comes before that.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        assert_eq!(self.next(), None, "closed without a frame");
    }

    /// Ends the connection without a word.
    pub fn hang_up(self) {
        // The server may have been faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

/// A frame of the server behind the handshake.
#[derive(Clone, Debug)]
pub struct Message {
    pub header: ReplyHeader,
    pub body: Bytes,
}

impl Message {
    #[track_caller]
    pub fn decode(frame: &Bytes) -> Self {
        let mut reader = Reader::new(frame);
        let header = ReplyHeader::decode(&mut reader).expect("a header");
        let body = reader.rest_shared();
        Self { header, body }
    }

    #[track_caller]
    pub fn response(&self, op: OpCode) -> Response {
        Response::decode(op, &mut Reader::new(&self.body)).expect("the body of a reply")
    }

    /// The event, if this is one.
    pub fn event(&self) -> Option<WatcherEvent> {
        let is_event = self.header.xid == Xid::NOTIFICATION;
        is_event.then(|| WatcherEvent::from_bytes(&self.body).expect("an event"))
    }
}

pub fn create(path: &str, data: &[u8]) -> Request {
    create_mode(path, data, CreateMode::Persistent)
}

pub fn create_mode(path: &str, data: &[u8], mode: CreateMode) -> Request {
    Request::Create(CreateRequest {
        path: path.into(),
        data: Some(Bytes::copy_from_slice(data)),
        acl: Some(Acl::open()),
        flags: mode.into(),
    })
}

pub fn set(path: &str, data: &[u8]) -> Request {
    Request::SetData(SetDataRequest {
        path: path.into(),
        data: Some(Bytes::copy_from_slice(data)),
        version: -1,
    })
}

pub fn delete(path: &str) -> Request {
    Request::Delete(PathVersion {
        path: path.into(),
        version: -1,
    })
}

pub fn get(path: &str) -> Request {
    Request::GetData(path_watch(path, false))
}

pub fn exists(path: &str) -> Request {
    Request::Exists(path_watch(path, false))
}

pub fn watch(path: &str) -> Request {
    Request::GetData(path_watch(path, true))
}

fn path_watch(path: &str, watch: bool) -> PathWatch {
    PathWatch {
        path: path.into(),
        watch,
    }
}
