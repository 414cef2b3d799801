//! Where the members are: hosts as configured, resolved anew at every attempt, since names move.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lockkeeper_wire::ServerId;
use lockkeeper_zab::{HostPort, Member, Membership};

/// Where a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) quorum: Vec<HostPort>,
    pub(crate) election: Vec<HostPort>,
}

/// Where all members are, this one too.
pub(crate) type Directory = BTreeMap<ServerId, Place>;

pub(crate) fn directory(membership: &Membership) -> Directory {
    let members = membership.members().iter();
    members.map(|(&sid, member)| (sid, place(member))).collect()
}

fn place(member: &Member) -> Place {
    let port = |host: &String, port| HostPort {
        host: host.clone(),
        port,
    };
    let addresses = &member.addresses;
    let quorum = addresses.iter().map(|at| port(&at.host, at.quorum_port));
    let election = addresses.iter().map(|at| port(&at.host, at.election_port));
    Place {
        quorum: quorum.collect(),
        election: election.collect(),
    }
}

/// Reads `host:port`, an IPv6 host in brackets.
pub(super) fn parse(text: &str) -> Option<HostPort> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let host = match bracketed {
        Some(inner) => inner,
        None if host.is_empty() || host.contains(':') => return None,
        None => host,
    };
    Some(HostPort {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

/// Whether the address names an interface to listen on, and nothing to connect to.
pub(super) fn is_wildcard(address: &HostPort) -> bool {
    let ip = address.host.parse();
    ip.is_ok_and(|ip: IpAddr| ip.is_unspecified())
}

/// Addresses as an operator reads them.
pub(super) fn list(addresses: &[HostPort]) -> String {
    let texts: Vec<String> = addresses.iter().map(HostPort::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["zk1:3888", "10.0.0.1:3888", "[::1]:3888"] {
            let address = parse(text).expect("an address");
            assert_eq!(address.to_string(), text);
            assert_eq!(address.port, 3888, "{text}");
        }
        for text in ["", "zk1", ":3888", "::1:3888", "zk1:", "zk1:65536", "zk1:x"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn nobody_connects_to_a_wildcard() {
        for (text, wildcard) in [
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("zk1:1", false),
            ("127.0.0.1:1", false),
        ] {
            let address = parse(text).expect("an address");
            assert_eq!(is_wildcard(&address), wildcard, "{text}");
        }
    }

    #[test]
    fn a_membership_says_where_everybody_is() {
        let membership: Membership =
            "server.1=zk1:2888:3888;2181\nserver.7=[::1]:2889:3889:observer"
                .parse()
                .expect("a membership");
        let directory = directory(&membership);
        let places: Vec<_> = directory
            .iter()
            .map(|(sid, place)| (sid.0, list(&place.quorum), list(&place.election)))
            .collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            places,
            [
                (1, text("zk1:2888"), text("zk1:3888")),
                (7, text("[::1]:2889"), text("[::1]:3889")),
            ]
        );
    }
}
