//! Watches: which change wakes whom, in what order, and how often.

mod common;

use common::hub::{Hub, Kind};
use common::{OTHER, SESSION, at, body, create, delete, multi, set, set_acl};
use lockkeeper_store::{ConnectionId, HerdCount, Write};
use lockkeeper_wire::multi::MultiOp;
use lockkeeper_wire::{Acl, Request, SessionId};

/// Everybody who could be woken by a change at or around `/p/n`.
const WATCHERS: [(u64, Kind, &str); 9] = [
    (1, Kind::Data, "/p/n"),
    (2, Kind::Child, "/p/n"),
    (3, Kind::Child, "/p"),
    (4, Kind::Persistent, "/p/n"),
    (5, Kind::Persistent, "/p"),
    (6, Kind::Recursive, "/p/n"),
    (7, Kind::Recursive, "/"),
    (8, Kind::Data, "/p"),
    (9, Kind::Child, "/"),
];

fn watched(requests: &[Request]) -> Hub {
    let mut hub = Hub::new(requests);
    for (connection, kind, path) in WATCHERS {
        hub.watch(connection, kind, path);
    }
    hub
}

const ON_CREATE: &[&str] = &[
    "1 created /p/n",
    "4 created /p/n",
    "6 created /p/n",
    "7 created /p/n",
    "3 children /p",
    "5 children /p",
];
const ON_DELETE: &[&str] = &[
    "1 deleted /p/n",
    "4 deleted /p/n",
    "6 deleted /p/n",
    "7 deleted /p/n",
    "2 deleted /p/n",
    "3 children /p",
    "5 children /p",
];
const ON_SET: &[&str] = &[
    "1 changed /p/n",
    "4 changed /p/n",
    "6 changed /p/n",
    "7 changed /p/n",
];
const ON_CREATE_BELOW: &[&str] = &[
    "6 created /p/n/c",
    "7 created /p/n/c",
    "2 children /p/n",
    "4 children /p/n",
];
const ON_DELETE_BELOW: &[&str] = &[
    "6 deleted /p/n/c",
    "7 deleted /p/n/c",
    "2 children /p/n",
    "4 children /p/n",
];

#[test]
fn each_change_wakes_its_watchers_in_order() {
    let (p, n, c) = (create("/p", 0), create("/p/n", 0), create("/p/n/c", 0));
    let in_multi = |part| multi(vec![MultiOp::Check(at("/p", 0)), part]);
    let cases: Vec<(Vec<Request>, Request, &[&str])> = vec![
        (vec![p.clone()], n.clone(), ON_CREATE),
        (vec![p.clone()], create("/p/n", 1), ON_CREATE),
        (vec![p.clone()], common::container("/p/n"), ON_CREATE),
        (vec![p.clone()], common::ttl("/p/n", 1), ON_CREATE),
        (
            vec![p.clone()],
            in_multi(MultiOp::Create(body("/p/n", 0))),
            ON_CREATE,
        ),
        (vec![p.clone(), n.clone()], delete("/p/n", -1), ON_DELETE),
        (
            vec![p.clone(), n.clone()],
            in_multi(MultiOp::Delete(at("/p/n", 0))),
            ON_DELETE,
        ),
        (
            vec![p.clone(), create("/p/n", 1)],
            Request::CloseSession,
            ON_DELETE,
        ),
        (vec![p.clone(), n.clone()], set("/p/n", "data", -1), ON_SET),
        (
            vec![p.clone(), n.clone()],
            set_acl("/p/n", Acl::open(), -1),
            &[],
        ),
        (
            vec![p.clone(), n.clone()],
            in_multi(MultiOp::Check(at("/p/n", 0))),
            &[],
        ),
        (
            vec![p.clone(), n.clone()],
            in_multi(MultiOp::Delete(at("/no", 0))),
            &[],
        ),
        (vec![p.clone(), n.clone()], c.clone(), ON_CREATE_BELOW),
        (
            vec![p.clone(), n.clone(), c.clone()],
            delete("/p/n/c", -1),
            ON_DELETE_BELOW,
        ),
        (
            vec![p.clone(), n.clone(), c.clone()],
            create("/p/n/c/g", 0),
            &["6 created /p/n/c/g", "7 created /p/n/c/g"],
        ),
        (
            vec![p.clone(), n.clone()],
            set("/p", "", -1),
            &["5 changed /p", "7 changed /p", "8 changed /p"],
        ),
        (
            vec![p.clone()],
            create("/q", 0),
            &["7 created /q", "9 children /"],
        ),
        (
            vec![p.clone()],
            create("/pn", 0),
            &["7 created /pn", "9 children /"],
        ),
        (vec![p, n], set("/", "", -1), &["7 changed /"]),
    ];
    for (before, request, events) in cases {
        let mut hub = watched(&before);
        assert_eq!(hub.run(&request), events, "{request:?}");
    }
}

#[test]
fn removal_by_the_server_wakes_as_a_delete_does() {
    for made in [common::container("/p/n"), common::ttl("/p/n", 1)] {
        let mut hub = watched(&[create("/p", 0), made]);
        let events = hub.write(SessionId::NONE, Write::DeleteContainer("/p/n"));
        assert_eq!(events, ON_DELETE);
    }
}

/// What is left after each kind of watch has fired once.
#[test]
fn one_shot_watches_fire_once_and_persistent_ones_stay() {
    let mut hub = watched(&[create("/p", 0)]);
    assert_eq!(hub.run(&create("/p/n", 0)), ON_CREATE);
    let only_persistent = |events: &[&str]| -> Vec<String> {
        let lasting = events.iter().filter(|event| "4567".contains(&event[..1]));
        lasting.map(|event| event.to_string()).collect()
    };
    assert_eq!(hub.run(&set("/p/n", "", -1)), only_persistent(ON_SET));
    let mut on_delete = only_persistent(ON_DELETE);
    // The child watch on the znode outlived its creation and ends now.
    on_delete.insert(3, "2 deleted /p/n".into());
    assert_eq!(hub.run(&delete("/p/n", -1)), on_delete);
    assert_eq!(hub.run(&create("/p/n", 0)), only_persistent(ON_CREATE));

    // Leaving a watch twice leaves one.
    hub.watch(1, Kind::Data, "/p/n");
    hub.watch(1, Kind::Data, "/p/n");
    assert_eq!(hub.watches.count_of(ConnectionId(1)), 1);
    assert!(
        hub.run(&set("/p/n", "", -1))
            .contains(&"1 changed /p/n".into())
    );
    assert!(
        !hub.run(&set("/p/n", "", -1))
            .contains(&"1 changed /p/n".into())
    );
}

#[test]
fn several_modes_of_one_connection_give_one_event_for_each_table() {
    use Kind::{Child, Data, Persistent, Recursive};
    // Watches of one connection on /p and below, and what it hears at a first and a second change.
    let set_n = set("/p/n", "", -1);
    let add = Request::Create(body("/p/n/c", 2));
    type Left = &'static [(Kind, &'static str)];
    type Heard = &'static [&'static str];
    let cases: [(Left, &Request, Heard, Heard); 9] = [
        (
            &[(Data, "/p/n"), (Persistent, "/p/n")],
            &set_n,
            &["changed /p/n"],
            &["changed /p/n"],
        ),
        (
            &[(Persistent, "/p/n"), (Data, "/p/n")],
            &set_n,
            &["changed /p/n"],
            &["changed /p/n"],
        ),
        (
            &[(Data, "/p/n"), (Recursive, "/p/n")],
            &set_n,
            &["changed /p/n"],
            &["changed /p/n"],
        ),
        (
            &[(Data, "/p/n"), (Recursive, "/p")],
            &set_n,
            &["changed /p/n"],
            &["changed /p/n"],
        ),
        (
            &[(Recursive, "/"), (Recursive, "/p")],
            &set_n,
            &["changed /p/n"],
            &["changed /p/n"],
        ),
        (
            &[(Data, "/p/n"), (Child, "/p/n")],
            &set_n,
            &["changed /p/n"],
            &[],
        ),
        (
            &[(Child, "/p/n"), (Persistent, "/p/n")],
            &add,
            &["children /p/n"],
            &["children /p/n"],
        ),
        (
            &[(Recursive, "/p/n"), (Persistent, "/p/n")],
            &add,
            &["created /p/n/c0000000000", "children /p/n"],
            &["created /p/n/c0000000001", "children /p/n"],
        ),
        (
            &[(Recursive, "/p/n"), (Child, "/p/n")],
            &add,
            &["created /p/n/c0000000000", "children /p/n"],
            &["created /p/n/c0000000001"],
        ),
    ];
    for (left, change, first, second) in cases {
        let mut hub = Hub::new(&[create("/p", 0), create("/p/n", 0)]);
        for &(kind, path) in left {
            hub.watch(1, kind, path);
        }
        for heard in [first, second] {
            let heard: Vec<_> = heard.iter().map(|event| format!("1 {event}")).collect();
            assert_eq!(hub.run(change), heard, "{left:?}");
        }
    }
}

#[test]
fn watches_end_with_their_connection() {
    let mut hub = watched(&[create("/p", 0), create("/p/n", 0)]);
    // A persistent watch counts in both tables.
    assert_eq!(hub.watches.len(), WATCHERS.len() + 2);
    assert_eq!(hub.watches.count_of(ConnectionId(4)), 2);
    for (connection, ..) in WATCHERS {
        hub.watches.drop_connection(ConnectionId(connection));
        assert_eq!(hub.watches.count_of(ConnectionId(connection)), 0);
    }
    assert!(hub.watches.is_empty());
    assert!(hub.run(&delete("/p/n", -1)).is_empty());
}

#[test]
fn a_closing_session_wakes_for_each_znode_and_then_its_parent() {
    let mut hub = Hub::new(&[create("/p", 0), create("/p/a", 1), create("/p/b", 1)]);
    hub.watch(1, Kind::Recursive, "/p");
    hub.watch(2, Kind::Persistent, "/p");
    let events = hub.write(SESSION, Write::CloseSession);
    let expected = [
        "1 deleted /p/a",
        "2 children /p",
        "1 deleted /p/b",
        "2 children /p",
    ];
    assert_eq!(events, expected);
    assert!(hub.write(OTHER, Write::CloseSession).is_empty());
}

#[test]
fn the_herd_is_counted_by_kind() {
    let mut hub = Hub::new(&[create("/p", 0)]);
    for connection in 0..5 {
        hub.watch(connection, Kind::Data, "/p/n");
        hub.watch(connection, Kind::Persistent, "/p");
    }
    hub.watch(9, Kind::Child, "/p/n");
    hub.run(&create("/q", 0));
    hub.run(&create("/p/n", 0));
    hub.run(&set("/p/n", "", -1));
    hub.run(&set("/p", "", -1));
    hub.run(&delete("/p/n", -1));
    let count = |count, sum, max| HerdCount { count, sum, max };
    let herd = hub.watches.herd();
    assert_eq!(herd.created, count(1, 5, 5));
    assert_eq!(herd.changed, count(1, 5, 5));
    assert_eq!(herd.deleted, count(1, 1, 1));
    assert_eq!(herd.children, count(2, 10, 5));
    hub.watches.reset_herd();
    assert_eq!(hub.watches.herd(), lockkeeper_store::Herd::default());
}
