//! The time for which the machine was suspended.
//!
//! Servers do not wait while a laptop sleeps or a virtual machine is moved, but on Linux the
//! monotonic clock does. `CLOCK_BOOTTIME` goes on, and the difference between the two grows by
//! exactly what is missing. One count serves the whole process, so that times of different clients
//! can be compared.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long this process has been suspended with its machine since this was first asked. Never
/// shrinks; always zero where the system does not tell.
pub(super) fn suspended() -> Duration {
    static SINCE_THEN: LazyLock<Suspension> = LazyLock::new(|| Suspension::new(&System));
    SINCE_THEN.length(&System)
}

/// A clock that stands still while the machine is suspended, and one that does not.
trait Clocks {
    fn monotonic(&self) -> Duration;
    fn boot(&self) -> Duration;
}

struct System;

#[cfg(target_os = "linux")]
impl Clocks for System {
    fn monotonic(&self) -> Duration {
        read(rustix::time::ClockId::Monotonic)
    }

    fn boot(&self) -> Duration {
        read(rustix::time::ClockId::Boottime)
    }
}

#[cfg(target_os = "linux")]
fn read(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    // Both begin at zero.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(target_os = "linux"))]
impl Clocks for System {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Debug)]
struct Suspension {
    /// What the clocks differed by at first, or a little more.
    before: Duration,
    most_ns: AtomicU64,
}

impl Suspension {
    fn new(clocks: &impl Clocks) -> Self {
        let monotonic = clocks.monotonic();
        Self {
            before: clocks.boot().saturating_sub(monotonic),
            most_ns: AtomicU64::new(0),
        }
    }

    /// The clocks are read one after the other, and a thread may be held up in between. In this
    /// order that makes the difference too small and never too large, so the largest one seen is
    /// right, and no time derived from it ever goes back.
    fn length(&self, clocks: &impl Clocks) -> Duration {
        let boot = clocks.boot();
        let apart = boot.saturating_sub(clocks.monotonic());
        let now_ns = apart.saturating_sub(self.before).as_nanos() as u64;
        let most_ns = self.most_ns.fetch_max(now_ns, Ordering::Relaxed);
        Duration::from_nanos(most_ns.max(now_ns))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A machine that runs for so long whenever a clock is read.
    #[derive(Default)]
    struct Machine {
        step: Cell<Duration>,
        ran: Cell<Duration>,
        slept: Cell<Duration>,
    }

    impl Clocks for Machine {
        fn monotonic(&self) -> Duration {
            self.ran.set(self.ran.get() + self.step.get());
            self.ran.get()
        }

        fn boot(&self) -> Duration {
            self.monotonic() + self.slept.get()
        }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn t37_what_a_suspended_machine_misses_is_counted() {
        let machine = Machine::default();
        machine.slept.set(secs(100));
        let suspension = Suspension::new(&machine);
        machine.ran.set(secs(7));
        assert_eq!(suspension.length(&machine), secs(0), "that was before");
        machine.slept.set(secs(120));
        assert_eq!(suspension.length(&machine), secs(20));
    }

    #[test]
    fn a_thread_held_up_between_the_clocks_makes_it_too_short_until_the_next_look() {
        let machine = Machine::default();
        machine.step.set(secs(3));
        let suspension = Suspension::new(&machine);
        machine.slept.set(secs(20));
        assert_eq!(suspension.length(&machine), secs(14));
        machine.step.set(secs(0));
        assert_eq!(suspension.length(&machine), secs(17));
        machine.step.set(secs(5));
        assert_eq!(suspension.length(&machine), secs(17));
    }

    #[test]
    fn the_system_has_not_slept_meanwhile() {
        assert!(suspended() < secs(1));
    }
}
