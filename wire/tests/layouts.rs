//! Records and numbers of which no recorded bytes are at hand, spelled out from `zookeeper.jute`
//! and `ZooDefs`. A round trip alone would not notice two fields that have changed places.

#[path = "support/hex.rs"]
mod hex;

use bytes::{Bytes, BytesMut};
use hex::hex;
use lockkeeper_wire::request::{ReconfigRequest, SaslToken};
use lockkeeper_wire::txn::{CreateContainerTxn, CreateTtlTxn, SetAclTxn, SetDataTxn};
use lockkeeper_wire::{
    Acl, AddWatchMode, CreateMode, EventType, OpCode, Reader, Request, Response, Txn, WatcherType,
    acl,
};

#[test]
fn reconfig() {
    let request = Request::Reconfig(ReconfigRequest {
        joining_servers: Some("j".into()),
        leaving_servers: Some("l".into()),
        new_members: None,
        cur_config_id: 7,
    });
    let body = hex("00000001 6a 00000001 6c ffffffff 0000000000000007");
    let mut written = BytesMut::new();
    request.encode_body(&mut written);
    assert_eq!(written, body);
    assert_eq!(Request::decode(16, &mut Reader::new(&body)), Ok(request));
}

#[test]
fn sasl() {
    let token = SaslToken {
        token: Some(Bytes::from_static(b"nonce")),
    };
    let body = hex("00000005 6e6f6e6365");
    assert_eq!(
        Request::decode(102, &mut Reader::new(&body)),
        Ok(Request::Sasl(token.clone()))
    );
    assert_eq!(
        Response::decode(OpCode::Sasl, &mut Reader::new(&body)),
        Ok(Response::Sasl(token))
    );
}

#[test]
fn transactions() {
    let list = || vec![Acl::new(acl::READ, "ip", "::1")];
    for (txn, op, body) in [
        (Txn::Delete("/a".into()), 2, "00000002 2f61"),
        (
            Txn::SetAcl(SetAclTxn {
                path: "/a".into(),
                acl: list(),
                version: 3,
            }),
            7,
            "00000002 2f61 00000001 00000001 00000002 6970 00000003 3a3a31 00000003",
        ),
        (
            Txn::Reconfig(SetDataTxn {
                path: "/a".into(),
                data: None,
                version: -1,
            }),
            16,
            "00000002 2f61 ffffffff ffffffff",
        ),
        (
            Txn::CreateContainer(CreateContainerTxn {
                path: "/a".into(),
                data: Some(Bytes::new()),
                acl: list(),
                parent_cversion: 3,
            }),
            19,
            "00000002 2f61 00000000 00000001 00000001 00000002 6970 00000003 3a3a31 00000003",
        ),
        (Txn::DeleteContainer("/a".into()), 20, "00000002 2f61"),
        (
            Txn::CreateTtl(CreateTtlTxn {
                path: "/a".into(),
                data: Some(Bytes::new()),
                acl: list(),
                parent_cversion: 3,
                ttl_ms: 5,
            }),
            21,
            "00000002 2f61 00000000 00000001 00000001 00000002 6970 00000003 3a3a31 00000003
             0000000000000005",
        ),
    ] {
        let mut written = BytesMut::new();
        txn.encode_body(&mut written);
        assert_eq!(written, hex(body), "{txn:?}");
        assert_eq!(i32::from(txn.op()), op, "{txn:?}");
    }
}

#[test]
fn operation_codes() {
    for (number, op) in [
        (-11, OpCode::CloseSession),
        (-10, OpCode::CreateSession),
        (-1, OpCode::Error),
        (0, OpCode::Notification),
        (1, OpCode::Create),
        (2, OpCode::Delete),
        (3, OpCode::Exists),
        (4, OpCode::GetData),
        (5, OpCode::SetData),
        (6, OpCode::GetAcl),
        (7, OpCode::SetAcl),
        (8, OpCode::GetChildren),
        (9, OpCode::Sync),
        (11, OpCode::Ping),
        (12, OpCode::GetChildren2),
        (13, OpCode::Check),
        (14, OpCode::Multi),
        (15, OpCode::Create2),
        (16, OpCode::Reconfig),
        (17, OpCode::CheckWatches),
        (18, OpCode::RemoveWatches),
        (19, OpCode::CreateContainer),
        (20, OpCode::DeleteContainer),
        (21, OpCode::CreateTtl),
        (22, OpCode::MultiRead),
        (100, OpCode::Auth),
        (101, OpCode::SetWatches),
        (102, OpCode::Sasl),
        (103, OpCode::GetEphemerals),
        (104, OpCode::GetAllChildrenNumber),
        (105, OpCode::SetWatches2),
        (106, OpCode::AddWatch),
        (107, OpCode::WhoAmI),
    ] {
        assert_eq!(OpCode::try_from(number), Ok(op));
        assert_eq!(i32::from(op), number);
    }
    let known = (-1000..1000).filter(|&op| OpCode::try_from(op).is_ok());
    assert_eq!(known.count(), 33);
}

#[test]
fn kinds() {
    let event = |kind: i32| EventType::try_from(kind).ok();
    assert_eq!(event(-1), Some(EventType::None));
    assert_eq!(event(0), None);
    assert_eq!(event(1), Some(EventType::NodeCreated));
    assert_eq!(event(2), Some(EventType::NodeDeleted));
    assert_eq!(event(3), Some(EventType::NodeDataChanged));
    assert_eq!(event(4), Some(EventType::NodeChildrenChanged));
    assert_eq!(event(7), Some(EventType::PersistentWatchRemoved));
    assert_eq!(event(8), None);

    let modes = (-1..8).map(|mode| CreateMode::try_from(mode).ok());
    let expected = [
        None,
        Some(CreateMode::Persistent),
        Some(CreateMode::Ephemeral),
        Some(CreateMode::PersistentSequential),
        Some(CreateMode::EphemeralSequential),
        Some(CreateMode::Container),
        Some(CreateMode::PersistentTtl),
        Some(CreateMode::PersistentSequentialTtl),
        None,
    ];
    assert!(modes.eq(expected));

    assert_eq!(i32::from(AddWatchMode::Persistent), 0);
    assert_eq!(i32::from(AddWatchMode::PersistentRecursive), 1);
    assert!(AddWatchMode::try_from(2).is_err());

    let kinds = (0..7).map(|kind| WatcherType::try_from(kind).ok());
    let expected = [
        None,
        Some(WatcherType::Children),
        Some(WatcherType::Data),
        Some(WatcherType::Any),
        Some(WatcherType::Persistent),
        Some(WatcherType::PersistentRecursive),
        None,
    ];
    assert!(kinds.eq(expected));
}
