//! What everything in a world shares: virtual time, the queue of what will happen, the network, and
//! the record of what did.
//!
//! A world is one thread. The lock is there because the client's runtime is asked to be `Sync`; it is
//! never held while a task runs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use crate::faults::FaultKind;
use crate::member::Step;
use crate::net::{Net, Towards};
use crate::random::Random;
use crate::record::Record;

/// A process of a client.
pub(crate) type ProcessId = usize;

/// What will happen.
pub(crate) enum Event {
    /// A timer of a client has run out.
    Timer(Arc<Timer>),
    /// The next packet of a link arrives.
    Arrives(u64, Towards),
    /// A member does the next step of what it is about; one that has died since does not.
    Member(usize, u64, Step),
    /// A dead member starts again.
    Restart(usize),
    /// A fault begins.
    Fault(FaultKind),
    /// A fault ends.
    Mend(Mend),
}

/// The end of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mend {
    Cut { client: usize, member: usize },
    Clog { client: usize, member: usize },
    Member(usize),
    Pause(usize),
    Slow(usize),
    Process(ProcessId),
}

struct Entry {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A moment that a task waits for.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    state: Mutex<(bool, Option<Waker>)>,
}

impl Timer {
    /// Whether it has run out; if not, the waker is kept.
    pub(crate) fn poll(&self, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        if !state.0 {
            state.1 = Some(waker.clone());
        }
        state.0
    }

    pub(crate) fn fire(&self) {
        let mut state = lock(&self.state);
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The part of a world that tasks may touch.
pub(crate) struct Core {
    /// Microseconds since the world began.
    pub(crate) now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    pub(crate) random: Random,
    pub(crate) net: Net,
    pub(crate) record: Record,
    /// Everything that happened, as one number.
    pub(crate) hash: u64,
    pub(crate) events: u64,
    /// Faults have stopped: work is to be finished.
    pub(crate) healing: bool,
    /// Clients that have nothing more to do.
    pub(crate) finished: usize,
    /// Tasks to be started.
    pub(crate) spawned: Vec<(ProcessId, BoxFuture<'static, ()>)>,
}

impl Core {
    pub(crate) fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        let order = self.order;
        self.queue.push(Reverse(Entry { at, order, event }));
    }

    /// The next event, and time jumps to it.
    pub(crate) fn next(&mut self, until: u64) -> Option<Event> {
        if self.queue.peek()?.0.at > until {
            return None;
        }
        let Reverse(entry) = self.queue.pop()?;
        self.now = self.now.max(entry.at);
        self.events += 1;
        Some(entry.event)
    }

    /// Enters something into the number that tells worlds apart.
    pub(crate) fn note(&mut self, what: &[u64]) {
        for &word in [self.now].iter().chain(what) {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
            self.hash ^= self.hash >> 29;
        }
    }

    pub(crate) fn note_bytes(&mut self, bytes: &[u8]) {
        let fold = |sum: u64, &byte: &u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold);
        self.note(&[sum]);
    }
}

/// What tasks and the world hold.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Tasks to be polled, in the order in which they were woken.
    pub(crate) ready: Mutex<VecDeque<u64>>,
    /// Virtual time 0. Only differences are ever looked at.
    begin: Instant,
}

impl Shared {
    pub(crate) fn new(seed: u64, net: Net) -> Arc<Self> {
        let core = Core {
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            random: Random::new(seed, 1),
            net,
            record: Record::default(),
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            healing: false,
            finished: 0,
            spawned: Vec::new(),
        };
        Arc::new(Self {
            core: Mutex::new(core),
            ready: Mutex::default(),
            begin: Instant::now(),
        })
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    pub(crate) fn instant(&self, now: u64) -> Instant {
        self.begin + Duration::from_micros(now)
    }

    /// The first virtual moment that is not before `at`.
    pub(crate) fn micros(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.begin);
        since.as_nanos().div_ceil(1000) as u64
    }
}

/// A panic inside a world ends its run; the lock is only looked at again to report it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
