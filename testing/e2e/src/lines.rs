//! A foreign program driven line by line over its standard input and output.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::process::Process;
use crate::scratch::Scratch;
use crate::wait;

/// A running program, its unread output lines and its log.
#[derive(Debug)]
pub struct LinePeer {
    input: Option<ChildStdin>,
    output: Receiver<String>,
    process: Process,
    _folder: Scratch,
}

impl LinePeer {
    /// Starts `command`.
    pub fn spawn(name: &str, mut command: Command) -> io::Result<Self> {
        let folder = Scratch::new(name)?;
        let log = folder.path().join("stderr.log");
        let mut process = Process::spawn_piped(name, &mut command, &log)?;
        let child = process.child_mut();
        let input = child.stdin.take();
        let pipe = child
            .stdout
            .take()
            .expect("standard output was piped by spawn_piped");
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            input,
            output,
            process,
            _folder: folder,
        })
    }

    /// Writes one line.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        let sent = match &mut self.input {
            Some(input) => writeln!(input, "{line}").and_then(|()| input.flush()),
            None => Err(io::Error::other("its input is closed")),
        };
        sent.map_err(|error| self.blame(&format!("sending {line:?}: {error}")))
    }

    /// The next line, or nothing at the end of the output.
    pub fn next_line(&mut self, patience: Duration) -> io::Result<Option<String>> {
        match self.output.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(self.blame(&format!("silent for {patience:?}"))),
        }
    }

    /// Sends a line and returns the answer.
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        self.send(line)?;
        self.answer(wait::PATIENCE)
    }

    /// The next line; the end of the output is an error.
    pub fn answer(&mut self, patience: Duration) -> io::Result<String> {
        match self.next_line(patience)? {
            Some(line) => Ok(line),
            None => Err(self.blame("ended without an answer")),
        }
    }

    /// The next line, which must be this one.
    pub fn expect(&mut self, expected: &str) -> io::Result<()> {
        let line = self.answer(wait::PATIENCE)?;
        if line == expected {
            return Ok(());
        }
        Err(self.blame(&format!("said {line:?} instead of {expected:?}")))
    }

    /// Closes its input, which most programs take as the end.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Closes its input and waits for its end.
    pub fn finish(mut self) -> io::Result<ExitStatus> {
        self.close_input();
        self.process.wait(wait::PATIENCE)
    }

    /// For signals.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// An error that shows the end of the program's log.
    pub fn blame(&self, what: &str) -> io::Error {
        self.process.blame(what)
    }
}
