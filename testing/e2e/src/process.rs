//! A child process with a log file, signals by pid, and certain death on drop.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, setrlimit, waitid,
};

use crate::wait;

const TAIL_LINES: usize = 30;

/// A running child. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` without input; everything it prints is appended to `log`.
    pub fn spawn_logged(name: &str, command: &mut Command, log: &Path) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(open_log(log)?);
        Self::spawn(name, command, log)
    }

    /// Starts `command` with its input and output piped; its standard error is appended to `log`.
    pub(crate) fn spawn_piped(name: &str, command: &mut Command, log: &Path) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::spawn(name, command, log)
    }

    fn spawn(name: &str, command: &mut Command, log: &Path) -> io::Result<Self> {
        command.stderr(open_log(log)?);
        let child = command.spawn().map_err(|error| {
            let program = command.get_program().display().to_string();
            io::Error::new(
                error.kind(),
                format!("{name}: cannot start {program}: {error}"),
            )
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The pipes, for whoever piped them.
    pub(crate) fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        let child = &mut self.child;
        let ended = wait::until("end of the process", patience, || {
            child.try_wait().transpose()
        });
        ended.map_err(|error| self.blame(&error.to_string()))?
    }

    /// SIGKILL: no chance to clean up. Returns once the process is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// SIGTERM, then waits for the end.
    pub fn terminate(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(patience)
    }

    /// SIGSTOP: the process keeps its sockets but runs no more. Returns once every thread of it
    /// stands still, which the signal alone does not promise.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        // Asks for stops only, so that the news of its end is left to the standard library.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let stopped = wait::until("stop", wait::PATIENCE, || {
            waitid(WaitId::Pid(self.raw_pid()), options).transpose()
        });
        stopped.map_err(|error| self.blame(&error.to_string()))??;
        Ok(())
    }

    /// SIGCONT: undoes [`Process::pause`].
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// The whole log; empty if it cannot be read.
    pub fn log_text(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of the log.
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let mut tail = VecDeque::new();
        for line in text.lines() {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line);
        }
        tail.make_contiguous().join("\n")
    }

    /// An error that says what went wrong and shows the end of the log.
    pub fn blame(&self, what: &str) -> io::Error {
        let log = self.log.display();
        io::Error::other(format!(
            "{}: {what}\n--- end of {log}\n{}",
            self.name,
            self.log_tail()
        ))
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.raw_pid(), signal)?)
    }

    fn raw_pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.expect("the system gave this pid to the child")
    }
}

/// Makes sure that this process may have so many descriptors open.
pub fn allow_descriptors(count: usize) -> io::Result<()> {
    let count = u64::try_from(count).map_err(io::Error::other)?;
    let mut limit = getrlimit(Resource::Nofile);
    // None is no limit.
    if limit.current.is_some_and(|current| current < count) {
        limit.current = Some(count);
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(())
}

fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

impl Drop for Process {
    fn drop(&mut self) {
        // The child may have ended by itself, which is as good.
        let _ = self.kill();
    }
}
