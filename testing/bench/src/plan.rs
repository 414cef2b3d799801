//! What is asked of this program.

use std::io;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [--only WORK,WORK...] [--runs N] [--seconds N] [--ours]

  --only     some of: get, set, lone, lock, memory
  --runs     measurements of each work on each server; medians are printed (3)
  --seconds  length of one measurement (4)
  --ours     leaves Apache's server out, for work on ours; prints no ratio worth reading
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Get,
    Set,
    Lone,
    Lock,
    Memory,
}

impl Work {
    const ALL: [(&str, Self); 5] = [
        ("get", Self::Get),
        ("set", Self::Set),
        ("lone", Self::Lone),
        ("lock", Self::Lock),
        ("memory", Self::Memory),
    ];
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) works: Vec<Work>,
    pub(crate) runs: usize,
    pub(crate) wall: Duration,
    pub(crate) with_apache: bool,
}

impl Plan {
    pub(crate) fn parse(words: &[&str]) -> io::Result<Self> {
        let mut plan = Self {
            works: Work::ALL.map(|(_, work)| work).to_vec(),
            runs: 3,
            wall: Duration::from_secs(4),
            with_apache: true,
        };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => return Ok(plan),
                ["--only", names, rest @ ..] => {
                    plan.works = names.split(',').map(work).collect::<io::Result<_>>()?;
                    rest
                }
                ["--runs", count, rest @ ..] => {
                    plan.runs = positive(count)?;
                    rest
                }
                ["--seconds", count, rest @ ..] => {
                    plan.wall = Duration::from_secs(positive(count)? as u64);
                    rest
                }
                ["--ours", rest @ ..] => {
                    plan.with_apache = false;
                    rest
                }
                _ => return Err(io::Error::other(USAGE)),
            };
        }
    }
}

fn work(name: &str) -> io::Result<Work> {
    let found = Work::ALL.iter().find(|(known, _)| *known == name);
    found
        .map(|&(_, work)| work)
        .ok_or_else(|| io::Error::other(USAGE))
}

fn positive(text: &str) -> io::Result<usize> {
    let count = text.parse().ok().filter(|&count| count > 0);
    count.ok_or_else(|| io::Error::other(USAGE))
}
