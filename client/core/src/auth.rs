//! Credentials: kept for the session's life and shown to every server before anything else.
//!
//! Identities belong to a connection, so each new one starts without any (`client-protocol` 9.5).
//! Packets and replies carry the reserved xid -4 and stay in order among themselves; a server
//! answers them ahead of the requests in front of them.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};
use lockkeeper_wire::request::AuthPacket;
use lockkeeper_wire::{ByteStr, Request, Xid};

use crate::event::Ticket;

/// A scheme and what it wants to see, such as `digest` and `user:password`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The scheme.
    pub scheme: ByteStr,
    /// The scheme's own format.
    pub auth: Bytes,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// Every credential given so far, and how far this link has got with them.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    credentials: Vec<(Credential, Option<Ticket>)>,
    sent: usize,
    answered: usize,
}

impl Auth {
    pub(crate) fn new(credentials: Vec<Credential>) -> Self {
        Self {
            credentials: credentials.into_iter().map(|one| (one, None)).collect(),
            sent: 0,
            answered: 0,
        }
    }

    /// Adds a credential; the ticket is answered with the first server that answers it.
    pub(crate) fn add(&mut self, credential: Credential, ticket: Ticket) {
        self.credentials.push((credential, Some(ticket)));
    }

    /// A new link knows nothing.
    pub(crate) fn restart(&mut self) {
        self.sent = 0;
        self.answered = 0;
    }

    /// Whether credentials wait to be sent.
    pub(crate) fn is_due(&self) -> bool {
        self.sent < self.credentials.len()
    }

    /// Whether every credential has been accepted on this link.
    pub(crate) fn is_settled(&self) -> bool {
        self.answered == self.credentials.len()
    }

    /// Appends a frame for each credential not sent on this link yet.
    pub(crate) fn encode(&mut self, out: &mut BytesMut) {
        for (credential, _) in &self.credentials[self.sent..] {
            Request::Auth(AuthPacket {
                kind: 0,
                scheme: Some(credential.scheme.clone()),
                auth: Some(credential.auth.clone()),
            })
            .encode_frame(Xid::AUTH, out);
        }
        self.sent = self.credentials.len();
    }

    /// The oldest unanswered credential has been answered: gives the call that waits for it, or an
    /// error when none was asked about.
    pub(crate) fn answered(&mut self) -> Result<Option<Ticket>, ()> {
        if self.answered == self.sent {
            return Err(());
        }
        let ticket = self.credentials[self.answered].1.take();
        self.answered += 1;
        Ok(ticket)
    }

    /// Takes a call's wait away; the credential stays.
    pub(crate) fn forget(&mut self, ticket: Ticket) -> bool {
        let waits = self
            .credentials
            .iter_mut()
            .find(|(_, waiter)| *waiter == Some(ticket));
        waits.map(|(_, waiter)| *waiter = None).is_some()
    }

    /// Every call that still waits; used once, at the end.
    pub(crate) fn drain(&mut self) -> VecDeque<Ticket> {
        self.credentials
            .iter_mut()
            .filter_map(|(_, waiter)| waiter.take())
            .collect()
    }
}
