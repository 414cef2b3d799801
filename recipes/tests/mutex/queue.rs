//! Order, cost and the ways to ask for the lock.

use std::time::{Duration, Instant};

use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{GuardState, LockError, Mutex, Owner, Reentrant};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, enqueue, eventually, fresh_path, granted,
    prepared, server,
};

#[tokio::test(flavor = "multi_thread")]
async fn t1_a_free_lock_costs_one_round_trip() {
    let lane = Lane::open().await;
    let path = fresh_path("t1");
    let lock = prepared(&lane.client, &path).await;
    let before = lane.proxy.seen().len();
    let guard = lock.lock().await.unwrap();

    let seen = &lane.proxy.seen()[before..];
    let is = |direction, opcode| move |s: &_| is_frame(s, direction, opcode);
    let count = |direction, opcode| seen.iter().filter(|s| is(direction, opcode)(s)).count();
    assert_eq!(count(Direction::Request, op::CREATE2), 1);
    assert_eq!(count(Direction::Request, op::GET_CHILDREN), 1);
    let listing = seen
        .iter()
        .position(is(Direction::Request, op::GET_CHILDREN));
    let reply = seen.iter().position(is(Direction::Reply, op::CREATE2));
    assert!(
        listing < reply,
        "the listing did not wait for the create: {seen:?}"
    );

    let stat = lane.client.exists(guard.path()).await.unwrap().unwrap();
    assert_eq!(guard.fence().get(), stat.czxid.0);
    assert_eq!(guard.state(), GuardState::Held);
    guard.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

/// On one thread, where the holder is told of the grant as soon as it is known.
#[tokio::test]
async fn a_lock_that_is_given_back_at_once_costs_no_watch() {
    let lane = Lane::open().await;
    let path = fresh_path("t1-at-once");
    let lock = prepared(&lane.client, &path).await;
    let looks = lane.proxy.count(Direction::Request, op::EXISTS);
    let pairs = 50;
    for _ in 0..pairs {
        lock.lock().await.unwrap().release().await.unwrap();
    }
    // The whole process may be stopped amid some of them, long enough for a watch.
    let looks = lane.proxy.count(Direction::Request, op::EXISTS) - looks;
    assert!(looks < pairs / 2, "{looks} looks");
    assert_clean(&lane.client, &path).await;
}

fn is_frame(seen: &lockkeeper_e2e::proxy::Seen, direction: Direction, opcode: i32) -> bool {
    seen.direction == direction && seen.opcode == opcode
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_the_turn_behind_a_long_queue_costs_one_round_trip() {
    let lane = Lane::open().await;
    let path = fresh_path("t1-turn");
    let lock = prepared(&connect(&server().await).await, &path).await;
    let mut ahead = Vec::new();
    for position in 0..8 {
        ahead.push(enqueue(&lock, position).await);
    }
    let waiter = enqueue(&Mutex::new(&lane.client, &path).unwrap(), 8).await;
    eventually("watching", async || {
        lane.proxy.count(Direction::Reply, op::GET_DATA) == 1
    })
    .await;
    for task in ahead {
        granted(task).await.release().await.unwrap();
    }
    let guard = granted(waiter).await;

    let mut seen = lane.proxy.seen();
    let is_event = |s: &_| is_frame(s, Direction::Reply, op::EVENT);
    seen.drain(..seen.iter().position(is_event).unwrap());
    let is_read = |direction| {
        let reads = [op::GET_DATA, op::GET_CHILDREN, op::EXISTS];
        move |s: &_| reads.iter().any(|&op| is_frame(s, direction, op))
    };
    let asked = seen.iter().rposition(is_read(Direction::Request));
    let answered = seen.iter().position(is_read(Direction::Reply));
    assert!(asked.is_some() && asked < answered, "in turns: {seen:?}");
    guard.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t2_grants_follow_the_order_of_creation() {
    let client = connect(&server().await).await;
    let path = fresh_path("t2");
    let lock = Mutex::new(&client, &path).unwrap();
    let mut tasks = Vec::new();
    for position in 0..12 {
        tasks.push(enqueue(&lock, position).await);
    }
    let mut fences = Vec::new();
    for (served, task) in tasks.into_iter().enumerate() {
        let guard = granted(task).await;
        assert_eq!(lock.queue_position().await.unwrap(), 12 - served);
        assert_eq!(lock.holder().await.unwrap().unwrap().path, guard.path());
        fences.push(guard.fence());
        guard.release().await.unwrap();
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_t45_a_waiter_that_leaves_wakes_only_its_follower() {
    let lane = Lane::open().await;
    let path = fresh_path("t6");
    let lock = prepared(&connect(&server().await).await, &path).await;
    let guard = lock.lock().await.unwrap();
    let leaver = enqueue(&lock, 1).await;
    let watched = Mutex::new(&lane.client, &path).unwrap();
    let follower = enqueue(&watched, 2).await;
    let last = enqueue(&watched, 3).await;
    // Both have found whom to watch.
    eventually("watching", async || {
        lane.proxy.count(Direction::Reply, op::GET_DATA) == 2
    })
    .await;
    let creates = lane.proxy.count(Direction::Request, op::CREATE2);

    leaver.abort();
    eventually("re-targeted", async || {
        lane.proxy.count(Direction::Reply, op::GET_DATA) == 3
    })
    .await;
    assert_eq!(lane.proxy.count(Direction::Reply, op::EVENT), 1);
    assert_eq!(lane.proxy.count(Direction::Request, op::CREATE2), creates);
    assert!(!follower.is_finished() && !last.is_finished());
    guard.release().await.unwrap();
    granted(follower).await.release().await.unwrap();
    granted(last).await.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

/// More of them than a contender keeps in mind.
#[tokio::test(flavor = "multi_thread")]
async fn t6_a_waiter_that_all_others_leave_still_waits_for_the_holder() {
    let lane = Lane::open().await;
    let path = fresh_path("t6-all");
    let lock = prepared(&connect(&server().await).await, &path).await;
    let guard = lock.lock().await.unwrap();
    let mut leavers = Vec::new();
    for position in 1..12 {
        leavers.push(enqueue(&lock, position).await);
    }
    let waiter = enqueue(&Mutex::new(&lane.client, &path).unwrap(), 12).await;
    let watches = async |count| {
        eventually("watching", async || {
            lane.proxy.count(Direction::Reply, op::GET_DATA) == count
        })
        .await;
    };
    for (left, leaver) in leavers.into_iter().rev().enumerate() {
        watches(left + 1).await;
        leaver.abort();
    }
    // The watch is on the holder's znode now.
    watches(12).await;
    assert_eq!(children(&lane.client, &path).await.len(), 2);
    assert!(!waiter.is_finished());
    guard.release().await.unwrap();
    granted(waiter).await.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_a_predecessor_that_goes_between_listing_and_watch_is_not_waited_for() {
    let lane = Lane::open().await;
    let path = fresh_path("t7");
    let lock = prepared(&connect(&server().await).await, &path).await;
    let guard = lock.lock().await.unwrap();
    let watch = lane
        .proxy
        .install(Rule::request(op::GET_DATA).then(Action::Hold));
    let waiting = Mutex::new(&lane.client, &path).unwrap();
    let first = tokio::spawn(async move { waiting.lock().await });
    watch.await_fired(PATIENCE).unwrap();
    let second = enqueue(&lock, 2).await;
    guard.release().await.unwrap();
    assert!(!first.is_finished());
    watch.release();
    granted(first).await.release().await.unwrap();
    assert_eq!(lane.proxy.count(Direction::Reply, op::EVENT), 0);
    assert_eq!(lane.proxy.count(Direction::Request, op::GET_DATA), 1);
    granted(second).await.release().await.unwrap();
    assert_clean(&lane.client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t9_a_reentrant_owner_sends_nothing_and_the_last_release_counts() {
    let lane = Lane::open().await;
    let path = fresh_path("t9");
    let lock = Reentrant::new(prepared(&lane.client, &path).await);
    let first = lock.lock().await.unwrap();
    let writes = || {
        lane.proxy.count(Direction::Request, op::CREATE2)
            + lane.proxy.count(Direction::Request, op::DELETE)
    };
    let before = writes();
    let second = lock.lock().await.unwrap();
    let third = lock.clone().lock().await.unwrap();
    assert_eq!(
        (second.fence(), third.fence()),
        (first.fence(), first.fence())
    );
    first.release().await.unwrap();
    drop(second);
    assert_eq!(writes(), before);
    assert_eq!(children(&lane.client, &path).await.len(), 1);
    third.release().await.unwrap();
    assert_eq!(writes(), before + 1);
    assert_clean(&lane.client, &path).await;
    lock.lock().await.unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_an_owner_that_would_wait_for_itself_is_told() {
    let client = connect(&server().await).await;
    let path = fresh_path("t10");
    let lock = Mutex::new(&client, &path).unwrap();
    let owner = Owner::new();
    let guard = lock.lock_as(&owner).await.unwrap();
    let again = lock.clone().lock_as(&owner).await;
    assert_eq!(again.unwrap_err(), LockError::WouldDeadlock);
    guard.release().await.unwrap();
    lock.lock_as(&owner).await.unwrap().release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_a_busy_lock_is_found_out_without_a_write() {
    let lane = Lane::open().await;
    let path = fresh_path("t11");
    let client = connect(&server().await).await;
    let guard = prepared(&client, &path).await.lock().await.unwrap();
    let before = lane.proxy.seen().len();
    let lock = Mutex::new(&lane.client, &path).unwrap();
    assert_eq!(lock.try_lock().await.unwrap_err(), LockError::Busy);
    let seen = lane.proxy.seen();
    let requests: Vec<i32> = seen[before..]
        .iter()
        .filter(|s| s.direction == Direction::Request && s.opcode != op::PING)
        .map(|s| s.opcode)
        .collect();
    assert_eq!(requests, [op::GET_CHILDREN]);
    guard.release().await.unwrap();
    lock.try_lock().await.unwrap().release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_of_many_that_try_at_once_one_wins() {
    let server = server().await;
    let path = fresh_path("t12");
    let clients = [
        connect(&server).await,
        connect(&server).await,
        connect(&server).await,
    ];
    prepared(&clients[0], &path).await;
    for _ in 0..20 {
        let tries = clients.clone().map(|client| {
            let path = path.clone();
            tokio::spawn(async move { Mutex::new(&client, &path).unwrap().try_lock().await })
        });
        let mut winners = Vec::new();
        for result in tries {
            match result.await.unwrap() {
                Ok(guard) => winners.push(guard),
                Err(error) => assert_eq!(error, LockError::Busy),
            }
        }
        assert_eq!(winners.len(), 1);
        drop(winners);
        assert_clean(&clients[0], &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_the_deadline_is_one_for_the_whole_call() {
    let client = connect(&server().await).await;
    let path = fresh_path("t13");
    let lock = Mutex::new(&client, &path).unwrap();
    let guard = lock.lock().await.unwrap();
    let holder = guard.path().to_owned();
    let started = Instant::now();
    let waiting = lock.clone();
    let waiter =
        tokio::spawn(async move { waiting.lock_timeout(Duration::from_millis(300)).await });
    for wake in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        client
            .set(&holder, format!("wake {wake}"), None)
            .await
            .unwrap();
    }
    assert_eq!(waiter.await.unwrap().unwrap_err(), LockError::TimedOut);
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_millis(300) && waited < Duration::from_millis(900),
        "{waited:?}"
    );
    eventually("the waiter has left", async || {
        lock.queue_position().await.unwrap() == 1
    })
    .await;
    guard.release().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_grant_and_deadline_at_once_give_a_guard_or_no_znode() {
    let client = connect(&server().await).await;
    let path = fresh_path("t14");
    let lock = prepared(&client, &path).await;
    let (mut guards, mut timeouts) = (0, 0);
    for micros in (0..12_000).step_by(120) {
        let holder = lock.lock().await.unwrap();
        let waiting = lock.clone();
        let waiter =
            tokio::spawn(async move { waiting.lock_timeout(Duration::from_millis(6)).await });
        tokio::time::sleep(Duration::from_micros(micros)).await;
        drop(holder);
        match waiter.await.unwrap() {
            Ok(guard) => {
                guard.confirm().await.unwrap();
                guards += 1;
            }
            Err(error) => {
                assert_eq!(error, LockError::TimedOut);
                timeouts += 1;
            }
        }
        assert_clean(&client, &path).await;
    }
    assert!(
        guards > 0 && timeouts > 0,
        "{guards} guards, {timeouts} timeouts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_are_shown_with_their_identity() {
    let client = connect(&server().await).await;
    let path = fresh_path("holder");
    let lock = Mutex::builder(&client, &path)
        .label("nightly \"job\"")
        .build()
        .unwrap();
    assert_eq!(lock.holder().await.unwrap(), None);
    assert_eq!(lock.queue_position().await.unwrap(), 0);
    let guard = lock.lock().await.unwrap();
    let holder = lock.holder().await.unwrap().unwrap();
    assert_eq!(
        (holder.fence, holder.session),
        (Some(guard.fence()), client.session_id())
    );
    let identity = holder.identity.unwrap();
    assert_eq!(identity.label, "nightly \"job\"");
    assert_eq!(identity.pid, std::process::id());
    assert_eq!(identity.session, client.session_id().to_string());
    guard.release().await.unwrap();
}
