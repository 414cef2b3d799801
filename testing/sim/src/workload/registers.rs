//! Registers and a list: gets, sets with and without a version, creates, deletes, appends, syncs.

use lockkeeper::{Client, CreateMode};

use super::{Actor, LIST, Session, alive};

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    actor.ensure(client, LIST, "").await?;
    let mut version = None;
    while !actor.is_healing() {
        actor.think().await;
        let path = actor.register();
        let data = actor.unique();
        match actor.random.below(16) {
            0..5 => {
                let read = alive(client.get(&path).await)?;
                version = read.map(|znode| znode.stat.version);
            }
            5 => drop(alive(client.exists(&path).await)?),
            6 | 7 => {
                let made = client.create(&path, data, CreateMode::Persistent).await;
                alive(made)?;
            }
            8..11 => {
                let set = alive(client.set(&path, data, version).await)?;
                version = set.map(|stat| stat.version);
            }
            11 => {
                // Two at once: the second must find what the first has done.
                let (set, get) = (client.set(&path, data, None), client.get(&path));
                alive(set.await)?;
                alive(get.await)?;
            }
            12 => drop(alive(client.delete(&path, version).await)?),
            13 => {
                let path = format!("{LIST}/n-");
                alive(
                    client
                        .create(&path, "", CreateMode::PersistentSequential)
                        .await,
                )?;
            }
            14 => drop(alive(client.children(LIST).await)?),
            _ => {
                let (synced, read) = (client.sync(&path), client.get(&path));
                alive(synced.await)?;
                alive(read.await)?;
                actor.reach("sync");
            }
        }
    }
    // The last word of the run is everybody's.
    for index in 0..super::REGISTER_COUNT {
        let path = format!("{}{index}", super::REGISTERS);
        alive(client.get(&path).await)?;
    }
    Ok(())
}
