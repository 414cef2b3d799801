//! Who is admitted, in which order, and who is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lockkeeper_e2e::four_letter::{ask, metric};
use lockkeeper_e2e::proxy::{Direction, op};
use lockkeeper_recipes::{Fence, GuardState, Limit, LockError, Semaphore};
use lockkeeper_server::embed::embed;
use tokio::sync::Mutex as Log;

use crate::common::{
    Lane, PATIENCE, children, connect, eventually, fresh_path, kill_session, server,
};
use crate::{assert_empty, granted, queued};

#[tokio::test(flavor = "multi_thread")]
async fn so_many_hold_and_the_next_waits() {
    let client = connect(&server().await).await;
    let path = fresh_path("many");
    let semaphore = Semaphore::new(&client, &path, 2).unwrap();
    let first = semaphore.acquire().await.unwrap();
    let second = semaphore.acquire().await.unwrap();
    let leases = children(&client, &format!("{path}/leases")).await;
    assert!(
        leases
            .iter()
            .all(|name| name.starts_with("_c_") && name.contains("-lease-"))
    );
    assert_eq!(client.get(&path).await.unwrap().bytes(), b"2");
    eventually("the gate is free", async || {
        semaphore.queue_position().await.unwrap() == 0
    })
    .await;
    assert_eq!(semaphore.try_acquire().await.unwrap_err(), LockError::Busy);
    let third = queued(&semaphore, 0).await;
    let fourth = queued(&semaphore, 1).await;
    eventually("one lease is to be admitted", async || {
        semaphore.held().await.unwrap() == 3
    })
    .await;
    assert!(!third.is_finished());
    first.release().await.unwrap();
    let third = granted(third).await;
    assert_eq!(second.state(), GuardState::Held);
    assert!(!fourth.is_finished());
    third.confirm().await.unwrap();
    second.release().await.unwrap();
    granted(fourth).await.release().await.unwrap();
    third.release().await.unwrap();
    semaphore
        .try_acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_semaphore_is_found_out_without_a_write() {
    let lane = Lane::open().await;
    let path = fresh_path("full");
    let client = connect(&server().await).await;
    let lease = Semaphore::new(&client, &path, 1)
        .unwrap()
        .acquire()
        .await
        .unwrap();
    let semaphore = Semaphore::new(&lane.client, &path, 1).unwrap();
    let before = lane.proxy.seen().len();
    assert_eq!(semaphore.try_acquire().await.unwrap_err(), LockError::Busy);
    let requests: Vec<i32> = lane.proxy.seen()[before..]
        .iter()
        .filter(|it| it.direction == Direction::Request && it.opcode != op::PING)
        .map(|it| it.opcode)
        .collect();
    assert_eq!(requests, [op::GET_CHILDREN]);
    lease.release().await.unwrap();
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_try_at_once_no_more_win_than_may() {
    let server = server().await;
    let path = fresh_path("tries");
    let mut semaphores = Vec::new();
    for _ in 0..6 {
        semaphores.push(Semaphore::new(&connect(&server).await, &path, 2).unwrap());
    }
    let client = connect(&server).await;
    for _ in 0..20 {
        let tries: Vec<_> = semaphores
            .iter()
            .cloned()
            .map(|semaphore| tokio::spawn(async move { semaphore.try_acquire().await }))
            .collect();
        let mut winners = Vec::new();
        for result in tries {
            match result.await.unwrap() {
                Ok(lease) => winners.push(lease),
                Err(error) => assert_eq!(error, LockError::Busy),
            }
        }
        assert!((1..=2).contains(&winners.len()), "{} of 2", winners.len());
        drop(winners);
        assert_empty(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t61_never_more_than_may_hold_and_all_are_served() {
    const LIMIT: usize = 3;
    const SESSIONS: usize = 20;
    const TAKERS: usize = 100;
    let server = server().await;
    let path = fresh_path("t61");
    let watching = connect(&server).await;
    let overview = Semaphore::new(&watching, &path, LIMIT).unwrap();
    let holding = Arc::new(AtomicUsize::new(0));
    let admitted: Arc<Log<Vec<Fence>>> = Arc::default();
    let mut takers = Vec::new();
    for number in 0..TAKERS {
        // Some of them go with their session while they hold.
        let crashes = number % 7 == 3;
        let client = match crashes || number < SESSIONS {
            true => connect(&server).await,
            false => watching.clone(),
        };
        let semaphore = Semaphore::new(&client, &path, LIMIT).unwrap();
        let (holding, admitted) = (Arc::clone(&holding), Arc::clone(&admitted));
        let server = server.clone();
        takers.push(tokio::spawn(async move {
            let lease = semaphore.acquire_timeout(2 * PATIENCE).await.unwrap();
            let now = holding.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(now <= LIMIT, "{now} hold at once");
            admitted.lock().await.push(lease.fence());
            tokio::time::sleep(Duration::from_millis(number as u64 % 5)).await;
            holding.fetch_sub(1, Ordering::SeqCst);
            match crashes {
                true => kill_session(&server, &client).await,
                false => lease.release().await.unwrap(),
            }
        }));
    }
    while takers.iter().any(|taker| !taker.is_finished()) {
        let leases = overview.held().await.unwrap();
        assert!(
            leases <= LIMIT + 1,
            "{leases} leases: {LIMIT} and the one that waits"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for taker in takers {
        taker.await.unwrap();
    }
    assert_eq!(admitted.lock().await.len(), TAKERS);
    assert_empty(&watching, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fences_grow_from_lease_to_lease_whoever_dies() {
    let server = server().await;
    let path = fresh_path("fences");
    let watching = connect(&server).await;
    let mut fences = Vec::new();
    let mut kept = Vec::new();
    for round in 0..12 {
        let client = connect(&server).await;
        let lease = Semaphore::new(&client, &path, 2)
            .unwrap()
            .acquire()
            .await
            .unwrap();
        let stat = client.exists(lease.path()).await.unwrap().unwrap();
        assert_eq!(lease.fence().get(), stat.mzxid.0);
        fences.push(lease.fence());
        match round % 3 {
            0 => kept.push(lease),
            1 => kill_session(&server, &client).await,
            _ => {
                lease.release().await.unwrap();
                kept.clear();
            }
        }
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    assert_empty(&watching, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_in_the_queue_is_woken() {
    const WAITERS: usize = 20;
    let server = embed().start().unwrap();
    let connect_string = server.connect_string();
    let count = |name: &str| {
        let answer = ask(server.address(), "mntr").unwrap();
        metric(&answer, &format!("zk_{name}_watch_count")).unwrap() as usize
    };
    let path = fresh_path("herd");
    let client = connect(&connect_string).await;
    let semaphore = Semaphore::new(&client, &path, 3).unwrap();
    let mut leases = semaphore.acquire_many(3).await.unwrap();
    eventually("the gate is free", async || {
        semaphore.queue_position().await.unwrap() == 0
    })
    .await;
    let mut waiting = Vec::new();
    for position in 0..WAITERS {
        let other = Semaphore::new(&connect(&connect_string).await, &path, 3).unwrap();
        waiting.push(queued(&other, position).await);
    }
    let mut fences = Vec::new();
    for task in waiting {
        leases.remove(0).release().await.unwrap();
        let lease = granted(task).await;
        fences.push(lease.fence());
        leases.push(lease);
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    assert_eq!(count("max_node_children"), 1);
    // By the leases that come and go before it is admitted, and by its own.
    let children = count("sum_node_children");
    assert!((1..=4 * WAITERS).contains(&children), "{children}");
    assert_eq!(count("max_node_deleted"), 1);
    drop(leases);
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t64_two_that_ask_for_several_never_wait_for_each_other() {
    let server = server().await;
    let path = fresh_path("t64");
    let clients = [connect(&server).await, connect(&server).await];
    let holding = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = clients
        .iter()
        .map(|client| {
            let semaphore = Semaphore::new(client, &path, 3).unwrap();
            let holding = Arc::clone(&holding);
            tokio::spawn(async move {
                for _ in 0..25 {
                    let leases = semaphore.acquire_many_timeout(2, PATIENCE).await.unwrap();
                    assert_eq!(leases.len(), 2);
                    let now = holding.fetch_add(2, Ordering::SeqCst) + 2;
                    assert!(now <= 3, "{now} of 3");
                    tokio::task::yield_now().await;
                    holding.fetch_sub(2, Ordering::SeqCst);
                    for lease in leases {
                        lease.release().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_empty(&clients[0], &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_leases_are_released_one_by_one() {
    let client = connect(&server().await).await;
    let path = fresh_path("several");
    let semaphore = Semaphore::builder(&client, &path, Limit::Fixed(3))
        .build()
        .unwrap();
    assert!(semaphore.acquire_many(0).await.unwrap().is_empty());
    let error = semaphore.acquire_many(4).await.unwrap_err();
    assert!(matches!(error, LockError::Limit { .. }), "{error:?}");
    assert_eq!(children(&client, &path).await, [""; 0], "nothing was sent");
    let mut leases = semaphore.acquire_many(3).await.unwrap();
    let next = queued(&semaphore, 0).await;
    leases.pop().unwrap().release().await.unwrap();
    let next = granted(next).await;
    assert!(leases.iter().all(|lease| lease.state() == GuardState::Held));
    drop(leases);
    next.release().await.unwrap();
    assert_empty(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t63_a_deadline_at_any_step_leaves_nothing() {
    let client = connect(&server().await).await;
    for full in [false, true] {
        for micros in (0..6000).step_by(120) {
            let path = fresh_path("t63");
            let semaphore = Semaphore::new(&client, &path, 2).unwrap();
            let kept = match full {
                true => semaphore.acquire_many(2).await.unwrap(),
                false => Vec::new(),
            };
            let cut = Duration::from_micros(micros);
            match semaphore.acquire_timeout(cut).await {
                Ok(lease) => drop(lease),
                Err(error) => assert_eq!(error, LockError::TimedOut),
            }
            drop(tokio::time::timeout(cut, semaphore.acquire_many(2)).await);
            drop(tokio::time::timeout(cut, semaphore.try_acquire()).await);
            drop(kept);
            for lease in semaphore.acquire_many_timeout(2, PATIENCE).await.unwrap() {
                lease.release().await.unwrap();
            }
            assert_empty(&client, &path).await;
        }
    }
    let semaphore = Semaphore::new(&client, &fresh_path("until"), 1).unwrap();
    let lease = semaphore.acquire().await.unwrap();
    let deadline = client.now() + Duration::from_millis(50);
    assert_eq!(
        semaphore.acquire_until(deadline).await.unwrap_err(),
        LockError::TimedOut
    );
    let many = semaphore.acquire_many_until(1, deadline).await;
    assert_eq!(many.unwrap_err(), LockError::TimedOut);
    lease.release().await.unwrap();
}
