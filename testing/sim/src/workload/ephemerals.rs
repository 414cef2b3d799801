//! Ephemerals: a few for each session, and sessions that end in every way there is.

use lockkeeper::{Client, CreateMode};

use super::{Actor, LIVE, Session, alive};

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    actor.ensure(client, LIVE, "").await?;
    let most = 2 + actor.random.below(8);
    for _ in 0..most {
        actor.think().await;
        let name = actor.unique();
        let path = format!("{LIVE}/{name}");
        let mode = match actor.random.one_in(3) {
            true => CreateMode::EphemeralSequential,
            false => CreateMode::Ephemeral,
        };
        alive(client.create(&path, "", mode).await)?;
        match actor.random.below(4) {
            0 => drop(alive(client.ephemerals(None).await)?),
            1 => drop(alive(client.children_with_stat(LIVE).await)?),
            2 => drop(alive(client.delete(&path, None).await)?),
            _ => {}
        }
    }
    match actor.random.below(3) {
        0 => drop(client.close().await),
        // Closed in the background, while requests are on their way.
        1 => drop(client.set(LIVE, "last", None)),
        _ => {
            // Silence for as long as it takes: the session's own client lets it go.
            actor.think().await;
        }
    }
    actor.reach("session given up");
    Ok(())
}
