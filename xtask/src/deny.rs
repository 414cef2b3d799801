//! `deny`: what may come in from outside, by the rules of `deny.toml`.
//!
//! Licences, sources and bans are judged from the lock file. Advisories need the RustSec database,
//! which is fetched over the network; where that is out of reach the rest is still checked, and the
//! output says what was not.

use std::path::PathBuf;

use crate::run::{self, Result, cargo, root};

/// The version that is installed when there is none.
const VERSION: &str = "0.20.2";

/// Checks; installs the tool below `target` first when it is missing.
pub(crate) fn run() -> Result<()> {
    let tools = root().join("target/tools");
    let binary = tools.join("bin/cargo-deny");
    if !binary.exists() {
        let mut install = cargo(&["install", "cargo-deny", "--locked", "--version", VERSION]);
        install
            .arg("--root")
            .arg(&tools)
            .env("CARGO_TARGET_DIR", tools.join("build"));
        run::run(&mut install)?;
    }
    run::run(&mut deny(&binary, &["bans", "licenses", "sources"]))?;
    if has_database(&binary) {
        run::run(&mut deny(&binary, &["advisories"]))
    } else {
        println!("deny: the advisory database cannot be fetched here; advisories were not checked");
        Ok(())
    }
}

fn deny(binary: &PathBuf, checks: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(binary);
    command
        .current_dir(root())
        .args(["--locked", "check"])
        .args(checks);
    command
}

fn has_database(binary: &PathBuf) -> bool {
    let fetch = std::process::Command::new(binary)
        .current_dir(root())
        .args(["--locked", "fetch", "db"])
        .output();
    fetch.is_ok_and(|output| output.status.success())
}
