//! Kills our server again and again while it is written to, and looks for what it acknowledged.
//!
//! Writers pipeline creates and sets of values that are never used twice. At a random number of
//! acknowledgements, or while it starts, the server is killed; on the same folder it must then show
//! every write that was acknowledged before. A write whose reply did not come may be there or not.
//! SIGKILL leaves what was written in the system's cache, so this judges the order of writing and
//! answering and the recovery, not the syncs. [`members`] does the same to an ensemble.

pub mod members;
mod writer;

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use crate::process::Process;
use crate::raw::Raw;
use crate::scratch::{Scratch, free_port};
use crate::wait;

use writer::Writer;

const WRITERS: usize = 4;
/// Acknowledgements in one life of the server.
const ACKNOWLEDGED_MAX: u64 = 1500;
/// Of this many lives, one ends before it serves.
const STILLBORN: u64 = 8;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Kills survived.
    pub restarts: usize,
    /// Writes answered before a kill.
    pub acknowledged: usize,
    /// Snapshots written while the server served.
    pub snapshots: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            restarts,
            acknowledged,
            snapshots,
        } = self;
        write!(
            f,
            "{restarts} restarts, {acknowledged} acknowledged writes, {snapshots} snapshots, 0 lost"
        )
    }
}

/// Kills the server so many times; the error names the first write that was lost.
pub fn run(binary: &Path, restarts: usize, seed: u64) -> io::Result<Report> {
    let mut victim = Victim::new(binary)?;
    let report = live_often(&mut victim, restarts, Random(seed));
    report.map_err(|error| match &victim.process {
        Some(process) => process.blame(&error.to_string()),
        None => error,
    })
}

fn live_often(victim: &mut Victim, restarts: usize, mut random: Random) -> io::Result<Report> {
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    for restart in 0..restarts {
        if restart > 0 && random.below(STILLBORN) == 0 {
            let life = Duration::from_micros(random.below(60_000));
            victim.start()?;
            victim.let_live(life);
            victim.kill()?;
        }
        victim.start()?;
        victim.await_serving()?;
        for writer in &writers {
            writer.check_latest(victim.address)?;
        }
        let target = 1 + random.below(ACKNOWLEDGED_MAX);
        live_and_die(victim, &mut writers, target)?;
    }
    victim.start()?;
    victim.await_serving()?;
    for writer in &writers {
        writer.check_all(victim.address)?;
    }
    Ok(Report {
        restarts,
        acknowledged: writers.iter().map(|writer| writer.acknowledged).sum(),
        snapshots: victim.snapshots(),
    })
}

/// One life: writes until so many are acknowledged, then the end in the midst of them.
fn live_and_die(victim: &mut Victim, writers: &mut [Writer], target: u64) -> io::Result<()> {
    let address = victim.address;
    let (told, acknowledged) = mpsc::channel();
    // A writer's end is the end of its connection.
    let never = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = writers
            .iter_mut()
            .map(|writer| {
                let (told, never) = (told.clone(), &never);
                scope.spawn(move || match Raw::connect(address) {
                    Ok(raw) => writer.write(raw, &told, never),
                    Err(_) => Ok(()),
                })
            })
            .collect();
        drop(told);
        let mut alive = Ok(());
        for _ in 0..target {
            if let Err(error) = acknowledged.recv_timeout(wait::PATIENCE) {
                let text = format!("no write is acknowledged: {error}");
                alive = Err(io::Error::other(text));
                break;
            }
        }
        victim.kill()?;
        let mut ends = threads.into_iter().map(|thread| thread.join());
        let ended = ends.try_for_each(|end| end.expect("a writer does not panic"));
        alive.and(ended)
    })
}

/// The server that is killed.
#[derive(Debug)]
struct Victim {
    binary: PathBuf,
    address: SocketAddr,
    config: PathBuf,
    process: Option<Process>,
    // Behind the process, which must be gone when its folder goes.
    folder: Scratch,
}

impl Victim {
    fn new(binary: &Path) -> io::Result<Self> {
        let folder = Scratch::new("crash-loop")?;
        let port = free_port()?;
        let config = folder.path().join("zoo.cfg");
        let data = folder.path().join("data");
        let text = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=2000\n\
             snapCount=200\nautopurge.snapRetainCount=3\nautopurge.purgeInterval=1\n",
            data.display()
        );
        fs::write(&config, text)?;
        Ok(Self {
            binary: binary.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            config,
            process: None,
            folder,
        })
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn start(&mut self) -> io::Result<()> {
        let mut command = Command::new(&self.binary);
        command.arg(&self.config);
        let process = Process::spawn_logged("lockkeeper-server", &mut command, &self.log())?;
        self.process = Some(process);
        Ok(())
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("started before")
    }

    fn await_serving(&mut self) -> io::Result<()> {
        let address = self.address;
        let process = self.running();
        let mut ended = None;
        wait::until("serving", wait::PATIENCE, || {
            ended = process.exit_status().ok().flatten();
            (ended.is_some() || Raw::connect(address).is_ok()).then_some(())
        })?;
        match ended {
            Some(status) => Err(process.blame(&format!("ended during its start, {status}"))),
            None => Ok(()),
        }
    }

    /// Lets it run for a while, or until it ends.
    fn let_live(&mut self, life: Duration) {
        // A process that still lives is what this waits for.
        let _ = self.running().wait(life);
    }

    fn kill(&mut self) -> io::Result<()> {
        self.running().kill()
    }

    /// Snapshots beside those that a start writes.
    fn snapshots(&mut self) -> usize {
        let text = self.running().log_text();
        let written = text.matches("snapshot written").count();
        written.saturating_sub(text.matches("data directory recovered").count())
    }
}

/// SplitMix64: every number follows from the seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % bound
    }
}
