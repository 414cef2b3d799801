//! Several contenders, each with a session of its own, pass one lock around.
//!
//! ```text
//! cargo run --release --example lock
//! cargo run --release --example lock -- --connect 127.0.0.1:2181 --contenders 20 --rounds 2
//! ```
//!
//! Each row is a grant: who holds, with which fence, how many stand in the queue (the holder
//! included), how long the lock was nobody's, and how many sessions the release before had woken.
//! A wake-up is a watch event that reached a contender, counted where it arrived.

mod stage;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lockkeeper_recipes::{Fence, LockError, Mutex};
use stage::{Ended, Setting, Stage, milliseconds};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const PATH: &str = "/lockkeeper/examples/lock";
/// How long a holder works.
const WORK: Duration = Duration::from_millis(5);

const SETTINGS: &[Setting] = &[
    Setting("contenders", "sessions that want the lock", 5),
    Setting("rounds", "how often each of them takes it", 4),
];

#[tokio::main]
async fn main() -> ExitCode {
    Stage::play("lock", SETTINGS, story).await
}

async fn story(stage: &Stage) -> Ended {
    let locks = open(stage).await?;
    let (tell, told) = unbounded_channel();
    let rounds = stage.setting("rounds");
    let contenders: Vec<_> = (1..)
        .zip(&locks)
        .map(|(number, lock)| tokio::spawn(contend(number, lock.clone(), rounds, tell.clone())))
        .collect();
    // The story ends when the last contender has let go of its end.
    drop(tell);
    let story = listen(told, &locks).await;
    for contender in contenders {
        contender.await??;
    }
    println!("{story}");
    Ok(())
}

/// A lock on the same path for each contender, each through a client of its own.
async fn open(stage: &Stage) -> Result<Vec<Mutex>, Box<dyn Error>> {
    let mut locks = Vec::new();
    for number in 1..=stage.setting("contenders") {
        let client = stage.client().await?;
        let label = format!("contender {number}");
        locks.push(Mutex::builder(&client, PATH).label(label).build()?);
    }
    Ok(locks)
}

/// What contenders tell, in the order in which it happens.
enum News {
    Granted(Grant),
    Releasing(Instant),
}

struct Grant {
    number: usize,
    fence: Fence,
    queue: usize,
    at: Instant,
}

async fn contend(
    number: usize,
    lock: Mutex,
    rounds: usize,
    tell: UnboundedSender<News>,
) -> Result<(), LockError> {
    for _ in 0..rounds {
        let guard = lock.lock().await?;
        let grant = Grant {
            number,
            fence: guard.fence(),
            at: Instant::now(),
            queue: lock.queue_position().await?,
        };
        // Nobody listens any more only if the program is ending.
        let _ = tell.send(News::Granted(grant));
        tokio::time::sleep(WORK).await;
        let _ = tell.send(News::Releasing(Instant::now()));
        guard.release().await?;
    }
    Ok(())
}

/// Prints a row per grant and keeps what the summary needs.
async fn listen(mut told: UnboundedReceiver<News>, locks: &[Mutex]) -> Story {
    println!("grant  holder               fence  queue   hand-off  woken");
    let mut story = Story::default();
    let mut released: Option<Instant> = None;
    let mut wakeups_seen = wakeups(locks);
    while let Some(news) = told.recv().await {
        let grant = match news {
            News::Granted(grant) => grant,
            News::Releasing(at) => {
                released = Some(at);
                continue;
            }
        };
        let wakeups = wakeups(locks);
        let woken = wakeups_seen
            .iter()
            .zip(&wakeups)
            .filter(|(old, new)| old != new);
        let since = released.map(|released| (grant.at - released, woken.count()));
        wakeups_seen = wakeups;
        story.add(&grant, since);
        let (hand_off, woken) = match since {
            Some((time, woken)) => (milliseconds(time), woken.to_string()),
            None => (String::from("-"), String::from("-")),
        };
        println!(
            "{:>5}  contender {:<3}  {:>12}  {:>5}  {hand_off:>9}  {woken:>5}",
            story.grants, grant.number, grant.fence, grant.queue,
        );
    }
    story
}

/// Watch events that each contender has received so far.
fn wakeups(locks: &[Mutex]) -> Vec<u64> {
    locks.iter().map(Mutex::wakeups).collect()
}

/// The whole run in numbers.
#[derive(Default)]
struct Story {
    grants: usize,
    last: Option<(Fence, usize)>,
    fences_fell: usize,
    hand_offs: Vec<Duration>,
    /// Sessions woken by each release that had somebody waiting.
    woken: Vec<usize>,
}

impl Story {
    /// Takes a grant in; `since` is the time from the release before and whom that release woke.
    fn add(&mut self, grant: &Grant, since: Option<(Duration, usize)>) {
        self.grants += 1;
        if let (Some((fence, queue)), Some((hand_off, woken))) = (self.last, since) {
            self.fences_fell += usize::from(grant.fence <= fence);
            self.hand_offs.push(hand_off);
            // A release with nobody behind it has nobody to wake.
            if queue > 1 {
                self.woken.push(woken);
            }
        }
        self.last = Some((grant.fence, grant.queue));
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fences = match self.fences_fell {
            0 => String::from("each fence larger than the one before"),
            fell => format!("{fell} OF THE FENCES NOT LARGER THAN THE ONE BEFORE"),
        };
        writeln!(f, "\n{} grants, {fences}", self.grants)?;
        let mut times = self.hand_offs.clone();
        times.sort();
        if let (Some(&median), Some(&worst)) = (times.get(times.len() / 2), times.last()) {
            let (median, worst) = (milliseconds(median), milliseconds(worst));
            writeln!(f, "hand-off: median {median}, worst {worst}")?;
        }
        match (self.woken.iter().min(), self.woken.iter().max()) {
            (Some(least), Some(most)) if least == most => write!(f, "woken per release: {most}"),
            (Some(least), Some(most)) => write!(f, "woken per release: {least} to {most}"),
            _ => write!(f, "woken per release: nobody ever waited"),
        }
    }
}
