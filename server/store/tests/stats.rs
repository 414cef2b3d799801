//! The fields of a Stat: which write moves which, and what happens at the end of a counter.

mod common;

use bytes::Bytes;
use common::{
    SESSION, Server, body, create, data_of, delete, entry, furnished, local, set, set_acl,
};
use lockkeeper_store::Write;
use lockkeeper_wire::request::CreateRequest;
use lockkeeper_wire::txn::{CreateTxn, SetAclTxn, SetDataTxn};
use lockkeeper_wire::{Acl, ErrorCode, Request, SessionId, Txn, Zxid};

#[test]
fn each_write_moves_its_own_fields_of_the_stat() {
    let mut server = furnished();
    server.must(&create("/p", 0));
    server.must(&create("/p/a", 0));
    let (created, now_ms) = (server.zxid, server.time_ms);
    let first = server.stat("/p/a");
    assert_eq!(
        (first.czxid, first.mzxid, first.pzxid),
        (created, created, created)
    );
    assert_eq!((first.ctime, first.mtime), (now_ms, now_ms));
    assert_eq!((first.version, first.cversion, first.aversion), (0, 0, 0));
    assert_eq!((first.data_length, first.num_children), (4, 0));
    assert_eq!(first.ephemeral_owner, SessionId::NONE);
    let mut parent = server.stat("/p");
    assert_eq!(
        (parent.cversion, parent.num_children, parent.pzxid),
        (1, 1, created)
    );
    assert_eq!(parent.mzxid, parent.czxid);

    server.must(&set("/p/a", "longer", 0));
    let mut expected = first;
    (expected.mzxid, expected.mtime) = (server.zxid, server.time_ms);
    (expected.version, expected.data_length) = (1, 6);
    assert_eq!(server.stat("/p/a"), expected);
    assert_eq!(server.stat("/p"), parent);

    server.must(&set_acl("/p/a", Acl::open(), 0));
    expected.aversion = 1;
    assert_eq!(server.stat("/p/a"), expected);
    assert_eq!(server.stat("/p"), parent);

    let root = server.stat("/");
    server.must(&delete("/p/a", 1));
    (parent.cversion, parent.num_children, parent.pzxid) = (2, 0, server.zxid);
    assert_eq!(server.stat("/p"), parent);
    assert_eq!(server.stat("/"), root, "no further up than the parent");

    server.must(&create("/p/a", 0));
    assert_eq!(server.stat("/p/a").version, 0);
    assert_eq!(server.stat("/p").cversion, 3);

    server.must(&Request::Create(CreateRequest {
        data: None,
        ..body("/p/null", 0)
    }));
    assert_eq!(server.stat("/p/null").data_length, 0);
    assert_eq!(data_of(&server.store, "/p/null"), None);
}

#[test]
fn a_new_server_shows_the_counts_of_apache() {
    let store = lockkeeper_store::Store::new(1);
    for (path, cversion, aversion, children) in [
        ("/", -1, 0, 1),
        ("", -1, 0, 1),
        ("/zookeeper", -2, 0, 2),
        ("/zookeeper/quota", 0, 0, 0),
        ("/zookeeper/config", 0, -1, 0),
    ] {
        let stat = store.stat(path).expect(path);
        assert_eq!(
            (stat.cversion, stat.aversion),
            (cversion, aversion),
            "{path}"
        );
        assert_eq!(stat.num_children, children, "{path}");
        assert_eq!((stat.czxid, stat.ctime, stat.version), (Zxid(0), 0, 0));
    }
}

/// Versions of data and lists go round; expected ones are compared all the way.
#[test]
fn versions_wrap() {
    let mut server = furnished();
    let path = lockkeeper_wire::ByteStr::from("/open");
    let acl = Acl::open();
    let data = Some(Bytes::new());
    let (version, zxid) = (i32::MAX, server.zxid.0);
    for txn in [
        Txn::SetData(SetDataTxn {
            path: path.clone(),
            data,
            version,
        }),
        Txn::SetAcl(SetAclTxn { path, acl, version }),
    ] {
        server.store.apply(&entry(zxid, SESSION, txn));
    }
    assert_eq!(server.err(&set("/open", "", i32::MAX)), ErrorCode::OK);
    assert_eq!(
        server.err(&set_acl("/open", Acl::open(), i32::MAX)),
        ErrorCode::OK
    );
    let stat = server.stat("/open");
    assert_eq!((stat.version, stat.aversion), (i32::MIN, i32::MIN));
    assert_eq!(server.err(&set("/open", "", i32::MIN)), ErrorCode::OK);
    assert_eq!(server.stat("/open").version, i32::MIN + 1);
}

/// Sets the count of creations of `/open` by a create that carries it.
fn count(server: &mut Server, parent_cversion: i32) {
    let txn = Txn::Create(CreateTxn {
        path: "/open/first".into(),
        data: None,
        acl: Acl::open(),
        ephemeral: false,
        parent_cversion,
    });
    server.zxid = server.zxid.next();
    server.store.apply(&entry(server.zxid.0, SESSION, txn));
}

#[test]
fn a_full_count_of_creations_stays_and_its_number_repeats() {
    let mut server = furnished();
    count(&mut server, i32::MAX - 1);
    server.must(&create("/open/n", 2));
    assert!(server.store.stat("/open/n2147483646").is_some());
    let full = server.stat("/open");
    assert_eq!(full.cversion, i32::MAX.wrapping_mul(2).wrapping_sub(2));

    // Two outstanding ones see the same count.
    let requests = [
        create("/open/n", 2),
        create("/open/m", 0),
        create("/open/n", 2),
    ];
    let entries = requests.map(|request| server.prep(SESSION, &local(), Write::Request(&request)));
    let outcomes = entries.map(|entry| server.apply(&entry).outcome);
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
    assert_eq!(outcomes[2], Err(ErrorCode::NODE_EXISTS));
    assert!(server.store.stat("/open/n2147483647").is_some());
    let stat = server.stat("/open");
    assert_eq!((stat.num_children, stat.pzxid), (4, full.pzxid));
    assert_eq!(stat.cversion, full.cversion.wrapping_sub(2));
    server.must(&delete("/open/n2147483647", -1));
    assert_eq!(server.stat("/open").pzxid, server.zxid);
    server.must(&create("/open/n", 2));
}
