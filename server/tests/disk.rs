//! The log under a server that serves: rolled in time, and the end of the server when it fails.
//!
//! A request alone is logged by another thread than a piece of many, so everything is done in both
//! ways.

mod common;

use std::path::Path;

use common::{Client, Message, create, set, until};
use lockkeeper_server::config::Listen;
use lockkeeper_server::{Config, Server};
use lockkeeper_wire::{ErrorCode, OpCode, Response};

const PIECES: [usize; 2] = [1, 20];

/// A server that rolls its log after every second transaction.
fn start(dir: &Path) -> Server {
    let mut config = Config::new(dir);
    config.listen = vec![Listen::loopback(0)];
    config.storage.snap_count = 2;
    Server::start(&config).expect("a server")
}

/// Sets `/a` so many times in one piece; gives the last version acknowledged, and whether the
/// server has closed the connection.
fn set_all(client: &mut Client, count: usize) -> (Option<i32>, bool) {
    client.send_all(&vec![set("/a", b"x"); count]);
    let mut version = None;
    for _ in 0..count {
        let Some(frame) = client.next() else {
            return (version, true);
        };
        let reply = Message::decode(&frame);
        assert_eq!(reply.header.err, ErrorCode::OK);
        match reply.response(OpCode::SetData) {
            Response::Stat(body) => version = Some(body.stat.version),
            other => panic!("{other:?}"),
        }
    }
    (version, false)
}

fn count(dir: &Path, prefix: &str) -> usize {
    let files = std::fs::read_dir(dir.join("version-2")).expect("a directory");
    let names = files.map(|file| file.expect("a file").file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

#[test]
fn snapshots_are_written_and_logs_rolled_however_writes_come() {
    for piece in PIECES {
        let dir = tempfile::tempdir().expect("a directory");
        let server = start(dir.path());
        let mut client = Client::connect(server.addresses()[0]);
        client.ask(&create("/a", b""));
        until("snapshots and logs", || {
            assert!(!set_all(&mut client, piece).1);
            count(dir.path(), "snapshot.") >= 3 && count(dir.path(), "log.") >= 3
        });
        server.stop();
    }
}

#[test]
fn a_disk_that_fails_ends_the_server_and_loses_nothing_acknowledged() {
    for piece in PIECES {
        let dir = tempfile::tempdir().expect("a directory");
        let mut server = start(dir.path());
        let mut client = Client::connect(server.addresses()[0]);
        client.ask(&create("/a", b""));
        // The next log cannot be started.
        let (there, away) = (dir.path().join("version-2"), dir.path().join("away"));
        std::fs::rename(&there, &away).expect("renamed");
        let mut acknowledged = 0;
        until("the end of the server", || {
            let (version, closed) = set_all(&mut client, piece);
            acknowledged = version.unwrap_or(acknowledged);
            closed
        });
        let failure = server.wait().expect_err("the disk's failure");
        assert!(failure.to_string().contains("log."), "{failure}");

        std::fs::rename(&away, &there).expect("renamed");
        let again = start(dir.path());
        let mut client = Client::connect(again.addresses()[0]);
        let (version, _) = set_all(&mut client, 1);
        assert!(version > Some(acknowledged), "{version:?}, {acknowledged}");
        again.stop();
    }
}
