//! `test`: the tests of every language, and one line with the counts of all.
//!
//! A language is one function from nothing to a [`Tally`]; a language that has no tests yet is not
//! in [`SUITES`]. Every suite runs even if one before it fails, so that the counts are whole.

use std::process::Command;

use crate::python;
use crate::run::{Result, cargo, watch};
use crate::server::Server;
use crate::test_c;

/// Where the tests of the Rust crates look for a running server.
const RUNNING_SERVER_VARIABLE: &str = "LOCKKEEPER_TEST_SERVER";

/// Name of the language and how to run its tests.
pub(crate) type Suite = (&'static str, fn() -> Result<Tally>);

const SUITES: &[Suite] = &[
    ("Rust", rust),
    ("C", test_c::suite),
    ("Python", || python("ours")),
];

/// How the tests of one language went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// The suite as a whole ended badly, also if no single test was counted as failed: a file that
    /// does not compile, a process that dies.
    pub(crate) broken: bool,
}

/// Runs every suite.
pub(crate) fn run() -> Result<()> {
    run_all(SUITES)
}

/// Runs Python's only.
pub(crate) fn run_python() -> Result<()> {
    run_all(&[("Python", || python("ours"))])
}

/// Runs these suites and counts what each of them says.
pub(crate) fn run_all(suites: &[Suite]) -> Result<()> {
    let mut total = Tally::default();
    let mut lines = Vec::new();
    for (language, suite) in suites {
        let tally = suite()?;
        lines.push(format!("{language}: {}", describe(tally)));
        total.passed += tally.passed;
        total.failed += tally.failed;
        total.broken |= tally.broken;
    }
    println!();
    for line in lines {
        println!("{line}");
    }
    conclude(total)
}

/// Prints the counts as the last line; fails unless every test passed.
pub(crate) fn conclude(tally: Tally) -> Result<()> {
    println!("{}", describe(tally));
    if tally.failed > 0 || tally.broken {
        Err("not every test passed".into())
    } else {
        Ok(())
    }
}

fn describe(tally: Tally) -> String {
    let Tally {
        passed,
        failed,
        broken,
    } = tally;
    let remark = if broken && failed == 0 {
        ", but the run itself failed"
    } else {
        ""
    };
    format!("{passed} passed, {failed} failed{remark}")
}

fn rust() -> Result<Tally> {
    count(&mut cargo(&[
        "test",
        "--workspace",
        "--locked",
        "--no-fail-fast",
    ]))
}

/// Runs a command of `cargo test` and adds up what its test programs say.
pub(crate) fn count(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let succeeded = watch(command, |line| {
        if let Some((passed, failed)) = parse_result(line) {
            tally.passed += passed;
            tally.failed += failed;
        }
    })?;
    tally.broken = !succeeded;
    Ok(tally)
}

/// The tests of the recipes on a server of this make.
pub(crate) fn recipes(peer: &str) -> Result<Tally> {
    let server = Server::start(peer)?;
    let mut tests = cargo(&[
        "test",
        "--locked",
        "--no-fail-fast",
        "--package",
        "lockkeeper-recipes",
        "--tests",
    ]);
    count(tests.env(RUNNING_SERVER_VARIABLE, &server.connect))
}

/// The tests of the Python package on a server of this make.
pub(crate) fn python(peer: &str) -> Result<Tally> {
    let outcome = python::test(peer)?;
    Ok(Tally {
        passed: outcome.passed,
        failed: outcome.failed,
        broken: !outcome.succeeded,
    })
}

/// Counts of a line such as `test result: ok. 18 passed; 0 failed; 0 ignored; ...`.
fn parse_result(line: &str) -> Option<(u32, u32)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = counts.split("; ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some((passed, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted() {
        let line =
            "test result: FAILED. 17 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(parse_result(line), Some((17, 1)));
        assert_eq!(parse_result("test result of something else"), None);
        assert_eq!(parse_result("running 3 tests"), None);
    }
}
