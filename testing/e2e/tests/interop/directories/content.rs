//! Something of every kind to put into a directory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lockkeeper::{Acl, Client, CreateMode, CreateOptions, Op, Zxid, acl};
use lockkeeper_wire::request::CreateRequest;
use lockkeeper_wire::{ConnectRequest, Record, ReplyHeader, Request, SessionId, Xid, frame};

/// User and password whose digest is in the ACLs.
pub(crate) const USER: &str = "alice:one";

const HOUR: Duration = Duration::from_secs(3600);

async fn make(
    client: &Client,
    path: &str,
    data: impl Into<Bytes>,
    options: impl Into<CreateOptions>,
) {
    let create = client.create(path, data, options);
    create
        .await
        .unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Every kind of znode, every shape of data and ACL, counters of all sorts above zero.
pub(crate) async fn populate(client: &Client, server: SocketAddr) {
    let persistent = || CreateOptions::new(CreateMode::Persistent);
    make(client, "/data", "", persistent()).await;
    make(client, "/data/empty", "", persistent()).await;
    make(client, "/data/large", vec![7; 200_000], persistent()).await;
    make(
        client,
        "/data/z\u{e4}hler-\u{9375}",
        "\0\u{ff}",
        persistent(),
    )
    .await;
    create_without_data(server, "/data/null");
    make(client, "/data/set", "0", persistent()).await;
    for version in 0..120 {
        let set = client.set("/data/set", format!("{version}"), Some(version));
        set.await.expect("nobody else writes");
    }

    make(client, "/kinds", "", persistent()).await;
    make(client, "/kinds/container", "", CreateMode::Container).await;
    make(client, "/kinds/container/child", "", persistent()).await;
    make(client, "/kinds/never-used", "", CreateMode::Container).await;
    for mode in [
        CreateMode::PersistentTtl,
        CreateMode::PersistentSequentialTtl,
    ] {
        make(client, "/kinds/ttl", "", CreateOptions::new(mode).ttl(HOUR)).await;
    }
    for _ in 0..3 {
        make(client, "/kinds/s-", "", CreateMode::PersistentSequential).await;
    }
    client
        .delete("/kinds/s-0000000004", None)
        .await
        .expect("it was the first");
    make(client, "/kinds/ephemeral", "mine", CreateMode::Ephemeral).await;
    make(client, "/kinds/e-", "", CreateMode::EphemeralSequential).await;

    make(client, "/acl", "", persistent()).await;
    let ip = Acl::new(acl::ALL, "ip", "127.0.0.0/8");
    let mixed = vec![
        Acl::new(acl::READ | acl::WRITE, "auth", ""),
        ip.clone(),
        Acl::new(acl::READ, "world", "anyone"),
    ];
    for (name, list) in [
        ("digest", Acl::creator_all()),
        ("ip", vec![ip]),
        ("mixed", mixed),
        ("read-only", Acl::read_only()),
    ] {
        make(client, &format!("/acl/{name}"), "", persistent().acl(list)).await;
    }
    make(client, "/acl/changed", "", persistent()).await;
    for list in [Acl::read_only(), Acl::creator_all()] {
        let admin = Acl::new(acl::ADMIN, "world", "anyone");
        let list = list.into_iter().chain([admin]).collect();
        client
            .set_acl("/acl/changed", list, None)
            .await
            .expect("everyone is admin");
    }

    // As `setquota` of zkCli leaves them.
    make(client, "/zookeeper/quota/data", "", persistent()).await;
    let (limits, stats) = ("count=1000,bytes=-1", "count=6,bytes=200000");
    make(
        client,
        "/zookeeper/quota/data/zookeeper_limits",
        limits,
        persistent(),
    )
    .await;
    make(
        client,
        "/zookeeper/quota/data/zookeeper_stats",
        stats,
        persistent(),
    )
    .await;

    let multi = client.multi(vec![
        Op::create("/multi", "1", CreateMode::Persistent),
        Op::create("/multi/s-", "", CreateMode::EphemeralSequential),
        Op::set("/multi", "2", Some(0)),
        Op::create("/multi/gone", "", CreateMode::Persistent),
        Op::delete("/multi/gone", None),
    ]);
    multi.await.expect("every part holds");
    let failed = client.multi(vec![
        Op::set("/multi", "3", None),
        Op::check("/multi", Some(99)),
    ]);
    failed.await.expect_err("the check does not hold");
}

/// Something more, told apart by `round`; gives the zxid of the last write.
pub(crate) async fn write_round(client: &Client, round: u32) -> Zxid {
    let top = format!("/round-{round}");
    make(client, &top, "", CreateOptions::new(CreateMode::Persistent)).await;
    make(client, &format!("{top}/e"), "", CreateMode::Ephemeral).await;
    make(client, "/kinds/s-", "", CreateMode::PersistentSequential).await;
    let private = CreateOptions::new(CreateMode::Persistent).acl(Acl::creator_all());
    make(client, &format!("{top}/private"), "x", private).await;
    let version = client.exists("/data/set").await.expect("a reply");
    let version = version.expect("it is there").version;
    for step in 0..30 {
        let set = client.set("/data/set", format!("{round}-{step}"), Some(version + step));
        set.await.expect("nobody else writes");
    }
    let multi = client.multi(vec![
        Op::delete("/kinds/ephemeral", None),
        Op::create(
            "/kinds/ephemeral",
            format!("{round}"),
            CreateMode::Ephemeral,
        ),
    ]);
    multi.await.expect("it is there");
    let set = client.set("/kinds/container/child", "", None).await;
    set.expect("it is there").mzxid
}

/// Null is not empty, and no client but a foreign one writes it: so by hand.
fn create_without_data(server: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(server).expect("it listens");
    let connect = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: 10_000,
        session_id: SessionId::NONE,
        password: Some(Bytes::from_static(&[0; 16])),
        read_only: Some(false),
    };
    let mut sent = BytesMut::new();
    frame::encode(&mut sent, |out| connect.encode(out));
    let create = Request::Create2(CreateRequest {
        path: path.into(),
        data: None,
        acl: Some(Acl::open()),
        flags: CreateMode::Persistent.into(),
    });
    create.encode_frame(Xid(1), &mut sent);
    Request::CloseSession.encode_frame(Xid(2), &mut sent);
    stream.write_all(&sent).expect("the connection is up");
    read_frame(&mut stream);
    let reply = ReplyHeader::from_bytes(&read_frame(&mut stream)).expect("a reply");
    assert!(reply.err.is_ok(), "{reply:?}");
    read_frame(&mut stream);
}

fn read_frame(stream: &mut TcpStream) -> Bytes {
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("a frame");
    let mut body = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut body).expect("a whole frame");
    body.into()
}
