//! E2: no session expires before a full timeout without contact on its leader's clock, and none
//! later than two ticks behind that. Source: `SessionTrackerImpl`.

use lockkeeper_check::{Rule, Violation};
use lockkeeper_wire::SessionId;

use crate::truth::Contact;

/// Turns of the thread, and stalls that go unnoticed.
const SLACK_MS: u64 = 1000;

pub(crate) fn check(
    session: SessionId,
    contact: Contact,
    now_ms: u64,
    tick_ms: u64,
) -> Option<Violation> {
    let silent_ms = now_ms - contact.heard_ms;
    let timeout_ms = contact.timeout_ms;
    if silent_ms < timeout_ms {
        let text = format!("{session} ends after {silent_ms} of {timeout_ms} ms");
        return Some(Violation::new(Rule::E2, text));
    }
    let is_late = silent_ms > timeout_ms + 2 * tick_ms + SLACK_MS;
    (is_late && !contact.is_excused).then(|| {
        let text = format!("{session} of {timeout_ms} ms ends after {silent_ms} ms");
        Violation::new(Rule::E2, text)
    })
}
