//! What a client may conclude from the order of what it gets: replies in the order of requests,
//! its own writes in its reads, and each event before any reply that shows what caused it.

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Client, Message, create, exists, get, set, watch};
use lockkeeper_server::embed::embed;
use lockkeeper_wire::request::AddWatchRequest;
use lockkeeper_wire::{AddWatchMode, ErrorCode, OpCode, Request, Response, Xid};

const WRITERS: usize = 3;
const WATCHERS: usize = 4;
const ZNODES: usize = 5;
const ROUNDS: usize = 300;

fn path(znode: usize) -> String {
    format!("/znode-{znode}")
}

fn make_znodes(address: SocketAddr) {
    let mut client = Client::connect(address);
    for znode in 0..ZNODES {
        client.ask(&create(&path(znode), b""));
    }
}

/// Sets every znode again and again, many requests in one piece, until all rounds are done.
fn write_rounds(address: SocketAddr, seed: usize) {
    let mut client = Client::connect(address);
    for round in 0..ROUNDS {
        let sets: Vec<_> = (0..1 + (round + seed) % 9)
            .map(|step| set(&path((seed + round * 7 + step * 3) % ZNODES), b"x"))
            .collect();
        client.send_all(&sets);
        for _ in &sets {
            assert_eq!(client.message().header.err, ErrorCode::OK);
        }
    }
}

fn version_of(message: &Message) -> i32 {
    match message.response(OpCode::GetData) {
        Response::GetData(body) => body.stat.version,
        other => panic!("{other:?}"),
    }
}

/// With a persistent watch there is an event for every version, so a reply may show no version
/// beyond the number of events.
fn watch_persistently(address: SocketAddr, done: &AtomicBool) -> usize {
    let mut client = Client::connect(address);
    let mut versions = BTreeMap::new();
    for znode in 0..ZNODES {
        client.send(&Request::AddWatch(AddWatchRequest {
            path: Some(path(znode).as_str().into()),
            mode: AddWatchMode::Persistent.into(),
        }));
    }
    // The watches are there before the first set: the writers start behind this function's call.
    let mut asked = BTreeMap::new();
    let mut armed = 0;
    let mut checked = 0;
    while !done.load(Ordering::Relaxed) || !asked.is_empty() {
        if asked.len() < 20 && !done.load(Ordering::Relaxed) {
            for znode in 0..ZNODES {
                asked.insert(client.send(&get(&path(znode))), path(znode));
            }
        }
        let message = client.message();
        if let Some(event) = message.event() {
            *versions.entry(event.path.to_string()).or_insert(0) += 1;
        } else if let Some(path) = asked.remove(&message.header.xid) {
            let shown = version_of(&message);
            let seen = versions.get(&path).copied().unwrap_or(0);
            let base = *versions
                .entry(format!("base {path}"))
                .or_insert(shown - seen);
            assert!(
                shown - base <= seen,
                "{path}: version {shown} in a reply before its event"
            );
            checked += 1;
        } else {
            armed += 1;
            assert!(armed <= ZNODES, "{message:?}");
        }
    }
    checked
}

/// A one-shot watch left by a read must fire before a later read shows a newer version.
fn watch_once(address: SocketAddr, done: &AtomicBool) -> usize {
    let mut client = Client::connect(address);
    let mut asked: BTreeMap<Xid, String> = BTreeMap::new();
    // The version seen when the watch was left, for watches that have not fired.
    let mut armed: BTreeMap<String, i32> = BTreeMap::new();
    let mut checked = 0;
    while !done.load(Ordering::Relaxed) || !asked.is_empty() {
        if asked.len() < 20 && !done.load(Ordering::Relaxed) {
            for znode in 0..ZNODES {
                let path = path(znode);
                asked.insert(client.send(&watch(&path)), path);
            }
        }
        let message = client.message();
        if let Some(event) = message.event() {
            let was = armed.remove(event.path.as_str());
            assert!(was.is_some(), "an event of a watch that has fired already");
        } else {
            let path = asked.remove(&message.header.xid).expect("asked");
            let shown = version_of(&message);
            let seen = *armed.entry(path).or_insert(shown);
            assert_eq!(shown, seen, "a newer version in a reply before its event");
            checked += 1;
        }
    }
    checked
}

/// With the replica on the only thread with connections, and on one of its own.
fn on_either_kind(test: impl Fn(SocketAddr)) {
    for io_threads in [1, 2] {
        let embed = embed().configure(|config| config.io_threads = Some(io_threads));
        let server = embed.start().expect("a server");
        test(server.address());
        server.stop();
    }
}

#[test]
fn an_event_comes_before_any_reply_that_shows_its_cause() {
    on_either_kind(|address| {
        make_znodes(address);
        let done = AtomicBool::new(false);
        let checked: usize = std::thread::scope(|scope| {
            let watchers: Vec<_> = (0..WATCHERS)
                .map(|at| {
                    let done = &done;
                    scope.spawn(move || match at % 2 {
                        0 => watch_persistently(address, done),
                        _ => watch_once(address, done),
                    })
                })
                .collect();
            let writers: Vec<_> = (0..WRITERS)
                .map(|seed| scope.spawn(move || write_rounds(address, seed)))
                .collect();
            let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            done.store(true, Ordering::Relaxed);
            assert!(ended.iter().all(Result::is_ok), "a writer failed");
            let checked = watchers.into_iter().map(|watcher| watcher.join());
            checked.map(|checked| checked.expect("a watcher")).sum()
        });
        assert!(checked > 1000, "only {checked} replies were looked at");
    });
}

#[test]
fn pipelined_reads_see_the_writes_before_them() {
    on_either_kind(|address| {
        let mut client = Client::connect(address);
        client.ask(&create("/own", b""));
        for round in 0..50 {
            let mut requests = Vec::new();
            for step in 0..20 {
                let value = format!("{round}-{step}");
                requests.push(set("/own", value.as_bytes()));
                requests.push(get("/own"));
                requests.push(Request::Ping);
                requests.push(create(&format!("/own/{value}"), b""));
                requests.push(exists(&format!("/own/{value}")));
            }
            let last = client.send_all(&requests);
            let first = last.0 - requests.len() as i32 + 1;
            for (at, request) in requests.iter().enumerate() {
                let message = client.message();
                assert_eq!(message.header.err, ErrorCode::OK, "{request:?}");
                if matches!(request, Request::Ping) {
                    assert_eq!(message.header.xid, Xid::PING);
                    continue;
                }
                assert_eq!(message.header.xid, Xid(first + at as i32));
                if let Response::GetData(body) = message.response(request.op()) {
                    let value = format!("{round}-{}", at / 5);
                    assert_eq!(body.data.as_deref(), Some(value.as_bytes()));
                }
            }
        }
    });
}

#[test]
fn twenty_thousand_pipelined_requests_are_answered_in_order() {
    on_either_kind(|address| {
        const COUNT: usize = 20_000;
        let mut client = Client::connect(address);
        let first = client.send(&create("/many", b"")).0 + 1;
        assert_eq!(client.message().header.err, ErrorCode::OK);
        let requests: Vec<_> = (0..COUNT)
            .map(|at| match at % 4 {
                0 => set("/many", at.to_string().as_bytes()),
                1 | 2 => get("/many"),
                _ => exists("/absent"),
            })
            .collect();
        let sender = client.send_aside(&requests);
        let mut last_zxid = None;
        for (at, request) in requests.iter().enumerate() {
            let message = client.message();
            assert_eq!(message.header.xid, Xid(first + at as i32));
            let zxid = Some(message.header.zxid);
            assert!(
                last_zxid <= zxid,
                "zxids go backwards: {last_zxid:?}, {zxid:?}"
            );
            last_zxid = zxid;
            if let Request::GetData(_) = request {
                let Response::GetData(body) = message.response(OpCode::GetData) else {
                    panic!("no data");
                };
                let value = (at / 4 * 4).to_string();
                assert_eq!(body.data.as_deref(), Some(value.as_bytes()));
            }
        }
        sender.join().expect("sent");
    });
}

/// The thread of a connection held the tree for the read and asked for it a second time for the
/// zxid of the refusal; a writer that waited in between stopped all three.
#[test]
fn refusals_behind_reads_do_not_lock_the_server_up() {
    on_either_kind(|address| {
        make_znodes(address);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut client = Client::connect(address);
                while !done.load(Ordering::Relaxed) {
                    client.send_all(&vec![set("/znode-0", b"x"); 50]);
                    for _ in 0..50 {
                        client.message();
                    }
                }
            });
            let mut client = Client::connect(address);
            let mut piece = Vec::new();
            for _ in 0..50 {
                piece.extend_from_slice(&frame_of(&get("/znode-0")));
                // A create whose path ends before its length.
                piece.extend_from_slice(&[0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 9]);
            }
            for _ in 0..200 {
                client.send_bytes(&piece);
                for _ in 0..50 {
                    assert_eq!(client.message().header.err, ErrorCode::OK);
                    let refusal = client.message().header;
                    assert_eq!(
                        (refusal.xid, refusal.err),
                        (Xid(7), ErrorCode::MARSHALLING_ERROR)
                    );
                }
            }
            done.store(true, Ordering::Relaxed);
            writer.join().expect("a writer");
        });
    });
}

/// The first write behind an event may wait for another one, but not for ever.
#[test]
fn a_write_behind_an_event_is_answered_though_nobody_follows() {
    on_either_kind(|address| {
        make_znodes(address);
        let (mut watcher, mut writer) = (Client::connect(address), Client::connect(address));
        for _ in 0..100 {
            watcher.ask(&watch("/znode-0"));
            writer.ask(&set("/znode-0", b"x"));
            assert!(watcher.message().event().is_some());
            writer.ask(&set("/znode-1", b"x"));
        }
    });
}

fn frame_of(request: &Request) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    request.encode_frame(Xid(1), &mut out);
    out.to_vec()
}
