//! Holds of a lock, and what the guarded resource saw.
//!
//! A lock on a quorum cannot keep two processes from acting at once, and nothing here asks that of
//! it. What it can do is to give every hold a fence that is larger than the one before, so that the
//! resource can tell a late writer; and to let no second holder in while the first one's session
//! lives.

use std::collections::{BTreeMap, BTreeSet};

use lockkeeper_wire::SessionId;

use crate::violation::{Rule, Violation};

/// One hold. Times are of one clock.
#[derive(Clone, Debug)]
pub struct Hold {
    /// Who.
    pub session: SessionId,
    /// Its fence.
    pub fence: i64,
    /// The number in the queue.
    pub number: u64,
    /// When it was granted.
    pub from: u64,
    /// When the holder began to give it up, or came to know that it had lost it; `None` if it held
    /// to the end.
    pub until: Option<u64>,
}

/// A write on the guarded resource.
#[derive(Clone, Debug)]
pub struct Use {
    /// Whose.
    pub session: SessionId,
    /// The fence it carried.
    pub fence: i64,
    /// When.
    pub at: u64,
    /// Whether the resource took it.
    pub accepted: bool,
}

/// Checks one lock. `ended` says when the end of a session was committed.
pub fn check(holds: &[Hold], uses: &[Use], ended: &BTreeMap<SessionId, u64>) -> Vec<Violation> {
    let mut violations = Vec::new();
    fences(holds, ended, &mut violations);
    overlaps(holds, ended, &mut violations);
    resource(uses, ended, &mut violations);
    violations
}

/// Each hold has a fence of its own, and later holds have larger fences and numbers.
fn fences(holds: &[Hold], ended: &BTreeMap<SessionId, u64>, violations: &mut Vec<Violation>) {
    let mut given = BTreeSet::new();
    for hold in holds {
        if !given.insert(hold.fence) {
            let text = format!("fence {} was given twice", hold.fence);
            violations.push(Violation::new(Rule::L1, text));
        }
    }
    let mut granted: Vec<&Hold> = holds.iter().collect();
    granted.sort_by_key(|hold| (hold.from, hold.fence));
    for pair in granted.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        // The word of a grant may come when its session has long ended; such a hold served nobody.
        let is_late = ended
            .get(&after.session)
            .is_some_and(|&at| at <= after.from);
        if !is_late && after.number < before.number {
            violations.push(Violation::new(
                Rule::L4,
                format!(
                    "number {} was served behind {}",
                    after.number, before.number
                ),
            ));
        }
    }
}

/// Two hold at once only if the session of the first had ended before the second got in.
fn overlaps(holds: &[Hold], ended: &BTreeMap<SessionId, u64>, violations: &mut Vec<Violation>) {
    let mut holds: Vec<&Hold> = holds.iter().collect();
    holds.sort_by_key(|hold| hold.fence);
    for (index, first) in holds.iter().enumerate() {
        for second in &holds[index + 1..] {
            let apart = first.until.is_some_and(|until| until <= second.from)
                || second.until.is_some_and(|until| until <= first.from);
            let expired = ended
                .get(&first.session)
                .is_some_and(|&at| at <= second.from);
            if !apart && !expired {
                violations.push(Violation::new(
                    Rule::L3,
                    format!(
                        "{} with fence {} and {} with fence {} held at once, and no session had ended",
                        first.session, first.fence, second.session, second.fence
                    ),
                ));
            }
        }
    }
}

/// The resource takes no fence below one it has taken, and only refuses who has lost its session.
fn resource(uses: &[Use], ended: &BTreeMap<SessionId, u64>, violations: &mut Vec<Violation>) {
    let mut highest = i64::MIN;
    for Use {
        session,
        fence,
        at,
        accepted,
    } in uses
    {
        if *accepted && *fence < highest {
            let text = format!("fence {fence} was taken behind {highest}");
            violations.push(Violation::new(Rule::L2, text));
        }
        let is_over = ended.get(session).is_some_and(|end| end <= at);
        if !*accepted && !is_over {
            let text = format!("fence {fence} of {session}, which lives, was refused");
            violations.push(Violation::new(Rule::L2, text));
        }
        if *accepted {
            highest = highest.max(*fence);
        }
    }
}
