//! Kills our server again and again while it is written to, and looks for what it acknowledged.
//!
//! Writers pipeline creates and sets of values that are never used twice. At a random number of
//! acknowledgements, or while it starts, the server is killed; on the same folder it must then show
//! every write that was acknowledged before. A write whose reply did not come may be there or not.
//! SIGKILL leaves what was written in the system's cache, so this judges the order of writing and
//! answering and the recovery, not the syncs.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::process::Process;
use crate::raw::{Raw, Reply};
use crate::scratch::{Scratch, free_port};
use crate::wait;

const WRITERS: usize = 4;
/// Requests of a writer under way at a time.
const DEPTH: usize = 32;
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
    let mut random = Random(seed);
    let mut victim = Victim::new(binary)?;
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
            let latest = writer.creates.last().cloned();
            writer.check(victim.address, latest.as_slice())?;
        }
        let target = 1 + random.below(ACKNOWLEDGED_MAX);
        live_and_die(&mut victim, &mut writers, target)?;
    }
    victim.start()?;
    victim.await_serving()?;
    for writer in &writers {
        writer.check(victim.address, &writer.creates)?;
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
    std::thread::scope(|scope| {
        let threads: Vec<_> = writers
            .iter_mut()
            .map(|writer| {
                let told = told.clone();
                scope.spawn(move || writer.write(address, &told))
            })
            .collect();
        drop(told);
        let mut alive = Ok(());
        for _ in 0..target {
            if let Err(error) = acknowledged.recv_timeout(wait::PATIENCE) {
                alive = Err(victim.blame(&format!("no write is acknowledged: {error}")));
                break;
            }
        }
        victim.kill()?;
        for thread in threads {
            thread.join().expect("a writer does not panic")?;
        }
        alive
    })
}

/// What one writer knows.
#[derive(Debug)]
struct Writer {
    name: String,
    /// The number of the next write; writes whose fate is unknown keep theirs.
    next: usize,
    /// Numbers of acknowledged creates, a range for each life.
    creates: Vec<Range<usize>>,
    /// The last number set that was acknowledged, and the last that was sent.
    set_acknowledged: usize,
    set_sent: usize,
    acknowledged: usize,
}

impl Writer {
    fn new(number: usize) -> Self {
        Self {
            name: format!("/writer-{number}"),
            next: 1,
            creates: Vec::new(),
            set_acknowledged: 0,
            set_sent: 0,
            acknowledged: 0,
        }
    }

    fn child(&self, number: usize) -> String {
        format!("{}/{number}", self.name)
    }

    /// Writes until the connection ends: each number is created, then set on the parent.
    fn write(&mut self, address: SocketAddr, told: &mpsc::Sender<()>) -> io::Result<()> {
        let Ok(mut raw) = Raw::connect(address) else {
            return Ok(());
        };
        raw.send_create(&self.name, b"0")?;
        match raw.reply()? {
            // NodeExists: from an earlier life.
            Some(Reply { err: 0 | -110, .. }) => {}
            Some(reply) => return Err(self.lost(&format!("create answered {}", reply.err))),
            None => return Ok(()),
        }
        let first = self.next;
        let mut answered = 0;
        loop {
            while self.next - first < answered / 2 + DEPTH {
                let value = self.next.to_string();
                let sent = raw.send_create(&self.child(self.next), value.as_bytes());
                if sent
                    .and_then(|()| raw.send_set(&self.name, value.as_bytes()))
                    .is_err()
                {
                    break;
                }
                self.set_sent = self.next;
                self.next += 1;
            }
            let Some(reply) = raw.reply()? else {
                self.creates.push(first..first + answered.div_ceil(2));
                return Ok(());
            };
            if reply.err != 0 {
                return Err(self.lost(&format!("a new znode answered {}", reply.err)));
            }
            if answered % 2 == 1 {
                self.set_acknowledged = first + answered / 2;
            }
            answered += 1;
            self.acknowledged += 1;
            // Nobody counts any more once the end has been decided.
            let _ = told.send(());
        }
    }

    /// Looks for these creates and the last set.
    fn check(&self, address: SocketAddr, creates: &[Range<usize>]) -> io::Result<()> {
        let mut raw = Raw::connect(address)?;
        for number in creates.iter().cloned().flatten() {
            let path = self.child(number);
            let data = raw.data(&path)?;
            if data.as_deref() != Some(number.to_string().as_bytes()) {
                return Err(self.lost(&format!("{path} holds {data:?}")));
            }
        }
        let value = raw.data(&self.name)?;
        let text = value.as_deref().map(String::from_utf8_lossy);
        let number = text.as_deref().and_then(|text| text.parse().ok());
        let possible = self.set_acknowledged..=self.set_sent;
        match number {
            Some(number) if possible.contains(&number) => Ok(()),
            None if self.set_acknowledged == 0 => Ok(()),
            _ => Err(self.lost(&format!("{text:?} is none of {possible:?}"))),
        }
    }

    fn lost(&self, what: &str) -> io::Error {
        io::Error::other(format!(
            "{}: an acknowledged write is lost: {what}",
            self.name
        ))
    }
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

    fn blame(&mut self, what: &str) -> io::Error {
        self.running().blame(what)
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
