//! A server, clients of it, clients behind a proxy that breaks their links, and patience.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lockkeeper::path::join;
use lockkeeper::{Client, Error, ErrorCode};
use lockkeeper_e2e::Proxy;
use lockkeeper_recipes::{Guard, LockError, Mutex};
use lockkeeper_server::embed::{Embedded, embed};
use tokio::task::JoinHandle;

/// Far beyond what anything here takes; reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const SESSION_TIMEOUT: Duration = Duration::from_secs(4);

/// Connect string of the server under test: `LOCKKEEPER_TEST_SERVER`, or one of our own that all
/// tests of the process share.
pub(crate) async fn server() -> String {
    static OWN: OnceLock<Embedded> = OnceLock::new();
    std::env::var("LOCKKEEPER_TEST_SERVER").unwrap_or_else(|_| {
        let own = OWN.get_or_init(|| embed().tick_time_ms(500).start().expect("it can start"));
        own.connect_string()
    })
}

pub(crate) async fn connect(server: &str) -> Client {
    let builder = Client::builder(server).session_timeout(SESSION_TIMEOUT);
    builder
        .connect()
        .await
        .expect("the server takes the session")
}

/// A client whose link goes through a proxy.
pub(crate) struct Lane {
    pub(crate) proxy: Proxy,
    pub(crate) client: Client,
}

impl Lane {
    pub(crate) async fn open() -> Self {
        Self::open_for(SESSION_TIMEOUT).await
    }

    /// With a session that outlives its link for so long.
    pub(crate) async fn open_for(session_timeout: Duration) -> Self {
        let upstream = server().await.parse().expect("an address");
        let proxy = Proxy::start(upstream).expect("a port is free");
        let builder = Client::builder(proxy.connect_string()).session_timeout(session_timeout);
        let client = builder
            .connect()
            .await
            .expect("the server takes the session");
        Self { proxy, client }
    }
}

/// A path that no other test and no earlier run has used.
pub(crate) fn fresh_path(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let run = since.expect("the clock is past 1970").as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("/recipes-{run}-{count}/{name}")
}

/// A lock on a path whose parents exist, so that later requests can be counted.
pub(crate) async fn prepared(client: &Client, path: &str) -> Mutex {
    let lock = Mutex::new(client, path).unwrap();
    lock.lock().await.unwrap().release().await.unwrap();
    lock
}

/// Joins the queue as its `position`-th member, from 0, and returns when that is so.
pub(crate) async fn enqueue(lock: &Mutex, position: usize) -> JoinHandle<Result<Guard, LockError>> {
    let waiting = lock.clone();
    let task = tokio::spawn(async move { waiting.lock().await });
    eventually("queued", async || {
        lock.queue_position().await.unwrap() == position + 1
    })
    .await;
    task
}

/// The guard of a queued contender.
pub(crate) async fn granted(task: JoinHandle<Result<Guard, LockError>>) -> Guard {
    let waited = tokio::time::timeout(PATIENCE, task).await;
    waited.expect("granted in time").unwrap().unwrap()
}

pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn children(client: &Client, path: &str) -> Vec<String> {
    match client.children(path).await {
        Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Vec::new(),
        children => children.unwrap(),
    }
}

/// Path of the one contender besides the one at `known`.
pub(crate) async fn other_contender(client: &Client, path: &str, known: &str) -> String {
    let children = children(client, path).await;
    let mut others = children.iter().map(|name| join(path, name));
    others.find(|other| other != known).expect("two contenders")
}

/// No contender is left, or will be soon.
pub(crate) async fn assert_clean(client: &Client, path: &str) {
    eventually("no contender is left", async || {
        children(client, path).await.is_empty()
    })
    .await;
}

/// Ends a session behind its client's back: whoever knows its password may close it.
///
/// The victim may take the session back before that is done, so it is done until it holds.
pub(crate) async fn kill_session(server: &str, victim: &Client) {
    let takeover = || Client::builder(server).resume(victim.credentials());
    loop {
        match takeover().connect().await {
            Ok(killer) => drop(killer.close().await),
            Err(error) => {
                assert!(matches!(error, Error::SessionExpired { .. }), "{error:?}");
                return;
            }
        }
    }
}
