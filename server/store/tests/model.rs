//! Random writes against a naive model: whatever is outstanding when a write is judged, outcome and
//! tree are those of one write after the other, and every server that applies them agrees.

mod common;

use common::random::{Outstanding, Pair, Step, step};
use common::{acl_of, children_of, data_of};
use lockkeeper_check::tree::{Naive, Node};
use lockkeeper_store::{Overlay, Store};
use lockkeeper_wire::{Record, TxnEntry};
use proptest::prelude::*;
use proptest::test_runner::Config;

fn assert_same(store: &Store, model: &Naive) {
    assert_eq!(store.digest(), model.digest());
    let counts = store.counts();
    assert_eq!(counts.znodes, model.nodes.len());
    let size = |(path, node): (&String, &Node)| {
        path.trim_end_matches('/').len() + node.data.as_ref().map_or(0, |data| data.len())
    };
    assert_eq!(
        counts.data_bytes,
        model.nodes.iter().map(size).sum::<usize>() as u64
    );
    for (path, node) in &model.nodes {
        assert_eq!(store.stat(path), Some(model.stat(path)), "{path}");
        assert_eq!(data_of(store, path), node.data, "{path}");
        assert_eq!(acl_of(store, path), node.acl, "{path}");
        assert_eq!(children_of(store, path), model.children(path), "{path}");
    }
    let sessions = model.sessions.iter().map(|(&id, &timeout)| (id, timeout));
    assert!(store.sessions().eq(sessions));
    let mut ephemerals = 0;
    for &session in model.sessions.keys() {
        let owned = model.ephemerals(session);
        ephemerals += owned.len();
        assert!(store.ephemerals(session).eq(owned), "{session}");
    }
    assert_eq!(counts.ephemerals, ephemerals);
}

/// Applies one on the leader and, by way of its bytes, on a follower.
fn apply(pair: &mut Pair, follower: &mut Store, next: Outstanding) {
    let Outstanding {
        entry,
        wanted,
        outcome,
        after,
    } = next;
    assert_eq!(entry.digest.is_some(), outcome.is_ok(), "{entry:?}");
    let mut applied = pair.server.apply(&entry);
    applied.give_stats(&wanted);
    assert_eq!(applied.outcome, outcome, "{entry:?}");
    assert_eq!(pair.server.store.digest(), after.digest(), "{entry:?}");

    let bytes = entry.to_bytes();
    let decoded = TxnEntry::from_bytes(&bytes).expect("what was encoded decodes");
    assert_eq!(decoded, entry);
    let mut there = follower.apply(&decoded);
    there.give_stats(&wanted);
    assert_eq!(there.outcome, applied.outcome);
    assert_eq!(there.changes, applied.changes);
    assert!(!there.misfit && !there.digest_mismatch);
    assert_same(follower, &after);
}

fn run(steps: &[Step]) {
    let mut pair = Pair::new();
    let mut follower = Store::new(99);
    for step in steps {
        pair.prep(step);
        if let Step::Apply(count) = step {
            for _ in 0..*count {
                let Some(next) = pair.outstanding.pop_front() else {
                    break;
                };
                apply(&mut pair, &mut follower, next);
            }
        }
    }
    while let Some(next) = pair.outstanding.pop_front() {
        apply(&mut pair, &mut follower, next);
    }
    assert_same(&pair.server.store, &pair.model);
    let left = format!("{:?}", pair.server.overlay);
    assert_eq!(left, format!("{:?}", Overlay::new()), "nothing is left");
}

proptest! {
    #![proptest_config(Config { cases: 16, failure_persistence: None, ..Config::default() })]

    #[test]
    fn writes_behave_as_one_after_the_other(
        steps in prop::collection::vec(step(), 100..600),
    ) {
        run(&steps);
    }
}
