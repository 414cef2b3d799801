//! The end of a server: what was acknowledged is there at the next start, and nothing is left
//! behind in a program that goes on.

mod common;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::binary::Binary;
use common::{Client, PATIENCE, create, set, until};
use lockkeeper_server::embed::embed;
use lockkeeper_wire::ErrorCode;

const WRITERS: usize = 3;

/// Held by each test with an embedded server, because one of them counts the process's threads.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates children of its own until the server goes; gives how many were acknowledged.
fn write_until_the_end(address: SocketAddr, writer: usize, begun: &AtomicUsize) -> usize {
    const DEPTH: usize = 20;
    let mut client = Client::connect(address);
    let name = |number: usize| format!("/writer-{writer}-{number}");
    let mut sent = 0;
    let mut acknowledged = 0;
    loop {
        while sent < acknowledged + DEPTH {
            client.send(&create(&name(sent), name(sent).as_bytes()));
            sent += 1;
        }
        let Some(frame) = client.next() else {
            return acknowledged;
        };
        let header = common::Message::decode(&frame).header;
        assert_eq!(header.err, ErrorCode::OK);
        acknowledged += 1;
        if acknowledged == 50 {
            begun.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn check_all_there(address: SocketAddr, acknowledged: &[usize]) {
    let mut client = Client::connect(address);
    for (writer, &count) in acknowledged.iter().enumerate() {
        for number in 0..count {
            let name = format!("/writer-{writer}-{number}");
            assert_eq!(client.data(&name).as_deref(), Some(name.as_bytes()));
        }
    }
}

fn stop_under_load(address: SocketAddr, stop: impl FnOnce()) -> Vec<usize> {
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let begun = &begun;
                scope.spawn(move || write_until_the_end(address, writer, begun))
            })
            .collect();
        until("writes of all", || begun.load(Ordering::Relaxed) == WRITERS);
        stop();
        let counts = writers.into_iter().map(|writer| writer.join());
        counts.map(|count| count.expect("a writer")).collect()
    })
}

#[test]
fn sigterm_under_load_loses_nothing_acknowledged() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Binary::serve(dir.path());
    let address = server.address();
    let acknowledged = stop_under_load(address, || server.terminate());
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let again = embed().data_dir(dir.path()).start().expect("a server");
    check_all_there(again.address(), &acknowledged);
    again.stop();
}

/// Threads of this process that belong to a server.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads of this process");
    let names = tasks.map(|task| task.expect("a thread").path().join("comm"));
    // A thread that has ended meanwhile has no name.
    names
        .filter_map(|name| std::fs::read_to_string(name).ok())
        .filter(|name| name.starts_with("lk-"))
        .count()
}

fn is_free(address: SocketAddr, dir: &Path) {
    drop(TcpListener::bind(address).expect("the port is free"));
    let again = embed().data_dir(dir).port(address.port()).start();
    again.expect("the directory and the port are free").stop();
}

#[test]
fn an_embedded_server_leaves_nothing_behind() {
    let _alone = alone();
    assert_eq!(threads(), 0);
    // Stopped before its threads have come to wait for that.
    for _ in 0..20 {
        embed().start().expect("a server").stop();
        assert_eq!(threads(), 0);
    }

    // The replica on the only thread with connections, and on one of its own.
    for (io_threads, count) in [(1, 2), (2, 4)] {
        leaves_nothing_behind(io_threads, count);
    }
}

fn leaves_nothing_behind(io_threads: u32, count: usize) {
    let embed = || embed().configure(|config| config.io_threads = Some(io_threads));
    let dir = tempfile::tempdir().expect("a directory");
    let server = embed().data_dir(dir.path()).start().expect("a server");
    let address = server.address();
    until("its threads run", || threads() == count);
    let mut server = Some(server);
    let acknowledged = stop_under_load(address, || server.take().expect("once").stop());
    assert_eq!(threads(), 0);
    is_free(address, dir.path());
    let again = embed().data_dir(dir.path()).start().expect("a server");
    check_all_there(again.address(), &acknowledged);

    // A client that does not read holds nobody up for long.
    let mut deaf = Client::connect(again.address());
    deaf.ask(&create("/large", &vec![7; 1_000_000]));
    for _ in 0..40 {
        deaf.send(&common::get("/large"));
    }
    let begun = std::time::Instant::now();
    drop(again);
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(threads(), 0);
    is_free(address, dir.path());
    drop(deaf);
}

/// The end of a session lists its ephemerals in one transaction, however many they are.
#[test]
fn a_session_with_megabytes_of_ephemerals_ends() {
    let _alone = alone();
    const COUNT: usize = 3000;
    let server = embed().start().expect("a server");
    let mut client = Client::connect(server.address());
    let name = |number: usize| format!("/{number:0>1000}");
    let mode = lockkeeper_wire::CreateMode::Ephemeral;
    let creates: Vec<_> = (0..COUNT)
        .map(|number| common::create_mode(&name(number), b"", mode))
        .collect();
    let sender = client.send_aside(&creates);
    for _ in 0..COUNT {
        assert_eq!(client.message().header.err, ErrorCode::OK);
    }
    sender.join().expect("sent");
    let reply = client.call(&lockkeeper_wire::Request::CloseSession);
    assert_eq!(reply.header.err, ErrorCode::OK);
    let mut other = Client::connect(server.address());
    assert!(!other.exists(&name(0)) && !other.exists(&name(COUNT - 1)));
    other.ask(&create("/after", b""));
    other.ask(&set("/after", b"served"));
    server.stop();
}
