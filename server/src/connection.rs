//! The task of one client connection: bytes in, replies out.
//!
//! A poll sends what is in the buffer, reads what has come, serves it, and starts over until
//! neither moves. Reads are answered here, under the tree's lock, which is taken once for all
//! requests that came in one piece; their replies leave in one write. Requests that need a
//! transaction, or stand behind one, go to the replica in one piece too. Where that runs on the
//! same thread, replies of such a piece wait for what it says at once, and leave together.
//!
//! A request of thirty bytes may have a reply of a megabyte, so the room for replies is looked at
//! before each request and not only before each piece; frames that find none wait as the bytes
//! they came as.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLockReadGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use lockkeeper_replica::{Answering, answer, is_read, needs_watches};
use lockkeeper_store::{Store, authenticate};
use lockkeeper_wire::request::AuthPacket;
use lockkeeper_wire::{
    ConnectRequest, ErrorCode, Id, OpCode, Reader, Record, ReplyHeader, Request, RequestHeader,
    Response, Xid, Zxid, reply,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::links::Link;
use crate::node::{Input, Shared};
use crate::server::ENTRY_FRAMES;
use crate::socket::Socket;
use crate::status;
use crate::stream::Writer;
use crate::sync::{lock, read};
use crate::words::{self, Word};

/// Bytes of the identities of one connection as an access list holds them. An entry of 16 bytes
/// names all of them, and a request may consist of such entries: what it grows to must stay within
/// the longest entry of the log.
const IDENTITIES_LEN_MAX: usize = 16 * ENTRY_FRAMES;

/// Bytes of an access list's entry beside the two texts.
const IDENTITY_OVERHEAD: usize = 12;

/// How long the peer of a connection that ends may take to read the last bytes.
const PARTING: Duration = Duration::from_secs(2);

/// Why a connection ends; told to the log and never to the peer.
#[derive(Debug)]
enum End {
    /// The peer has closed, or this side has said all it had to.
    Closed,
    /// The socket failed.
    Io(std::io::Error),
    /// The peer sent what has no meaning.
    Malformed(&'static str),
    /// No handshake in time.
    Silent,
    /// The peer does not read what is sent to it.
    Unread,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Before the first frame, or a four-letter word in its place.
    Handshake,
    /// Behind it.
    Requests,
    /// Nothing more is read.
    Ending,
}

pub(crate) struct Connection {
    socket: Socket,
    link: Arc<Link>,
    shared: Arc<Shared>,
    status: Arc<status::Source>,
    phase: Phase,
    /// Whole frames may be left that found no room for their replies.
    backlog: bool,
    /// Of the handshake; later of the parting, once that has begun.
    deadline: Pin<Box<Sleep>>,
    parting: bool,
    to_replica: Vec<Input>,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        link: Arc<Link>,
        shared: Arc<Shared>,
        status: Arc<status::Source>,
    ) -> Self {
        let patience = Duration::from_millis(shared.limits.handshake_ms_max);
        shared.inbox.push(Input::Accepted(link.clone()));
        let (reading, writing) = stream.into_split();
        link.out.open(Writer::Plain(writing));
        Self {
            socket: Socket::new(reading),
            link,
            shared,
            status,
            phase: Phase::Handshake,
            backlog: false,
            deadline: Box::pin(tokio::time::sleep(patience)),
            parting: false,
            to_replica: Vec::new(),
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.link.waker.register(cx.waker());
        // Whether replies leave with those of the replica, which runs next on this thread.
        let mut held = false;
        loop {
            if self.link.abandoned.load(Ordering::Acquire) {
                return Poll::Ready(End::Unread);
            }
            let is_ending = self.is_ending();
            let sent = match held && !is_ending {
                true => Ok(false),
                false => self.link.out.poll_send(cx),
            };
            let flushed = match sent {
                Ok(flushed) => flushed,
                Err(error) => return Poll::Ready(End::Io(error)),
            };
            if is_ending {
                return match flushed {
                    true => Poll::Ready(End::Closed),
                    false => self.poll_parting(cx),
                };
            }
            if self.phase == Phase::Handshake && self.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Silent);
            }
            if self.is_held_back() {
                self.link.held_back.register(cx.waker());
                // Once more, for what the replica did before it could know whom to wake.
                if self.is_held_back() && !self.is_ending() {
                    return Poll::Pending;
                }
                continue;
            }
            if !std::mem::take(&mut self.backlog) {
                match ready!(self.socket.poll_read(cx)) {
                    Ok(0) => {
                        // A last try for what is held; nobody waits for a peer that says no more.
                        let _ = self.link.out.poll_send(cx);
                        return Poll::Ready(End::Closed);
                    }
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(End::Io(error)),
                }
            }
            match self.serve() {
                Ok(handed_over) => held |= handed_over && self.shared.one_thread,
                Err(end) => return Poll::Ready(end),
            }
        }
    }

    fn is_held_back(&self) -> bool {
        self.phase == Phase::Ending || !self.has_room()
    }

    fn is_ending(&self) -> bool {
        self.link.closing.load(Ordering::Acquire)
            || self.shared.stopping.load(Ordering::Acquire)
            || (self.phase == Phase::Ending && self.link.outstanding.load(Ordering::Acquire) == 0)
    }

    /// Waits for the last bytes to leave, not for ever: a peer that does not read would keep its
    /// place among the connections.
    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if !std::mem::replace(&mut self.parting, true) {
            self.phase = Phase::Ending;
            self.deadline.as_mut().reset(Instant::now() + PARTING);
        }
        self.deadline.as_mut().poll(cx).map(|()| End::Unread)
    }

    /// Whether another request is served: not while replies pile up unread, and not while too many
    /// requests wait for a transaction.
    ///
    /// Each way out of it wakes the task: the socket takes bytes again, or the replica answers a
    /// request of this connection, which has one there if the total holds it back.
    fn has_room(&self) -> bool {
        let limits = &self.shared.limits;
        let own = self.link.outstanding.load(Ordering::Acquire);
        let total = self.shared.outstanding.load(Ordering::Relaxed);
        self.link.out.len() < limits.unsent_len_pause
            && own < limits.outstanding_per_connection_max
            && (own == 0 || total < limits.outstanding_max)
    }

    /// Serves the whole frames that have come; says whether the replica has got any of them.
    fn serve(&mut self) -> Result<bool, End> {
        let shared = self.shared.clone();
        self.link
            .heard_ms
            .store(shared.clock.mono_ms(), Ordering::Relaxed);
        let mut tree = None;
        let mut replies = Replies::default();
        let outcome = self.serve_frames(&shared, &mut tree, &mut replies);
        self.link
            .received
            .fetch_add(replies.received, Ordering::Relaxed);
        self.link.sent.fetch_add(replies.sent, Ordering::Relaxed);
        if shared.one_thread && replies.sent > 0 {
            shared.reads.fetch_add(1, Ordering::Relaxed);
        }
        drop(tree);
        let handed_over = !self.to_replica.is_empty();
        if handed_over {
            shared.inbox.extend(self.to_replica.drain(..));
        }
        outcome.map(|()| handed_over)
    }

    fn serve_frames<'a>(
        &mut self,
        shared: &'a Shared,
        tree: &mut Option<RwLockReadGuard<'a, Store>>,
        replies: &mut Replies,
    ) -> Result<(), End> {
        if self.phase == Phase::Handshake {
            if let Some(word) = self.socket.deframer.buffered().first_chunk().copied()
                && let Some(word) = Word::from_bytes(word)
            {
                self.answer_word(word);
                return Ok(());
            }
            let limit = shared.limits.handshake_len_max;
            let Some(first) = self.next_frame(limit)? else {
                return Ok(());
            };
            replies.received += 1;
            let request = ConnectRequest::from_bytes(&first)
                .map_err(|_| End::Malformed("the first frame is no connect request"))?;
            self.phase = Phase::Requests;
            self.hand_over(|link| Input::Connect(link.id, request));
        }
        while self.phase == Phase::Requests {
            if !self.has_room() {
                self.backlog = true;
                break;
            }
            let Some(body) = self.next_frame(shared.limits.frame_len_max)? else {
                break;
            };
            replies.received += 1;
            self.serve_request(shared, tree, replies, &body)?;
        }
        Ok(())
    }

    fn next_frame(&mut self, len_max: usize) -> Result<Option<Bytes>, End> {
        self.socket.deframer.next_frame(len_max).map_err(|error| {
            tracing::warn!(peer = %self.link.peer, %error, "frame refused");
            End::Malformed("a frame's length is not acceptable; see jute.maxbuffer")
        })
    }

    /// Hands something to the replica; until it is answered, what follows goes the same way.
    fn hand_over(&mut self, input: impl FnOnce(&Link) -> Input) {
        self.link.outstanding.fetch_add(1, Ordering::AcqRel);
        self.shared.outstanding.fetch_add(1, Ordering::Relaxed);
        self.to_replica.push(input(&self.link));
    }

    fn serve_request<'a>(
        &mut self,
        shared: &'a Shared,
        tree: &mut Option<RwLockReadGuard<'a, Store>>,
        replies: &mut Replies,
        frame: &Bytes,
    ) -> Result<(), End> {
        let mut reader = Reader::new(frame);
        let RequestHeader { xid, op } = RequestHeader::decode(&mut reader)
            .map_err(|_| End::Malformed("a request is shorter than its header"))?;
        let request = match Request::decode(op, &mut reader) {
            Ok(Request::Auth(packet)) => return self.serve_auth(shared, tree, xid, &packet),
            Ok(Request::Sasl(token)) => {
                if token.token.is_none() {
                    return Err(End::Malformed("a sasl token is null"));
                }
                return self.serve_sasl(xid);
            }
            Ok(request) => request,
            Err(_) if is_auth(op) => {
                return Err(End::Malformed("an authentication cannot be decoded"));
            }
            Err(code) => {
                // Apache's servers take this number for a request and answer its body; it is one
                // of their own all the same.
                let own = op == i32::from(OpCode::CreateSession);
                let code = if own {
                    ErrorCode::MARSHALLING_ERROR
                } else {
                    code
                };
                let close = code == ErrorCode::UNIMPLEMENTED;
                let zxid = close.then_some(Zxid(-1));
                self.header(shared, tree, xid, zxid, code, close);
                return Ok(());
            }
        };
        if is_read(&request) && self.link.outstanding.load(Ordering::Acquire) == 0 {
            let tree = tree.get_or_insert_with(|| read(&shared.store));
            // The tree may be another one since this connection was told to end.
            if self.link.closing.load(Ordering::Acquire) {
                self.phase = Phase::Ending;
                return Ok(());
            }
            self.answer_read(shared, tree, xid, &request);
            replies.sent += 1;
        } else {
            let identities = lock(&self.link.identities).clone();
            if matches!(request, Request::CloseSession) {
                self.phase = Phase::Ending;
            }
            let connection = self.link.id;
            self.hand_over(|_| Input::Request {
                connection,
                xid,
                request,
                identities,
            });
        }
        Ok(())
    }

    fn answer_read(&self, shared: &Shared, store: &Store, xid: Xid, request: &Request) {
        let identities = lock(&self.link.identities).clone();
        let who = Answering {
            connection: self.link.id,
            session: self.link.session(),
            identities: &identities,
            skip_acl: shared.skip_acl,
            watches_max: shared.limits.watches_per_connection_max,
        };
        let mut watches = needs_watches(request).then(|| lock(&shared.watches));
        let mut unsent = self.link.out.buffer();
        answer(
            store,
            watches.as_deref_mut(),
            who,
            xid,
            request,
            &mut unsent,
        );
    }

    /// A header for a reply, in its place among the others; with `close`, as the last.
    ///
    /// The tree may be locked for an earlier request of the piece already; a second lock in the
    /// same thread would wait for a writer that waits for the first.
    fn header<'a>(
        &mut self,
        shared: &'a Shared,
        tree: &mut Option<RwLockReadGuard<'a, Store>>,
        xid: Xid,
        zxid: Option<Zxid>,
        code: ErrorCode,
        close: bool,
    ) {
        if close {
            self.phase = Phase::Ending;
        }
        if self.link.outstanding.load(Ordering::Acquire) == 0 {
            let zxid = zxid.unwrap_or_else(|| {
                let tree = tree.get_or_insert_with(|| read(&shared.store));
                tree.last_zxid()
            });
            let header = ReplyHeader {
                xid,
                zxid,
                err: code,
            };
            reply::encode_frame(header, &Response::Empty, &mut self.link.out.buffer());
            self.link.sent.fetch_add(1, Ordering::Relaxed);
        } else {
            let connection = self.link.id;
            self.hand_over(|_| Input::Header {
                connection,
                xid,
                zxid,
                code,
                close,
            });
        }
    }

    /// An identity counts from here on, for every request not yet judged.
    fn serve_auth<'a>(
        &mut self,
        shared: &'a Shared,
        tree: &mut Option<RwLockReadGuard<'a, Store>>,
        xid: Xid,
        packet: &AuthPacket,
    ) -> Result<(), End> {
        let added = {
            let mut identities = lock(&self.link.identities);
            let credential = packet.auth.as_deref();
            let super_digest = self.shared.super_digest.as_deref();
            let added = authenticate(
                &identities,
                packet.scheme.as_deref(),
                credential,
                super_digest,
            );
            added.and_then(|added| {
                let len = |id: &Id| id.scheme().len() + id.id.len() + IDENTITY_OVERHEAD;
                let len: usize = added.iter().map(len).sum();
                if len > IDENTITIES_LEN_MAX {
                    return Err(ErrorCode::AUTH_FAILED);
                }
                *identities = added;
                Ok(())
            })
        };
        match added {
            Ok(()) => self.header(shared, tree, xid, Some(Zxid::ZERO), ErrorCode::OK, false),
            Err(code) => {
                tracing::info!(peer = %self.link.peer, "authentication failed");
                self.header(shared, tree, xid, Some(Zxid::ZERO), code, true);
            }
        }
        Ok(())
    }

    /// A server without SASL answers that the exchange is done, so that clients with a leftover
    /// configuration go on without it.
    fn serve_sasl(&mut self, xid: Xid) -> Result<(), End> {
        let header = ReplyHeader {
            xid,
            zxid: Zxid::ZERO,
            err: ErrorCode::OK,
        };
        let body = Response::Sasl(lockkeeper_wire::request::SaslToken { token: None });
        reply::encode_frame(header, &body, &mut self.link.out.buffer());
        self.link.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn answer_word(&mut self, word: Word) {
        self.phase = Phase::Ending;
        let text = if self.status.allows(word) {
            self.status.answer(word)
        } else {
            words::refusal(word)
        };
        self.link.out.buffer().extend_from_slice(text.as_bytes());
    }
}

fn is_auth(op: i32) -> bool {
    op == i32::from(OpCode::Auth) || op == i32::from(OpCode::Sasl)
}

/// Counts of one piece.
#[derive(Debug, Default)]
struct Replies {
    received: u64,
    sent: u64,
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let end = ready!(self.drive(cx));
        match end {
            End::Closed => {}
            End::Io(error) => tracing::debug!(peer = %self.link.peer, %error, "connection lost"),
            End::Malformed(reason) => {
                tracing::warn!(peer = %self.link.peer, reason, "connection closed");
            }
            End::Silent => {
                tracing::info!(peer = %self.link.peer, "connection closed: no handshake in time");
            }
            End::Unread => {
                tracing::warn!(peer = %self.link.peer, "connection closed: its client does not read");
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let packets = &self.shared.packets;
        packets.received.fetch_add(
            self.link.received.load(Ordering::Relaxed),
            Ordering::Relaxed,
        );
        packets
            .sent
            .fetch_add(self.link.sent.load(Ordering::Relaxed), Ordering::Relaxed);
        self.link.out.close();
        self.shared.registry.leave(&self.link);
        self.shared.inbox.push(Input::Ended(self.link.id));
    }
}
