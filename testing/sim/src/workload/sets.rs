//! A set of names: each created once, alone or with another in one multi.

use lockkeeper::{Client, CreateMode, Op};
use lockkeeper_check::counts::{Attempt, Outcome};

use super::{Actor, SET, Session, alive, outcome};

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    actor.ensure(client, SET, "").await?;
    while !actor.is_healing() {
        actor.think().await;
        let names = [actor.unique(), actor.unique()];
        let paths = names.each_ref().map(|name| format!("{SET}/{name}"));
        let together = actor.random.one_in(3);
        let tried = if together { &names[..] } else { &names[..1] };
        let first = {
            let added = &mut actor.core().record.added;
            added.extend(tried.iter().map(|name| Attempt {
                value: name.clone(),
                outcome: Outcome::Unknown,
            }));
            added.len() - tried.len()
        };
        let mode = CreateMode::Persistent;
        let result = if together {
            let parts = paths.iter().map(|path| Op::create(path, "", mode));
            let mut parts: Vec<Op> = parts.collect();
            if actor.random.one_in(4) {
                // A part that fails takes the others with it.
                parts.push(Op::check("/nowhere", None));
                actor.reach("multi refused");
            }
            client.multi(parts).await.map(drop)
        } else {
            client.create(&paths[0], "", mode).await.map(drop)
        };
        let ended = outcome(&result);
        let count = tried.len();
        for attempt in &mut actor.core().record.added[first..first + count] {
            attempt.outcome = ended;
        }
        if ended == Outcome::Unknown {
            actor.reach("unknown outcome");
        }
        alive(result)?;
    }
    Ok(())
}
