//! A session in a world of the test's making: its clock, its one link, and a server that answers
//! when it is told to.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use lockkeeper_session::{
    Backoff, Config, Credential, Event, Limits, LinkLoss, Session, State, Ticket,
};
use lockkeeper_wire::reply::GetDataResponse;
use lockkeeper_wire::request::{PathVersion, PathWatch};
use lockkeeper_wire::{
    ConnectRequest, ConnectResponse, Deframer, ErrorCode, EventType, Reader, Record, ReplyHeader,
    Request, RequestHeader, Response, SessionId, Stat, Xid, Zxid, frame, reply, watch,
};

pub(crate) const T: Duration = Duration::from_secs(6);
pub(crate) const ID: SessionId = SessionId(0x1234);

struct Steady;

impl Backoff for Steady {
    fn next(&mut self) -> Duration {
        Duration::from_millis(100)
    }

    fn reset(&mut self) {}
}

pub(crate) fn config(connect: &str) -> Config {
    Config {
        connect: connect.parse().unwrap(),
        session_timeout: T,
        read_only: false,
        resume: None,
        auth: Vec::new(),
        first_connect_max: None,
        backoff: Box::new(Steady),
        seed: 1,
        limits: Limits::default(),
    }
}

pub(crate) fn credential() -> Credential {
    Credential {
        scheme: "digest".into(),
        auth: Bytes::from_static(b"ann:secret"),
    }
}

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// Everything told so far but what concerns the link.
    pub(crate) events: VecDeque<Event>,
    /// Connects asked for since the last look.
    pub(crate) dials: usize,
    /// Whether the session wants a link, dialed or open.
    pub(crate) linked: bool,
    /// Whether the link has been opened.
    pub(crate) opened: bool,
    sent: Deframer,
    received: Deframer,
    zxid: i64,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant::now();
        let mut world = Self {
            session: Session::new(config, now).unwrap(),
            start: now,
            now,
            events: VecDeque::new(),
            dials: 0,
            linked: false,
            opened: false,
            sent: Deframer::new(),
            received: Deframer::new(),
            zxid: 100,
        };
        world.settle();
        world
    }

    /// A session that a server has taken.
    pub(crate) fn connected() -> Self {
        let mut world = Self::new(config("a,b,c"));
        world.welcome();
        assert_eq!(world.states(), [State::Connected]);
        world
    }

    /// Works off all outputs until there are none.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut quiet = true;
            // Requests that cannot be sent are answered here, so this comes before the events.
            let mut out = BytesMut::new();
            self.session.poll_transmit(self.now, &mut out);
            if !out.is_empty() {
                quiet = false;
                self.sent.buffer_mut().extend_from_slice(&out);
            }
            while let Some(event) = self.session.poll_event() {
                quiet = false;
                match event {
                    Event::Connect(_) => {
                        assert!(!self.linked, "connect while there is a link");
                        self.linked = true;
                        self.opened = false;
                        self.dials += 1;
                        self.sent = Deframer::new();
                        self.received = Deframer::new();
                    }
                    Event::Disconnect => {
                        self.linked = false;
                        self.opened = false;
                    }
                    event => self.events.push_back(event),
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Lets time pass, calling as asked to on the way.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Waits for the next connect to be asked for.
    pub(crate) fn redial(&mut self) {
        while !self.linked {
            let due = self.session.poll_timeout().expect("session is not over");
            self.advance(due.saturating_duration_since(self.now));
        }
    }

    /// Opens the link and takes the handshake.
    pub(crate) fn handshake(&mut self) -> ConnectRequest {
        self.redial();
        self.opened = true;
        self.session.handle_connected(self.now);
        self.settle();
        let frame = self.frame().expect("a handshake");
        ConnectRequest::from_bytes(&frame).unwrap()
    }

    /// Opens the link and answers the handshake with the usual session.
    pub(crate) fn welcome(&mut self) -> ConnectRequest {
        let request = self.handshake();
        self.answer_handshake(ID, T);
        request
    }

    pub(crate) fn answer_handshake(&mut self, session_id: SessionId, timeout: Duration) {
        self.answer_handshake_as(session_id, timeout, false);
    }

    pub(crate) fn answer_handshake_as(
        &mut self,
        session_id: SessionId,
        timeout: Duration,
        read_only: bool,
    ) {
        let answer = ConnectResponse {
            protocol_version: 0,
            timeout_ms: timeout.as_millis() as i32,
            session_id,
            password: Some(Bytes::from_static(b"0123456789abcdef")),
            read_only: Some(read_only),
        };
        self.feed(|out| frame::encode(out, |out| answer.encode(out)));
    }

    pub(crate) fn lose(&mut self) {
        self.linked = false;
        self.opened = false;
        self.session.handle_disconnected(self.now, LinkLoss::Eof);
        self.settle();
    }

    /// Hands bytes to the session.
    pub(crate) fn feed(&mut self, write: impl FnOnce(&mut BytesMut)) {
        write(self.received.buffer_mut());
        self.session.handle_bytes(self.now, &mut self.received);
        self.settle();
    }

    fn frame(&mut self) -> Option<Bytes> {
        self.sent.next_frame(usize::MAX).unwrap()
    }

    /// The next request that was sent.
    pub(crate) fn request(&mut self) -> Option<(Xid, Request)> {
        let frame = self.frame()?;
        let mut reader = Reader::new(&frame);
        let header = RequestHeader::decode(&mut reader).unwrap();
        let request = Request::decode(header.op, &mut reader).unwrap();
        assert_eq!(reader.remaining(), 0);
        Some((header.xid, request))
    }

    /// All requests that were sent.
    pub(crate) fn requests(&mut self) -> Vec<(Xid, Request)> {
        std::iter::from_fn(|| self.request()).collect()
    }

    pub(crate) fn reply(&mut self, xid: Xid, err: ErrorCode, body: &Response) {
        self.zxid += 1;
        self.reply_at(xid, self.zxid, err, body);
    }

    pub(crate) fn reply_at(&mut self, xid: Xid, zxid: i64, err: ErrorCode, body: &Response) {
        let zxid = Zxid(zxid);
        self.feed(|out| reply::encode_frame(ReplyHeader { xid, zxid, err }, body, out));
    }

    pub(crate) fn notify(&mut self, kind: EventType, path: &str) {
        self.feed(|out| watch::encode_frame(kind, Zxid(-1), path, out));
    }

    pub(crate) fn submit(&mut self, ticket: u64, request: Request) {
        self.session.submit(self.now, Ticket(ticket), request);
        self.settle();
    }

    /// States told since the last look; everything else stays.
    pub(crate) fn states(&mut self) -> Vec<State> {
        let mut states = Vec::new();
        self.events.retain(|event| match event {
            Event::State(change) => {
                states.push(change.state);
                false
            }
            _ => true,
        });
        states
    }

    /// The next event; there must be one.
    pub(crate) fn event(&mut self) -> Event {
        self.events.pop_front().expect("an event")
    }

    /// The next event, which must be this call's reply.
    pub(crate) fn result(&mut self, of: u64) -> Result<Response, lockkeeper_session::Error> {
        match self.event() {
            Event::Reply { ticket, result, .. } => {
                assert_eq!(ticket, Ticket(of));
                result
            }
            other => panic!("reply to {of} expected, not {other:?}"),
        }
    }
}

pub(crate) fn get(path: &str) -> Request {
    Request::GetData(PathWatch {
        path: path.into(),
        watch: false,
    })
}

pub(crate) fn get_watched(path: &str) -> Request {
    Request::GetData(PathWatch {
        path: path.into(),
        watch: true,
    })
}

pub(crate) fn delete(path: &str) -> Request {
    Request::Delete(PathVersion {
        path: path.into(),
        version: -1,
    })
}

pub(crate) fn data() -> Response {
    Response::GetData(GetDataResponse {
        data: None,
        stat: Stat::default(),
    })
}
