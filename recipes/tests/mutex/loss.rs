//! Holders that lose touch: what they are told, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use lockkeeper::runtime::{Link, Runtime, TokioRuntime};
use lockkeeper::{Client, HostPort, LinkLoss, Op};
use lockkeeper_recipes::{Election, GuardState, LockError, LossReason, Mutex};

use crate::common::{
    Lane, PATIENCE, connect, enqueue, eventually, fresh_path, granted, kill_session, prepared,
    server,
};

#[tokio::test(flavor = "multi_thread")]
async fn t17_t30_the_holder_of_an_expired_session_is_told_and_fences_grow() {
    let server = server().await;
    let path = fresh_path("t17");
    let mut fences = Vec::new();
    for _ in 0..8 {
        let client = connect(&server).await;
        let guard = Mutex::new(&client, &path).unwrap().lock().await.unwrap();
        fences.push(guard.fence());
        let follower = connect(&server).await;
        let next = enqueue(&Mutex::new(&follower, &path).unwrap(), 1).await;
        let lost = guard.lost();
        let mut states = guard.states();
        assert_eq!(states.next().await, Some(GuardState::Held));
        kill_session(&server, &client).await;
        let state = tokio::time::timeout(PATIENCE, lost).await.unwrap();
        assert_eq!(state, GuardState::Lost(LossReason::Expired));
        while let Some(state) = states.next().await {
            assert_ne!(state, GuardState::Held);
        }
        assert_eq!(guard.remaining(), Duration::ZERO);
        let error = guard.write(vec![Op::check("/", None)]).await.unwrap_err();
        assert_eq!(error, LockError::Lost(LossReason::Expired));
        assert_eq!(guard.release().await.unwrap_err(), error);
        let next = granted(next).await;
        fences.push(next.fence());
        next.release().await.unwrap();
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

const SEEDS: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn t32_a_holder_cut_off_at_any_moment_knows_before_the_next_one_enters() {
    let client = connect(&server().await).await;
    let margins = join_all((0..SEEDS).map(|seed| cut_off(&client, seed))).await;
    let shortest = margins.into_iter().min().unwrap();
    println!("told at least {shortest:?} before the grant");
}

/// Cuts a holder off; returns how long before the next one's grant it was told.
async fn cut_off(client: &Client, seed: u32) -> Duration {
    let lane = Lane::open().await;
    let path = fresh_path("t32");
    let lock = prepared(&lane.client, &path).await;
    let guard = lock.lock().await.unwrap();
    let waiting = Mutex::new(client, &path).unwrap();
    let next = tokio::spawn(async move { (waiting.lock().await, Instant::now()) });
    eventually("queued", async || lock.queue_position().await.unwrap() == 2).await;
    // The seeds fall evenly between two heartbeats.
    let heartbeat = lane.client.negotiated_timeout() / 3;
    tokio::time::sleep(heartbeat * seed / SEEDS).await;

    let lost = guard.lost();
    let told = tokio::spawn(async move { (lost.await, Instant::now()) });
    lane.proxy.black_hole();
    let (next, entered_at) = next.await.unwrap();
    assert!(!guard.state().is_safe(), "seed {seed}");
    let (state, told_at) = told.await.unwrap();
    assert_eq!(state, GuardState::PossiblyLost, "seed {seed}");
    assert!(told_at < entered_at, "seed {seed}");
    let next = next.unwrap();
    assert!(next.fence() > guard.fence(), "seed {seed}");
    next.release().await.unwrap();
    entered_at - told_at
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_short_gap_suspends_the_guard_and_changes_nothing() {
    let lane = Lane::open().await;
    let path = fresh_path("t33");
    let lock = prepared(&lane.client, &path).await;
    let guard = lock.lock().await.unwrap();
    let fence = guard.fence();
    let client = connect(&server().await).await;
    let next = enqueue(&Mutex::new(&client, &path).unwrap(), 1).await;
    let mut states = guard.states();
    assert_eq!(states.next().await, Some(GuardState::Held));
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    assert_eq!(states.next().await, Some(GuardState::Suspended));
    assert!(guard.remaining() > Duration::ZERO);
    lane.proxy.admit().unwrap();
    assert_eq!(states.next().await, Some(GuardState::Held));
    assert_eq!(guard.fence(), fence);
    guard.confirm().await.unwrap();
    assert!(!next.is_finished());
    guard.release().await.unwrap();
    assert_eq!(states.next().await, None);
    granted(next).await.release().await.unwrap();
}

/// The process stops for longer than its session, and gives back what others have held since.
#[test]
fn a_release_after_the_session_was_outslept_says_that_the_lock_was_lost() {
    let pausing = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    let lost = Err(LockError::Lost(LossReason::Expired));
    let path = fresh_path("outslept");
    let (client, guard, leader) = pausing.block_on(async {
        let client = connect(&server().await).await;
        let guard = Mutex::new(&client, &path).unwrap().lock().await.unwrap();
        let election = Election::new(&client, &format!("{path}-election")).unwrap();
        (client, guard, election.lead().await.unwrap())
    });
    // Nothing of this client runs meanwhile.
    elsewhere.block_on(async {
        let other = connect(&server().await).await;
        let lock = Mutex::new(&other, &path).unwrap();
        let next = lock.lock_timeout(PATIENCE).await.unwrap();
        next.release().await.unwrap();
    });
    pausing.block_on(async {
        let (released, resigned) = (guard.release(), leader.resign());
        assert_eq!((released.await, resigned.await), (lost.clone(), lost));
        drop(client);
    });
}

/// The process stops for longer than the lease, and finds an event that keeps the link alive.
#[test]
fn a_lease_that_ran_out_on_a_live_link_is_carried_on_by_proof() {
    let pausing = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let elsewhere = tokio::runtime::Runtime::new().unwrap();
    pausing.block_on(async {
        let server = server().await;
        let builder = Client::builder(&server).session_timeout(Duration::from_secs(6));
        let client = builder.connect().await.unwrap();
        let path = fresh_path("t36");
        let guard = Mutex::new(&client, &path).unwrap().lock().await.unwrap();
        let mut states = guard.states();
        assert_eq!(states.next().await, Some(GuardState::Held));
        let own = guard.path().to_owned();
        let other = elsewhere.spawn(async move {
            let client = connect(&server).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            client.set(&own, "x", None).await.unwrap();
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let generation = client.states().next().await.generation;
        // Beyond the lease of 4.2 s, well within the timeout.
        std::thread::sleep(Duration::from_millis(4500));
        assert_eq!(guard.state(), GuardState::PossiblyLost);
        assert_eq!(states.next().await, Some(GuardState::PossiblyLost));
        let healed = tokio::time::timeout(PATIENCE, states.next()).await;
        assert_eq!(healed.unwrap(), Some(GuardState::Held));
        assert_eq!(client.states().next().await.generation, generation);
        other.await.unwrap();
        guard.release().await.unwrap();
    });
    elsewhere.shutdown_background();
}

/// A machine that can be suspended: its clock goes on meanwhile, its timers do not. A runtime has no
/// wall clock, so whoever sets that changes nothing.
struct Machine {
    tokio: TokioRuntime,
    slept_ms: AtomicU64,
}

impl Machine {
    fn slept(&self) -> Duration {
        Duration::from_millis(self.slept_ms.load(Ordering::Relaxed))
    }
}

impl Runtime for Machine {
    fn connect(&self, server: HostPort) -> BoxFuture<'static, Result<Box<dyn Link>, LinkLoss>> {
        self.tokio.connect(server)
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.tokio.sleep_until(at - self.slept())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tokio.spawn(task);
    }

    fn now(&self) -> Instant {
        self.tokio.now() + self.slept()
    }

    fn seed(&self) -> u64 {
        self.tokio.seed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t37_a_holder_whose_machine_was_suspended_is_told_at_the_first_look() {
    let machine = Arc::new(Machine {
        tokio: TokioRuntime::current().unwrap(),
        slept_ms: AtomicU64::new(0),
    });
    let builder = Client::builder(server().await).runtime(Arc::clone(&machine) as Arc<dyn Runtime>);
    let client = builder.connect().await.unwrap();
    let path = fresh_path("t37");
    let guard = prepared(&client, &path).await.lock().await.unwrap();
    assert_eq!(guard.state(), GuardState::Held);
    let lost = guard.lost();
    let slept = 2 * client.negotiated_timeout();
    machine
        .slept_ms
        .store(slept.as_millis() as u64, Ordering::Relaxed);
    assert!(!guard.state().is_safe());
    assert_eq!(guard.remaining(), Duration::ZERO);
    // Who only waits is told with the next heartbeat.
    let lost = tokio::time::timeout(PATIENCE, lost).await.unwrap();
    assert!(!lost.is_safe());
}
