//! A znode that only its owner may read, and others who watch where it is.

use lockkeeper::{Acl, AddWatchMode, Client, CreateMode, CreateOptions};

use super::{Actor, Session, alive};

const PATH: &str = "/secret";

/// The owner makes it, changes it, opens and shuts it, deletes it.
pub(super) async fn own(actor: &mut Actor, client: &Client) -> Session {
    while !actor.is_healing() {
        actor.think().await;
        let shut = CreateOptions::new(CreateMode::Persistent).acl(Acl::creator_all());
        match actor.random.below(6) {
            0 | 1 => drop(alive(client.create(PATH, "", shut).await)?),
            2 | 3 => drop(alive(client.set(PATH, "more", None).await)?),
            4 => {
                let acl = match actor.random.one_in(2) {
                    true => Acl::open(),
                    false => Acl::creator_all(),
                };
                alive(client.set_acl(PATH, acl, None).await)?;
            }
            _ => drop(alive(client.delete(PATH, None).await)?),
        }
    }
    Ok(())
}

/// Somebody else looks, and waits for events that mostly are not for him.
pub(super) async fn read(actor: &mut Actor, client: &Client) -> Session {
    let mut watch = alive(client.watch("/", AddWatchMode::PersistentRecursive).await)?;
    while !actor.is_healing() {
        actor.think().await;
        match actor.random.below(4) {
            0 => drop(alive(client.get(PATH).await)?),
            1 => {
                if let Some((_, changed)) = alive(client.exists_watched(PATH).await)? {
                    actor.think().await;
                    drop(changed);
                }
            }
            2 => drop(alive(client.children("/").await)?),
            _ => {
                if watch.take().is_none() {
                    watch = alive(client.watch(PATH, AddWatchMode::Persistent).await)?;
                }
            }
        }
    }
    Ok(())
}
