//! `tidy`: the rules about structure that no compiler checks.
//!
//! Which crate may use which, what a pure crate may not touch, where tokio may appear, that unsafe
//! code is forbidden everywhere but at the border to other languages, that the tests which
//! `docs/guarantees.md` names exist. The rules are the tables in
//! [`table`]; a new crate must get a line there before it can join the workspace.

mod manifest;
mod promises;
mod rules;
mod table;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Result, cargo, root};
use manifest::Member;

const BARE_TARGET: &str = "wasm32-unknown-unknown";

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Complaint {
    /// Relative to the root; with a line where there is one.
    place: String,
    text: String,
}

impl Complaint {
    fn new(place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self {
            place: place.to_string(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Checks the workspace; the error counts what was printed.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let members = manifest::members(&root)?;
    let mut complaints = Vec::new();
    let mut files = 0;
    let mut pure = Vec::new();
    for member in &members {
        let Some(entry) = table::entry(&member.name) else {
            let text = format!(
                "{} is not in the table of xtask/src/tidy/table.rs",
                member.name
            );
            complaints.push(Complaint::new(
                member.folder.join("Cargo.toml").display(),
                text,
            ));
            continue;
        };
        rules::check_manifest(member, entry, &mut complaints);
        for path in rust_files(&sources(&root.join(&member.folder)))? {
            let relative = path.strip_prefix(&root)?;
            rules::check_source(
                relative,
                &fs::read_to_string(&path)?,
                entry,
                &mut complaints,
            );
            files += 1;
        }
        if entry.pure {
            pure.push(member);
        }
    }
    check_promises(&root, &members, &mut complaints)?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    if !complaints.is_empty() {
        return Err(format!("tidy: {} complaints", complaints.len()).into());
    }
    build_bare(&pure)?;
    println!(
        "tidy: {} crates and {files} files are in order",
        members.len()
    );
    Ok(())
}

/// Looks for the tests that the promises name in all code, tests included.
fn check_promises(root: &Path, members: &[Member], complaints: &mut Vec<Complaint>) -> Result<()> {
    let mut functions = BTreeSet::new();
    for member in members {
        for folder in ["src", "tests"].map(|name| root.join(&member.folder).join(name)) {
            if !folder.is_dir() {
                continue;
            }
            for path in rust_files(&folder)? {
                let text = fs::read_to_string(path)?;
                functions.extend(promises::functions(&text).map(str::to_owned));
            }
        }
    }
    let page = fs::read_to_string(root.join(promises::PAGE))?;
    promises::check(&page, &functions, complaints);
    Ok(())
}

/// Builds the pure crates for a target that has no clock, files, sockets or threads.
fn build_bare(pure: &[&Member]) -> Result<()> {
    if pure.is_empty() {
        return Ok(());
    }
    if !has_target()? {
        println!("tidy: {BARE_TARGET} is not installed, so the pure crates were not built for it");
        return Ok(());
    }
    let mut build = cargo(&["build", "--quiet", "--locked", "--target", BARE_TARGET]);
    for member in pure {
        build.args(["--package", &member.name]);
    }
    run::run(&mut build)
}

fn has_target() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command
        .current_dir(root())
        .args(["--print", "target-libdir", "--target", BARE_TARGET]);
    let output = command.output()?;
    let folder = String::from_utf8(output.stdout)?;
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}

/// Where a crate keeps its code: in `src`, or beside its manifest if it has none.
fn sources(member: &Path) -> PathBuf {
    let folder = member.join("src");
    match folder.is_dir() {
        true => folder,
        false => member.to_owned(),
    }
}

/// Every Rust file below a folder but `tests.rs`, in a fixed order.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
