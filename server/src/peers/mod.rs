//! Connections to the other members of the ensemble.
//!
//! | module | what it holds |
//! |---|---|
//! | [`address`] | hosts and ports, and whose they are |
//! | [`dial`], [`tls`] | sockets, opened from either side |
//! | [`strangers`] | who has connected and not said who it is |
//! | [`election`], [`voices`] | links between election ports |
//! | [`quorum`], [`link`], [`receiver`] | links between a leader and its learners |
//! | [`image`] | the state of a store on such a link |
//! | [`outlet`] | the links as the replica's thread uses them |
//!
//! One thread, `lk-peers`, dials, accepts and reads; it hands what has come to the replica's inbox.
//! What leaves is appended to a link's buffer by the replica's thread, which also sends it unless
//! the socket is full. Nothing is decided here but who keeps a connection: which member leads, who
//! may speak and how long anybody may be silent is the replica's business.
//!
//! ```text
//! address ← dial, voices ← election
//! strangers ← election, receiver; image ← link, receiver ← quorum
//! image, link ← outlet
//! ```

mod address;
mod dial;
mod election;
mod image;
mod link;
mod outlet;
mod quorum;
mod receiver;
mod strangers;
mod tls;
mod voices;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use lockkeeper_store::Store;
use lockkeeper_wire::{LeaderPacket, LearnerPacket, Notification, ServerId};
use lockkeeper_zab::LinkId;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::LocalSet;

pub(crate) use self::address::{Directory, directory};
use self::election::Election;
pub(crate) use self::link::PeerLink;
pub(crate) use self::outlet::PeerOutlet;
use self::quorum::Quorum;
pub(crate) use self::tls::Tls;

/// Pieces of input from one link that the replica may have and not have dealt with; beyond that the
/// link is not read.
const BATCHES_MAX: usize = 4;

/// Threads that resolve names, which may take as long as the resolver likes.
const RESOLVERS_MAX: usize = 4;

/// How the links are made.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// This member.
    pub(crate) sid: ServerId,
    /// Whether ports are opened on all interfaces (`quorumListenOnAllIPs`).
    pub(crate) listen_everywhere: bool,
    /// Attempts to open the election port; none for as many as it takes (`electionPortBindRetry`).
    pub(crate) election_bind_attempts_max: Option<u32>,
    /// How long an election port may take to answer (`cnxTimeout`).
    pub(crate) connect_patience: Duration,
    /// How long whoever connects to it may take to say who it is (`quorumCnxnTimeoutMs`).
    pub(crate) greeting_patience: Duration,
    /// How long a leader may take to open its port (`connectToLearnerMasterLimit`).
    pub(crate) leader_patience: Duration,
    /// The pause between attempts to reach it (`leaderConnectDelayDuringRetryMs`).
    pub(crate) leader_pause: Duration,
    /// Bytes of a packet's data that are accepted from a learner, and from a leader.
    pub(crate) learner_packet_len_max: usize,
    pub(crate) leader_packet_len_max: usize,
    /// Bytes that may wait for a peer to take them; the link ends when there are more.
    pub(crate) unsent_len_max: usize,
    /// Bytes of an image that are accepted.
    pub(crate) image_len_max: u64,
    /// None speaks in clear text only.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Entropy for stores that are read from an image.
    pub(crate) seed: u64,
}

impl Settings {
    /// What connections are opened with.
    fn dial_tls(&self) -> Option<&Tls> {
        self.tls.as_deref().filter(|tls| tls.is_dialled())
    }
}

/// What the other members do, for the replica.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    /// On the election port; `from` is who the sender says it is.
    Notification {
        from: ServerId,
        notification: Notification,
    },
    /// Its election port cannot be reached, or the link to it has broken.
    VoterUnreachable {
        sid: ServerId,
    },
    /// This member's own election port cannot be opened.
    NoElectionPort {
        error: io::Error,
    },
    /// The answer to [`PeerOutlet::connect`].
    LeaderConnected(Arc<PeerLink>),
    LeaderUnreachable,
    /// Somebody has connected to the quorum port.
    LearnerAccepted(Arc<PeerLink>),
    LearnerPacket {
        link: LinkId,
        packet: LearnerPacket,
    },
    LeaderPacket {
        link: LinkId,
        packet: LeaderPacket,
    },
    /// Bytes of an image have come.
    Activity {
        link: LinkId,
    },
    /// All of an image has come.
    Image {
        link: LinkId,
        store: Box<Store>,
    },
    /// The last that is said of a link.
    LinkClosed {
        link: LinkId,
    },
}

/// Inputs that came together, in order. Its link is read on when it is dropped.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) inputs: Vec<PeerEvent>,
    #[allow(dead_code, reason = "held until the inputs are dealt with")]
    permit: Option<OwnedSemaphorePermit>,
}

/// Where inputs go.
#[derive(Clone)]
struct Sink(Rc<dyn Fn(Delivery)>);

impl Sink {
    fn deliver(&self, delivery: Delivery) {
        (self.0)(delivery);
    }

    fn deliver_one(&self, input: PeerEvent) {
        self.deliver(Delivery {
            inputs: vec![input],
            permit: None,
        });
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

/// What the thread is told by [`PeerOutlet`].
#[derive(Debug)]
enum Command {
    Change(Directory),
    Connect(ServerId),
    Listen,
    Notify(ServerId, Bytes),
    StopListening,
}

/// Starts the thread, which opens the election port; it ends when the outlet is dropped.
pub(crate) fn spawn(
    settings: Settings,
    directory: Directory,
    deliver: impl Fn(Delivery) + Send + 'static,
) -> io::Result<(PeerOutlet, JoinHandle<()>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(RESOLVERS_MAX)
        .thread_name("lk-resolve")
        .build()?;
    let (commands, received) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new().name("lk-peers".into());
    let thread = thread.spawn(move || {
        let sink = Sink(Rc::new(deliver));
        let local = LocalSet::new();
        runtime.block_on(local.run_until(run(settings, directory, sink, received)));
        drop(local);
        // A resolver that hangs is not waited for.
        runtime.shutdown_background();
    })?;
    Ok((PeerOutlet::new(commands), thread))
}

async fn run(
    settings: Settings,
    directory: Directory,
    sink: Sink,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let settings = Rc::new(settings);
    let directory = Rc::new(RefCell::new(directory));
    let election = Election::new(settings.clone(), directory.clone(), sink.clone());
    let quorum = Quorum::new(settings, directory, sink);
    election.open();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Change(directory) => election.change(directory),
            Command::Connect(leader) => quorum.connect(leader),
            Command::Listen => quorum.listen(),
            Command::Notify(to, message) => election.notify(to, message),
            Command::StopListening => quorum.stop_listening(),
        }
    }
    quorum.stop_listening();
    quorum.part().await;
}

/// What a peer sent has no meaning.
fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
