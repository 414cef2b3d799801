//! A lock around a resource that logs fences: holders that release, hold on too long, or go away.

use std::time::Duration;

use futures::future::{Either, select};
use lockkeeper::Client;
use lockkeeper_check::locks::{Hold, Use};
use lockkeeper_recipes::{Guard, Identity, Mutex};

use super::{Actor, Session, alive_in_recipe};

const PATH: &str = "/lock";

pub(super) async fn run(actor: &mut Actor, client: &Client) -> Session {
    // A container would go when nobody queues, and with it the numbers; order ends there.
    actor.ensure(client, PATH, "").await?;
    // The identity of this process would differ from run to run.
    let identity = Identity {
        host: "simulated".into(),
        pid: 1,
        label: String::new(),
        session: String::new(),
    };
    let mutex = Mutex::builder(client, PATH).identity(identity).build();
    let mutex = alive_in_recipe(mutex)?.expect("the path is one");
    while !actor.is_healing() {
        actor.think().await;
        let patience = Duration::from_micros(actor.random.around(100 * actor.think));
        let guard = match actor.random.below(4) {
            0 => mutex.try_lock().await,
            1 => mutex.lock_timeout(patience).await,
            _ => mutex.lock().await,
        };
        if let Some(guard) = alive_in_recipe(guard)? {
            hold(actor, client, guard).await;
        }
    }
    Ok(())
}

async fn hold(actor: &mut Actor, client: &Client, guard: Guard) {
    let fence = guard.fence().get();
    let at = {
        let mut core = actor.core();
        let from = core.now;
        core.record.reach("lock held");
        let digits = guard.path().len().saturating_sub(10);
        core.record.holds.push(Hold {
            session: client.session_id(),
            fence,
            number: guard.path()[digits..].parse().unwrap_or_default(),
            from,
            until: None,
        });
        core.record.holds.len() - 1
    };
    let mut lost = Box::pin(guard.lost());
    for _ in 0..1 + actor.random.below(3) {
        let micros = actor.random.around(actor.think);
        let working = Box::pin(actor.sleep(micros));
        let waiting = match select(lost, working).await {
            Either::Left(_) => None,
            Either::Right((_, waiting)) => Some(waiting),
        };
        let Some(waiting) = waiting else {
            give_up(actor, at);
            actor.reach("lock lost");
            // Who does not know when to stop is what the fence is for.
            if actor.random.one_in(2) {
                actor.think().await;
                write(actor, client, fence);
            }
            return;
        };
        lost = waiting;
        // A process that was paused finds out here, if not from its guard then from the fence.
        write(actor, client, fence);
    }
    give_up(actor, at);
    if actor.random.one_in(4) {
        drop(guard);
    } else {
        drop(guard.release().await);
    }
}

/// From here on the holder does not count on the lock any more.
fn give_up(actor: &Actor, at: usize) {
    let mut core = actor.core();
    let now = core.now;
    core.record.holds[at].until = Some(now);
}

/// The guarded resource: it remembers the highest fence that it has seen.
fn write(actor: &Actor, client: &Client, fence: i64) {
    let mut core = actor.core();
    let (session, at) = (client.session_id(), core.now);
    let uses = &mut core.record.uses;
    let highest = uses
        .iter()
        .filter(|use_| use_.accepted)
        .map(|use_| use_.fence)
        .max();
    let accepted = highest.is_none_or(|highest| fence >= highest);
    uses.push(Use {
        session,
        fence,
        at,
        accepted,
    });
    core.record.reach(if accepted {
        "resource written"
    } else {
        "resource refused"
    });
}
