//! Writes one by one: which check comes first, which paths are legal, what a transaction carries.

mod common;

use bytes::Bytes;
use common::{
    NOW_MS, OTHER, SESSION, Server, body, create, create_with, delete, entry, furnished, local,
    multi, set, set_acl, ttl_body,
};
use lockkeeper_store::{Applied, Write};
use lockkeeper_wire::acl::{ALL, CREATE};
use lockkeeper_wire::reply::GetDataResponse;
use lockkeeper_wire::request::{CreateRequest, CreateTtlRequest, ReconfigRequest, SetAclRequest};
use lockkeeper_wire::txn::SetDataTxn;
use lockkeeper_wire::{Acl, ErrorCode, Request, Response, SessionId, Txn, Zxid};

const NOBODY: SessionId = SessionId(0x99);

fn without_acl(path: &str, flags: i32) -> CreateRequest {
    CreateRequest {
        acl: None,
        ..body(path, flags)
    }
}

/// Each request breaks the rule it stands for and every rule that is checked behind it.
#[test]
fn the_first_check_that_fails_names_the_error() {
    let create = |path: &str, flags| Request::Create(body(path, flags));
    let create_without_acl = |path: &str, flags| Request::Create(without_acl(path, flags));
    let ttl_without_acl = |path: &str, flags, ttl_ms| {
        let acl = None;
        Request::CreateTtl(CreateTtlRequest {
            acl,
            ..ttl_body(path, flags, ttl_ms)
        })
    };
    let set_acl_of = |path: &str, acl: &[Acl], version| {
        let acl = Some(acl.to_vec());
        let path = path.into();
        Request::SetAcl(SetAclRequest { path, acl, version })
    };
    let cases: &[(SessionId, Request, ErrorCode)] = &[
        (NOBODY, create_without_acl("x", 7), ErrorCode::BAD_ARGUMENTS),
        (NOBODY, create_without_acl("x", 5), ErrorCode::BAD_ARGUMENTS),
        (NOBODY, ttl_without_acl("x", 7, 1), ErrorCode::BAD_ARGUMENTS),
        (NOBODY, ttl_without_acl("x", 5, 0), ErrorCode::BAD_ARGUMENTS),
        (
            NOBODY,
            create_without_acl("x", 0),
            ErrorCode::SESSION_EXPIRED,
        ),
        (
            NOBODY,
            ttl_without_acl("x", 5, 1),
            ErrorCode::SESSION_EXPIRED,
        ),
        (
            SESSION,
            create_without_acl("x", 0),
            ErrorCode::BAD_ARGUMENTS,
        ),
        (
            SESSION,
            create_without_acl("/no\0/a", 0),
            ErrorCode::BAD_ARGUMENTS,
        ),
        (
            SESSION,
            create_without_acl("/no/.", 0),
            ErrorCode::INVALID_ACL,
        ),
        (SESSION, create("/no/.", 0), ErrorCode::NO_NODE),
        (SESSION, create("/closed/.", 0), ErrorCode::NO_AUTH),
        (SESSION, create("/closed/a", 0), ErrorCode::NO_AUTH),
        (SESSION, create("/e/.", 0), ErrorCode::BAD_ARGUMENTS),
        (SESSION, create("/", 0), ErrorCode::NODE_EXISTS),
        (SESSION, create("/e", 0), ErrorCode::NODE_EXISTS),
        (
            SESSION,
            create("/e/a", 0),
            ErrorCode::NO_CHILDREN_FOR_EPHEMERALS,
        ),
        (SESSION, create("/full/../a", 0), ErrorCode::NO_NODE),
        (NOBODY, delete("x", 9), ErrorCode::SESSION_EXPIRED),
        (SESSION, delete("x", 9), ErrorCode::BAD_ARGUMENTS),
        (SESSION, delete("", 9), ErrorCode::BAD_ARGUMENTS),
        (SESSION, delete("/no\0/a", 9), ErrorCode::BAD_ARGUMENTS),
        (SESSION, delete("/", 9), ErrorCode::BAD_ARGUMENTS),
        (SESSION, delete("/zookeeper", 9), ErrorCode::BAD_ARGUMENTS),
        (
            SESSION,
            delete("/zookeeper/quota", 9),
            ErrorCode::BAD_ARGUMENTS,
        ),
        (
            SESSION,
            delete("/zookeeper/config", 9),
            ErrorCode::BAD_ARGUMENTS,
        ),
        (SESSION, delete("/no/.", 9), ErrorCode::NO_NODE),
        (SESSION, delete("/closed/no", 9), ErrorCode::NO_AUTH),
        (SESSION, delete("/full/no", 9), ErrorCode::NO_NODE),
        (SESSION, delete("/full/", 9), ErrorCode::NO_NODE),
        (SESSION, delete("/full", 9), ErrorCode::BAD_VERSION),
        (SESSION, delete("/full", -2), ErrorCode::BAD_VERSION),
        (SESSION, delete("/full", 0), ErrorCode::NOT_EMPTY),
        (NOBODY, set("x", "", 9), ErrorCode::SESSION_EXPIRED),
        (SESSION, set("/no/", "", 9), ErrorCode::BAD_ARGUMENTS),
        (SESSION, set("", "", -1), ErrorCode::BAD_ARGUMENTS),
        (SESSION, set("/no", "", 9), ErrorCode::NO_NODE),
        (SESSION, set("/closed", "", 9), ErrorCode::NO_AUTH),
        (SESSION, set("/zookeeper/config", "", 9), ErrorCode::NO_AUTH),
        (SESSION, set("/open", "", 9), ErrorCode::BAD_VERSION),
        (SESSION, set("/open", "", -2), ErrorCode::BAD_VERSION),
        (NOBODY, set_acl_of("x", &[], 9), ErrorCode::SESSION_EXPIRED),
        (
            SESSION,
            set_acl_of("/no/", &[], 9),
            ErrorCode::BAD_ARGUMENTS,
        ),
        (SESSION, set_acl_of("/no", &[], 9), ErrorCode::INVALID_ACL),
        (
            SESSION,
            set_acl_of("/no", &Acl::open(), 9),
            ErrorCode::NO_NODE,
        ),
        (
            SESSION,
            set_acl_of("/closed", &Acl::open(), 9),
            ErrorCode::NO_AUTH,
        ),
        (
            SESSION,
            set_acl_of("/open", &Acl::open(), 9),
            ErrorCode::BAD_VERSION,
        ),
        (NOBODY, multi(vec![]), ErrorCode::SESSION_EXPIRED),
        (NOBODY, Request::CloseSession, ErrorCode::SESSION_EXPIRED),
    ];
    for (session, request, code) in cases {
        let mut server = furnished();
        let before = server.store.digest();
        let entry = server.prep(*session, &local(), Write::Request(request));
        assert_eq!(entry.txn, Txn::Error(*code), "{request:?}");
        assert_eq!((entry.header.op, entry.digest), (-1, None));
        let applied = server.apply(&entry);
        assert_eq!(applied.outcome, Err(*code));
        assert_eq!(applied.changes, []);
        assert_eq!(server.store.digest(), before, "{request:?}");
        assert_eq!(server.store.last_zxid(), entry.header.zxid);
    }
}

#[test]
fn paths_follow_the_rules_of_apache() {
    let legal = [
        "/.a",
        "/..a",
        "/a.",
        "/a..",
        "/...",
        "/a..b",
        "/ ",
        "/~",
        "/\u{a0}",
        "/\u{d7ff}",
        "/\u{f900}",
        "/\u{ffef}",
    ];
    let illegal = [
        "/a/",
        "/open//b",
        "/open/.",
        "/open/..",
        "/a\u{1}",
        "/a\u{1f}",
        "/a\u{7f}",
        "/a\u{9f}",
        "/\u{e000}",
        "/\u{f8ff}",
        "/\u{fff0}",
        "/\u{fffd}",
        "/\u{ffff}",
        "/\u{10000}",
    ];
    let mut server = furnished();
    server.must(&create("/a", 0));
    for path in legal {
        assert_eq!(server.err(&create(path, 0)), ErrorCode::OK, "{path:?}");
        assert_eq!(server.err(&set(path, "", 0)), ErrorCode::OK, "{path:?}");
    }
    for path in illegal {
        // A bad element above the last one is only a parent that is not there.
        let code = match path {
            "/open//b" => ErrorCode::NO_NODE,
            _ => ErrorCode::BAD_ARGUMENTS,
        };
        assert_eq!(server.err(&create(path, 0)), code, "{path:?}");
        assert_eq!(server.err(&set(path, "", -1)), ErrorCode::BAD_ARGUMENTS);
    }
}

#[test]
fn reserved_znodes_take_writes_under_their_lists() {
    let mut server = Server::new();
    server.must(&create("/zookeeper/mine", 0));
    server.must(&set("/zookeeper", "x", 0));
    server.must(&set("/zookeeper/quota", "x", 0));
    server.must(&delete("/zookeeper/mine", -1));
    assert_eq!(
        server.err(&set_acl("/zookeeper/config", Acl::open(), -1)),
        ErrorCode::NO_AUTH
    );
    server.settings.skip_acl = true;
    assert_eq!(
        server.err(&set_acl("/zookeeper/config", Acl::open(), -1)),
        ErrorCode::OK
    );
    assert_eq!(server.stat("/zookeeper/config").aversion, 0);
    assert_eq!(server.err(&create("/zookeeper/config/a", 0)), ErrorCode::OK);
}

#[test]
fn what_is_no_write_is_refused() {
    let mut server = furnished();
    let reconfig = Request::Reconfig(ReconfigRequest {
        joining_servers: None,
        leaving_servers: None,
        new_members: None,
        cur_config_id: -1,
    });
    assert_eq!(server.err(&reconfig), ErrorCode::RECONFIG_DISABLED);
    assert_eq!(server.err(&Request::WhoAmI), ErrorCode::UNIMPLEMENTED);
    assert_eq!(server.err(&Request::Ping), ErrorCode::UNIMPLEMENTED);
}

#[test]
fn a_transaction_carries_who_when_and_the_full_list() {
    let mut server = furnished();
    let open = Acl::new(ALL, "world", "anyone");
    let twice = vec![open.clone(), Acl::new(CREATE, "world", "anyone"), open];
    let entry = server.prep(
        OTHER,
        &local(),
        Write::Request(&create_with("/new", twice.clone())),
    );
    assert_eq!((entry.header.client_id, entry.header.cxid), (OTHER, 7));
    assert_eq!(
        (entry.header.zxid, entry.header.time_ms),
        (server.zxid, server.time_ms)
    );
    assert!(entry.header.time_ms > NOW_MS);
    let Txn::Create(body) = &entry.txn else {
        panic!("{entry:?}");
    };
    assert_eq!(body.acl, twice[..2]);
    assert_eq!(body.parent_cversion, 5);
}

#[test]
fn who_may_write_the_membership_changes_it() {
    let text = Bytes::from_static(b"version=5");
    let mut server = furnished();
    let write = |made| Write::Reconfig(made);
    let code = |applied: Applied| applied.outcome.err().unwrap_or(ErrorCode::OK);
    let denied = server.write(SESSION, &local(), write(Ok(text.clone())));
    assert_eq!(code(denied), ErrorCode::NO_AUTH);
    server.settings.skip_acl = true;
    let refused = server.write(SESSION, &local(), write(Err(ErrorCode::BAD_VERSION)));
    assert_eq!(code(refused), ErrorCode::BAD_VERSION);
    let gone = server.write(SessionId(9), &local(), write(Err(ErrorCode::BAD_VERSION)));
    assert_eq!(code(gone), ErrorCode::SESSION_EXPIRED);
    let entry = server.prep(SESSION, &local(), write(Ok(text.clone())));
    let txn = Txn::Reconfig(SetDataTxn {
        path: "/zookeeper/config".into(),
        data: Some(text),
        version: -1,
    });
    assert_eq!(entry.txn, txn);
    server.apply(&entry);
    assert_eq!(server.stat("/zookeeper/config").mzxid, server.zxid);
}

#[test]
fn a_session_of_one_server_alone_writes_and_owns_nothing() {
    let mut server = furnished();
    server.local = true;
    let stranger = SessionId(0x0300_0000_0000_0009);
    let mut run = |request: Request| {
        let applied = server.write(stranger, &local(), Write::Request(&request));
        applied.outcome.err().unwrap_or(ErrorCode::OK)
    };
    assert_eq!(run(create("/plain", 0)), ErrorCode::OK);
    assert_eq!(run(set("/plain", "x", 0)), ErrorCode::OK);
    assert_eq!(run(create("/mine", 1)), ErrorCode::SESSION_EXPIRED);
    assert_eq!(run(create("/mine", 3)), ErrorCode::SESSION_EXPIRED);
    server.local = false;
    assert_eq!(
        server.err(&create("/plain", 0)),
        ErrorCode::NODE_EXISTS,
        "sessions alive are asked as before"
    );
}

#[test]
fn what_is_refused_before_it_is_judged_takes_a_zxid_too() {
    let mut server = furnished();
    let before = server.store.last_zxid();
    let refused = server.write(SESSION, &local(), Write::Refused(ErrorCode::SESSION_MOVED));
    assert_eq!(refused.outcome, Err(ErrorCode::SESSION_MOVED));
    assert_eq!(server.store.last_zxid(), before.next());
}

#[test]
fn the_membership_in_force_is_shown_whatever_the_tree_came_with() {
    let mut server = furnished();
    let before = server.store.digest();
    server.store.set_config("version=7", Zxid(7), NOW_MS);
    let stat = server.stat("/zookeeper/config");
    assert_eq!((stat.version, stat.aversion, stat.mzxid), (-1, -1, Zxid(7)));
    assert_eq!(stat.data_length, 9);
    assert_eq!(server.store.digest(), before, "it is each server's own");
}

/// Its reply is getData's.
#[test]
fn a_reconfig_sets_the_config_znode() {
    let mut server = furnished();
    let before = server.store.digest();
    let data = Some(Bytes::from_static(b"version=5"));
    let txn = Txn::Reconfig(SetDataTxn {
        path: "/zookeeper/config".into(),
        data: data.clone(),
        version: -1,
    });
    let applied = server.store.apply(&entry(50, SESSION, txn));
    let stat = server.stat("/zookeeper/config");
    assert_eq!((stat.version, stat.mzxid), (-1, Zxid(50)));
    let reply = Response::GetData(GetDataResponse { data, stat });
    assert_eq!(applied.outcome, Ok(reply));
    assert_eq!(applied.changes.len(), 1);
    assert_eq!(server.store.digest(), before, "it is each server's own");
}
