//! A member's clocks: one that runs at its own rate, and one that people set.

use lockkeeper_replica::Now;

/// Virtual time is in microseconds; the rate is in thousandths of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// 900 to 1100.
    pub(crate) rate: u64,
    /// What the wall clock is wrong by, ms.
    pub(crate) wall_off_ms: i64,
}

/// When worlds begin, ms since 1970.
const BEGIN_MS: i64 = 1_700_000_000_000;

impl Clock {
    pub(crate) fn mono_ms(&self, now: u64) -> u64 {
        (u128::from(now) * u128::from(self.rate) / 1_000_000) as u64
    }

    /// The first virtual moment at which the clock shows this.
    pub(crate) fn when(&self, mono_ms: u64) -> u64 {
        (u128::from(mono_ms) * 1_000_000).div_ceil(u128::from(self.rate)) as u64
    }

    pub(crate) fn now(&self, now: u64) -> Now {
        let mono_ms = self.mono_ms(now);
        Now {
            mono_ms,
            wall_ms: BEGIN_MS + mono_ms as i64 + self.wall_off_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_met_early() {
        for rate in [900, 999, 1000, 1001, 1100] {
            let clock = Clock {
                rate,
                wall_off_ms: 0,
            };
            for mono_ms in [0, 1, 7, 999, 1000, 123_456_789] {
                let when = clock.when(mono_ms);
                assert_eq!(clock.mono_ms(when), mono_ms);
                assert!(when == 0 || clock.mono_ms(when - 1) < mono_ms);
            }
        }
    }
}
