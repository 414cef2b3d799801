//! One server of a membership, and its line:
//! `host:quorumPort:electionPort[:role][|...][;[host:]clientPort[;[host:]securePort]]`
//! (`QuorumPeer.QuorumServer`).

use std::fmt;

use super::error::MembershipError;

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberRole {
    /// It votes, and may lead.
    Participant,
    /// It only learns.
    Observer,
}

/// A host by name or address, never resolved here, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Where other servers reach a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberAddress {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// Where it takes learners while it leads.
    pub quorum_port: u16,
    /// Where it takes notifications.
    pub election_port: u16,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where other servers reach it, at least one, sorted by host.
    pub addresses: Vec<MemberAddress>,
    /// What it is for.
    pub role: MemberRole,
    /// Where clients reach it; `None` when the line leaves that to the server's own file.
    pub client: Option<HostPort>,
    /// Where clients reach it with TLS; only servers since 3.10 understand it in the line.
    pub secure_client: Option<HostPort>,
}

impl Member {
    /// Reads the value of a server line; `key` is named in errors.
    pub fn parse(key: &str, line: &str) -> Result<Self, MembershipError> {
        // Empty parts at the end do not count, as in Java.
        let line = line.trim_end_matches(';');
        let mut parts = line.split(';');
        let servers = parts.next().unwrap_or_default();
        let client = parts.next().filter(|text| !text.is_empty());
        let secure_client = parts.next();
        if parts.next().is_some() {
            return Err(MembershipError::ServerAddress {
                key: key.to_owned(),
                text: line.to_owned(),
            });
        }
        let mut addresses = Vec::new();
        let mut role = None;
        for text in servers.trim_end_matches('|').split('|') {
            let (address, its_role) = parse_address(key, text)?;
            addresses.push(address);
            if its_role.is_some() && role.is_some() && its_role != role {
                return Err(MembershipError::SeveralRoles {
                    key: key.to_owned(),
                });
            }
            role = role.or(its_role);
        }
        addresses.sort();
        addresses.dedup();
        let client_address = |text: &str| parse_client(key, text);
        Ok(Self {
            addresses,
            role: role.unwrap_or(MemberRole::Participant),
            client: client.map(client_address).transpose()?,
            secure_client: secure_client.map(client_address).transpose()?,
        })
    }
}

/// Splits at colons, but not inside the brackets of an IPv6 host.
fn split_host(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            Some((host, rest.strip_prefix(':')?))
        }
        None => text.split_once(':'),
    }
}

fn parse_address(
    key: &str,
    text: &str,
) -> Result<(MemberAddress, Option<MemberRole>), MembershipError> {
    let malformed = || MembershipError::ServerAddress {
        key: key.to_owned(),
        text: text.to_owned(),
    };
    let (host, rest) = split_host(text).ok_or_else(malformed)?;
    let mut fields = rest.trim_end_matches(':').split(':');
    let (Some(quorum), Some(election)) = (fields.next(), fields.next()) else {
        return Err(malformed());
    };
    let role = fields.next();
    if fields.next().is_some() {
        return Err(malformed());
    }
    let address = MemberAddress {
        host: checked_host(key, host)?,
        quorum_port: quorum.trim().parse().map_err(|_| malformed())?,
        election_port: election.trim().parse().map_err(|_| malformed())?,
    };
    if address.quorum_port == address.election_port {
        return Err(MembershipError::OnePort {
            key: key.to_owned(),
        });
    }
    let role = role.map(|text| match text.trim().to_lowercase().as_str() {
        "participant" => Ok(MemberRole::Participant),
        "observer" => Ok(MemberRole::Observer),
        _ => Err(MembershipError::Role {
            key: key.to_owned(),
            text: text.to_owned(),
        }),
    });
    Ok((address, role.transpose()?))
}

fn parse_client(key: &str, text: &str) -> Result<HostPort, MembershipError> {
    let (host, port) = split_host(text).unwrap_or(("0.0.0.0", text));
    Ok(HostPort {
        host: checked_host(key, host)?,
        port: port
            .trim()
            .parse()
            .map_err(|_| MembershipError::ClientAddress {
                key: key.to_owned(),
                text: text.to_owned(),
            })?,
    })
}

/// A host must survive being written into a line and read from it again.
fn checked_host(key: &str, host: &str) -> Result<String, MembershipError> {
    let host = host.trim();
    let breaks = |c: char| c.is_whitespace() || c.is_control() || "\\|;,[]".contains(c);
    match host.is_empty() || host.contains(breaks) {
        true => Err(MembershipError::Host {
            key: key.to_owned(),
            host: host.to_owned(),
        }),
        false => Ok(host.to_owned()),
    }
}

/// A host as it stands before a port.
struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.contains(':') {
            true => write!(f, "[{}]", self.0),
            false => f.write_str(self.0),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bracketed(&self.host), self.port)
    }
}

impl fmt::Display for MemberAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = Bracketed(&self.host);
        write!(f, "{host}:{}:{}", self.quorum_port, self.election_port)
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Participant => "participant",
            Self::Observer => "observer",
        })
    }
}

/// The value of the server line, as Apache's servers write it.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if i == 0 { "" } else { "|" })?;
        }
        write!(f, ":{}", self.role)?;
        match (&self.client, &self.secure_client) {
            (None, None) => Ok(()),
            (Some(client), None) => write!(f, ";{client}"),
            (None, Some(secure)) => write!(f, ";;{secure}"),
            (Some(client), Some(secure)) => write!(f, ";{client};{secure}"),
        }
    }
}
