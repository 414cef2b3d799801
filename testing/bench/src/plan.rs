//! What is asked of this program.

use std::io;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: cargo xtask bench [--only WORK,WORK...] [--runs N] [--seconds N] [--ours]
       cargo xtask bench --recipes [--only WORK,WORK...] [--runs N] [--seconds N]
                                   [--server ours|apache]
       cargo xtask bench --ensemble [--only WORK,WORK...] [--runs N] [--seconds N] [--kills N]
                                    [--server ours|apache]

  --only     some of: get, set, lone, lock, memory;
             with --recipes some of: pairs, handoffs, failovers, updates, gets;
             with --ensemble some of: set, get, lone, lock, memory, kills
  --runs     measurements of each work on each server or library; medians are printed (3)
  --seconds  length of one measurement (4)
  --ours     leaves Apache's server out, for work on ours; prints no ratio worth reading
  --recipes  our libraries beside Curator and kazoo, all on one server
  --ensemble three members of ours beside three of Apache's
  --kills    leaders killed of each ensemble (30)
  --server   whose server that is (ours); with --ensemble, the only one that is measured
";

/// Works of one comparison.
pub(crate) trait Work: Copy + 'static {
    /// All of them, by name.
    const ALL: &'static [(&'static str, Self)];
}

#[derive(Clone, Debug)]
pub(crate) struct Plan<W> {
    pub(crate) works: Vec<W>,
    pub(crate) runs: usize,
    pub(crate) wall: Duration,
    /// Whether Apache's server takes part.
    pub(crate) with_apache: bool,
    /// Whether ours is compared with it.
    pub(crate) with_ours: bool,
    pub(crate) kills: usize,
}

impl<W: Work> Plan<W> {
    /// Reads `words`; Apache's server takes part `with_apache` unless they say otherwise.
    pub(crate) fn parse(words: &[&str], with_apache: bool) -> io::Result<Self> {
        let mut plan = Self {
            works: W::ALL.iter().map(|&(_, work)| work).collect(),
            runs: 3,
            wall: Duration::from_secs(4),
            with_apache,
            with_ours: true,
            kills: 30,
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
                ["--kills", count, rest @ ..] => {
                    plan.kills = positive(count)?;
                    rest
                }
                ["--ours", rest @ ..] | ["--server", "ours", rest @ ..] => {
                    plan.with_apache = false;
                    rest
                }
                ["--server", "apache", rest @ ..] => {
                    (plan.with_apache, plan.with_ours) = (true, false);
                    rest
                }
                _ => return Err(io::Error::other(USAGE)),
            };
        }
    }
}

fn work<W: Work>(name: &str) -> io::Result<W> {
    let found = W::ALL.iter().find(|(known, _)| *known == name);
    found
        .map(|&(_, work)| work)
        .ok_or_else(|| io::Error::other(USAGE))
}

fn positive(text: &str) -> io::Result<usize> {
    let count = text.parse().ok().filter(|&count| count > 0);
    count.ok_or_else(|| io::Error::other(USAGE))
}
