//! The delays between rounds over the server list, by the `backoff` crate.
//!
//! Only its growth is used. Its jitter is off and its clock stands still, because both would bring
//! in what a simulated run cannot repeat; the session adds seeded jitter of its own.

use std::time::{Duration, Instant};

use backoff::Clock;
use backoff::backoff::Backoff as _;
use backoff::exponential::ExponentialBackoff;

const DELAY_FIRST: Duration = Duration::from_millis(100);
/// As in Apache's client.
const DELAY_MAX: Duration = Duration::from_secs(1);
const GROWTH: f64 = 2.0;

/// Doubles from 100 ms up to 1 s.
pub(crate) struct Delays(ExponentialBackoff<StoppedClock>);

struct StoppedClock(Instant);

impl Clock for StoppedClock {
    fn now(&self) -> Instant {
        self.0
    }
}

impl Delays {
    /// `now` is any instant: no time passes in here.
    pub(crate) fn new(now: Instant) -> Self {
        Self(ExponentialBackoff {
            current_interval: DELAY_FIRST,
            initial_interval: DELAY_FIRST,
            randomization_factor: 0.0,
            multiplier: GROWTH,
            max_interval: DELAY_MAX,
            start_time: now,
            max_elapsed_time: None,
            clock: StoppedClock(now),
        })
    }
}

impl lockkeeper_session::Backoff for Delays {
    fn next(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(DELAY_MAX)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use lockkeeper_session::Backoff as _;

    use super::*;

    #[test]
    fn doubles_to_the_limit_without_jitter() {
        let mut delays = Delays::new(Instant::now());
        let first: Vec<_> = (0..5).map(|_| delays.next().as_millis()).collect();
        assert_eq!(first, [100, 200, 400, 800, 1000]);
        delays.reset();
        assert_eq!(delays.next(), DELAY_FIRST);
    }
}
