//! Znodes that end by themselves: containers, those with a time to live, and ephemerals.

mod common;

use common::{OTHER, SESSION, Server, container, create, delete, furnished, local, set, ttl};
use lockkeeper_store::{Identities, Write};
use lockkeeper_wire::{ErrorCode, Request, SessionId, Txn};

#[test]
fn outlived_znodes_are_removable_and_others_are_not() {
    let mut server = Server::new();
    for request in [
        container("/unused"),
        container("/used"),
        create("/used/a", 0),
        container("/full"),
        create("/full/a", 0),
        ttl("/ttl", 100),
        ttl("/ttl-full", 100),
        create("/ttl-full/a", 0),
        create("/plain", 0),
    ] {
        server.must(&request);
    }
    let removable = |server: &Server, now_ms, never_used_ms| -> Vec<String> {
        let paths = server.store.removable(now_ms, never_used_ms);
        paths.iter().map(|path| path.to_string()).collect()
    };
    assert!(removable(&server, server.time_ms, 0).is_empty());
    server.must(&delete("/used/a", -1));
    assert_eq!(removable(&server, server.time_ms, 0), ["/used"]);

    // More than its time since the data was last set, not as much.
    let created_ms = server.stat("/ttl").mtime;
    assert_eq!(removable(&server, created_ms + 100, 0), ["/used"]);
    assert_eq!(removable(&server, created_ms + 101, 0), ["/used", "/ttl"]);
    server.must(&set("/ttl", "again", -1));
    assert_eq!(removable(&server, created_ms + 101, 0), ["/used"]);
    assert_eq!(
        removable(&server, server.time_ms + 101, 0),
        ["/used", "/ttl"]
    );
    // Nor does a child's coming and going restart it.
    server.must(&delete("/ttl-full/a", -1));
    assert_eq!(
        removable(&server, server.time_ms + 101, 0),
        ["/used", "/ttl", "/ttl-full"]
    );

    // A container nobody used stays, unless there is a limit.
    let unused_ms = server.stat("/unused").mtime;
    assert_eq!(
        removable(&server, unused_ms + 500, 500),
        ["/used", "/ttl", "/ttl-full"]
    );
    assert!(removable(&server, unused_ms + 501, 500).contains(&"/unused".to_owned()));
    // A clock that was set back removes nothing but containers.
    assert_eq!(removable(&server, i64::MIN, 500), ["/used"]);
    assert_eq!(removable(&server, 0, 0), ["/used"]);
}

#[test]
fn only_empty_containers_and_ttl_znodes_are_removed_by_the_server() {
    let mut server = furnished();
    for request in [
        container("/c"),
        container("/c/full"),
        create("/c/full/a", 0),
        ttl("/t", 1),
    ] {
        server.must(&request);
    }
    let nobody: Identities = [].into();
    let cases = [
        ("/t", ErrorCode::OK),
        ("/t", ErrorCode::NO_NODE),
        ("/no/a", ErrorCode::NO_NODE),
        ("no", ErrorCode::BAD_ARGUMENTS),
        ("/c/full", ErrorCode::NOT_EMPTY),
        ("/c", ErrorCode::NOT_EMPTY),
        ("/open", ErrorCode::BAD_VERSION),
        ("/e", ErrorCode::BAD_VERSION),
        ("/zookeeper/quota", ErrorCode::BAD_VERSION),
    ];
    for (path, code) in cases {
        let outcome = server
            .write(SessionId::NONE, &nobody, Write::DeleteContainer(path))
            .outcome;
        assert_eq!(outcome.err().unwrap_or(ErrorCode::OK), code, "{path}");
    }
    // A child on its way saves the container.
    server.must(&delete("/c/full/a", -1));
    let child = server.prep(SESSION, &local(), Write::Request(&create("/c/full/b", 0)));
    let removal = server.prep(SessionId::NONE, &nobody, Write::DeleteContainer("/c/full"));
    assert_eq!(removal.txn, Txn::Error(ErrorCode::NOT_EMPTY));
    server.apply(&child);
    server.apply(&removal);
}

#[test]
fn a_close_lists_what_is_on_its_way_and_leaves_what_goes() {
    let mut server = furnished();
    server.must(&create("/e2", 1));
    let requests = [
        delete("/e2", -1),
        create("/e3", 1),
        Request::CloseSession,
        create("/e4", 1),
    ];
    let entries = requests.map(|request| server.prep(SESSION, &local(), Write::Request(&request)));
    let listed = Txn::CloseSession(Some(vec!["/e".into(), "/e3".into()]));
    assert_eq!(entries[2].txn, listed);
    assert_eq!(entries[3].txn, Txn::Error(ErrorCode::SESSION_EXPIRED));
    assert!(!server.overlay.is_alive(&server.store, SESSION));
    assert!(server.overlay.is_alive(&server.store, OTHER));
    for entry in &entries {
        server.apply(entry);
    }
    assert_eq!(server.store.counts().ephemerals, 0);
    assert_eq!(server.store.session_timeout_ms(SESSION), None);
    assert_eq!(server.stat("/").pzxid, entries[2].header.zxid);
}

/// However much a session owns, its end fits the log.
#[test]
fn a_close_of_very_much_lists_nothing_and_leaves_nothing() {
    let mut server = furnished();
    let long = "x".repeat(100_000);
    for number in 0..6 {
        server.must(&create(&format!("/{number}{long}"), 1));
    }
    let entry = server.prep(SESSION, &local(), Write::CloseSession);
    assert_eq!(entry.txn, Txn::CloseSession(None));
    assert_eq!(
        entry.digest, None,
        "Apache's servers would take it for a list"
    );
    server.apply(&entry);
    assert_eq!(server.store.counts().ephemerals, 0);
    server.write(OTHER, &local(), Write::Request(&create("/after", 0)));
}
