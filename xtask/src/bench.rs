//! `bench`: our server beside Apache's, measured by `testing/bench`.
//!
//! Needs `java` and `mvn`; Apache's jars are fetched into `target/peers` once. `LOCKKEEPER_SERVER`
//! may name another binary of our server than the one built here.

use std::process::Command;

use crate::run::{self, Result, cargo, root, target_folder};

/// Where the harness looks for our server's binary.
const SERVER_VARIABLE: &str = "LOCKKEEPER_SERVER";

/// Builds server and load generator for speed and runs them; `options` go to the latter.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    run::run(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "--package",
        "lockkeeper-server",
        "--package",
        "lockkeeper-bench",
    ]))?;
    let binaries = target_folder().join("release");
    let mut bench = Command::new(binaries.join("lockkeeper-bench"));
    bench.current_dir(root()).args(options);
    if std::env::var_os(SERVER_VARIABLE).is_none() {
        bench.env(SERVER_VARIABLE, binaries.join("lockkeeper-server"));
    }
    run::run(&mut bench)
}
