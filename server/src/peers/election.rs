//! Links between election ports (`QuorumCnxManager`).
//!
//! Two members share one link, and the one with the larger id dials it. The other one, when it has
//! something to say, dials too, says who it is and closes: that asks to be dialled back. A member
//! has one message for another at a time, the newest; a link that comes anew begins with the last
//! message again, since nobody knows whether the old link delivered it.
//!
//! Who is accepted here has proved nothing: any server may say that it is about to join. So each
//! wait has an end, strangers and unknown members are few at a time, and a member that speaks
//! faster than the replica listens is held back by its socket.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lockkeeper_wire::election::NOTIFICATION_LEN_MAX;
use lockkeeper_wire::{Deframer, Initial, Notification, Record, ServerId};
use lockkeeper_zab::HostPort;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::address::{Directory, is_wildcard, list, parse};
use super::dial;
use super::strangers::{Stranger, Strangers};
use super::voices::{Voice, Voices};
use super::{BATCHES_MAX, Delivery, PeerEvent, Settings, Sink, invalid};
use crate::stream::{Reader, Stream, Writer};

/// Pauses between attempts to reach a member for which a message waits: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long a member with a larger id is given to dial back.
const DIAL_BACK: Duration = Duration::from_millis(500);

/// Bytes read at a time.
const READ_LEN: usize = 4 << 10;

/// All links of the election port.
#[derive(Debug)]
pub(super) struct Election {
    settings: Rc<Settings>,
    directory: Rc<RefCell<Directory>>,
    sink: Sink,
    voices: Voices,
    strangers: Rc<Strangers>,
    port: RefCell<Option<AbortHandle>>,
    /// Counts links, so that an older one is told from a newer one.
    links: Cell<u64>,
}

impl Election {
    pub(super) fn new(
        settings: Rc<Settings>,
        directory: Rc<RefCell<Directory>>,
        sink: Sink,
    ) -> Rc<Self> {
        Rc::new(Self {
            settings,
            voices: Voices::new(directory.clone()),
            directory,
            sink,
            strangers: Rc::default(),
            port: RefCell::default(),
            links: Cell::default(),
        })
    }

    /// Opens the port, anew if it is open; existing links stay.
    pub(super) fn open(self: &Rc<Self>) {
        let task = spawn_local(self.clone().listen());
        if let Some(before) = self.port.replace(Some(task.abort_handle())) {
            before.abort();
        }
    }

    async fn listen(self: Rc<Self>) {
        let addresses = self.own_addresses();
        let (everywhere, attempts) = (
            self.settings.listen_everywhere,
            self.settings.election_bind_attempts_max,
        );
        match dial::bind(&addresses, everywhere, attempts).await {
            Ok(listeners) => {
                let addresses = list(&addresses);
                tracing::info!(sid = %self.settings.sid, %addresses, "listening for elections");
                let ports = listeners.iter().map(|port| self.accept_from(port));
                futures::future::join_all(ports).await;
            }
            Err(error) => self.sink.deliver_one(PeerEvent::NoElectionPort { error }),
        }
    }

    async fn accept_from(self: &Rc<Self>, listener: &TcpListener) {
        loop {
            let (stream, peer) = dial::accept(listener).await;
            let election = self.clone();
            self.strangers
                .admit(|stranger| election.greet(stream, peer, stranger));
        }
    }

    /// Hears who has connected, and decides who of the two keeps a connection.
    async fn greet(self: Rc<Self>, stream: TcpStream, peer: SocketAddr, stranger: Stranger) {
        let mut received = BytesMut::new();
        let greeting = async {
            let tls = self.settings.tls.as_deref();
            let mut stream = dial::secure(stream, tls, &self.directory).await?;
            let initial = read_initial(&mut stream, &mut received).await?;
            Ok::<_, io::Error>((stream, initial))
        };
        let (stream, initial) = match timeout(self.settings.greeting_patience, greeting).await {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "no member has connected"),
            Err(_) => return tracing::debug!(%peer, "whoever has connected does not say who it is"),
        };
        drop(stranger);
        let sid = initial.sid;
        if sid == self.settings.sid {
            tracing::warn!(%peer, %sid, "another server has the id of this one; change its myid");
            return;
        }
        let addresses = initial.addresses.iter();
        let advertised = addresses.filter_map(|text| parse(text));
        let advertised = advertised.filter(|address| !is_wildcard(address));
        self.voices
            .with(sid, |voice| voice.advertised = advertised.collect());
        if sid > self.settings.sid {
            let dialler = self.voices.with(sid, |voice| voice.dialler.take());
            if let Some(dialler) = dialler {
                dialler.abort();
            }
            self.attach(sid, stream, received);
        } else {
            // A connection that is there is of no use to a member that asks for another one.
            let link = self.voices.with(sid, |voice| voice.link.take());
            if let Some((_, task)) = link {
                task.abort();
            }
            drop(stream);
            self.voices.with(sid, |voice| voice.asked.notify_one());
            self.dial(sid);
        }
    }

    /// Sends the message as soon as there is a link, in place of one that still waits.
    pub(super) fn notify(self: &Rc<Self>, to: ServerId, message: Bytes) {
        if to == self.settings.sid {
            return;
        }
        self.voices.with(to, |voice| {
            voice.waiting = Some((message, Instant::now()));
            voice.news.notify_one();
        });
        self.dial(to);
    }

    /// Goes by another configuration: links to members that have moved or left end, and what is
    /// listened on changes if this member has moved.
    pub(super) fn change(self: &Rc<Self>, directory: Directory) {
        let before = self.directory.replace(directory);
        let own = self.settings.sid;
        let moved = |sid: &ServerId| {
            let directory = self.directory.borrow();
            let places = [before.get(sid), directory.get(sid)];
            let [before, after] = places.map(|place| place.map(|place| &place.election));
            before != after
        };
        self.voices.drop_links(moved);
        if moved(&own) && self.directory.borrow().contains_key(&own) {
            self.open();
        }
    }

    /// Sees to it that somebody dials the member, unless it is linked.
    fn dial(self: &Rc<Self>, sid: ServerId) {
        let needed = |voice: &mut Voice| voice.link.is_none() && voice.dialler.is_none();
        if self.voices.with(sid, needed) {
            let task = spawn_local(self.clone().dial_until_linked(sid)).abort_handle();
            self.voices.with(sid, |voice| voice.dialler = Some(task));
        }
    }

    async fn dial_until_linked(self: Rc<Self>, sid: ServerId) {
        let asked = self.voices.with(sid, |voice| voice.asked.clone());
        let mut pause = PAUSE_MIN;
        loop {
            // The mark that the member has asked is taken by this attempt.
            let back = futures::FutureExt::now_or_never(asked.notified()).is_some();
            match self.dial_once(sid, back).await {
                Ok(Some(stream)) => {
                    self.voices.with(sid, |voice| voice.dialler = None);
                    return self.attach(sid, stream, BytesMut::new());
                }
                Ok(None) => pause = pause.max(DIAL_BACK),
                Err(error) => {
                    tracing::debug!(%sid, %error, "member cannot be reached");
                    self.sink.deliver_one(PeerEvent::VoterUnreachable { sid });
                }
            }
            sleep(PAUSE_MIN).await;
            let again = timeout(pause - PAUSE_MIN, asked.notified()).await;
            if again.is_ok() {
                asked.notify_one();
            } else if !self.voices.with(sid, Voice::has_fresh_message) {
                self.voices.with(sid, |voice| voice.dialler = None);
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One attempt; gives the connection back if it is to be kept.
    async fn dial_once(&self, sid: ServerId, back: bool) -> io::Result<Option<Stream>> {
        let advertised = self.voices.with(sid, |voice| voice.advertised.clone());
        let configured = self.configured(sid);
        // Who asks to be dialled back knows best where it is now.
        let [first, other] = match back {
            true => [advertised, configured],
            false => [configured, advertised],
        };
        let addresses = if first.is_empty() { other } else { first };
        let mut stream = dial::dial(
            &addresses,
            self.settings.dial_tls(),
            self.settings.connect_patience,
        )
        .await?;
        let mut greeting = BytesMut::new();
        self.initial().encode(&mut greeting);
        // Into an empty socket: it leaves in one piece, as Apache's servers need it.
        stream.write_all(&greeting).await?;
        stream.flush().await?;
        if self.settings.sid > sid {
            return Ok(Some(stream));
        }
        // The other side closes when it has read the greeting; until then ours stays open, so that
        // nothing is lost.
        stream.shutdown().await?;
        let closed = async { while stream.read_u8().await.is_ok() {} };
        let _ = timeout(DIAL_BACK, closed).await;
        Ok(None)
    }

    /// Makes the connection the member's link, in place of any other.
    fn attach(self: &Rc<Self>, sid: ServerId, stream: Stream, received: BytesMut) {
        let id = self.links.replace(self.links.get() + 1);
        let task = spawn_local(self.clone().converse(sid, id, stream, received));
        let link = Some((id, task.abort_handle()));
        let before = self.voices.with(sid, |voice| {
            let sent = voice.sent.clone().map(|sent| (sent, Instant::now()));
            voice.waiting = voice.waiting.take().or(sent);
            voice.news.notify_one();
            std::mem::replace(&mut voice.link, link)
        });
        if let Some((_, before)) = before {
            before.abort();
        }
    }

    async fn converse(self: Rc<Self>, sid: ServerId, id: u64, stream: Stream, received: BytesMut) {
        if let Err(error) = dial::give_up_on_silence(stream.socket()) {
            tracing::debug!(%sid, %error, "an option of a socket cannot be set");
        }
        tracing::debug!(%sid, "linked for elections");
        let (reading, writing) = stream.into_split();
        let end = tokio::select! {
            biased;
            end = self.speak(sid, writing) => end,
            end = self.hear(sid, reading, received) => end,
        };
        tracing::debug!(%sid, error = %end, "election link ended");
        let own = |voice: &mut Voice| voice.link.take_if(|(link, _)| *link == id).is_some();
        if self.voices.with(sid, own) {
            self.sink.deliver_one(PeerEvent::VoterUnreachable { sid });
            // A message may have come too late for the old link and too early for a new one.
            if self.voices.with(sid, Voice::has_fresh_message) {
                self.dial(sid);
            }
        }
    }

    /// Sends messages until the link ends, which is the error.
    async fn speak(&self, sid: ServerId, mut writing: Writer) -> io::Error {
        let news = self.voices.with(sid, |voice| voice.news.clone());
        loop {
            let message = self.voices.with(sid, |voice| {
                let (message, _) = voice.waiting.take()?;
                voice.sent = Some(message.clone());
                Some(message)
            });
            match message {
                None => news.notified().await,
                Some(message) => {
                    let written = writing.write_all(&message).await;
                    if let Err(error) = written.and(writing.flush().await) {
                        return error;
                    }
                }
            }
        }
    }

    /// Delivers notifications until the link ends, which is the error.
    async fn hear(&self, sid: ServerId, mut reading: Reader, bytes: BytesMut) -> io::Error {
        let batches = Arc::new(Semaphore::new(BATCHES_MAX));
        let mut deframer = Deframer::new();
        *deframer.buffer_mut() = bytes;
        loop {
            let mut inputs = Vec::new();
            loop {
                match deframer.next_frame(NOTIFICATION_LEN_MAX) {
                    Ok(Some(frame)) if frame.is_empty() => {
                        return invalid("a frame without content");
                    }
                    Ok(Some(frame)) => inputs.extend(notification(sid, &frame)),
                    Ok(None) => break,
                    Err(error) => return invalid(error),
                }
            }
            // Not closed before all links are.
            let permit = batches.clone().acquire_owned().await.ok();
            if !inputs.is_empty() {
                self.sink.deliver(Delivery { inputs, permit });
            }
            let buffer = deframer.buffer_mut();
            buffer.reserve(READ_LEN);
            match reading.read_buf(buffer).await {
                Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    fn initial(&self) -> Initial {
        let addresses = self.own_addresses();
        Initial {
            sid: self.settings.sid,
            addresses: addresses.iter().map(HostPort::to_string).collect(),
        }
    }

    fn own_addresses(&self) -> Vec<HostPort> {
        self.configured(self.settings.sid)
    }

    fn configured(&self, sid: ServerId) -> Vec<HostPort> {
        let directory = self.directory.borrow();
        let place = directory.get(&sid);
        place
            .map(|place| place.election.clone())
            .unwrap_or_default()
    }
}

async fn read_initial(stream: &mut Stream, received: &mut BytesMut) -> io::Result<Initial> {
    loop {
        if let Some(initial) = Initial::decode(received).map_err(invalid)? {
            return Ok(initial);
        }
        // The greeting is judged before it is longer than this.
        received.reserve(READ_LEN);
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// One that cannot be read is passed over: the next may be in order.
fn notification(sid: ServerId, frame: &Bytes) -> Option<PeerEvent> {
    match Notification::from_bytes(frame) {
        Ok(notification) => Some(PeerEvent::Notification {
            from: sid,
            notification,
        }),
        Err(error) => {
            tracing::warn!(%sid, %error, "notification passed over");
            None
        }
    }
}
