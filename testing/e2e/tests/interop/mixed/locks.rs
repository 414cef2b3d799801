//! One lock, wanted by Curator and by us, on servers of two makes whose leaders die.

use lockkeeper_e2e::{Ensemble, MutexPeer, Oracle, Peer, wait};

use super::{await_whole, cast, names, newcomer};
use crate::common::LONG;
use crate::mutexes::lockkeeper;

const SESSIONS: u32 = 4;
const TURNS: u32 = 150;

/// Nobody is let in beside another one, and fences rise, while leaders of both makes are killed.
#[test]
fn curator_and_we_share_a_lock_through_changes_of_leaders() {
    for old in [Peer::Apache39, Peer::Apache38] {
        let new = newcomer(old);
        let (mut ensemble, _network) =
            Ensemble::start_led(&cast(&[old, old, new])).expect("it starts");
        println!("{}", names(&ensemble));
        let connect = ensemble.connect_string();
        let oracle = Oracle::start().expect("a loopback port");
        let mut contenders = [
            MutexPeer::curator(&connect, "/lock", "curator").expect("it connects"),
            lockkeeper(&connect, "/lock", "lockkeeper").expect("it connects"),
        ];
        for contender in &mut contenders {
            let begun = contender.begin_run(TURNS, oracle.address(), SESSIONS);
            begun.expect("it listens");
        }
        let turns = || oracle.report().total();
        for _ in 0..3 {
            let before = turns();
            wait::until("some turns", LONG, || (turns() > before + 50).then_some(()))
                .expect("they contend");
            let leader = ensemble.await_leader().expect("someone leads");
            ensemble.member_mut(leader).kill().expect("it runs");
            println!("  {} killed", ensemble.members()[leader].peer());
            ensemble.await_leader().expect("someone else leads");
            ensemble
                .member_mut(leader)
                .restart()
                .expect("it comes back");
            await_whole(&mut ensemble);
        }
        let killed_after = turns();
        for contender in &mut contenders {
            let total = contender.end_run(2 * LONG).unwrap_or_else(|error| {
                let violations = oracle.report().violations;
                panic!("{old}: {error}\n{violations:?}");
            });
            assert_eq!(total, SESSIONS * TURNS, "{old}");
        }
        let report = oracle.report();
        assert_eq!(report.violations, [""; 0], "{old}");
        assert_eq!(report.total(), 2 * SESSIONS * TURNS, "{old}");
        assert!(report.total() > killed_after, "{old}: it died too late");
        for contender in contenders {
            contender.quit().expect("an orderly end");
        }
    }
}
