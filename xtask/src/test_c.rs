//! `test-c`: the C face, installed, compiled and run as its users do.
//!
//! The header must compile as C and C++ of several ages without a warning. The library is installed
//! below a prefix of its own, and what is there must be what the header promises. Each program of
//! `ffi/tests` and each example is built against that prefix by pkg-config and by CMake, with the
//! shared library and with the static one, and runs against a server started by
//! `lockkeeper-peers`; then under valgrind and with sanitizers. A test is a line `test NAME ... ok`
//! or `FAILED`, whoever prints it.

mod prefix;
mod programs;
mod surface;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::run::Result;
use crate::server::Server;
use crate::suites::Tally;
use prefix::{Link, Prefix};
use programs::Program;

const VALGRIND: [&str; 7] = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--show-leak-kinds=definite",
    "--errors-for-leak-kinds=definite",
    // A forked child ends without the threads that own the memory.
    "--child-silent-after-fork=yes",
];

/// Runs everything against ours, or against the server that is named as `lockkeeper-peers` does.
pub(crate) fn run(peer: &str) -> Result<()> {
    let tally = everything(peer)?;
    println!("C: {} passed, {} failed", tally.passed, tally.failed);
    match (tally.failed, tally.broken) {
        (0, false) => Ok(()),
        _ => Err("not every test passed".into()),
    }
}

/// The suite of `cargo xtask test`.
pub(crate) fn suite() -> Result<Tally> {
    everything("ours")
}

/// How the shared library behaves on a server of this make.
pub(crate) fn behaviour(peer: &str) -> Result<Tally> {
    let prefix = Prefix::install()?;
    let server = Server::start(peer)?;
    let mut tally = Tally::default();
    for program in prefix.by_pkg_config(Link::Shared, &[])? {
        program.run(&server.connect, &[], &mut tally)?;
    }
    Ok(tally)
}

/// Builds the mutex peer and returns its path.
pub(crate) fn build_mutex_peer() -> Result<PathBuf> {
    Prefix::install()?.mutex_peer()
}

fn everything(peer: &str) -> Result<Tally> {
    let prefix = Prefix::install()?;
    let mut tally = Tally::default();
    let shared = prefix.by_pkg_config(Link::Shared, &[])?;
    surface::test(&prefix, &shared, &mut tally)?;
    let server = Server::start(peer)?;
    let run = |programs: &[Program], tool: &[&str], tally: &mut Tally| {
        programs
            .iter()
            .try_for_each(|program| program.run(&server.connect, tool, tally))
    };
    run(&shared, &[], &mut tally)?;
    run(&prefix.by_pkg_config(Link::Static, &[])?, &[], &mut tally)?;
    run(&prefix.by_cmake()?, &[], &mut tally)?;
    // The library is as it always is, but its memory comes from the allocator that these watch.
    let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    run(
        &prefix.by_pkg_config(Link::Shared, &sanitizers)?,
        &[],
        &mut tally,
    )?;
    if is_installed("valgrind") {
        run(&shared, &VALGRIND, &mut tally)?;
    } else {
        println!("test-c: no valgrind, so nothing looks for the use of memory never written");
    }
    Ok(tally)
}

fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
