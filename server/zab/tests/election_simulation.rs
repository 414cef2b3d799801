//! Whole ensembles that elect, lose one another, crash and come back, in a world that a seed
//! decides: whatever happens, in the end there is one leader that a quorum follows, and nothing that
//! a quorum had is lost by an election.
//!
//! The servers are [`Election`]s; what comes after an election is modelled by the least that gives it
//! a meaning: a leader is established when a quorum has joined it that has no more than it has, what
//! joins takes over its log, and what a quorum of them logged then is committed.

mod common;
mod world;

use world::{Trouble, World};

/// Runs every seed, and names the one that fails.
fn for_seeds(seeds: std::ops::Range<u64>, run: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            println!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Everybody is there from the start, messages take their time, and nothing is lost.
#[test]
fn servers_that_start_together_elect_within_a_second() {
    for voters in [1, 2, 3, 5, 7] {
        for_seeds(0..100, |seed| {
            let mut world = World::new(seed, voters, 0, Trouble::None);
            world.run_until_settled(1_000);
        });
    }
}

#[test]
fn ensembles_of_three_survive_anything() {
    for_seeds(0..400, |seed| {
        let mut world = World::new(seed, 3, 1, Trouble::All);
        world.run_for(30_000);
        world.end_trouble();
        world.run_until_settled(150_000);
    });
}

#[test]
fn ensembles_of_five_survive_anything() {
    for_seeds(0..250, |seed| {
        let mut world = World::new(seed, 5, 1, Trouble::All);
        world.run_for(30_000);
        world.end_trouble();
        world.run_until_settled(150_000);
    });
}

/// A minority that never comes back.
#[test]
fn the_others_elect_without_those_that_are_gone() {
    for (voters, gone) in [(3, 1), (5, 1), (5, 2)] {
        for_seeds(0..100, |seed| {
            let mut world = World::new(seed, voters, 0, Trouble::All);
            world.run_for(10_000);
            world.end_trouble();
            for _ in 0..gone {
                world.crash_leader_for_good();
            }
            world.run_until_settled(150_000);
        });
    }
}

/// Two servers whose leader is gone need not wait for it: the last wait alone would take 200 ms.
#[test]
fn a_crash_costs_no_last_wait() {
    for_seeds(0..100, |seed| {
        let mut world = World::new(seed, 3, 0, Trouble::None);
        world.run_until_settled(1_000);
        world.crash_leader_for_good();
        world.run_until_settled(180);
    });
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| {
        let mut world = World::new(seed, 5, 1, Trouble::All);
        world.run_for(30_000);
        world.end_trouble();
        world.run_until_settled(150_000);
        world.history
    };
    for seed in 0..20 {
        assert_eq!(history(seed), history(seed), "seed {seed}");
    }
    assert_ne!(history(1), history(2));
}
