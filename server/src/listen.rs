//! Threads for client connections, and the socket they come from.
//!
//! Each thread runs a loop of its own; a connection stays on the thread it was given, so serving it
//! never hands work from one thread to another. The first thread also accepts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::connection::Connection;
use crate::links::{Link, Refusal};
use crate::node::{Shared, wall_ms};
use crate::status;

/// A pause before accepting again when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may take to accept its last bytes when the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

type Handed = (std::net::TcpStream, Arc<Link>);

/// Starts the threads; they end when the server stops.
pub(crate) fn spawn(
    listeners: Vec<std::net::TcpListener>,
    threads: usize,
    shared: &Arc<Shared>,
    status: &Arc<status::Source>,
    stop: &watch::Receiver<bool>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for _ in 0..threads.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel::<Handed>();
        senders.push(sender);
        receivers.push(receiver);
    }
    let mut listeners = Some((listeners, senders));
    let mut handles = Vec::new();
    for (index, mut receiver) in receivers.into_iter().enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (shared, status, mut stop) = (shared.clone(), status.clone(), stop.clone());
        let accepting = listeners.take();
        let last_words = shared.clone();
        let run = move || {
            let local = LocalSet::new();
            let spawn_shared = shared.clone();
            local.spawn_local(async move {
                while let Some((stream, link)) = receiver.recv().await {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => {
                            let (shared, status) = (spawn_shared.clone(), status.clone());
                            let connection = Connection::new(stream, link, shared, status);
                            tokio::task::spawn_local(connection);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "connection not taken");
                            spawn_shared.registry.leave(&link);
                        }
                    }
                }
            });
            if let Some((listeners, senders)) = accepting {
                let senders = Arc::new(senders);
                for listener in listeners {
                    local.spawn_local(accept(listener, senders.clone(), shared.clone()));
                }
            }
            // A server that has gone without a word stops its threads as well.
            let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
            runtime.block_on(local.run_until(stopped));
            runtime.block_on(local.run_until(farewell(&last_words)));
        };
        let name = format!("lk-io-{index}");
        handles.push(std::thread::Builder::new().name(name).spawn(run)?);
    }
    Ok(handles)
}

/// Lets the connections notice that the server stops and send what they still have.
async fn farewell(shared: &Shared) {
    let emptied = shared.registry.emptied.notified();
    if shared.registry.len() > 0 {
        let _ = tokio::time::timeout(FAREWELL, emptied).await;
    }
}

async fn accept(
    listener: std::net::TcpListener,
    senders: Arc<Vec<mpsc::UnboundedSender<Handed>>>,
    shared: Arc<Shared>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "listening socket cannot be used"),
    };
    let mut next = 0;
    while !shared.stopping.load(Ordering::Acquire) {
        match listener.accept().await {
            Ok((stream, peer)) => {
                next = (next + 1) % senders.len();
                if let Some(handed) = admit(stream, peer, &shared) {
                    // The receiving thread ends only with the server.
                    let _ = senders[next].send(handed);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept; raise the limit of open files if it lasts");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Enters a connection, or closes it when there are too many.
fn admit(stream: TcpStream, peer: SocketAddr, shared: &Shared) -> Option<Handed> {
    let limits = &shared.limits;
    let link = shared.registry.enter(
        peer.ip(),
        limits.connections_max,
        limits.connections_per_address_max,
        |id| {
            Link::new(
                id,
                peer,
                limits.unsent_len_max,
                shared.clock.mono_ms(),
                wall_ms(),
            )
        },
    );
    let link = match link {
        Ok(link) => link,
        Err(Refusal::Total(max)) => {
            tracing::warn!(%peer, max, "connection refused: too many in total; see maxCnxns");
            return None;
        }
        Err(Refusal::Address(max)) => {
            tracing::warn!(
                %peer, max,
                "connection refused: too many from one address; see maxClientCnxns",
            );
            return None;
        }
    };
    let stream = stream.set_nodelay(true).and_then(|()| stream.into_std());
    match stream {
        Ok(stream) => Some((stream, link)),
        Err(error) => {
            tracing::debug!(%peer, %error, "connection lost");
            shared.registry.leave(&link);
            None
        }
    }
}
