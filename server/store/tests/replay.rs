//! Replay: transactions applied to a tree that may hold their effects already, or in part.
//!
//! Snapshots of Apache's servers are taken while writes go on. Whatever subset of later
//! transactions a snapshot has caught, applying them all again must end in the same tree.

mod common;

use bytes::{BufMut, Bytes, BytesMut};
use common::{NOW_MS, OTHER, SESSION, acl_of, children_of, data_of, entry};
use lockkeeper_store::{Applied, Store};
use lockkeeper_wire::multi::{MultiResponse, MultiResult};
use lockkeeper_wire::txn::{
    CreateContainerTxn, CreateTtlTxn, CreateTxn, PARENT_CVERSION_UNKNOWN, SetAclTxn, SetDataTxn,
};
use lockkeeper_wire::{Acl, ErrorCode, Record, Response, Stat, Txn, TxnEntry, Zxid};

fn create_txn(path: &str, parent_cversion: i32) -> CreateTxn {
    CreateTxn {
        path: path.into(),
        data: Some(Bytes::from_static(b"new")),
        acl: Acl::open(),
        ephemeral: false,
        parent_cversion,
    }
}

fn create(path: &str) -> Txn {
    Txn::Create(create_txn(path, PARENT_CVERSION_UNKNOWN))
}

fn ephemeral(path: &str) -> Txn {
    Txn::Create(CreateTxn {
        ephemeral: true,
        ..create_txn(path, PARENT_CVERSION_UNKNOWN)
    })
}

fn delete(path: &str) -> Txn {
    Txn::Delete(path.into())
}

fn set(path: &str, data: &'static str, version: i32) -> Txn {
    Txn::SetData(SetDataTxn {
        path: path.into(),
        data: Some(Bytes::from_static(data.as_bytes())),
        version,
    })
}

fn set_acl(path: &str, version: i32) -> Txn {
    Txn::SetAcl(SetAclTxn {
        path: path.into(),
        acl: Acl::read_only(),
        version,
    })
}

/// A store after these, with zxids from 1 up.
fn after(txns: &[Txn]) -> Store {
    let mut store = Store::new(1);
    for (zxid, txn) in (1..).zip(txns) {
        let applied = store.apply(&entry(zxid, SESSION, txn.clone()));
        assert!(!applied.misfit, "{txn:?}");
    }
    store
}

fn stat(store: &Store, path: &str) -> Stat {
    store.stat(path).expect(path)
}

/// The count of creations that a shown cversion stands for.
fn creations(store: &Store, path: &str) -> i32 {
    let stat = stat(store, path);
    (stat.cversion + stat.num_children) / 2
}

fn hex(text: &str) -> Bytes {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|two| (two[0] << 4 | two[1]) as u8)
        .collect()
}

#[test]
fn a_log_of_apache_gives_the_digests_it_predicts() {
    const RECORDS: [(&str, u64); 2] = [
        (
            "0100000ddca50000 00000000 0000000100000001 000001a1f7fb2f41 fffffff6
             00001770 00000002 0000000051c6d660",
            0x51c6_d660,
        ),
        (
            "0100000ddca50000 00000001 0000000100000002 000001a1f7fb2f50 00000001
             00000002 2f61 00000005 68656c6c6f
             00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65
             00 00000001 00000002 000000016ebe661b",
            0x1_6ebe_661b,
        ),
    ];
    let mut store = Store::new(1);
    for (record, digest) in RECORDS {
        let bytes = hex(record);
        let entry = TxnEntry::from_bytes(&bytes).expect("a record of Apache");
        assert_eq!(entry.to_bytes(), bytes);
        let applied = store.apply(&entry);
        assert!(applied.outcome.is_ok());
        assert!(!applied.misfit && !applied.digest_mismatch);
        assert_eq!(store.digest(), digest);
        assert_eq!(store.last_zxid(), entry.header.zxid);
    }
    assert_eq!(data_of(&store, "/a").as_deref(), Some(&b"hello"[..]));
}

#[test]
fn a_wrong_digest_is_told_and_one_of_another_version_is_not_compared() {
    for (version, mismatch) in [(2, true), (1, false), (3, false)] {
        let mut wrong = entry(1, SESSION, create("/a"));
        wrong.digest = Some(lockkeeper_wire::txn::TxnDigest { version, digest: 1 });
        assert_eq!(after(&[]).apply(&wrong).digest_mismatch, mismatch);
    }
}

#[test]
fn what_finds_nothing_to_do_changes_nothing() {
    let multi = |part| Txn::Multi(vec![create("/new"), part]);
    let cases = [
        ("create without parent", create("/no/a"), true),
        ("setData", set("/no", "x", 1), true),
        ("setACL", set_acl("/no", 1), true),
        ("delete without parent", delete("/no/a"), true),
        (
            "deleteContainer",
            Txn::DeleteContainer("/no/a".into()),
            true,
        ),
        ("error", Txn::Error(ErrorCode::NO_NODE), false),
        (
            "failed multi",
            multi(Txn::Error(ErrorCode::BAD_VERSION)),
            false,
        ),
        ("empty multi", Txn::Multi(vec![]), false),
        ("close of nobody", Txn::CloseSession(None), false),
    ];
    for (name, txn, misfit) in cases {
        let mut store = after(&[create("/a")]);
        let before = (store.digest(), store.counts());
        let applied = store.apply(&entry(9, OTHER, txn));
        assert_eq!(applied.misfit, misfit, "{name}");
        assert_eq!((store.digest(), store.counts()), before, "{name}");
        assert_eq!(applied.changes, [], "{name}");
        if misfit {
            assert_eq!(applied.outcome, Err(ErrorCode::NO_NODE), "{name}");
        }
        assert_eq!(store.last_zxid(), Zxid(9), "{name}");
    }
}

#[test]
fn a_create_of_what_is_there_takes_only_the_list() {
    let path = || "/p/a".into();
    let (data, acl) = (Some(Bytes::from_static(b"again")), Acl::read_only());
    let plain = |parent_cversion| CreateTxn {
        data: data.clone(),
        acl: acl.clone(),
        ..create_txn("/p/a", parent_cversion)
    };
    let container = |parent_cversion| CreateContainerTxn {
        path: path(),
        data: data.clone(),
        acl: acl.clone(),
        parent_cversion,
    };
    let ttl = |parent_cversion| CreateTtlTxn {
        path: path(),
        data: data.clone(),
        acl: acl.clone(),
        parent_cversion,
        ttl_ms: 5,
    };
    // Only the first kind counts in the parent, and only upwards. One creation is counted before.
    let cases = [
        (Txn::Create(plain(7)), 7, 9),
        (Txn::Create(plain(1)), 1, 2),
        (Txn::Create(plain(0)), 1, 2),
        (Txn::Create(plain(PARENT_CVERSION_UNKNOWN)), 2, 9),
        (Txn::Create2(plain(7)), 1, 2),
        (Txn::CreateContainer(container(7)), 1, 2),
        (Txn::CreateTtl(ttl(7)), 1, 2),
    ];
    for (txn, count, pzxid) in cases {
        let mut store = after(&[create("/p"), create("/p/a")]);
        let before = stat(&store, "/p/a");
        let applied = store.apply(&entry(9, SESSION, txn.clone()));
        assert_eq!(applied.outcome, Err(ErrorCode::NODE_EXISTS), "{txn:?}");
        assert!(applied.misfit && applied.changes.is_empty(), "{txn:?}");
        assert_eq!(stat(&store, "/p/a"), before, "{txn:?}");
        assert_eq!(data_of(&store, "/p/a").as_deref(), Some(&b"new"[..]));
        assert_eq!(acl_of(&store, "/p/a"), acl);
        assert_eq!(creations(&store, "/p"), count, "{txn:?}");
        assert_eq!(stat(&store, "/p").pzxid, Zxid(pzxid), "{txn:?}");
    }
}

#[test]
fn a_parent_that_is_ahead_keeps_count_and_pzxid() {
    for (parent_cversion, count, pzxid) in [(0, 1, 2), (1, 1, 2), (2, 2, 9), (5, 5, 9)] {
        let mut store = after(&[create("/p"), create("/p/a")]);
        let txn = Txn::Create(create_txn("/p/b", parent_cversion));
        assert!(!store.apply(&entry(9, SESSION, txn)).misfit);
        assert_eq!(creations(&store, "/p"), count);
        assert_eq!(stat(&store, "/p").pzxid, Zxid(pzxid));
        assert_eq!(stat(&store, "/p/b").czxid, Zxid(9));
    }
}

#[test]
fn a_delete_of_what_is_gone_moves_only_pzxid_and_only_up() {
    for (zxid, pzxid) in [(1, 2), (9, 9)] {
        let mut store = after(&[create("/p"), create("/p/a")]);
        let applied = store.apply(&entry(zxid, SESSION, delete("/p/b")));
        assert_eq!(applied.outcome, Err(ErrorCode::NO_NODE));
        assert!(applied.misfit && applied.changes.is_empty());
        assert_eq!(stat(&store, "/p").pzxid, Zxid(pzxid));
        assert_eq!(creations(&store, "/p"), 1);
    }
}

#[test]
fn values_are_set_even_to_older_ones() {
    let mut store = after(&[create("/a"), set("/a", "later", 5), set_acl("/a", 5)]);
    store.apply(&entry(9, SESSION, set("/a", "old", 1)));
    store.apply(&entry(10, SESSION, set_acl("/a", 2)));
    let stat = stat(&store, "/a");
    assert_eq!((stat.version, stat.aversion), (1, 2));
    assert_eq!((stat.mzxid, stat.mtime), (Zxid(9), NOW_MS + 9));
}

#[test]
fn a_closing_session_takes_the_list_whoever_owns_it_and_what_is_left() {
    let listed =
        |paths: &[&str]| Txn::CloseSession(Some(paths.iter().map(|&p| p.into()).collect()));
    // A list, what is left of /mine, /mine2 and /persistent, and whether all of it fitted.
    let cases = [
        (Txn::CloseSession(None), vec!["persistent"], false),
        (listed(&["/mine", "/mine2"]), vec!["persistent"], false),
        (listed(&["/mine"]), vec!["persistent"], false),
        (listed(&[]), vec!["persistent"], false),
        (listed(&["/persistent", "/mine"]), vec![], false),
        (listed(&["/gone", "/mine"]), vec!["persistent"], true),
    ];
    for (txn, mut left, misfit) in cases {
        let begin = Txn::CreateSession(1000);
        let mut store = after(&[
            begin,
            ephemeral("/mine"),
            ephemeral("/mine2"),
            create("/persistent"),
        ]);
        let applied = store.apply(&entry(9, SESSION, txn.clone()));
        assert_eq!(applied.outcome, Ok(Response::Empty), "{txn:?}");
        assert_eq!(applied.misfit, misfit, "{txn:?}");
        left.push("zookeeper");
        assert_eq!(children_of(&store, "/"), left, "{txn:?}");
        assert_eq!(applied.changes.len(), 4 - left.len(), "{txn:?}");
        assert_eq!(store.session_timeout_ms(SESSION), None);
        assert_eq!(store.counts().ephemerals, 0);
    }
}

#[test]
fn one_part_of_a_multi_that_does_not_fit_does_not_stop_the_others() {
    let mut store = after(&[create("/a")]);
    let parts = vec![create("/a"), create("/b"), delete("/c"), set("/b", "x", 1)];
    let Applied {
        outcome, misfit, ..
    } = store.apply(&entry(9, SESSION, Txn::Multi(parts)));
    assert!(misfit);
    let Ok(Response::Multi(MultiResponse { results })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(results[0], MultiResult::Error(ErrorCode::NODE_EXISTS));
    assert!(matches!(results[1], MultiResult::Create(_)));
    assert_eq!(results[2], MultiResult::Error(ErrorCode::NO_NODE));
    assert!(matches!(results[3], MultiResult::SetData(_)));
}

/// `/p` was deleted and made again with a child before the snapshot caught it; the delete is
/// replayed onto the new one.
#[test]
fn a_delete_replayed_onto_a_parent_takes_all_that_is_below() {
    let history = [
        create("/p"),
        delete("/p"),
        create("/p"),
        create("/p/container"),
        create("/p/container/x"),
        ephemeral("/p/e"),
    ];
    let whole = after(&history);
    let mut store = whole.clone();
    let deleted = store.apply(&entry(2, SESSION, history[1].clone()));
    assert!(
        deleted.misfit,
        "a znode with children is never deleted but here"
    );
    assert_eq!(deleted.changes.len(), 1);
    let mut empty = Store::new(1);
    empty.apply(&entry(6, SESSION, create("/other")));
    empty.apply(&entry(6, SESSION, delete("/other")));
    assert_eq!(store.counts(), empty.counts());

    for (zxid, txn) in (3..).zip(&history[2..]) {
        assert!(!store.apply(&entry(zxid, SESSION, txn.clone())).misfit);
    }
    assert_eq!(store.counts(), whole.counts());
    assert_eq!(stat(&store, "/p"), stat(&whole, "/p"));
    assert!(store.ephemerals(SESSION).eq(["/p/e"]));
    // The root has counted one more creation than it did, as on Apache's servers.
    assert_eq!(creations(&store, "/"), creations(&whole, "/") + 1);
}

/// Any suffix of a history may be applied a second time.
#[test]
fn a_history_replayed_from_any_point_ends_in_the_same_tree() {
    let count = |path: &str, cversion| Txn::Create(create_txn(path, cversion));
    let history = [
        Txn::CreateSession(1000),
        count("/p", 1),
        count("/p/a", 1),
        set("/p/a", "one", 1),
        count("/p/b", 2),
        set_acl("/p/a", 1),
        delete("/p/b"),
        count("/p/c", 3),
        set("/p/a", "two", 2),
        delete("/p/c"),
        count("/q", 2),
        Txn::Multi(vec![delete("/q"), count("/q", 3), count("/q/x", 1)]),
    ];
    let whole = after(&history);
    for from in 0..history.len() {
        let mut store = whole.clone();
        for (zxid, txn) in (1..).zip(&history).skip(from) {
            store.apply(&entry(zxid, SESSION, txn.clone()));
        }
        assert_eq!(store.digest(), whole.digest(), "from {from}");
        assert_eq!(store.counts(), whole.counts(), "from {from}");
        assert_eq!(acl_of(&store, "/p/a"), acl_of(&whole, "/p/a"));
    }
}

/// A znode whose list came into the table after the table was written.
#[test]
fn a_list_that_the_image_lacks_is_nobodys_until_it_is_replayed() {
    let mut image = BytesMut::new();
    image.put_i64(0);
    for (path, acl_id) in [
        ("", -1),
        ("/zookeeper", -1),
        ("/zookeeper/quota", -1),
        ("/a", 4),
    ] {
        lockkeeper_wire::ByteStr::from(path).encode(&mut image);
        image.put_i32(0);
        image.put_i64(acl_id);
        image.put_bytes(0, 60);
    }
    lockkeeper_wire::ByteStr::from("/").encode(&mut image);
    let mut store = Store::read_image(&mut &image[..], Zxid(5), 1).expect("legal");

    let request = lockkeeper_wire::Request::GetData(common::watch("/a"));
    type Data = lockkeeper_wire::reply::GetDataResponse;
    let read = |store: &Store| common::read_as::<Data>(store, &common::local(), false, &request);
    assert_eq!(read(&store).map(|_| ()), Err(ErrorCode::NO_AUTH));

    // What touches it meanwhile does no harm, and it can be written again.
    store.apply(&entry(6, SESSION, set("/a", "x", 1)));
    let mut again = Vec::new();
    store
        .freeze()
        .write_image(&mut again)
        .expect("memory takes it all");
    let back = Store::read_image(&mut &again[..], Zxid(6), 1).expect("our own");
    assert_eq!(back.digest(), store.digest());

    let replayed = store.apply(&entry(7, SESSION, set_acl("/a", 1)));
    assert!(replayed.outcome.is_ok() && !replayed.misfit);
    assert!(read(&store).is_ok());

    // A create that the image has caught already brings the list too.
    let mut store = back;
    store.apply(&entry(7, SESSION, create("/a")));
    assert!(read(&store).is_ok());
}
