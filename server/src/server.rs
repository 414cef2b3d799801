//! A running server: recovery, threads, and the way they end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use lockkeeper_journal::{Disk, Journal, JournalError, RealDisk, Recovered, Settings as Files};
use lockkeeper_replica::{Limits, Replica, Settings};
use lockkeeper_store::{PrepSettings, Store, Watches};
use lockkeeper_wire::{Record, TxnEntry, Zxid};

use crate::config::{Config, Host, Listen};
use crate::disk::{DiskStats, DiskThread, snapshot_of};
use crate::error::StartError;
use crate::links::Registry;
use crate::listen;
use crate::node::{Clock, Input, NodeThread, Packets, Shared};
use crate::status::Source;
use crate::sync::Inbox;

/// The id of a server that is alone, as Apache's uses it in session ids.
const SERVER_ID: u8 = 1;

/// The longest entry of the log, in longest frames.
///
/// A transaction outgrows the request it is made from where the request names much in few bytes:
/// the `auth` of an access list stands for all identities of its connection, and the end of a
/// session lists its ephemerals. An entry that does not fit would end the server, at every start
/// anew. A bound there must be, since a damaged length is told from a torn record by it.
const ENTRY_FRAMES: usize = 64;

/// Connections that may wait to be accepted, unless set.
const BACKLOG: u32 = 1024;

/// A server that serves until it is stopped or its disk fails.
///
/// Dropping it stops it and waits for it.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    /// Kept until a thread looks, however late it comes to that.
    stop: tokio::sync::watch::Sender<bool>,
    node: Option<JoinHandle<Result<(), JournalError>>>,
    disk: Option<JoinHandle<()>>,
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
        let files = files(config);
        let disk = RealDisk;
        let (journal, store) = recover(&disk, &files, seed())?;
        tracing::info!(
            zxid = %store.last_zxid(),
            znodes = store.counts().znodes,
            sessions = store.counts().sessions,
            "data directory recovered",
        );

        let clock = Clock::new();
        let replica = Replica::new(settings(config), &store, clock.now());
        let shared = Arc::new(Shared {
            store: RwLock::new(store),
            watches: Mutex::new(Watches::new()),
            inbox: Inbox::default(),
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
            stopping: AtomicBool::new(false),
        });
        let orders = Arc::new(Inbox::default());
        let threads = |source| StartError::Threads { source };
        let disk = DiskThread {
            disk,
            journal,
            settings: files,
            shared: shared.clone(),
            orders: orders.clone(),
            sync_warning: Duration::from_millis(config.storage.sync_warning_ms),
            snapshots_kept: config.purge.map(|purge| purge.snapshots_kept as usize),
        };
        let disk = disk.spawn().map_err(threads)?;
        let node = NodeThread {
            replica,
            shared: shared.clone(),
            orders,
        };
        let node = node.spawn().map_err(threads)?;
        let port = addresses.first().map_or(0, SocketAddr::port);
        let status = Arc::new(Source::new(shared.clone(), config, port));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let io =
            listen::spawn(listeners, io_threads(), &shared, &status, &stopped).map_err(threads)?;
        for address in &addresses {
            tracing::info!(%address, "serving clients");
        }
        Ok(Self {
            addresses,
            shared,
            stop,
            node: Some(node),
            disk: Some(disk),
            io,
        })
    }

    /// The addresses where clients connect, with the ports the system has given.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Blocks until the server ends by itself, which it does only when its disk fails.
    ///
    /// # Errors
    /// The failure of the disk.
    pub fn wait(&mut self) -> Result<(), JournalError> {
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
        for thread in self.io.drain(..).chain(self.disk.take()) {
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

fn files(config: &Config) -> Files {
    Files {
        log_dir: config.data_log_dir.clone(),
        autocreate: config.data_dir_create,
        force_sync: config.storage.sync,
        snap_count: config.storage.snap_count,
        snap_size_limit: config.storage.snap_log_bytes.unwrap_or(0),
        entry_len_max: config.limits.frame_len_max.saturating_mul(ENTRY_FRAMES),
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
    Settings {
        server_id: SERVER_ID,
        tick_ms: config.tick_time_ms.into(),
        session_timeout_min_ms: config.session_timeout_min_ms() as i32,
        session_timeout_max_ms: config.session_timeout_max_ms() as i32,
        prep: PrepSettings {
            extended_types: config.access.extended_types,
            skip_acl: config.access.acl_skip,
        },
        container_check_ms: config.containers.check_interval_ms,
        container_removals_per_minute: config.containers.per_minute_max.into(),
        container_never_used_ms: config
            .containers
            .never_used_max_ms
            .map_or(0, |max| max.min(i64::MAX as u64) as i64),
        limits: limits(config),
    }
}

/// Loads the newest snapshot that can be read, replays the log on it, and leaves a directory from
/// which the next start can do the same.
fn recover<D: Disk>(disk: &D, files: &Files, seed: u64) -> Result<(Journal<D>, Store), StartError> {
    let (mut journal, mut recovered) = Journal::open(disk.clone(), files.clone())?;
    let loaded = load(&mut recovered, seed)?;
    let fresh = loaded.is_none();
    let mut store = loaded.unwrap_or_else(|| Store::new(seed));
    let mut replayed = 0u64;
    for record in recovered.records() {
        let record = record?;
        let entry =
            TxnEntry::from_bytes(&record.entry).map_err(|source| StartError::Transaction {
                zxid: Zxid(record.zxid),
                source,
            })?;
        let applied = store.apply(&entry);
        if applied.misfit {
            // Replay onto a snapshot that was written while transactions went on.
            tracing::debug!(zxid = %entry.header.zxid, "transaction was in the snapshot already");
        }
        replayed += 1;
    }
    journal.resume_after(store.last_zxid().0);
    store.end_sessionless();
    if fresh || replayed > 0 {
        // Logs without any snapshot are refused at the next start, by Apache's server too.
        snapshot_of(disk, files, &store.freeze(), None)?;
    }
    Ok((journal, store))
}

fn load<D: Disk>(recovered: &mut Recovered<D>, seed: u64) -> Result<Option<Store>, StartError> {
    while let Some(snapshot) = recovered.next_snapshot()? {
        let zxid = Zxid(snapshot.zxid());
        match Store::read_image(&mut snapshot.image()?, zxid, seed) {
            Ok(store) => return Ok(Some(store)),
            Err(error) => {
                let file = snapshot.file().display();
                tracing::warn!(%file, %error, "snapshot passed over");
            }
        }
    }
    Ok(None)
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

/// Binds the first address of a name that can be bound.
fn bind(listen: &Listen, backlog: Option<u32>) -> io::Result<TcpListener> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in listen.addresses()? {
        match bind_address(address, listen.host == Host::Any, backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_address(address: SocketAddr, any: bool, backlog: Option<u32>) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if any && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.unwrap_or(BACKLOG).min(i32::MAX as u32) as i32)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
