//! Data directories of whole ensembles, epochs included, that change hands.

use std::fs;

use lockkeeper::{Client, Zxid};
use lockkeeper_e2e::{Ensemble, Peer, Server, wait};

use super::{cast, common_tree, names, newcomer, settings};
use crate::common::LONG;
use crate::directories::content::{USER, populate, write_round};
use crate::tree::differences;

/// All stop and the other make starts on everything, several times; of five rounds the last two
/// have one member of the other make.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_goes_on_where_another_make_stopped() {
    for old in [Peer::Apache39, Peer::Apache38] {
        let new = newcomer(old);
        let small_files = settings()
            .property("zookeeper.snapCount", "50")
            .property("zookeeper.preAllocSize", "64");
        let cast = cast(&[old; 3]).with(small_files);
        let (mut ensemble, _network) = Ensemble::start_led(&cast).expect("it starts");
        let client = Client::builder(ensemble.connect_string())
            .session_timeout(LONG)
            .auth("digest", USER);
        let client = client.connect().await.expect("a session");
        populate(&client, ensemble.members()[0].address()).await;
        let mut seen = Zxid::ZERO;
        for (round, peers) in (1..).zip([
            [new; 3],
            [old; 3],
            [new; 3],
            [old, new, old],
            [new, old, new],
        ]) {
            let (before, epoch) = (common_tree(&ensemble).await, epochs(&ensemble));
            for (i, peer) in peers.into_iter().enumerate() {
                let member = ensemble.member_mut(i);
                match round % 2 {
                    0 => member.kill(),
                    _ => member.terminate(wait::PATIENCE),
                }
                .expect("it runs");
                member.change_peer(peer);
            }
            ensemble.start_all().expect("it starts on what is there");
            let changed = differences(&before, &common_tree(&ensemble).await);
            assert_eq!(changed, [""; 0], "{}", names(&ensemble));
            let epochs = epochs(&ensemble);
            println!("{}: epoch {epochs}", names(&ensemble));
            assert!(epochs > epoch, "{epoch}, then {epochs}");
            let written = write_round(&client, round).await;
            assert!(written > seen, "{seen}, then {written}");
            assert_eq!(written.0 >> 32, epochs);
            seen = written;
        }
        client.close().await.expect("an orderly end");
    }
}

/// The epoch that all members have on disk, accepted and joined.
fn epochs(ensemble: &Ensemble) -> i64 {
    let epoch = |member: &Server, file: &str| -> i64 {
        let path = member.data_dir().join("version-2").join(file);
        let text = fs::read_to_string(path).expect("it has joined an epoch");
        text.trim().parse().expect("a number")
    };
    let all = ensemble.members().iter();
    let all: Vec<i64> = all
        .flat_map(|m| ["acceptedEpoch", "currentEpoch"].map(|file| epoch(m, file)))
        .collect();
    assert!(all.iter().all(|epoch| *epoch == all[0]), "{all:?}");
    all[0]
}
