//! What comes from a server: the handshake's answer, replies, events.
//!
//! Frames are worked off one by one until the link is given up; whatever a server sends, the worst
//! that can happen is that.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockkeeper_wire::{
    ConnectResponse, Deframer, ErrorCode, EventType, Reader, Record, ReplyHeader, Request,
    Response, SessionId, WatcherEvent, Xid, Zxid,
};
use tracing::{debug, info, trace, warn};

use crate::chroot;
use crate::contact::By;
use crate::error::{Error, LinkLoss, OpError, Outcome, Violation, ends_link};
use crate::event::{Event, WatchEvent};
use crate::pending::{Entry, Purpose, Sent};
use crate::phase::{End, Handshake, Phase};
use crate::session::Session;
use crate::watches::WatchKind;

impl Session {
    /// Bytes have come over the link; takes every whole frame out of `frames`.
    ///
    /// The owner starts each link with an empty [`Deframer`].
    pub fn handle_bytes(&mut self, now: Instant, frames: &mut Deframer) {
        if matches!(self.phase, Phase::Connected(_)) {
            self.timers.heard(now);
        }
        while matches!(self.phase, Phase::Connecting(_) | Phase::Connected(_)) {
            let handled = match frames.next_frame(self.limits.reply_len_max) {
                Ok(None) => return,
                Ok(Some(frame)) => self.handle_frame(&frame, now),
                Err(error) => Err(LinkLoss::Protocol(error.into())),
            };
            if let Err(why) = handled {
                if let LinkLoss::Protocol(what) = why {
                    warn!(session = %self.id, %what, "server broke the protocol: link dropped");
                }
                // What is left in `frames` came over that link and says nothing about the next one.
                return self.drop_link(now, why);
            }
        }
    }

    fn handle_frame(&mut self, frame: &Bytes, now: Instant) -> Result<(), LinkLoss> {
        match &self.phase {
            Phase::Connecting(attempt) => match attempt.handshake {
                Handshake::Asked(asked_at) => self.handle_handshake(frame, asked_at, now),
                // Nothing may come before it is asked for.
                Handshake::Dialing | Handshake::Due => Err(order(Xid(0), None)),
            },
            _ => self.handle_message(frame, now),
        }
    }

    /// Compares ids and not the timeout alone: a server that answers a resume with another session
    /// must not have it taken for the old one.
    fn handle_handshake(
        &mut self,
        frame: &Bytes,
        asked_at: Instant,
        now: Instant,
    ) -> Result<(), LinkLoss> {
        let answer = ConnectResponse::from_bytes(frame).map_err(violation)?;
        let refused = answer.timeout_ms <= 0 || answer.session_id == SessionId::NONE;
        let resuming = self.seen_read_write && self.id != SessionId::NONE;
        if resuming && (refused || answer.session_id != self.id) {
            info!(session = %self.id, "session has ended at the server");
            self.finish(End::Expired);
            return Ok(());
        }
        if refused {
            return Err(LinkLoss::Code(ErrorCode::SESSION_EXPIRED));
        }
        let read_only = answer.read_only.unwrap_or(false);
        self.id = answer.session_id;
        self.password = answer.password.unwrap_or_default();
        self.seen_read_write |= !read_only;
        let timeout = Duration::from_millis(answer.timeout_ms.unsigned_abs().into());
        self.timers.established(timeout, now);
        if !read_only {
            self.timers.validated(asked_at, now);
        }
        self.take_link(read_only, now);
        Ok(())
    }

    fn handle_message(&mut self, frame: &Bytes, now: Instant) -> Result<(), LinkLoss> {
        let mut reader = Reader::new(frame);
        let header = ReplyHeader::decode(&mut reader).map_err(violation)?;
        trace!(session = %self.id, xid = %header.xid, zxid = %header.zxid, err = ?header.err, "reply");
        if header.err == ErrorCode::SESSION_CLOSED_REQUIRE_SASL_AUTH {
            self.finish(End::AuthFailed);
            return Ok(());
        }
        match header.xid {
            Xid::NOTIFICATION => self.handle_event(header.zxid, &mut reader),
            Xid::PING => self.handle_ping(now),
            Xid::AUTH => self.handle_auth(header.err),
            _ => self.handle_reply(header, &mut reader, now),
        }
    }

    fn handle_ping(&mut self, now: Instant) -> Result<(), LinkLoss> {
        let Phase::Connected(link) = &mut self.phase else {
            return Ok(());
        };
        let asked_at = link.pings.pop_front().ok_or(order(Xid::PING, None))?;
        self.acknowledged(asked_at, By::Server, now);
        Ok(())
    }

    /// A server that reads only is cut off from the leader, and its word does not reach there.
    fn acknowledged(&mut self, asked_at: Instant, by: By, now: Instant) {
        if matches!(&self.phase, Phase::Connected(link) if !link.read_only) {
            self.timers.acknowledged(asked_at, by, now);
        }
    }

    fn handle_auth(&mut self, code: ErrorCode) -> Result<(), LinkLoss> {
        let waiter = self.auth.answered().map_err(|()| order(Xid::AUTH, None))?;
        if !code.is_ok() {
            if let Some(ticket) = waiter {
                let outcome = Outcome::NotApplied;
                self.reply(ticket, Err(Error::AuthFailed { outcome }));
            }
            self.finish(End::AuthFailed);
            return Ok(());
        }
        if let Some(ticket) = waiter {
            self.reply(ticket, Ok(Response::Empty));
        }
        self.tell_connected();
        Ok(())
    }

    fn handle_event(&mut self, zxid: Zxid, body: &mut Reader<'_>) -> Result<(), LinkLoss> {
        let event = WatcherEvent::decode(body).map_err(violation)?;
        let Ok(kind) = EventType::try_from(event.kind) else {
            debug!(kind = event.kind, "event of an unknown type left out");
            return Ok(());
        };
        let (watchers, removal) = self.watches.dispatch(kind, &event.path);
        let event = WatchEvent {
            kind,
            path: chroot::strip_path(&self.chroot, &event.path),
            zxid: (zxid > Zxid::ZERO).then_some(zxid),
        };
        for watcher in watchers {
            self.events.push_back(Event::Watch {
                watcher,
                event: event.clone(),
                is_last: !self.watches.contains(watcher),
            });
        }
        self.remove_on_server(removal);
        Ok(())
    }

    fn handle_reply(
        &mut self,
        header: ReplyHeader,
        body: &mut Reader<'_>,
        now: Instant,
    ) -> Result<(), LinkLoss> {
        let sent = match self.pending.answer(header.xid) {
            Ok(sent) => sent,
            Err(oldest) => return self.handle_out_of_turn(header, oldest),
        };
        // Only these replies count: an event's zxid may be ahead of what was read, and pings and
        // credentials are answered without a look at the tree.
        self.zxid_seen = self.zxid_seen.max(header.zxid);
        let Sent {
            sent_at, mut entry, ..
        } = sent;
        self.acknowledged(sent_at, By::Server, now);
        match entry.purpose {
            Purpose::Call(_) | Purpose::Abandoned(_) => {
                self.answer_call(entry, sent_at, header, body, now)
            }
            // NoWatcher means that it is gone already; a kind that an old server does not know
            // leaves an event too many at worst.
            Purpose::Unwatch => Ok(()),
            // A matter of the link or the session; the next link asks again.
            Purpose::Restore if ends_link(header.err) => Err(LinkLoss::Code(header.err)),
            Purpose::Restore => {
                let chunk = entry.request.take().expect("kept until it is answered");
                self.restored(&chunk, header.err);
                Ok(())
            }
            Purpose::Close => {
                self.finish(End::Closed);
                Ok(())
            }
        }
    }

    /// A server refuses an operation that it does not know at once, ahead of earlier replies, and
    /// hangs up (`client-protocol` 3.3). Whoever asked must learn of it, or it would be asked again.
    fn handle_out_of_turn(
        &mut self,
        header: ReplyHeader,
        oldest: Option<Xid>,
    ) -> Result<(), LinkLoss> {
        if header.err == ErrorCode::UNIMPLEMENTED
            && let Some(Sent { entry, .. }) = self.pending.answer_out_of_turn(header.xid)
        {
            match (entry.purpose, &entry.request) {
                (Purpose::Restore, Some(chunk)) => self.restored(chunk, header.err),
                _ => {
                    let error = refusal(&entry, header.err);
                    self.end_entry(entry, error);
                }
            }
            return Ok(());
        }
        Err(order(header.xid, oldest))
    }

    fn answer_call(
        &mut self,
        entry: Entry,
        sent_at: Instant,
        header: ReplyHeader,
        body: &mut Reader<'_>,
        now: Instant,
    ) -> Result<(), LinkLoss> {
        let decoded = if header.err.is_ok() {
            Response::decode(entry.op, body)
        } else {
            Ok(Response::Empty)
        };
        let mut response = match decoded {
            Ok(response) => response,
            Err(error) => {
                let (what, outcome) = (Violation::Record(error), entry.outcome());
                self.end_entry(entry, Error::Protocol { what, outcome });
                return Err(LinkLoss::Protocol(what));
            }
        };
        if header.err.is_ok() && !is_refused(&response) {
            self.acknowledged(sent_at, entry.answered_by(), now);
        }
        self.register(&entry, header.err);
        if let Purpose::Call(ticket) = entry.purpose {
            let result = if header.err.is_ok() {
                chroot::strip(&self.chroot, &mut response);
                Ok(response)
            } else {
                Err(refusal(&entry, header.err))
            };
            self.reply(ticket, result);
        }
        if ends_link(header.err) {
            return Err(LinkLoss::Code(header.err));
        }
        Ok(())
    }

    /// Notes the watch that a request has left, before its caller hears of the reply.
    fn register(&mut self, entry: &Entry, code: ErrorCode) {
        let (Some(path), Some(ticket)) = (&entry.watch, entry.ticket()) else {
            return;
        };
        let kind = entry
            .request
            .as_ref()
            .and_then(|request| watch_left(request, code));
        let removal = self.watches.settle(path, ticket, kind);
        self.remove_on_server(removal);
        if entry.unwatched {
            self.unwatch(ticket);
        }
    }

    fn restored(&mut self, chunk: &Request, code: ErrorCode) {
        self.watches.chunk_done();
        if code.is_ok() {
            for watcher in self.watches.rearmed(chunk) {
                self.events.push_back(Event::Rearmed { watcher });
            }
        } else {
            warn!(session = %self.id, %code, "server refused to arm watches again");
            let why = crate::event::WatchEnd::Refused(code);
            for watcher in self.watches.refused(chunk) {
                self.events.push_back(Event::WatchEnd { watcher, why });
            }
        }
    }
}

/// The watch that a request leaves when it is answered with this code (`client-protocol` 8.2).
fn watch_left(request: &Request, code: ErrorCode) -> Option<WatchKind> {
    match (request, code) {
        (Request::Exists(_), ErrorCode::OK) => Some(WatchKind::Data),
        (Request::Exists(_), ErrorCode::NO_NODE) => Some(WatchKind::Exist),
        (Request::GetData(_), ErrorCode::OK) => Some(WatchKind::Data),
        (Request::GetChildren(_) | Request::GetChildren2(_), ErrorCode::OK) => {
            Some(WatchKind::Child)
        }
        (Request::AddWatch(body), ErrorCode::OK | ErrorCode::NO_NODE) => {
            let recursive = body.mode == lockkeeper_wire::AddWatchMode::PersistentRecursive.into();
            Some(if recursive {
                WatchKind::Recursive
            } else {
                WatchKind::Persistent
            })
        }
        _ => None,
    }
}

/// Whether a multi was refused, perhaps for its session's sake: its header does not say so.
fn is_refused(response: &Response) -> bool {
    matches!(response, Response::Multi(body) if body.failure().is_some())
}

fn refusal(entry: &Entry, code: ErrorCode) -> Error {
    Error::Op(OpError {
        code,
        op: entry.op,
        path: entry.path.to_string(),
    })
}

fn order(got: Xid, want: Option<Xid>) -> LinkLoss {
    LinkLoss::Protocol(Violation::Order {
        got: got.0,
        want: want.map(|xid| xid.0),
    })
}

fn violation(error: lockkeeper_wire::DecodeError) -> LinkLoss {
    LinkLoss::Protocol(error.into())
}
