//! The session: its inputs, its outputs, and the way from one phase to the next.
//!
//! All links of a session share one queue of requests, one table of watches and one highest zxid;
//! that is what makes a change of server invisible but for a pause. What frames do when they come
//! is in `receive`, what is sent when is in `transmit`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockkeeper_wire::connect::PASSWORD_LEN;
use lockkeeper_wire::{Chroot, Request, SessionId, Zxid};
use tracing::{debug, info, warn};

use crate::auth::{Auth, Credential};
use crate::chroot;
use crate::config::{Config, Limits};
use crate::deadlines::Deadlines;
use crate::endpoints::{Endpoints, Rng};
use crate::error::{Error, LinkLoss, Misuse, Outcome};
use crate::event::{Event, SessionCredentials, State, StateChange, Ticket};
use crate::pending::{Entry, Pending, Purpose};
use crate::phase::{Connected, Connecting, Disconnected, End, Handshake, Over, Phase};
use crate::timer::Timers;
use crate::watches::Watches;

/// How long a link must have held for the next attempt to come at once.
const HELD_MIN: Duration = Duration::from_secs(1);

/// One session with an ensemble, over as many links as it takes.
///
/// See the crate's front page for the contract of its inputs and outputs.
pub struct Session {
    pub(crate) chroot: Chroot,
    pub(crate) limits: Limits,
    pub(crate) timeout_asked: Duration,
    pub(crate) read_only_will_do: bool,

    pub(crate) id: SessionId,
    pub(crate) password: Bytes,
    /// Whether a server that takes writes has had the session: only then may it be resumed.
    pub(crate) seen_read_write: bool,
    /// Whether any server has taken the session since this object was made.
    pub(crate) established: bool,
    pub(crate) zxid_seen: Zxid,
    pub(crate) timers: Timers,

    pub(crate) phase: Phase,
    pub(crate) endpoints: Endpoints,
    pub(crate) auth: Auth,
    pub(crate) pending: Pending,
    pub(crate) watches: Watches,
    pub(crate) events: VecDeque<Event>,

    state: StateChange,
    last_loss: Option<LinkLoss>,
    first_connect_until: Option<Instant>,
    close_until: Option<Instant>,
    deadlines: Deadlines,
}

impl Session {
    /// A session that at once asks for its first link.
    ///
    /// A session timeout out of range is refused, since it cannot be said in the handshake.
    pub fn new(config: Config, now: Instant) -> Result<Self, Misuse> {
        let timeout_ms = config.session_timeout.as_millis();
        if timeout_ms == 0 || timeout_ms > i32::MAX as u128 {
            return Err(Misuse::SessionTimeout);
        }
        let resume = config.resume;
        let mut session = Self {
            chroot: config.connect.chroot,
            limits: config.limits,
            timeout_asked: config.session_timeout,
            read_only_will_do: config.read_only,
            seen_read_write: resume.is_some(),
            id: resume.as_ref().map_or(SessionId::NONE, |given| given.id),
            password: resume.map_or(Bytes::from_static(&[0; PASSWORD_LEN]), |given| {
                given.password
            }),
            established: false,
            zxid_seen: Zxid::ZERO,
            timers: Timers::new(config.session_timeout, now),
            phase: Phase::Disconnected(Disconnected { retry_at: now }),
            endpoints: Endpoints::new(
                config.connect.servers,
                config.backoff,
                Rng::new(config.seed),
            ),
            auth: Auth::new(config.auth),
            pending: Pending::new(),
            watches: Watches::default(),
            events: VecDeque::new(),
            state: StateChange {
                state: State::Connecting,
                generation: 0,
                session: SessionId::NONE,
            },
            last_loss: None,
            first_connect_until: config
                .first_connect_max
                .and_then(|max| now.checked_add(max)),
            close_until: None,
            deadlines: Deadlines::default(),
        };
        session.state.session = session.id;
        session.dial(now);
        Ok(session)
    }

    /// The link that [`Event::Connect`] asked for is open.
    pub fn handle_connected(&mut self, _now: Instant) {
        if let Phase::Connecting(connecting) = &mut self.phase {
            connecting.handshake = Handshake::Due;
        }
    }

    /// The link has ended, or the one asked for could not be opened.
    pub fn handle_disconnected(&mut self, now: Instant, why: LinkLoss) {
        if matches!(self.phase, Phase::Connecting(_) | Phase::Connected(_)) {
            self.link_ended(now, why);
        }
    }

    /// Time has passed. Does nothing for a call that comes early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_calls(now);
        if self.close_until.is_some_and(|until| now >= until) {
            return self.finish(End::Closed);
        }
        let silent = self.established && now >= self.timers.expiry_at();
        if silent && !matches!(self.phase, Phase::Connected(_) | Phase::Over(_)) {
            warn!(session = %self.id, "session taken for expired: no server could be asked in time");
            return self.finish(End::Expired);
        }
        if !self.established && self.first_connect_until.is_some_and(|until| now >= until) {
            return self.finish(End::Unreachable(self.last_loss));
        }
        match &mut self.phase {
            Phase::Disconnected(waiting) if now >= waiting.retry_at => self.dial(now),
            Phase::Connecting(attempt) if now >= attempt.until => {
                self.drop_link(now, LinkLoss::Silence);
            }
            Phase::Connected(_) if now >= self.timers.failover_at() => {
                self.drop_link(now, LinkLoss::Silence);
            }
            Phase::Connected(link) => {
                let outstanding = !link.pings.is_empty();
                link.ping_due |= now >= self.timers.heartbeat_at(outstanding);
            }
            Phase::Disconnected(_) | Phase::Connecting(_) | Phase::Over(_) => {}
        }
    }

    /// Asks for an operation; its place among all others is fixed now.
    ///
    /// Paths are the caller's, without chroot. The ticket is answered by one [`Event::Reply`]; if
    /// the request leaves a watch, the ticket is that watch's name too. After [`Session::close`]
    /// the answer is [`Error::Closed`], after an end the error of that end.
    ///
    /// # Panics
    ///
    /// For what the session sends by itself: ping, auth, sasl, setWatches and closeSession.
    pub fn submit(&mut self, _now: Instant, ticket: Ticket, mut request: Request) {
        let own = matches!(
            request,
            Request::Ping
                | Request::Auth(_)
                | Request::Sasl(_)
                | Request::SetWatches(_)
                | Request::SetWatches2(_)
                | Request::CloseSession
        );
        assert!(!own, "{:?} is for the session to send", request.op());
        if let Some(end) = self.refuses() {
            return self.reply(ticket, Err(end.error(Outcome::NotApplied)));
        }
        let path = chroot::path_of(&request);
        chroot::prepend(&self.chroot, &mut request);
        let entry = Entry::new(Purpose::Call(ticket), request, path);
        if let Some(path) = &entry.watch {
            self.watches.expect(path);
        }
        self.pending.push(entry);
    }

    /// Shows a credential to this server and to all that follow.
    pub fn add_auth(&mut self, _now: Instant, ticket: Ticket, credential: Credential) {
        if let Some(end) = self.refuses() {
            return self.reply(ticket, Err(end.error(Outcome::NotApplied)));
        }
        self.auth.add(credential, ticket);
    }

    /// Gives a call a deadline: when it passes, the call ends with [`Error::Timeout`].
    ///
    /// A request still in the queue then never leaves it; one that was sent is answered as usual
    /// and the answer is dropped. Neither touches the link.
    pub fn set_deadline(&mut self, ticket: Ticket, at: Instant) {
        self.deadlines.set(ticket, at);
    }

    /// Ends the interest in a watch; no event follows for it. Unknown names are ignored.
    pub fn unwatch(&mut self, ticket: Ticket) {
        if self.watches.contains(ticket) {
            let removal = self.watches.remove(ticket);
            self.remove_on_server(removal);
        } else {
            self.pending.unwatch(ticket);
        }
    }

    /// Ends the session: what was submitted before is carried out first, within a bound of a third
    /// of the timeout and five seconds; then everything left ends with [`Error::Closed`].
    pub fn close(&mut self, now: Instant) {
        if self.refuses().is_some() {
            return;
        }
        if !self.established && self.id == SessionId::NONE {
            return self.finish(End::Closed);
        }
        self.close_until = Some(self.timers.close_until(now));
        let entry = Entry::new(Purpose::Close, Request::CloseSession, Default::default());
        self.pending.push(entry);
    }

    /// The next thing to do or to tell, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::handle_timeout`] must be called; `None` once the session is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Disconnected(waiting) => waiting.retry_at,
            Phase::Connecting(attempt) => attempt.until,
            // A ping that is due already waits for the transport and not for time.
            Phase::Connected(link) if link.ping_due => self.timers.failover_at(),
            Phase::Connected(link) => self
                .timers
                .heartbeat_at(!link.pings.is_empty())
                .min(self.timers.failover_at()),
            Phase::Over(_) => return None,
        };
        let connected = matches!(self.phase, Phase::Connected(_));
        let expiry = (self.established && !connected).then(|| self.timers.expiry_at());
        let first = self.first_connect_until.filter(|_| !self.established);
        let call = self.deadlines.next_at();
        [Some(phase), expiry, first, call, self.close_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Where the session stands.
    pub fn state(&self) -> StateChange {
        self.state
    }

    /// Whether the session has ended; no output follows those not yet polled.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// The error that every further call gets, once the session is over.
    pub fn end_error(&self) -> Option<Error> {
        match &self.phase {
            Phase::Over(over) => Some(over.end.error(Outcome::NotApplied)),
            _ => None,
        }
    }

    /// The session and its password; [`SessionId::NONE`] before a server has given one.
    pub fn credentials(&self) -> SessionCredentials {
        SessionCredentials {
            id: self.id,
            password: self.password.clone(),
        }
    }

    /// The timeout negotiated, or asked for while there is none.
    pub fn timeout(&self) -> Duration {
        self.timers.timeout()
    }

    /// The highest transaction that a reply has shown.
    pub fn zxid_seen(&self) -> Zxid {
        self.zxid_seen
    }

    /// Until when the ensemble cannot have ended the session, as far as this side can know: 7/10
    /// of the timeout after the newest answered request was sent, not counting what a read-only
    /// server answers. `None` before the first connect and after the end.
    ///
    /// Holds for servers whose minimum timeout is at least two ticks, which is the default.
    pub fn lease_deadline(&self) -> Option<Instant> {
        self.timers.lease().filter(|_| !self.is_over())
    }

    /// Until when the ensemble cannot have ended the session, by what its leader is known to have
    /// heard: 19/20 of the timeout after the newest request of which that is proved. `None` before
    /// the first proof and after the end.
    ///
    /// A proof is an answer; a `sync` or a write, asked for 3/10 of the timeout after that answer;
    /// and a write, asked for when that was answered: all over one link. A handshake and a write
    /// are one too. It holds also when the server was cut off from its leader, or the leader
    /// deposed, and both go on answering. The servers' minimum timeout is as above.
    pub fn confirmed_deadline(&self) -> Option<Instant> {
        self.timers.confirmed().filter(|_| !self.is_over())
    }

    /// Why new calls are refused, if they are.
    fn refuses(&self) -> Option<End> {
        match &self.phase {
            Phase::Over(over) => Some(over.end),
            _ => self.close_until.map(|_| End::Closed),
        }
    }

    fn dial(&mut self, now: Instant) {
        let server = self.endpoints.advance();
        debug!(%server, session = %self.id, "connecting");
        self.phase = Phase::Connecting(Connecting {
            until: self
                .timers
                .attempt_until(self.endpoints.attempts_left(), now),
            handshake: Handshake::Dialing,
        });
        self.events.push_back(Event::Connect(server));
    }

    /// Gives up a link that is still there.
    pub(crate) fn drop_link(&mut self, now: Instant, why: LinkLoss) {
        self.events.push_back(Event::Disconnect);
        self.link_ended(now, why);
    }

    /// The link is gone: sorts what was on it and plans the next one.
    fn link_ended(&mut self, now: Instant, why: LinkLoss) {
        debug!(session = %self.id, %why, "link ended");
        self.last_loss = Some(why);
        let held = match &self.phase {
            Phase::Connected(link) => now.saturating_duration_since(link.since) >= HELD_MIN,
            _ => false,
        };
        let retry_at = if held {
            self.endpoints.held();
            now
        } else {
            now + self.endpoints.delay_after_failure(self.timers.pause_max())
        };
        self.phase = Phase::Disconnected(Disconnected { retry_at });
        self.auth.restart();
        let mut closed = false;
        for entry in self.pending.link_lost() {
            closed |= entry.purpose == Purpose::Close;
            let outcome = entry.outcome();
            self.end_entry(entry, Error::ConnectionLoss { outcome });
        }
        if closed {
            return self.finish(End::Closed);
        }
        if self.state.state.is_connected() {
            self.enter(State::Suspended);
        }
        if now >= retry_at {
            self.dial(now);
        }
    }

    /// Ends a request without a reply.
    pub(crate) fn end_entry(&mut self, entry: Entry, error: Error) {
        if let (Some(path), Some(ticket)) = (&entry.watch, entry.ticket()) {
            let removal = self.watches.settle(path, ticket, None);
            self.remove_on_server(removal);
        }
        if let Purpose::Call(ticket) = entry.purpose {
            self.reply(ticket, Err(error));
        }
    }

    /// Answers a call.
    pub(crate) fn reply(
        &mut self,
        ticket: Ticket,
        result: Result<lockkeeper_wire::Response, Error>,
    ) {
        self.deadlines.forget(ticket);
        self.events.push_back(Event::Reply {
            ticket,
            result,
            is_watching: self.watches.contains(ticket),
        });
    }

    /// Queues a removal; without a link there is nothing to remove from.
    pub(crate) fn remove_on_server(&mut self, removal: Option<Request>) {
        if let Some(request) = removal
            && matches!(self.phase, Phase::Connected(_))
            && self.close_until.is_none()
        {
            let entry = Entry::new(Purpose::Unwatch, request, Default::default());
            self.pending.push(entry);
        }
    }

    fn expire_calls(&mut self, now: Instant) {
        while let Some(ticket) = self.deadlines.take_passed(now) {
            match self.pending.abandon(ticket) {
                Some((error, Some(unsent))) => self.end_entry(unsent, error),
                Some((error, None)) => self.reply(ticket, Err(error)),
                None if self.auth.forget(ticket) => {
                    let outcome = Outcome::Unknown;
                    self.reply(ticket, Err(Error::Timeout { outcome }));
                }
                None => {}
            }
        }
    }

    /// Publishes a state.
    pub(crate) fn enter(&mut self, state: State) {
        self.state = StateChange {
            state,
            generation: self.state.generation + 1,
            session: self.id,
        };
        info!(session = %self.id, ?state, "session state");
        self.events.push_back(Event::State(self.state));
    }

    /// Publishes that requests flow, once every credential has been accepted.
    pub(crate) fn tell_connected(&mut self) {
        if let Phase::Connected(link) = &mut self.phase
            && !link.told
            && self.auth.is_settled()
        {
            link.told = true;
            let state = if link.read_only {
                State::ConnectedReadOnly
            } else {
                State::Connected
            };
            self.enter(state);
        }
    }

    /// A server has taken the session over a new link.
    pub(crate) fn take_link(&mut self, read_only: bool, now: Instant) {
        self.established = true;
        self.phase = Phase::Connected(Connected {
            since: now,
            read_only,
            told: false,
            restore: self.watches.restore(self.zxid_seen),
            ping_due: false,
            pings: VecDeque::new(),
        });
        self.tell_connected();
    }

    /// The end: the state is told first, so that whoever hears of the end of a call or a watch
    /// finds it; then every call and watch. Happens once.
    pub(crate) fn finish(&mut self, end: End) {
        if matches!(self.phase, Phase::Connecting(_) | Phase::Connected(_)) {
            self.events.push_back(Event::Disconnect);
        }
        self.phase = Phase::Over(Over { end });
        self.close_until = None;
        self.enter(end.state());
        for entry in self.pending.drain() {
            if let Purpose::Call(ticket) = entry.purpose {
                self.reply(ticket, Err(end.error(entry.outcome())));
            }
        }
        for ticket in self.auth.drain() {
            self.reply(ticket, Err(end.error(Outcome::Unknown)));
        }
        let why = end.watch_end();
        for watcher in self.watches.drain() {
            self.events.push_back(Event::WatchEnd { watcher, why });
        }
        self.deadlines = Deadlines::default();
    }
}
