//! Our recipes as a program that takes orders: what `CuratorBench` and `kazoo_bench.py` are for
//! the others, line by line the same.
//!
//! | line in | line out |
//! |---|---|
//! | (start) | `ready` |
//! | `WORK CONNECT PATH COUNT` | `begun`, once everything that the work needs is open |
//! | `go MILLISECONDS` | `went TIMES P50 P99`, in microseconds, from doing the work for so long |
//! | `end` | `ended`, once everything is closed |
//! | `quit` or end of input | (ends) |
//!
//! COUNT is the number of sessions besides one that looks on or publishes. Everything runs on one
//! thread of tokio's.

use std::error::Error;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use lockkeeper::{Client, CreateMode};
use lockkeeper_recipes::{Config, Election, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::handoff::{Crowd, session};
use crate::table::percentile;

/// The argument that makes this program take orders.
pub(crate) const ARGUMENT: &str = "--take-orders";

/// Between two looks for what comes to be in no measured time.
const POLL: Duration = Duration::from_millis(1);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Takes orders from standard input until it ends.
pub(crate) fn serve() -> io::Result<()> {
    let (tx, lines) = unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(io::Result::ok) {
            // Nobody reads on after an error.
            let _ = tx.send(line);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local
        .block_on(&runtime, obey(Orders(lines)))
        .map_err(|error| io::Error::other(error.to_string()))
}

async fn obey(mut orders: Orders) -> Result<()> {
    println!("ready");
    while let Some(line) = orders.0.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        let [work, connect, path, count] = words[..] else {
            break;
        };
        let job = Job {
            connect,
            path,
            count: count.parse()?,
        };
        match work {
            "pairs" => pairs(&job, &mut orders).await?,
            "handoffs" => hand_offs(&job, &mut orders).await?,
            "failovers" => fail_overs(&job, &mut orders).await?,
            "updates" => updates(&job, &mut orders).await?,
            _ => return Err(line.into()),
        }
        println!("ended");
    }
    Ok(())
}

/// A work's particulars.
struct Job<'a> {
    connect: &'a str,
    path: &'a str,
    count: usize,
}

/// The lines that come in.
struct Orders(UnboundedReceiver<String>);

impl Orders {
    /// How long to go on for; nothing at the work's end.
    async fn next(&mut self) -> Result<Option<Duration>> {
        let line = self.0.recv().await.ok_or("the input ended amid a work")?;
        match line.strip_prefix("go ") {
            Some(wall) => Ok(Some(Duration::from_millis(wall.parse()?))),
            None => Ok(None),
        }
    }

    /// Carries out the orders of one work.
    async fn follow(
        &mut self,
        mut work: impl AsyncFnMut(Duration) -> Result<Vec<Duration>>,
    ) -> Result<()> {
        println!("begun");
        while let Some(wall) = self.next().await? {
            let mut took = work(wall).await?;
            took.sort_unstable();
            let at = |percent| percentile(&took, percent).unwrap_or_default().as_secs_f64() * 1e6;
            println!("went {} {} {}", took.len(), at(50), at(99));
        }
        Ok(())
    }
}

/// Does something again and again; it says what is to be counted as its time.
async fn repeat(
    wall: Duration,
    mut turn: impl AsyncFnMut() -> Result<Duration>,
) -> Result<Vec<Duration>> {
    let start = Instant::now();
    let mut took = Vec::new();
    while start.elapsed() < wall {
        took.push(turn().await?);
    }
    Ok(took)
}

/// A free lock, taken and given back.
async fn pairs(job: &Job<'_>, orders: &mut Orders) -> Result<()> {
    let client = session(job.connect).await?;
    let mutex = Mutex::new(&client, job.path)?;
    let pair = async || {
        let start = Instant::now();
        mutex.lock().await?.release().await?;
        Ok(start.elapsed())
    };
    orders.follow(async |wall| repeat(wall, pair).await).await?;
    Ok(client.close().await?)
}

/// A lock that all want.
async fn hand_offs(job: &Job<'_>, orders: &mut Orders) -> Result<()> {
    let crowd = Crowd::gather(job.connect, job.path, job.count).await?;
    orders
        .follow(async |wall| Ok(crowd.watch(wall).await))
        .await?;
    crowd.disband().await
}

/// The leader's session is closed; the time until the next leader acts.
async fn fail_overs(job: &Job<'_>, orders: &mut Orders) -> Result<()> {
    let (tx, mut acts) = unbounded_channel();
    let onlooker = session(job.connect).await?;
    let mut clients = Vec::new();
    for index in 0..job.count {
        clients.push(candidate(job, index, &tx).await?);
    }
    let (mut leader, _) = acts.recv().await.ok_or("nobody leads")?;
    await_candidates(&onlooker, job).await?;
    orders
        .follow(async |wall| {
            repeat(wall, async || {
                let closing = Instant::now();
                clients[leader].close().await?;
                let (next, acted): (usize, Instant) = acts.recv().await.ok_or("nobody leads")?;
                clients[leader] = candidate(job, leader, &tx).await?;
                leader = next;
                await_candidates(&onlooker, job).await?;
                Ok(acted - closing)
            })
            .await
        })
        .await?;
    for client in &clients {
        client.close().await?;
    }
    Ok(onlooker.close().await?)
}

/// A session that stands for election and says when it leads.
async fn candidate(
    job: &Job<'_>,
    index: usize,
    acts: &UnboundedSender<(usize, Instant)>,
) -> Result<Client> {
    let client = session(job.connect).await?;
    let election = Election::new(&client, job.path)?;
    let acts = acts.clone();
    spawn_local(async move {
        // It ends with its session, and whoever waits for a leader would wait on.
        if let Ok(leader) = election.lead().await {
            let _ = acts.send((index, Instant::now()));
            leader.lost().await;
        }
    });
    Ok(client)
}

/// Waits until everybody stands.
async fn await_candidates(onlooker: &Client, job: &Job<'_>) -> Result<()> {
    while onlooker.children(job.path).await?.len() < job.count {
        sleep(POLL).await;
    }
    Ok(())
}

/// A value is published; the time until the last watcher has it.
async fn updates(job: &Job<'_>, orders: &mut Orders) -> Result<()> {
    let publisher = session(job.connect).await?;
    publisher
        .create(job.path, "0", CreateMode::Persistent)
        .await?;
    let (tx, mut arrivals) = unbounded_channel();
    let mut clients = Vec::new();
    for _ in 0..job.count {
        let client = session(job.connect).await?;
        watch(&client, job.path, tx.clone()).await?;
        clients.push(client);
    }
    let mut published = 0;
    orders
        .follow(async |wall| {
            repeat(wall, async || {
                published += 1;
                let start = Instant::now();
                let written = publisher.set(job.path, published.to_string(), None);
                let mut last = start;
                let mut missing = job.count;
                while missing > 0 {
                    let (value, at) = arrivals.recv().await.ok_or("nobody watches")?;
                    if value == published {
                        missing -= 1;
                        last = last.max(at);
                    }
                }
                written.await?;
                Ok(last - start)
            })
            .await
        })
        .await?;
    for client in &clients {
        client.close().await?;
    }
    Ok(publisher.close().await?)
}

/// Follows the configuration and says when a value has come.
async fn watch(
    client: &Client,
    path: &str,
    arrivals: UnboundedSender<(u64, Instant)>,
) -> Result<()> {
    let number = |bytes: &bytes::Bytes| {
        let text = std::str::from_utf8(bytes).ok();
        let number = text.and_then(|text| text.parse::<u64>().ok());
        number.ok_or_else(|| "no number".to_owned())
    };
    let config = Config::of_value(client, path)?.check(number).open().await?;
    spawn_local(async move {
        let mut changes = config.changes();
        while let Some(snapshot) = changes.next().await {
            if let Some(good) = snapshot.good {
                // Nobody counts any more at the work's end.
                let _ = arrivals.send((good.value, Instant::now()));
            }
        }
    });
    Ok(())
}
