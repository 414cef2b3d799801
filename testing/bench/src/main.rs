//! Ours beside others': the same work, the same machine, one run.
//!
//! The figures of merit are operations per second of CPU time and bytes of resident memory: they
//! depend little on what else the machine does, while rates and times depend on it much. Every work
//! is done by either side in turn, several times, and the medians are printed. Apache's server runs
//! as its own script starts it, with time to compile itself first.
//!
//! ```text
//! proc, plan, table ← target, socket ← load, echo ← handoff, memory ← servers ← main
//!                                      handoff, memory, failover ← ensembles ← main
//!                                      handoff ← program ← rival ← recipes ← main
//! ```

#![forbid(unsafe_code)]

mod echo;
mod ensembles;
mod failover;
mod handoff;
mod load;
mod memory;
mod plan;
mod proc;
mod program;
mod recipes;
mod rival;
mod servers;
mod socket;
mod table;
mod target;

use std::process::ExitCode;

use plan::Plan;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        [echo::ARGUMENT] => echo::serve(),
        [program::ARGUMENT] => program::serve(),
        ["--recipes", ref words @ ..] => {
            Plan::parse(words, false).and_then(|plan| recipes::compare(&plan))
        }
        ["--ensemble", ref words @ ..] => {
            Plan::parse(words, true).and_then(|plan| ensembles::compare(&plan))
        }
        ref words => Plan::parse(words, true).and_then(|plan| servers::compare(&plan)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
