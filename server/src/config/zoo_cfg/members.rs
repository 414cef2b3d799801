//! Server, group and weight lines, in the static file or in a dynamic one: whether they make an
//! ensemble, and who this server is in it (`QuorumPeerConfig.java`).

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use lockkeeper_wire::ServerId;
use lockkeeper_zab::{HostPort, Member, MemberRole, Membership, MembershipError};

use super::super::keys::bare;
use super::super::report::{ConfigError, Setting, WarningKind};
use super::super::table::Table;
use super::super::{Host, Listen};
use super::{ReadFile, any_as_in_java, data_dir, file};

const FAMILIES: [&str; 3] = ["server.", "group.", "weight."];

/// The lines, wherever they stand.
pub(super) struct Lines {
    /// Groups and weights.
    quorums: Vec<Setting>,
    servers: BTreeMap<ServerId, Line>,
    version: i64,
}

/// One server's line.
pub(super) struct Line {
    pub(super) setting: Setting,
    pub(super) member: Member,
}

/// What the lines make of this server.
pub(super) enum Standing {
    /// A server alone, in spite of a line it may have.
    Alone(Option<Line>),
    /// A member.
    Ensemble(Membership),
}

impl Lines {
    pub(super) fn read(table: &Table, read: ReadFile<'_>) -> Result<Self, ConfigError> {
        let of_table = |family| table.family(family).into_iter().map(|(_, setting)| setting);
        let mut settings = FAMILIES.into_iter().flat_map(of_table);
        let Some(path) = table.text("dynamicConfigFile").map(PathBuf::from) else {
            return Self::new(settings, 0);
        };
        if let Some(setting) = settings.next() {
            let need = "belongs into the file that dynamicConfigFile names; move it there";
            return Err(ConfigError::invalid(setting, need));
        }
        let of_family = |setting: &Setting| FAMILIES.iter().any(|f| setting.key.starts_with(f));
        let settings = file(&path, read)?;
        if let Some(setting) = settings.iter().find(|setting| !of_family(setting)) {
            let need = "a dynamic file holds server, group and weight lines only; \
                        move the line into the static file, or remove it if it is the version";
            return Err(ConfigError::invalid(setting.clone(), need));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::new(settings, Membership::version_in_name(&name))
    }

    fn new(settings: impl IntoIterator<Item = Setting>, version: i64) -> Result<Self, ConfigError> {
        let mut lines = Self {
            quorums: Vec::new(),
            servers: BTreeMap::new(),
            version,
        };
        for setting in settings {
            let Some(id) = bare(&setting.key).strip_prefix("server.") else {
                lines.quorums.push(setting);
                continue;
            };
            let Ok(sid) = id.parse().map(ServerId) else {
                let need = "the name must be server.N with N a number";
                return Err(ConfigError::invalid(setting, need));
            };
            let member = Member::parse(&setting.key, setting.value());
            let member = member.map_err(|error| refusal(setting.clone(), &error))?;
            let line = Line { setting, member };
            if let Some(other) = lines.servers.get(&sid) {
                let need = format!(
                    "server {sid} has another line, {}; give each server one line and a number of \
                     its own",
                    other.setting
                );
                return Err(ConfigError::invalid(line.setting, need));
            }
            lines.servers.insert(sid, line);
        }
        Ok(lines)
    }

    /// One participant is a server alone, as it is for Apache's, unless it is told otherwise.
    pub(super) fn standing(&mut self, table: &mut Table) -> Result<Standing, ConfigError> {
        let standalone = table.strict_bool("standaloneEnabled", true)?;
        if table
            .number("electionAlg", i64::MIN..=i64::MAX)?
            .is_some_and(|algorithm| algorithm != 3)
        {
            return Err(table.invalid("electionAlg", "must be 3, the only one there is"));
        }
        let role = |line: &Line| line.member.role;
        let observer = self
            .servers
            .values()
            .find(|line| role(line) == MemberRole::Observer);
        let participants = self.servers.len()
            - self
                .servers
                .values()
                .filter(|line| role(line) == MemberRole::Observer)
                .count();
        match (participants, observer) {
            (0, None) => return Ok(Standing::Alone(None)),
            (0, Some(observer)) => {
                let need = "an observer needs participants to observe";
                return Err(ConfigError::invalid(observer.setting.clone(), need));
            }
            (1, Some(observer)) if standalone => {
                let need = "the only participant would serve alone, with nothing to observe; \
                            write standaloneEnabled=false";
                return Err(ConfigError::invalid(observer.setting.clone(), need));
            }
            (1, None) if standalone => {
                let line = self.servers.pop_first().map(|(_, line)| line);
                return Ok(Standing::Alone(line));
            }
            _ => {}
        }
        self.check_addresses(table)?;
        let membership = self.membership()?;
        if let Some(text) = doubt(participants)
            && let Some(line) = self.servers.values().last()
        {
            table.push(line.setting.clone(), WarningKind::Adjusted, text);
        }
        Ok(Standing::Ensemble(membership))
    }

    /// A server's line.
    pub(super) fn take(&mut self, sid: ServerId) -> Option<Line> {
        self.servers.remove(&sid)
    }

    /// No two servers may be at one place: a link to the one would reach the other.
    fn check_addresses(&self, table: &Table) -> Result<(), ConfigError> {
        let several = table.text("multiAddress.enabled") == Some("true");
        let mut taken: BTreeMap<(String, u16), &Setting> = BTreeMap::new();
        for line in self.servers.values() {
            let Line { setting, member } = line;
            if member.addresses.len() > 1 && !several {
                let need = "several addresses need multiAddress.enabled=true, on every server";
                return Err(ConfigError::invalid(setting.clone(), need));
            }
            for address in &member.addresses {
                let host = address.host.to_lowercase();
                if matches!(host.as_str(), "0.0.0.0" | "::") {
                    continue;
                }
                for port in [address.quorum_port, address.election_port] {
                    if let Some(other) = taken.insert((host.clone(), port), setting) {
                        let need = format!(
                            "{host}:{port} is taken by {other}; give each server ports or a host \
                             of its own",
                        );
                        return Err(ConfigError::invalid(setting.clone(), need));
                    }
                }
            }
        }
        Ok(())
    }

    fn membership(&self) -> Result<Membership, ConfigError> {
        let servers = self.servers.values().map(|line| &line.setting);
        let settings = servers.chain(&self.quorums);
        let pairs = settings.map(|setting| (bare(&setting.key), setting.value()));
        Membership::from_settings(pairs, self.version).map_err(|error| {
            // What is wrong with a server's own line has been found before.
            let about = match &error {
                MembershipError::Number { key, .. } => self.quorum_line(key),
                MembershipError::NoGroup { sid } | MembershipError::NoWeight { sid } => {
                    self.servers.get(sid).map(|line| &line.setting)
                }
                _ => None,
            };
            let about = about.or(self.quorums.first()).cloned();
            let servers = || {
                self.servers
                    .values()
                    .next()
                    .map(|line| line.setting.clone())
            };
            match about.or_else(servers) {
                Some(setting) => refusal(setting, &error),
                None => ConfigError::usage(error.to_string()),
            }
        })
    }

    fn quorum_line(&self, key: &str) -> Option<&Setting> {
        self.quorums
            .iter()
            .find(|setting| bare(&setting.key) == key)
    }
}

/// What an operator should know of an ensemble of so many voters.
fn doubt(participants: usize) -> Option<String> {
    if participants <= 2 {
        let text = "the ensemble serves only while all participants are up; three bear the loss of \
                    one";
        Some(text.to_owned())
    } else if participants.is_multiple_of(2) {
        let one_less = participants - 1;
        Some(format!(
            "{participants} participants bear no more losses than {one_less} do"
        ))
    } else {
        None
    }
}

/// Reads which of these servers this one is.
pub(super) fn my_id(
    table: &Table,
    read: ReadFile<'_>,
    membership: &Membership,
) -> Result<ServerId, ConfigError> {
    let path = data_dir(table)?.join("myid");
    let members = membership.members().keys();
    let numbers: Vec<String> = members.map(ServerId::to_string).collect();
    let numbers = numbers.join(", ");
    let wrong = |need: String| ConfigError::MyId {
        path: path.clone(),
        need,
    };
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let need = "the file is missing; write into it which of the server lines stands for";
            return Err(wrong(format!("{need} this server, one of {numbers}")));
        }
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default();
    let Ok(sid) = line.trim().parse().map(ServerId) else {
        let need = format!("the first line is {line:?}; it must be a number, one of {numbers}");
        return Err(wrong(need));
    };
    if membership.member(sid).is_none() {
        let need = format!("there is no line server.{sid}; the lines are for {numbers}");
        return Err(wrong(need));
    }
    Ok(sid)
}

/// Where a server line says that clients connect.
pub(super) fn client_listen(line: &Line) -> Result<Option<Listen>, ConfigError> {
    let Some(HostPort { host, port }) = &line.member.client else {
        return Ok(None);
    };
    match Host::parse(host) {
        Some(host) => Ok(Some(Listen {
            host: any_as_in_java(host),
            port: *port,
        })),
        None => Err(ConfigError::invalid(line.setting.clone(), CLIENT_PART)),
    }
}

/// Other members tell clients what the line says.
pub(super) fn check_client(line: &Line, listen: &Listen) -> Result<(), ConfigError> {
    match &line.member.client {
        Some(told) if told.port != listen.port => {
            let need = format!(
                "clients are told port {}, and clientPort opens {}; leave the port in one place",
                told.port, listen.port
            );
            Err(ConfigError::invalid(line.setting.clone(), need))
        }
        _ => Ok(()),
    }
}

const CLIENT_PART: &str = "what follows the semicolon must be a port, or an address and a port";

/// An error of a line, with what to change.
fn refusal(setting: Setting, error: &MembershipError) -> ConfigError {
    let need = match error {
        MembershipError::ClientAddress { .. } => CLIENT_PART.to_owned(),
        MembershipError::Host { host, .. } => format!("{host:?} is not a host"),
        MembershipError::NoGroup { sid } => {
            format!("there are groups or weights, and server {sid} is in no group; add it to one")
        }
        MembershipError::NoWeight { sid } => format!(
            "server {sid} is in a group, but is no participant; take it out, or write weight.{sid}=0"
        ),
        MembershipError::Number { text, .. } => format!("{text:?} is not a number that fits"),
        MembershipError::OnePort { .. } => {
            "the quorum port and the election port must differ".to_owned()
        }
        MembershipError::Role { text, .. } => {
            format!("{text:?} is neither participant nor observer")
        }
        MembershipError::ServerAddress { .. } => {
            "must be host:quorumPort:electionPort, then :participant or :observer if it is said, \
             then ; and the port for clients"
                .to_owned()
        }
        MembershipError::SeveralRoles { .. } => {
            "all addresses of a server must give it the same role".to_owned()
        }
        MembershipError::SeveralGroups { sid } => {
            format!("server {sid} is in several groups; leave it in one")
        }
        error => error.to_string(),
    };
    ConfigError::invalid(setting, need)
}

#[cfg(test)]
mod tests;
