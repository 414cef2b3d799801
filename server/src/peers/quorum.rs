//! Links between a leader and its learners (`Leader.java`, `Learner.java`).
//!
//! A member listens only while it leads: a learner that has the wrong one for its leader is refused
//! at once. What comes is decoded here and handed over in pieces as large as they came; a link that
//! is ahead of the replica is not read. How long a peer may be silent, and what it may say when, is
//! for the replica to judge.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lockkeeper_wire::{LeaderPacket, LearnerPacket, ServerId};
use lockkeeper_zab::HostPort;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::address::{Directory, list};
use super::dial;
use super::link::PeerLink;
use super::receiver::{Receiver, Side};
use super::strangers::{Stranger, Strangers};
use super::{LinkId, PeerEvent, Settings, Sink};
use crate::stream::{Stream, Writer};

/// Attempts of a learner to reach its leader, which may not have opened its port yet.
const ATTEMPTS: u32 = 5;

/// How long they go on at least: an election ends here as soon as all votes are in, and a leader of
/// Apache's waits a little longer before it opens its port.
const ATTEMPTS_TIME: Duration = Duration::from_secs(1);

/// Learners at a time, strangers not counted.
const LEARNERS_MAX: usize = 512;

/// How long a peer may take to read the last packets of a link that ends.
const PARTING: Duration = Duration::from_secs(2);

/// All links of the quorum port, and the one to a leader.
#[derive(Debug)]
pub(super) struct Quorum {
    settings: Rc<Settings>,
    directory: Rc<RefCell<Directory>>,
    sink: Sink,
    strangers: Rc<Strangers>,
    port: RefCell<Option<AbortHandle>>,
    dialler: RefCell<Option<AbortHandle>>,
    links: Cell<usize>,
    /// Told when a link has ended.
    ended: Notify,
    next_id: Cell<u64>,
}

impl Quorum {
    pub(super) fn new(
        settings: Rc<Settings>,
        directory: Rc<RefCell<Directory>>,
        sink: Sink,
    ) -> Rc<Self> {
        Rc::new(Self {
            settings,
            directory,
            sink,
            strangers: Rc::default(),
            port: RefCell::default(),
            dialler: RefCell::default(),
            links: Cell::default(),
            ended: Notify::new(),
            next_id: Cell::default(),
        })
    }

    /// Opens the port for learners.
    pub(super) fn listen(self: &Rc<Self>) {
        self.abandon_dialling();
        let task = spawn_local(self.clone().accept()).abort_handle();
        if let Some(before) = self.port.replace(Some(task)) {
            before.abort();
        }
    }

    /// Closes the port; links stay.
    pub(super) fn stop_listening(&self) {
        if let Some(task) = self.port.take() {
            task.abort();
        }
    }

    /// Lets links that are to end do so, not for ever.
    pub(super) async fn part(&self) {
        let ended = async {
            while self.links.get() > 0 {
                self.ended.notified().await;
            }
        };
        let _ = timeout(PARTING, ended).await;
    }

    async fn accept(self: Rc<Self>) {
        let addresses = self.addresses(self.settings.sid);
        // Until a leader without learners gives up.
        let bound = dial::bind(&addresses, self.settings.listen_everywhere, None).await;
        let Ok(listeners) = bound else { return };
        tracing::info!(addresses = list(&addresses), "listening for learners");
        let ports = listeners.iter().map(|port| self.accept_from(port));
        futures::future::join_all(ports).await;
    }

    async fn accept_from(self: &Rc<Self>, listener: &TcpListener) {
        loop {
            let (stream, peer) = dial::accept(listener).await;
            if self.links.get() >= LEARNERS_MAX {
                tracing::warn!(%peer, max = LEARNERS_MAX, "learner refused: there are too many");
                continue;
            }
            let quorum = self.clone();
            self.strangers
                .admit(|stranger| quorum.welcome(stream, peer, stranger));
        }
    }

    async fn welcome(self: Rc<Self>, stream: TcpStream, peer: SocketAddr, stranger: Stranger) {
        let tls = self.settings.tls.as_deref();
        let secured = dial::secure(stream, tls, &self.directory);
        let stream = match timeout(self.settings.greeting_patience, secured).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::info!(%peer, %error, "no member has connected"),
            Err(_) => return tracing::info!(%peer, "whoever has connected does not speak TLS"),
        };
        let link = self.link(peer);
        let opened = PeerEvent::LearnerAccepted(link.clone());
        self.serve::<LearnerPacket>(stream, link, opened, Some(stranger))
            .await;
    }

    /// Connects to the leader, in place of any attempt that is still under way.
    pub(super) fn connect(self: &Rc<Self>, leader: ServerId) {
        let task = spawn_local(self.clone().follow(leader)).abort_handle();
        if let Some(before) = self.dialler.replace(Some(task)) {
            before.abort();
        }
    }

    /// The leader is none any more; a link that exists already stays.
    fn abandon_dialling(&self) {
        if let Some(task) = self.dialler.take() {
            task.abort();
        }
    }

    async fn follow(self: Rc<Self>, leader: ServerId) {
        let dialled = self.dial_leader(leader).await;
        match dialled.and_then(|stream| stream.socket().peer_addr().map(|peer| (stream, peer))) {
            Ok((stream, peer)) => {
                let link = self.link(peer);
                let opened = PeerEvent::LeaderConnected(link.clone());
                spawn_local(self.serve::<LeaderPacket>(stream, link, opened, None));
            }
            Err(error) => {
                tracing::info!(sid = %leader, %error, "leader cannot be reached");
                self.sink.deliver_one(PeerEvent::LeaderUnreachable);
            }
        }
    }

    async fn dial_leader(&self, leader: ServerId) -> io::Result<Stream> {
        let start = Instant::now();
        let deadline = start + self.settings.leader_patience;
        let mut attempts = 0;
        loop {
            let addresses = self.addresses(leader);
            let left = deadline.saturating_duration_since(Instant::now());
            attempts += 1;
            let error = match dial::dial(&addresses, self.settings.dial_tls(), left).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            let tried = attempts >= ATTEMPTS && start.elapsed() >= ATTEMPTS_TIME;
            if tried || Instant::now() >= deadline {
                return Err(error);
            }
            tracing::debug!(sid = %leader, %error, "leader is not there yet");
            sleep(self.settings.leader_pause).await;
        }
    }

    fn addresses(&self, sid: ServerId) -> Vec<HostPort> {
        let directory = self.directory.borrow();
        let place = directory.get(&sid);
        place.map(|place| place.quorum.clone()).unwrap_or_default()
    }

    fn link(&self, peer: SocketAddr) -> Arc<PeerLink> {
        let id = LinkId(self.next_id.get());
        self.next_id.set(id.0 + 1);
        Arc::new(PeerLink::new(id, peer, self.settings.unsent_len_max))
    }

    async fn serve<P: Side>(
        self: Rc<Self>,
        stream: Stream,
        link: Arc<PeerLink>,
        opened: PeerEvent,
        stranger: Option<Stranger>,
    ) {
        let (reading, writing) = stream.into_split();
        let _open = Open::new(&self, &link, writing);
        self.sink.deliver_one(opened);
        let receiver = Receiver::new(&self.settings, &self.sink, link.id, reading, stranger);
        let end = tokio::select! {
            biased;
            sent = std::future::poll_fn(|cx| link.poll_send(cx)) => sent,
            () = late(&link) => Err(io::ErrorKind::TimedOut.into()),
            received = receiver.run::<P>() => received,
        };
        let peer = link.peer;
        match end {
            Ok(()) => tracing::debug!(%peer, "quorum link closed"),
            Err(error) => tracing::info!(%peer, %error, "quorum link lost"),
        }
    }
}

/// Ends when a link that is to end has not done so.
async fn late(link: &PeerLink) {
    link.closed().await;
    sleep(PARTING).await;
}

/// A link that is open; however it ends, the replica is told.
struct Open<'a> {
    quorum: &'a Quorum,
    link: &'a PeerLink,
}

impl<'a> Open<'a> {
    fn new(quorum: &'a Quorum, link: &'a PeerLink, stream: Writer) -> Self {
        quorum.links.set(quorum.links.get() + 1);
        link.out.open(stream);
        Self { quorum, link }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.link.out.close();
        let link = self.link.id;
        self.quorum.sink.deliver_one(PeerEvent::LinkClosed { link });
        self.quorum.links.set(self.quorum.links.get() - 1);
        self.quorum.ended.notify_one();
    }
}
