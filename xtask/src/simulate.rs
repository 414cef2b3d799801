//! `simulate` and `seeded-bugs`: whole systems in simulated worlds; see `testing/sim`.

use crate::run::{self, Result, cargo};

/// Builds the simulation, fast but with assertions.
const BUILD: &[&str] = &[
    "run",
    "--locked",
    "--quiet",
    "--profile",
    "sim",
    "--package",
    "lockkeeper-sim",
];

/// Runs it with these words.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    run::run(cargo(BUILD).arg("--").args(words))
}

/// Runs it with one bug planted after the other.
pub(crate) fn seeded_bugs(words: &[&str]) -> Result<()> {
    let mut simulation = cargo(BUILD);
    simulation.args(["--features", "__seeded-bugs", "--"]);
    run::run(simulation.args(["--bugs", "all"]).args(words))
}
