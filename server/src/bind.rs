//! Sockets to accept from.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{Host, Listen};

/// Connections that may wait to be accepted, unless set.
const BACKLOG: u32 = 1024;

/// Binds the first address of a name that can be bound.
pub(crate) fn bind(listen: &Listen, backlog: Option<u32>) -> io::Result<TcpListener> {
    bind_first(listen.addresses()?, listen.host == Host::Any, backlog)
}

/// Binds the first address that can be bound; `any` stands for IPv4 and IPv6 alike.
pub(crate) fn bind_first(
    addresses: impl IntoIterator<Item = SocketAddr>,
    any: bool,
    backlog: Option<u32>,
) -> io::Result<TcpListener> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match bind_address(address, any, backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_address(address: SocketAddr, any: bool, backlog: Option<u32>) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if any && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.unwrap_or(BACKLOG).min(i32::MAX as u32) as i32)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
