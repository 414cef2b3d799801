//! Frames as Apache's servers 3.8.0 and 3.9.5 and their clients have exchanged them, each beside
//! the value it stands for. Every frame is read to that value and written back to the same bytes.
//!
//! A line in the dumps is what one side sends at once: the length, the rest of the header, a bar,
//! then the body. The exchanges follow one another on one connection to a server with fresh data.

#[path = "support/hex.rs"]
mod hex;

use bytes::{Bytes, BytesMut};
use hex::hex;
use lockkeeper_wire::multi::{
    MultiOp, MultiReadRequest, MultiReadResponse, MultiRequest, MultiResponse, MultiResult, ReadOp,
    ReadResult,
};
use lockkeeper_wire::reply::{
    ClientInfo, Create2Response, CreateResponse, ErrorResponse, GetAclResponse,
    GetAllChildrenNumberResponse, GetChildren2Response, GetChildrenResponse, GetDataResponse,
    GetEphemeralsResponse, StatResponse, WhoAmIResponse,
};
use lockkeeper_wire::request::{
    AddWatchRequest, AuthPacket, CreateRequest, CreateTtlRequest, GetEphemeralsRequest, PathOnly,
    PathVersion, PathWatch, PathWatcherType, SetAclRequest, SetDataRequest, SyncPath,
};
use lockkeeper_wire::watch::{self, SetWatches, SetWatches2};
use lockkeeper_wire::{
    Acl, AddWatchMode, ByteStr, ConnectRequest, ConnectResponse, CreateMode, Deframer, ErrorCode,
    EventType, OpCode, Reader, Record, ReplyHeader, Request, RequestHeader, Response, SessionId,
    Stat, WatcherEvent, WatcherType, Xid, Zxid, acl, frame, reply,
};

const SESSION: SessionId = SessionId(0x0100_002a_01d0_0000);

/// A whole frame of either side.
#[derive(Clone, Debug, PartialEq)]
enum Message {
    Connect(ConnectRequest),
    Connected(ConnectResponse),
    Request(Xid, Request),
    /// The operation of a reply is known only to who asked.
    Reply(ReplyHeader, OpCode, Response),
    /// A reply with an error code.
    Refusal(ReplyHeader),
    Event(Zxid, EventType, &'static str),
}

impl Message {
    /// Reads a payload as the kind of message that `self` is.
    fn read_alike(&self, payload: &Bytes) -> Message {
        let mut reader = Reader::new(payload);
        let read = match self {
            Self::Connect(_) => Self::Connect(Record::decode(&mut reader).expect("connect")),
            Self::Connected(_) => Self::Connected(Record::decode(&mut reader).expect("connected")),
            Self::Request(..) => {
                let header = RequestHeader::decode(&mut reader).expect("header");
                let request = Request::decode(header.op, &mut reader).expect("request");
                Self::Request(header.xid, request)
            }
            Self::Reply(_, op, _) => {
                let header = ReplyHeader::decode(&mut reader).expect("header");
                let body = Response::decode(*op, &mut reader).expect("response");
                Self::Reply(header, *op, body)
            }
            Self::Refusal(_) => Self::Refusal(Record::decode(&mut reader).expect("header")),
            Self::Event(_, kind, path) => {
                let header = ReplyHeader::decode(&mut reader).expect("header");
                assert_eq!(header.xid, Xid::NOTIFICATION);
                assert_eq!(header.err, ErrorCode::OK);
                let event = WatcherEvent::decode(&mut reader).expect("event");
                let expected = WatcherEvent {
                    kind: (*kind).into(),
                    state: watch::SYNC_CONNECTED,
                    path: (*path).into(),
                };
                assert_eq!(event, expected);
                Self::Event(header.zxid, *kind, path)
            }
        };
        assert_eq!(reader.remaining(), 0, "bytes are left behind {read:?}");
        read
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Connect(body) => frame::encode(out, |out| body.encode(out)),
            Self::Connected(body) => frame::encode(out, |out| body.encode(out)),
            Self::Request(xid, request) => request.encode_frame(*xid, out),
            Self::Reply(header, _, body) => reply::encode_frame(*header, body, out),
            Self::Refusal(header) => reply::encode_frame(*header, &Response::Empty, out),
            Self::Event(zxid, kind, path) => watch::encode_frame(*kind, *zxid, path, out),
        }
    }
}

fn check(exchange: &[(&str, Message)]) {
    for (text, message) in exchange {
        let bytes = hex(text);
        let mut deframer = Deframer::new();
        deframer.buffer_mut().extend_from_slice(&bytes);
        let payload = deframer.next_frame(frame::FRAME_LEN_MAX);
        let payload = payload.expect("a frame").expect("a whole frame");
        assert_eq!(deframer.buffered(), b"", "bytes behind the frame {text}");
        assert_eq!(message.read_alike(&payload), *message);

        let mut written = BytesMut::new();
        message.write(&mut written);
        assert_eq!(written.freeze(), bytes, "{message:?}");
    }
}

fn request(xid: i32, request: Request) -> Message {
    Message::Request(Xid(xid), request)
}

fn reply(xid: i32, zxid: i64, op: OpCode, body: Response) -> Message {
    let header = ReplyHeader {
        xid: Xid(xid),
        zxid: Zxid(zxid),
        err: ErrorCode::OK,
    };
    Message::Reply(header, op, body)
}

fn refusal(xid: i32, zxid: i64, err: ErrorCode) -> Message {
    Message::Refusal(ReplyHeader {
        xid: Xid(xid),
        zxid: Zxid(zxid),
        err,
    })
}

fn event(zxid: i64, kind: EventType, path: &'static str) -> Message {
    Message::Event(Zxid(zxid), kind, path)
}

fn data(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

fn create(path: &str, text: &'static str, mode: CreateMode) -> CreateRequest {
    CreateRequest {
        path: path.into(),
        data: data(text),
        acl: Some(Acl::open()),
        flags: mode.into(),
    }
}

fn version(path: &str, version: i32) -> PathVersion {
    PathVersion {
        path: path.into(),
        version,
    }
}

fn read(path: &str, watch: bool) -> PathWatch {
    PathWatch {
        path: path.into(),
        watch,
    }
}

fn set(path: &str, text: &'static str, version: i32) -> SetDataRequest {
    SetDataRequest {
        path: path.into(),
        data: data(text),
        version,
    }
}

fn names(names: &[&str]) -> Vec<ByteStr> {
    names.iter().map(|&name| name.into()).collect()
}

/// The metadata of a znode just made.
fn made(zxid: i64, time: i64) -> Stat {
    Stat {
        czxid: Zxid(zxid),
        mzxid: Zxid(zxid),
        ctime: time,
        mtime: time,
        pzxid: Zxid(zxid),
        ..Stat::default()
    }
}

/// `/a` with its data "hi" and one child.
fn stat_a() -> Stat {
    Stat {
        cversion: 1,
        data_length: 2,
        num_children: 1,
        pzxid: Zxid(4),
        ..made(2, 0x1a1_f816_d288)
    }
}

/// `/a` after its data was set to "bye".
fn stat_a_set() -> Stat {
    Stat {
        mzxid: Zxid(7),
        mtime: 0x1a1_f816_d2b4,
        version: 1,
        data_length: 3,
        ..stat_a()
    }
}

fn connect(session_id: SessionId, password: &str, read_only: Option<bool>) -> Message {
    Message::Connect(ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        timeout_ms: 10_000,
        session_id,
        password: Some(hex(password)),
        read_only,
    })
}

fn connected(session_id: SessionId, password: &str, read_only: Option<bool>) -> Message {
    Message::Connected(ConnectResponse {
        protocol_version: 0,
        timeout_ms: 10_000,
        session_id,
        password: Some(hex(password)),
        read_only,
    })
}

const NO_PASSWORD: &str = "00000000000000000000000000000000";
const PASSWORD: &str = "82895d5fe789cbf0300d847f0806f54c";

#[test]
fn e01_connect_for_a_new_session() {
    check(&[
        (
            "0000002d 00000000 0000000000000000 00002710 0000000000000000
             00000010 00000000000000000000000000000000 00",
            connect(SessionId::NONE, NO_PASSWORD, Some(false)),
        ),
        (
            "00000025 00000000 00002710 0100002a01d00000
             00000010 82895d5fe789cbf0300d847f0806f54c 00",
            connected(SESSION, PASSWORD, Some(false)),
        ),
    ]);
}

#[test]
fn e02_connect_to_a_closed_session() {
    check(&[
        (
            "0000002d 00000000 0000000000000000 00002710 0100002a01d00000
             00000010 82895d5fe789cbf0300d847f0806f54c 00",
            connect(SESSION, PASSWORD, Some(false)),
        ),
        (
            "00000025 00000000 00000000 0000000000000000
             00000010 00000000000000000000000000000000 00",
            Message::Connected(ConnectResponse::refusal(false)),
        ),
    ]);
}

#[test]
fn e03_connect_of_a_client_up_to_3_3() {
    check(&[
        (
            "0000002c 00000000 0000000000000000 00002710 0000000000000000
             00000010 00000000000000000000000000000000",
            connect(SessionId::NONE, NO_PASSWORD, None),
        ),
        (
            "00000024 00000000 00002710 0100002a01d00001
             00000010 95aa575f87d5aa352550ebaadc8e091a",
            connected(
                SessionId(SESSION.0 + 1),
                "95aa575f87d5aa352550ebaadc8e091a",
                None,
            ),
        ),
    ]);
}

#[test]
fn e04_ping() {
    check(&[
        (
            "00000008 fffffffe 0000000b",
            Message::Request(Xid::PING, Request::Ping),
        ),
        (
            "00000010 fffffffe 0000000000000001 00000000",
            reply(Xid::PING.0, 1, OpCode::Ping, Response::Empty),
        ),
    ]);
}

#[test]
fn e05_create() {
    let body = create("/a", "hi", CreateMode::Persistent);
    check(&[
        (
            "00000033 00000001 00000001 | 00000002 2f61 00000002 6869
             00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000000",
            request(1, Request::Create(body)),
        ),
        (
            "00000016 00000001 0000000000000002 00000000 | 00000002 2f61",
            reply(
                1,
                2,
                OpCode::Create,
                Response::Create(CreateResponse { path: "/a".into() }),
            ),
        ),
        (
            "00000010 00000002 0000000000000003 ffffff92",
            refusal(2, 3, ErrorCode::NODE_EXISTS),
        ),
    ]);
}

#[test]
fn e06_create2_of_an_ephemeral_with_a_number() {
    let body = create("/a/s-", "", CreateMode::EphemeralSequential);
    let stat = Stat {
        ephemeral_owner: SESSION,
        ..made(4, 0x1a1_f816_d29d)
    };
    check(&[
        (
            "00000034 00000003 0000000f | 00000005 2f612f732d 00000000
             00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000003",
            request(3, Request::Create2(body)),
        ),
        (
            "00000067 00000003 0000000000000004 00000000
             | 0000000f 2f612f732d30303030303030303030
             0000000000000004 0000000000000004 000001a1f816d29d 000001a1f816d29d
             00000000 00000000 00000000 0100002a01d00000 00000000 00000000 0000000000000004",
            reply(
                3,
                4,
                OpCode::Create2,
                Response::Create2(Create2Response {
                    path: "/a/s-0000000000".into(),
                    stat,
                }),
            ),
        ),
    ]);
}

#[test]
fn e07_create_container() {
    let body = create("/k", "", CreateMode::Container);
    check(&[
        (
            "00000031 00000004 00000013 | 00000002 2f6b 00000000
             00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000004",
            request(4, Request::CreateContainer(body)),
        ),
        (
            "0000005a 00000004 0000000000000005 00000000 | 00000002 2f6b
             0000000000000005 0000000000000005 000001a1f816d2a1 000001a1f816d2a1
             00000000 00000000 00000000 0000000000000000 00000000 00000000 0000000000000005",
            reply(
                4,
                5,
                OpCode::CreateContainer,
                Response::Create2(Create2Response {
                    path: "/k".into(),
                    stat: made(5, 0x1a1_f816_d2a1),
                }),
            ),
        ),
    ]);
}

#[test]
fn e08_create_ttl() {
    let body = CreateTtlRequest {
        path: "/t".into(),
        data: data(""),
        acl: Some(Acl::open()),
        flags: CreateMode::PersistentTtl.into(),
        ttl_ms: 60_000,
    };
    check(&[(
        "00000039 00000005 00000015 | 00000002 2f74 00000000
         00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000005 000000000000ea60",
        request(5, Request::CreateTtl(body)),
    )]);
}

#[test]
fn e09_exists() {
    check(&[
        (
            "0000000f 00000006 00000003 | 00000002 2f61 00",
            request(6, Request::Exists(read("/a", false))),
        ),
        (
            "00000054 00000006 0000000000000006 00000000
             | 0000000000000002 0000000000000002 000001a1f816d288 000001a1f816d288
             00000000 00000001 00000000 0000000000000000 00000002 00000001 0000000000000004",
            reply(
                6,
                6,
                OpCode::Exists,
                Response::Stat(StatResponse { stat: stat_a() }),
            ),
        ),
    ]);
}

#[test]
fn e10_exists_of_no_znode() {
    check(&[
        (
            "00000012 00000007 00000003 | 00000005 2f6e6f6e65 01",
            request(7, Request::Exists(read("/none", true))),
        ),
        (
            "00000010 00000007 0000000000000006 ffffff9b",
            refusal(7, 6, ErrorCode::NO_NODE),
        ),
    ]);
}

#[test]
fn e11_get_data() {
    let body = GetDataResponse {
        data: data("hi"),
        stat: stat_a(),
    };
    check(&[
        (
            "0000000f 00000008 00000004 | 00000002 2f61 01",
            request(8, Request::GetData(read("/a", true))),
        ),
        (
            "0000005a 00000008 0000000000000006 00000000 | 00000002 6869
             0000000000000002 0000000000000002 000001a1f816d288 000001a1f816d288
             00000000 00000001 00000000 0000000000000000 00000002 00000001 0000000000000004",
            reply(8, 6, OpCode::GetData, Response::GetData(body)),
        ),
    ]);
}

/// Servers up to 3.8 put -1 for the zxid of an event.
#[test]
fn e12_set_data_under_a_watch() {
    check(&[
        (
            "00000019 00000009 00000005 | 00000002 2f61 00000003 627965 00000000",
            request(9, Request::SetData(set("/a", "bye", 0))),
        ),
        (
            "0000001e ffffffff ffffffffffffffff 00000000 | 00000003 00000003 00000002 2f61",
            event(-1, EventType::NodeDataChanged, "/a"),
        ),
        (
            "00000054 00000009 0000000000000007 00000000
             | 0000000000000002 0000000000000007 000001a1f816d288 000001a1f816d2b4
             00000001 00000001 00000000 0000000000000000 00000003 00000001 0000000000000004",
            reply(
                9,
                7,
                OpCode::SetData,
                Response::Stat(StatResponse { stat: stat_a_set() }),
            ),
        ),
        (
            "00000010 0000000a 0000000000000008 ffffff99",
            refusal(10, 8, ErrorCode::BAD_VERSION),
        ),
    ]);
}

#[test]
fn e13_get_children() {
    let body = GetChildrenResponse {
        children: names(&["a", "k", "zookeeper", "t"]),
    };
    check(&[
        (
            "0000000e 0000000b 00000008 | 00000001 2f 00",
            request(11, Request::GetChildren(read("/", false))),
        ),
        (
            "00000030 0000000b 0000000000000008 00000000
             | 00000004 00000001 61 00000001 6b 00000009 7a6f6f6b6565706572 00000001 74",
            reply(11, 8, OpCode::GetChildren, Response::GetChildren(body)),
        ),
    ]);
}

#[test]
fn e14_get_children2() {
    let body = GetChildren2Response {
        children: names(&["s-0000000000"]),
        stat: stat_a_set(),
    };
    check(&[
        (
            "0000000f 0000000c 0000000c | 00000002 2f61 00",
            request(12, Request::GetChildren2(read("/a", false))),
        ),
        (
            "00000068 0000000c 0000000000000008 00000000
             | 00000001 0000000c 732d30303030303030303030
             0000000000000002 0000000000000007 000001a1f816d288 000001a1f816d2b4
             00000001 00000001 00000000 0000000000000000 00000003 00000001 0000000000000004",
            reply(12, 8, OpCode::GetChildren2, Response::GetChildren2(body)),
        ),
    ]);
}

#[test]
fn e15_get_acl() {
    let body = GetAclResponse {
        acl: Acl::open(),
        stat: stat_a_set(),
    };
    check(&[
        (
            "0000000e 0000000d 00000006 | 00000002 2f61",
            request(13, Request::GetAcl(PathOnly { path: "/a".into() })),
        ),
        (
            "0000006f 0000000d 0000000000000008 00000000
             | 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
             0000000000000002 0000000000000007 000001a1f816d288 000001a1f816d2b4
             00000001 00000001 00000000 0000000000000000 00000003 00000001 0000000000000004",
            reply(13, 8, OpCode::GetAcl, Response::GetAcl(body)),
        ),
    ]);
}

#[test]
fn e16_set_acl() {
    let body = SetAclRequest {
        path: "/t".into(),
        acl: Some(vec![
            Acl::new(acl::READ, "world", "anyone"),
            Acl::new(acl::ALL, "ip", "127.0.0.1"),
        ]),
        version: -1,
    };
    let stat = Stat {
        aversion: 1,
        ..made(6, 0x1a1_f816_d2a7)
    };
    check(&[
        (
            "00000044 0000000e 00000007 | 00000002 2f74
             00000002 00000001 00000005 776f726c64 00000006 616e796f6e65
             0000001f 00000002 6970 00000009 3132372e302e302e31 ffffffff",
            request(14, Request::SetAcl(body)),
        ),
        (
            "00000054 0000000e 0000000000000009 00000000
             | 0000000000000006 0000000000000006 000001a1f816d2a7 000001a1f816d2a7
             00000000 00000000 00000001 0000000000000000 00000000 00000000 0000000000000006",
            reply(14, 9, OpCode::SetAcl, Response::Stat(StatResponse { stat })),
        ),
    ]);
}

#[test]
fn e17_sync() {
    let body = SyncPath {
        path: Some("/a".into()),
    };
    check(&[
        (
            "0000000e 0000000f 00000009 | 00000002 2f61",
            request(15, Request::Sync(body.clone())),
        ),
        (
            "00000016 0000000f 0000000000000009 00000000 | 00000002 2f61",
            reply(15, 9, OpCode::Sync, Response::Sync(body)),
        ),
    ]);
}

#[test]
fn e18_multi() {
    let ops = vec![
        MultiOp::Check(version("/a", 1)),
        MultiOp::Create2(create("/m", "", CreateMode::Persistent)),
        MultiOp::SetData(set("/m", "x", -1)),
        MultiOp::Delete(version("/m", -1)),
    ];
    let stat = made(10, 0x1a1_f816_d44f);
    let results = vec![
        MultiResult::Check,
        MultiResult::Create2(Create2Response {
            path: "/m".into(),
            stat,
        }),
        MultiResult::SetData(Stat {
            version: 1,
            data_length: 1,
            ..stat
        }),
        MultiResult::Delete,
    ];
    check(&[
        (
            "00000081 00000010 0000000e
             | 0000000d 00 ffffffff 00000002 2f61 00000001
             | 0000000f 00 ffffffff 00000002 2f6d 00000000
               00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000000
             | 00000005 00 ffffffff 00000002 2f6d 00000001 78 ffffffff
             | 00000002 00 ffffffff 00000002 2f6d ffffffff
             | ffffffff 01 ffffffff",
            request(16, Request::Multi(MultiRequest { ops })),
        ),
        (
            "000000cb 00000010 000000000000000a 00000000
             | 0000000d 00 00000000
             | 0000000f 00 00000000 00000002 2f6d
               000000000000000a 000000000000000a 000001a1f816d44f 000001a1f816d44f
               00000000 00000000 00000000 0000000000000000 00000000 00000000 000000000000000a
             | 00000005 00 00000000
               000000000000000a 000000000000000a 000001a1f816d44f 000001a1f816d44f
               00000001 00000000 00000000 0000000000000000 00000001 00000000 000000000000000a
             | 00000002 00 00000000
             | ffffffff 01 ffffffff",
            reply(
                16,
                10,
                OpCode::Multi,
                Response::Multi(MultiResponse { results }),
            ),
        ),
    ]);
}

#[test]
fn e19_multi_that_fails() {
    let ops = vec![
        MultiOp::Create(create("/m", "", CreateMode::Persistent)),
        MultiOp::Check(version("/a", 9)),
        MultiOp::Delete(version("/m", -1)),
    ];
    let body = MultiResponse {
        results: vec![
            MultiResult::Error(ErrorCode::OK),
            MultiResult::Error(ErrorCode::BAD_VERSION),
            MultiResult::Error(ErrorCode::RUNTIME_INCONSISTENCY),
        ],
    };
    assert_eq!(body.failure(), Some((1, ErrorCode::BAD_VERSION)));
    check(&[
        (
            "00000069 00000011 0000000e
             | 00000001 00 ffffffff 00000002 2f6d 00000000
               00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000000
             | 0000000d 00 ffffffff 00000002 2f61 00000009
             | 00000002 00 ffffffff 00000002 2f6d ffffffff
             | ffffffff 01 ffffffff",
            request(17, Request::Multi(MultiRequest { ops })),
        ),
        (
            "00000040 00000011 000000000000000b 00000000
             | ffffffff 00 00000000 00000000
             | ffffffff 00 ffffff99 ffffff99
             | ffffffff 00 fffffffe fffffffe
             | ffffffff 01 ffffffff",
            reply(17, 11, OpCode::Multi, Response::Multi(body)),
        ),
    ]);
}

#[test]
fn e20_multi_read() {
    let ops = vec![
        ReadOp::GetData(read("/a", false)),
        ReadOp::GetChildren(read("/none", false)),
    ];
    let results = vec![
        ReadResult::GetData {
            data: data("bye"),
            stat: stat_a_set(),
        },
        ReadResult::Error(ErrorCode::NO_NODE),
    ];
    check(&[
        (
            "00000034 00000012 00000016
             | 00000004 00 ffffffff 00000002 2f61 00
             | 00000008 00 ffffffff 00000005 2f6e6f6e65 00
             | ffffffff 01 ffffffff",
            request(18, Request::MultiRead(MultiReadRequest { ops })),
        ),
        (
            "0000007a 00000012 000000000000000b 00000000
             | 00000004 00 00000000 00000003 627965
               0000000000000002 0000000000000007 000001a1f816d288 000001a1f816d2b4
               00000001 00000001 00000000 0000000000000000 00000003 00000001 0000000000000004
             | ffffffff 00 ffffff9b ffffff9b
             | ffffffff 01 ffffffff",
            reply(
                18,
                11,
                OpCode::MultiRead,
                Response::MultiRead(MultiReadResponse { results }),
            ),
        ),
    ]);
}

#[test]
fn e21_add_watch() {
    let body = AddWatchRequest {
        path: Some("/".into()),
        mode: AddWatchMode::PersistentRecursive.into(),
    };
    check(&[
        (
            "00000011 00000013 0000006a | 00000001 2f 00000001",
            request(19, Request::AddWatch(body)),
        ),
        (
            "00000014 00000013 000000000000000b 00000000 | 00000000",
            reply(
                19,
                11,
                OpCode::AddWatch,
                Response::Error(ErrorResponse { err: ErrorCode::OK }),
            ),
        ),
    ]);
}

/// Servers from 3.9 put the transaction's zxid on its events.
#[test]
fn e22_delete_under_a_watch() {
    check(&[
        (
            "00000012 00000014 00000002 | 00000002 2f6b ffffffff",
            request(20, Request::Delete(version("/k", -1))),
        ),
        (
            "0000001e ffffffff 000000000000000c 00000000 | 00000002 00000003 00000002 2f6b",
            event(12, EventType::NodeDeleted, "/k"),
        ),
        (
            "00000010 00000014 000000000000000c 00000000",
            reply(20, 12, OpCode::Delete, Response::Empty),
        ),
    ]);
}

#[test]
fn e23_check_watches() {
    let body = PathWatcherType {
        path: "/a".into(),
        kind: WatcherType::Any.into(),
    };
    check(&[
        (
            "00000012 00000015 00000011 | 00000002 2f61 00000003",
            request(21, Request::CheckWatches(body)),
        ),
        (
            "00000010 00000015 000000000000000c ffffff87",
            refusal(21, 12, ErrorCode::NO_WATCHER),
        ),
    ]);
}

#[test]
fn e24_remove_watches() {
    let body = PathWatcherType {
        path: "/".into(),
        kind: WatcherType::Any.into(),
    };
    check(&[(
        "00000011 00000016 00000012 | 00000001 2f 00000003",
        request(22, Request::RemoveWatches(body)),
    )]);
}

#[test]
fn e25_set_watches() {
    let body = SetWatches {
        relative_zxid: Zxid::ZERO,
        data: names(&["/a"]),
        exist: names(&["/none"]),
        child: Vec::new(),
    };
    check(&[
        (
            "0000002b fffffff8 00000065 | 0000000000000000
             00000001 00000002 2f61 00000001 00000005 2f6e6f6e65 00000000",
            Message::Request(Xid::SET_WATCHES, Request::SetWatches(body)),
        ),
        (
            "0000001e ffffffff ffffffffffffffff 00000000 | 00000003 00000003 00000002 2f61",
            event(-1, EventType::NodeDataChanged, "/a"),
        ),
        (
            "00000010 fffffff8 000000000000000c 00000000",
            reply(Xid::SET_WATCHES.0, 12, OpCode::SetWatches, Response::Empty),
        ),
    ]);
}

#[test]
fn e26_set_watches2() {
    let body = SetWatches2 {
        relative_zxid: Zxid::new(1, 0),
        child: names(&["/a"]),
        persistent: names(&["/p"]),
        persistent_recursive: names(&["/r"]),
        ..SetWatches2::default()
    };
    check(&[(
        "00000036 fffffff8 00000069 | 0000000100000000 00000000 00000000
         00000001 00000002 2f61 00000001 00000002 2f70 00000001 00000002 2f72",
        Message::Request(Xid::SET_WATCHES, Request::SetWatches2(body)),
    )]);
}

#[test]
fn e27_auth() {
    let body = AuthPacket {
        kind: 0,
        scheme: Some("digest".into()),
        auth: data("u:p"),
    };
    check(&[
        (
            "0000001d fffffffc 00000064 | 00000000 00000006 646967657374 00000003 753a70",
            Message::Request(Xid::AUTH, Request::Auth(body)),
        ),
        (
            "00000010 fffffffc 0000000000000000 00000000",
            reply(Xid::AUTH.0, 0, OpCode::Auth, Response::Empty),
        ),
        (
            "00000010 fffffffc 0000000000000000 ffffff8d",
            refusal(Xid::AUTH.0, 0, ErrorCode::AUTH_FAILED),
        ),
    ]);
}

#[test]
fn e28_who_am_i() {
    let identity = |scheme: &str, user: &str| ClientInfo {
        scheme: scheme.into(),
        user: user.into(),
    };
    let body = WhoAmIResponse {
        identities: vec![identity("ip", "127.0.0.1"), identity("digest", "u")],
    };
    check(&[
        (
            "00000008 00000017 0000006b",
            request(23, Request::WhoAmI),
        ),
        (
            "00000036 00000017 000000000000000c 00000000
             | 00000002 00000002 6970 00000009 3132372e302e302e31 00000006 646967657374 00000001 75",
            reply(23, 12, OpCode::WhoAmI, Response::WhoAmI(body)),
        ),
    ]);
}

#[test]
fn e29_get_ephemerals() {
    let body = GetEphemeralsResponse {
        ephemerals: names(&["/a/s-0000000000"]),
    };
    check(&[
        (
            "0000000d 00000018 00000067 | 00000001 2f",
            request(
                24,
                Request::GetEphemerals(GetEphemeralsRequest {
                    prefix: Some("/".into()),
                }),
            ),
        ),
        (
            "00000027 00000018 000000000000000c 00000000
             | 00000001 0000000f 2f612f732d30303030303030303030",
            reply(24, 12, OpCode::GetEphemerals, Response::GetEphemerals(body)),
        ),
    ]);
}

#[test]
fn e30_get_all_children_number() {
    check(&[
        (
            "0000000d 00000019 00000068 | 00000001 2f",
            request(
                25,
                Request::GetAllChildrenNumber(PathOnly { path: "/".into() }),
            ),
        ),
        (
            "00000014 00000019 000000000000000c 00000000 | 00000006",
            reply(
                25,
                12,
                OpCode::GetAllChildrenNumber,
                Response::GetAllChildrenNumber(GetAllChildrenNumberResponse { total: 6 }),
            ),
        ),
    ]);
}

#[test]
fn e30_unknown_operation() {
    let body = Bytes::new();
    assert_eq!(
        Request::decode(999, &mut Reader::new(&body)),
        Err(ErrorCode::UNIMPLEMENTED)
    );
    check(&[(
        "00000010 00000001 ffffffffffffffff fffffffa",
        refusal(1, -1, ErrorCode::UNIMPLEMENTED),
    )]);
}

#[test]
fn e31_close_session() {
    check(&[
        (
            "00000008 00000020 fffffff5",
            request(32, Request::CloseSession),
        ),
        (
            "00000010 00000020 0000000000000010 00000000",
            reply(32, 16, OpCode::CloseSession, Response::Empty),
        ),
    ]);
}
