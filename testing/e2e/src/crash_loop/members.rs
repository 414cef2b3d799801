//! Kills members of an ensemble again and again while it is written to.
//!
//! Writers are with any member and go to another one when theirs dies. One, two or all three
//! members are killed at once, so that the quorum survives or is lost, with the leader or without;
//! those killed start again on their folders, and every member must then show every write that was
//! ever acknowledged.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::ensemble::Ensemble;
use crate::raw::Raw;
use crate::server::{Peer, Server, Settings};
use crate::wait;

use super::writer::Writer;
use super::{Random, WRITERS};

const MEMBERS: usize = 3;
/// Acknowledgements between two kills.
const ACKNOWLEDGED_MAX: u64 = 1000;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Times that members were killed, together or alone.
    pub rounds: usize,
    /// Members killed.
    pub kills: usize,
    /// Leaders among them.
    pub leaders: usize,
    /// Writes answered.
    pub acknowledged: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            kills,
            leaders,
            acknowledged,
        } = self;
        write!(
            f,
            "{rounds} rounds, {kills} members killed, {leaders} of them leaders, \
             {acknowledged} acknowledged writes, 0 lost"
        )
    }
}

/// Kills members so many times; the error names the first write that was lost.
pub fn run(peer: Peer, rounds: usize, seed: u64) -> io::Result<Report> {
    let settings = Settings::default()
        .config("tickTime", "200")
        .config("initLimit", "50")
        .property("zookeeper.snapCount", "200");
    let mut ensemble = Ensemble::start_with(&[peer; MEMBERS], &settings)?;
    let report = kill_often(&mut ensemble, rounds, Random(seed));
    report.map_err(|error| {
        let logs: Vec<String> = ensemble.members().iter().map(Server::log_tail).collect();
        io::Error::other(format!("{error}\n{}", logs.join("\n---\n")))
    })
}

fn kill_often(ensemble: &mut Ensemble, rounds: usize, mut random: Random) -> io::Result<Report> {
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let addresses: Vec<SocketAddr> = ensemble.members().iter().map(Server::address).collect();
    let mut report = Report {
        rounds,
        kills: 0,
        leaders: 0,
        acknowledged: 0,
    };
    for _ in 0..rounds {
        let leader = ensemble.await_leader()?;
        let count = [1, 1, 1, 2, 3][random.below(5) as usize];
        let first = random.below(MEMBERS as u64) as usize;
        let victims: Vec<usize> = (0..count).map(|i| (first + i) % MEMBERS).collect();
        let target = 1 + random.below(ACKNOWLEDGED_MAX);
        let start = random.below(MEMBERS as u64) as usize;
        let from = |writer: usize| addresses.iter().cycle().skip(start + writer);
        write_and_kill(ensemble, &mut writers, from, target, &victims)?;
        report.kills += count;
        report.leaders += usize::from(victims.contains(&leader));
        for &victim in &victims {
            ensemble.member_mut(victim).start()?;
        }
        for member in 0..MEMBERS {
            ensemble.member_mut(member).await_serving()?;
        }
        ensemble.await_leader()?;
        let address = addresses[random.below(MEMBERS as u64) as usize];
        for writer in &writers {
            writer.check_latest(address)?;
        }
    }
    for writer in &writers {
        for address in &addresses {
            writer.check_all(*address)?;
        }
    }
    report.acknowledged = writers.iter().map(|writer| writer.acknowledged).sum();
    Ok(report)
}

/// Writes until so many are acknowledged, kills, and writes on where that is possible.
fn write_and_kill<'a, A: Iterator<Item = &'a SocketAddr> + Send>(
    ensemble: &mut Ensemble,
    writers: &mut [Writer],
    from: impl Fn(usize) -> A,
    target: u64,
    victims: &[usize],
) -> io::Result<()> {
    let (told, acknowledged) = mpsc::channel();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = writers
            .iter_mut()
            .enumerate()
            .map(|(number, writer)| {
                let (told, over, mut addresses) = (told.clone(), &over, from(number));
                scope.spawn(move || {
                    while let Some(raw) = connect(&mut addresses, over)? {
                        writer.write(raw, &told, over)?;
                    }
                    Ok(())
                })
            })
            .collect();
        drop(told);
        let alive = await_writes(&acknowledged, target);
        let mut killed = Ok(());
        for &victim in victims {
            killed = killed.and(ensemble.member_mut(victim).kill());
        }
        let has_quorum = victims.len() <= MEMBERS / 2;
        let alive = match has_quorum {
            true => alive.and_then(|()| await_writes(&acknowledged, target)),
            false => alive,
        };
        over.store(true, Ordering::Relaxed);
        let mut ends = threads.into_iter().map(|thread| thread.join());
        let ended = ends.try_for_each(|end| end.expect("a writer does not panic"));
        alive.and(killed).and(ended)
    })
}

fn await_writes(acknowledged: &mpsc::Receiver<()>, count: u64) -> io::Result<()> {
    for _ in 0..count {
        let told = acknowledged.recv_timeout(wait::PATIENCE);
        told.map_err(|error| io::Error::other(format!("no write is acknowledged: {error}")))?;
    }
    Ok(())
}

/// A session with the next member that gives one; none once it is over.
fn connect<'a>(
    addresses: &mut impl Iterator<Item = &'a SocketAddr>,
    over: &AtomicBool,
) -> io::Result<Option<Raw>> {
    wait::until("a session", wait::PATIENCE, || {
        if over.load(Ordering::Relaxed) {
            return Some(None);
        }
        Raw::connect(*addresses.next()?).ok().map(Some)
    })
}
