//! Three members of ours beside three of Apache's: the same work on either ensemble in turn.
//!
//! CPU time and memory are those of all three processes. Connections and sessions are spread over
//! the members, so two thirds of the writes go through a follower.

use std::io;
use std::time::Duration;

use lockkeeper_e2e::{Ensemble, Peer, Settings};

use crate::failover::{self, Failover};
use crate::load::{Load, Operation, Sample};
use crate::memory::Resident;
use crate::plan::{self, Plan};
use crate::servers::{FIRST_WARM_UP, MIB, WARM_UP};
use crate::table::{Goal, Row, median};
use crate::target::Target;
use crate::{handoff, memory, proc, table};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Set,
    Get,
    Lone,
    Lock,
    Memory,
    Kills,
}

impl plan::Work for Work {
    const ALL: &'static [(&'static str, Self)] = &[
        ("set", Self::Set),
        ("get", Self::Get),
        ("lone", Self::Lone),
        ("lock", Self::Lock),
        ("memory", Self::Memory),
        ("kills", Self::Kills),
    ];
}

/// Apache's and ours, as far as they take part.
type Sides<T> = [Option<T>; 2];

struct Bench<'a> {
    plan: &'a Plan<Work>,
    peers: Sides<Peer>,
    ensembles: Sides<Ensemble>,
    rows: Vec<Row>,
}

/// Compares and prints.
pub(crate) fn compare(plan: &Plan<Work>) -> io::Result<()> {
    println!("{}", proc::machine());
    println!(
        "{} runs of {} s for each work and ensemble of three, medians; CPU is the servers' alone; \
         {} kills",
        plan.runs,
        plan.wall.as_secs(),
        plan.kills
    );
    println!();
    let peers = [
        plan.with_apache.then_some(Peer::Apache39),
        plan.with_ours.then_some(Peer::Ours),
    ];
    let mut bench = Bench {
        plan,
        peers,
        ensembles: start(peers)?,
        rows: Vec::new(),
    };
    for &work in &plan.works {
        eprintln!("{work:?}");
        match work {
            Work::Set => bench.pipelined("set", Operation::Set, Goal::Times(5.0))?,
            Work::Get => bench.pipelined("get", Operation::Get, Goal::Times(10.0))?,
            Work::Lone => bench.lone()?,
            Work::Lock => bench.lock()?,
            Work::Memory => bench.memory()?,
            Work::Kills => bench.kills()?,
        }
    }
    table::print(&["Apache"], &bench.rows);
    Ok(())
}

/// Three members each, as their makers start them, with the times of Apache's sample file.
fn start(peers: Sides<Peer>) -> io::Result<Sides<Ensemble>> {
    let settings = Settings::default()
        .config("tickTime", "2000")
        .config("initLimit", "10")
        .config("syncLimit", "5")
        .as_shipped();
    let [apache, ours] = peers.map(|peer| {
        let started = peer.map(|peer| Ensemble::start_with(&[peer; 3], &settings));
        started.transpose()
    });
    Ok([apache?, ours?])
}

impl Bench<'_> {
    /// Runs something on the two in turn.
    fn alternate<T>(
        &self,
        mut run: impl FnMut(&Target, Duration) -> io::Result<T>,
    ) -> io::Result<[Vec<T>; 2]> {
        let mut results = [Vec::new(), Vec::new()];
        for index in 0..self.plan.runs {
            let warm_up = if index == 0 { FIRST_WARM_UP } else { WARM_UP };
            for (side, results) in self.ensembles.iter().zip(&mut results) {
                if let Some(ensemble) = side {
                    results.push(run(&ensemble.into(), warm_up)?);
                }
            }
        }
        Ok(results)
    }

    /// A row of medians, or of nothing for one that takes no part.
    fn row<T: Clone>(
        &mut self,
        work: &str,
        unit: &'static str,
        results: &[Vec<T>; 2],
        value: impl Fn(&T) -> f64,
        goal: Goal,
    ) {
        let [apache, ours] = results.each_ref().map(|results| match &results[..] {
            [] => f64::NAN,
            results => value(&median(results, &value)),
        });
        self.rows.push(Row {
            work: work.to_owned(),
            unit,
            others: vec![apache],
            ours,
            goal,
        });
    }

    fn pipelined(&mut self, verb: &str, operation: Operation, goal: Goal) -> io::Result<()> {
        let name = format!("{verb} 1 KiB, 8 connections x 64 in flight");
        let load = Load {
            operation,
            connections: 8,
            in_flight: 64,
        };
        let wall = self.plan.wall;
        let results = self.alternate(|target, warm_up| load.run(target, warm_up, wall))?;
        let unit = "operations per CPU second";
        self.row(&name, unit, &results, Sample::per_cpu_second, goal);
        self.row(
            &name,
            "per second",
            &results,
            Sample::per_second,
            Goal::Open,
        );
        Ok(())
    }

    fn lone(&mut self) -> io::Result<()> {
        let name = "set 1 KiB, 1 connection, 1 in flight, on each member in turn";
        let wall = self.plan.wall;
        let results = self.alternate(|target, warm_up| {
            Load::alone(Operation::Set, target, warm_up.min(3 * WARM_UP), wall)
        })?;
        self.row(name, "us, p50", &results, micros, Goal::Part(0.7));
        Ok(())
    }

    fn lock(&mut self) -> io::Result<()> {
        let name = format!("lock hand-off, {} contenders", handoff::CONTENDERS);
        let wall = self.plan.wall;
        let results = self.alternate(|target, warm_up| handoff::run(target, warm_up, wall))?;
        let p50 = |run: &handoff::HandOffs| micros(&run.p50);
        self.row(&name, "us, p50", &results, p50, Goal::Part(0.6));
        let rate = |run: &handoff::HandOffs| run.sample.per_cpu_second();
        self.row(&name, "per CPU second", &results, rate, Goal::Open);
        Ok(())
    }

    /// On ensembles of their own, fresh ones.
    fn memory(&mut self) -> io::Result<()> {
        let mut results = [Vec::new(), Vec::new()];
        for _ in 0..self.plan.runs {
            for (&peer, results) in self.peers.iter().zip(&mut results) {
                let [ensemble, _] = start([peer, None])?;
                if let Some(ensemble) = &ensemble {
                    results.push(memory::run(&ensemble.into())?);
                }
            }
        }
        let name = "resident with 100,000 znodes of 100 bytes, all three";
        let settled = |run: &Resident| run.settled as f64 / MIB;
        self.row(name, "MiB", &results, settled, Goal::Part(0.25));
        let least = |run: &Resident| run.collected.unwrap_or(run.settled) as f64 / MIB;
        let name = "the same, Apache's after a forced full collection";
        self.row(name, "MiB", &results, least, Goal::Open);
        Ok(())
    }

    fn kills(&mut self) -> io::Result<()> {
        let mut results = [Vec::new(), Vec::new()];
        for (side, results) in self.ensembles.iter_mut().zip(&mut results) {
            if let Some(ensemble) = side {
                results.push(failover::run(ensemble, self.plan.kills)?);
            }
        }
        let work = format!("leader killed under {} writes a second", failover::RATE);
        let name = format!("{work}: longest gap between acknowledged writes");
        let gap = |percent| move |run: &Failover| run.gap_ms(percent);
        self.row(&name, "ms, median", &results, gap(50), Goal::Most(200.0));
        self.row(&name, "ms, least", &results, gap(0), Goal::Open);
        self.row(&name, "ms, most", &results, gap(100), Goal::Open);
        let name = "the same of the session that waits longest";
        let slowest = |run: &Failover| run.slowest_ms();
        self.row(name, "ms, median", &results, slowest, Goal::Open);
        let name = format!("{work}: acknowledged writes");
        let acknowledged = |run: &Failover| run.acknowledged as f64;
        self.row(&name, "number", &results, acknowledged, Goal::Open);
        let lost = |run: &Failover| run.lost as f64;
        self.row(&name, "lost", &results, lost, Goal::Most(0.0));
        Ok(())
    }
}

fn micros(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
