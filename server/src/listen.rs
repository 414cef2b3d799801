//! Threads for client connections and the replica, and the socket that connections come from.
//!
//! Each thread runs a loop of its own; a connection stays on the thread it was given, so serving it
//! never hands work from one thread to another. The first thread also accepts. On a small machine
//! it is the only one and has the replica, too: a write that comes alone then wakes nobody else.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use lockkeeper_journal::Disk;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::connection::Connection;
use crate::error::Failure;
use crate::links::{Link, Refusal};
use crate::node::{Node, Shared, wall_ms};
use crate::status;

/// A pause before accepting again when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may take to accept its last bytes when the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

type Handed = (std::net::TcpStream, Arc<Link>);

/// What one thread serves connections with.
struct Loop {
    runtime: Runtime,
    connections: mpsc::UnboundedReceiver<Handed>,
    /// The sockets to accept from, and whom to hand the connections to.
    accepting: Option<(
        Vec<std::net::TcpListener>,
        Vec<mpsc::UnboundedSender<Handed>>,
    )>,
    shared: Arc<Shared>,
    status: Arc<status::Source>,
}

/// The threads of a running server but for the disk's.
#[derive(Debug)]
pub(crate) struct Threads {
    /// The one with the replica, which ends with it.
    pub(crate) node: JoinHandle<Result<(), Failure>>,
    /// Those with connections alone; they end when they are told.
    pub(crate) io: Vec<JoinHandle<()>>,
}

/// Starts `count` threads for connections. A single one takes the replica in, otherwise that gets
/// a thread of its own.
pub(crate) fn spawn<D: Disk>(
    listeners: Vec<std::net::TcpListener>,
    count: usize,
    node: Node<D>,
    shared: &Arc<Shared>,
    status: &Arc<status::Source>,
    stop: &watch::Receiver<bool>,
) -> io::Result<Threads> {
    let mut senders = Vec::new();
    let mut loops = Vec::new();
    for _ in 0..count.max(1) {
        let (sender, connections) = mpsc::unbounded_channel();
        senders.push(sender);
        loops.push(Loop {
            runtime: Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build()?,
            connections,
            accepting: None,
            shared: shared.clone(),
            status: status.clone(),
        });
    }
    loops[0].accepting = Some((listeners, senders));
    let only = if loops.len() == 1 { loops.pop() } else { None };
    let io = loops.into_iter().enumerate().map(|(index, each)| {
        let mut stop = stop.clone();
        // A server that has gone without a word stops its threads as well.
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        thread(format!("lk-io-{index}"), move || each.run(stopped))
    });
    let io = io.collect::<io::Result<_>>()?;
    // Last, so that a failure before this ends what waits for the replica's end.
    let node = match only {
        Some(only) => thread("lk-io-0".into(), move || only.run(node.run()))?,
        None => {
            let runtime = Builder::new_current_thread().enable_time().build()?;
            thread("lk-replica".into(), move || runtime.block_on(node.run()))?
        }
    };
    Ok(Threads { node, io })
}

fn thread<T: Send + 'static>(
    name: String,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name).spawn(run)
}

impl Loop {
    /// Serves connections until `until` is over.
    fn run<T: 'static>(self, until: impl Future<Output = T> + 'static) -> T {
        let local = LocalSet::new();
        if let Some((listeners, senders)) = self.accepting {
            let senders = Arc::new(senders);
            for listener in listeners {
                local.spawn_local(accept(listener, senders.clone(), self.shared.clone()));
            }
        }
        local.spawn_local(take_over(
            self.connections,
            self.shared.clone(),
            self.status,
        ));
        // A task like the connections, behind those of them that have something to do.
        let until = local.spawn_local(until);
        let outcome = self.runtime.block_on(local.run_until(until));
        self.runtime
            .block_on(local.run_until(farewell(&self.shared)));
        outcome.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

/// Starts the tasks of the connections handed to this thread.
async fn take_over(
    mut connections: mpsc::UnboundedReceiver<Handed>,
    shared: Arc<Shared>,
    status: Arc<status::Source>,
) {
    while let Some((stream, link)) = connections.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let connection = Connection::new(stream, link, shared.clone(), status.clone());
                tokio::task::spawn_local(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "connection not taken");
                shared.registry.leave(&link);
            }
        }
    }
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
