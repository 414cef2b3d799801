//! Which server is tried next, and how long to wait before.
//!
//! The list is shuffled once by a seed, then walked in a circle, so clients of one ensemble spread
//! without talking to each other. The first attempt after a link that held is made at once; further
//! ones wait, with jitter and a floor, so that neither a dead ensemble nor a server that accepts
//! and hangs up costs a busy loop.

use std::time::Duration;

use crate::connect_string::HostPort;

/// The shortest wait before an attempt that follows a failure.
const DELAY_MIN: Duration = Duration::from_millis(20);

/// The delays between rounds over the list: each call of `next` gives the following one.
///
/// The session adds its own seeded jitter, so an implementation should add none.
pub trait Backoff: Send {
    /// The delay before the next round.
    fn next(&mut self) -> Duration;

    /// Starts over: a link has held.
    fn reset(&mut self);
}

/// A small seeded generator (SplitMix64): enough for shuffling and jitter, the same on every run.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The server list, the place in it, and the failures since a link last held.
pub(crate) struct Endpoints {
    servers: Vec<HostPort>,
    next: usize,
    failures: usize,
    backoff: Box<dyn Backoff>,
    rng: Rng,
}

impl Endpoints {
    /// Shuffles the list.
    pub(crate) fn new(mut servers: Vec<HostPort>, backoff: Box<dyn Backoff>, mut rng: Rng) -> Self {
        assert!(!servers.is_empty(), "a connect string names a server");
        for last in (1..servers.len()).rev() {
            servers.swap(last, rng.below(last as u64 + 1) as usize);
        }
        Self {
            servers,
            next: 0,
            failures: 0,
            backoff,
            rng,
        }
    }

    /// Takes the next server.
    pub(crate) fn advance(&mut self) -> HostPort {
        let server = self.servers[self.next].clone();
        self.next = (self.next + 1) % self.servers.len();
        server
    }

    /// Attempts until every server has been tried in this round; at least 1.
    pub(crate) fn attempts_left(&self) -> u32 {
        (self.servers.len() - self.failures % self.servers.len()) as u32
    }

    /// A link has held: the next loss is answered with an attempt at once.
    pub(crate) fn held(&mut self) {
        self.failures = 0;
        self.backoff.reset();
    }

    /// Counts a failed attempt and gives the wait before the next one: after a round over all
    /// servers a longer one, but before jitter not above `max`.
    pub(crate) fn delay_after_failure(&mut self, max: Duration) -> Duration {
        self.failures += 1;
        let delay = if self.failures.is_multiple_of(self.servers.len()) {
            self.backoff.next().min(max).max(DELAY_MIN)
        } else {
            DELAY_MIN
        };
        self.jittered(delay)
    }

    /// Between the delay and twice the floor or one and a half times the delay.
    fn jittered(&mut self, delay: Duration) -> Duration {
        let span = (delay / 2).max(DELAY_MIN);
        delay + Duration::from_nanos(self.rng.below(span.as_nanos() as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Duration);

    impl Backoff for Fixed {
        fn next(&mut self) -> Duration {
            self.0
        }

        fn reset(&mut self) {}
    }

    fn endpoints(count: u16, seed: u64) -> Endpoints {
        let servers = (1..=count)
            .map(|port| HostPort {
                host: "h".into(),
                port,
            })
            .collect();
        Endpoints::new(
            servers,
            Box::new(Fixed(Duration::from_secs(1))),
            Rng::new(seed),
        )
    }

    #[test]
    fn seeds_spread_and_rounds_visit_everyone() {
        let mut first = [0; 3];
        for seed in 0..300 {
            let mut list = endpoints(3, seed);
            let mut round: Vec<_> = (0..3).map(|_| list.advance().port).collect();
            first[usize::from(round[0]) - 1] += 1;
            assert_eq!(list.advance().port, round[0]);
            round.sort_unstable();
            assert_eq!(round, [1, 2, 3]);
        }
        assert!(first.iter().all(|&count| count > 60), "{first:?}");
    }

    #[test]
    fn waits_have_a_floor_and_rounds_wait_longer() {
        let mut list = endpoints(2, 7);
        assert_eq!(list.attempts_left(), 2);
        let max = Duration::from_secs(60);
        let within = list.delay_after_failure(max);
        assert!(within >= DELAY_MIN && within <= 2 * DELAY_MIN);
        assert_eq!(list.attempts_left(), 1);
        let round = list.delay_after_failure(max);
        assert!(round >= Duration::from_secs(1) && round <= Duration::from_millis(1500));
        list.delay_after_failure(max);
        let bounded = list.delay_after_failure(Duration::from_millis(200));
        assert!(bounded >= Duration::from_millis(200) && bounded <= Duration::from_millis(300));
        list.held();
        assert_eq!(list.attempts_left(), 2);
    }
}
