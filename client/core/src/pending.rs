//! Requests on their way: submitted, sent, answered, strictly in order.
//!
//! A request moves from the queue to the link's list when its frame is written out, and leaves that
//! list only from the front, since servers answer in order. What a lost link leaves there is sorted
//! by what is known: operations without effect go back to the front of the queue and are asked
//! again in the same order, writes end with an unknown outcome, and what never left just waits.

use std::collections::VecDeque;
use std::time::Instant;

use lockkeeper_wire::{ByteStr, OpCode, Request, Xid};

use crate::contact::By;
use crate::error::{Error, Outcome};
use crate::event::Ticket;

/// Links a request may go down with before its caller is told: a reply that no client can take
/// must not keep a session reconnecting for ever.
const SENDS_MAX: u8 = 3;

/// Why a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The caller has been told that its deadline passed; the reply is matched and dropped.
    Abandoned(Ticket),
    /// A caller waits for the reply.
    Call(Ticket),
    /// Ends the session.
    Close,
    /// Arms watches again on a new link.
    Restore,
    /// Takes a watch off the server that nobody here wants any more.
    Unwatch,
}

/// A request and what is to be done with its reply.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) purpose: Purpose,
    pub(crate) op: OpCode,
    /// The path as the caller wrote it.
    pub(crate) path: ByteStr,
    /// With the server's paths; a write's is dropped once it is sent.
    pub(crate) request: Option<Request>,
    /// The path whose watch this request leaves when it succeeds: the server's.
    pub(crate) watch: Option<ByteStr>,
    /// Whether the watch is unwanted by now.
    pub(crate) unwatched: bool,
    sends: u8,
}

impl Entry {
    pub(crate) fn new(purpose: Purpose, request: Request, path: ByteStr) -> Self {
        Self {
            purpose,
            op: request.op(),
            path,
            watch: watch_path(&request),
            request: Some(request),
            unwatched: false,
            sends: 0,
        }
    }

    /// What is known about the effect when no reply comes.
    pub(crate) fn outcome(&self) -> Outcome {
        #[cfg(feature = "__seeded-bugs")]
        if lockkeeper_bugs::is(lockkeeper_bugs::Bug::CallsUnknownNotApplied) {
            return Outcome::NotApplied;
        }
        if self.sends == 0 || has_no_effect(self.op) {
            Outcome::NotApplied
        } else {
            Outcome::Unknown
        }
    }

    /// Who stands behind its answer if it is good.
    pub(crate) fn answered_by(&self) -> By {
        match self.op {
            OpCode::Sync => By::Leader,
            _ if self.is_write() => By::Quorum,
            _ => By::Server,
        }
    }

    /// Whether the leader has to carry it out.
    pub(crate) fn is_write(&self) -> bool {
        !has_no_effect(self.op)
    }

    /// The ticket of the call that made the request, even when its caller is gone.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match self.purpose {
            Purpose::Call(ticket) | Purpose::Abandoned(ticket) => Some(ticket),
            Purpose::Unwatch | Purpose::Restore | Purpose::Close => None,
        }
    }
}

/// Whether an operation changes nothing that a repetition could change again.
fn has_no_effect(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::Exists
            | OpCode::GetData
            | OpCode::GetAcl
            | OpCode::GetChildren
            | OpCode::GetChildren2
            | OpCode::Sync
            | OpCode::MultiRead
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::GetEphemerals
            | OpCode::GetAllChildrenNumber
            | OpCode::AddWatch
            | OpCode::WhoAmI
    )
}

fn watch_path(request: &Request) -> Option<ByteStr> {
    match request {
        Request::Exists(body)
        | Request::GetData(body)
        | Request::GetChildren(body)
        | Request::GetChildren2(body)
            if body.watch =>
        {
            Some(body.path.clone())
        }
        Request::AddWatch(body) => body.path.clone(),
        _ => None,
    }
}

/// A request that a server has, or may have.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) xid: Xid,
    pub(crate) sent_at: Instant,
    pub(crate) entry: Entry,
}

/// All requests without a reply.
#[derive(Debug)]
pub(crate) struct Pending {
    queued: VecDeque<Entry>,
    sent: VecDeque<Sent>,
    xid_last: i32,
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self {
            queued: VecDeque::new(),
            sent: VecDeque::new(),
            xid_last: 0,
        }
    }

    #[cfg(test)]
    fn with_last_xid(xid_last: i32) -> Self {
        Self {
            xid_last,
            ..Self::new()
        }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.queued.push_back(entry);
    }

    pub(crate) fn pop_queued(&mut self) -> Option<Entry> {
        self.queued.pop_front()
    }

    pub(crate) fn sent_len(&self) -> usize {
        self.sent.len()
    }

    /// Gives an entry the number under which it is sent now; numbers wrap before they turn
    /// negative, since negative ones are reserved.
    pub(crate) fn next_xid(&mut self) -> Xid {
        self.xid_last = match self.xid_last {
            i32::MAX => 1,
            last => last + 1,
        };
        Xid(self.xid_last)
    }

    /// Notes that an entry's frame has been written under a number of [`Pending::next_xid`].
    pub(crate) fn mark_sent(&mut self, xid: Xid, mut entry: Entry, now: Instant) {
        entry.sends = entry.sends.saturating_add(1);
        let is_kept = !entry.is_write() || entry.purpose == Purpose::Restore;
        #[cfg(feature = "__seeded-bugs")]
        let is_kept = is_kept || lockkeeper_bugs::is(lockkeeper_bugs::Bug::RepeatsWrites);
        if !is_kept {
            entry.request = None;
        }
        self.sent.push_back(Sent {
            xid,
            sent_at: now,
            entry,
        });
    }

    /// Takes the entry that a reply answers, which must be the oldest; else its number.
    pub(crate) fn answer(&mut self, xid: Xid) -> Result<Sent, Option<Xid>> {
        match self.sent.front().map(|sent| sent.xid) {
            Some(oldest) if oldest == xid => Ok(self.sent.pop_front().expect("has a front")),
            oldest => Err(oldest),
        }
    }

    /// Takes an entry out of turn: servers refuse unknown operations ahead of earlier replies.
    pub(crate) fn answer_out_of_turn(&mut self, xid: Xid) -> Option<Sent> {
        let at = self.sent.iter().position(|sent| sent.xid == xid)?;
        self.sent.remove(at)
    }

    /// The link is gone: puts back what may be asked again, gives what must end, oldest first.
    ///
    /// What re-armed watches is dropped, because the next link starts that anew.
    pub(crate) fn link_lost(&mut self) -> Vec<Entry> {
        let mut ended = Vec::new();
        let mut again = VecDeque::new();
        for Sent { entry, .. } in self.sent.drain(..) {
            #[cfg(feature = "__seeded-bugs")]
            if lockkeeper_bugs::is(lockkeeper_bugs::Bug::RepeatsWrites) && entry.request.is_some() {
                again.push_back(entry);
                continue;
            }
            let may_repeat = has_no_effect(entry.op)
                && entry.sends < SENDS_MAX
                && !matches!(entry.purpose, Purpose::Abandoned(_));
            match entry.purpose {
                Purpose::Restore => {}
                _ if may_repeat => again.push_back(entry),
                _ => ended.push(entry),
            }
        }
        again.append(&mut self.queued);
        self.queued = again;
        ended
    }

    /// Everything there is, oldest first; used once, at the end.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> + use<> {
        let sent = std::mem::take(&mut self.sent);
        let queued = std::mem::take(&mut self.queued);
        sent.into_iter().map(|sent| sent.entry).chain(queued)
    }

    /// A call's deadline has passed: gives the error for it, or `None` if it is answered already.
    ///
    /// A request still in the queue is taken out of it.
    pub(crate) fn abandon(&mut self, ticket: Ticket) -> Option<(Error, Option<Entry>)> {
        let call = Purpose::Call(ticket);
        // These are few; the queue may be long, and what waits longest is at its front.
        let mut sent = self.sent.iter_mut().map(|sent| &mut sent.entry);
        if let Some(entry) = sent.find(|entry| entry.purpose == call) {
            entry.purpose = Purpose::Abandoned(ticket);
            entry.unwatched = true;
            let outcome = entry.outcome();
            return Some((Error::Timeout { outcome }, None));
        }
        let at = self.queued.iter().position(|entry| entry.purpose == call)?;
        let entry = self.queued.remove(at)?;
        let outcome = entry.outcome();
        Some((Error::Timeout { outcome }, Some(entry)))
    }

    /// Nobody wants the watch that a call would leave.
    pub(crate) fn unwatch(&mut self, ticket: Ticket) {
        let sent = self.sent.iter_mut().map(|sent| &mut sent.entry);
        let entry = sent
            .chain(self.queued.iter_mut())
            .find(|entry| entry.ticket() == Some(ticket));
        if let Some(entry) = entry {
            entry.unwatched = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use lockkeeper_wire::request::{PathVersion, PathWatch};

    use super::*;

    fn read(ticket: u64) -> Entry {
        let path = ByteStr::from_static("/r");
        let request = Request::GetData(PathWatch {
            path: path.clone(),
            watch: false,
        });
        Entry::new(Purpose::Call(Ticket(ticket)), request, path)
    }

    fn write(ticket: u64) -> Entry {
        let path = ByteStr::from_static("/w");
        let request = Request::Delete(PathVersion {
            path: path.clone(),
            version: -1,
        });
        Entry::new(Purpose::Call(Ticket(ticket)), request, path)
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn send(pending: &mut Pending) {
        let entry = pending.pop_queued().unwrap();
        let xid = pending.next_xid();
        pending.mark_sent(xid, entry, Instant::now());
    }

    fn tickets(entries: impl IntoIterator<Item = Entry>) -> Vec<u64> {
        entries
            .into_iter()
            .map(|entry| entry.ticket().unwrap().0)
            .collect()
    }

    #[test]
    fn numbers_start_at_one_and_wrap_before_negative() {
        let mut fresh = Pending::new();
        assert_eq!((fresh.next_xid(), fresh.next_xid()), (Xid(1), Xid(2)));
        let mut late = Pending::with_last_xid(i32::MAX - 1);
        assert_eq!((late.next_xid(), late.next_xid()), (Xid(i32::MAX), Xid(1)));
    }

    #[test]
    fn a_lost_link_sorts_by_what_is_known() {
        let mut pending = Pending::new();
        for entry in [read(1), write(2), read(3), write(4), read(5)] {
            pending.push(entry);
        }
        for _ in 0..3 {
            send(&mut pending);
        }
        let ended = pending.link_lost();
        assert_eq!(ended[0].outcome(), Outcome::Unknown);
        assert_eq!(tickets(ended), [2]);
        assert_eq!(tickets(pending.drain()), [1, 3, 4, 5]);
    }

    #[test]
    fn a_read_goes_down_with_few_links() {
        let mut pending = Pending::new();
        pending.push(read(1));
        for _ in 1..SENDS_MAX {
            send(&mut pending);
            assert!(pending.link_lost().is_empty());
        }
        send(&mut pending);
        let ended = pending.link_lost();
        assert_eq!(ended[0].outcome(), Outcome::NotApplied);
        assert!(pending.pop_queued().is_none());
    }

    #[test]
    fn only_the_oldest_may_be_answered() {
        let mut pending = Pending::new();
        pending.push(read(1));
        pending.push(read(2));
        send(&mut pending);
        send(&mut pending);
        assert_eq!(pending.answer(Xid(2)).unwrap_err(), Some(Xid(1)));
        assert_eq!(pending.answer_out_of_turn(Xid(2)).unwrap().xid, Xid(2));
        assert_eq!(pending.answer(Xid(1)).unwrap().xid, Xid(1));
        assert_eq!(pending.answer(Xid(1)).unwrap_err(), None);
    }

    #[test]
    fn a_deadline_before_sending_takes_the_request_back() {
        let mut pending = Pending::new();
        pending.push(write(1));
        pending.push(write(2));
        send(&mut pending);
        let (error, entry) = pending.abandon(Ticket(2)).unwrap();
        assert_eq!(
            (error.outcome(), entry.is_some()),
            (Outcome::NotApplied, true)
        );
        let (error, entry) = pending.abandon(Ticket(1)).unwrap();
        assert_eq!((error.outcome(), entry.is_none()), (Outcome::Unknown, true));
        assert!(pending.abandon(Ticket(1)).is_none());
        assert!(pending.answer(Xid(1)).is_ok());
    }
}
