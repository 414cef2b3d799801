//! Server lines, in the static file or in a dynamic one (`QuorumPeer.java`, `QuorumServer`):
//! `server.N=host:quorumPort:electionPort[:role][;[clientHost:]clientPort]`.

use std::path::Path;

use super::super::report::{ConfigError, Setting};
use super::super::table::Table;
use super::super::{Host, Listen};
use super::{ReadFile, any_as_in_java, file};

/// The server lines of a dynamic file, which must be the only place that has any.
pub(super) fn members_apart(
    table: &Table,
    path: &Path,
    read: ReadFile<'_>,
) -> Result<Vec<(String, Setting)>, ConfigError> {
    let families = ["server.", "group.", "weight."];
    if let Some((_, setting)) = families
        .iter()
        .flat_map(|family| table.family(family))
        .next()
    {
        let need = "belongs into the file that dynamicConfigFile names; move it there";
        return Err(ConfigError::invalid(setting, need));
    }
    let mut members = Vec::new();
    for setting in file(path, read)? {
        if let Some(id) = setting.key.strip_prefix("server.") {
            members.push((id.to_owned(), setting));
        } else if !families
            .iter()
            .any(|family| setting.key.starts_with(family))
        {
            let need = "a dynamic file holds server, group and weight lines only; \
                        move the line into the static file, or remove it if it is the version";
            return Err(ConfigError::invalid(setting, need));
        }
    }
    Ok(members)
}

/// The one member of a server that stands alone in spite of its server line.
pub(super) struct Member {
    pub(super) setting: Setting,
    pub(super) client: Option<Listen>,
}

/// One server line is a server alone, as it is for Apache's; several are an ensemble.
pub(super) fn sole_member(
    table: &Table,
    members: Vec<(String, Setting)>,
) -> Result<Option<Member>, ConfigError> {
    let standalone = table.strict_bool("standaloneEnabled", true)?;
    if table
        .number("electionAlg", i64::MIN..=i64::MAX)?
        .is_some_and(|algorithm| algorithm != 3)
    {
        return Err(table.invalid("electionAlg", "must be 3, the only one there is"));
    }
    if let Some((_, setting)) = members.get(1) {
        let instead = "several servers form an ensemble, and this server only runs alone yet; \
                       keep a single server line, or none";
        return Err(ConfigError::unsupported(setting.clone(), instead));
    }
    let Some((id, setting)) = members.into_iter().next() else {
        return Ok(None);
    };
    if !standalone {
        let instead = "an ensemble of one that may grow is not possible yet; \
                       remove the line to run a server alone";
        return Err(ConfigError::unsupported(
            table.setting("standaloneEnabled"),
            instead,
        ));
    }
    if id.parse::<i64>().is_err() {
        return Err(ConfigError::invalid(
            setting,
            "the name must be server.N with N a number",
        ));
    }
    let (addresses, client) = match setting.value().split_once(';') {
        Some((addresses, client)) => (addresses.to_owned(), Some(client.trim().to_owned())),
        None => (setting.value().to_owned(), None),
    };
    if addresses.trim_end().to_lowercase().ends_with(":observer") {
        return Err(ConfigError::invalid(
            setting,
            "an observer needs participants to observe",
        ));
    }
    let client = match client {
        Some(text) => Some(client_part(&text).ok_or_else(|| {
            let need = "what follows the semicolon must be a port, or an address and a port";
            ConfigError::invalid(setting.clone(), need)
        })?),
        None => None,
    };
    Ok(Some(Member { setting, client }))
}

/// Reads `[host:]port`.
fn client_part(text: &str) -> Option<Listen> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (any_as_in_java(Host::parse(host.trim())?), port),
        None => (Host::Any, text),
    };
    Some(Listen {
        host,
        port: port.trim().parse().ok()?,
    })
}
