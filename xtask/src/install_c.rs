//! `install-c`: the C library below a prefix, as a distribution's package would have it.
//!
//! cargo-c does it, by what `ffi/Cargo.toml` says: header, both libraries with the shared one's
//! chain of names, a file for pkg-config and a package for CMake. Packagers call it themselves,
//! with their own folders; here it only comes in a known version.

use std::path::{Path, absolute};
use std::process::Command;

use crate::run::{self, Result, root};
use crate::tools::Tool;

/// The last version whose Cargo is not newer than the Rust that is pinned.
const TOOL: Tool = Tool {
    package: "cargo-c",
    program: "cargo-cinstall",
    version: "0.10.24",
    options: &["--debug"],
};

/// Installs an optimised library.
pub(crate) fn run(prefix: &str) -> Result<()> {
    install(&absolute(prefix)?, "--release")
}

/// Installs the library as this profile builds it.
pub(crate) fn install(prefix: &Path, profile: &str) -> Result<()> {
    let mut command = Command::new(TOOL.path()?);
    command
        .current_dir(root())
        .args([
            "cinstall",
            "--locked",
            "--package",
            "lockkeeper-ffi",
            profile,
        ])
        .args(["--libdir", "lib", "--prefix"])
        .arg(prefix);
    run::run(&mut command)
}
