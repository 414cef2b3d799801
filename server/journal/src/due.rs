//! When the next snapshot is due (`SyncRequestProcessor`).
//!
//! Each server draws its own threshold between half the setting and the whole of it, so that an
//! ensemble does not write its snapshots all at once. The draws come from a seed, not from the
//! machine, so a run can be repeated.

use crate::settings::Settings;

/// Counts what was logged since the last roll.
#[derive(Debug)]
pub(crate) struct Due {
    random: u64,
    records: u64,
    bytes: u64,
    records_max: u64,
    bytes_max: u64,
}

impl Due {
    pub(crate) fn new(settings: &Settings) -> Due {
        let mut due = Due {
            random: settings.seed,
            records: 0,
            bytes: 0,
            records_max: 0,
            bytes_max: 0,
        };
        due.draw(settings);
        due
    }

    pub(crate) fn draw(&mut self, settings: &Settings) {
        let half = u64::from(settings.snap_count.max(2)) / 2;
        let half_size = settings.snap_size_limit / 2;
        (self.records, self.bytes) = (0, 0);
        self.records_max = half + self.next() % half;
        self.bytes_max = match half_size {
            0 => u64::MAX,
            half => half + self.next() % half,
        };
    }

    pub(crate) fn count(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }

    pub(crate) fn reached(&self) -> bool {
        self.records > self.records_max || self.bytes > self.bytes_max
    }

    /// SplitMix64: evenness is all that is asked of it.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_between_half_the_count_and_all_of_it() {
        let mut settings = Settings::new("/data");
        for (count, size, seed) in [(0, 0, 1), (2, 2, 2), (3, 1000, 3), (1000, 77, 4), (7, 0, 5)] {
            (settings.snap_count, settings.snap_size_limit, settings.seed) = (count, size, seed);
            let mut due = Due::new(&settings);
            for _ in 0..100 {
                let count = u64::from(count.max(2));
                assert!((count / 2..count).contains(&due.records_max));
                assert!(size == 0 || (size / 2..size).contains(&due.bytes_max));
                due.count(due.records_max, 0);
                assert!(!due.reached());
                due.count(1, 0);
                assert!(due.reached());
                due.draw(&settings);
                assert!(!due.reached());
            }
        }
    }
}
