//! V1: with all faults gone, every client finishes within bounds. Source: liveness of Zab and of the
//! recipes: no lost waiter, no lost wake-up.

use lockkeeper_check::{Rule, Violation};

pub(crate) fn check(finished: usize, clients: usize, waited: u64) -> Option<Violation> {
    (finished < clients).then(|| {
        let secs = waited / 1_000_000;
        let text = format!("{finished} of {clients} clients have finished {secs} s after healing");
        Violation::new(Rule::V1, text)
    })
}
