//! What a client may send that it should not: each has its exact answer, and nobody else notices.

mod common;

use std::time::Duration;

use common::{Client, create, delete, exists, get, handshake, set, until, watch};
use lockkeeper_server::embed::{Embedded, embed};
use lockkeeper_wire::request::SetAclRequest;
use lockkeeper_wire::{
    Acl, ConnectRequest, ConnectResponse, ErrorCode, OpCode, Record, Request, SessionId, Xid, Zxid,
};

/// The longest frame, bytes.
const FRAME_LEN_MAX: usize = 0xf_ffff;
/// The longest first frame, bytes.
const HANDSHAKE_LEN_MAX: usize = 8 << 10;

/// A server with another client and a znode, both of which must be as they were in the end.
struct Scene {
    server: Embedded,
    witness: Client,
}

impl Scene {
    fn new() -> Self {
        Self::on(embed().start().expect("a server"))
    }

    fn on(server: Embedded) -> Self {
        let mut witness = Client::connect(server.address());
        witness.ask(&create("/witness", b"untouched"));
        Self { server, witness }
    }

    fn raw(&self) -> Client {
        Client::raw(self.server.address())
    }

    fn client(&self) -> Client {
        Client::connect(self.server.address())
    }

    #[track_caller]
    fn check(&mut self) {
        assert_eq!(
            self.witness.data("/witness").as_deref(),
            Some(&b"untouched"[..])
        );
    }

    #[track_caller]
    fn end(mut self) {
        self.check();
        self.server.stop();
    }
}

#[test]
fn garbage_in_place_of_a_handshake() {
    let mut scene = Scene::new();
    let short = handshake(1000).to_bytes();
    let mut cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        vec![0xff; 64],
        vec![0; 64],
        b"RUOK".to_vec(),
    ];
    for len in [0, -1, i32::MIN, i32::MAX, HANDSHAKE_LEN_MAX as i32 + 1] {
        cases.push(len.to_be_bytes().to_vec());
    }
    for len in [1, 8, 27, 40, 43] {
        let mut frame = (len as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(&short[..len]);
        cases.push(frame);
    }
    for case in cases {
        let mut client = scene.raw();
        client.send_bytes(&case);
        client.expect_closed();
        scene.check();
    }
    // A first frame of just the limit is one: what follows the record is of no interest.
    let mut client = scene.raw();
    let mut longest = short.to_vec();
    longest.resize(HANDSHAKE_LEN_MAX, 7);
    client.send_frame(&longest);
    let granted = client.next().expect("an answer");
    assert!(
        ConnectResponse::from_bytes(&granted)
            .expect("an answer")
            .timeout_ms
            > 0
    );
    scene.end();
}

#[test]
fn lengths_of_frames_behind_the_handshake() {
    let mut scene = Scene::new();
    for len in [-1, i32::MIN, i32::MAX, FRAME_LEN_MAX as i32 + 1] {
        let mut client = scene.client();
        client.send_bytes(&len.to_be_bytes());
        client.expect_closed();
        scene.check();
    }
    // Shorter than a header.
    for len in 0..8 {
        let mut client = scene.client();
        client.send_frame(&vec![0; len]);
        client.expect_closed();
    }
    let mut client = scene.client();
    let empty = exists("/absent");
    let overhead = {
        let mut out = bytes::BytesMut::new();
        empty.encode_frame(Xid(1), &mut out);
        out.len() - 4 - "/absent".len()
    };
    let longest = "x".repeat(FRAME_LEN_MAX - overhead);
    assert_eq!(
        client.call(&exists(&longest)).header.err,
        ErrorCode::NO_NODE
    );
    client.send(&exists(&format!("{longest}x")));
    client.expect_closed();
    scene.end();
}

#[test]
fn half_a_handshake_is_waited_for_until_its_deadline() {
    let server = embed().configure(|config| config.limits.handshake_timeout_ms = 300);
    let mut scene = Scene::on(server.start().expect("a server"));
    let whole = handshake(1000).to_bytes();
    let mut silent = scene.raw();
    let mut half = scene.raw();
    half.send_bytes(&(whole.len() as i32).to_be_bytes());
    half.send_bytes(&whole[..20]);
    scene.check();
    silent.expect_closed();
    half.expect_closed();
    // The witness is older than the limit, and behind its handshake.
    scene.end();
}

/// What a server answers that knows no such operation for clients: a code, then the end.
fn expect_unimplemented(client: &mut Client, xid: i32) {
    let message = client.message();
    assert_eq!(message.header.xid, Xid(xid));
    assert_eq!(message.header.err, ErrorCode::UNIMPLEMENTED);
    assert_eq!(message.header.zxid, Zxid(-1));
    assert!(message.body.is_empty());
    client.expect_closed();
}

#[test]
fn operations_that_no_client_may_ask_for() {
    let mut scene = Scene::new();
    for op in [0, -1, 13, 20, 10, 23, 99, 108, 12345, i32::MIN, i32::MAX] {
        let mut client = scene.client();
        client.send_op(7, op, b"\0\0\0\x08/witness\xff\xff\xff\xff");
        expect_unimplemented(&mut client, 7);
        scene.check();
        // In its place behind a write.
        let mut client = scene.client();
        client.send(&set("/witness", b"untouched"));
        client.send_op(8, op, b"");
        assert_eq!(client.message().header.err, ErrorCode::OK);
        expect_unimplemented(&mut client, 8);
    }
    // createSession is refused on a running connection, whether it has a body or not.
    for body in [&b""[..], &[0, 0, 3, 232]] {
        let mut client = scene.client();
        client.send_op(9, -10, body);
        let next = client.message();
        assert!(
            !next.header.err.is_ok() && next.header.xid == Xid(9),
            "{next:?}"
        );
    }
    scene.end();
}

#[test]
fn sessions_that_are_not_the_clients() {
    let mut scene = Scene::new();
    let refused = ConnectResponse::refusal(false);
    let address = scene.server.address();
    let own = scene.witness.resumption();

    // A wrong password cuts nobody off.
    for password in [None, Some(&b""[..]), Some(&[0; 16]), Some(&[1; 15])] {
        let request = ConnectRequest {
            password: password.map(bytes::Bytes::copy_from_slice),
            ..own.clone()
        };
        let mut thief = Client::open(address, &request);
        assert_eq!(thief.granted, Some(refused.clone()));
        thief.expect_closed();
        scene.check();
    }
    // Unknown sessions.
    for id in [1, -1, i64::MIN, i64::MAX, own.session_id.0 + 1] {
        let request = ConnectRequest {
            session_id: SessionId(id),
            ..own.clone()
        };
        let mut stranger = Client::open(address, &request);
        assert_eq!(stranger.granted, Some(refused.clone()));
        stranger.expect_closed();
    }
    // A closed session; the old form of the handshake is answered in the old form.
    let mut closed = scene.client();
    let resumption = closed.resumption();
    assert_eq!(
        closed.call(&Request::CloseSession).header.err,
        ErrorCode::OK
    );
    closed.expect_closed();
    let old = ConnectRequest {
        read_only: None,
        ..resumption
    };
    let mut late = Client::open(address, &old);
    assert_eq!(late.granted, Some(ConnectResponse::refusal(true)));
    late.expect_closed();
    // A client that has seen what this server has not yet is sent on without a word.
    for request in [handshake(1000), own] {
        let ahead = ConnectRequest {
            last_zxid_seen: Zxid(1 << 40),
            ..request
        };
        assert_eq!(Client::open(address, &ahead).granted, None);
        scene.check();
    }
    scene.end();
}

#[test]
fn paths_that_are_none() {
    let scene = Scene::new();
    let mut client = scene.client();
    let bad = [
        "",
        "a",
        "witness",
        "/a/",
        "//",
        "/a//b",
        "/.",
        "/..",
        "/witness/.",
        "/witness/..",
        "/nul\0",
        "/tab\t",
        "/del\u{7f}",
        "/c1\u{9f}",
        "/private\u{e000}",
        "/nonchar\u{fff0}",
        "/malformed\u{fffd}",
        "/astral\u{1f512}",
    ];
    for path in bad {
        for request in [create(path, b""), set(path, b"")] {
            let err = client.call(&request).header.err;
            // A create looks for its parent before it looks at the whole path.
            let parent_first = matches!(request, Request::Create(_)) && err == ErrorCode::NO_NODE;
            assert!(
                err == ErrorCode::BAD_ARGUMENTS || parent_first,
                "{path:?}: {err:?}"
            );
        }
        let err = client.call(&delete(path)).header.err;
        assert!(
            [ErrorCode::BAD_ARGUMENTS, ErrorCode::NO_NODE].contains(&err),
            "{path:?}: {err:?}"
        );
        if !path.is_empty() && !path.contains('\0') {
            assert_eq!(
                client.call(&get(path)).header.err,
                ErrorCode::NO_NODE,
                "{path:?}"
            );
        }
    }
    assert_eq!(
        client.call(&create("/", b"")).header.err,
        ErrorCode::NODE_EXISTS
    );
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
        assert_eq!(
            client.call(&delete(path)).header.err,
            ErrorCode::BAD_ARGUMENTS,
            "{path}"
        );
    }
    for path in [
        "/.a",
        "/a.",
        "/...",
        "/space ",
        "/\u{a0}",
        "/\u{f900}",
        "/\u{ffef}",
    ] {
        client.ask(&create(path, b""));
        client.ask(&delete(path));
    }
    scene.end();
}

#[test]
fn bodies_cut_short() {
    let mut scene = Scene::new();
    let with_body = [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 16, 17, 18, 19, 21, 22, 101, 103, 104,
    ];
    let with_body = with_body.into_iter().chain([105, 106]);
    let mut client = scene.client();
    for op in with_body {
        // Nothing, a length without bytes, a length below null, a length of the largest number.
        let bodies: [&[u8]; 4] = [
            b"",
            &[0, 0, 0, 9, b'/'],
            &[0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0],
            &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ];
        for body in bodies {
            client.send_op(op, op, body);
            let message = client.message();
            assert_eq!(message.header.xid, Xid(op));
            assert_eq!(
                message.header.err,
                ErrorCode::MARSHALLING_ERROR,
                "{op} {body:?}"
            );
            assert!(message.body.is_empty());
        }
        // What is behind a body is of no interest, and the connection goes on.
        client.send_op(1, 3, b"\0\0\0\x08/witness\0and more");
        assert_eq!(client.message().header.err, ErrorCode::OK);
    }
    for op in [OpCode::Auth, OpCode::Sasl] {
        let mut client = scene.client();
        client.send_op(1, op.into(), b"\0");
        client.expect_closed();
        scene.check();
    }
    scene.end();
}

#[test]
fn identities_without_end() {
    let scene = Scene::new();
    let mut client = scene.client();
    let mut added = 0;
    let last = loop {
        let mut body = vec![0, 0, 0, 0, 0, 0, 0, 6];
        body.extend_from_slice(b"digest\0\0\0\x08");
        body.extend_from_slice(format!("{added:06}:x").as_bytes());
        client.send_op(-4, 100, &body);
        let header = client.message().header;
        if !header.err.is_ok() {
            break header;
        }
        added += 1;
    };
    assert_eq!(last.err, ErrorCode::AUTH_FAILED);
    assert!((8..100).contains(&added), "{added}");
    client.expect_closed();
    scene.end();
}

/// A request that names all identities of its connection as often as fits becomes the longest
/// transaction there is; the log must take it.
#[test]
fn the_request_that_grows_most() {
    const FRAME_LEN: usize = 64 << 10;
    let server = embed().configure(|config| config.limits.frame_len_max = FRAME_LEN);
    let scene = Scene::on(server.start().expect("a server"));
    let mut client = scene.client();
    let identify = |client: &mut Client, count: usize| {
        for number in 0..count {
            let mut body = vec![0, 0, 0, 0, 0, 0, 0, 6];
            body.extend_from_slice(b"digest\0\0\0\x08");
            body.extend_from_slice(format!("{number:06}:x").as_bytes());
            client.send_op(-4, 100, &body);
            if !client.message().header.err.is_ok() {
                return number;
            }
        }
        count
    };
    let most = identify(&mut scene.client(), usize::MAX);
    assert_eq!(identify(&mut client, most), most);
    let acl = (0..FRAME_LEN as i32 / 16 - 4).map(|perms| Acl::new(perms, "auth", ""));
    let request = Request::SetAcl(SetAclRequest {
        path: "/witness".into(),
        acl: Some(acl.chain(Acl::open()).collect()),
        version: -1,
    });
    client.ask(&request);
    scene.end();
}

#[test]
fn requests_behind_the_end_of_the_session() {
    let mut scene = Scene::new();
    let mut client = scene.client();
    client.send_all(&[
        Request::CloseSession,
        set("/witness", b"too late"),
        create("/late", b""),
        get("/witness"),
    ]);
    let reply = client.message();
    assert_eq!(
        (reply.header.xid, reply.header.err),
        (Xid(1), ErrorCode::OK)
    );
    client.expect_closed();
    assert!(!scene.witness.exists("/late"));
    scene.end();
}

/// Resident memory of this process, bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the state of this process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number")
        << 10
}

/// A few bytes ask for a megabyte: three gigabytes in one piece of the socket's.
#[test]
fn a_client_that_asks_and_does_not_read() {
    const ASKED: usize = 3000;
    let mut scene = Scene::new();
    scene.witness.ask(&create("/large", &vec![7; 1_000_000]));
    let before = resident();
    let mut deaf: Vec<_> = (0..4).map(|_| scene.client()).collect();
    let asking = vec![get("/large"); ASKED];
    for client in &mut deaf {
        client.send_all(&asking);
    }
    // Others are served meanwhile.
    for _ in 0..200 {
        scene.check();
        let grown = resident().saturating_sub(before);
        assert!(grown < 400 << 20, "grown by {grown} bytes");
    }
    // And those that did not read get all they have asked for when they do.
    let client = &mut deaf[0];
    for _ in 0..50 {
        assert_eq!(client.message().header.err, ErrorCode::OK);
    }
    drop(deaf);
    scene.end();
}

#[test]
fn a_watcher_that_does_not_read_is_closed() {
    const STEPS: usize = 450;
    let mut scene = Scene::new();
    let long = format!("/{}", "w".repeat(2000));
    scene.witness.ask(&create(&long, b""));
    let mut deaf = scene.client();
    deaf.ask(&Request::AddWatch(
        lockkeeper_wire::request::AddWatchRequest {
            path: Some(long.as_str().into()),
            mode: 0,
        },
    ));
    let connections = |scene: &Scene| {
        let mut client = scene.raw();
        client.send_bytes(b"cons");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut client.socket(), &mut text).expect("text");
        text.lines().filter(|line| line.contains("sid=0x")).count()
    };
    until("both sessions are connected", || connections(&scene) == 2);
    let parts: Vec<_> = (0..STEPS)
        .map(|_| match set(&long, b"") {
            Request::SetData(body) => lockkeeper_wire::multi::MultiOp::SetData(body),
            other => panic!("{other:?}"),
        })
        .collect();
    let flood = Request::Multi(lockkeeper_wire::multi::MultiRequest { ops: parts });
    until("the watcher is closed", || {
        scene.witness.ask(&flood);
        connections(&scene) == 1
    });
    // No gap: what has come is all events from the first on, in order.
    let mut last = Zxid::ZERO;
    while let Some(frame) = deaf.next() {
        if frame.len() < 2000 {
            break;
        }
        let message = common::Message::decode(&frame);
        assert!(message.header.zxid >= last && message.event().is_some());
        assert!(
            last == Zxid::ZERO || message.header.zxid.0 <= last.0 + 1,
            "a gap"
        );
        last = message.header.zxid;
    }
    scene.end();
}

#[test]
fn too_many_connections() {
    for total in [false, true] {
        let server = embed().configure(|config| match total {
            true => config.limits.connections_max = Some(10),
            false => config.limits.connections_per_address_max = Some(10),
        });
        let mut scene = Scene::on(server.start().expect("a server"));
        let mut burst: Vec<_> = (0..40).map(|_| scene.raw()).collect();
        let mut admitted = Vec::new();
        for mut client in burst.drain(..) {
            client.send_frame(&handshake(10_000).to_bytes());
            match client.next() {
                Some(_) => admitted.push(client),
                None => scene.check(),
            }
        }
        assert_eq!(admitted.len(), 9, "the witness is the tenth");
        // A place that gets free is given away again.
        admitted.pop().expect("one of nine").hang_up();
        until("a free place", || {
            let mut client = scene.raw();
            client.send_frame(&handshake(10_000).to_bytes());
            client.next().is_some()
        });
        scene.end();
    }
}

#[test]
fn too_many_watches() {
    let server = embed().configure(|config| config.limits.watches_per_session_max = Some(5));
    let mut scene = Scene::on(server.start().expect("a server"));
    let mut client = scene.client();
    for number in 0..5 {
        client.ask(&create(&format!("/{number}"), b""));
        client.ask(&watch(&format!("/{number}")));
    }
    assert_eq!(
        client.call(&watch("/witness")).header.err,
        ErrorCode::QUOTA_EXCEEDED
    );
    client.ask(&get("/witness"));
    // A watch that fires makes room.
    scene.witness.ask(&set("/3", b"x"));
    assert!(client.message().event().is_some());
    client.ask(&watch("/witness"));
    assert_eq!(
        client.call(&watch("/3")).header.err,
        ErrorCode::QUOTA_EXCEEDED
    );
    // Others have their own.
    scene.witness.ask(&watch("/3"));
    scene.end();
}

/// Not before its time: the shortest handshake limit is no bound for those who are through.
#[test]
fn the_handshake_limit_is_for_handshakes() {
    let server = embed().configure(|config| config.limits.handshake_timeout_ms = 50);
    let scene = Scene::on(server.start().expect("a server"));
    let mut silent = scene.raw();
    let begun = std::time::Instant::now();
    silent.expect_closed();
    assert!(begun.elapsed() >= Duration::from_millis(40));
    scene.end();
}
