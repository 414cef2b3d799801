//! Software from elsewhere, fetched or built once and kept in `target/peers`.
//!
//! Each piece has a stamp: a copy of the inputs it was made from. Equal inputs mean that nothing
//! needs doing, so a second run of the tests starts neither Maven nor pip. A file lock lets test
//! processes that run side by side wait for each other.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variable naming another folder than `target/peers`.
pub const FOLDER_VARIABLE: &str = "LOCKKEEPER_PEERS";

/// The folder of this crate, where the sources of the peers are.
pub fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder that keeps what was prepared.
pub fn folder() -> PathBuf {
    match std::env::var_os(FOLDER_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => {
            let root = sources();
            let root = root
                .ancestors()
                .nth(2)
                .expect("this crate is two folders deep");
            root.join("target/peers")
        }
    }
}

/// Makes `name` unless it was made from the same `inputs` before; returns its folder.
///
/// `make` gets the folder to fill. It is called again after a failure, over whatever is there.
pub fn once(
    name: &str,
    inputs: &[PathBuf],
    make: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let output = folder().join(name);
    fs::create_dir_all(&output)?;
    let stamp_path = folder().join(format!("{name}.stamp"));
    let lock = File::create(folder().join(format!("{name}.lock")))?;
    lock.lock()?;

    let stamp = stamp_of(inputs)?;
    if fs::read(&stamp_path).is_ok_and(|kept| kept == stamp) {
        return Ok(output);
    }
    eprintln!("preparing {name}");
    make(&output)?;
    fs::write(&stamp_path, stamp)?;
    Ok(output)
}

/// Runs a tool to its end; on failure the error carries everything it printed.
pub fn run(command: &mut Command) -> io::Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{program}: {}\n{printed}{complained}",
        output.status
    )))
}

/// Every file below the given files and folders, in a fixed order.
///
/// Names are relative to this crate, so that a copy of `target/peers` serves another checkout.
fn stamp_of(inputs: &[PathBuf]) -> io::Result<Vec<u8>> {
    let mut stamp = Vec::new();
    let mut left: Vec<PathBuf> = inputs.iter().rev().cloned().collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let mut entries = Vec::new();
            for entry in fs::read_dir(&path)? {
                entries.push(entry?.path());
            }
            entries.sort();
            left.extend(entries.into_iter().rev());
        } else {
            let name = path.strip_prefix(sources()).unwrap_or(&path);
            stamp.extend_from_slice(format!("== {}\n", name.display()).as_bytes());
            stamp.extend_from_slice(&fs::read(&path)?);
        }
    }
    Ok(stamp)
}
