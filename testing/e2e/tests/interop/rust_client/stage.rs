//! What a check gets, and the loop that runs them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lockkeeper::{
    Builder, Client, CreateMode, CreateOptions, Created, Error, ErrorCode, EventType,
    PersistentWatch, State, WatchEvent, WatchItem,
};
use lockkeeper_e2e::{Peer, Proxy};

/// Far beyond what any check takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) const ENOUGH_TIME_TO_LIVE: Duration = Duration::from_secs(3600);

pub(super) type Check = fn(Stage) -> Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Standalone,
    Ensemble,
}

/// A server behind a proxy, a session with it, and a znode to work below.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) kind: Kind,
    pub(super) peer: Peer,
    pub(super) proxy: Arc<Proxy>,
    /// The servers; the proxy leads to the first of them.
    pub(super) members: Vec<SocketAddr>,
    /// A session without the proxy, so that no cut touches it.
    pub(super) client: Client,
    /// The path of an empty znode.
    pub(super) root: String,
}

impl Stage {
    /// A path below the check's own znode.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.root)
    }

    /// Settings of a session that runs through the proxy.
    pub(super) fn builder(&self) -> Builder {
        Client::builder(self.proxy.connect_string()).session_timeout(SESSION_TIMEOUT)
    }

    /// A session of its own through the proxy.
    pub(super) async fn open(&self) -> Client {
        self.builder().connect().await.expect("a session")
    }

    /// Creates a znode without data.
    pub(super) async fn make(&self, name: &str, options: impl Into<CreateOptions>) -> Created {
        let create = self.client.create(&self.path(name), "", options);
        create.await.expect("the znode can be made")
    }

    /// Creates a persistent znode without data; returns its path.
    pub(super) async fn plain(&self, name: &str) -> String {
        self.make(name, CreateMode::Persistent).await.path
    }
}

/// Runs every check; panics at the end with those that failed.
pub(super) async fn run(
    checks: Vec<(&'static str, Check)>,
    kind: Kind,
    peer: Peer,
    proxy: Proxy,
    members: &[SocketAddr],
) {
    let builder = Client::builder(members[0].to_string()).session_timeout(SESSION_TIMEOUT);
    let client = builder.connect().await.expect("a session");
    let top = client.create("/rust-ops-", "", CreateMode::PersistentSequential);
    let top = top.await.expect("the root lets everyone create").path;
    let proxy = Arc::new(proxy);
    let mut failed = Vec::new();
    let total = checks.len();
    for (name, check) in checks {
        let root = format!("{top}/{name}");
        let create = client.create(&root, "", CreateMode::Persistent);
        create.await.expect("a fresh path");
        let stage = Stage {
            kind,
            peer,
            proxy: Arc::clone(&proxy),
            members: members.to_vec(),
            client: client.clone(),
            root,
        };
        let running = tokio::spawn(tokio::time::timeout(PATIENCE, check(stage)));
        match running.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => failed.push(format!("{name}: not within {PATIENCE:?}")),
            Err(panicked) => failed.push(format!("{name}: {panicked}")),
        }
        proxy.redirect(members[0]);
    }
    println!("{peer}: {} of {total} checks passed", total - failed.len());
    assert!(failed.is_empty(), "{peer}: {}", failed.join("\n"));
    client.close().await.expect("an orderly end");
}

/// The server's code for a call that must be refused.
pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
    let error = result.expect_err("it must be refused");
    error
        .code()
        .unwrap_or_else(|| panic!("no refusal: {error}"))
}

/// The kind and the path of an event.
pub(super) fn told(event: WatchEvent) -> (EventType, String) {
    (event.kind, event.path)
}

/// The next event of a persistent watch; a mark that it was armed again is none.
pub(super) async fn next_event(watch: &mut PersistentWatch) -> (EventType, String) {
    match watch.next().await.expect("the session lives") {
        WatchItem::Event(event) => told(event),
        WatchItem::Rearmed => panic!("armed again without a reason"),
    }
}

/// Cuts every link and returns when this client has a new one.
pub(super) async fn cut(stage: &Stage, client: &Client) {
    let mut states = client.states();
    let before = states.next().await;
    assert_eq!(before.state, State::Connected);
    stage.proxy.cut();
    // Both changes may have come before the look, which then shows only the later one.
    while states.next().await.state != State::Connected {}
}
