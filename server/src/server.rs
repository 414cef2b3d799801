//! A running server: recovery, threads, and the way they end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use lockkeeper_journal::{Digest, Disk, Journal, RealDisk, Recovered, Settings as Files};
use lockkeeper_replica::{Limits, Peer, Replica, Settings};
use lockkeeper_store::{Applied, PrepSettings, Store, Watches};
use lockkeeper_wire::txn::DIGEST_VERSION;
use lockkeeper_wire::{Record, TxnEntry, Zxid};

use crate::config::{Config, Host, Listen};
use crate::disk::{DiskStats, DiskThread, LogWriter, snapshot_of};
use crate::error::{Failure, StartError};
use crate::links::Registry;
use crate::listen::{self, Threads};
use crate::node::{Clock, Input, Node, Packets, Shared};
use crate::status::Source;
use crate::sync::Inbox;

/// The id of a server that is alone, as Apache's uses it in session ids.
const SERVER_ID: u8 = 1;

/// The longest entry of the log, in longest frames.
///
/// A transaction outgrows the request it is made from where the request names much in few bytes:
/// the `auth` of an access list stands for all identities of its connection. An entry that does not fit would end the server, at every start
/// anew. A bound there must be, since a damaged length is told from a torn record by it.
pub(crate) const ENTRY_FRAMES: usize = 64;

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
    node: Option<JoinHandle<Result<(), Failure>>>,
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

        let io_threads = config
            .io_threads
            .map_or_else(io_threads, |count| count as usize);
        let clock = Clock::new();
        let peer = Peer::standalone(store.last_zxid());
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
            standalone: true,
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
        let sync_warning = Duration::from_millis(config.storage.sync_warning_ms);
        let log = Arc::new(LogWriter::new(journal, shared.clone(), sync_warning));
        let disk = DiskThread {
            disk,
            log: log.clone(),
            settings: files,
            shared: shared.clone(),
            orders: orders.clone(),
            snapshots_kept: config.purge.map(|purge| purge.snapshots_kept as usize),
        };
        let disk = disk.spawn().map_err(threads)?;
        let node = Node::new(replica, shared.clone(), log, orders);
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
        // These belong to ensembles.
        local_sessions: None,
        read_only: false,
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

/// Loads the newest snapshot that can be read, replays the log on it, and leaves a directory from
/// which the next start can do the same.
fn recover<D: Disk>(disk: &D, files: &Files, seed: u64) -> Result<(Journal<D>, Store), StartError> {
    let (mut journal, mut recovered) = Journal::open(disk.clone(), files.clone())?;
    let loaded = load(&mut recovered, seed)?;
    let fresh = loaded.is_none();
    let (mut store, mut replay) = match loaded {
        Some((store, digest)) => {
            let replay = Replay::onto(store.last_zxid(), digest);
            (store, replay)
        }
        None => (Store::new(seed), Replay::onto(Zxid::ZERO, None)),
    };
    replay.compare(&store);
    for record in recovered.records() {
        let record = record?;
        let entry =
            TxnEntry::from_bytes(&record.entry).map_err(|source| StartError::Transaction {
                zxid: Zxid(record.zxid),
                source,
            })?;
        let applied = store.apply(&entry);
        replay.note(&entry, &applied);
        replay.compare(&store);
    }
    replay.report();
    journal.resume_after(store.last_zxid().0);
    let ended = store.end_sessionless();
    if fresh || replay.count > 0 || ended {
        // Logs without any snapshot are refused at the next start, by Apache's server too. And
        // what was ended here is in no log: the next start must not find it again.
        snapshot_of(disk, files, &store.freeze(), None)?;
    }
    Ok((journal, store))
}

/// A replay, and whether it went as it must.
///
/// Snapshots of Apache's servers are fuzzy: written while transactions went on, of which they hold
/// any part. What does not fit up to the last of those is expected. Behind it, it means that
/// snapshot and log are not of one history; the server starts all the same, as Apache's does.
#[derive(Debug, Default)]
struct Replay {
    /// The last transaction of which the snapshot may hold a part; `None` when it does not say.
    fuzzy_end: Option<Zxid>,
    digest: Option<Digest>,
    count: u64,
    misfits: u64,
    digest_mismatches: u64,
}

impl Replay {
    fn onto(zxid: Zxid, digest: Option<Digest>) -> Self {
        let digest = digest.filter(|digest| digest.zxid >= zxid.0 && digest.zxid > 0);
        let fuzzy_end = match &digest {
            // The next one may have been half done when the digest was written.
            Some(digest) if digest.zxid > zxid.0 => Some(Zxid(digest.zxid).next()),
            Some(_) => Some(zxid),
            // Written before the server served.
            None if zxid == Zxid::ZERO => Some(zxid),
            None => None,
        };
        Self {
            fuzzy_end,
            digest,
            ..Self::default()
        }
    }

    /// Compares the tree with the snapshot's digest once it stands where that was taken.
    fn compare(&mut self, store: &Store) {
        let taken_here = |digest: &mut Digest| digest.zxid == store.last_zxid().0;
        if let Some(digest) = self.digest.take_if(taken_here)
            && digest.version == DIGEST_VERSION
            && digest.value != store.digest()
        {
            self.digest_mismatches += 1;
            tracing::error!(zxid = %store.last_zxid(), "digest of the tree is not the snapshot's");
        }
    }

    fn note(&mut self, entry: &TxnEntry, applied: &Applied) {
        self.count += 1;
        let zxid = entry.header.zxid;
        if self.fuzzy_end.is_none_or(|end| zxid <= end) {
            if applied.misfit {
                tracing::debug!(%zxid, "transaction was in the snapshot already");
            }
            return;
        }
        // One that went wrong is often followed by many: the first is named, the rest counted.
        if applied.misfit {
            self.misfits += 1;
            if self.misfits == 1 {
                tracing::error!(%zxid, "logged transaction does not fit the tree");
            }
        }
        if applied.digest_mismatch {
            self.digest_mismatches += 1;
            if self.digest_mismatches == 1 {
                tracing::error!(%zxid, "digest of the tree is not the one logged");
            }
        }
    }

    fn report(&self) {
        if self.misfits + self.digest_mismatches > 0 {
            tracing::error!(
                misfits = self.misfits,
                digest_mismatches = self.digest_mismatches,
                "snapshot and log do not agree; compare this server's data with a backup",
            );
        }
    }
}

type Loaded = (Store, Option<Digest>);

fn load<D: Disk>(recovered: &mut Recovered<D>, seed: u64) -> Result<Option<Loaded>, StartError> {
    while let Some(snapshot) = recovered.next_snapshot()? {
        let zxid = Zxid(snapshot.zxid());
        match Store::read_image(&mut snapshot.image()?, zxid, seed) {
            Ok(store) => return Ok(Some((store, snapshot.digest()))),
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

#[cfg(test)]
mod tests {
    use lockkeeper_wire::{ErrorCode, SessionId, Txn, TxnHeader};

    use super::*;

    fn digest(zxid: i64, value: u64) -> Digest {
        Digest {
            zxid,
            version: DIGEST_VERSION,
            value,
        }
    }

    fn deletion(zxid: i64, path: &'static str) -> TxnEntry {
        let txn = Txn::Delete(path.into());
        let header = TxnHeader {
            client_id: SessionId(1),
            cxid: 1,
            zxid: Zxid(zxid),
            time_ms: 0,
            op: txn.op().into(),
        };
        TxnEntry {
            header,
            txn,
            digest: None,
        }
    }

    #[test]
    fn misfits_count_from_where_the_snapshot_is_not_fuzzy_any_more() {
        let cases = [
            // Not fuzzy: each of 11, 12, 13 counts.
            (10, Some(digest(10, 0)), 3),
            // Fuzzy up to 11, and 12 may have been half done.
            (10, Some(digest(11, 0)), 1),
            (10, Some(digest(12, 0)), 0),
            // It does not say.
            (10, Some(digest(0, 0)), 0),
            (10, None, 0),
            (0, None, 3),
        ];
        for (zxid, digest, misfits) in cases {
            let mut store = Store::new(1);
            let mut replay = Replay::onto(Zxid(zxid), digest);
            for zxid in 11..=13 {
                let entry = deletion(zxid, "/none");
                let applied = store.apply(&entry);
                assert_eq!(applied.outcome, Err(ErrorCode::NO_NODE));
                replay.note(&entry, &applied);
            }
            assert_eq!(replay.misfits, misfits, "{zxid} {digest:?}");
            assert_eq!(replay.count, 3);
        }
    }

    /// Its end is in no log, so the next start must not find it again: a later create of the same
    /// path would not fit then, and be lost.
    #[test]
    fn what_a_start_ends_without_a_transaction_is_gone_from_the_snapshot() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = Files::new(dir.path());
        drop(recover(&RealDisk, &files, 1).expect("a new directory"));
        let mut store = Store::new(1);
        let txn = Txn::Create(lockkeeper_wire::txn::CreateTxn {
            path: "/e".into(),
            data: None,
            acl: lockkeeper_wire::Acl::open(),
            ephemeral: true,
            parent_cversion: 1,
        });
        let header = TxnHeader {
            op: txn.op().into(),
            ..deletion(5, "/").header
        };
        let digest = None;
        store.apply(&TxnEntry {
            header,
            txn,
            digest,
        });
        snapshot_of(&RealDisk, &files, &store.freeze(), None).expect("a snapshot");

        let (journal, store) = recover(&RealDisk, &files, 1).expect("a start");
        assert_eq!(store.stat("/e"), None);
        drop(journal);
        let (_journal, mut recovered) = Journal::open(RealDisk, files).expect("a directory");
        let (store, _) = load(&mut recovered, 1).expect("readable").expect("one");
        assert_eq!(store.last_zxid(), Zxid(5));
        assert_eq!(store.stat("/e"), None);
    }

    #[test]
    fn the_snapshots_digest_is_compared_once_where_it_was_taken() {
        for (value, mismatches) in [(None, 0), (Some(1), 1)] {
            let mut store = Store::new(1);
            let value = value.unwrap_or(store.digest());
            let mut replay = Replay::onto(Zxid(10), Some(digest(12, value)));
            for zxid in 11..=13 {
                let entry = deletion(zxid, "/none/at/all");
                let applied = store.apply(&entry);
                replay.note(&entry, &applied);
                replay.compare(&store);
            }
            assert_eq!(replay.digest_mismatches, mismatches);
        }
    }
}
