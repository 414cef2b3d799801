//! Sessions on the real clock. Only what the protocol promises is asserted: a session never ends
//! before its timeout, and that it ends at all is waited for.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{Client, create, create_mode, delete, exists, get, handshake, set, until, watch};
use lockkeeper_server::embed::{Builder, embed};
use lockkeeper_wire::request::{CreateRequest, CreateTtlRequest};
use lockkeeper_wire::{Acl, ConnectRequest, CreateMode, ErrorCode, Request, Response, Zxid};

const TICK_MS: u32 = 100;
const TIMEOUT_MS: i32 = 400;

fn short_ticks() -> Builder {
    embed().tick_time_ms(TICK_MS)
}

/// A client whose session ends soon without it.
fn mortal(address: SocketAddr) -> Client {
    let client = Client::open(address, &handshake(TIMEOUT_MS));
    assert_eq!(
        client.granted.as_ref().map(|granted| granted.timeout_ms),
        Some(TIMEOUT_MS)
    );
    client
}

fn ephemeral(path: &str) -> Request {
    create_mode(path, b"", CreateMode::Ephemeral)
}

fn pzxid(client: &mut Client, path: &str) -> Zxid {
    match client.ask(&exists(path)) {
        Response::Stat(body) => body.stat.pzxid,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_silent_session_expires_after_its_timeout_in_one_transaction() {
    let server = short_ticks().start().expect("a server");
    let mut witness = Client::open(server.address(), &handshake(i32::MAX));
    for parent in ["/a", "/b"] {
        witness.ask(&create(parent, b""));
    }
    let mut silent = mortal(server.address());
    for path in ["/a/1", "/a/2", "/b/1"] {
        silent.ask(&ephemeral(path));
    }
    witness.ask(&watch("/a/1"));
    witness.ask(&watch("/b/1"));
    let heard = Instant::now();
    silent.ask(&get("/a/1"));
    silent.expect_closed();
    assert!(heard.elapsed() >= Duration::from_millis(TIMEOUT_MS as u64));
    let events: Vec<_> = (0..2).map(|_| witness.message()).collect();
    assert_eq!(events[0].header.zxid, events[1].header.zxid);
    assert!(events.iter().all(|event| event.event().is_some()));
    let zxid = events[0].header.zxid;
    assert_eq!(
        (pzxid(&mut witness, "/a"), pzxid(&mut witness, "/b")),
        (zxid, zxid)
    );
    for path in ["/a/1", "/a/2", "/b/1"] {
        assert!(!witness.exists(path));
    }
    let late = Client::open(server.address(), &silent.resumption());
    assert_eq!(
        late.granted.as_ref().map(|granted| granted.timeout_ms),
        Some(0)
    );
    server.stop();
}

#[test]
fn a_session_without_a_connection_expires_too() {
    let server = short_ticks().start().expect("a server");
    let mut witness = Client::connect(server.address());
    let mut gone = mortal(server.address());
    let heard = Instant::now();
    gone.ask(&ephemeral("/gone"));
    gone.hang_up();
    witness.ask(&watch("/gone"));
    assert!(witness.message().event().is_some());
    assert!(heard.elapsed() >= Duration::from_millis(TIMEOUT_MS as u64));
    server.stop();
}

#[test]
fn pings_keep_a_session_alive() {
    let server = short_ticks().start().expect("a server");
    let mut client = mortal(server.address());
    client.ask(&ephemeral("/mine"));
    let begun = Instant::now();
    let mut pings = 0;
    while begun.elapsed() < Duration::from_millis(3 * TIMEOUT_MS as u64) {
        client.ask(&Request::Ping);
        pings += 1;
    }
    assert!(pings > 3 && client.exists("/mine"));
    server.stop();
}

#[test]
fn a_resumed_session_moves_to_its_new_connection() {
    let server = short_ticks().start().expect("a server");
    let mut old = Client::open(server.address(), &handshake(1000));
    old.ask(&ephemeral("/mine"));
    old.ask(&watch("/mine"));
    let mut new = Client::open(server.address(), &old.resumption());
    assert_eq!(new.granted, old.granted);
    old.expect_closed();
    // Watches belong to a connection; the znode to the session.
    new.ask(&set("/mine", b"moved"));
    assert_eq!(new.data("/mine").as_deref(), Some(&b"moved"[..]));

    // A timeout is granted anew each time, within two and twenty ticks.
    for (wanted, granted) in [
        (500, 500),
        (0, 200),
        (-5, 200),
        (i32::MAX, 2000),
        (1500, 1500),
    ] {
        let request = ConnectRequest {
            timeout_ms: wanted,
            ..new.resumption()
        };
        let next = Client::open(server.address(), &request);
        new.expect_closed();
        new = next;
        let answer = new.granted.clone().expect("an answer");
        assert_eq!(
            (answer.timeout_ms, answer.session_id),
            (granted, old.session())
        );
    }
    assert!(new.exists("/mine"));
    assert_eq!(new.call(&Request::CloseSession).header.err, ErrorCode::OK);
    new.expect_closed();
    let mut witness = Client::connect(server.address());
    assert!(!witness.exists("/mine"));
    server.stop();
}

/// Writes that are under way when the session moves are done and answered nowhere.
#[test]
fn a_session_moves_with_writes_under_way() {
    let server = embed().start().expect("a server");
    let mut client = Client::connect(server.address());
    client.ask(&create("/counter", b""));
    for round in 0..50 {
        let resumption = client.resumption();
        client.send_all(&vec![set("/counter", b"x"); 20]);
        let mut next = Client::open(server.address(), &resumption);
        assert_eq!(next.granted, client.granted, "round {round}");
        let mut answered = 0;
        while let Some(frame) = client.next() {
            assert!(common::Message::decode(&frame).header.err.is_ok());
            answered += 1;
        }
        assert!(answered <= 20);
        next.ask(&set("/counter", b"own"));
        assert_eq!(next.data("/counter").as_deref(), Some(&b"own"[..]));
        client = next;
    }
    server.stop();
}

#[test]
fn watches_end_with_their_connection() {
    let server = embed().start().expect("a server");
    let mut witness = Client::connect(server.address());
    witness.ask(&create("/watched", b""));
    let mut watcher = Client::connect(server.address());
    watcher.ask(&watch("/watched"));
    let resumption = watcher.resumption();
    watcher.hang_up();
    let mut watcher = Client::open(server.address(), &resumption);
    watcher.ask(&Request::Ping);
    witness.ask(&set("/watched", b"x"));
    // Anything that was told would stand before this.
    assert_eq!(watcher.data("/watched").as_deref(), Some(&b"x"[..]));
    server.stop();
}

#[test]
fn a_session_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = embed().data_dir(dir.path()).start().expect("a server");
    let mut client = Client::connect(server.address());
    client.ask(&ephemeral("/mine"));
    let mut closed = Client::connect(server.address());
    closed.ask(&ephemeral("/closed"));
    closed.ask(&Request::CloseSession);
    server.stop();
    client.expect_closed();
    for _ in 0..2 {
        let server = embed().data_dir(dir.path()).start().expect("a server");
        let mut again = Client::open(server.address(), &client.resumption());
        assert_eq!(again.granted, client.granted);
        assert!(again.exists("/mine") && !again.exists("/closed"));
        let mut other = Client::connect(server.address());
        assert_ne!(other.session(), client.session());
        other.ask(&get("/mine"));
        server.stop();
    }
    // And ends when nobody comes for it any more.
    let server = short_ticks()
        .data_dir(dir.path())
        .start()
        .expect("a server");
    let request = ConnectRequest {
        timeout_ms: TIMEOUT_MS,
        ..client.resumption()
    };
    let mut last = Client::open(server.address(), &request);
    last.expect_closed();
    let mut witness = Client::connect(server.address());
    assert!(!witness.exists("/mine"));
    server.stop();
}

#[test]
fn containers_and_znodes_with_a_time_to_live_are_removed() {
    let server = embed().configure(|config| config.containers.check_interval_ms = 20);
    let server = server.start().expect("a server");
    let mut client = Client::connect(server.address());
    let request = |path: &str| CreateRequest {
        path: path.into(),
        data: None,
        acl: Some(Acl::open()),
        flags: CreateMode::Container.into(),
    };
    for path in ["/used", "/unused"] {
        client.ask(&Request::CreateContainer(request(path)));
    }
    client.ask(&create("/used/child", b""));
    let ttl = |path: &str, ttl_ms| {
        Request::CreateTtl(CreateTtlRequest {
            path: path.into(),
            data: None,
            acl: Some(Acl::open()),
            flags: CreateMode::PersistentTtl.into(),
            ttl_ms,
        })
    };
    let made = Instant::now();
    client.ask(&ttl("/brief", 300));
    client.ask(&ttl("/parent", 1));
    client.ask(&ttl("/lasting", 3_600_000));
    client.send(&create("/parent/child", b""));
    let has_child = client.message().header.err.is_ok();
    until("the time to live is over", || !client.exists("/brief"));
    assert!(made.elapsed() >= Duration::from_millis(300));
    assert!(client.exists("/used"), "a container with a child stays");
    assert!(client.exists("/unused"), "one that never had a child stays");
    assert!(client.exists("/lasting"));
    assert_eq!(client.exists("/parent"), has_child);
    client.ask(&delete("/used/child"));
    until("the container is empty", || !client.exists("/used"));
    server.stop();
}

/// Requests and their replies are packets whoever answers: the handshake, an authentication and an
/// operation that is answered by its header alone, too.
#[test]
fn every_packet_is_counted() {
    let server = embed().start().expect("a server");
    let mut client = Client::connect(server.address());
    client.send_op(-4, 100, b"\0\0\0\0\0\0\0\x06digest\0\0\0\x03a:b");
    client.message();
    client.ask(&create("/a", b""));
    client.send_op(1, 102, b"\0\0\0\0");
    client.message();
    client.send_op(2, 9999, b"");
    client.message();
    let mut said = String::new();
    until("the counts", || {
        let mut word = std::net::TcpStream::connect(server.address()).expect("it accepts");
        std::io::Write::write_all(&mut word, b"srvr").expect("sent");
        said.clear();
        std::io::Read::read_to_string(&mut word, &mut said).expect("an answer");
        said.contains("Received: 5\nSent: 5\n")
    });
    server.stop();
}
