//! The rules as code: one manifest or one file in, complaints out.

use std::path::Path;

use super::Complaint;
use super::manifest::Member;
use super::table::{self, Entry};
use crate::source::{self, Name};

/// Edges between our crates, and for a pure crate what it uses of others.
pub(super) fn check_manifest(member: &Member, entry: &Entry, complaints: &mut Vec<Complaint>) {
    let place = member.folder.join("Cargo.toml");
    let mut complain = |text: String| complaints.push(Complaint::new(place.display(), text));
    for name in &member.dependencies {
        if table::entry(name).is_some() {
            if !entry.ours.contains(&name.as_str()) {
                complain(format!("{} may not depend on {name}", entry.name));
            }
        } else if entry.pure && !is_pure_dependency(entry, name) {
            complain(format!(
                "{} is pure and may not depend on {name}",
                entry.name
            ));
        }
    }
    for name in &member.dev_dependencies {
        let known = table::entry(name).is_some();
        let allowed = [entry.ours, table::FOR_TESTS]
            .concat()
            .contains(&name.as_str());
        if known && !allowed && name != entry.name {
            complain(format!("tests of {} may not depend on {name}", entry.name));
        }
    }
}

fn is_pure_dependency(entry: &Entry, name: &str) -> bool {
    table::PURE_DEPENDENCIES.contains(&name) || entry.others.contains(&name)
}

/// Everything about one file of a crate's `src`; `path` is relative to the root.
pub(super) fn check_source(
    path: &Path,
    text: &str,
    entry: &Entry,
    complaints: &mut Vec<Complaint>,
) {
    if is_root(path) {
        check_root(path, text, entry, complaints);
    }
    let names = source::names(text);
    let pure = entry.pure || is_one_of(path, table::PURE_FILES);
    let any_runtime =
        table::ANY_RUNTIME.contains(&entry.name) && !is_one_of(path, table::TOKIO_FILES);
    for name in &names {
        let place = format!("{}:{}", path.display(), name.line);
        if let Some(target) = used_crate(name)
            && target.name != entry.name
            && !entry.ours.contains(&target.name)
        {
            let text = format!("{} may not use {}", entry.name, target.name);
            complaints.push(Complaint::new(&place, text));
        }
        if pure && is_below(name, table::IMPURE) && !is_below(name, table::PURE) {
            let text = format!("{} has no place in pure code", name.path);
            complaints.push(Complaint::new(&place, text));
        }
        if any_runtime && is_below(name, &["tokio"]) && !is_below(name, table::TOKIO_PARTS) {
            let text = format!("{} belongs to the adapter of the runtime", name.path);
            complaints.push(Complaint::new(&place, text));
        }
    }
    if any_runtime && has_unbiased_select(text) {
        let text = "select! without `biased;` chooses at random, which no replay can repeat";
        complaints.push(Complaint::new(path.display(), text));
    }
}

/// What must stand at the top of a crate.
fn check_root(path: &Path, text: &str, entry: &Entry, complaints: &mut Vec<Complaint>) {
    let mut complain = |text: &str| complaints.push(Complaint::new(path.display(), text));
    if !table::UNSAFE.contains(&entry.name) && !text.contains("#![forbid(unsafe_code)]") {
        complain("#![forbid(unsafe_code)] is missing");
    }
    if entry.pure {
        for lint in ["clippy::disallowed_methods", "clippy::disallowed_types"] {
            if !text
                .lines()
                .any(|line| line.starts_with("#![") && line.contains(lint))
            {
                complain(&format!("a pure crate turns on {lint}"));
            }
        }
    }
}

/// Whether a file is the root of a library or of a program.
fn is_root(path: &Path) -> bool {
    let file = path.file_name().and_then(|name| name.to_str());
    let folder = path
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    matches!(
        (folder, file),
        (Some("src"), Some("lib.rs" | "main.rs")) | (Some("bin"), Some(_))
    )
}

fn is_one_of(path: &Path, files: &[&str]) -> bool {
    files.iter().any(|file| path == Path::new(file))
}

/// The crate of ours that a path starts with.
fn used_crate(name: &Name) -> Option<&'static Entry> {
    table::by_identifier(name.path.split("::").next()?)
}

/// Whether a path is one of these or lies below one.
fn is_below(name: &Name, tops: &[&str]) -> bool {
    let path = name.path.strip_suffix("::self").unwrap_or(&name.path);
    tops.iter().any(|top| {
        path.strip_prefix(top)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

fn has_unbiased_select(text: &str) -> bool {
    text.split("select! {")
        .skip(1)
        .any(|body| !body.trim_start().starts_with("biased;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str, name: &str) -> Vec<String> {
        let entry = table::entry(name).expect("a line of the table");
        let mut complaints = Vec::new();
        check_source(Path::new(path), text, entry, &mut complaints);
        complaints.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_core_without_the_outside_world_is_fine() {
        let text = "use std::{collections::BTreeMap, net::IpAddr, time::{Duration, Instant}};\n\
                    use lockkeeper_wire::Zxid;\n\
                    fn handle(now: Instant) { crate::net::fs(now) }";
        assert_eq!(
            complaints("server/store/src/tree.rs", text, "lockkeeper-store"),
            [""; 0]
        );
    }

    #[test]
    fn the_outside_world_is_found_in_a_core_however_it_is_written() {
        for text in [
            "use std::fs;",
            "use std::{io, net::{self, TcpStream}};",
            "use ::std::net::TcpStream;",
            "fn f() { let t = std::time::Instant::now(); }",
            "use std::time::Instant; fn f() { Instant::now(); }",
            "use tokio::sync::mpsc;",
            "use tokio;",
        ] {
            let found = complaints("wire/src/codec.rs", text, "lockkeeper-wire");
            assert!(!found.is_empty(), "{text}");
        }
    }

    #[test]
    fn crates_look_in_one_direction_only() {
        let text = "use lockkeeper_store::Tree;";
        let found = complaints("client/src/client.rs", text, "lockkeeper");
        assert_eq!(
            found,
            ["client/src/client.rs:1: lockkeeper may not use lockkeeper-store"]
        );
        assert_eq!(
            complaints("server/replica/src/a.rs", text, "lockkeeper-replica"),
            [""; 0]
        );
    }

    #[test]
    fn tokio_stays_in_its_files() {
        let text = "use tokio::net::TcpStream;";
        assert_eq!(
            complaints("client/src/driver.rs", text, "lockkeeper").len(),
            1
        );
        assert_eq!(
            complaints("client/src/runtime/tokio.rs", text, "lockkeeper"),
            [""; 0]
        );
        let text = "use tokio::sync::{mpsc, oneshot, watch};";
        assert_eq!(
            complaints("client/src/driver.rs", text, "lockkeeper").len(),
            1
        );
        let text = "fn f() { tokio::select! {\n biased;\n } }";
        assert_eq!(
            complaints("client/src/driver.rs", text, "lockkeeper"),
            [""; 0]
        );
        let text = "fn f() { tokio::select! { _ = a => {} } }";
        assert_eq!(
            complaints("client/src/driver.rs", text, "lockkeeper").len(),
            1
        );
    }

    #[test]
    fn roots_forbid_unsafe_code() {
        assert_eq!(complaints("cli/src/main.rs", "", "lk").len(), 1);
        assert_eq!(complaints("ffi/src/lib.rs", "", "lockkeeper-ffi"), [""; 0]);
        assert_eq!(
            complaints(
                "wire/src/lib.rs",
                "#![forbid(unsafe_code)]",
                "lockkeeper-wire"
            )
            .len(),
            2
        );
    }

    #[test]
    fn dependencies_of_a_core_are_counted() {
        let entry = table::entry("lockkeeper-zab").expect("a line of the table");
        let member = Member {
            name: entry.name.to_owned(),
            folder: "server/zab".into(),
            dependencies: ["bytes", "lockkeeper-wire", "lockkeeper-store", "rand"]
                .map(Into::into)
                .into(),
            dev_dependencies: ["proptest", "lockkeeper-check", "lockkeeper"]
                .map(Into::into)
                .into(),
        };
        let mut complaints = Vec::new();
        check_manifest(&member, entry, &mut complaints);
        let texts: Vec<_> = complaints
            .into_iter()
            .map(|complaint| complaint.text)
            .collect();
        assert_eq!(
            texts,
            [
                "lockkeeper-zab may not depend on lockkeeper-store",
                "lockkeeper-zab is pure and may not depend on rand",
                "tests of lockkeeper-zab may not depend on lockkeeper",
            ]
        );
    }
}
