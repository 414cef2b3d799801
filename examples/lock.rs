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

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lockkeeper::Client;
use lockkeeper_recipes::{Fence, LockError, Mutex};
use lockkeeper_server::embed::embed;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const PATH: &str = "/lockkeeper/examples/lock";
/// How long a holder works.
const WORK: Duration = Duration::from_millis(5);

const USAGE: &str = "\
usage: lock [--connect HOST:PORT[,HOST:PORT]...] [--contenders N] [--rounds N]
  --connect     the ensemble to use (a server inside this program)
  --contenders  sessions that want the lock (5)
  --rounds      how often each of them takes it (4)";

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("lock: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let (server, connect) = match options.connect {
        Some(connect) => (None, connect),
        None => {
            let server = tokio::task::spawn_blocking(|| embed().start()).await??;
            let connect = server.connect_string();
            println!("a server of our own listens on {connect}\n");
            (Some(server), connect)
        }
    };
    let locks = open(&connect, options.contenders).await?;
    let (tell, told) = unbounded_channel();
    let contenders: Vec<_> = (1..)
        .zip(&locks)
        .map(|(number, lock)| {
            tokio::spawn(contend(number, lock.clone(), options.rounds, tell.clone()))
        })
        .collect();
    // The story ends when the last contender has let go of its end.
    drop(tell);
    let story = listen(told, &locks).await;
    for contender in contenders {
        contender.await??;
    }
    println!("{story}");
    if let Some(server) = server {
        drop(locks);
        tokio::task::spawn_blocking(|| server.stop()).await?;
    }
    Ok(())
}

/// A lock on the same path for each contender, each through a client of its own.
async fn open(connect: &str, contenders: usize) -> Result<Vec<Mutex>, Box<dyn Error>> {
    let mut locks = Vec::new();
    for number in 1..=contenders {
        let client = Client::connect(connect).await?;
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

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
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

struct Options {
    connect: Option<String>,
    contenders: usize,
    rounds: usize,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut connect = None;
        let (mut contenders, mut rounds) = (5, 4);
        while let Some(name) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{name} needs a value\n{USAGE}"))
            };
            let number = |text: String| {
                let number = text.parse().ok().filter(|&number| number > 0);
                number.ok_or_else(|| format!("{text:?} is no positive number\n{USAGE}"))
            };
            match name.as_str() {
                "--connect" => connect = Some(value()?),
                "--contenders" => contenders = number(value()?)?,
                "--rounds" => rounds = number(value()?)?,
                _ => return Err(format!("unknown argument {name:?}\n{USAGE}")),
            }
        }
        Ok(Self {
            connect,
            contenders,
            rounds,
        })
    }
}
