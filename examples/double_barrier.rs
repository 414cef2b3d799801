//! Workers start each round together and end it together.
//!
//! ```text
//! cargo run --release --example double_barrier
//! cargo run --release --example double_barrier -- --connect 127.0.0.1:2181 --workers 8
//! ```
//!
//! Each row is a round: how far apart the workers came, how far apart they went in, how long the
//! fastest and the slowest worked, how far apart they came out. Nobody goes in before all are
//! there, so the second number is small however large the first one is.

mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lockkeeper_recipes::{DoubleBarrier, RecipeError};
use stage::{Ended, Setting, Stage, milliseconds};
use tokio::task::JoinSet;

const PATH: &str = "/lockkeeper/examples/double_barrier";

const SETTINGS: &[Setting] = &[
    Setting("rounds", "how often they meet", 6),
    Setting("workers", "sessions that meet", 4),
];

#[tokio::main]
async fn main() -> ExitCode {
    Stage::play("double_barrier", SETTINGS, story).await
}

async fn story(stage: &Stage) -> Ended {
    let workers = stage.setting("workers");
    let mut clients = Vec::new();
    for _ in 0..workers {
        clients.push(stage.client().await?);
    }
    // A meeting's path serves once, and this program may run again on the same ensemble.
    let path = format!("{PATH}/{}", clients[0].session_id());
    println!("round  came within  in within  fastest   slowest  out within");
    let mut torn = 0;
    for number in 1..=stage.setting("rounds") {
        let mut round = JoinSet::new();
        for (worker, client) in (1..).zip(&clients) {
            let barrier = DoubleBarrier::new(client, &path, workers)?.round(number as u64);
            round.spawn(work(barrier, client.random(), worker));
        }
        let mut times = Vec::new();
        while let Some(done) = round.join_next().await {
            times.push(done??);
        }
        let last_came = times.iter().map(|times| times.came).max();
        let first_out = times.iter().map(|times| times.out).min();
        let early_in = times.iter().filter(|times| Some(times.entered) < last_came);
        let early_out = times.iter().filter(|times| Some(times.done) > first_out);
        torn += early_in.count() + early_out.count();
        let worked = |times: &Times| times.done - times.entered;
        println!(
            "{number:>5} {:>12} {:>10} {:>9} {:>9} {:>11}",
            spread(&times, |times| times.came),
            spread(&times, |times| times.entered),
            times
                .iter()
                .map(worked)
                .min()
                .map_or_else(String::new, milliseconds),
            times
                .iter()
                .map(worked)
                .max()
                .map_or_else(String::new, milliseconds),
            spread(&times, |times| times.out),
        );
    }
    println!("\nin before all had come, or out before all were done: {torn}");
    Ok(())
}

/// When a worker came to the barrier, went in, had done its work, and was out.
struct Times {
    came: Instant,
    entered: Instant,
    done: Instant,
    out: Instant,
}

async fn work(barrier: DoubleBarrier, random: u64, worker: u64) -> Result<Times, RecipeError> {
    // They come at their leisure and take their time.
    tokio::time::sleep(Duration::from_millis(random % 30)).await;
    let came = Instant::now();
    let party = barrier.enter().await?;
    let entered = Instant::now();
    tokio::time::sleep(Duration::from_millis(5 * worker)).await;
    let done = Instant::now();
    party.leave().await?;
    Ok(Times {
        came,
        entered,
        done,
        out: Instant::now(),
    })
}

fn spread(times: &[Times], of: impl Fn(&Times) -> Instant) -> String {
    let (first, last) = (times.iter().map(&of).min(), times.iter().map(&of).max());
    match (first, last) {
        (Some(first), Some(last)) => milliseconds(last - first),
        _ => String::new(),
    }
}
