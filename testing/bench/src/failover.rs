//! How long an ensemble acknowledges nothing when its leader is killed, and that it has lost
//! nothing afterwards.
//!
//! Some sessions of our client write at a steady pace, each to znodes of its own, with one write
//! under way at a time. The gap is the longest time in which none of them is told of a write, from
//! the last one before the kill on; the slowest session's gap also has its way to another member
//! in it.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lockkeeper::{Client, CreateMode, Outcome};
use lockkeeper_e2e::{Ensemble, wait};
use tokio::task::{JoinHandle, spawn_local};

use crate::handoff::session;

const WRITERS: usize = 10;
/// Writes a second of all sessions together.
pub(crate) const RATE: u32 = 500;
/// Acknowledgements of each session before a kill, and again behind it.
const STEADY: usize = 25;

/// What so many kills showed.
#[derive(Clone, Debug)]
pub(crate) struct Failover {
    /// In ascending order.
    gaps: Vec<Duration>,
    /// Those of the slowest sessions, in ascending order.
    slowest: Vec<Duration>,
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
}

impl Failover {
    /// The gap that so many in a hundred kills keep within.
    pub(crate) fn gap_ms(&self, percent: usize) -> f64 {
        at(&self.gaps, percent)
    }

    /// The median of the slowest sessions' gaps.
    pub(crate) fn slowest_ms(&self) -> f64 {
        at(&self.slowest, 50)
    }
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    let index = sorted.len().saturating_sub(1) * percent / 100;
    sorted[index].as_secs_f64() * 1e3
}

/// What the writers tell.
#[derive(Debug, Default)]
struct Log {
    /// When each session's writes were acknowledged.
    acknowledged: Mutex<[Vec<Instant>; WRITERS]>,
    over: AtomicBool,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, [Vec<Instant>; WRITERS]> {
        let locked = self.acknowledged.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every session has been told of so many writes since `begin`.
    fn await_steady(&self, begin: Instant) -> io::Result<()> {
        wait::until("acknowledged writes", wait::PATIENCE, || {
            let sessions = self.lock();
            let since = |times: &Vec<Instant>| times.len() - times.partition_point(|t| *t < begin);
            sessions
                .iter()
                .all(|times| since(times) >= STEADY)
                .then_some(())
        })
    }

    /// The longest gaps around `kill`: of all sessions together, and of the slowest alone.
    fn gaps(&self, kill: Instant) -> (Duration, Duration) {
        let sessions = self.lock();
        let mut all: Vec<Instant> = sessions.iter().flatten().copied().collect();
        all.sort_unstable();
        let slowest = sessions.iter().map(|times| longest_gap(times, kill)).max();
        (longest_gap(&all, kill), slowest.unwrap_or_default())
    }
}

/// The longest time between two of these, from the last one before `kill` on.
fn longest_gap(sorted: &[Instant], kill: Instant) -> Duration {
    let first = sorted.partition_point(|t| *t < kill).saturating_sub(1);
    let pairs = sorted[first..].windows(2);
    let gaps = pairs.map(|pair| pair[1].duration_since(pair[0]));
    gaps.max().unwrap_or_default()
}

/// Kills the leader so often, each time with the ensemble whole before.
pub(crate) fn run(ensemble: &mut Ensemble, kills: usize) -> io::Result<Failover> {
    let (log, servers) = (Arc::new(Log::default()), ensemble.connect_string());
    let writers = {
        let log = Arc::clone(&log);
        thread::spawn(move || write_all(&servers, &log).map_err(|error| error.to_string()))
    };
    let killed = kill_all(ensemble, &log, kills);
    log.over.store(true, Ordering::Relaxed);
    let written = writers.join();
    let written = written.map_err(|_| io::Error::other("a writer panicked"))?;
    let (acknowledged, lost) = written.map_err(io::Error::other)?;
    let (mut gaps, mut slowest) = killed?;
    gaps.sort_unstable();
    slowest.sort_unstable();
    Ok(Failover {
        gaps,
        slowest,
        acknowledged,
        lost,
    })
}

fn kill_all(
    ensemble: &mut Ensemble,
    log: &Log,
    kills: usize,
) -> io::Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut gaps, mut slowest) = (Vec::new(), Vec::new());
    for number in 1..=kills {
        let leader = ensemble.await_leader()?;
        log.await_steady(Instant::now())?;
        let kill = Instant::now();
        ensemble.member_mut(leader).kill()?;
        log.await_steady(kill)?;
        let (gap, slow) = log.gaps(kill);
        eprintln!("  kill {number}: {gap:?}, the slowest session {slow:?}");
        gaps.push(gap);
        slowest.push(slow);
        ensemble.member_mut(leader).restart()?;
    }
    Ok((gaps, slowest))
}

/// Writes until it is over; gives how many writes were acknowledged, and how many of them are not
/// there in the end.
fn write_all(servers: &str, log: &Arc<Log>) -> Result<(usize, usize), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut writers: Vec<JoinHandle<Result<_, String>>> = Vec::new();
        for writer in 0..WRITERS {
            let client = session(servers).await?;
            let top = format!("/failover-{writer}");
            let create = client.create(&top, "", CreateMode::Persistent);
            create.await?;
            let log = Arc::clone(log);
            writers.push(spawn_local(async move {
                let written = write(&client, &top, writer, &log).await;
                let written = written.map_err(|error| error.to_string())?;
                let missing = missing(&client, &top, &written).await;
                Ok((written.len(), missing.map_err(|error| error.to_string())?))
            }));
        }
        let (mut acknowledged, mut lost) = (0, 0);
        for writer in writers {
            let (written, missing) = writer.await??;
            (acknowledged, lost) = (acknowledged + written, lost + missing);
        }
        Ok((acknowledged, lost))
    })
}

/// Gives the names of the znodes whose creation was acknowledged.
async fn write(
    client: &Client,
    top: &str,
    writer: usize,
    log: &Log,
) -> Result<BTreeSet<String>, lockkeeper::Error> {
    let mut written = BTreeSet::new();
    let mut pace = tokio::time::interval(Duration::from_secs(WRITERS as u64) / RATE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 0.. {
        pace.tick().await;
        if log.over.load(Ordering::Relaxed) {
            break;
        }
        let name = number.to_string();
        let create = client.create(&format!("{top}/{name}"), "", CreateMode::Persistent);
        match create.await {
            Ok(_) => {
                log.lock()[writer].push(Instant::now());
                written.insert(name);
            }
            Err(error) if error.is_final() => return Err(error),
            // It may be there or not; nobody was told that it is.
            Err(error) if error.outcome() == Outcome::Unknown || error.code().is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// How many of these are not there.
async fn missing(
    client: &Client,
    top: &str,
    written: &BTreeSet<String>,
) -> Result<usize, lockkeeper::Error> {
    client.sync(top).await?;
    let there: BTreeSet<String> = client.children(top).await?.into_iter().collect();
    let missing = written.difference(&there).count();
    client.close().await?;
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_begins_with_the_last_write_before_the_kill() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let told = [0, 400, 402, 410, 700, 705].map(at);
        assert_eq!(longest_gap(&told, at(405)), Duration::from_millis(290));
        assert_eq!(longest_gap(&told, at(3)), Duration::from_millis(400));
        assert_eq!(longest_gap(&told, at(900)), Duration::ZERO);
    }
}
