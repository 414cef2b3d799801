//! C4: what a client was told not to have been applied is never found applied, and what was
//! acknowledged is. Source: the client's `Error::outcome`.

use std::collections::BTreeSet;

use lockkeeper_check::replay::Replayed;
use lockkeeper_check::{Violation, counts};

use crate::record::Record;
use crate::workload::{COUNTER, QUEUE, SET};

pub(crate) fn check(record: &Record, replayed: &Replayed) -> Vec<Violation> {
    let Some(model) = &replayed.model else {
        return Vec::new();
    };
    let there: BTreeSet<String> = model.children(SET).into_iter().collect();
    let mut violations = counts::set(&record.added, &there);
    let count = model.nodes.get(COUNTER).and_then(|node| {
        let text = node.data.as_deref().unwrap_or_default();
        std::str::from_utf8(text).ok()?.parse().ok()
    });
    violations.extend(counts::counter(&record.counted, count.unwrap_or(0)));
    let left = model.below(QUEUE).filter_map(|name| {
        let node = &model.nodes[&format!("{QUEUE}/{name}")];
        String::from_utf8(node.data.clone()?.to_vec()).ok()
    });
    let left: Vec<String> = left.collect();
    violations.extend(counts::queue(
        &record.puts,
        &record.taken,
        record.takes_unknown,
        &left,
    ));
    violations
}
