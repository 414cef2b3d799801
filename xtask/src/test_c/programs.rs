//! Programs that were built, and what they say when they run.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Result, watch};
use crate::suites::Tally;

/// A test of `ffi/tests` or an example, as one way of building made it.
pub(super) struct Program {
    pub(super) name: String,
    /// How it was built, for people.
    pub(super) build: String,
    pub(super) binary: PathBuf,
    pub(super) is_example: bool,
}

impl Program {
    /// Runs it, under a tool if there is one. A test program prints a line for each of its tests;
    /// an example is one test, and so is a tool that looks on.
    pub(super) fn run(&self, connect: &str, tool: &[&str], tally: &mut Tally) -> Result<()> {
        let with = tool.first().map(|tool| format!(", {tool}"));
        println!(
            "\nC: {}, {}{}",
            self.name,
            self.build,
            with.unwrap_or_default()
        );
        let mut command = match tool.split_first() {
            Some((program, options)) => {
                let mut command = Command::new(program);
                command.args(options).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        if self.is_example {
            command.arg("--connect");
        }
        let mut failed = false;
        let succeeded = watch(command.arg(connect), |line| {
            if let Some(passed) = parse(line) {
                failed |= !passed;
                count(tally, passed);
            }
        })?;
        if self.is_example {
            report(tally, &self.name, succeeded);
        } else if !tool.is_empty() {
            let name = format!("{} without memory errors and leaks", self.name);
            report(tally, &name, succeeded);
        } else {
            tally.broken |= !succeeded && !failed;
        }
        Ok(())
    }
}

pub(super) fn report(tally: &mut Tally, name: &str, passed: bool) {
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    count(tally, passed);
}

fn count(tally: &mut Tally, passed: bool) {
    if passed {
        tally.passed += 1;
    } else {
        tally.failed += 1;
    }
}

/// Whether a line says that a test passed or failed; it may say neither.
fn parse(line: &str) -> Option<bool> {
    let (_, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match verdict {
        "ok" => Some(true),
        "FAILED" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tests_are_counted() {
        assert_eq!(parse("test a_b ... ok"), Some(true));
        assert_eq!(parse("test header as c99 ... FAILED"), Some(false));
        assert_eq!(parse("test a_b ... "), None);
        assert_eq!(parse("tested"), None);
    }
}
