//! Starts that must fail: with the exit code supervisors know, a message that says what to change,
//! and nothing changed in the directory.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use common::binary::{Binary, free_port, run};
use common::{Client, create};
use lockkeeper_server::StartError;
use lockkeeper_server::embed::embed;

/// Files below a directory with their content. The lock has none and says nothing about the data.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".lockkeeper.lock") {
                files.insert(path.clone(), std::fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// A directory that a server has written: the snapshot of the start, and a log.
fn used_directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let server = embed().data_dir(dir.path()).start().expect("a server");
    let mut client = Client::connect(server.address());
    for number in 0..20 {
        client.ask(&create(&format!("/{number}"), &[b'x'; 100]));
    }
    server.stop();
    dir
}

/// The one file whose name starts so.
fn file(dir: &Path, prefix: &str) -> PathBuf {
    let version = dir.join("version-2");
    let entries = std::fs::read_dir(&version).expect("a folder");
    let mut names = entries.map(|entry| entry.expect("an entry").path());
    let found = names.find(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name.starts_with(prefix)
    });
    found.expect("a file")
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("a file");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

fn serve_arguments(dir: &Path) -> Vec<OsString> {
    let listen = format!("127.0.0.1:{}", free_port());
    vec![
        "--data-dir".into(),
        dir.into(),
        "--listen".into(),
        listen.into(),
    ]
}

/// Runs the program, which must fail with this code and all of these words.
#[track_caller]
fn expect_failure(arguments: Vec<OsString>, code: i32, words: &[&str]) {
    let output = run(&arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("lockkeeper-server: "), "{text}");
    for word in words {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[track_caller]
fn expect_refused(dir: &Path, words: &[&str]) {
    let before = content(dir);
    expect_failure(serve_arguments(dir), 3, words);
    assert!(content(dir) == before, "the directory was changed");
    let embedded = embed().data_dir(dir).start();
    let error = embedded.expect_err("refused");
    assert_eq!(error.exit_code(), 3, "{error:?}");
    assert!(content(dir) == before, "the directory was changed");
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let parent = tempfile::tempdir().expect("a directory");
    let dir = parent.path().join("data");
    let mut arguments = serve_arguments(&dir);
    arguments[3] = format!("127.0.0.1:{port}").into();
    expect_failure(arguments, 1, &[&port.to_string(), "--listen", "clientPort"]);
    assert!(
        !dir.exists(),
        "nothing was made for a server that cannot serve"
    );
    let error = embed().data_dir(&dir).port(port).start().expect_err("busy");
    assert!(matches!(error, StartError::Listen { .. }), "{error:?}");
    assert!(!dir.exists());
}

#[test]
fn two_servers_on_one_directory() {
    let dir = used_directory();
    let first = embed().data_dir(dir.path()).start().expect("a server");
    expect_refused(
        dir.path(),
        &["held by another server", "another data directory"],
    );
    let mut client = Client::connect(first.address());
    client.ask(&create("/still", b"served"));
    first.stop();

    let mut binary = Binary::serve(dir.path());
    expect_refused(dir.path(), &["held by another server"]);
    let mut client = Client::connect(binary.address());
    assert_eq!(client.data("/still").as_deref(), Some(&b"served"[..]));
    binary.terminate();
    assert_eq!(binary.wait().code(), Some(0));
    embed()
        .data_dir(dir.path())
        .start()
        .expect("free again")
        .stop();
}

#[test]
fn a_directory_that_cannot_be_one() {
    let parent = tempfile::tempdir().expect("a directory");
    let blocker = parent.path().join("file");
    std::fs::write(&blocker, "not a directory").expect("written");
    let below = blocker.join("data");
    for dir in [&blocker, &below, &PathBuf::from("/proc/lockkeeper")] {
        expect_failure(
            serve_arguments(dir),
            3,
            &["cannot use", &dir.display().to_string()],
        );
        assert!(embed().data_dir(dir).start().is_err());
    }
    assert_eq!(std::fs::read(&blocker).expect("a file"), b"not a directory");
    // A file where the server wants its own directory.
    let taken = parent.path().join("taken");
    std::fs::create_dir(&taken).expect("made");
    std::fs::write(taken.join("version-2"), "in the way").expect("written");
    expect_refused(&taken, &["version-2"]);
}

#[test]
fn files_that_are_no_snapshot() {
    let dir = tempfile::tempdir().expect("a directory");
    let version = dir.path().join("version-2");
    std::fs::create_dir(&version).expect("made");
    std::fs::write(version.join("snapshot.5"), "a shopping list\n".repeat(40)).expect("written");
    expect_refused(dir.path(), &["version-2", "restore"]);

    // One that ends as a snapshot does.
    let mut bytes = vec![7; 500];
    bytes.extend_from_slice(&[0, 0, 0, 1, b'/']);
    std::fs::write(version.join("snapshot.5"), bytes).expect("written");
    expect_refused(dir.path(), &["version-2", "restore"]);
}

#[test]
fn a_damaged_snapshot_without_an_older_one() {
    let dir = used_directory();
    change(&file(dir.path(), "snapshot."), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
    });
    expect_refused(dir.path(), &["version-2", "restore"]);
    std::fs::remove_file(file(dir.path(), "snapshot.")).expect("removed");
    expect_refused(dir.path(), &["version-2", "no snapshot"]);
}

#[test]
fn damaged_and_foreign_logs() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(Damage, &str); 4] = [
        (
            |bytes| bytes[..16].copy_from_slice(b"#!/bin/sh\necho 1"),
            "byte 0",
        ),
        (|bytes| bytes.truncate(9), "byte 0"),
        (|bytes| bytes[700] ^= 1, "damaged at byte"),
        // A record in the middle that is gone altogether.
        (|bytes| bytes[600..900].fill(0), "damaged at byte"),
    ];
    for (damage, words) in damages {
        let dir = used_directory();
        let log = file(dir.path(), "log.");
        change(&log, damage);
        expect_refused(dir.path(), &[&log.display().to_string(), words]);
    }
}

#[test]
fn command_lines_and_files_that_cannot_be_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let data_text = data.display().to_string();
    let arguments = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let cases: [(&[&str], &[&str]); 7] = [
        (&[], &["--data-dir"]),
        (&["--data-dir"], &["--data-dir"]),
        (&["--nonsense", "1"], &["--nonsense"]),
        (
            &["--data-dir", &data_text, "--tick-time", "soon"],
            &["--tick-time", "soon"],
        ),
        (
            &["--data-dir", &data_text, "--listen", "nowhere"],
            &["--listen", "nowhere"],
        ),
        (&["1", "2", "3", "4", "5"], &["four"]),
        (&["/no/such/zoo.cfg"], &["/no/such/zoo.cfg"]),
    ];
    for (words, expected) in cases {
        expect_failure(arguments(words), 2, expected);
    }
    let config = dir.path().join("zoo.cfg");
    let lines = [
        ("clientPort=many", &["clientPort", "many"][..]),
        ("tickTime=-1", &["tickTime"]),
        (
            "minSessionTimeout=9000\nmaxSessionTimeout=8000",
            &["ession"],
        ),
    ];
    for (line, expected) in lines {
        std::fs::write(
            &config,
            format!("dataDir={data_text}\nclientPort=2199\n{line}\n"),
        )
        .expect("written");
        expect_failure(vec![config.clone().into()], 2, expected);
    }
    assert!(!data.exists(), "nothing was made");
}
