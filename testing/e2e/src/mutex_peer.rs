//! Programs that contend for a lock on command, one per client library.
//!
//! They all speak the line protocol that heads `python/kazoo_mutex.py`, so a test can let any two
//! libraries meet on one path: hold with one, knock with the other. A contender of ours joins by
//! speaking the same lines, see [`MutexPeer::from_command`].

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::lines::LinePeer;
use crate::{java, python, wait};

/// Proof of an acquisition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The czxid of the holder's znode.
    pub fence: i64,
    /// The number the server appended to its name.
    pub sequence: i32,
    /// Its name, without the lock path.
    pub znode: String,
}

/// A connected contender in a process of its own.
#[derive(Debug)]
pub struct MutexPeer {
    name: String,
    lines: LinePeer,
}

impl MutexPeer {
    /// Curator's `InterProcessMutex`.
    pub fn curator(connect: &str, lock_path: &str, name: &str) -> io::Result<Self> {
        let command = java::peer("lockkeeper.peers.CuratorMutexPeer")?;
        Self::from_command(command, connect, lock_path, name)
    }

    /// kazoo's lock in Curator's layout.
    pub fn kazoo(connect: &str, lock_path: &str, name: &str) -> io::Result<Self> {
        let command = python::peer("kazoo_mutex.py")?;
        Self::from_command(command, connect, lock_path, name)
    }

    /// kazoo's lock as it comes, which Curator does not respect.
    pub fn kazoo_stock(connect: &str, lock_path: &str, name: &str) -> io::Result<Self> {
        let mut command = python::peer("kazoo_mutex.py")?;
        command.args([connect, lock_path, name, "--stock"]);
        Self::ready(command, name)
    }

    /// The lock of our own Python package.
    pub fn lockkeeper_python(connect: &str, lock_path: &str, name: &str) -> io::Result<Self> {
        let command = python::our_peer("lockkeeper_mutex.py")?;
        Self::from_command(command, connect, lock_path, name)
    }

    /// Any program of the line protocol; gets connect string, lock path and name as arguments.
    pub fn from_command(
        mut command: Command,
        connect: &str,
        lock_path: &str,
        name: &str,
    ) -> io::Result<Self> {
        command.args([connect, lock_path, name]);
        Self::ready(command, name)
    }

    fn ready(command: Command, name: &str) -> io::Result<Self> {
        let mut lines = LinePeer::spawn(name, command)?;
        lines.expect("ready")?;
        Ok(Self {
            name: name.to_owned(),
            lines,
        })
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tries for so long; nothing if others held the lock all the while.
    pub fn acquire(&mut self, patience: Duration) -> io::Result<Option<Grant>> {
        self.begin_acquire(patience)?;
        self.end_acquire(patience)
    }

    /// The first half of [`MutexPeer::acquire`]: asks, without waiting for the result.
    pub fn begin_acquire(&mut self, patience: Duration) -> io::Result<()> {
        self.lines
            .send(&format!("acquire {}", patience.as_millis()))
    }

    /// The second half of [`MutexPeer::acquire`].
    pub fn end_acquire(&mut self, patience: Duration) -> io::Result<Option<Grant>> {
        let line = self.lines.answer(patience + wait::PATIENCE)?;
        if line == "timeout" {
            return Ok(None);
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["acquired", fence, sequence, znode] => match (fence.parse(), sequence.parse()) {
                (Ok(fence), Ok(sequence)) => Ok(Some(Grant {
                    fence,
                    sequence,
                    znode: znode.to_owned(),
                })),
                _ => Err(self.lines.blame(&format!("said {line:?}"))),
            },
            _ => Err(self.lines.blame(&format!("said {line:?}"))),
        }
    }

    /// Gives the lock back.
    pub fn release(&mut self) -> io::Result<()> {
        self.lines.send("release")?;
        self.lines.expect("released")
    }

    /// Starts `sessions` sessions that take the lock `count` times each and report to the oracle.
    pub fn begin_run(&mut self, count: u32, oracle: SocketAddr, sessions: u32) -> io::Result<()> {
        self.lines.send(&format!("run {count} {oracle} {sessions}"))
    }

    /// Waits for the end of a run; returns the number of acquisitions.
    pub fn end_run(&mut self, patience: Duration) -> io::Result<u32> {
        let line = self.lines.answer(patience)?;
        let total = line
            .strip_prefix("done ")
            .and_then(|text| text.parse().ok());
        total.ok_or_else(|| self.lines.blame(&format!("said {line:?}")))
    }

    /// Ends the process in good order: its session is closed and its znodes are gone.
    pub fn quit(mut self) -> io::Result<()> {
        self.lines.send("quit")?;
        let status = self.lines.finish()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("{status}")))
        }
    }

    /// The process behind it, for signals.
    pub fn lines_mut(&mut self) -> &mut LinePeer {
        &mut self.lines
    }
}
