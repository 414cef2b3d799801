//! One seed's world before it begins: who is there, how small the limits are, what will go wrong.
//!
//! Everything is drawn apart from everything else (Groce and others, *Swarm testing*, ISSTA 2012):
//! a world in which only one kind of fault happens finds what one with all of them hides.

use crate::clock::Clock;
use crate::faults::{FAULTS, Plan};
use crate::member::MemberSettings;
use crate::net::NetSettings;
use crate::random::Random;
use crate::workload::{KINDS, Kind};

/// A world in numbers.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) clients: Vec<Kind>,
    pub(crate) members: usize,
    pub(crate) session_timeout_ms: u64,
    pub(crate) call_timeout_ms: Option<u64>,
    pub(crate) think: u64,
    pub(crate) net: NetSettings,
    pub(crate) member: MemberSettings,
    pub(crate) clocks: Vec<Clock>,
    pub(crate) plans: Vec<Plan>,
    /// How long faults go on, microseconds.
    pub(crate) lasts: u64,
}

impl Swarm {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed, 2);
        let members = 1;
        let tick_ms = *random.pick(&[100, 250, 500, 1000]);
        let session_timeout_ms = tick_ms * random.within(3..12);
        let clients = (0..1 + random.below(8))
            .map(|_| *random.pick(KINDS))
            .collect();
        let step = *random.pick(&[5, 20, 100, 1000]);
        let member = MemberSettings {
            tick_ms,
            snap_count: *random.pick(&[2, 7, 7, 50, 1000]),
            preallocate: *random.pick(&[4096, 16384]),
            outstanding_max: *random.pick(&[1, 3, 1000]),
            container_check_ms: *random.pick(&[500, 5000]),
            container_never_used_ms: *random.pick(&[0, 2000]),
            step,
            sync: step * *random.pick(&[2, 10, 50]),
        };
        let clock = |random: &mut Random| Clock {
            rate: random.within(900..1101),
            wall_off_ms: random.below(2000) as i64 - 1000,
        };
        let clocks = (0..members).map(|_| clock(&mut random)).collect();
        let lasts = random.within(10..60) * 1_000_000;
        Self {
            clients,
            members,
            session_timeout_ms,
            call_timeout_ms: random.one_in(4).then_some(session_timeout_ms / 2),
            think: *random.pick(&[2_000, 20_000, 100_000]),
            net: NetSettings {
                delay: *random.pick(&[50, 500, 5_000]),
                chunked_one_in: *random.pick(&[0, 2, 20]),
            },
            member,
            clocks,
            plans: plans(seed, lasts, &mut random),
            lasts,
        }
    }
}

/// Half of the kinds, from a few in a world to many.
fn plans(seed: u64, lasts: u64, random: &mut Random) -> Vec<Plan> {
    let mut plans = Vec::new();
    for kind in FAULTS {
        let often = *random.pick(&[2, 5, 15, 30]);
        if random.one_in(2) {
            plans.push(Plan {
                kind,
                every: lasts / often,
                random: Random::new(seed, 100 + kind as u64),
                count: 0,
            });
        }
    }
    plans
}
