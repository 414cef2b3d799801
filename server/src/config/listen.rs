//! Where to listen, as set: names are resolved when the server binds, not when it reads.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The interface.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// An interface to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Host {
    /// All of them.
    Any,
    /// The one with this address.
    Ip(IpAddr),
    /// The one that this name stands for when the server starts.
    Name(String),
}

impl Listen {
    /// A port of 127.0.0.1.
    pub const fn loopback(port: u16) -> Self {
        Self {
            host: Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port,
        }
    }

    /// Whether only this machine can connect, as far as can be told without resolving a name.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Any => false,
            Host::Ip(ip) => ip.to_canonical().is_loopback(),
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// The addresses to try; the first that can be bound is enough, as for Apache's server. For
    /// all interfaces it is the IPv6 one, which takes IPv4 as well, then the IPv4 one for machines
    /// without IPv6. May block to resolve a name.
    ///
    /// # Errors
    ///
    /// When the name cannot be resolved.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.host {
            Host::Any => Ok([Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()]
                .map(|ip: IpAddr| SocketAddr::new(ip, self.port))
                .to_vec()),
            Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, self.port)]),
            Host::Name(name) => Ok((name.as_str(), self.port).to_socket_addrs()?.collect()),
        }
    }
}

impl Host {
    /// Reads an address, brackets around it allowed, or a name; unspecified addresses are all
    /// interfaces, except that `0.0.0.0` keeps to IPv4.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let inner = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        match inner.unwrap_or(text).parse() {
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => Some(Self::Any),
            Ok(ip) => Some(Self::Ip(ip)),
            Err(_) => {
                let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
                (!text.is_empty() && text.chars().all(allowed)).then(|| Self::Name(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Any => write!(f, "*:{port}"),
            Host::Ip(ip) => SocketAddr::new(*ip, port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let any = Listen {
            host: Host::parse("::").expect("an address"),
            port: 1,
        };
        assert_eq!(any.to_string(), "*:1");
        assert_eq!(any.addresses().expect("no name").len(), 2);
        let v4 = Listen {
            host: Host::parse("0.0.0.0").expect("an address"),
            port: 1,
        };
        assert_eq!(
            (v4.to_string().as_str(), v4.is_loopback()),
            ("0.0.0.0:1", false)
        );
        let v6 = Listen {
            host: Host::parse("[::1]").expect("an address"),
            port: 1,
        };
        assert_eq!(
            (v6.to_string().as_str(), v6.is_loopback()),
            ("[::1]:1", true)
        );
        let name = Listen {
            host: Host::parse("zk-1.local").expect("a name"),
            port: 1,
        };
        assert_eq!(
            (name.to_string().as_str(), name.is_loopback()),
            ("zk-1.local:1", false)
        );
        for wrong in ["", "a b", "[x]", "a:1", "/tmp"] {
            assert_eq!(Host::parse(wrong), None, "{wrong:?}");
        }
    }
}
