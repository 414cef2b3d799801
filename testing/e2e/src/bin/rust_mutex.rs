//! Our own lock as a contender; the README of this folder has the lines it answers.
//!
//! Arguments: CONNECT LOCK_PATH NAME. Reports to the oracle block the thread they are made on, so
//! each session of a run has a thread of its own.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lockkeeper::Client;
use lockkeeper_recipes::{Guard, LockError, Mutex};
use tokio::runtime::{Builder, Runtime};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [connect, path, name] = &words[..] else {
        eprintln!("usage: rust-mutex CONNECT LOCK_PATH NAME");
        return ExitCode::FAILURE;
    };
    match serve(connect, path, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers commands until the end of the input.
fn serve(connect: &str, path: &str, name: &str) -> Result<()> {
    let contender = Contender::open(connect, path, name)?;
    let mut held = None;
    say("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["acquire", patience_ms] => {
                held = contender.acquire(Duration::from_millis(patience_ms.parse()?))?;
                match &held {
                    Some(guard) => {
                        let (znode, sequence) = describe(guard)?;
                        say(&format!("acquired {} {sequence} {znode}", guard.fence()));
                    }
                    None => say("timeout"),
                }
            }
            ["release"] => {
                contender.release(held.take().ok_or("nothing is held")?)?;
                say("released");
            }
            ["run", count, oracle, sessions] => {
                let (count, sessions) = (count.parse()?, sessions.parse()?);
                run_all((connect, path, name), count, oracle, sessions)?;
                say(&format!("done {}", count * sessions));
            }
            ["quit"] => break,
            _ => return Err(format!("unknown command: {line}").into()),
        }
    }
    drop(held);
    contender.close()
}

fn run_all(
    (connect, path, name): (&str, &str, &str),
    count: u32,
    oracle: &str,
    sessions: u32,
) -> Result<()> {
    thread::scope(|scope| {
        let sessions: Vec<_> = (0..sessions)
            .map(|i| scope.spawn(move || run(connect, path, &format!("{name}-{i}"), count, oracle)))
            .collect();
        for session in sessions {
            session.join().map_err(|_| "a session panicked")??;
        }
        Ok(())
    })
}

fn run(connect: &str, path: &str, who: &str, count: u32, oracle: &str) -> Result<()> {
    let contender = Contender::open(connect, path, who)?;
    let mut oracle = OracleLink::open(oracle)?;
    for _ in 0..count {
        let guard = contender.runtime.block_on(contender.mutex.lock())?;
        let (_, sequence) = describe(&guard)?;
        oracle.tell(&format!("enter {who} {} {sequence}", guard.fence()))?;
        oracle.tell(&format!("exit {who}"))?;
        contender.release(guard)?;
    }
    contender.close()
}

/// One session and its lock.
struct Contender {
    runtime: Runtime,
    client: Client,
    mutex: Mutex,
}

impl Contender {
    fn open(connect: &str, path: &str, who: &str) -> Result<Self> {
        // A thread beside this one keeps the session alive while this one waits for a line.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let client = runtime.block_on(Client::connect(connect))?;
        let mutex = Mutex::builder(&client, path).label(who).build()?;
        Ok(Self {
            runtime,
            client,
            mutex,
        })
    }

    fn acquire(&self, patience: Duration) -> Result<Option<Guard>> {
        match self.runtime.block_on(self.mutex.lock_timeout(patience)) {
            Ok(guard) => Ok(Some(guard)),
            Err(LockError::TimedOut) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn release(&self, guard: Guard) -> Result<()> {
        Ok(self.runtime.block_on(guard.release())?)
    }

    fn close(self) -> Result<()> {
        Ok(self.runtime.block_on(self.client.close())?)
    }
}

/// Name of the guard's znode and the number in it.
fn describe(guard: &Guard) -> Result<(&str, i32)> {
    let (_, znode) = guard.path().rsplit_once('/').ok_or("no path")?;
    let digits = znode.len().checked_sub(10).and_then(|at| znode.get(at..));
    Ok((znode, digits.ok_or("no number")?.parse()?))
}

struct OracleLink {
    stream: BufReader<TcpStream>,
}

impl OracleLink {
    fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn tell(&mut self, report: &str) -> Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{report}\n").as_bytes())?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer)?;
        match answer.as_str() {
            "ok\n" => Ok(()),
            _ => Err(format!("{report} answered with {answer:?}").into()),
        }
    }
}

/// Prints one line, at once: standard output is flushed at the end of each.
fn say(line: &str) {
    println!("{line}");
}
