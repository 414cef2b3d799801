//! Where a few transactions are logged that come while nothing is on its way to the disk, and when.
//!
//! The thread of the replica can log them itself, without waking another. Where it serves
//! connections as well these wait meanwhile, so there it does so only if they wait for little: the
//! disk is quick, and few reads come during a sync.
//!
//! An event sets off what several clients do next: at a lock's release one comes back into the queue
//! and another enters, releases and sets off the next event. One write after the other, each would
//! come during the sync of the one before. So the first write behind an event waits a moment for a
//! second, and one sync makes both durable. Where none comes the moment is lost, so each time in
//! vain doubles the number of events that are passed over before the next try.

use std::time::{Duration, Instant};

/// Most transactions that are not handed to the disk's thread. Of more, the next could be prepared
/// meanwhile.
const COUNT_MAX: usize = 8;

/// A disk that takes longer for a sync holds up no connections.
const SYNC_MAX: Duration = Duration::from_micros(500);

/// A sync that takes less is not worth waiting for another write.
const SYNC_MIN: Duration = Duration::from_micros(20);

/// Most pieces of reads that come during a sync, on the average.
const READS_MAX: u64 = 4;

/// How long a write waits for another one, how long an event makes it do so: the least that the
/// loop's timer can do. What comes later than a sync takes counts as not come at all.
const WAIT_MAX: Duration = Duration::from_millis(1);

/// Most events in a row that are passed over.
const PASSES_MAX: u32 = 255;

/// What to do with transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Log them on this thread.
    Here,
    /// Hand them to the disk's thread.
    Disk,
    /// Ask again when there is another one, or at [`Lone::wake_at`].
    Later,
}

/// What the way depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub(crate) now: Instant,
    /// Transactions that are to be logged.
    pub(crate) count: usize,
    /// How long the last sync took.
    pub(crate) sync: Duration,
    /// Pieces of reads answered so far by the replica's thread.
    pub(crate) reads: u64,
}

/// The decision, and what has been seen of earlier ones.
#[derive(Debug)]
pub(crate) struct Lone {
    serves_connections: bool,
    /// When the last transactions came this way, but for the time that reads were held up since;
    /// and the reads by then.
    before: (Instant, u64),
    /// When an event left that no transaction has followed.
    event: Option<Instant>,
    /// When the wait for another transaction began.
    waiting: Option<Instant>,
    /// Events to be passed over before the next wait, and how many they were at first.
    passes: u32,
    passes_first: u32,
}

impl Lone {
    pub(crate) fn new(serves_connections: bool, now: Instant) -> Self {
        Self {
            serves_connections,
            before: (now, 0),
            event: None,
            waiting: None,
            passes: 0,
            passes_first: 0,
        }
    }

    /// When a wait is over.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.waiting.map(|since| since + WAIT_MAX)
    }

    /// What waited has gone another way.
    pub(crate) fn end_wait(&mut self) {
        self.waiting = None;
    }

    /// Events have left.
    pub(crate) fn note_event(&mut self, now: Instant) {
        self.event = Some(now);
    }

    /// A sync has held up this thread: whoever waited could not read more often.
    pub(crate) fn note_sync(&mut self, took: Duration) {
        self.before.0 += took;
    }

    /// The way for at least one transaction.
    pub(crate) fn way(&mut self, at: Situation) -> Way {
        if !self.serves_connections {
            return match at.count <= COUNT_MAX {
                true => Way::Here,
                false => Way::Disk,
            };
        }
        if self.waits(at) {
            return Way::Later;
        }
        let (then, reads) = std::mem::replace(&mut self.before, (at.now, at.reads));
        let elapsed = at.now.saturating_duration_since(then);
        let few_reads = (at.reads - reads) as f64 * at.sync.as_secs_f64()
            <= READS_MAX as f64 * elapsed.as_secs_f64();
        match at.count <= COUNT_MAX && at.sync <= SYNC_MAX && few_reads {
            true => Way::Here,
            false => Way::Disk,
        }
    }

    fn waits(&mut self, at: Situation) -> bool {
        let alone = at.count == 1;
        if let Some(since) = self.waiting {
            let waited = at.now.saturating_duration_since(since);
            if alone && waited < WAIT_MAX {
                return true;
            }
            self.waiting = None;
            self.passes_first = match waited <= at.sync {
                true => 0,
                false => (2 * self.passes_first + 1).min(PASSES_MAX),
            };
            self.passes = self.passes_first;
            return false;
        }
        let follows = |event| at.now.saturating_duration_since(event) < WAIT_MAX;
        let follows = self.event.take().is_some_and(follows);
        if !(alone && follows && (SYNC_MIN..=SYNC_MAX).contains(&at.sync)) {
            return false;
        }
        if self.passes > 0 {
            self.passes -= 1;
            return false;
        }
        self.waiting = Some(at.now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(100);

    /// A thread with connections, and a clock.
    struct Course {
        lone: Lone,
        at: Situation,
    }

    impl Course {
        fn new() -> Self {
            let now = Instant::now();
            let (count, reads, sync) = (1, 0, SYNC);
            Self {
                lone: Lone::new(true, now),
                at: Situation {
                    now,
                    count,
                    sync,
                    reads,
                },
            }
        }

        /// What becomes of `count` transactions so many us later.
        fn way(&mut self, us: u64, count: usize) -> Way {
            self.at.now += Duration::from_micros(us);
            self.at.count = count;
            self.lone.way(self.at)
        }

        fn event(&mut self, us: u64) {
            self.at.now += Duration::from_micros(us);
            self.lone.note_event(self.at.now);
        }
    }

    #[test]
    fn a_write_behind_an_event_waits_for_a_second_one_as_long_as_one_comes() {
        let mut course = Course::new();
        assert_eq!(course.way(100, 1), Way::Here);
        for _ in 0..1000 {
            course.event(100);
            assert_eq!(course.way(50, 1), Way::Later);
            assert_eq!(course.way(50, 2), Way::Here);
        }
        // Not behind the one that has been followed, nor long behind one.
        assert_eq!(course.way(50, 1), Way::Here);
        course.event(100);
        assert_eq!(course.way(1000, 1), Way::Here);
    }

    #[test]
    fn waiting_in_vain_becomes_rare() {
        let mut course = Course::new();
        let mut waits = Vec::new();
        for round in 0..2000 {
            course.event(1000);
            match course.way(50, 1) {
                Way::Here => {}
                Way::Later => {
                    waits.push(round);
                    assert_eq!(course.way(10, 1), Way::Later);
                    let end = course.lone.wake_at().expect("a wait ends");
                    course.at.now = end;
                    assert_eq!(course.way(0, 1), Way::Here);
                }
                Way::Disk => panic!("nobody reads"),
            }
        }
        assert_eq!(waits[..5], [0, 2, 6, 14, 30]);
        let last = &waits[waits.len() - 2..];
        assert_eq!(last[1] - last[0], 256);
        // One that comes later than a sync takes is in vain, too.
        let mut course = Course::new();
        course.event(100);
        assert_eq!(course.way(50, 1), Way::Later);
        assert_eq!(course.way(101, 2), Way::Here);
        course.event(100);
        assert_eq!(course.way(50, 1), Way::Here);
    }

    #[test]
    fn a_sync_that_holds_up_connections_is_the_disks_threads() {
        let mut course = Course::new();
        assert_eq!(course.way(100, 8), Way::Here);
        assert_eq!(course.way(100, 9), Way::Disk);
        course.at.reads += 4;
        assert_eq!(course.way(100, 1), Way::Here);
        course.at.reads += 5;
        assert_eq!(course.way(100, 1), Way::Disk);
        course.at.reads += 5;
        assert_eq!(course.way(1000, 1), Way::Here);
        // A reader that has to wait for each sync reads less only for that reason.
        course.lone.note_sync(SYNC);
        course.at.reads += 4;
        assert_eq!(course.way(150, 1), Way::Disk);
        course.at.sync = Duration::from_millis(5);
        assert_eq!(course.way(1_000_000, 1), Way::Disk);
    }

    #[test]
    fn a_wait_that_others_have_ended_wakes_nobody() {
        let mut course = Course::new();
        course.event(100);
        assert_eq!(course.way(50, 1), Way::Later);
        course.lone.end_wait();
        assert_eq!(course.lone.wake_at(), None);
        assert_eq!(course.way(10_000, 1), Way::Here);
    }

    #[test]
    fn a_thread_without_connections_holds_up_none() {
        let mut course = Course::new();
        course.lone.serves_connections = false;
        course.at.sync = Duration::from_millis(5);
        course.at.reads += 1_000_000;
        course.event(1);
        assert_eq!(course.way(1, 8), Way::Here);
        assert_eq!(course.way(1, 9), Way::Disk);
    }
}
