//! The settings of a member.

use std::path::PathBuf;

use lockkeeper_wire::ServerId;
use lockkeeper_zab::{MemberRole, Membership};

use super::super::ensemble::{
    ClientAuth, Election, Ensemble, LOG_SYNC_FACTOR, LocalSessions, QuorumTls, RECENT_MIN,
};
use super::super::report::{ConfigError, WarningKind};
use super::super::table::Table;

/// The largest id that is compatible with znodes that have a time to live: their owner's id has
/// another meaning for its highest byte (`EphemeralType.java`).
const TTL_SID_MAX: i64 = 254;

pub(super) fn ensemble(
    table: &mut Table,
    sid: ServerId,
    membership: Membership,
) -> Result<Ensemble, ConfigError> {
    check_role(table, sid, &membership);
    check_id(table, sid)?;
    let mut ensemble = Ensemble {
        init_limit: limit(
            table,
            "initLimit",
            "10",
            "find a leader and get in step with it",
        )?,
        sync_limit: limit(
            table,
            "syncLimit",
            "5",
            "say nothing before the others give it up",
        )?,
        connect_limit: table.bound("connectToLearnerMasterLimit")?.flatten(),
        listen_everywhere: table.strict_bool("quorumListenOnAllIPs", false)?,
        leader_serves: table.yes_no("leaderServes", true),
        empty_is_new: table.lenient_bool("db.autocreate", true),
        local_sessions: local_sessions(table)?,
        read_only: table.lenient_bool("readonlymode.enabled", false),
        election: election(table)?,
        tls: tls(table)?,
        log_sync_factor: log_sync_factor(table)?,
        ..Ensemble::new(sid, membership)
    };
    if let Some(ms) = table.positive("leaderConnectDelayDuringRetryMs")? {
        ensemble.connect_pause_ms = ms;
    }
    if let Some(count) = table.number("commitLogCount", i32::MIN.into()..=i32::MAX.into())? {
        let fewest = i64::from(RECENT_MIN);
        if count < fewest {
            let text = format!("is read as {fewest}");
            table.warn("commitLogCount", WarningKind::Adjusted, text);
        }
        ensemble.recent_max = count.max(fewest) as u32;
    }
    Ok(ensemble)
}

/// A number of ticks that an ensemble cannot do without.
fn limit(table: &Table, name: &str, usual: &str, what: &str) -> Result<u32, ConfigError> {
    table.positive(name)?.ok_or_else(|| {
        let need = format!(
            "write {name}={usual}, on every server: how many ticks a member may take to {what}"
        );
        table.invalid(name, need)
    })
}

/// The server line says what a member is; the other key is a reminder.
fn check_role(table: &mut Table, sid: ServerId, membership: &Membership) {
    let Some(text) = table.text("peerType").map(str::to_lowercase) else {
        return;
    };
    let role = match membership.role(sid) {
        Some(MemberRole::Observer) => "observer",
        _ => "participant",
    };
    if text != role {
        let text = format!("does not count: the line server.{sid} makes this server a {role}");
        table.warn("peerType", WarningKind::Adjusted, text);
    }
}

fn check_id(table: &mut Table, sid: ServerId) -> Result<(), ConfigError> {
    if (0..=TTL_SID_MAX).contains(&sid.0) {
        return Ok(());
    }
    if table.lenient_bool("extendedTypesEnabled", false) {
        let need = format!(
            "znodes with a time to live need server ids from 0 to {TTL_SID_MAX}, and this server's \
             is {sid}; change its line and myid, or remove this line"
        );
        return Err(table.invalid("extendedTypesEnabled", need));
    }
    Ok(())
}

fn tls(table: &mut Table) -> Result<Option<QuorumTls>, ConfigError> {
    let dial = table.strict_bool("sslQuorum", false)?;
    let accept_plain = table.strict_bool("portUnification", false)?;
    if !dial && !accept_plain {
        return Ok(None);
    }
    let name = "ssl.quorum.clientAuth";
    let client_auth = match table.text(name).map(str::to_lowercase).as_deref() {
        None | Some("need") => ClientAuth::Need,
        Some("want") => ClientAuth::Want,
        Some("none") => ClientAuth::None,
        Some(_) => return Err(table.invalid(name, "must be need, want or none")),
    };
    if client_auth != ClientAuth::Need {
        let text = "who connects need not show a certificate: anyone may vote and follow";
        table.warn(name, WarningKind::Open, text);
    }
    let name = "ssl.quorum.hostnameVerification";
    let verify_hosts = table.lenient_bool(name, true);
    if !verify_hosts {
        let text = "a certificate of any server, if its authority is known, passes for a member's";
        table.warn(name, WarningKind::Open, text);
    }
    if accept_plain {
        let text = "members are let in without TLS too; write false when all of them have it";
        table.warn("portUnification", WarningKind::Open, text);
    }
    Ok(Some(QuorumTls {
        dial,
        accept_plain,
        key_store: store(
            table,
            "keyStore",
            "this member's private key and certificates",
        )?,
        trust_store: store(
            table,
            "trustStore",
            "the authorities of all members' certificates",
        )?,
        client_auth,
        verify_hosts,
    }))
}

/// A file of TLS, which has to be in PEM.
fn store(table: &Table, store: &str, what: &str) -> Result<PathBuf, ConfigError> {
    let name = format!("ssl.quorum.{store}.location");
    let Some(location) = table.text(&name) else {
        let need = format!("write {name}=FILE.pem, a file with {what}");
        return Err(table.invalid(&name, need));
    };
    let kind = table.text(&format!("ssl.quorum.{store}.type"));
    let is_pem = match kind {
        Some(kind) => kind.eq_ignore_ascii_case("PEM"),
        None => location.to_lowercase().ends_with(".pem"),
    };
    if !is_pem {
        let need = "only PEM files are read; export the store with keytool and \
                    openssl pkcs12 -nodes, and name the file .pem";
        return Err(table.invalid(&name, need));
    }
    Ok(PathBuf::from(location))
}

fn local_sessions(table: &mut Table) -> Result<LocalSessions, ConfigError> {
    let name = "localSessionsUpgradingEnabled";
    let upgraded = table.strict_bool(name, false)?;
    Ok(match table.strict_bool("localSessionsEnabled", false)? {
        true if upgraded => LocalSessions::Upgraded,
        true => LocalSessions::Only,
        false => {
            if upgraded {
                let text = "has no effect without localSessionsEnabled=true";
                table.warn(name, WarningKind::Ignored, text);
            }
            LocalSessions::None
        }
    })
}

fn election(table: &Table) -> Result<Election, ConfigError> {
    let mut election = Election {
        bind_attempts_max: table.bound("electionPortBindRetry")?.flatten(),
        greeting_timeout_ms: table.bound("quorumCnxnTimeoutMs")?.flatten(),
        ..Election::default()
    };
    let times = [
        ("cnxTimeout", &mut election.connect_timeout_ms),
        (
            "fastleader.minNotificationInterval",
            &mut election.wait_min_ms,
        ),
        (
            "fastleader.maxNotificationInterval",
            &mut election.wait_max_ms,
        ),
    ];
    for (name, ms) in times {
        if let Some(set) = table.positive(name)? {
            *ms = set;
        }
    }
    if election.wait_min_ms > election.wait_max_ms {
        let names = [
            "fastleader.maxNotificationInterval",
            "fastleader.minNotificationInterval",
        ];
        let name = names.into_iter().find(|name| table.text(name).is_some());
        let need = format!(
            "the first wait, {} ms, is above the longest, {} ms; they are 200 and 60000 unless set",
            election.wait_min_ms, election.wait_max_ms
        );
        return Err(table.invalid(name.unwrap_or(names[0]), need));
    }
    Ok(election)
}

fn log_sync_factor(table: &mut Table) -> Result<Option<f64>, ConfigError> {
    let name = "snapshotSizeFactor";
    let Some(text) = table.text(name) else {
        return Ok(Some(LOG_SYNC_FACTOR));
    };
    match text.parse::<f64>() {
        Ok(factor) if factor < 0.0 => Ok(None),
        Ok(factor) if factor <= 1.0 => Ok(Some(factor)),
        Ok(factor) if factor.is_nan() => Err(table.invalid(name, "must be a number")),
        Ok(_) => {
            let text = format!("is above 1 and read as {LOG_SYNC_FACTOR}");
            table.warn(name, WarningKind::Adjusted, text);
            Ok(Some(LOG_SYNC_FACTOR))
        }
        Err(_) => Err(table.invalid(
            name,
            "must be a number; a negative one always sends snapshots",
        )),
    }
}
