//! A counter: read, and set one more if nobody else has.

use lockkeeper::Client;
use lockkeeper_check::counts::Outcome;

use super::{Actor, COUNTER, Session, alive, outcome};

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    actor.ensure(client, COUNTER, "0").await?;
    while !actor.is_healing() {
        actor.think().await;
        let Some(read) = alive(client.get(COUNTER).await)? else {
            continue;
        };
        let text = std::str::from_utf8(read.bytes()).unwrap_or_default();
        let count: u64 = text.parse().unwrap_or_default();
        let at = {
            let counted = &mut actor.core().record.counted;
            counted.push(Outcome::Unknown);
            counted.len() - 1
        };
        let more = (count + 1).to_string();
        let set = client.set(COUNTER, more, Some(read.stat.version)).await;
        actor.core().record.counted[at] = outcome(&set);
        alive(set)?;
    }
    Ok(())
}
