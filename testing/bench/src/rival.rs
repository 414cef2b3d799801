//! A library's program that takes orders, its figures and its CPU time.

use std::io;
use std::process::Command;
use std::time::Duration;

use lockkeeper_e2e::lines::LinePeer;
use lockkeeper_e2e::{java, python, wait};

use crate::{proc, program};

/// How long a thousand sessions may take to open or to close.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Library {
    Ours,
    Curator,
    Kazoo,
    OursFromPython,
}

/// A library's program.
#[derive(Debug)]
pub(crate) struct Rival {
    lines: LinePeer,
    pid: u32,
}

/// What one interval showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spell {
    pub(crate) times: f64,
    pub(crate) p50_us: f64,
    /// Of the library's process.
    pub(crate) cpu: Duration,
    /// Watches that each deletion set off, of those that set off any; not a number if none did.
    pub(crate) woken: f64,
}

impl Spell {
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.times
    }

    pub(crate) fn per_cpu_second(&self) -> f64 {
        self.times / self.cpu.as_secs_f64()
    }
}

impl Library {
    fn program(self) -> io::Result<Command> {
        match self {
            Self::Ours => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(program::ARGUMENT);
                Ok(command)
            }
            Self::Curator => java::peer_as_shipped("lockkeeper.peers.CuratorBench"),
            Self::Kazoo => python::peer("kazoo_bench.py"),
            Self::OursFromPython => python::our_peer("lockkeeper_bench.py"),
        }
    }

    pub(crate) fn start(self) -> io::Result<Rival> {
        let mut lines = LinePeer::spawn(&format!("{self:?}"), self.program()?)?;
        let pid = lines.process_mut().pid();
        lines.expect("ready")?;
        Ok(Rival { lines, pid })
    }
}

impl Rival {
    /// Opens `count` sessions for a work on `path`.
    pub(crate) fn begin(
        &mut self,
        work: &str,
        connect: &str,
        path: &str,
        count: usize,
    ) -> io::Result<()> {
        self.lines
            .send(&format!("{work} {connect} {path} {count}"))?;
        self.await_word("begun")
    }

    /// Has it work for so long.
    pub(crate) fn go(&mut self, wall: Duration) -> io::Result<Spell> {
        let cpu = proc::cpu(self.pid)?;
        self.lines.send(&format!("go {}", wall.as_millis()))?;
        let line = self.lines.answer(wall + wait::PATIENCE)?;
        let cpu = proc::cpu(self.pid)? - cpu;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["went", times, p50, _] => match (times.parse(), p50.parse()) {
                (Ok(times), Ok(p50_us)) if times >= 1.0 => Ok(Spell {
                    times,
                    p50_us,
                    cpu,
                    woken: f64::NAN,
                }),
                _ => Err(self.lines.blame(&format!("said {line:?}"))),
            },
            _ => Err(self.lines.blame(&format!("said {line:?}"))),
        }
    }

    /// Ends the work and closes its sessions.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.lines.send("end")?;
        self.await_word("ended")
    }

    fn await_word(&mut self, word: &str) -> io::Result<()> {
        let line = self.lines.answer(PATIENCE)?;
        if line == word {
            return Ok(());
        }
        Err(self.lines.blame(&format!("said {line:?}")))
    }
}
