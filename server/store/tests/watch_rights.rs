//! Events go only to who may read what they are about, and a watch is spent all the same.

mod common;

use common::hub::{Hub, Kind};
use common::{create, create_with, delete, local, set};
use lockkeeper_store::{ConnectionId, Identities, Watches, digest_identity};
use lockkeeper_wire::acl::{ALL, READ};
use lockkeeper_wire::{Acl, Request};

fn alice() -> Identities {
    [digest_identity(b"alice:pw")].into()
}

/// Connection 1 is alice and may read; 2 is not and may not.
fn guarded(requests: &[Request]) -> Hub {
    let mut hub = Hub::new(requests);
    hub.identify(1, alice());
    hub
}

/// Everybody may do everything but read.
fn for_alice() -> Vec<Acl> {
    let rest = Acl::new(ALL & !READ, "world", "anyone");
    vec![rest, Acl::new(READ, "digest", &*alice()[0].id)]
}

#[test]
fn who_may_not_read_is_not_told_and_has_spent_the_watch() {
    let hidden = |path: &str| create_with(path, for_alice());
    let open = |path: &str| create(path, 0);
    // What is there, the change, and which of "node" and "parent" the stranger hears.
    let cases = [
        (vec![open("/p")], hidden("/p/n"), false, true),
        (vec![hidden("/p")], open("/p/n"), true, false),
        (
            vec![open("/p"), hidden("/p/n")],
            delete("/p/n", -1),
            false,
            true,
        ),
        (
            vec![hidden("/p"), open("/p/n")],
            delete("/p/n", -1),
            true,
            false,
        ),
        (
            vec![open("/p"), hidden("/p/n")],
            set("/p/n", "", -1),
            false,
            false,
        ),
        (
            vec![hidden("/p"), open("/p/n")],
            set("/p/n", "", -1),
            true,
            false,
        ),
    ];
    for (before, change, node, parent) in cases {
        let mut hub = guarded(&before);
        for connection in [1, 2] {
            hub.watch(connection, Kind::Data, "/p/n");
            hub.watch(connection, Kind::Child, "/p");
        }
        let is_set = matches!(change, Request::SetData(_));
        let events = hub.run(&change);
        let heard = |who: &str, what: &str| {
            events
                .iter()
                .any(|event| event.starts_with(who) && event.ends_with(what))
        };
        assert!(heard("1 ", " /p/n"), "{change:?}");
        assert_eq!(heard("1 ", "children /p"), !is_set);
        assert_eq!(heard("2 ", " /p/n"), node, "{change:?}");
        assert_eq!(heard("2 ", "children /p"), parent, "{change:?}");
        let left = if is_set { 1 } else { 0 };
        assert_eq!(
            hub.watches.count_of(ConnectionId(2)),
            left,
            "spent all the same"
        );
    }
}

/// The data table has dealt with a connection even when it told it nothing.
#[test]
fn a_suppressed_deletion_is_not_told_through_the_other_table() {
    let mut hub = guarded(&[create_with("/n", for_alice())]);
    for connection in [1, 2] {
        hub.watch(connection, Kind::Data, "/n");
        hub.watch(connection, Kind::Child, "/n");
    }
    assert_eq!(hub.run(&delete("/n", -1)), ["1 deleted /n"]);
    assert!(hub.watches.is_empty());
}

#[test]
fn identities_are_those_of_the_moment() {
    let mut hub = guarded(&[create_with("/n", for_alice())]);
    hub.watch(2, Kind::Persistent, "/n");
    assert!(hub.run(&set("/n", "", -1)).is_empty());
    hub.identify(2, alice());
    assert_eq!(hub.run(&set("/n", "", -1)), ["2 changed /n"]);
    hub.identify(2, local());
    assert!(hub.run(&set("/n", "", -1)).is_empty());
}

#[test]
fn a_server_that_skips_access_lists_tells_everybody() {
    let mut hub = guarded(&[create_with("/n", for_alice())]);
    hub.watches = Watches::new().skip_acl(true);
    hub.watch(2, Kind::Data, "/n");
    assert_eq!(hub.run(&set("/n", "", -1)).len(), 1);
}
