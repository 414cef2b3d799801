//! Subcommands of Cargo's that chores need in a version of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Result, cargo, root};

/// A program from crates.io.
pub(crate) struct Tool {
    pub(crate) package: &'static str,
    pub(crate) program: &'static str,
    pub(crate) version: &'static str,
    /// How it is built: `--debug` where building takes longer than it runs.
    pub(crate) options: &'static [&'static str],
}

impl Tool {
    /// The machine's program if it has this version, else one that is installed below `target`.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        let tools = root().join("target/tools");
        let own = tools.join("bin").join(self.program);
        for program in [Path::new(self.program), &own] {
            let version = Command::new(program).arg("--version").output();
            if version.is_ok_and(|told| self.is_told_by(&told.stdout)) {
                return Ok(program.to_owned());
            }
        }
        let build = tools.join("build");
        let mut install = cargo(&["install", self.package, "--locked", "--version"]);
        install
            .args([self.version, "--bin", self.program])
            .args(self.options)
            .arg("--root")
            .arg(&tools)
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        run::run(&mut install)?;
        fs::remove_dir_all(build)?;
        Ok(own)
    }

    /// Whether a line such as `cargo-deny 0.20.2` or `cargo-c 0.10.24+cargo-0.98.0` is about it.
    fn is_told_by(&self, output: &[u8]) -> bool {
        let output = String::from_utf8_lossy(output);
        let version = output.trim().rsplit(' ').next().unwrap_or_default();
        version.split('+').next() == Some(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let tool = Tool {
            package: "cargo-c",
            program: "cargo-cinstall",
            version: "0.10.2",
            options: &[],
        };
        assert!(tool.is_told_by(b"cargo-c 0.10.2+cargo-0.98.0\n"));
        assert!(tool.is_told_by(b"cargo-c 0.10.2\n"));
        assert!(!tool.is_told_by(b"cargo-c 0.10.24+cargo-0.98.0\n"));
        assert!(!tool.is_told_by(b""));
    }
}
