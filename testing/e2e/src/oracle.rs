//! The judge of a lock: a TCP service that every holder tells when it enters and leaves.
//!
//! It knows nothing of ZooKeeper, so it cannot share a mistake with a client or a server. Three
//! things are required of a mutex: never two holders inside; fences rise from holder to holder;
//! the lock is granted in the order of the sequence numbers. Those who share are inside together,
//! up to a limit, and never with one who does not. A holder says
//!
//! ```text
//! enter WHO FENCE SEQUENCE     after the lock was granted
//! share WHO                    the same, for one that others may share with: readers, leases
//! exit WHO                     before the lock is released
//! ```
//!
//! and goes on only after the answer, `ok` or `violation TEXT`. So if two reports arrive in the
//! wrong order, two holders really were inside. A connection that ends inside counts as an exit:
//! its process died, and the server will pass the lock on.

#[cfg(feature = "interop")]
mod link;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

#[cfg(feature = "interop")]
pub use self::link::OracleLink;

/// A running oracle for one lock. It listens until it is dropped.
#[derive(Debug)]
pub struct Oracle {
    address: SocketAddr,
    ledger: Arc<Mutex<Ledger>>,
}

impl Oracle {
    /// Starts to listen on a loopback port.
    pub fn start() -> io::Result<Self> {
        Self::with_limit(usize::MAX)
    }

    /// The same, for at most so many that share at a time.
    pub fn with_limit(limit: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let oracle = Self {
            address: listener.local_addr()?,
            ledger: Arc::new(Mutex::new(Ledger {
                limit,
                ..Ledger::default()
            })),
        };
        let ledger = Arc::clone(&oracle.ledger);
        thread::spawn(move || accept(&listener, &ledger));
        Ok(oracle)
    }

    /// Where holders report.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was seen so far.
    pub fn report(&self) -> Report {
        lock(&self.ledger).report.clone()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        lock(&self.ledger).closed = true;
        // Wakes the listening thread, which then sees the mark and ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// The judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How often each holder entered.
    pub entries: BTreeMap<String, u32>,
    /// How often the lock went from one holder to a different one.
    pub handovers: u32,
    /// The most that were inside together.
    pub sharers_max: usize,
    /// Holders whose connection ended inside.
    pub abandoned: u32,
    /// What went wrong, in words; empty for a lock that works.
    pub violations: Vec<String>,
}

impl Report {
    /// Entries of all holders together.
    pub fn total(&self) -> u32 {
        self.entries.values().sum()
    }
}

#[derive(Debug, Default)]
struct Ledger {
    inside: Option<String>,
    sharing: BTreeSet<String>,
    limit: usize,
    last: Option<Turn>,
    report: Report,
    closed: bool,
}

#[derive(Debug)]
struct Turn {
    who: String,
    fence: i64,
    sequence: i32,
}

impl Ledger {
    fn enter(&mut self, turn: Turn) -> Result<(), String> {
        let mut faults = Vec::new();
        if let Some(holder) = &self.inside {
            faults.push(format!("{} entered while {holder} was inside", turn.who));
        }
        for holder in &self.sharing {
            faults.push(format!("{} entered while {holder} was inside", turn.who));
        }
        if let Some(last) = &self.last {
            let (now, before) = (&turn.who, &last.who);
            if turn.fence <= last.fence {
                let (new, old) = (turn.fence, last.fence);
                faults.push(format!(
                    "{now} has fence {new}, but {before} before it had {old}"
                ));
            }
            if turn.sequence <= last.sequence {
                let (new, old) = (turn.sequence, last.sequence);
                faults.push(format!(
                    "{now} with sequence {new} came after {before} with {old}"
                ));
            }
            self.report.handovers += u32::from(now != before);
        }
        *self.report.entries.entry(turn.who.clone()).or_default() += 1;
        self.inside = Some(turn.who.clone());
        self.last = Some(turn);
        self.judge(faults)
    }

    fn share(&mut self, who: &str) -> Result<(), String> {
        let mut faults = Vec::new();
        if let Some(holder) = &self.inside {
            faults.push(format!("{who} entered while {holder} was inside"));
        }
        self.sharing.insert(who.to_owned());
        let count = self.sharing.len();
        if count > self.limit {
            faults.push(format!("{who} is one of {count} inside"));
        }
        self.report.sharers_max = self.report.sharers_max.max(count);
        *self.report.entries.entry(who.to_owned()).or_default() += 1;
        self.judge(faults)
    }

    fn exit(&mut self, who: &str) -> Result<(), String> {
        if self.sharing.remove(who) {
            return Ok(());
        }
        let mut faults = Vec::new();
        match self.inside.take() {
            Some(holder) if holder == who => {}
            Some(holder) => {
                faults.push(format!("{who} left while {holder} was inside"));
                self.inside = Some(holder);
            }
            None => faults.push(format!("{who} left without being inside")),
        }
        self.judge(faults)
    }

    fn abandon(&mut self, who: &str) {
        if self.sharing.remove(who) {
            self.report.abandoned += 1;
        }
        if self.inside.as_deref() == Some(who) {
            self.inside = None;
            self.report.abandoned += 1;
        }
    }

    fn judge(&mut self, faults: Vec<String>) -> Result<(), String> {
        if faults.is_empty() {
            return Ok(());
        }
        let text = faults.join("; ");
        self.report.violations.extend(faults);
        Err(text)
    }
}

fn accept(listener: &TcpListener, ledger: &Arc<Mutex<Ledger>>) {
    for stream in listener.incoming() {
        if lock(ledger).closed {
            return;
        }
        if let Ok(stream) = stream {
            let ledger = Arc::clone(ledger);
            thread::spawn(move || {
                let mut inside = None;
                // An error ends the connection just as an orderly end does.
                let _ = serve(&stream, &ledger, &mut inside);
                if let Some(who) = inside {
                    lock(&ledger).abandon(&who);
                }
            });
        }
    }
}

fn serve(
    stream: &TcpStream,
    ledger: &Mutex<Ledger>,
    inside: &mut Option<String>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let verdict = match line.split(' ').collect::<Vec<_>>()[..] {
            ["enter", who, fence, sequence] => match (fence.parse(), sequence.parse()) {
                (Ok(fence), Ok(sequence)) => {
                    *inside = Some(who.to_owned());
                    lock(ledger).enter(Turn {
                        who: who.to_owned(),
                        fence,
                        sequence,
                    })
                }
                _ => Err(format!("not a turn: {line}")),
            },
            ["share", who] => {
                *inside = Some(who.to_owned());
                lock(ledger).share(who)
            }
            ["exit", who] => {
                *inside = None;
                lock(ledger).exit(who)
            }
            _ => Err(format!("not a report: {line}")),
        };
        match verdict {
            Ok(()) => answers.write_all(b"ok\n")?,
            Err(text) => answers.write_all(format!("violation {text}\n").as_bytes())?,
        }
    }
    Ok(())
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger
        .lock()
        .expect("no thread panics while it holds the ledger")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;

    fn turn(who: &str, fence: i64, sequence: i32) -> Turn {
        Turn {
            who: who.to_owned(),
            fence,
            sequence,
        }
    }

    #[test]
    fn turns_one_after_the_other_are_fine() {
        let mut ledger = Ledger::default();
        for (who, fence) in [("a", 10), ("b", 11), ("b", 15), ("a", 20)] {
            assert_eq!(ledger.enter(turn(who, fence, fence as i32)), Ok(()));
            assert_eq!(ledger.exit(who), Ok(()));
        }
        assert_eq!(ledger.report.total(), 4);
        assert_eq!(ledger.report.handovers, 2);
        assert!(ledger.report.violations.is_empty());
    }

    #[test]
    fn those_who_share_exclude_who_does_not_and_keep_to_the_limit() {
        let mut ledger = Ledger {
            limit: 2,
            ..Ledger::default()
        };
        ledger.share("a").expect("the first");
        ledger.share("b").expect("the second");
        assert!(ledger.share("c").is_err());
        ledger.exit("c").expect("it is inside");
        assert!(ledger.enter(turn("d", 1, 1)).is_err());
        assert!(ledger.share("e").is_err());
        assert_eq!(ledger.report.sharers_max, 3);
    }

    #[test]
    fn two_inside_are_a_violation() {
        let mut ledger = Ledger::default();
        ledger.enter(turn("a", 1, 1)).expect("the first");
        assert!(ledger.enter(turn("b", 2, 2)).is_err());
        assert!(ledger.exit("a").is_err());
        assert_eq!(ledger.report.violations.len(), 2);
    }

    #[test]
    fn fences_and_sequences_must_rise() {
        let mut ledger = Ledger::default();
        ledger.enter(turn("a", 5, 5)).expect("the first");
        ledger.exit("a").expect("the holder leaves");
        assert!(ledger.enter(turn("b", 5, 6)).is_err());
        ledger.exit("b").expect("the holder leaves");
        assert!(ledger.enter(turn("c", 6, 6)).is_err());
    }

    #[test]
    fn an_exit_needs_an_entry() {
        assert!(Ledger::default().exit("a").is_err());
    }

    #[test]
    fn a_connection_lost_inside_is_an_exit() {
        let oracle = Oracle::start().expect("a loopback port");
        let ask = |stream: &mut TcpStream, line: &str| {
            stream
                .write_all(line.as_bytes())
                .expect("the oracle listens");
            let mut answer = String::new();
            BufReader::new(&*stream)
                .read_line(&mut answer)
                .expect("the oracle answers");
            answer
        };
        let mut first = TcpStream::connect(oracle.address()).expect("the oracle listens");
        assert_eq!(ask(&mut first, "enter a 1 1\n"), "ok\n");
        drop(first);
        wait::until("the exit", wait::PATIENCE, || {
            (oracle.report().abandoned == 1).then_some(())
        })
        .expect("the oracle sees the end of the connection");
        let mut second = TcpStream::connect(oracle.address()).expect("the oracle listens");
        assert_eq!(ask(&mut second, "enter b 2 2\n"), "ok\n");
        assert_eq!(
            ask(&mut second, "exit a\n"),
            "violation a left while b was inside\n"
        );
    }
}
