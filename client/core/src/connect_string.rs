//! The connect string: `host:port[,host:port]*[/chroot]`.
//!
//! Read strictly: a stray comma or a port that is not a number is an error that names the piece,
//! not a server that is skipped in silence.

use std::fmt;
use std::str::FromStr;

use lockkeeper_wire::path::{Chroot, PathError};
use thiserror::Error;

/// The port of an entry that names none.
pub const DEFAULT_PORT: u16 = 2181;

/// One server of a connect string: a name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A host name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The client port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A connect string, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectString {
    /// The servers in the order given; never empty.
    pub servers: Vec<HostPort>,
    /// What is put before every path.
    pub chroot: Chroot,
}

/// Why a text is no connect string.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectStringError {
    /// An address has a bracket without its other half, text around it, or no brackets at all.
    #[error("{0:?} is no server: write an IPv6 address as [address]:port")]
    Address(String),
    /// The chroot is no path.
    #[error("chroot {chroot:?} is no znode path: {source}")]
    Chroot {
        /// The text from the first slash.
        chroot: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// No server is named.
    #[error("connect string names no server: write host:port[,host:port]*[/chroot]")]
    Empty,
    /// A comma has no server before or behind it.
    #[error("connect string has an empty entry at place {0}: remove the extra comma")]
    EmptyEntry(usize),
    /// A port is not a number from 1 to 65535.
    #[error("{0:?} has no valid port: write a number from 1 to 65535 behind the colon")]
    Port(String),
}

impl FromStr for ConnectString {
    type Err = ConnectStringError;

    fn from_str(text: &str) -> Result<Self, ConnectStringError> {
        let text = text.trim();
        let (list, chroot) = text.split_at(text.find('/').unwrap_or(text.len()));
        if list.trim().is_empty() {
            return Err(ConnectStringError::Empty);
        }
        let servers = list
            .split(',')
            .enumerate()
            .map(|(at, entry)| match entry.trim() {
                "" => Err(ConnectStringError::EmptyEntry(at)),
                entry => parse_entry(entry),
            })
            .collect::<Result<_, _>>()?;
        let chroot = Chroot::new(chroot).map_err(|source| ConnectStringError::Chroot {
            chroot: chroot.to_owned(),
            source,
        })?;
        Ok(Self { servers, chroot })
    }
}

fn parse_entry(entry: &str) -> Result<HostPort, ConnectStringError> {
    let address = || ConnectStringError::Address(entry.to_owned());
    let (host, port) = if let Some(rest) = entry.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(address)?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(address()),
        }
    } else {
        match entry.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(address()),
            Some((host, port)) => (host, Some(port)),
            None => (entry, None),
        }
    };
    if host.is_empty() || host.contains(['[', ']', ' ']) {
        return Err(address());
    }
    let port = match port.map(str::parse) {
        None => DEFAULT_PORT,
        Some(Ok(port)) if port != 0 => port,
        Some(_) => return Err(ConnectStringError::Port(entry.to_owned())),
    };
    Ok(HostPort {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConnectString, ConnectStringError> {
        text.parse()
    }

    #[test]
    fn servers_ports_and_chroot() {
        let read = parse("a:1, b ,[::1]:3,[fe80::2]/app/x").unwrap();
        let shown: Vec<_> = read.servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:1", "b:2181", "[::1]:3", "[fe80::2]:2181"]);
        assert_eq!(read.chroot.as_str(), "/app/x");
        assert_eq!(parse("a/").unwrap().chroot, Chroot::NONE);
    }

    #[test]
    fn mistakes_are_named() {
        use ConnectStringError::{Address, Chroot, Empty, EmptyEntry, Port};
        assert_eq!(parse(""), Err(Empty));
        assert_eq!(parse("/only"), Err(Empty));
        assert_eq!(parse("a:1,"), Err(EmptyEntry(1)));
        assert_eq!(parse(",a"), Err(EmptyEntry(0)));
        assert_eq!(parse("a:0"), Err(Port("a:0".into())));
        assert_eq!(parse("a:70000"), Err(Port("a:70000".into())));
        assert_eq!(parse("a:"), Err(Port("a:".into())));
        assert_eq!(parse("::1"), Err(Address("::1".into())));
        assert_eq!(parse("[::1"), Err(Address("[::1".into())));
        assert_eq!(parse(":2181"), Err(Address(":2181".into())));
        assert!(matches!(parse("a/b/"), Err(Chroot { .. })));
    }
}
