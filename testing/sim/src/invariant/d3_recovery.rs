//! D3: recovery from any disk gives a state that the member had promised: everything it has told
//! anybody of, and nothing that it never proposed. Source: crash images; ZOOKEEPER-2560, -4744.

use lockkeeper_check::{Rule, Violation};
use lockkeeper_wire::Zxid;

pub(crate) fn check(
    member: usize,
    found: Zxid,
    committed: Zxid,
    promised: Zxid,
) -> Option<Violation> {
    let is_promised = committed <= found && found <= promised;
    (!is_promised).then(|| {
        let text = format!(
            "member {member} recovers {found}; committed was {committed}, proposed {promised}"
        );
        Violation::new(Rule::D3, text)
    })
}
