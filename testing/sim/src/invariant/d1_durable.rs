//! D1: when a reply leaves, all it shows is durable. Source: Zab, 3.4; ZOOKEEPER-3911, -4646, -4685.
//!
//! The disk is asked and not the member: of the disk that a power cut at this moment would leave
//! when nothing unsynced survives, a journal must recover it.

use lockkeeper_check::{Rule, Violation};
use lockkeeper_journal::testing::SimDisk;
use lockkeeper_journal::{Journal, Settings};
use lockkeeper_wire::Zxid;

pub(crate) fn check(
    member: usize,
    last: Zxid,
    disk: &SimDisk,
    files: &Settings,
) -> Option<Violation> {
    let fault = |what: String| {
        let text = format!("member {member}: {what} on what is durable at {last}");
        Some(Violation::new(Rule::D1, text))
    };
    let (_journal, mut recovered) = match Journal::open(disk.durable(), files.clone()) {
        Ok(opened) => opened,
        Err(error) => return fault(error.to_string()),
    };
    let mut found = match recovered.next_snapshot() {
        Ok(snapshot) => snapshot.map_or(0, |snapshot| snapshot.zxid()),
        Err(error) => return fault(error.to_string()),
    };
    for record in recovered.records() {
        match record {
            Ok(record) => found = found.max(record.zxid),
            Err(error) => return fault(error.to_string()),
        }
    }
    (found < last.0).then(|| {
        let found = Zxid(found);
        let text = format!("member {member} tells of {last}, its disk is sure to keep {found}");
        Violation::new(Rule::D1, text)
    })
}
