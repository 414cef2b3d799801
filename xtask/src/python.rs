//! The Python package: built, installed into an environment of its own, and tested there.
//!
//! Needs `python3`, 3.9 or newer, with `venv` and `pip`; the tools come from
//! `python/requirements.txt` into `target/python-venv`, once for each version of that file. What is
//! tested is the wheel as it would be published, not the sources beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Result, root, run, target_folder, watch};

/// Where the tests look for the make of server to run on.
const PEER_VARIABLE: &str = "LOCKKEEPER_TEST_SERVER";

/// How pytest and mypy went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// Whether both ended well.
    pub(crate) succeeded: bool,
}

/// Runs pytest on a server of this make, and mypy over the package, its tests and the examples.
pub(crate) fn test(peer: &str) -> Result<Outcome> {
    let bin = installed(&[])?.join("bin");
    let folder = root().join("python");
    let mut outcome = Outcome::default();
    let mut pytest = Command::new(bin.join("pytest"));
    pytest
        .current_dir(&folder)
        .env(PEER_VARIABLE, peer)
        .args(["-q", "--color=no"]);
    let tests_passed = watch(&mut pytest, |line| {
        if let Some((passed, failed)) = parse_summary(line) {
            (outcome.passed, outcome.failed) = (passed, failed);
        }
    })?;
    let mut mypy = Command::new(bin.join("mypy"));
    mypy.current_dir(&folder)
        .args(["--strict", "lockkeeper", "tests", "tools"])
        .arg("../examples/python");
    let types_fit = watch(&mut mypy, |_| {})?;
    outcome.succeeded = tests_passed && types_fit;
    Ok(outcome)
}

/// An interpreter that finds the package as it is now.
pub(crate) fn interpreter() -> Result<PathBuf> {
    Ok(installed(&[])?.join("bin/python"))
}

/// The same, with the package built for speed.
pub(crate) fn fast_interpreter() -> Result<PathBuf> {
    Ok(installed(&["--release"])?.join("bin/python"))
}

/// Builds the package and installs it; returns the environment's folder.
fn installed(options: &[&str]) -> Result<PathBuf> {
    let venv = prepared()?;
    let wheels = target_folder().join("python-wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let mut maturin = Command::new(venv.join("bin/maturin"));
    maturin
        .current_dir(root())
        .env("VIRTUAL_ENV", &venv)
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg("python/Cargo.toml")
        .args(options)
        .arg("--out")
        .arg(&wheels);
    run(&mut maturin)?;
    let built: Vec<PathBuf> = fs::read_dir(&wheels)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    // The version stays while the content changes, so pip has to be told.
    run(pip(&venv)
        .args(["--force-reinstall", "--no-deps"])
        .args(&built))?;
    Ok(venv)
}

/// Makes the environment unless it was made from the same requirements; returns its folder.
fn prepared() -> Result<PathBuf> {
    let venv = target_folder().join("python-venv");
    let requirements = root().join("python/requirements.txt");
    let wanted = fs::read(&requirements)?;
    let stamp = venv.join("requirements.stamp");
    if fs::read(&stamp).is_ok_and(|kept| kept == wanted) {
        return Ok(venv);
    }
    let mut python = Command::new("python3");
    run(python.args(["-m", "venv", "--clear"]).arg(&venv))?;
    run(pip(&venv).arg("-r").arg(&requirements))?;
    fs::write(stamp, wanted)?;
    Ok(venv)
}

fn pip(venv: &Path) -> Command {
    let mut command = Command::new(venv.join("bin/python"));
    command.args(["-m", "pip", "install", "--quiet"]);
    command.arg("--disable-pip-version-check");
    command
}

/// Counts of pytest's last line, such as `1 failed, 17 passed, 2 skipped in 0.12s`.
fn parse_summary(line: &str) -> Option<(u32, u32)> {
    let (counts, time) = line.rsplit_once(" in ")?;
    time.split('s').next()?.parse::<f64>().ok()?;
    let (mut passed, mut failed) = (0, 0);
    for part in counts.split(", ") {
        let (count, what) = part.split_once(' ')?;
        let count: u32 = count.parse().ok()?;
        match what {
            "passed" => passed += count,
            "failed" | "error" | "errors" => failed += count,
            _ => {}
        }
    }
    Some((passed, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_counted() {
        assert_eq!(parse_summary("55 passed in 4.15s"), Some((55, 0)));
        let line = "1 failed, 17 passed, 2 skipped, 1 error in 61.20s (0:01:01)";
        assert_eq!(parse_summary(line), Some((17, 2)));
        assert_eq!(parse_summary("no tests ran in a while"), None);
        assert_eq!(parse_summary("E  1 passed in vain"), None);
        assert_eq!(parse_summary("....... [100%]"), None);
    }
}
