//! Our own mutex in this process: sessions, queues and patience.

use std::time::{Duration, Instant};

use lockkeeper::{Client, ErrorCode};
use lockkeeper_e2e::oracle::OracleLink;
use lockkeeper_recipes::{Guard, LockError, Mutex};
use tokio::task::JoinHandle;

/// Far beyond what anything here takes; reached only when something is broken.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const PATH: &str = "/lock";

/// A session of this timeout.
pub(crate) async fn connect(servers: &str, timeout: Duration) -> Client {
    let builder = Client::builder(servers).session_timeout(timeout);
    builder.connect().await.expect("a session")
}

/// The mutex of these tests.
pub(crate) fn mutex(client: &Client) -> Mutex {
    Mutex::new(client, PATH).expect("a path")
}

/// Takes the lock and gives it back, so that its parents exist.
pub(crate) async fn prepared(client: &Client) -> Mutex {
    let lock = mutex(client);
    let guard = lock.lock().await.expect("a free lock");
    guard.release().await.expect("it is held");
    lock
}

/// Joins the queue; returns when `ahead` contenders and the new one are in it.
pub(crate) async fn enqueue(
    lock: &Mutex,
    ahead: usize,
) -> JoinHandle<Result<(Guard, Instant), LockError>> {
    let waiting = lock.clone();
    let task = tokio::spawn(async move { Ok((waiting.lock().await?, Instant::now())) });
    eventually("queued", async || {
        lock.queue_position()
            .await
            .is_ok_and(|len| len == ahead + 1)
    })
    .await;
    task
}

/// The guard of a queued contender, and when it came.
pub(crate) async fn granted(
    task: JoinHandle<Result<(Guard, Instant), LockError>>,
) -> (Guard, Instant) {
    let waited = tokio::time::timeout(LONG, task).await;
    let granted = waited.expect("granted in time").expect("it does not panic");
    granted.expect("a grant")
}

pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not within {LONG:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The contenders there are.
pub(crate) async fn contenders(client: &Client) -> Vec<String> {
    match client.children(PATH).await {
        Err(error) if error.code() == Some(ErrorCode::NO_NODE) => Vec::new(),
        children => children.expect("a listing"),
    }
}

/// No contender is left, or will be soon.
pub(crate) async fn assert_clean(client: &Client) {
    eventually("no contender is left", async || {
        contenders(client).await.is_empty()
    })
    .await;
}

/// Tells the oracle of a turn.
pub(crate) async fn turn(link: &mut OracleLink, who: &str, guard: &Guard) {
    let digits = &guard.path()[guard.path().len() - 10..];
    let sequence = digits.parse().expect("ten digits");
    let fence = guard.fence().get();
    link.enter(who, fence, sequence)
        .await
        .expect("no violation");
    link.exit(who).await.expect("no violation");
}
