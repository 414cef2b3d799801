//! Python: a virtual environment with pinned packages, and the scripts of `python/`.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::prepare;

/// Environment variable with the path of an interpreter that has our own Python package.
pub const OURS_VARIABLE: &str = "LOCKKEEPER_PYTHON";

/// A script of `python/` that uses our package; `cargo xtask interop` builds it.
pub fn our_peer(script: &str) -> io::Result<Command> {
    let interpreter = std::env::var_os(OURS_VARIABLE).ok_or_else(|| {
        io::Error::other(format!(
            "{OURS_VARIABLE} does not name an interpreter with our package: run the tests by \
             cargo xtask interop"
        ))
    })?;
    Ok(run_by(Command::new(interpreter), script))
}

/// A script of `python/`, run in the prepared environment.
pub fn peer(script: &str) -> io::Result<Command> {
    let venv = prepare_venv()?;
    Ok(run_by(Command::new(venv.join("bin/python")), script))
}

fn run_by(mut interpreter: Command, script: &str) -> Command {
    // Compiled files would land next to the sources.
    interpreter
        .arg("-B")
        .arg(prepare::sources().join("python").join(script));
    interpreter
}

/// Makes the virtual environment; returns its folder.
pub fn prepare_venv() -> io::Result<PathBuf> {
    let requirements = prepare::sources().join("python/requirements.txt");
    prepare::once("venv", std::slice::from_ref(&requirements), |output| {
        prepare::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(output),
        )?;
        let mut pip = Command::new(output.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ]);
        prepare::run(pip.arg(&requirements))
    })
}
