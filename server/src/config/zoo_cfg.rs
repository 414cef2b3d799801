//! The meaning of a `zoo.cfg`: Apache's defaults, Apache's edge rules, and a warning where they
//! leave the server open.
//!
//! Source: `QuorumPeerConfig.java`, and `zookeeperAdmin.md` for what reaches the server as a
//! system property.

mod ensemble;
mod members;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use self::ensemble::ensemble;
use self::members::{Line, Lines, Standing, check_client, client_listen, my_id};
use super::report::{ConfigError, Origin, Setting, WarningKind};
use super::table::{self, Table};
use super::{Access, Config, Containers, Host, Limits, Listen, Purge, Secret, Storage};
use crate::words::{Whitelist, Word};

/// How files are read; tests bring their own.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Reads a static file and the dynamic one it may name.
pub(super) fn load(path: &Path, read: ReadFile<'_>) -> Result<Config, ConfigError> {
    let whole = Origin::File {
        path: path.to_owned(),
        line: 0,
    };
    let mut table = Table::new(whole, file(path, read)?)?;
    let mut lines = Lines::read(&table, read)?;
    let membership = match lines.standing(&mut table)? {
        Standing::Alone(line) => {
            table.judge(false)?;
            let listen = listen(&mut table, line.as_ref())?;
            return config(table, listen);
        }
        Standing::Ensemble(membership) => membership,
    };
    table.judge(true)?;
    let sid = my_id(&table, read, &membership)?;
    let line = lines.take(sid);
    let listen = listen(&mut table, line.as_ref())?;
    if let Some(line) = &line {
        check_client(line, &listen)?;
    }
    let ensemble = ensemble(&mut table, sid, membership)?;
    let config = config(table, listen)?;
    Ok(Config {
        ensemble: Some(ensemble),
        ..config
    })
}

/// Apache's positional form, `clientPort dataDir [tickTime [maxClientCnxns]]`.
pub(super) fn positional(arguments: &[String]) -> Result<Config, ConfigError> {
    let names = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];
    let settings = names.into_iter().zip(arguments);
    let settings = settings
        .map(|(name, value)| Setting::argument(name, value))
        .collect();
    let mut table = Table::new(Origin::CommandLine, settings)?;
    table.judge(false)?;
    let listen = listen(&mut table, None)?;
    config(table, listen)
}

fn file(path: &Path, read: ReadFile<'_>) -> Result<Vec<Setting>, ConfigError> {
    let bytes = read(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    table::settings(path, &bytes)
}

/// Java binds the IPv6 wildcard when asked for `0.0.0.0`, so IPv6 clients get in as well.
fn any_as_in_java(host: Host) -> Host {
    match host {
        Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Host::Any,
        host => host,
    }
}

fn listen(table: &mut Table, line: Option<&Line>) -> Result<Listen, ConfigError> {
    // Port 0 is no port to Apache's parser.
    let port = table
        .number("clientPort", 0..=65_535)?
        .filter(|&port| port != 0);
    let host = match table.text("clientPortAddress").map(Host::parse) {
        Some(Some(host)) => Some(any_as_in_java(host)),
        Some(None) => {
            return Err(table.invalid("clientPortAddress", "must be an address or a name"));
        }
        None => None,
    };
    let of_line = match line {
        Some(line) => client_listen(line)?.map(|listen| (&line.setting, listen)),
        None => None,
    };
    let (listen, setting) = match (port, host, of_line) {
        (None, Some(_), _) => {
            return Err(table.invalid("clientPortAddress", "needs clientPort as well"));
        }
        (None, None, None) => {
            let need = "no client could connect; write clientPort=2181";
            return Err(table.invalid("clientPort", need));
        }
        (None, None, Some((setting, listen))) => (listen, setting.clone()),
        (Some(port), host, of_line) => {
            let name = if host.is_some() {
                "clientPortAddress"
            } else {
                "clientPort"
            };
            let listen = Listen {
                host: host.unwrap_or(Host::Any),
                port: port as u16,
            };
            if let Some((setting, other)) = of_line.filter(|(_, other)| *other != listen) {
                let text = format!("its client address {other} is passed over for {listen}");
                table.push(setting.clone(), WarningKind::Adjusted, text);
            }
            (listen, table.setting(name))
        }
    };
    if !listen.is_loopback() {
        table.push(setting, WarningKind::Open, OPEN_PORT);
    }
    Ok(listen)
}

/// Most threads for connections.
const IO_THREADS_MAX: u32 = 1024;

/// What an operator should know of a port that is not on the loopback interface.
pub(super) const OPEN_PORT: &str = "clients beyond this machine can connect, in clear text and \
    without authentication; znodes with open access lists are anyone's";

fn data_dir(table: &Table) -> Result<PathBuf, ConfigError> {
    table.text("dataDir").map(PathBuf::from).ok_or_else(|| {
        let need = "write dataDir=DIRECTORY, where snapshots and logs shall lie";
        table.invalid("dataDir", need)
    })
}

fn config(mut table: Table, listen: Listen) -> Result<Config, ConfigError> {
    let data_dir = data_dir(&table)?;
    let mut config = Config {
        data_log_dir: table
            .text("dataLogDir")
            .map_or_else(|| data_dir.clone(), PathBuf::from),
        data_dir_create: table.lenient_bool("datadir.autocreate", true),
        listen: vec![listen],
        listen_backlog: table.bound("clientPortListenBacklog")?.flatten(),
        io_threads: io_threads(&table)?,
        tcp_keep_alive: table.lenient_bool("clientTcpKeepAlive", false),
        session_timeout_min_ms: session_timeout(&table, "minSessionTimeout")?,
        session_timeout_max_ms: session_timeout(&table, "maxSessionTimeout")?,
        limits: limits(&mut table)?,
        storage: storage(&mut table)?,
        purge: purge(&mut table)?,
        words: words(&mut table),
        access: access(&mut table)?,
        containers: containers(&table)?,
        ..Config::new(data_dir)
    };
    if let Some(tick_time_ms) = table.positive("tickTime")? {
        config.tick_time_ms = tick_time_ms;
    }
    if let Err(need) = config.check() {
        let names = ["maxSessionTimeout", "minSessionTimeout", "tickTime"];
        let name = names.into_iter().find(|name| table.text(name).is_some());
        return Err(table.invalid(name.unwrap_or("tickTime"), need));
    }
    config.warnings = table.into_warnings();
    Ok(config)
}

fn io_threads(table: &Table) -> Result<Option<u32>, ConfigError> {
    let count = table.number("nio.numSelectorThreads", 1..=IO_THREADS_MAX.into())?;
    Ok(count.map(|count| count as u32))
}

fn session_timeout(table: &Table, name: &str) -> Result<Option<u32>, ConfigError> {
    match table.text(name) {
        Some("-1") => Ok(None),
        _ => table.positive(name),
    }
}

fn limits(table: &mut Table) -> Result<Limits, ConfigError> {
    let mut limits = Limits::APACHE;
    if let Some(bound) = table.bound("maxClientCnxns")? {
        limits.connections_per_address_max = bound;
        if bound.is_none() {
            let text = "a single address may take any number of connections";
            table.warn("maxClientCnxns", WarningKind::Open, text);
        }
    }
    if table
        .number("maxCnxns", i32::MIN.into()..=i32::MAX.into())?
        .is_some_and(|n| n < 0)
    {
        table.warn("maxCnxns", WarningKind::Adjusted, "is read as 0, no bound");
    }
    limits.connections_max = table.bound("maxCnxns")?.flatten();
    if let Some(len) = table.positive("jute.maxbuffer")? {
        limits.frame_len_max = len as usize;
    }
    if let Some(count) = table.positive("globalOutstandingLimit")? {
        limits.outstanding_max = count;
    }
    if let Some(timeout) = table.positive("nio.sessionlessCnxnTimeout")? {
        limits.handshake_timeout_ms = timeout;
    }
    Ok(limits)
}

fn storage(table: &mut Table) -> Result<Storage, ConfigError> {
    const KIB_MAX: i64 = i64::MAX / 1024;
    let mut storage = Storage::default();
    if let Some(count) = table.number("snapCount", i32::MIN.into()..=i32::MAX.into())? {
        if count < 2 {
            table.warn("snapCount", WarningKind::Adjusted, "is read as 2");
        }
        storage.snap_count = count.max(2) as u32;
    }
    if let Some(kib) = table.number("snapSizeLimitInKb", i64::MIN..=KIB_MAX)? {
        storage.snap_log_bytes = (kib > 0).then(|| kib as u64 * 1024);
    }
    if let Some(kib) = table.number("preAllocSize", 0..=KIB_MAX)? {
        storage.pre_alloc_bytes = kib as u64 * 1024;
    }
    if let Some(ms) = table.number("fsync.warningthresholdms", 0..=i64::MAX)? {
        storage.sync_warning_ms = ms as u64;
    }
    storage.sync = table.yes_no("forceSync", true);
    if !storage.sync {
        let text = "writes are acknowledged before they are on disk; a power failure loses them";
        table.warn("forceSync", WarningKind::Unsafe, text);
    }
    Ok(storage)
}

fn purge(table: &mut Table) -> Result<Option<Purge>, ConfigError> {
    let mut purge = Purge::DEFAULT;
    if let Some(count) = table.number(
        "autopurge.snapRetainCount",
        i32::MIN.into()..=i32::MAX.into(),
    )? {
        if count < i64::from(purge.snapshots_kept) {
            table.warn(
                "autopurge.snapRetainCount",
                WarningKind::Adjusted,
                "is read as 3",
            );
        }
        purge.snapshots_kept = purge.snapshots_kept.max(u32::try_from(count).unwrap_or(0));
    }
    let Some(text) = table.text("autopurge.purgeInterval") else {
        let kept = purge.snapshots_kept;
        let text = format!(
            "every hour all snapshots but {kept} are removed, with logs nobody needs; \
             Apache's server keeps them: for that write autopurge.purgeInterval=0"
        );
        table.warn("autopurge.purgeInterval", WarningKind::Adjusted, text);
        return Ok(Some(purge));
    };
    let Some(interval_ms) = interval_ms(text) else {
        let need = "must be a number of hours, or a number with ms, s, m, h or d";
        return Err(table.invalid("autopurge.purgeInterval", need));
    };
    purge.interval_ms = interval_ms;
    Ok((interval_ms > 0).then_some(purge))
}

/// Reads hours or, as from 3.10 on, a number with its unit; nothing negative comes back.
fn interval_ms(text: &str) -> Option<u64> {
    const HOUR_MS: i64 = 3_600_000;
    let units = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", HOUR_MS),
        ("d", 24 * HOUR_MS),
    ];
    let with_unit = units
        .iter()
        .find_map(|&(unit, ms)| Some((text.strip_suffix(unit)?, ms)));
    let (digits, unit_ms) = with_unit.unwrap_or((text, HOUR_MS));
    let interval = digits.trim().parse::<i64>().ok()?.checked_mul(unit_ms)?;
    Some(interval.max(0) as u64)
}

fn words(table: &mut Table) -> Whitelist {
    let read_only_enabled = table.lenient_bool("readonlymode.enabled", false);
    let name = "4lw.commands.whitelist";
    let text = table.text(name).unwrap_or_default().to_owned();
    let mut words = Whitelist::parse(&text);
    if read_only_enabled {
        words.allow(Word::Isro);
    }
    let listed = || {
        text.split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
    };
    let strange: Vec<_> = listed()
        .filter(|&w| w != "*" && Word::named(w).is_none())
        .collect();
    if !strange.is_empty() {
        let text = format!("this server has no answer to {}", strange.join(", "));
        table.warn(name, WarningKind::Missing, text);
    }
    if listed().any(|word| word == "*") {
        let text = "anyone who can connect may list clients, settings and directories; \
                    name the words that are needed";
        table.warn(name, WarningKind::Open, text);
    }
    words
}

fn access(table: &mut Table) -> Result<Access, ConfigError> {
    for (_, setting) in table.family("authProvider.") {
        let provider = setting
            .value()
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        match provider.as_str() {
            "DigestAuthenticationProvider" | "IPAuthenticationProvider" => {}
            "X509AuthenticationProvider" => {
                let text = "has no effect: there is no TLS yet, so nobody has a certificate";
                table.push(setting, WarningKind::Missing, text);
            }
            _ => {
                let instead = "this way to authenticate does not exist here yet, and those who \
                               rely on it would be locked out; remove the line to go without";
                return Err(ConfigError::unsupported(setting, instead));
            }
        }
    }
    if table.text("requireClientAuthScheme").is_some() {
        let text = "has no effect, nor has it with Apache's server: clients that do not \
                    authenticate are let in";
        table.warn("requireClientAuthScheme", WarningKind::Open, text);
    }
    let acl_skip = table.yes_no("skipACL", false);
    if acl_skip {
        let text = "access lists are not looked at: every client may read and change everything";
        table.warn("skipACL", WarningKind::Open, text);
    }
    let name = "DigestAuthenticationProvider.superDigest";
    let super_digest = table.text(name).map(str::to_owned);
    if super_digest
        .as_deref()
        .is_some_and(|digest| !is_digest(digest))
    {
        let text = "is not user:HASH with a SHA-1 hash in base64, so it matches nobody";
        table.warn(name, WarningKind::Ignored, text);
    }
    Ok(Access {
        super_digest: super_digest.map(Secret::new),
        acl_skip,
        quota_enforce: table.lenient_bool("enforceQuota", false),
        extended_types: table.lenient_bool("extendedTypesEnabled", false),
    })
}

/// Whether the text can be the identity of anyone: 20 bytes make 27 letters and a pad.
fn is_digest(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.split_once(':')
        .and_then(|(_, hash)| hash.strip_suffix('='))
        .is_some_and(|hash| hash.len() == 27 && hash.bytes().all(letter))
}

fn containers(table: &Table) -> Result<Containers, ConfigError> {
    let mut containers = Containers::default();
    if let Some(ms) = table.positive("znode.container.checkIntervalMs")? {
        containers.check_interval_ms = ms.into();
    }
    if let Some(count) = table.positive("znode.container.maxPerMinute")? {
        containers.per_minute_max = count;
    }
    if let Some(bound) = table.bound("znode.container.maxNeverUsedIntervalMs")? {
        containers.never_used_max_ms = bound.map(u64::from);
    }
    Ok(containers)
}

#[cfg(test)]
mod tests;
