//! A member that was away is brought up to date by a leader of the other make: with what it lacks,
//! with the whole tree, or by cutting off what was never committed.

use std::fs;
use std::path::Path;

use lockkeeper::{Client, CreateMode};
use lockkeeper_e2e::{CatchUp, Ensemble, Mode, Network, Peer, wait};

use super::{SESSION, cast, common_tree, names, newcomer, settings};
use crate::common::connect;

/// What a leader keeps in memory, by Apache's defaults.
const WINDOW: usize = 500;

/// Six such znodes make a tree of which a third is more than a log of small writes.
const LARGE: usize = 500_000;

/// Bytes a second: the large tree takes more than a second, and is read in many pieces.
const SLOW: u32 = 2_000_000;

/// The pairs of makes, each way round.
fn pairs() -> Vec<(Peer, Peer)> {
    let mut pairs = Vec::new();
    for old in [Peer::Apache39, Peer::Apache38] {
        let new = newcomer(old);
        for pair in [(old, new), (new, old)] {
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    pairs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_that_missed_few_or_many_is_brought_up_to_date() {
    for (leader, learner) in pairs() {
        // What Apache's leader weighs is the log files behind the one that the learner ends in.
        let small_files = settings()
            .property("zookeeper.snapCount", "200")
            .property("zookeeper.preAllocSize", "64");
        let cast = cast(&[learner, leader, leader]).with(small_files);
        let (mut ensemble, network) = Ensemble::start_led(&cast).expect("it starts");
        let client = connect(&ensemble.connect_string(), SESSION).await;
        for i in 0..6 {
            let path = format!("/large-{i}");
            let create = client.create(&path, vec![i; LARGE], CreateMode::Persistent);
            create.await.expect("a free path");
        }
        common_tree(&ensemble).await;
        // The tree is in a snapshot from here on, and new files hold what is written now.
        for i in 0..3 {
            ensemble.member_mut(i).kill().expect("it runs");
        }
        ensemble.start_all().expect("it comes back");
        let leads = ensemble.await_leader().expect("someone leads");
        assert_ne!(leads, 0, "the smallest id among equals");
        write(&client, 5, 10).await;
        common_tree(&ensemble).await;

        let mut told = Vec::new();
        for (count, len) in [(20, 10), (WINDOW + 200, 10), (800, 10_000)] {
            ensemble.member_mut(0).kill().expect("it runs");
            write(&client, count, len).await;
            network.throttle(0, SLOW);
            ensemble.member_mut(0).restart().expect("it comes back");
            network.heal();
            told.extend(network.catch_ups(0).pop());
            write(&client, 1, 10).await;
            common_tree(&ensemble).await;
        }
        println!("{}: {told:?}", names(&ensemble));
        let expected = [CatchUp::Diff, CatchUp::Diff, CatchUp::Snap];
        assert_eq!(told, expected, "{learner} behind {leader}");
        client.close().await.expect("an orderly end");
    }
}

/// Sets one znode so often, all at once.
async fn write(client: &Client, count: usize, len: usize) {
    let calls: Vec<_> = (0..count)
        .map(|_| client.set("/large-0", vec![b'x'; len], None))
        .collect();
    for call in calls {
        call.await.expect("it is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deposed_leader_proposed_alone_is_cut_off() {
    for (next, deposed) in pairs() {
        let (mut ensemble, network) = diverge(deposed, next).await;
        // Nothing has happened in the new epoch, so there is nothing but to cut.
        network.heal();
        rejoin(&mut ensemble, &network, &[CatchUp::Trunc]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deposed_leader_proposed_alone_gives_way_to_a_later_epoch() {
    for (next, deposed) in pairs() {
        let (mut ensemble, network) = diverge(deposed, next).await;
        let elsewhere = connect(&ensemble.members()[0].connect_string(), SESSION).await;
        let create = elsewhere.create("/tails/of-the-others", "", CreateMode::Persistent);
        create.await.expect("a free path");
        network.heal();
        // No log leads from one epoch's tail to the next epoch; cutting and going on would do too.
        rejoin(&mut ensemble, &network, &[CatchUp::Snap, CatchUp::Trunc]).await;
        elsewhere.close().await.expect("an orderly end");
    }
}

const TAIL_LEN: usize = 20;

/// An ensemble whose last member led, was cut off, and has a tail in its log that the others lack.
async fn diverge(deposed: Peer, next: Peer) -> (Ensemble, Network) {
    let cast = cast(&[next, next, deposed]);
    let (ensemble, network) = Ensemble::start_led(&cast).expect("it starts");
    let client = connect(&ensemble.members()[2].connect_string(), SESSION).await;
    let create = client.create("/tails", "", CreateMode::Persistent);
    create.await.expect("a free path");
    common_tree(&ensemble).await;
    network.isolate(2);
    let paths = (0..TAIL_LEN).map(|i| format!("/tails/lost-{i:02}"));
    let calls: Vec<_> = paths
        .map(|path| client.create(&path, "", CreateMode::Persistent))
        .collect();
    let last = format!("/tails/lost-{:02}", TAIL_LEN - 1);
    let folder = ensemble.members()[2].data_dir().join("version-2");
    wait::until("the tail in the log", wait::PATIENCE, || {
        is_logged(&folder, last.as_bytes()).then_some(())
    })
    .expect("it logs what it proposes");
    let leads = ensemble.await_leader_beside(2).expect("another one");
    println!("{}: {deposed} is cut off, {next} leads", names(&ensemble));
    assert_ne!(leads, 2);
    for call in calls {
        call.await.expect_err("no quorum has it");
    }
    (ensemble, network)
}

/// Whether a log in the folder holds these bytes.
fn is_logged(folder: &Path, bytes: &[u8]) -> bool {
    let files = fs::read_dir(folder).expect("it has a folder");
    let mut logs = files
        .map(|file| file.expect("readable").path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("log."))
        });
    logs.any(|path| {
        let content = fs::read(path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

/// The deposed leader comes back without its tail, and stays without it.
async fn rejoin(ensemble: &mut Ensemble, network: &Network, expected: &[CatchUp]) {
    wait::until("the deposed leader follows", wait::PATIENCE, || {
        let mode = ensemble.members()[2].mode();
        mode.is_ok_and(|mode| mode == Mode::Follower).then_some(())
    })
    .expect("it is back");
    let told = network.catch_ups(2);
    println!("  told {told:?}");
    assert!(
        expected.contains(told.last().expect("a leader told it")),
        "{told:?}"
    );
    for _ in 0..2 {
        let tree = common_tree(ensemble).await;
        let lost = tree.keys().filter(|path| path.starts_with("/tails/lost"));
        assert_eq!(lost.collect::<Vec<_>>(), [""; 0]);
        let client = connect(&ensemble.connect_string(), SESSION).await;
        let create = client.create("/tails/s-", "", CreateMode::PersistentSequential);
        create.await.expect("it may be made");
        client.close().await.expect("an orderly end");
        ensemble.member_mut(2).kill().expect("it runs");
        ensemble.member_mut(2).restart().expect("it comes back");
    }
}
