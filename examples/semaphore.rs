//! Workers share a few slots, and half-way an operator gives them more.
//!
//! ```text
//! cargo run --release --example semaphore
//! cargo run --release --example semaphore -- --connect 127.0.0.1:2181 --workers 20 --slots 4
//! ```
//!
//! Each row is a job: whose it is, with which fence it was admitted, how long it waited, and how
//! many worked then. How many may is a shared count, which Curator's `SharedCount` could change too.

mod stage;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use lockkeeper_recipes::{Limit, LockError, Semaphore, SharedCount};
use stage::{Ended, Setting, Stage, milliseconds};
use tokio::task::JoinSet;

const PATH: &str = "/lockkeeper/examples/semaphore";
const COUNT: &str = "/lockkeeper/examples/semaphore-slots";
/// How long a job takes.
const WORK: Duration = Duration::from_millis(5);

const SETTINGS: &[Setting] = &[
    Setting("jobs", "how many each worker does", 3),
    Setting("slots", "how many work at once, in the end", 3),
    Setting("workers", "sessions that want a slot", 5),
];

#[tokio::main]
async fn main() -> ExitCode {
    Stage::play("semaphore", SETTINGS, story).await
}

/// What is noticed about the jobs.
#[derive(Default)]
struct Floor {
    slots: AtomicUsize,
    working: AtomicUsize,
    done: AtomicUsize,
    crowded: AtomicUsize,
}

async fn story(stage: &Stage) -> Ended {
    let (jobs, slots) = (stage.setting("jobs"), stage.setting("slots"));
    let workers = stage.setting("workers");
    let floor = Arc::new(Floor::default());
    let operator = SharedCount::new(&stage.client().await?, COUNT)?;
    operator.set(1).await?;
    floor.slots.store(1, SeqCst);
    println!("job  worker           fence      waited  at work");
    let mut tasks = JoinSet::new();
    for number in 1..=workers {
        let client = stage.client().await?;
        let limit = Limit::Shared(SharedCount::new(&client, COUNT)?);
        let semaphore = Semaphore::builder(&client, PATH, limit).build()?;
        tasks.spawn(work(number, semaphore, jobs, Arc::clone(&floor)));
    }
    while floor.done.load(SeqCst) < jobs * workers / 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("     the operator makes it {slots}");
    floor.slots.store(slots, SeqCst);
    operator.set(i32::try_from(slots)?).await?;
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    println!(
        "\n{} jobs; begun beside more than may work: {}",
        floor.done.load(SeqCst),
        floor.crowded.load(SeqCst)
    );
    Ok(())
}

async fn work(
    number: usize,
    semaphore: Semaphore,
    jobs: usize,
    floor: Arc<Floor>,
) -> Result<(), LockError> {
    for _ in 0..jobs {
        let asked = Instant::now();
        let lease = semaphore.acquire().await?;
        let waited = milliseconds(asked.elapsed());
        let working = floor.working.fetch_add(1, SeqCst) + 1;
        if working > floor.slots.load(SeqCst) {
            floor.crowded.fetch_add(1, SeqCst);
        }
        tokio::time::sleep(WORK).await;
        println!(
            "{:>3}  worker {number:<3} {:>11}  {waited:>10}  {working:>7}",
            floor.done.fetch_add(1, SeqCst) + 1,
            lease.fence(),
        );
        floor.working.fetch_sub(1, SeqCst);
        lease.release().await?;
    }
    Ok(())
}
