//! A running server: recovery, threads, and the way they end.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use lockkeeper_journal::{Disk, Journal, RealDisk, Settings as Files};
use lockkeeper_replica::{Limits, LocalSessions, Peer, Replica, Settings};
use lockkeeper_store::{PrepSettings, Store, Watches};
use lockkeeper_wire::quorum::PACKET_LEN_MAX;
use lockkeeper_zab::{self as zab, ElectionSettings, History};

use crate::bind::bind;
use crate::config::{self, Config, Election, Ensemble};
use crate::disk::{DiskStats, DiskThread, LogWriter};
use crate::error::{Failure, StartError};
use crate::links::Registry;
use crate::listen::{self, Threads};
use crate::member::{Member, deliver_to};
use crate::node::{Clock, Input, Node, Packets, Shared};
use crate::peers::{self, Tls};
use crate::recovery::{Recovery, recover};
use crate::status::Source;
use crate::sync::Inbox;
use crate::words::Mode;

/// The id of a server that is alone, as Apache's uses it in session ids.
const SERVER_ID: u8 = 1;

/// The longest entry of the log, in longest frames.
///
/// A transaction outgrows the request it is made from where the request names much in few bytes:
/// the `auth` of an access list stands for all identities of its connection. An entry that does not fit would end the server, at every start
/// anew. A bound there must be, since a damaged length is told from a torn record by it.
pub(crate) const ENTRY_FRAMES: usize = 64;

/// Bytes that may wait for another member to take them: what is proposed while it loads an image.
const UNSENT_LEN_MAX: usize = 128 << 20;

/// Bytes of an image that is accepted from a leader.
const IMAGE_LEN_MAX: u64 = 64 << 30;

/// A server that serves until it is stopped or its disk fails.
///
/// Dropping it stops it and waits for it.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    /// Kept until a thread looks, however late it comes to that.
    stop: tokio::sync::watch::Sender<bool>,
    node: Option<JoinHandle<Result<(), Failure>>>,
    disk: Option<JoinHandle<()>>,
    /// Of a member; ends when the replica's has.
    peers: Option<JoinHandle<()>>,
    io: Vec<JoinHandle<()>>,
}

impl Server {
    /// Recovers the data directory, opens the sockets and starts to serve. Blocks until it does.
    ///
    /// # Errors
    /// When the settings make no sense, the directory is in use, damaged or not accessible, or no
    /// socket can be had. Nothing has been answered to any client then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        config.check().map_err(StartError::Settings)?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let listeners = bind_all(config)?;
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        let of_members = config.ensemble.as_ref().and_then(|it| it.tls.as_ref());
        let tls = of_members.map(Tls::load).transpose()?.map(Arc::new);
        let (disk, files) = (RealDisk, files(config));
        let recent_max = config
            .ensemble
            .as_ref()
            .map_or(0, |ensemble| ensemble.recent_max as usize);
        let (mut journal, recovery) = recover(&disk, &files, seed(), recent_max)?;
        let store = &recovery.store;
        tracing::info!(
            zxid = %store.last_zxid(),
            znodes = store.counts().znodes,
            sessions = store.counts().sessions,
            "data directory recovered",
        );

        let io_threads = config
            .io_threads
            .map_or_else(io_threads, |count| count.max(1) as usize);
        let clock = Clock::new();
        let (peer, store) = match &config.ensemble {
            None => (Peer::standalone(store.last_zxid()), recovery.store),
            Some(ensemble) => {
                let now_ms = clock.mono_ms();
                member_peer(config, ensemble, &mut journal, recovery, now_ms)?
            }
        };
        let replica = Replica::new(settings(config), peer, &store, clock.now());
        let shared = Arc::new(Shared {
            store: RwLock::new(store),
            watches: Mutex::new(Watches::new().skip_acl(config.access.acl_skip)),
            inbox: Inbox::default(),
            one_thread: io_threads == 1,
            reads: AtomicU64::new(0),
            registry: Registry::default(),
            limits: limits(config),
            skip_acl: config.access.acl_skip,
            super_digest: config
                .access
                .super_digest
                .as_ref()
                .map(|digest| String::from_utf8_lossy(digest.expose()).into_owned()),
            outstanding: Arc::new(AtomicUsize::new(0)),
            packets: Packets::default(),
            traffic: Mutex::default(),
            disk_stats: DiskStats::default(),
            clock,
            settled: AtomicBool::new(false),
            mode: Mutex::new(config.ensemble.is_none().then_some(Mode::Standalone)),
            stopping: AtomicBool::new(false),
        });
        let orders = Arc::new(Inbox::default());
        let threads = |source| StartError::Threads { source };
        let sync_warning = Duration::from_millis(config.storage.sync_warning_ms);
        let log = Arc::new(LogWriter::new(journal, shared.clone(), sync_warning));
        let (member, peers) = match &config.ensemble {
            None => (None, None),
            Some(ensemble) => {
                let places = peers::directory(&ensemble.membership);
                let settings = peer_settings(config, ensemble, tls);
                let (outlet, thread) =
                    peers::spawn(settings, places.clone(), deliver_to(&shared)).map_err(threads)?;
                let member = Member::new(outlet, &places, disk, files.clone());
                (Some(member), Some(thread))
            }
        };
        let disk = DiskThread {
            disk,
            log: log.clone(),
            settings: files,
            shared: shared.clone(),
            orders: orders.clone(),
            snapshots_kept: config.purge.map(|purge| purge.snapshots_kept as usize),
        };
        let disk = disk.spawn().map_err(threads)?;
        let node = Node::new(replica, shared.clone(), log, orders, member);
        let port = addresses.first().map_or(0, SocketAddr::port);
        let status = Arc::new(Source::new(shared.clone(), config, port));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        // From here on a failure stops the threads there are, so that the directory is free again.
        let mut server = Self {
            addresses,
            shared,
            stop,
            node: None,
            disk: Some(disk),
            peers,
            io: Vec::new(),
        };
        let spawned = listen::spawn(
            listeners,
            io_threads,
            node,
            &server.shared,
            &status,
            &stopped,
        );
        let Threads { node, io } = spawned.map_err(threads)?;
        (server.node, server.io) = (Some(node), io);
        for address in &server.addresses {
            tracing::info!(%address, "serving clients");
        }
        Ok(server)
    }

    /// The addresses where clients connect, with the ports the system has given.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Blocks until the server ends by itself, which it does only when its disk fails or its data
    /// cannot be right.
    ///
    /// # Errors
    /// What has failed.
    pub fn wait(&mut self) -> Result<(), Failure> {
        let outcome = match self.node.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        };
        self.end();
        outcome
    }

    /// A handle that stops the server from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            shared: self.shared.clone(),
        }
    }

    /// Stops the server: what clients have been told is on disk, connections end.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        self.stopper().stop();
        if let Some(node) = self.node.take() {
            // A failure has been logged by the thread that met it.
            let _ = node.join();
        }
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        for thread in self
            .io
            .drain(..)
            .chain(self.disk.take())
            .chain(self.peers.take())
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Stops a [`Server`] from another thread; cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopper {
    shared: Arc<Shared>,
}

impl Stopper {
    /// Asks the server to stop; returns at once.
    pub fn stop(&self) {
        self.shared.inbox.push(Input::Stop);
    }
}

/// Threads for connections: half the processors, since the replica and the disk want theirs.
fn io_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 8))
}

/// Entropy for the placing of names, which peers must not foresee.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// However short the frames: what the server writes by itself must fit.
fn entry_len_max(frame_len_max: usize) -> usize {
    frame_len_max.saturating_mul(ENTRY_FRAMES).max(1 << 20)
}

fn files(config: &Config) -> Files {
    Files {
        log_dir: config.data_log_dir.clone(),
        autocreate: config.data_dir_create,
        force_sync: config.storage.sync,
        snap_count: config.storage.snap_count,
        snap_size_limit: config.storage.snap_log_bytes.unwrap_or(0),
        entry_len_max: entry_len_max(config.limits.frame_len_max),
        member: config.ensemble.is_some(),
        db_autocreate: config
            .ensemble
            .as_ref()
            .is_none_or(|ensemble| ensemble.empty_is_new),
        snapshot_size_factor: config
            .ensemble
            .as_ref()
            .map_or(0.0, |ensemble| ensemble.log_sync_factor.unwrap_or(-1.0)),
        seed: seed(),
        ..Files::new(&config.data_dir)
    }
}

fn limits(config: &Config) -> Limits {
    let bound = |max: Option<u32>| max.map_or(0, |max| max as usize);
    Limits {
        connections_per_address_max: bound(config.limits.connections_per_address_max),
        connections_max: bound(config.limits.connections_max),
        frame_len_max: config.limits.frame_len_max,
        handshake_len_max: config.limits.handshake_len_max,
        handshake_ms_max: config.limits.handshake_timeout_ms.into(),
        outstanding_max: config.limits.outstanding_max as usize,
        watches_per_connection_max: config
            .limits
            .watches_per_session_max
            .map_or(usize::MAX, |max| max as usize),
        ..Limits::default()
    }
}

fn settings(config: &Config) -> Settings {
    let ensemble = config.ensemble.as_ref();
    Settings {
        // Session ids have no room for more.
        server_id: ensemble.map_or(SERVER_ID, |ensemble| ensemble.sid.0 as u8),
        tick_ms: config.tick_time_ms.into(),
        session_timeout_min_ms: config.session_timeout_min_ms() as i32,
        session_timeout_max_ms: config.session_timeout_max_ms() as i32,
        prep: PrepSettings {
            extended_types: config.access.extended_types,
            skip_acl: config.access.acl_skip,
        },
        local_sessions: ensemble.and_then(|ensemble| match ensemble.local_sessions {
            config::LocalSessions::None => None,
            config::LocalSessions::Only => Some(LocalSessions { upgrade: false }),
            config::LocalSessions::Upgraded => Some(LocalSessions { upgrade: true }),
        }),
        read_only: ensemble.is_some_and(|ensemble| ensemble.read_only),
        // A new membership would be forgotten by a restart.
        reconfig: None,
        container_check_ms: config.containers.check_interval_ms,
        container_removals_per_minute: config.containers.per_minute_max.into(),
        container_never_used_ms: config
            .containers
            .never_used_max_ms
            .map_or(0, |max| max.min(i64::MAX as u64) as i64),
        limits: limits(config),
    }
}

/// A member on what its directory held, and the state that it stands for.
fn member_peer<D: Disk>(
    config: &Config,
    ensemble: &Ensemble,
    journal: &mut Journal<D>,
    recovery: Recovery,
    now_ms: u64,
) -> Result<(Peer, Store), StartError> {
    let last = recovery.store.last_zxid();
    let epochs = journal.read_epochs(last.0)?;
    let history = History {
        last,
        oldest: recovery.base,
        accepted_epoch: epochs.accepted,
        current_epoch: epochs.current,
        recent: recovery.recent.into(),
        votes: journal.votes(),
    };
    let settings = zab::Settings {
        tick_ms: config.tick_time_ms.into(),
        init_limit: ensemble.init_limit,
        sync_limit: ensemble.sync_limit,
        recent_max: ensemble.recent_max as usize,
        election: ElectionSettings {
            wait_min_ms: ensemble.election.wait_min_ms.into(),
            wait_max_ms: ensemble.election.wait_max_ms.into(),
            ..ElectionSettings::default()
        },
        ..zab::Settings::new(ensemble.sid)
    };
    let membership = ensemble.membership.clone();
    let peer = Peer::new(settings, membership, None, history, now_ms);
    Ok((peer, recovery.store))
}

fn peer_settings(config: &Config, ensemble: &Ensemble, tls: Option<Arc<Tls>>) -> peers::Settings {
    let ticks = |count: u32| {
        Duration::from_millis(u64::from(config.tick_time_ms).saturating_mul(count.into()))
    };
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let Election {
        connect_timeout_ms,
        greeting_timeout_ms,
        bind_attempts_max,
        ..
    } = ensemble.election;
    let frame_len_max = config.limits.frame_len_max;
    peers::Settings {
        sid: ensemble.sid,
        listen_everywhere: ensemble.listen_everywhere,
        election_bind_attempts_max: bind_attempts_max,
        connect_patience: ms(connect_timeout_ms),
        greeting_patience: greeting_timeout_ms.map_or(ticks(ensemble.sync_limit), ms),
        leader_patience: ticks(ensemble.connect_limit.unwrap_or(ensemble.init_limit)),
        leader_pause: ms(ensemble.connect_pause_ms),
        learner_packet_len_max: (2 * frame_len_max).max(PACKET_LEN_MAX),
        leader_packet_len_max: entry_len_max(frame_len_max),
        unsent_len_max: UNSENT_LEN_MAX,
        image_len_max: IMAGE_LEN_MAX,
        tls,
        seed: seed(),
    }
}

fn bind_all(config: &Config) -> Result<Vec<TcpListener>, StartError> {
    let bound = config.listen.iter().map(|listen| {
        bind(listen, config.listen_backlog).map_err(|source| StartError::Listen {
            listen: listen.clone(),
            source,
        })
    });
    bound.collect()
}
