//! Bare peers in a world that goes wrong: from seeds, with the invariants checked at every step, and
//! then mended, to see that they find together again.
//!
//! `LOCKKEEPER_ZAB_SEEDS` is how many seeds each test tries, `LOCKKEEPER_ZAB_SEED` the only one. A
//! seed that fails is printed.

mod chaos;
mod checks;
mod disk;
mod effects;
mod life;
mod member;
mod net;
mod rng;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use member::Ensemble;
use world::World;

/// Simulated time in which things go wrong, ms.
const FAULTS_MS: u64 = 20_000;

/// Simulated time in which all has to be well again, ms: ten elections.
const LIVENESS_MS: u64 = 20_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Tries seeds, each in an ensemble of this size.
fn simulate(ensemble: Ensemble, seeds: u64) -> BTreeMap<&'static str, u64> {
    let range = match setting("LOCKKEEPER_ZAB_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("LOCKKEEPER_ZAB_SEEDS").unwrap_or(seeds),
    };
    let mut reach = BTreeMap::new();
    for seed in range {
        let run = catch_unwind(AssertUnwindSafe(|| run(seed, &ensemble)));
        match run {
            Ok(world) => {
                for (what, count) in world.reach {
                    *reach.entry(what).or_insert(0) += count;
                }
                *reach.entry("transaction").or_insert(0) += world.checks.agreed.len() as u64;
            }
            Err(panic) => {
                eprintln!("LOCKKEEPER_ZAB_SEED={seed} fails with {ensemble:?}");
                resume_unwind(panic);
            }
        }
    }
    println!("{reach:?}");
    reach
}

fn run(seed: u64, ensemble: &Ensemble) -> World {
    let mut world = World::new(seed, ensemble);
    world.trace = setting("LOCKKEEPER_ZAB_SEED").is_some();
    world.run_until(FAULTS_MS);
    world.calm_down();
    settle(&mut world);
    world
}

/// All is mended: everything has to be well in time, and a write made then reaches everyone.
fn settle(world: &mut World) {
    let end_ms = world.now_ms + LIVENESS_MS;
    world.run_until(world.now_ms + 5_000);
    world.loads = false;
    let mut written = None;
    while world.now_ms < end_ms {
        world.run_until(world.now_ms + 100);
        if !world.is_settled() {
            continue;
        }
        match written {
            Some(zxid)
                if world
                    .checks
                    .agreed
                    .last()
                    .is_some_and(|txn| txn.zxid >= zxid) =>
            {
                return;
            }
            Some(_) => {}
            None => written = (0..world.members.len()).find_map(|member| world.propose(member)),
        }
    }
    let roles: Vec<_> = world
        .members
        .iter()
        .map(|member| {
            let peer = member
                .peer
                .as_ref()
                .map(|peer| (peer.role(), peer.last_logged(), peer.epochs()));
            (member.serving, member.store.len(), peer)
        })
        .collect();
    panic!(
        "not settled: {} agreed, {roles:?}",
        world.checks.agreed.len()
    );
}

#[test]
fn three_members_agree() {
    let ensemble = Ensemble {
        voters: 3,
        ..Ensemble::default()
    };
    simulate(ensemble, 150);
}

#[test]
fn five_members_agree() {
    let ensemble = Ensemble {
        voters: 5,
        ..Ensemble::default()
    };
    simulate(ensemble, 50);
}

#[test]
fn members_and_observers_agree() {
    let ensemble = Ensemble {
        voters: 3,
        observers: 1,
        ..Ensemble::default()
    };
    simulate(ensemble, 50);
}

#[test]
fn one_member_agrees_with_itself() {
    let ensemble = Ensemble {
        voters: 1,
        ..Ensemble::default()
    };
    simulate(ensemble, 10);
}

#[test]
fn members_whose_disks_are_emptied_agree() {
    let ensemble = Ensemble {
        voters: 3,
        empties: true,
        ..Ensemble::default()
    };
    let reach = simulate(ensemble, 50);
    assert!(reach["empty disk"] > 0);
}

#[test]
fn members_that_change_agree() {
    let ensemble = Ensemble {
        voters: 3,
        strangers: 2,
        changes: true,
        ..Ensemble::default()
    };
    let reach = simulate(ensemble, 50);
    assert!(reach["change"] > 0);
}
