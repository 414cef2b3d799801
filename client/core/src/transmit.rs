//! What is sent when: the handshake alone, then credentials, re-armed watches, a heartbeat, and the
//! queue in order.
//!
//! Frames are made when the owner can take them and not before, so a slow link leaves requests in
//! the queue, where nothing is known to be sent and a lost link costs them nothing.

use std::time::Instant;

use bytes::BytesMut;
use lockkeeper_wire::frame::{self, PREFIX_LEN};
use lockkeeper_wire::{ConnectRequest, Record, Request, SessionId, Xid};
use tracing::trace;

use crate::error::Misuse;
use crate::pending::{Entry, Purpose};
use crate::phase::{Handshake, Phase};
use crate::session::Session;

/// Bytes after which no further request is added to what is sent at once.
const TRANSMIT_LEN: usize = 128 * 1024;

impl Session {
    /// Appends what is to be sent now; nothing if there is nothing.
    ///
    /// Call it when all that was given before has been handed to the transport: from then on the
    /// server may have it. May add events (a request too long is answered here).
    pub fn poll_transmit(&mut self, now: Instant, out: &mut BytesMut) {
        let before = out.len();
        match &mut self.phase {
            Phase::Connecting(attempt) if attempt.handshake == Handshake::Due => {
                attempt.handshake = Handshake::Asked(now);
                self.encode_handshake(out);
            }
            Phase::Connected(_) => self.encode_requests(now, out),
            _ => {}
        }
        if out.len() > before {
            self.timers.sent(now);
        }
    }

    /// The id is 0 until a server that takes writes has seen the session: a session of a read-only
    /// server is local to it (`client-protocol` 11.3).
    fn encode_handshake(&self, out: &mut BytesMut) {
        let session_id = if self.seen_read_write {
            self.id
        } else {
            SessionId::NONE
        };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.zxid_seen,
            timeout_ms: self.timeout_asked.as_millis() as i32,
            session_id,
            password: Some(self.password.clone()),
            read_only: Some(self.read_only_will_do),
        };
        frame::encode(out, |out| request.encode(out));
    }

    fn encode_requests(&mut self, now: Instant, out: &mut BytesMut) {
        if self.auth.is_due() {
            self.auth.encode(out);
        }
        while let Some(request) = self.next_restore() {
            let entry = Entry::new(Purpose::Restore, request, Default::default());
            self.encode_entry(entry, now, out);
        }
        if let Phase::Connected(link) = &mut self.phase
            && std::mem::take(&mut link.ping_due)
        {
            Request::Ping.encode_frame(Xid::PING, out);
            link.pings.push_back(now);
        }
        let end = out.len() + TRANSMIT_LEN;
        while out.len() < end && self.pending.sent_len() < self.limits.in_flight_max {
            let Some(entry) = self.pending.pop_queued() else {
                return;
            };
            self.encode_entry(entry, now, out);
        }
    }

    fn next_restore(&mut self) -> Option<Request> {
        match &mut self.phase {
            Phase::Connected(link) => link.restore.pop_front(),
            _ => None,
        }
    }

    fn encode_entry(&mut self, entry: Entry, now: Instant, out: &mut BytesMut) {
        let request = entry.request.as_ref().expect("kept until it is sent");
        let start = out.len();
        let xid = self.pending.next_xid();
        request.encode_frame(xid, out);
        let len = out.len() - start - PREFIX_LEN;
        let max = self.limits.request_len_max;
        if len > max && entry.purpose != Purpose::Restore {
            out.truncate(start);
            return self.end_entry(entry, Misuse::TooLong { len, max }.into());
        }
        trace!(session = %self.id, %xid, op = ?entry.op, len, "request");
        self.pending.mark_sent(xid, entry, now);
    }
}
