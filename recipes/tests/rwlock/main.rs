//! The read/write lock against a server: scenarios named after the test plan (`T56` and so on).
//!
//! Every scenario uses a path of its own and ends by looking for what was left behind.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod operator;
mod queue;
mod turning;

use lockkeeper_recipes::{LockError, ReadGuard, RwLock, WriteGuard};
use tokio::task::JoinHandle;

use crate::common::{PATIENCE, eventually};

/// Waits until so many contenders stand in the queue.
async fn queued(lock: &RwLock, contenders: usize) {
    eventually("queued", async || {
        lock.queue_position().await.unwrap() == contenders
    })
    .await;
}

/// Asks to read and returns when that contender is the last of `position + 1`.
async fn reader(lock: &RwLock, position: usize) -> JoinHandle<Result<ReadGuard, LockError>> {
    let waiting = lock.clone();
    let task = tokio::spawn(async move { waiting.read().await });
    queued(lock, position + 1).await;
    task
}

/// Asks to write and returns when that contender is the last of `position + 1`.
async fn writer(lock: &RwLock, position: usize) -> JoinHandle<Result<WriteGuard, LockError>> {
    let waiting = lock.clone();
    let task = tokio::spawn(async move { waiting.write().await });
    queued(lock, position + 1).await;
    task
}

async fn granted<G>(task: JoinHandle<Result<G, LockError>>) -> G {
    let waited = tokio::time::timeout(PATIENCE, task).await;
    waited.expect("granted in time").unwrap().unwrap()
}
