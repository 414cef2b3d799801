//! checkWatches and removeWatches: which watches a type stands for.

mod common;

use common::create;
use common::hub::{Hub, Kind};
use lockkeeper_store::ConnectionId;
use lockkeeper_wire::{ErrorCode, WatcherType};

/// For each watch that a connection has: whom check and remove take it for.
#[test]
fn checks_and_removals_name_what_they_mean() {
    use WatcherType::{Any, Children, Data, Persistent, PersistentRecursive};
    let cases = [
        (Kind::Data, &[Data, Any][..]),
        (Kind::Child, &[Children, Any]),
        (Kind::Persistent, &[Persistent, Any]),
        (Kind::Recursive, &[PersistentRecursive, Any]),
    ];
    let me = ConnectionId(1);
    for (kind, matching) in cases {
        for asked in [Children, Data, Any, Persistent, PersistentRecursive] {
            let mut hub = Hub::new(&[]);
            hub.watch(1, kind, "/a");
            hub.watch(2, Kind::Persistent, "/a/b");
            let expected = match matching.contains(&asked) {
                true => Ok(()),
                false => Err(ErrorCode::NO_WATCHER),
            };
            let watches = &mut hub.watches;
            let len = watches.len();
            assert_eq!(
                watches.check(me, "/a", asked),
                expected,
                "{kind:?} {asked:?}"
            );
            for (connection, path) in [(ConnectionId(2), "/a"), (me, "/a/b"), (me, "/")] {
                let refused = Err(ErrorCode::NO_WATCHER);
                assert_eq!(watches.check(connection, path, asked), refused);
                assert_eq!(watches.remove(connection, path, asked), refused);
            }
            assert_eq!(watches.len(), len);
            assert_eq!(
                watches.remove(me, "/a", asked),
                expected,
                "{kind:?} {asked:?}"
            );
            assert_eq!(watches.count_of(me) == 0, expected.is_ok());
            let again = watches.remove(me, "/a", asked);
            assert_eq!(again, Err(ErrorCode::NO_WATCHER));
        }
    }
}

#[test]
fn a_removal_leaves_the_other_modes() {
    let cases = [
        (WatcherType::Data, vec!["1 created /a/b", "1 children /a"]),
        (
            WatcherType::Children,
            vec!["1 created /a/b", "1 children /a"],
        ),
        (
            WatcherType::Persistent,
            vec!["1 created /a/b", "1 children /a"],
        ),
        (WatcherType::PersistentRecursive, vec!["1 children /a"]),
        (WatcherType::Any, vec![]),
    ];
    for (removed, events) in cases {
        let mut hub = Hub::new(&[create("/a", 0)]);
        for kind in [Kind::Data, Kind::Child, Kind::Persistent, Kind::Recursive] {
            hub.watch(1, kind, "/a");
        }
        assert_eq!(hub.watches.remove(ConnectionId(1), "/a", removed), Ok(()));
        assert_eq!(hub.run(&create("/a/b", 0)), events, "{removed:?}");
    }
}
