//! Writers change two numbers that belong together; readers look at both, many at a time.
//!
//! ```text
//! cargo run --release --example rwlock
//! cargo run --release --example rwlock -- --connect 127.0.0.1:2181 --readers 20 --rounds 5
//! ```
//!
//! Each row is a change: who made it, with which fence, how long it waited, how many looks there were
//! since the change before it, and how many readers looked at once. Behind each change the writer
//! turns into a reader, without letting another writer in between, and finds what it has written.

mod stage;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use lockkeeper_recipes::{LockError, RwLock};
use stage::{Ended, Setting, Stage, milliseconds};
use tokio::task::JoinSet;

const PATH: &str = "/lockkeeper/examples/rwlock";

const SETTINGS: &[Setting] = &[
    Setting("readers", "sessions that read", 6),
    Setting("rounds", "how often each writer changes the numbers", 4),
    Setting("writers", "sessions that write", 2),
];

#[tokio::main]
async fn main() -> ExitCode {
    Stage::play("rwlock", SETTINGS, story).await
}

/// What the lock protects, and what is noticed about it.
#[derive(Default)]
struct Stock {
    shelf: AtomicUsize,
    ledger: AtomicUsize,
    reading: AtomicUsize,
    looks: AtomicUsize,
    reading_max: AtomicUsize,
    torn: AtomicUsize,
}

async fn story(stage: &Stage) -> Ended {
    let rounds = stage.setting("rounds");
    let stock = Arc::new(Stock::default());
    println!("change  writer           fence      waited  looks  at once");
    let mut tasks = JoinSet::new();
    for number in 1..=stage.setting("writers") {
        let lock = RwLock::new(&stage.client().await?, PATH)?;
        tasks.spawn(write(number, lock, rounds, Arc::clone(&stock)));
    }
    for _ in 0..stage.setting("readers") {
        let lock = RwLock::new(&stage.client().await?, PATH)?;
        tasks.spawn(read(lock, 3 * rounds, Arc::clone(&stock)));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let (changes, torn) = (stock.shelf.load(SeqCst), stock.torn.load(SeqCst));
    println!("\n{changes} changes; looks at half a change: {torn}");
    Ok(())
}

async fn write(
    number: usize,
    lock: RwLock,
    rounds: usize,
    stock: Arc<Stock>,
) -> Result<(), LockError> {
    for _ in 0..rounds {
        let asked = Instant::now();
        let writing = lock.write().await?;
        let waited = milliseconds(asked.elapsed());
        let change = stock.shelf.fetch_add(1, SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
        stock.ledger.store(change, SeqCst);
        println!(
            "{change:>6}  writer {number:<3} {:>11}  {waited:>10}  {:>5}  {:>7}",
            writing.fence(),
            stock.looks.swap(0, SeqCst),
            stock.reading_max.swap(0, SeqCst),
        );
        let reading = writing.downgrade().await?;
        if stock.shelf.load(SeqCst) != change {
            stock.torn.fetch_add(1, SeqCst);
        }
        reading.release().await?;
    }
    Ok(())
}

async fn read(lock: RwLock, rounds: usize, stock: Arc<Stock>) -> Result<(), LockError> {
    for _ in 0..rounds {
        let reading = lock.read().await?;
        let at_once = stock.reading.fetch_add(1, SeqCst) + 1;
        stock.reading_max.fetch_max(at_once, SeqCst);
        let shelf = stock.shelf.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        if stock.ledger.load(SeqCst) != shelf {
            stock.torn.fetch_add(1, SeqCst);
        }
        stock.looks.fetch_add(1, SeqCst);
        stock.reading.fetch_sub(1, SeqCst);
        reading.release().await?;
    }
    Ok(())
}
