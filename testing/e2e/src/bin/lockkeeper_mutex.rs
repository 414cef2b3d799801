//! Contends for this project's mutex on behalf of a test.
//!
//! Arguments: connect string, lock path, name. Then one command per line of input and one answer
//! per line of output, as the README lists them, and three more: `state`, and what a holder writes,
//! `put VALUE` to a resource that compares fences, `write PATH VALUE` to a znode. The commands are
//! read without any runtime, each carried out before the next one is read; only `run` has tasks of
//! its own.

#![forbid(unsafe_code)]

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use lockkeeper::{Client, Op};
use lockkeeper_e2e::oracle::OracleLink;
use lockkeeper_recipes::{Guard, LockError, Mutex};
use tokio::runtime::Runtime;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &words[..] {
        [connect, path, name] => serve(&Contender {
            connect: connect.clone(),
            path: path.clone(),
            name: name.clone(),
        }),
        _ => Err("usage: lockkeeper-mutex CONNECT LOCK_PATH NAME".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            // The harness may be gone; then nobody reads this.
            let _ = say(&format!("failed {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The arguments.
#[derive(Clone)]
struct Contender {
    connect: String,
    path: String,
    name: String,
}

fn serve(contender: &Contender) -> Result<()> {
    let runtime = Runtime::new()?;
    let client = runtime.block_on(contender.connect())?;
    let mutex = contender.mutex(&client, &contender.name)?;
    let mut held = None;
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["acquire", patience_ms] => {
                let patience = Duration::from_millis(patience_ms.parse()?);
                match runtime.block_on(mutex.lock_timeout(patience)) {
                    Ok(guard) => {
                        let (sequence, znode) = name_of(&guard)?;
                        let fence = guard.fence().get();
                        say(&format!("acquired {fence} {sequence} {znode}"))?;
                        held = Some(guard);
                    }
                    Err(LockError::TimedOut) => say("timeout")?,
                    Err(error) => return Err(error.into()),
                }
            }
            ["release"] => {
                let guard: Guard = held.take().ok_or("released without being held")?;
                runtime.block_on(guard.release())?;
                say("released")?;
            }
            ["state"] => {
                let guard = held.as_ref().ok_or("asked without being held")?;
                say(&format!("state {:?}", guard.state()))?;
            }
            ["put", value] => {
                let guard = held.as_ref().ok_or("put without being held")?;
                say(&format!("put {} {value}", guard.fence()))?;
            }
            ["write", path, value] => {
                let guard = held.as_ref().ok_or("wrote without being held")?;
                let ops = vec![Op::set(path, value.to_owned(), None)];
                match runtime.block_on(guard.write(ops)) {
                    Ok(_) => say("written")?,
                    Err(error) => say(&format!("refused {error:?}"))?,
                }
            }
            ["run", count, oracle, sessions] => {
                let (count, sessions) = (count.parse()?, sessions.parse()?);
                runtime.block_on(contender.run_all(count, oracle, sessions))?;
                say(&format!("done {}", count * sessions))?;
            }
            ["quit"] => break,
            _ => return Err(format!("unknown command: {line}").into()),
        }
    }
    drop(held);
    Ok(runtime.block_on(client.close())?)
}

impl Contender {
    async fn connect(&self) -> Result<Client> {
        let builder = Client::builder(&self.connect)
            .session_timeout(SESSION_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        Ok(builder.connect().await?)
    }

    fn mutex(&self, client: &Client, label: &str) -> Result<Mutex> {
        Ok(Mutex::builder(client, &self.path).label(label).build()?)
    }

    async fn run_all(&self, count: u32, oracle: &str, sessions: u32) -> Result<()> {
        let mut running = Vec::new();
        for i in 0..sessions {
            let (contender, oracle) = (self.clone(), oracle.to_owned());
            let who = format!("{}-{i}", self.name);
            running.push(tokio::spawn(async move {
                contender.run(&who, count, &oracle).await
            }));
        }
        for each in running {
            each.await??;
        }
        Ok(())
    }

    async fn run(&self, who: &str, count: u32, oracle: &str) -> Result<()> {
        let client = self.connect().await?;
        let mut oracle = OracleLink::open(oracle.parse()?).await?;
        let mutex = self.mutex(&client, who)?;
        for _ in 0..count {
            let guard = mutex.lock().await?;
            let (sequence, _) = name_of(&guard)?;
            let fence = guard.fence().get();
            oracle.enter(who, fence, sequence).await?;
            oracle.exit(who).await?;
            guard.release().await?;
        }
        Ok(client.close().await?)
    }
}

/// The number of the guard's znode and its name.
fn name_of(guard: &Guard) -> Result<(i32, &str)> {
    let (_, znode) = guard.path().rsplit_once('/').ok_or("a path has a slash")?;
    let (_, digits) = znode
        .split_at_checked(znode.len().wrapping_sub(10))
        .ok_or("a contender's name ends with ten digits")?;
    Ok((digits.parse()?, znode))
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
