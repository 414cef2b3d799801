//! Sockets between members: how they are opened, on both sides.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::future::select_ok;
use lockkeeper_zab::HostPort;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use super::address::{Directory, is_wildcard, list};
use super::tls::Tls;
use crate::bind::bind_first;
use crate::stream::Stream;

/// A pause before the next attempt to bind or to accept.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a peer's machine may be silent before its connection is given up: election links are
/// idle for months, and a machine that went down without a word must not keep one.
const SILENCE: Duration = Duration::from_secs(10);

/// Connects to one of the addresses, all tried at once: a member that has several is reached as
/// long as one of its networks is up. Names are resolved anew.
pub(super) async fn dial(
    addresses: &[HostPort],
    tls: Option<&Tls>,
    patience: Duration,
) -> io::Result<Stream> {
    let reachable = addresses.iter().filter(|address| !is_wildcard(address));
    let attempts: Vec<_> = reachable
        .map(|address| Box::pin(connect(address, tls)))
        .collect();
    if attempts.is_empty() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    let connected = tokio::time::timeout(patience, select_ok(attempts)).await;
    let (stream, _) = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(stream)
}

async fn connect(address: &HostPort, tls: Option<&Tls>) -> io::Result<Stream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    prepare(&stream)?;
    match tls {
        Some(tls) => tls.connect(stream, &address.host).await,
        None => Ok(Stream::Plain(stream)),
    }
}

/// Brings an accepted connection to where a member may speak on it.
pub(super) async fn secure(
    stream: TcpStream,
    tls: Option<&Tls>,
    directory: &RefCell<Directory>,
) -> io::Result<Stream> {
    match tls {
        Some(tls) => tls.accept(stream, directory).await,
        None => Ok(Stream::Plain(stream)),
    }
}

/// Sets what both ends of a connection between members have set.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(SILENCE / 2);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// Has a write that is not acknowledged end the connection. Not for links that carry images: a
/// receiver that is busy does not acknowledge either.
pub(super) fn give_up_on_silence(stream: &TcpStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(SILENCE))?;
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
    Ok(())
}

/// Opens a member's own port on each of its addresses, or on all interfaces. A name that does not
/// resolve yet and a port that is still taken are waited for, for so many attempts or for ever.
pub(super) async fn bind(
    addresses: &[HostPort],
    everywhere: bool,
    attempts_max: Option<u32>,
) -> io::Result<Vec<TcpListener>> {
    let mut attempts = 0;
    loop {
        let failure = match bind_each(addresses, everywhere).await {
            Ok(listeners) => return Ok(listeners),
            Err(failure) => failure,
        };
        attempts += 1;
        if attempts_max.is_some_and(|max| attempts >= max) {
            return Err(failure);
        }
        let addresses = list(addresses);
        tracing::warn!(%addresses, error = %failure, "cannot listen for other members yet");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn bind_each(addresses: &[HostPort], everywhere: bool) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    if everywhere {
        let mut ports: Vec<u16> = addresses.iter().map(|address| address.port).collect();
        ports.sort_unstable();
        ports.dedup();
        for port in ports {
            let all: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
            let bound = bind_first(all.map(|ip| SocketAddr::new(ip, port)), true, None)?;
            listeners.push(TcpListener::from_std(bound)?);
        }
    } else {
        for address in addresses {
            let found = lookup_host((address.host.as_str(), address.port)).await?;
            let bound = bind_first(found, false, None)?;
            listeners.push(TcpListener::from_std(bound)?);
        }
    }
    Ok(listeners)
}

/// The next connection. Nothing of it is waited for here: whoever connects and says nothing must
/// not keep others out (ZOOKEEPER-2164).
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, peer)| prepare(&stream).map(|()| (stream, peer))) {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "connection of a member not accepted");
                tokio::time::sleep(PAUSE / 10).await;
            }
        }
    }
}
