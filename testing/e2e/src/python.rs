//! Python: a virtual environment with pinned packages, and the scripts of `python/`.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::prepare;

/// A script of `python/`, run in the prepared environment.
pub fn peer(script: &str) -> io::Result<Command> {
    let venv = prepare_venv()?;
    let mut command = Command::new(venv.join("bin/python"));
    // Compiled files would land next to the sources.
    command
        .arg("-B")
        .arg(prepare::sources().join("python").join(script));
    Ok(command)
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
