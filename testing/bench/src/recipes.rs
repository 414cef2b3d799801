//! Our recipes beside Curator's and kazoo's, and our Python package beside kazoo.
//!
//! Each library has a program that takes orders, see [`program`](crate::program). In every run the
//! programs do a work in turn, on one server that serves nobody else meanwhile, and the medians
//! over the runs are printed. Contenders, candidates and watchers have a session each, in all
//! libraries; Curator's and kazoo's contenders have a thread each besides, since their locks block.
//! Times are taken inside the programs; CPU time is that of a whole program, its JVM's or
//! interpreter's threads included. Curator's JVM has its default options and time to compile. How
//! many watches a deletion sets off is counted by the server; a holder that watches its own znode
//! and leaves before it has taken that watch back is one of them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use lockkeeper_e2e::proxy::{Direction, Seen, op};
use lockkeeper_e2e::{Peer, Proxy, Server, four_letter, process};

use crate::plan::{self, Plan};
use crate::rival::{Library, Rival, Spell};
use crate::table::{Goal, Row, median};
use crate::{proc, servers, table};

/// Work before the first measurement of a work.
const FIRST_WARM_UP: Duration = Duration::from_secs(10);

/// Work before every later one.
const WARM_UP: Duration = Duration::from_secs(1);

/// Work of which something is counted.
const COUNTED: Duration = Duration::from_secs(1);

const CROWDS: [usize; 3] = [2, 100, 1000];
const CANDIDATES: usize = 10;
const WATCHERS: usize = 1000;

/// A program with a thousand sessions has so many files open.
const DESCRIPTORS: usize = 8000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Pairs,
    HandOffs,
    FailOvers,
    Updates,
    Gets,
}

impl plan::Work for Work {
    const ALL: &'static [(&'static str, Self)] = &[
        ("pairs", Self::Pairs),
        ("handoffs", Self::HandOffs),
        ("failovers", Self::FailOvers),
        ("updates", Self::Updates),
        ("gets", Self::Gets),
    ];
}

/// What the libraries have shown of one thing.
type Figures = BTreeMap<Library, f64>;

const IN_PYTHON: [Library; 2] = [Library::Kazoo, Library::OursFromPython];
const NATIVE: [Library; 3] = [Library::Ours, Library::Curator, Library::Kazoo];
const ALL: [Library; 4] = [
    Library::Ours,
    Library::Curator,
    Library::Kazoo,
    Library::OursFromPython,
];

/// The server, the programs, and what has been measured so far.
struct Bench<'a> {
    plan: &'a Plan<Work>,
    server: Server,
    rivals: BTreeMap<Library, Rival>,
    begun: usize,
    rows: Vec<Row>,
    python_rows: Vec<Row>,
}

/// Compares and prints.
pub(crate) fn compare(plan: &Plan<Work>) -> io::Result<()> {
    process::allow_descriptors(DESCRIPTORS)?;
    let peer = match plan.with_apache {
        true => Peer::Apache39,
        false => Peer::Ours,
    };
    println!("{}, server: {peer}", proc::machine());
    println!(
        "{} runs of {} s for each work and library, medians; CPU is the client's alone",
        plan.runs,
        plan.wall.as_secs()
    );
    println!();
    let mut bench = Bench {
        plan,
        server: servers::start(peer)?,
        rivals: BTreeMap::new(),
        begun: 0,
        rows: Vec::new(),
        python_rows: Vec::new(),
    };
    for library in ALL {
        bench.rivals.insert(library, library.start()?);
    }
    for &work in &plan.works {
        eprintln!("{work:?}");
        match work {
            Work::Pairs => bench.pairs()?,
            Work::HandOffs => bench.hand_offs()?,
            Work::FailOvers => bench.fail_overs()?,
            Work::Updates => bench.updates()?,
            Work::Gets => bench.gets()?,
        }
    }
    if !bench.rows.is_empty() {
        table::print(&["Curator", "kazoo"], &bench.rows);
        println!();
    }
    if !bench.python_rows.is_empty() {
        println!("From Python:");
        println!();
        table::print(&["kazoo"], &bench.python_rows);
    }
    Ok(())
}

impl Bench<'_> {
    fn pairs(&mut self) -> io::Result<()> {
        let work = "free lock taken and released";
        let spells = self.run_all(&ALL, "pairs", 1)?;
        let trips = self.count_trips()?;
        let elapsed = middle(&spells, |spell| spell.p50_us);
        let cpu = middle(&spells, Spell::cpu_us);
        self.row(work, "us, p50", &elapsed, Goal::Open);
        self.row(work, "us of CPU", &cpu, Goal::Most(95.0));
        // Two to get it and one to give it back.
        self.row(work, "round trips", &trips, Goal::Most(3.0));
        self.python_row(work, "us, p50", &elapsed, Goal::Open);
        self.python_row(work, "us of CPU", &cpu, Goal::Part(1.0 / 3.0));
        Ok(())
    }

    fn hand_offs(&mut self) -> io::Result<()> {
        for count in CROWDS {
            let work = format!("lock hand-off, {count} contenders");
            let spells = self.run_all(&NATIVE, "handoffs", count)?;
            let elapsed = middle(&spells, |spell| spell.p50_us);
            self.row(&work, "us, p50", &elapsed, Goal::Open);
            let rate = middle(&spells, Spell::per_cpu_second);
            self.row(&work, "per CPU second", &rate, Goal::Open);
            let woken = middle(&spells, |spell| spell.woken);
            self.row(&work, "watches set off", &woken, Goal::Most(1.1));
        }
        Ok(())
    }

    fn fail_overs(&mut self) -> io::Result<()> {
        let work = format!("leader's session closed, {CANDIDATES} candidates");
        let spells = self.run_all(&NATIVE, "failovers", CANDIDATES)?;
        let elapsed = middle(&spells, |spell| spell.p50_us);
        self.row(
            &work,
            "us until the next one acts, p50",
            &elapsed,
            Goal::Open,
        );
        Ok(())
    }

    fn updates(&mut self) -> io::Result<()> {
        let work = format!("configuration changed, {WATCHERS} watchers");
        let spells = self.run_all(&NATIVE, "updates", WATCHERS)?;
        let elapsed = middle(&spells, |spell| spell.p50_us / 1e3);
        self.row(&work, "ms until the last has it, p50", &elapsed, Goal::Open);
        let cpu = middle(&spells, |spell| spell.cpu_us() / WATCHERS as f64);
        self.row(&work, "us of CPU per watcher", &cpu, Goal::Open);
        Ok(())
    }

    fn gets(&mut self) -> io::Result<()> {
        let work = "get of 100 bytes, one after the other";
        let spells = self.run_all(&IN_PYTHON, "gets", 1)?;
        let elapsed = middle(&spells, |spell| spell.p50_us);
        self.python_row(work, "us, p50", &elapsed, Goal::Open);
        let cpu = middle(&spells, Spell::cpu_us);
        self.python_row(work, "us of CPU", &cpu, Goal::Most(60.0));
        Ok(())
    }

    /// Has the libraries do a work in turn, as often as is asked for.
    fn run_all(
        &mut self,
        libraries: &[Library],
        work: &str,
        count: usize,
    ) -> io::Result<BTreeMap<Library, Vec<Spell>>> {
        let connect = self.server.connect_string();
        let mut spells: BTreeMap<Library, Vec<Spell>> = BTreeMap::new();
        for run in 0..self.plan.runs {
            let warm_up = if run == 0 { FIRST_WARM_UP } else { WARM_UP };
            for &library in libraries {
                let wall = self.plan.wall;
                let (rival, server) = self.begin(library, work, &connect, count)?;
                rival.go(warm_up)?;
                let (deletions_before, watches_before) = told(server)?;
                let spell = rival.go(wall)?;
                let (deletions, watches) = told(server)?;
                rival.end()?;
                let woken = (watches - watches_before) / (deletions - deletions_before);
                let spell = Spell { woken, ..spell };
                spells.entry(library).or_default().push(spell);
            }
        }
        Ok(spells)
    }

    /// Has a library open what it needs for a work on a path of its own, on the server at `connect`.
    fn begin(
        &mut self,
        library: Library,
        work: &str,
        connect: &str,
        count: usize,
    ) -> io::Result<(&mut Rival, &Server)> {
        self.begun += 1;
        let path = format!("/{work}-{}", self.begun);
        let rival = self.rivals.get_mut(&library);
        let rival = rival.expect("all are started before the first work");
        rival.begin(work, connect, &path, count)?;
        Ok((rival, &self.server))
    }

    /// Round trips of a pair, as a proxy sees them.
    fn count_trips(&mut self) -> io::Result<Figures> {
        let proxy = Proxy::start(self.server.address())?;
        let mut trips = Figures::new();
        for library in ALL {
            let (rival, _) = self.begin(library, "pairs", &proxy.connect_string(), 1)?;
            let before = proxy.seen().len();
            rival.go(COUNTED)?;
            trips.insert(library, round_trips(&proxy.seen()[before..]));
            rival.end()?;
        }
        Ok(trips)
    }

    fn row(&mut self, work: &str, unit: &'static str, figures: &Figures, goal: Goal) {
        let others = [Library::Curator, Library::Kazoo];
        let row = compared(work, unit, figures, &others, Library::Ours, goal);
        self.rows.push(row);
    }

    fn python_row(&mut self, work: &str, unit: &'static str, figures: &Figures, goal: Goal) {
        let [kazoo, ours] = IN_PYTHON;
        let row = compared(work, unit, figures, &[kazoo], ours, goal);
        self.python_rows.push(row);
    }
}

fn compared(
    work: &str,
    unit: &'static str,
    figures: &Figures,
    others: &[Library],
    ours: Library,
    goal: Goal,
) -> Row {
    let of = |library| figures.get(library).copied().unwrap_or(f64::NAN);
    Row {
        work: work.to_owned(),
        unit,
        others: others.iter().map(of).collect(),
        ours: of(&ours),
        goal,
    }
}

/// The median of each library.
fn middle(spells: &BTreeMap<Library, Vec<Spell>>, value: impl Fn(&Spell) -> f64) -> Figures {
    let medians = spells.iter();
    let medians = medians.map(|(&library, spells)| (library, value(&median(spells, &value))));
    medians.collect()
}

/// How many deletions the server has told anybody of so far, and how many watches they set off.
fn told(server: &Server) -> io::Result<(f64, f64)> {
    let counters = server.four_letter("mntr")?;
    let counted = |what| {
        let key = format!("zk_{what}_node_deleted_watch_count");
        four_letter::metric(&counters, &key)
            .ok_or_else(|| io::Error::other(format!("mntr has no {key}")))
    };
    Ok((counted("cnt")?, counted("sum")?))
}

/// Round trips per pair, of frames of one connection that takes a lock and deletes its znode again
/// and again: a request is of the trip that follows the last one answered before it.
fn round_trips(seen: &[Seen]) -> f64 {
    let mut outstanding = VecDeque::new();
    let (mut answered, mut trips, mut pairs) = (0, 0, 0);
    for frame in seen.iter().filter(|frame| frame.opcode != op::EVENT) {
        match frame.direction {
            Direction::Request => outstanding.push_back(answered + 1),
            Direction::Reply => {
                let trip = outstanding.pop_front().unwrap_or(0);
                answered = answered.max(trip);
                if frame.opcode == op::DELETE {
                    (answered, trips, pairs) = (0, trips + trip, pairs + 1);
                    // What is answered late has held up nobody.
                    outstanding.iter_mut().for_each(|trip| *trip = 0);
                }
            }
        }
    }
    f64::from(trips) / f64::from(pairs)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn requests_sent_together_are_one_round_trip() {
        let pair = |text: &str| {
            let frames = text.chars().map(|char| {
                let (direction, opcode) = match char {
                    'c' => (Direction::Request, op::CREATE),
                    'd' => (Direction::Request, op::DELETE),
                    'C' => (Direction::Reply, op::CREATE),
                    'D' => (Direction::Reply, op::DELETE),
                    _ => (Direction::Reply, op::EVENT),
                };
                Seen {
                    connection: 0,
                    direction,
                    opcode,
                    at: Instant::now(),
                }
            });
            round_trips(&frames.collect::<Vec<_>>())
        };
        assert_eq!(pair("ccCCd!D"), 2.0);
        assert_eq!(pair("cCcCdD"), 3.0);
        assert_eq!(pair("cCdcDCcCdD"), 2.0);
        assert_eq!(pair("cCdDcCcCdD"), 2.5);
    }
}
