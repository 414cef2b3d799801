//! `deny`: what may come in from outside, by the rules of `deny.toml`.
//!
//! Licences, sources and bans are judged from the lock file. Advisories need the RustSec database,
//! which is fetched over the network; where that is out of reach the rest is still checked, and the
//! output says what was not.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Result, cargo, root};

/// The version that is installed when there is none.
const VERSION: &str = "0.20.2";

/// Checks; installs the tool below `target` first when the machine has none of this version.
pub(crate) fn run() -> Result<()> {
    let binary = binary()?;
    run::run(&mut deny(&binary, &["bans", "licenses", "sources"]))?;
    if has_database(&binary) {
        run::run(&mut deny(&binary, &["advisories"]))
    } else {
        println!("deny: the advisory database cannot be fetched here; advisories were not checked");
        Ok(())
    }
}

fn binary() -> Result<PathBuf> {
    let tools = root().join("target/tools");
    let own = tools.join("bin/cargo-deny");
    for binary in [Path::new("cargo-deny"), &own] {
        let version = Command::new(binary).args(["deny", "--version"]).output();
        if version.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains(VERSION)) {
            return Ok(binary.to_owned());
        }
    }
    let mut install = cargo(&["install", "cargo-deny", "--locked", "--version", VERSION]);
    install
        .arg("--root")
        .arg(&tools)
        .env("CARGO_TARGET_DIR", tools.join("build"));
    run::run(&mut install)?;
    Ok(own)
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
