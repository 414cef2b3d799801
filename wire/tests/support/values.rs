//! Strategies for every value that the crate encodes. Numbers that select kinds, versions and ids
//! are any number: the codec carries them, and judging them is not its office.

use bytes::Bytes;
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
    PathVersion, PathWatch, PathWatcherType, ReconfigRequest, SaslToken, SetAclRequest,
    SetDataRequest, SyncPath,
};
use lockkeeper_wire::txn::{
    CreateContainerTxn, CreateTtlTxn, CreateTxn, DIGEST_VERSION, SetAclTxn, SetDataTxn, TxnDigest,
};
use lockkeeper_wire::watch::{SetWatches, SetWatches2};
use lockkeeper_wire::{
    Acl, ByteStr, ConnectRequest, ConnectResponse, ErrorCode, ForwardedRequest, Id, Initial,
    LeaderPacket, LearnerInfo, LearnerPacket, Notification, OpCode, PeerState, ReplyHeader,
    Request, Response, ServerId, SessionId, Stat, Touch, Txn, TxnEntry, TxnHeader, Vote,
    WatcherEvent, Xid, Zxid,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Union;

/// Declares a strategy for a record from strategies for its fields.
macro_rules! record {
    ($make:ident -> $type:ident { $($field:ident: $strategy:expr,)* }) => {
        pub(crate) fn $make() -> impl Strategy<Value = $type> {
            ($($strategy,)*).prop_map(|($($field,)*)| $type { $($field,)* })
        }
    };
}

pub(crate) fn text() -> impl Strategy<Value = ByteStr> {
    prop_oneof![
        Just(String::new()),
        "(/[a-z]{1,6}){1,3}",
        "\\PC{0,12}",
        any::<String>(),
    ]
    .prop_map(ByteStr::from)
}

fn texts() -> impl Strategy<Value = Vec<ByteStr>> {
    vec(text(), 0..4)
}

pub(crate) fn buffer() -> impl Strategy<Value = Option<Bytes>> {
    option::of(vec(any::<u8>(), 0..40).prop_map(Bytes::from))
}

fn zxid() -> impl Strategy<Value = Zxid> {
    any::<i64>().prop_map(Zxid)
}

fn session_id() -> impl Strategy<Value = SessionId> {
    any::<i64>().prop_map(SessionId)
}

pub(crate) fn xid() -> impl Strategy<Value = Xid> {
    any::<i32>().prop_map(Xid)
}

fn code() -> impl Strategy<Value = ErrorCode> {
    prop_oneof![-127..=0, any::<i32>()].prop_map(ErrorCode)
}

record!(id -> Id { scheme: option::of(text()), id: text(), });
record!(acl -> Acl { perms: any::<i32>(), id: id(), });

fn acls() -> impl Strategy<Value = Vec<Acl>> {
    vec(acl(), 0..3)
}

record!(stat -> Stat {
    czxid: zxid(), mzxid: zxid(), ctime: any::<i64>(), mtime: any::<i64>(), version: any::<i32>(),
    cversion: any::<i32>(), aversion: any::<i32>(), ephemeral_owner: session_id(),
    data_length: any::<i32>(), num_children: any::<i32>(), pzxid: zxid(),
});

record!(connect_request -> ConnectRequest {
    protocol_version: any::<i32>(), last_zxid_seen: zxid(), timeout_ms: any::<i32>(),
    session_id: session_id(), password: buffer(), read_only: any::<Option<bool>>(),
});
record!(connect_response -> ConnectResponse {
    protocol_version: any::<i32>(), timeout_ms: any::<i32>(), session_id: session_id(),
    password: buffer(), read_only: any::<Option<bool>>(),
});

record!(create_request -> CreateRequest {
    path: text(), data: buffer(), acl: option::of(acls()), flags: any::<i32>(),
});
record!(create_ttl_request -> CreateTtlRequest {
    path: text(), data: buffer(), acl: option::of(acls()), flags: any::<i32>(),
    ttl_ms: any::<i64>(),
});
record!(path_version -> PathVersion { path: text(), version: any::<i32>(), });
record!(path_watch -> PathWatch { path: text(), watch: any::<bool>(), });
record!(set_data_request -> SetDataRequest {
    path: text(), data: buffer(), version: any::<i32>(),
});
record!(path_only -> PathOnly { path: text(), });
record!(set_acl_request -> SetAclRequest {
    path: text(), acl: option::of(acls()), version: any::<i32>(),
});
record!(sync_path -> SyncPath { path: option::of(text()), });
record!(reconfig_request -> ReconfigRequest {
    joining_servers: option::of(text()), leaving_servers: option::of(text()),
    new_members: option::of(text()), cur_config_id: any::<i64>(),
});
record!(path_watcher_type -> PathWatcherType { path: text(), kind: any::<i32>(), });
record!(add_watch_request -> AddWatchRequest { path: option::of(text()), mode: any::<i32>(), });
record!(auth_packet -> AuthPacket {
    kind: any::<i32>(), scheme: option::of(text()), auth: buffer(),
});
record!(sasl_token -> SaslToken { token: buffer(), });
record!(get_ephemerals_request -> GetEphemeralsRequest { prefix: option::of(text()), });

record!(set_watches -> SetWatches {
    relative_zxid: zxid(), data: texts(), exist: texts(), child: texts(),
});
record!(set_watches2 -> SetWatches2 {
    relative_zxid: zxid(), data: texts(), exist: texts(), child: texts(), persistent: texts(),
    persistent_recursive: texts(),
});
record!(watcher_event -> WatcherEvent { kind: any::<i32>(), state: any::<i32>(), path: text(), });

record!(reply_header -> ReplyHeader { xid: xid(), zxid: zxid(), err: code(), });
record!(create_response -> CreateResponse { path: text(), });
record!(create2_response -> Create2Response { path: text(), stat: stat(), });
record!(stat_response -> StatResponse { stat: stat(), });
record!(get_data_response -> GetDataResponse { data: buffer(), stat: stat(), });
record!(get_children_response -> GetChildrenResponse { children: texts(), });
record!(get_children2_response -> GetChildren2Response { children: texts(), stat: stat(), });
record!(get_acl_response -> GetAclResponse { acl: acls(), stat: stat(), });
record!(get_ephemerals_response -> GetEphemeralsResponse { ephemerals: texts(), });
record!(get_all_children_number_response -> GetAllChildrenNumberResponse { total: any::<i32>(), });
record!(client_info -> ClientInfo { scheme: text(), user: text(), });
record!(who_am_i_response -> WhoAmIResponse { identities: vec(client_info(), 0..4), });
record!(error_response -> ErrorResponse { err: code(), });

/// A create inside a multi names a mode without a time to live, or the whole multi is refused.
fn create_part() -> impl Strategy<Value = CreateRequest> {
    (create_request(), 0..=4).prop_map(|(create, flags)| CreateRequest { flags, ..create })
}

fn multi_op() -> impl Strategy<Value = MultiOp> {
    prop_oneof![
        create_part().prop_map(MultiOp::Create),
        create_part().prop_map(MultiOp::Create2),
        create_part().prop_map(MultiOp::CreateContainer),
        create_ttl_request().prop_map(MultiOp::CreateTtl),
        path_version().prop_map(MultiOp::Delete),
        set_data_request().prop_map(MultiOp::SetData),
        path_version().prop_map(MultiOp::Check),
    ]
}

record!(multi_request -> MultiRequest { ops: vec(multi_op(), 0..5), });

fn multi_result() -> impl Strategy<Value = MultiResult> {
    prop_oneof![
        create_response().prop_map(MultiResult::Create),
        create2_response().prop_map(MultiResult::Create2),
        Just(MultiResult::Delete),
        stat().prop_map(MultiResult::SetData),
        Just(MultiResult::Check),
        code().prop_map(MultiResult::Error),
    ]
}

record!(multi_response -> MultiResponse { results: vec(multi_result(), 0..6), });

/// Reads alone, or writes alone, which a server refuses in its own way; never both.
pub(crate) fn multi_read_request() -> impl Strategy<Value = MultiReadRequest> {
    let read = prop_oneof![
        path_watch().prop_map(ReadOp::GetData),
        path_watch().prop_map(ReadOp::GetChildren),
    ];
    let foreign = multi_op().prop_map(ReadOp::Foreign);
    prop_oneof![vec(read, 0..5), vec(foreign, 1..3)].prop_map(|ops| MultiReadRequest { ops })
}

fn read_result() -> impl Strategy<Value = ReadResult> {
    prop_oneof![
        (buffer(), stat()).prop_map(|(data, stat)| ReadResult::GetData { data, stat }),
        texts().prop_map(ReadResult::GetChildren),
        code().prop_map(ReadResult::Error),
    ]
}

record!(multi_read_response -> MultiReadResponse { results: vec(read_result(), 0..5), });

/// One strategy per operation that a client may ask for.
pub(crate) fn requests() -> Vec<BoxedStrategy<Request>> {
    vec![
        create_request().prop_map(Request::Create).boxed(),
        create_request().prop_map(Request::Create2).boxed(),
        create_request().prop_map(Request::CreateContainer).boxed(),
        create_ttl_request().prop_map(Request::CreateTtl).boxed(),
        path_version().prop_map(Request::Delete).boxed(),
        path_watch().prop_map(Request::Exists).boxed(),
        path_watch().prop_map(Request::GetData).boxed(),
        set_data_request().prop_map(Request::SetData).boxed(),
        path_only().prop_map(Request::GetAcl).boxed(),
        set_acl_request().prop_map(Request::SetAcl).boxed(),
        path_watch().prop_map(Request::GetChildren).boxed(),
        path_watch().prop_map(Request::GetChildren2).boxed(),
        sync_path().prop_map(Request::Sync).boxed(),
        Just(Request::Ping).boxed(),
        multi_request().prop_map(Request::Multi).boxed(),
        multi_read_request().prop_map(Request::MultiRead).boxed(),
        reconfig_request().prop_map(Request::Reconfig).boxed(),
        path_watcher_type().prop_map(Request::CheckWatches).boxed(),
        path_watcher_type().prop_map(Request::RemoveWatches).boxed(),
        auth_packet().prop_map(Request::Auth).boxed(),
        set_watches().prop_map(Request::SetWatches).boxed(),
        set_watches2().prop_map(Request::SetWatches2).boxed(),
        sasl_token().prop_map(Request::Sasl).boxed(),
        get_ephemerals_request()
            .prop_map(Request::GetEphemerals)
            .boxed(),
        path_only().prop_map(Request::GetAllChildrenNumber).boxed(),
        add_watch_request().prop_map(Request::AddWatch).boxed(),
        Just(Request::WhoAmI).boxed(),
        Just(Request::CloseSession).boxed(),
    ]
}

/// The good reply to each operation that a client may ask for.
pub(crate) fn responses() -> Vec<(OpCode, BoxedStrategy<Response>)> {
    let stat = || stat_response().prop_map(Response::Stat).boxed();
    let create2 = || create2_response().prop_map(Response::Create2).boxed();
    let data = || get_data_response().prop_map(Response::GetData).boxed();
    let empty = || Just(Response::Empty).boxed();
    let children = get_children_response().prop_map(Response::GetChildren);
    let children2 = get_children2_response().prop_map(Response::GetChildren2);
    let ephemerals = get_ephemerals_response().prop_map(Response::GetEphemerals);
    let total = get_all_children_number_response().prop_map(Response::GetAllChildrenNumber);
    vec![
        (
            OpCode::Create,
            create_response().prop_map(Response::Create).boxed(),
        ),
        (OpCode::Delete, empty()),
        (OpCode::Exists, stat()),
        (OpCode::GetData, data()),
        (OpCode::SetData, stat()),
        (
            OpCode::GetAcl,
            get_acl_response().prop_map(Response::GetAcl).boxed(),
        ),
        (OpCode::SetAcl, stat()),
        (OpCode::GetChildren, children.boxed()),
        (OpCode::Sync, sync_path().prop_map(Response::Sync).boxed()),
        (OpCode::Ping, empty()),
        (OpCode::GetChildren2, children2.boxed()),
        (
            OpCode::Multi,
            multi_response().prop_map(Response::Multi).boxed(),
        ),
        (OpCode::Create2, create2()),
        (OpCode::Reconfig, data()),
        (OpCode::CheckWatches, empty()),
        (OpCode::RemoveWatches, empty()),
        (OpCode::CreateContainer, create2()),
        (OpCode::CreateTtl, create2()),
        (
            OpCode::MultiRead,
            multi_read_response().prop_map(Response::MultiRead).boxed(),
        ),
        (OpCode::Auth, empty()),
        (OpCode::SetWatches, empty()),
        (OpCode::Sasl, sasl_token().prop_map(Response::Sasl).boxed()),
        (OpCode::GetEphemerals, ephemerals.boxed()),
        (OpCode::GetAllChildrenNumber, total.boxed()),
        (OpCode::SetWatches2, empty()),
        (
            OpCode::AddWatch,
            error_response().prop_map(Response::Error).boxed(),
        ),
        (
            OpCode::WhoAmI,
            who_am_i_response().prop_map(Response::WhoAmI).boxed(),
        ),
        (OpCode::CloseSession, empty()),
    ]
}

record!(txn_digest -> TxnDigest { version: Just(DIGEST_VERSION), digest: any::<i64>(), });
record!(create_txn -> CreateTxn {
    path: text(), data: buffer(), acl: acls(), ephemeral: any::<bool>(),
    parent_cversion: any::<i32>(),
});
record!(create_container_txn -> CreateContainerTxn {
    path: text(), data: buffer(), acl: acls(), parent_cversion: any::<i32>(),
});
record!(create_ttl_txn -> CreateTtlTxn {
    path: text(), data: buffer(), acl: acls(), parent_cversion: any::<i32>(),
    ttl_ms: any::<i64>(),
});
record!(set_data_txn -> SetDataTxn { path: text(), data: buffer(), version: any::<i32>(), });
record!(set_acl_txn -> SetAclTxn { path: text(), acl: acls(), version: any::<i32>(), });

/// A path of an ephemeral. Never empty: two empty texts in a list look like a digest.
fn ephemeral() -> impl Strategy<Value = ByteStr> {
    "(/[a-z]{0,6}){1,3}".prop_map(ByteStr::from)
}

fn txn_part() -> Union<BoxedStrategy<Txn>> {
    Union::new([
        create_txn().prop_map(Txn::Create).boxed(),
        create_txn().prop_map(Txn::Create2).boxed(),
        create_container_txn()
            .prop_map(Txn::CreateContainer)
            .boxed(),
        create_ttl_txn().prop_map(Txn::CreateTtl).boxed(),
        text().prop_map(Txn::Delete).boxed(),
        text().prop_map(Txn::DeleteContainer).boxed(),
        set_data_txn().prop_map(Txn::SetData).boxed(),
        path_version().prop_map(Txn::Check).boxed(),
        code().prop_map(Txn::Error).boxed(),
    ])
}

/// One strategy per type of transaction that may stand in a log.
pub(crate) fn txns() -> Vec<BoxedStrategy<Txn>> {
    let paths = option::of(vec(ephemeral(), 0..4));
    vec![
        any::<i32>().prop_map(Txn::CreateSession).boxed(),
        paths.prop_map(Txn::CloseSession).boxed(),
        code().prop_map(Txn::Error).boxed(),
        create_txn().prop_map(Txn::Create).boxed(),
        create_txn().prop_map(Txn::Create2).boxed(),
        create_container_txn()
            .prop_map(Txn::CreateContainer)
            .boxed(),
        create_ttl_txn().prop_map(Txn::CreateTtl).boxed(),
        text().prop_map(Txn::Delete).boxed(),
        text().prop_map(Txn::DeleteContainer).boxed(),
        set_data_txn().prop_map(Txn::SetData).boxed(),
        set_data_txn().prop_map(Txn::Reconfig).boxed(),
        set_acl_txn().prop_map(Txn::SetAcl).boxed(),
        vec(txn_part(), 0..5).prop_map(Txn::Multi).boxed(),
    ]
}

/// A whole entry about a transaction of `txn`, with a digest or without.
pub(crate) fn txn_entry(txn: BoxedStrategy<Txn>) -> impl Strategy<Value = TxnEntry> {
    (
        txn,
        (session_id(), any::<i32>(), zxid(), any::<i64>()),
        option::of(txn_digest()),
    )
        .prop_map(|(txn, (client_id, cxid, zxid, time_ms), digest)| TxnEntry {
            header: TxnHeader {
                client_id,
                cxid,
                zxid,
                time_ms,
                op: txn.op().into(),
            },
            txn,
            digest,
        })
}

fn sid() -> impl Strategy<Value = ServerId> {
    any::<i64>().prop_map(ServerId)
}

record!(vote -> Vote { leader: sid(), zxid: zxid(), epoch: any::<i64>(), });
record!(touch -> Touch { session: session_id(), timeout_ms: any::<i32>(), });

fn learner_info() -> impl Strategy<Value = LearnerInfo> {
    (sid(), any::<i32>(), any::<i64>()).prop_map(|(sid, protocol, config_version)| LearnerInfo {
        sid,
        protocol,
        config_version,
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

record!(forwarded_request -> ForwardedRequest {
    session: session_id(), cxid: any::<i32>(), op: any::<i32>(), body: bytes(),
    identities: option::of(vec(id(), 0..4)),
});

/// One strategy per kind of packet that a learner sends.
pub(crate) fn learner_packet() -> impl Strategy<Value = LearnerPacket> {
    prop_oneof![
        (zxid(), learner_info())
            .prop_map(|(accepted, info)| LearnerPacket::FollowerInfo { accepted, info }),
        (zxid(), learner_info())
            .prop_map(|(accepted, info)| LearnerPacket::ObserverInfo { accepted, info }),
        (zxid(), any::<i32>()).prop_map(|(last, current_epoch)| LearnerPacket::AckEpoch {
            last,
            current_epoch
        }),
        zxid().prop_map(|zxid| LearnerPacket::Ack { zxid }),
        forwarded_request().prop_map(LearnerPacket::Request),
        (zxid(), vec(touch(), 0..5))
            .prop_map(|(zxid, touches)| LearnerPacket::Ping { zxid, touches }),
        touch().prop_map(|touch| LearnerPacket::Revalidate {
            session: touch.session,
            timeout_ms: touch.timeout_ms
        }),
        (20..i32::MAX).prop_map(LearnerPacket::Unknown),
    ]
}

/// One strategy per kind of packet that a leader sends.
pub(crate) fn leader_packet() -> impl Strategy<Value = LeaderPacket> {
    prop_oneof![
        (zxid(), any::<i32>())
            .prop_map(|(zxid, protocol)| LeaderPacket::LeaderInfo { zxid, protocol }),
        zxid().prop_map(|zxid| LeaderPacket::Diff { zxid }),
        zxid().prop_map(|zxid| LeaderPacket::Trunc { zxid }),
        zxid().prop_map(|zxid| LeaderPacket::Snap { zxid }),
        (zxid(), bytes()).prop_map(|(zxid, config)| LeaderPacket::NewLeader { zxid, config }),
        Just(LeaderPacket::UpToDate),
        (zxid(), bytes()).prop_map(|(zxid, txn)| LeaderPacket::Proposal { zxid, txn }),
        zxid().prop_map(|zxid| LeaderPacket::Commit { zxid }),
        (zxid(), sid()).prop_map(|(zxid, leader)| LeaderPacket::CommitAndActivate { zxid, leader }),
        (zxid(), bytes()).prop_map(|(zxid, txn)| LeaderPacket::Inform { zxid, txn }),
        (zxid(), sid(), bytes()).prop_map(|(zxid, leader, txn)| LeaderPacket::InformAndActivate {
            zxid,
            leader,
            txn
        }),
        zxid().prop_map(|zxid| LeaderPacket::Ping { zxid }),
        (session_id(), any::<bool>())
            .prop_map(|(session, valid)| LeaderPacket::Revalidated { session, valid }),
        Just(LeaderPacket::Sync),
        (20..i32::MAX).prop_map(LeaderPacket::Unknown),
    ]
}

/// A notification of any version, as it is read: below 2 without a membership.
pub(crate) fn notification() -> impl Strategy<Value = Notification> {
    (0..4, vote(), any::<i64>(), -1..4, bytes()).prop_map(
        |(state, vote, round, version, config)| Notification {
            state: PeerState::try_from(state).expect("a state"),
            vote,
            round,
            version,
            config: (version >= 2).then_some(config),
        },
    )
}

/// A greeting; what is not negative is a server id, and a greeting without addresses is one.
pub(crate) fn greeting() -> impl Strategy<Value = Initial> {
    (0..i64::MAX, vec("[a-zé.\\[\\]:0-9]{1,20}", 0..4)).prop_map(|(sid, addresses)| Initial {
        sid: ServerId(sid),
        addresses,
    })
}
