//! What an operator asks, gathered from the running server.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockkeeper_replica::Traffic;
use lockkeeper_store::Store;

use crate::config::Config;
use crate::links::Link;
use crate::node::Shared;
use crate::sync::{lock, read};
use crate::words::{
    self, Connection, Environment, KnownSession, Latency, Mode, Needs, Session, Settings, Status,
    Value, Whitelist, Word,
};

/// How long the sizes of the data directories are taken as current: adding them up walks the
/// directories, which nobody may make the server do at will.
const SIZES_TTL: Duration = Duration::from_secs(10);

/// Answers to the four-letter words.
#[derive(Debug)]
pub(crate) struct Source {
    shared: Arc<Shared>,
    whitelist: Whitelist,
    settings: Settings,
    sizes: Mutex<Option<(Instant, u64, u64)>>,
    started: Instant,
}

impl Source {
    pub(crate) fn new(shared: Arc<Shared>, config: &Config, port: u16) -> Self {
        let settings = Settings {
            client_port: port,
            data_dir: config.data_dir.join("version-2"),
            data_dir_bytes: 0,
            data_log_dir: config.data_log_dir.join("version-2"),
            data_log_dir_bytes: 0,
            tick_time_ms: config.tick_time_ms,
            connections_per_address_max: config.limits.connections_per_address_max.unwrap_or(0),
            session_timeout_min_ms: config.session_timeout_min_ms(),
            session_timeout_max_ms: config.session_timeout_max_ms(),
            listen_backlog: config.listen_backlog,
            server_id: config
                .ensemble
                .as_ref()
                .map_or(0, |ensemble| ensemble.sid.0 as u64),
        };
        Self {
            shared,
            whitelist: config.words.clone(),
            settings,
            sizes: Mutex::default(),
            started: Instant::now(),
        }
    }

    pub(crate) fn allows(&self, word: Word) -> bool {
        self.whitelist.allows(word)
    }

    pub(crate) fn answer(&self, word: Word) -> String {
        let status = match word.needs() {
            Needs::Nothing => None,
            needs => {
                let mode = *lock(&self.shared.mode);
                mode.map(|mode| self.status(mode, needs))
            }
        };
        words::answer(word, &environment(), status.as_ref())
    }

    fn status(&self, mode: Mode, needs: Needs) -> Status {
        let (zxid, counts, sessions) = {
            let store = read(&self.shared.store);
            let sessions = match needs {
                Needs::Sessions => sessions(&store),
                _ => Vec::new(),
            };
            (store.last_zxid(), store.counts(), sessions)
        };
        // A statement of its own, so that the lock is given back before the metrics take it again.
        let watch_count = lock(&self.shared.watches).len() as u64;
        let links = self.shared.registry.all();
        let sum = |count: fn(&Link) -> u64| links.iter().map(|link| count(link)).sum::<u64>();
        let packets = &self.shared.packets;
        let traffic = *lock(&self.shared.traffic);
        let received = packets.received.load(Ordering::Relaxed)
            + sum(|link| link.received.load(Ordering::Relaxed));
        let sent =
            packets.sent.load(Ordering::Relaxed) + sum(|link| link.sent.load(Ordering::Relaxed));
        Status {
            mode,
            zxid,
            znode_count: counts.znodes as u64,
            ephemerals_count: counts.ephemerals as u64,
            watch_count,
            approximate_data_size: counts.data_bytes,
            sessions_global: counts.sessions as u64,
            sessions_local: 0,
            latency: latency(&traffic, received),
            packets_received: received,
            packets_sent: sent,
            connection_count: self.shared.registry.len() as u64,
            outstanding: self.shared.outstanding.load(Ordering::Relaxed) as u64,
            uptime_ms: self.started.elapsed().as_millis() as u64,
            descriptors: descriptors(),
            response_sizes: None,
            connections: match needs {
                Needs::Connections => links.iter().map(|link| connection(link)).collect(),
                _ => Vec::new(),
            },
            sessions,
            settings: self.settings(),
            metrics: self.metrics(&traffic),
        }
    }

    fn settings(&self) -> Settings {
        let mut sizes = lock(&self.sizes);
        let current = sizes.filter(|(at, ..)| at.elapsed() < SIZES_TTL);
        let (at, data, log) = current.unwrap_or_else(|| {
            let data = directory_size(&self.settings.data_dir);
            let log = match self.settings.data_log_dir == self.settings.data_dir {
                true => data,
                false => directory_size(&self.settings.data_log_dir),
            };
            (Instant::now(), data, log)
        });
        *sizes = Some((at, data, log));
        Settings {
            data_dir_bytes: data,
            data_log_dir_bytes: log,
            ..self.settings.clone()
        }
    }

    fn metrics(&self, traffic: &Traffic) -> Vec<(String, Value)> {
        let herd = lock(&self.shared.watches).herd();
        let disk = &self.shared.disk_stats;
        let mut metrics = Vec::new();
        let mut put = |name: &str, value: u64| metrics.push((name.to_owned(), Value::from(value)));
        put("stale_sessions_expired", traffic.sessions_expired);
        put("digest_mismatches_count", traffic.digest_mismatches);
        put("snapshot_count", disk.snapshots.load(Ordering::Relaxed));
        let sync_us = disk.sync_us_sum.load(Ordering::Relaxed);
        put("cnt_fsynctime", disk.syncs.load(Ordering::Relaxed));
        put("sum_fsynctime", sync_us / 1000);
        put(
            "max_fsynctime",
            disk.sync_us_max.load(Ordering::Relaxed) / 1000,
        );
        put("cnt_updatelatency", traffic.writes);
        put("sum_updatelatency", traffic.write_ms_sum);
        put("max_updatelatency", traffic.write_ms_max);
        for (name, count) in [
            ("node_created", herd.created),
            ("node_deleted", herd.deleted),
            ("node_changed", herd.changed),
            ("node_children", herd.children),
        ] {
            put(&format!("cnt_{name}_watch_count"), count.count);
            put(&format!("sum_{name}_watch_count"), count.sum);
            put(&format!("max_{name}_watch_count"), count.max);
        }
        metrics
    }
}

/// Reads are answered within the poll that receives them, so they count as nothing.
fn latency(traffic: &Traffic, received: u64) -> Latency {
    Latency {
        count: received,
        sum_ms: traffic.write_ms_sum,
        min_ms: 0,
        max_ms: traffic.write_ms_max,
    }
}

fn sessions(store: &Store) -> Vec<KnownSession> {
    let session = |(id, timeout_ms)| KnownSession {
        id,
        timeout_ms,
        ephemerals: store.ephemerals(id).map(str::to_owned).collect(),
    };
    store.sessions().map(session).collect()
}

fn connection(link: &Link) -> Connection {
    let session = link.session();
    let session = (session.0 != 0).then(|| Session {
        id: session,
        op: None,
        established_ms: link.established_ms,
        timeout_ms: link.timeout_ms.load(Ordering::Relaxed).max(0) as u32,
        xid: -1,
        zxid: lockkeeper_wire::Zxid::ZERO,
        responded_ms: link.heard_ms.load(Ordering::Relaxed),
        latency_last_ms: 0,
        latency: Latency::default(),
    });
    Connection {
        remote: link.peer,
        interest_ops: u8::from(session.is_some()),
        queued: link.outstanding.load(Ordering::Relaxed) as u64,
        received: link.received.load(Ordering::Relaxed),
        sent: link.sent.load(Ordering::Relaxed),
        session,
    }
}

fn environment() -> Environment {
    let text = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    Environment {
        host_name: text("/proc/sys/kernel/hostname"),
        user_name: std::env::var("USER").unwrap_or_default(),
        user_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::new()),
    }
}

fn directory_size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Open descriptors and their limit, where the system tells.
fn descriptors() -> Option<(u64, u64)> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    let max = line.split_whitespace().nth(3)?.parse().ok()?;
    Some((open, max))
}
