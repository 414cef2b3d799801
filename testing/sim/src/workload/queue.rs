//! A queue of numbered znodes: the lowest is read, and belongs to whoever deletes it.

use lockkeeper::{Client, CreateMode};
use lockkeeper_check::counts::{Attempt, Outcome};

use super::{Actor, QUEUE, Session, alive, outcome};

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    actor.ensure(client, QUEUE, "").await?;
    while !actor.is_healing() {
        actor.think().await;
        if actor.random.one_in(2) {
            put(actor, client).await?;
        } else {
            take(actor, client).await?;
        }
    }
    Ok(())
}

async fn put(actor: &mut Actor, client: &Client) -> Session {
    let value = actor.unique();
    let at = {
        let puts = &mut actor.core().record.puts;
        puts.push(Attempt {
            value: value.clone(),
            outcome: Outcome::Unknown,
        });
        puts.len() - 1
    };
    let path = format!("{QUEUE}/n-");
    let made = client
        .create(&path, value, CreateMode::PersistentSequential)
        .await;
    actor.core().record.puts[at].outcome = outcome(&made);
    alive(made).map(drop)
}

async fn take(actor: &mut Actor, client: &Client) -> Session {
    let Some(mut names) = alive(client.children(QUEUE).await)? else {
        return Ok(());
    };
    names.sort();
    let Some(name) = names.first() else {
        return Ok(());
    };
    let path = format!("{QUEUE}/{name}");
    let Some(read) = alive(client.get(&path).await)? else {
        return Ok(());
    };
    actor.core().record.takes_unknown += 1;
    let deleted = client.delete(&path, None).await;
    {
        let record = &mut actor.core().record;
        match outcome(&deleted) {
            Outcome::Applied => {
                record.takes_unknown -= 1;
                record
                    .taken
                    .push(String::from_utf8_lossy(read.bytes()).into_owned());
                record.reach("taken");
            }
            Outcome::NotApplied => record.takes_unknown -= 1,
            Outcome::Unknown => {}
        }
    }
    alive(deleted).map(drop)
}
