//! Holders of our mutex that stop, die or outlive their queue, and what the next one gets.

use std::net::SocketAddr;
use std::time::Duration;

use lockkeeper::{CreateMode, Op};
use lockkeeper_e2e::proxy::Direction;
use lockkeeper_e2e::{Ensemble, Peer, Proxy, Server, Settings, wait};

use crate::common::{LONG, PATH, assert_clean, connect, enqueue, eventually, granted, mutex};
use crate::mutexes::lockkeeper;

/// What every session here gets, whatever it asks for.
const SESSION: Duration = Duration::from_secs(4);
const TICK: Duration = Duration::from_millis(500);

fn settings() -> Settings {
    Settings::default().config("maxSessionTimeout", "4000")
}

/// What compares fences: the highest one it has seen, and what came with it.
#[derive(Default)]
struct Resource {
    fence: i64,
    value: String,
}

impl Resource {
    /// Takes a value, unless a later holder has written.
    fn put(&mut self, fence: i64, value: &str) -> bool {
        let accepts = fence >= self.fence;
        if accepts {
            (self.fence, self.value) = (fence, value.to_owned());
        }
        accepts
    }

    /// Takes what a process says: `put FENCE VALUE`.
    fn take(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let ["put", fence, value] = words[..] else {
            panic!("said {line:?}");
        };
        self.put(fence.parse().expect("a fence is a number"), value)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_what_a_stopped_holder_writes_when_it_goes_on_is_refused() {
    for peer in Peer::under_test() {
        let server = Server::standalone_with(peer, settings()).expect("it starts");
        let client = connect(&server.connect_string(), SESSION).await;
        let create = client.create("/data", "zero", CreateMode::Persistent);
        create.await.expect("a free path");
        let mut resource = Resource::default();
        let mut holder = lockkeeper(&server.connect_string(), PATH, "holder").expect("a session");
        let first = holder.acquire(LONG).expect("it answers");
        let first = first.expect("the lock is free");
        let lines = holder.lines_mut();
        assert!(resource.take(&lines.ask("put one").expect("it answers")));
        let written = lines.ask("write /data one").expect("it answers");
        assert_eq!(written, "written", "{peer}");
        let next = enqueue(&mutex(&client), 1).await;

        lines.process_mut().pause().expect("it runs");
        let (next, _) = granted(next).await;
        assert!(next.fence().get() > first.fence, "{peer}");
        assert!(resource.put(next.fence().get(), "two"));
        let write = next.write(vec![Op::set("/data", "two", None)]);
        write.await.expect("the next one holds");
        // The first things it does when it goes on, before it hears of anything.
        for line in ["state", "put three", "write /data three"] {
            lines.send(line).expect("the pipe has room");
        }
        lines.process_mut().resume().expect("it is stopped");
        let mut answer = || lines.answer(wait::PATIENCE).expect("it answers");
        let state = answer();
        assert!(
            ["PossiblyLost", "Lost(Expired)"].contains(&&state["state ".len()..]),
            "{peer}: {state}"
        );
        assert!(!resource.take(&answer()), "{peer}: an old fence was taken");
        let written = answer();
        assert!(written.starts_with("refused "), "{peer}: {written}");
        assert_eq!(resource.value, "two");
        let data = client.get("/data").await.expect("it is there");
        assert_eq!(data.bytes(), b"two", "{peer}");
        next.release().await.expect("it is held");
        assert_clean(&client).await;
    }
}

/// For what the kernel and the scheduler take on a loaded machine; far below another timeout.
const TOLERANCE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t34_after_a_kill_the_next_one_enters_between_the_bounds() {
    for peer in Peer::under_test() {
        let server = Server::standalone_with(peer, settings()).expect("it starts");
        let waited = kill_holder(server.address()).await;
        let late = SESSION + TICK;
        println!("{peer}: {waited:?} after the last request");
        assert!(
            waited >= SESSION && waited < late + TOLERANCE,
            "{peer}: {waited:?}"
        );
    }
    for peer in Peer::under_test() {
        let ensemble = Ensemble::start_with(&[peer; 3], &settings()).expect("it starts");
        let leader = ensemble.await_leader().expect("someone leads");
        let waited = kill_holder(ensemble.members()[(leader + 1) % 3].address()).await;
        // The leader hears of what a follower has heard twice a tick.
        let late = SESSION + TICK / 2 + TICK;
        println!("{peer}, follower: {waited:?} after the last request");
        assert!(
            waited >= SESSION && waited < late + TOLERANCE,
            "{peer}: {waited:?}"
        );
    }
}

/// Kills a holder; returns how long after its last request the next one enters.
async fn kill_holder(server: SocketAddr) -> Duration {
    let proxy = Proxy::start(server).expect("a port is free");
    let mut holder = lockkeeper(&proxy.connect_string(), PATH, "holder").expect("a session");
    let grant = holder.acquire(LONG).expect("it answers");
    let grant = grant.expect("the lock is free");
    let client = connect(&server.to_string(), SESSION).await;
    let next = enqueue(&mutex(&client), 1).await;
    holder.lines_mut().process_mut().kill().expect("it runs");
    let (next, entered_at) = granted(next).await;
    assert!(next.fence().get() > grant.fence);
    next.release().await.expect("it is held");
    assert_clean(&client).await;
    let seen = proxy.seen();
    let mut requests = seen
        .iter()
        .rev()
        .filter(|seen| seen.direction == Direction::Request);
    entered_at - requests.next().expect("it has connected").at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t18_fences_grow_though_a_new_parent_counts_from_zero() {
    let settings = settings().property("znode.container.checkIntervalMs", "100");
    for peer in Peer::under_test() {
        let server = Server::standalone_with(peer, settings.clone()).expect("it starts");
        let client = connect(&server.connect_string(), SESSION).await;
        let lock = mutex(&client);
        let mut fences = Vec::new();
        for _ in 0..3 {
            let first = lock.lock().await.expect("a free lock");
            assert!(first.path().ends_with("-0000000000"), "{first:?}");
            let second = enqueue(&lock, 1).await;
            fences.push(first.fence());
            first.release().await.expect("it is held");
            let (second, _) = granted(second).await;
            assert!(second.path().ends_with("-0000000001"), "{second:?}");
            fences.push(second.fence());
            second.release().await.expect("it is held");
            eventually("the parent is removed", async || {
                client.exists(PATH).await.expect("a reply").is_none()
            })
            .await;
        }
        assert!(fences.is_sorted_by(|a, b| a < b), "{peer}: {fences:?}");
        client.close().await.expect("an orderly end");
    }
}
