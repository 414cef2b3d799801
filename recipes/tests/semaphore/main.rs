//! The semaphore against a server: scenarios named after the test plan (`T61` and so on).
//!
//! Every scenario uses a path of its own and ends by looking for what was left behind.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod limit;
mod operator;
mod queue;

use lockkeeper::Client;
use lockkeeper_recipes::{Guard, LockError, Semaphore};
use tokio::task::JoinHandle;

use crate::common::{PATIENCE, children, eventually};

/// Asks for a lease and returns when that contender is the last of `position + 1` in the queue.
async fn queued(semaphore: &Semaphore, position: usize) -> JoinHandle<Result<Guard, LockError>> {
    let waiting = semaphore.clone();
    let task = tokio::spawn(async move { waiting.acquire().await });
    eventually("queued", async || {
        semaphore.queue_position().await.unwrap() == position + 1
    })
    .await;
    task
}

async fn granted(task: JoinHandle<Result<Guard, LockError>>) -> Guard {
    let waited = tokio::time::timeout(PATIENCE, task).await;
    waited.expect("granted in time").unwrap().unwrap()
}

/// Nobody holds or waits, or will not soon.
async fn assert_empty(client: &Client, path: &str) {
    eventually("nobody is left", async || {
        let locks = children(client, &format!("{path}/locks")).await;
        locks.is_empty() && children(client, &format!("{path}/leases")).await.is_empty()
    })
    .await;
}
