//! `bench`: our server beside Apache's, alone or in ensembles, or our recipes beside Curator's and
//! kazoo's, measured by `testing/bench`.
//!
//! Needs `java` and `mvn`, and for recipes `python3` with `venv`; what is others' is fetched into
//! `target/peers` once. `LOCKKEEPER_SERVER` may name another binary of our server than the one built
//! here, `LOCKKEEPER_PYTHON` an interpreter that has our package.

use std::process::Command;

use crate::interop::{PYTHON_VARIABLE, SERVER_VARIABLE};
use crate::python;
use crate::run::{self, Result, cargo, root, target_folder};

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
    if options.first() == Some(&"--recipes") && std::env::var_os(PYTHON_VARIABLE).is_none() {
        bench.env(PYTHON_VARIABLE, python::fast_interpreter()?);
    }
    run::run(&mut bench)
}
