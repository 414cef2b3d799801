//! `simulate`: whole systems in simulated worlds; see `testing/sim`.

use crate::run::{self, Result, cargo};

/// Builds the simulation, fast but with assertions, and hands it the words.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let mut simulation = cargo(&[
        "run",
        "--locked",
        "--quiet",
        "--profile",
        "sim",
        "--package",
        "lockkeeper-sim",
        "--",
    ]);
    run::run(simulation.args(words))
}
