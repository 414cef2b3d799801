//! Programs that wait for changes of the registers, through whatever happens to their links.

use std::pin::pin;

use futures::future::{Either, select};
use lockkeeper::{Client, OneShotWatch, Zxid};
use lockkeeper_check::watches::Waited;

use super::{Actor, LIST, LIVE, QUEUE, Session, alive};

/// Whose children come, and with all but the list go as well.
const PARENTS: &[&str] = &["/", LIST, LIVE, QUEUE];

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    while !actor.is_healing() {
        actor.think().await;
        let path = actor.register();
        match actor.random.below(3) {
            0 => {
                let parent = *actor.random.pick(PARENTS);
                if let Some((_, changed)) = alive(client.children_watched(parent).await)? {
                    wait_a_while(actor, changed).await;
                }
            }
            1 => {
                if let Some((stat, changed)) = alive(client.exists_watched(&path).await)? {
                    let since = stat.map_or(client.last_zxid(), |stat| stat.mzxid);
                    wait(actor, client, &path, since, changed).await;
                }
            }
            _ => {
                if let Some((znode, changed)) = alive(client.get_watched(&path).await)? {
                    wait(actor, client, &path, znode.stat.mzxid, changed).await;
                }
            }
        }
    }
    Ok(())
}

/// Waits in the background, for ever if need be, and in the foreground for a while.
async fn wait(actor: &mut Actor, client: &Client, path: &str, since: Zxid, changed: OneShotWatch) {
    let at = {
        let mut core = actor.core();
        let id = actor.id;
        core.record.waited.push(Waited {
            session: client.session_id(),
            path: path.to_owned(),
            since,
            fired: false,
        });
        core.record.waited_by.push(id);
        core.record.waited.len() - 1
    };
    let shared = actor.shared.clone();
    let waiting = async move {
        let ended = changed.await;
        let mut core = shared.core();
        core.record.waited[at].fired = true;
        if ended.is_ok() {
            core.record.reach("watch fired");
        }
    };
    let process = actor.process.clone();
    lockkeeper::Runtime::spawn(&*process, Box::pin(waiting));
    actor.think().await;
}

async fn wait_a_while(actor: &mut Actor, changed: OneShotWatch) {
    let micros = 20 * actor.think;
    let patience = pin!(actor.sleep(micros));
    if let Either::Left((Ok(_), _)) = select(changed, patience).await {
        actor.reach("watch fired");
    }
}
