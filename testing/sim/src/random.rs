//! The one source of choices: equal seeds give equal worlds.

use std::ops::Range;

/// SplitMix64. Parts of a world draw from sources of their own, so that one more draw in one part
/// leaves the others as they were.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The source of a part of the world.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut random = Self(seed ^ part.wrapping_mul(0xa076_1d64_78bd_642f));
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// True once in `n` times; never for 0.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// A time with a heavy tail around `mean`: mostly near it, now and then many times as long.
    pub(crate) fn around(&mut self, mean: u64) -> u64 {
        let base = self.within(mean / 2..mean + mean / 2 + 2);
        match self.below(100) {
            0 => base * 100,
            1..5 => base * 10,
            _ => base,
        }
    }
}
