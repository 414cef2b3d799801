//! `deny`: what may come in from outside, by the rules of `deny.toml`.
//!
//! Licences, sources and bans are judged from the lock file. Advisories need the RustSec database,
//! which is fetched over the network; where that is out of reach the rest is still checked, and the
//! output says what was not.

use std::path::Path;
use std::process::Command;

use crate::run::{self, Result, root};
use crate::tools::Tool;

const TOOL: Tool = Tool {
    package: "cargo-deny",
    program: "cargo-deny",
    version: "0.20.2",
    options: &[],
};

/// Checks.
pub(crate) fn run() -> Result<()> {
    let binary = TOOL.path()?;
    run::run(&mut deny(&binary, &["bans", "licenses", "sources"]))?;
    if has_database(&binary) {
        run::run(&mut deny(&binary, &["advisories"]))
    } else {
        println!("deny: the advisory database cannot be fetched here; advisories were not checked");
        Ok(())
    }
}

fn deny(binary: &Path, checks: &[&str]) -> Command {
    let mut command = Command::new(binary);
    let check = ["--locked", "check", "--hide-inclusion-graph"];
    command.current_dir(root()).args(check).args(checks);
    command
}

fn has_database(binary: &Path) -> bool {
    let mut fetch = Command::new(binary);
    fetch.current_dir(root()).args(["--locked", "fetch", "db"]);
    fetch.output().is_ok_and(|output| output.status.success())
}
