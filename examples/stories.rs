//! Every story is told to its end, and says what it is to show.

use std::path::PathBuf;
use std::process::Command;

/// Runs a story on a server of its own and returns what it prints.
fn told(name: &str) -> String {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(|deps| deps.parent());
    let story: PathBuf = folder
        .expect("tests lie below the build")
        .join("examples")
        .join(name);
    let output = Command::new(&story).output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it with `cargo build --examples`",
            story.display()
        )
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {text}\n{complaint}");
    text
}

fn assert_told(name: &str, wanted: &[&str]) {
    let text = told(name);
    for wanted in wanted {
        assert!(
            text.contains(wanted),
            "{name} does not say {wanted:?}:\n{text}"
        );
    }
}

#[test]
fn config() {
    let wanted = [
        "rejected: soft 2 is above hard 1; the last good one stands",
        "refused: the publisher has lost its lock",
    ];
    assert_told("config", &wanted);
}

#[test]
fn double_barrier() {
    let wanted = "in before all had come, or out before all were done: 0";
    assert_told("double_barrier", &[wanted]);
}

#[test]
fn group() {
    assert_told("group", &["left, 3 remain", "left, 0 remain"]);
}

#[test]
fn lock() {
    let wanted = ["20 grants, each fence larger", "woken per release: 1"];
    assert_told("lock", &wanted);
}

#[test]
fn election() {
    assert_told("election", &["6 terms, each fence larger"]);
}

#[test]
fn rwlock() {
    assert_told("rwlock", &["8 changes; looks at half a change: 0"]);
}

#[test]
fn semaphore() {
    let wanted = "15 jobs; begun beside more than may work: 0";
    assert_told("semaphore", &[wanted]);
}
