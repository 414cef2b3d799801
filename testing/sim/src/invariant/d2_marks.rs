//! D2: applied ≤ durable ≤ logged. Source: order of marks; ZOOKEEPER-4882.

use lockkeeper_check::{Rule, Violation};
use lockkeeper_wire::Zxid;

pub(crate) fn check(member: usize, applied: Zxid, durable: Zxid) -> Option<Violation> {
    (applied > durable).then(|| {
        let text = format!("member {member} has applied {applied}, durable is {durable}");
        Violation::new(Rule::D2, text)
    })
}
