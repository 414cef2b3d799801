//! A thousand sessions at one lock: what a release and a cancellation cost.

use std::sync::Mutex;

use futures::future::join_all;
use lockkeeper::Client;
use lockkeeper_e2e::proxy::{Direction, op};
use lockkeeper_e2e::{Proxy, four_letter, process};
use lockkeeper_recipes::{Fence, Guard, LockError, Mutex as Lock};
use lockkeeper_server::embed::{Embedded, embed};
use tokio::task::JoinHandle;

use crate::common::{PATIENCE, assert_clean, connect, eventually, fresh_path, granted, prepared};

const CONTENDERS: usize = 1000;

/// A server that nobody else makes count, and a lock on it.
struct Crowd {
    server: Embedded,
    proxy: Proxy,
    watcher: Client,
    path: String,
}

type Waiter = JoinHandle<Result<Guard, LockError>>;

impl Crowd {
    /// Takes the lock and has everybody wait for it.
    async fn gather(name: &str) -> (Self, Guard, Vec<Waiter>) {
        // A session has two connections with two ends each.
        process::allow_descriptors(5 * CONTENDERS).expect("the system allows so many");
        let server = embed().tick_time_ms(1000).start().expect("it can start");
        let proxy = Proxy::start(server.address()).expect("a port is free");
        let watcher = connect(&server.connect_string()).await;
        let path = fresh_path(name);
        let guard = prepared(&watcher, &path).await.lock().await.unwrap();
        let mut waiters = Vec::new();
        // In groups that a listen queue has room for.
        for _ in 0..CONTENDERS / 50 {
            let group = (0..50).map(|_| session(proxy.connect_string()));
            for client in join_all(group).await {
                let lock = Lock::new(&client, &path).unwrap();
                waiters.push(tokio::spawn(async move { lock.lock().await }));
            }
        }
        let crowd = Self {
            server,
            proxy,
            watcher,
            path,
        };
        crowd.await_len(CONTENDERS + 1).await;
        (crowd, guard, waiters)
    }

    /// So many are in the queue, and everyone but the first watches somebody.
    async fn await_len(&self, len: usize) {
        eventually("all wait", async || {
            let counted = |key| metric(&self.server, key);
            // Each has one on the own znode, and all but the first on the one ahead.
            (counted("zk_ephemerals_count"), counted("zk_watch_count")) == (len, 2 * len - 1)
        })
        .await;
    }

    /// How many watches the deletions so far have set off, and the most that one of them has.
    fn told(&self) -> (usize, usize) {
        let counted = |what| format!("zk_{what}_node_deleted_watch_count");
        let counted = |what| metric(&self.server, &counted(what));
        (counted("sum"), counted("max"))
    }
}

/// What the server counts under this name.
fn metric(server: &Embedded, key: &str) -> usize {
    let answer = four_letter::ask(server.address(), "mntr").expect("it answers");
    let value = four_letter::metric(&answer, key);
    value.unwrap_or_else(|| panic!("no {key} in {answer}")) as usize
}

async fn session(server: String) -> Client {
    let builder = Client::builder(server).session_timeout(PATIENCE);
    builder.connect().await.expect("a session")
}

/// Lets each of them hold when its turn comes; returns the fences in the order of the grants.
async fn drain(waiters: Vec<Waiter>) -> Vec<Fence> {
    let fences: Mutex<Vec<Fence>> = Mutex::default();
    let turns = waiters.into_iter().map(async |waiter| {
        let guard = granted(waiter).await;
        fences.lock().unwrap().push(guard.fence());
        guard.release().await.unwrap();
    });
    join_all(turns).await;
    fences.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_t4_a_release_wakes_one_of_a_thousand_and_listings_stay_linear() {
    let (crowd, guard, waiters) = Crowd::gather("t3").await;
    let (told_before, _) = crowd.told();
    guard.release().await.unwrap();
    let fences = drain(waiters).await;
    assert_eq!(fences.len(), CONTENDERS);
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    let (told, herd) = crowd.told();
    assert!(told - told_before <= CONTENDERS, "{told} told");
    assert_eq!(herd, 1);
    let requests = |opcode| crowd.proxy.count(Direction::Request, opcode);
    assert_eq!(requests(op::CREATE2), CONTENDERS);
    let listings = requests(op::GET_CHILDREN);
    assert!(listings <= 2 * CONTENDERS, "{listings} listings");
    assert_clean(&crowd.watcher, &crowd.path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t5_of_a_thousand_the_cancelled_get_nothing_and_the_rest_keep_their_order() {
    let (crowd, guard, mut waiters) = Crowd::gather("t5").await;
    let (told_before, _) = crowd.told();
    // Three in ten of them, here and there.
    let cancelled = waiters.extract_if(.., |_| crowd.watcher.random() % 10 < 3);
    let cancelled: Vec<_> = cancelled.collect();
    for waiter in &cancelled {
        waiter.abort();
    }
    let kept = waiters.len();
    crowd.await_len(kept + 1).await;
    let (told, herd) = crowd.told();
    assert!(told - told_before <= cancelled.len(), "{told} told");
    assert_eq!(herd, 1);
    let creates = crowd.proxy.count(Direction::Request, op::CREATE2);
    assert_eq!(creates, CONTENDERS, "nobody queues twice");
    for waiter in cancelled {
        assert!(waiter.await.unwrap_err().is_cancelled());
    }

    guard.release().await.unwrap();
    let fences = drain(waiters).await;
    assert_eq!(fences.len(), kept);
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    let (told, herd) = crowd.told();
    assert!(told - told_before <= CONTENDERS, "{told} told");
    assert_eq!(herd, 1);
    assert_clean(&crowd.watcher, &crowd.path).await;
}
