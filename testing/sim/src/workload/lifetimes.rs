//! Containers and TTL znodes, which the server removes by itself.

use std::time::Duration;

use lockkeeper::{Client, CreateMode, CreateOptions};

use super::{Actor, Session, alive};

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    while !actor.is_healing() {
        actor.think().await;
        let name = format!("/c-{}", actor.random.below(4));
        let child = format!("{name}/child");
        match actor.random.below(5) {
            0 | 1 => drop(alive(
                client.create(&name, "", CreateMode::Container).await,
            )?),
            2 => drop(alive(
                client.create(&child, "", CreateMode::Persistent).await,
            )?),
            3 => drop(alive(client.delete(&child, None).await)?),
            _ => {
                let ttl = Duration::from_millis(actor.random.within(1..3000));
                let options = CreateOptions::new(CreateMode::PersistentTtl).ttl(ttl);
                let path = format!("/t-{}", actor.random.below(4));
                alive(client.create(&path, "", options).await)?;
            }
        }
    }
    Ok(())
}
