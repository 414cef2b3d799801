//! R1: queues are empty when work is done, and nothing of a client is left when it has gone.
//! Source: `server/replica/src/limits.rs`.

use lockkeeper_check::{Rule, Violation};

use crate::member::Leftovers;

/// `open` says whether a client still holds its end of a wire.
pub(crate) fn check(member: usize, left: &Leftovers, open: impl Fn(u64) -> bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut fault = |what: String| {
        let text = format!("member {member} {what}");
        violations.push(Violation::new(Rule::R1, text));
    };
    if left.outstanding > 0 {
        fault(format!(
            "has {} transactions under way at the end",
            left.outstanding
        ));
    }
    let held = left.wires.iter().filter(|&&wire| open(wire)).count();
    if held == 0 && left.watches > 0 && left.wires.is_empty() {
        fault(format!("keeps {} watches for nobody", left.watches));
    }
    violations
}
