//! Watches that a reconnected client registers again: what it has missed is told at once.

mod common;

use common::hub::Hub;
use common::{create, create_with, delete, set};
use lockkeeper_store::{ConnectionId, widen};
use lockkeeper_wire::acl::{ALL, READ};
use lockkeeper_wire::watch::{SetWatches, SetWatches2};
use lockkeeper_wire::{Acl, Zxid};

/// `/a` is as zxid 3 made it; `/b` was set by 5 and got a child by 6; `/gone` was deleted by 8.
fn hub() -> Hub {
    Hub::new(&[
        create("/a", 0),
        create("/b", 0),
        set("/b", "", -1),
        create("/b/c", 0),
        create("/gone", 0),
        delete("/gone", -1),
    ])
}

#[derive(Clone, Copy, Debug)]
enum List {
    Data,
    Exist,
    Child,
    Persistent,
    Recursive,
}

fn lists(list: List, path: &str, since: i64) -> SetWatches2 {
    let mut watches = SetWatches2 {
        relative_zxid: Zxid(since),
        ..SetWatches2::default()
    };
    let paths = match list {
        List::Data => &mut watches.data,
        List::Exist => &mut watches.exist,
        List::Child => &mut watches.child,
        List::Persistent => &mut watches.persistent,
        List::Recursive => &mut watches.persistent_recursive,
    };
    paths.push(path.into());
    watches
}

#[test]
fn each_list_compares_in_its_own_way() {
    use List::{Child, Data, Exist, Persistent, Recursive};
    let cases = [
        (Data, "/gone", 9, Some("deleted")),
        (Data, "/b", 4, Some("changed")),
        (Data, "/b", 5, None),
        (Data, "/b", i64::MAX, None),
        (Data, "/a", 0, Some("changed")),
        (Exist, "/gone", 0, None),
        (Exist, "/b", 9, Some("created")),
        (Child, "/gone", 9, Some("deleted")),
        (Child, "/b", 5, Some("children")),
        (Child, "/b", 6, None),
        (Child, "/", 7, Some("children")),
        (Child, "/", 8, None),
        (Persistent, "/b", 0, None),
        (Persistent, "/gone", 0, None),
        (Recursive, "/b", 0, None),
        (Recursive, "no path", 0, None),
    ];
    for (list, path, since, told) in cases {
        let mut hub = hub();
        let events = hub.set_watches(1, &lists(list, path, since));
        let expected: Vec<_> = told.iter().map(|kind| format!("1 {kind} {path}")).collect();
        assert_eq!(events, expected, "{list:?} {path} {since}");
        let armed = match list {
            Persistent => 2,
            _ => usize::from(told.is_none()),
        };
        assert_eq!(
            hub.watches.count_of(ConnectionId(1)),
            armed,
            "{list:?} {path} {since}"
        );
    }
}

#[test]
fn what_is_armed_fires_later() {
    let cases = [
        (List::Data, "/b", set("/b", "", -1), vec!["1 changed /b"]),
        (
            List::Exist,
            "/gone",
            create("/gone", 0),
            vec!["1 created /gone"],
        ),
        (List::Child, "/b", create("/b/d", 0), vec!["1 children /b"]),
        (
            List::Persistent,
            "/b",
            create("/b/d", 0),
            vec!["1 children /b"],
        ),
        (
            List::Recursive,
            "/b",
            create("/b/d", 0),
            vec!["1 created /b/d"],
        ),
    ];
    for (list, path, change, events) in cases {
        let mut hub = hub();
        assert!(hub.set_watches(1, &lists(list, path, 9)).is_empty());
        assert_eq!(hub.run(&change), events, "{list:?}");
    }
}

#[test]
fn lists_are_told_in_order_and_each_for_itself() {
    let watches = SetWatches {
        relative_zxid: Zxid(0),
        data: vec!["/b".into(), "/gone".into(), "/a".into()],
        exist: vec!["/b".into()],
        child: vec!["/b".into(), "/gone".into()],
    };
    let expected = [
        "1 changed /b",
        "1 deleted /gone",
        "1 changed /a",
        "1 created /b",
        "1 children /b",
        "1 deleted /gone",
    ];
    assert_eq!(hub().set_watches(1, &widen(watches)), expected);
}

/// Unlike Apache's servers, which tell everybody here.
#[test]
fn nothing_is_told_of_what_may_not_be_read() {
    let hidden = vec![Acl::new(ALL & !READ, "world", "anyone")];
    for list in [List::Data, List::Exist, List::Child] {
        let mut hub = Hub::new(&[create_with("/hidden", hidden.clone())]);
        assert!(hub.set_watches(1, &lists(list, "/hidden", 0)).is_empty());
        assert_eq!(hub.watches.count_of(ConnectionId(1)), 1, "{list:?}");
    }
}
