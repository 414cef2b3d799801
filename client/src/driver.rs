//! The loop that moves bytes, time and results between the world and the session.
//!
//! Each turn asks every source in a fixed order: commands, the link being opened, the socket, the
//! clock. After each input all events are worked off; after all inputs what is to be sent goes out
//! in one write. Replies that came together are thus completed together, after the socket has been
//! read empty, and a thousand calls cost a few system calls.
//!
//! Nothing but the end of the session or of its runtime ends the loop.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use futures::future::BoxFuture;
use lockkeeper_session::{Error, Event, LinkLoss, Outcome, Session, Ticket, WatchEnd};
use lockkeeper_wire::Deframer;
use tokio::sync::Notify;
use tracing::debug;

use crate::inbox::{Answer, Command, Inbox};
use crate::runtime::{Link, Runtime};
use crate::slot::{Slot, WatchEvent, WatchItem};
use crate::states::Status;

/// Bytes read before what they say is worked off.
const READ_LEN: usize = 256 * 1024;
/// Turns before other tasks get a chance.
const TURNS_MAX: usize = 64;

/// What the driver shares with the handles.
pub(crate) struct Shared {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) status: Arc<Status>,
    pub(crate) runtime: Arc<dyn Runtime>,
    /// Tells tasks of the client to end.
    pub(crate) shutdown: Shutdown,
}

/// A flag that tasks wait for.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    raised: std::sync::atomic::AtomicBool,
    notify: Notify,
}

impl Shutdown {
    pub(crate) fn raise(&self) {
        self.raised.store(true, std::sync::atomic::Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    pub(crate) async fn wait(&self) {
        let mut raised = std::pin::pin!(self.notify.notified());
        raised.as_mut().enable();
        if !self.raised.load(std::sync::atomic::Ordering::SeqCst) {
            raised.await;
        }
    }
}

enum Wire {
    Dialing(BoxFuture<'static, Result<Box<dyn Link>, LinkLoss>>),
    None,
    Open {
        link: Box<dyn Link>,
        frames: Deframer,
        out: BytesMut,
    },
}

/// The loop and what it holds.
pub(crate) struct Driver {
    session: Session,
    shared: Arc<Shared>,
    answers: Answers,
    slots: BTreeMap<Ticket, Arc<Slot>>,
    wire: Wire,
    timer: Option<(Instant, BoxFuture<'static, ()>)>,
    commands: Vec<Command>,
}

impl Driver {
    pub(crate) fn new(session: Session, shared: Arc<Shared>) -> Self {
        Self {
            session,
            shared,
            answers: Answers::default(),
            slots: BTreeMap::new(),
            wire: Wire::None,
            timer: None,
            commands: Vec::new(),
        }
    }

    /// Runs until the session is over.
    pub(crate) async fn run(mut self) {
        self.drain();
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS_MAX {
            let now = self.shared.runtime.now();
            let mut progress = self.poll_commands(cx, now);
            progress |= self.poll_dial(cx, now);
            progress |= self.poll_read(cx, now);
            progress |= self.poll_timer(cx, now);
            progress |= self.poll_write(cx, now);
            if self.session.is_over() {
                return Poll::Ready(());
            }
            if !progress {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut commands = std::mem::take(&mut self.commands);
        self.shared.inbox.take(&mut commands, cx);
        let any = !commands.is_empty();
        for command in commands.drain(..) {
            self.handle_command(command, now);
            self.drain();
        }
        self.commands = commands;
        any
    }

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Submit {
                ticket,
                request,
                weight,
                answer,
                slot,
                deadline,
            } => {
                self.answers.push(ticket, answer, weight);
                if let Some(slot) = slot {
                    self.slots.insert(ticket, slot);
                }
                self.session.submit(now, ticket, request);
                if let Some(at) = deadline {
                    self.session.set_deadline(ticket, at);
                }
            }
            Command::AddAuth {
                ticket,
                credential,
                answer,
            } => {
                self.answers.push(ticket, answer, 0);
                self.session.add_auth(now, ticket, credential);
            }
            Command::Deadline(ticket, at) => {
                if self.answers.is_waiting(ticket) {
                    self.session.set_deadline(ticket, at);
                }
            }
            Command::Unwatch(ticket) => {
                self.slots.remove(&ticket);
                self.session.unwatch(ticket);
            }
            Command::Close => self.session.close(now),
        }
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Wire::Dialing(dial) = &mut self.wire else {
            return false;
        };
        let Poll::Ready(opened) = dial.as_mut().poll(cx) else {
            return false;
        };
        match opened {
            Ok(link) => {
                self.wire = Wire::Open {
                    link,
                    frames: Deframer::new(),
                    out: BytesMut::new(),
                };
                self.session.handle_connected(now);
            }
            Err(why) => self.lost(now, why),
        }
        self.drain();
        true
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Wire::Open { link, frames, .. } = &mut self.wire else {
            return false;
        };
        let mut read = 0;
        let mut ended = None;
        while read < READ_LEN && ended.is_none() {
            match link.poll_read(cx, frames.buffer_mut()) {
                Poll::Ready(Ok(0)) => ended = Some(LinkLoss::Eof),
                Poll::Ready(Ok(len)) => read += len,
                Poll::Ready(Err(error)) => ended = Some(LinkLoss::Io(error.kind())),
                Poll::Pending => break,
            }
        }
        if read > 0 {
            self.session.handle_bytes(now, frames);
            // Before any reply, so that no caller sees an older zxid or lease than its own.
            self.shared.status.progress(&self.session);
            self.drain();
        }
        // The session may have dropped the link for what it read.
        if let Some(why) = ended
            && matches!(self.wire, Wire::Open { .. })
        {
            self.lost(now, why);
            self.drain();
        }
        read > 0 || ended.is_some()
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(due) = self.session.poll_timeout() else {
            return false;
        };
        // A timer that fires early costs a look; making a new one for every reply costs more.
        if self.timer.as_ref().is_none_or(|(armed, _)| *armed > due) {
            self.timer = Some((due, self.shared.runtime.sleep_until(due)));
        }
        if due > now {
            let (_, sleep) = self.timer.as_mut().expect("armed above");
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
        self.timer = None;
        self.session.handle_timeout(now);
        self.drain();
        true
    }

    /// Sends what there is to send until the transport takes no more.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while let Wire::Open { link, out, .. } = &mut self.wire {
            if out.is_empty() {
                self.session.poll_transmit(now, out);
            }
            if out.is_empty() {
                break;
            }
            match link.poll_write(cx, out) {
                Poll::Ready(Ok(len)) if len > 0 => out.advance(len),
                Poll::Ready(Ok(_)) => self.lost(now, LinkLoss::Eof),
                Poll::Ready(Err(error)) => self.lost(now, LinkLoss::Io(error.kind())),
                Poll::Pending => break,
            }
            progress = true;
            self.drain();
        }
        // A request that cannot be sent is answered while the rest is.
        self.drain() || progress
    }

    fn lost(&mut self, now: Instant, why: LinkLoss) {
        self.wire = Wire::None;
        self.session.handle_disconnected(now, why);
    }

    /// Works off all events, in order; says whether there were any.
    fn drain(&mut self) -> bool {
        let mut any = false;
        let (mut calls, mut bytes) = (0, 0);
        while let Some(event) = self.session.poll_event() {
            any = true;
            match event {
                Event::Connect(server) => {
                    self.wire = Wire::Dialing(self.shared.runtime.connect(server));
                }
                Event::Disconnect => self.wire = Wire::None,
                Event::Reply {
                    ticket,
                    result,
                    is_watching,
                } => {
                    if result.is_err() && !is_watching {
                        self.slots.remove(&ticket);
                    }
                    if let Some((answer, weight)) = self.answers.take(ticket) {
                        calls += 1;
                        bytes += weight;
                        // A caller that dropped its future does not want the result.
                        let _ = answer.send(result);
                    }
                }
                Event::Watch {
                    watcher,
                    event,
                    is_last,
                } => self.deliver(watcher, event, is_last),
                Event::Rearmed { watcher } => {
                    if let Some(slot) = self.slots.get(&watcher) {
                        slot.push(WatchItem::Rearmed, false);
                    }
                }
                Event::WatchEnd { watcher, why } => {
                    if let Some(slot) = self.slots.remove(&watcher) {
                        slot.end(why);
                    }
                }
                Event::State(change) => self.shared.status.enter(change, &self.session),
            }
        }
        if calls > 0 {
            self.shared.inbox.answered(calls, bytes);
        }
        any
    }

    fn deliver(&mut self, watcher: Ticket, event: lockkeeper_session::WatchEvent, is_last: bool) {
        let Some(slot) = self.slots.get(&watcher) else {
            return;
        };
        let event = WatchEvent {
            kind: event.kind,
            path: event.path.to_string(),
            zxid: event.zxid,
        };
        slot.push(WatchItem::Event(event), is_last);
        if is_last {
            self.slots.remove(&watcher);
        }
    }
}

/// Runs when the session is over, and when the runtime drops the loop before.
impl Drop for Driver {
    fn drop(&mut self) {
        let closed = Error::Closed {
            outcome: Outcome::NotApplied,
        };
        let error = self.session.end_error().unwrap_or(closed);
        debug!(%error, "driver ends");
        for command in self.shared.inbox.end(error.clone()) {
            if let Command::Submit { answer, .. } | Command::AddAuth { answer, .. } = command {
                // A caller that dropped its future does not want the result.
                let _ = answer.send(Err(error.clone()));
            }
        }
        for slot in std::mem::take(&mut self.slots).into_values() {
            slot.end(WatchEnd::Closed);
        }
        self.shared.status.abandon(error.clone());
        if matches!(error, Error::Closed { .. } | Error::Unreachable { .. }) {
            self.shared.shutdown.raise();
        }
    }
}

/// Who waits for which reply: a window over the tickets, since they are answered nearly in order.
#[derive(Default)]
struct Answers {
    first: u64,
    window: VecDeque<Option<(Answer, usize)>>,
}

impl Answers {
    fn push(&mut self, ticket: Ticket, answer: Answer, weight: usize) {
        assert_eq!(
            ticket.0,
            self.first + self.window.len() as u64,
            "tickets are taken and queued under one lock"
        );
        self.window.push_back(Some((answer, weight)));
    }

    fn at(&mut self, ticket: Ticket) -> Option<&mut Option<(Answer, usize)>> {
        let at = ticket.0.checked_sub(self.first)?;
        self.window.get_mut(usize::try_from(at).ok()?)
    }

    fn is_waiting(&mut self, ticket: Ticket) -> bool {
        self.at(ticket).is_some_and(|slot| slot.is_some())
    }

    fn take(&mut self, ticket: Ticket) -> Option<(Answer, usize)> {
        let answer = self.at(ticket)?.take();
        while let Some(None) = self.window.front() {
            self.window.pop_front();
            self.first += 1;
        }
        answer
    }
}

impl Unpin for Driver {}

/// Starts the loop on its runtime.
pub(crate) fn spawn(session: Session, shared: Arc<Shared>) {
    let runtime = Arc::clone(&shared.runtime);
    let driver = Driver::new(session, shared);
    runtime.spawn(Box::pin(driver.run()) as Pin<Box<dyn Future<Output = ()> + Send>>);
}
