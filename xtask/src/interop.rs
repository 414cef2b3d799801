//! `interop`: the tests of `testing/e2e` that need Java and Python software.
//!
//! Needs `java`, `mvn`, `cc` and `python3` with `venv`; everything else is fetched into `target/peers`
//! by the tests' own harness. If the workspace has a server, it is built and tested too, unless
//! `LOCKKEEPER_SERVER` names another binary, or is empty to leave ours out.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::python;
use crate::run::{self, Result, cargo, root, target_folder};
use crate::suites::{self, Suite};
use crate::test_c;

/// Where the tests look for our server's binary.
pub(crate) const SERVER_VARIABLE: &str = "LOCKKEEPER_SERVER";

/// Where they look for an interpreter that has our Python package.
pub(crate) const PYTHON_VARIABLE: &str = "LOCKKEEPER_PYTHON";

/// Where the tests look for the contender in C.
const C_MUTEX_VARIABLE: &str = "LOCKKEEPER_C_MUTEX";

/// The recipes' own tests, on Apache's server.
const RECIPES: Suite = ("Recipes on Apache 3.9", || suites::recipes("apache-3.9"));

/// Suites that are there for any server, on Apache's.
const ON_APACHE: &[Suite] = &[
    RECIPES,
    ("C on Apache 3.9", || test_c::behaviour("apache-3.9")),
    ("C on Apache 3.8", || test_c::behaviour("apache-3.8")),
    ("Python on Apache 3.9", || suites::python("apache-3.9")),
    ("Python on Apache 3.8", || suites::python("apache-3.8")),
];

/// What concerns recipes: those of other libraries on one path with ours, and ours on Apache's
/// server.
pub(crate) fn recipes() -> Result<()> {
    run(&["recipes::", "mutexes::"])?;
    suites::run_all(&[RECIPES])
}

/// Prepares the peers and runs the tests; `filters` go to the test program, so they may be parts of
/// names or options such as `--skip ensemble`.
pub(crate) fn run(filters: &[&str]) -> Result<()> {
    require_tools()?;
    let prepare = [
        "run",
        "--locked",
        "--quiet",
        "--package",
        "lockkeeper-e2e",
        "--features",
        "interop",
        "--",
        "prepare",
    ];
    run::run(&mut cargo(&prepare))?;
    let mut tests = cargo(&[
        "test",
        "--locked",
        "--package",
        "lockkeeper-e2e",
        "--features",
        "interop",
        "--test",
        "interop",
        "--",
        // Each test has up to four server processes of its own.
        "--test-threads=2",
    ]);
    tests.args(filters);
    if filters.is_empty() {
        // They take as long as all others together, and have a command of their own.
        tests.args(["--skip", "mixed::"]);
    }
    tests.env(C_MUTEX_VARIABLE, test_c::build_mutex_peer()?);
    if std::env::var_os(SERVER_VARIABLE).is_none()
        && let Some(server) = build_server()?
    {
        tests.env(SERVER_VARIABLE, server);
    }
    if std::env::var_os(PYTHON_VARIABLE).is_none() {
        tests.env(PYTHON_VARIABLE, python::interpreter()?);
    }
    let started = Instant::now();
    let tally = suites::count(&mut tests)?;
    println!("\ninterop: {} s", started.elapsed().as_secs());
    suites::conclude(tally)?;
    // A name given means one of the tests above.
    if filters.is_empty() {
        suites::run_all(ON_APACHE)
    } else {
        Ok(())
    }
}

/// Builds our server, if the workspace has one; returns its binary.
pub(crate) fn build_server() -> Result<Option<PathBuf>> {
    if !root().join("server/src/main.rs").exists() {
        println!("interop: no lockkeeper-server in the workspace, so only Apache's are tested");
        return Ok(None);
    }
    run::run(&mut cargo(&[
        "build",
        "--locked",
        "--package",
        "lockkeeper-server",
    ]))?;
    Ok(Some(target_folder().join("debug/lockkeeper-server")))
}

fn require_tools() -> Result<()> {
    for (program, argument) in [
        ("cc", "--version"),
        ("java", "-version"),
        ("mvn", "--version"),
        ("python3", "--version"),
    ] {
        let mut command = Command::new(program);
        command
            .arg(argument)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            return Err(
                format!("{program} is needed for the interop tests, but does not run").into(),
            );
        }
    }
    Ok(())
}
