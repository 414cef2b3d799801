//! Our server beside Apache's: the same work on either in turn.

use std::io;
use std::time::Duration;

use lockkeeper_e2e::{Peer, Server, Settings};

use crate::echo::Echo;
use crate::load::{Load, Operation, Sample};
use crate::plan::{self, Plan};
use crate::table::{Goal, Row, median, number};
use crate::target::Target;
use crate::{handoff, memory, proc, table};

/// Load before the first measurement of a work on a server: Apache's compiles itself meanwhile.
pub(crate) const FIRST_WARM_UP: Duration = Duration::from_secs(30);

/// Load before every later one.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) const MIB: f64 = (1 << 20) as f64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Get,
    Set,
    Lone,
    Lock,
    Memory,
}

impl plan::Work for Work {
    const ALL: &'static [(&'static str, Self)] = &[
        ("get", Self::Get),
        ("set", Self::Set),
        ("lone", Self::Lone),
        ("lock", Self::Lock),
        ("memory", Self::Memory),
    ];
}

/// The servers under comparison, and what has been measured so far.
struct Bench<'a> {
    plan: &'a Plan<Work>,
    apache: Option<Server>,
    ours: Server,
    echo: Echo,
    rows: Vec<Row>,
    rates: Vec<[String; 5]>,
}

/// Compares and prints.
pub(crate) fn compare(plan: &Plan<Work>) -> io::Result<()> {
    println!("{}", proc::machine());
    println!(
        "{} runs of {} s for each work and server, medians; CPU is the server's alone",
        plan.runs,
        plan.wall.as_secs()
    );
    println!();
    let mut bench = Bench {
        plan,
        apache: plan
            .with_apache
            .then(|| start(Peer::Apache39))
            .transpose()?,
        ours: start(Peer::Ours)?,
        echo: Echo::start()?,
        rows: Vec::new(),
        rates: Vec::new(),
    };
    for &work in &plan.works {
        eprintln!("{work:?}");
        match work {
            Work::Get => bench.pipelined("get", Operation::Get, Goal::Times(8.0))?,
            Work::Set => bench.pipelined("set", Operation::Set, Goal::Times(4.0))?,
            Work::Lone => bench.lone()?,
            Work::Lock => bench.lock()?,
            Work::Memory => bench.memory()?,
        }
    }
    table::print(&["Apache"], &bench.rows);
    if !bench.rates.is_empty() {
        println!();
        table::line([
            "operations per second",
            "Apache",
            "ours",
            "echo",
            "CPU of echo, us",
        ]);
        table::line(["---", "---:", "---:", "---:", "---:"]);
        for cells in &bench.rates {
            table::line(cells);
        }
    }
    Ok(())
}

/// A server as its makers start it, with ticks of two seconds.
pub(crate) fn start(peer: Peer) -> io::Result<Server> {
    let settings = Settings::default().config("tickTime", "2000").as_shipped();
    Server::standalone_with(peer, settings)
}

impl Bench<'_> {
    /// Runs something on Apache's server and ours in turn. What takes Apache's place when it is
    /// left out is ours.
    fn alternate<T>(
        &self,
        mut run: impl FnMut(&Target, Duration) -> io::Result<T>,
    ) -> io::Result<(Vec<T>, Vec<T>)> {
        let (mut apache, mut ours) = (Vec::new(), Vec::new());
        for index in 0..self.plan.runs {
            let warm_up = if index == 0 { FIRST_WARM_UP } else { WARM_UP };
            if let Some(server) = &self.apache {
                apache.push(run(&server.into(), warm_up)?);
            }
            ours.push(run(&(&self.ours).into(), warm_up.min(2 * WARM_UP))?);
        }
        Ok((apache, ours))
    }

    fn load(&mut self, name: &str, load: Load) -> io::Result<(Option<Sample>, Sample)> {
        let wall = self.plan.wall;
        let (apache, ours) = self.alternate(|target, warm_up| load.run(target, warm_up, wall))?;
        let apache = (!apache.is_empty()).then(|| median(&apache, Sample::per_cpu_second));
        let ours = median(&ours, Sample::per_cpu_second);
        let echo = match load.operation {
            Operation::Get => Some(load.run(&self.echo.target(), WARM_UP, wall)?),
            Operation::Set => None,
        };
        let cell = |sample: Option<Sample>, of: fn(&Sample) -> f64| {
            sample.map_or("-".to_owned(), |sample| number(of(&sample)))
        };
        self.rates.push([
            name.to_owned(),
            cell(apache, Sample::per_second),
            cell(Some(ours), Sample::per_second),
            cell(echo, Sample::per_second),
            cell(echo, Sample::cpu_us),
        ]);
        Ok((apache, ours))
    }

    fn row(&mut self, work: &str, unit: &'static str, values: (Option<f64>, f64), goal: Goal) {
        self.rows.push(Row {
            work: work.to_owned(),
            unit,
            others: vec![values.0.unwrap_or(f64::NAN)],
            ours: values.1,
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
        let (apache, ours) = self.load(&name, load)?;
        let values = (apache.map(|s| s.per_cpu_second()), ours.per_cpu_second());
        self.row(&name, "operations per CPU second", values, goal);
        Ok(())
    }

    fn lone(&mut self) -> io::Result<()> {
        let name = "get 1 KiB, 1 connection, 1 in flight";
        let load = Load {
            operation: Operation::Get,
            connections: 1,
            in_flight: 1,
        };
        let (apache, ours) = self.load(name, load)?;
        let values = (apache.map(|s| s.cpu_us()), ours.cpu_us());
        self.row(name, "us of CPU per operation", values, Goal::Most(45.0));
        Ok(())
    }

    fn lock(&mut self) -> io::Result<()> {
        let wall = self.plan.wall;
        let (apache, ours) =
            self.alternate(|target, warm_up| handoff::run(target, warm_up, wall))?;
        let of = |runs: &[handoff::HandOffs], value: fn(&handoff::HandOffs) -> f64| {
            (!runs.is_empty()).then(|| value(&median(runs, value)))
        };
        let mut both = |unit, value: fn(&handoff::HandOffs) -> f64, goal| {
            let name = format!("lock hand-off, {} contenders", handoff::CONTENDERS);
            let values = (of(&apache, value), of(&ours, value).unwrap_or(f64::NAN));
            self.row(&name, unit, values, goal);
        };
        both(
            "us, p50",
            |run| run.p50.as_secs_f64() * 1e6,
            Goal::Part(0.5),
        );
        both("us, p99", |run| run.p99.as_secs_f64() * 1e6, Goal::Open);
        both(
            "per CPU second",
            |run| run.sample.per_cpu_second(),
            Goal::Times(4.0),
        );
        both("per second", |run| run.sample.per_second(), Goal::Open);
        Ok(())
    }

    /// On servers of its own, fresh ones.
    fn memory(&mut self) -> io::Result<()> {
        let (mut apache, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..self.plan.runs {
            if self.plan.with_apache {
                let server = start(Peer::Apache39)?;
                apache.push(memory::run(&(&server).into())?);
            }
            let server = start(Peer::Ours)?;
            ours.push(memory::run(&(&server).into())?);
        }
        let settled = |run: &memory::Resident| run.settled as f64 / MIB;
        let collected = |run: &memory::Resident| run.collected.unwrap_or(0) as f64 / MIB;
        let own = settled(&median(&ours, settled));
        let of_apache = |value: &dyn Fn(&memory::Resident) -> f64| {
            (!apache.is_empty()).then(|| value(&median(&apache, value)))
        };
        let name = "resident with 100,000 znodes of 100 bytes";
        self.row(name, "MiB", (of_apache(&settled), own), Goal::Part(0.25));
        if apache.iter().all(|run| run.collected.is_some()) {
            let name = "the same, Apache's after a forced full collection";
            self.row(name, "MiB", (of_apache(&collected), own), Goal::Open);
        }
        Ok(())
    }
}
