//! Multi: an answer for each part, all of them or none, one zxid.

mod common;

use common::{
    SESSION, at, body, create, create_with, data_of, delete, furnished, local, multi, set,
    set_body, ttl_body,
};
use lockkeeper_store::{StatsWanted, Write};
use lockkeeper_wire::acl::{ALL, READ};
use lockkeeper_wire::multi::{MultiOp, MultiResult};
use lockkeeper_wire::{Acl, ErrorCode, Response, Txn};

#[test]
fn checks_of_a_multi_come_in_their_order() {
    let write_only = vec![Acl::new(ALL & !READ, "world", "anyone")];
    for (path, version, code) in [
        ("/no/", 9, ErrorCode::BAD_ARGUMENTS),
        ("", -1, ErrorCode::BAD_ARGUMENTS),
        ("/no", 9, ErrorCode::NO_NODE),
        ("/hidden", 9, ErrorCode::NO_AUTH),
        ("/open", 9, ErrorCode::BAD_VERSION),
        ("/open", 0, ErrorCode::OK),
        ("/open", -1, ErrorCode::OK),
    ] {
        let mut server = furnished();
        server.must(&create_with("/hidden", write_only.clone()));
        let result = server.multi(vec![MultiOp::Check(at(path, version))]);
        let expected = match code {
            ErrorCode::OK => MultiResult::Check,
            code => MultiResult::Error(code),
        };
        assert_eq!(result, [expected], "{path}");
    }
}

#[test]
fn a_multi_answers_each_part_by_its_kind() {
    let mut server = furnished();
    let results = server.multi(vec![
        MultiOp::Create(body("/m0", 0)),
        MultiOp::Create(body("/m1", 4)),
        MultiOp::Create2(body("/m2", 1)),
        MultiOp::CreateContainer(body("/m3", 4)),
        MultiOp::CreateTtl(ttl_body("/m4", 5, 1)),
        MultiOp::Create(body("/m", 2)),
        MultiOp::SetData(set_body("/m0", "x", 0)),
        MultiOp::Check(at("/m0", 1)),
        MultiOp::Delete(at("/m0", 1)),
        MultiOp::Create(body("/m0", 0)),
    ]);
    let kinds: Vec<_> = results
        .iter()
        .map(|result| match result {
            MultiResult::Create(body) => format!("create {}", body.path),
            MultiResult::Create2(body) => format!("create2 {}", body.path),
            MultiResult::SetData(stat) => format!("set {}", stat.version),
            MultiResult::Check => "check".into(),
            MultiResult::Delete => "delete".into(),
            MultiResult::Error(code) => format!("{code:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "create /m0",
            "create2 /m1",
            "create2 /m2",
            "create2 /m3",
            "create2 /m4",
            "create /m0000000009",
            "set 1",
            "check",
            "delete",
            "create /m0",
        ]
    );
    let zxid = server.zxid;
    for path in ["/m0", "/m1", "/m2", "/m3", "/m4", "/m0000000009"] {
        assert_eq!(server.stat(path).czxid, zxid, "{path}");
    }
    assert_eq!(server.stat("/").pzxid, zxid);
}

#[test]
fn a_failed_multi_changes_nothing_and_says_where_it_failed() {
    let good = |at: usize| MultiOp::Create(body(&format!("/open/{at}-"), 2));
    let parts_len = 4;
    for failing in 0..parts_len {
        let mut server = furnished();
        let before = (server.store.digest(), server.store.counts());
        let mut parts: Vec<_> = (0..parts_len).map(good).collect();
        parts[failing] = MultiOp::Delete(at("/no", -1));
        let entry = server.prep(SESSION, &local(), Write::Request(&multi(parts)));
        assert!(
            entry.digest.is_some(),
            "a failed multi is a good transaction"
        );
        let Ok(Response::Multi(reply)) = server.apply(&entry).outcome else {
            panic!("a multi answers");
        };
        let expected = |at: usize| match at.cmp(&failing) {
            std::cmp::Ordering::Less => ErrorCode::OK,
            std::cmp::Ordering::Equal => ErrorCode::NO_NODE,
            std::cmp::Ordering::Greater => ErrorCode::RUNTIME_INCONSISTENCY,
        };
        let expected: Vec<_> = (0..parts_len)
            .map(|at| MultiResult::Error(expected(at)))
            .collect();
        assert_eq!(reply.results, expected);
        assert_eq!((server.store.digest(), server.store.counts()), before);
        assert_eq!(server.store.last_zxid(), entry.header.zxid);
        // The counter of sequences has not moved either.
        assert_eq!(server.err(&create("/open/n", 2)), ErrorCode::OK);
        assert!(server.store.stat("/open/n0000000000").is_some());
    }
}

#[test]
fn a_multi_without_parts_is_good() {
    let mut server = furnished();
    assert_eq!(server.multi(vec![]), []);
}

/// A failed multi gives back what those before it had outstanding.
#[test]
fn a_failed_multi_leaves_what_was_outstanding() {
    let mut server = furnished();
    let requests = [
        create("/open/a", 0),
        multi(vec![
            MultiOp::SetData(set_body("/open/a", "x", 0)),
            MultiOp::Delete(at("/open/a", 1)),
            MultiOp::Delete(at("/no", -1)),
        ]),
        set("/open/a", "y", 0),
        delete("/open", -1),
    ];
    let entries = requests.map(|request| server.prep(SESSION, &local(), Write::Request(&request)));
    let outcomes = entries.map(|entry| server.apply(&entry).outcome);
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(outcomes[3], Err(ErrorCode::NOT_EMPTY));
    assert_eq!(
        data_of(&server.store, "/open/a").as_deref(),
        Some(&b"y"[..])
    );
}

/// Servers before 3.7.2 and 3.8.2 drop a whole multi in which the second kind of create is.
#[test]
fn zookeeper_4026_a_create2_in_a_multi_is_logged_as_a_create() {
    let mut server = furnished();
    let request = multi(vec![
        MultiOp::Create2(body("/m0", 0)),
        MultiOp::Create(body("/m1", 0)),
        MultiOp::Create2(body("/m2", 1)),
        MultiOp::SetData(set_body("/m0", "x", 0)),
    ]);
    let entry = server.prep(SESSION, &local(), Write::Request(&request));
    let Txn::Multi(parts) = &entry.txn else {
        panic!("a multi: {entry:?}");
    };
    assert!(parts[..3].iter().all(|part| matches!(part, Txn::Create(_))));
    // Who was asked gives the reply that was asked for; of the znode as it was when it was made.
    let mut applied = server.apply(&entry);
    applied.give_stats(&StatsWanted::by(&request));
    let Ok(Response::Multi(reply)) = applied.outcome else {
        panic!("a multi answers");
    };
    let stats: Vec<_> = reply
        .results
        .iter()
        .map(|result| match result {
            MultiResult::Create2(body) => Some((body.stat.version, body.stat.ephemeral_owner.0)),
            _ => None,
        })
        .collect();
    assert_eq!(stats, [Some((0, 0)), None, Some((0, SESSION.0)), None]);
}
