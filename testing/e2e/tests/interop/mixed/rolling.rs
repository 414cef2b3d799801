//! All members of an ensemble replaced by another make, one by one and back, while it serves.

use lockkeeper_e2e::{Ensemble, Peer};

use super::load::Load;
use super::{await_whole, cast, names, newcomer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_3_9_are_replaced_and_come_back() {
    replace_all(Peer::Apache39, newcomer(Peer::Apache39)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_3_8_are_replaced_and_come_back() {
    replace_all(Peer::Apache38, newcomer(Peer::Apache38)).await;
}

/// Followers first and the leader last, as an operator does it.
async fn replace_all(old: Peer, new: Peer) {
    let (mut ensemble, _network) = Ensemble::start_led(&cast(&[old; 3])).expect("it starts");
    println!("{}", names(&ensemble));
    let load = Load::start(&ensemble).await;
    for peer in [new, old] {
        let leader = ensemble.await_leader().expect("someone leads");
        for step in 1..=3 {
            let place = (leader + step) % 3;
            ensemble.replace(place, peer).expect("it goes on");
            await_whole(&mut ensemble);
            load.all_go_on().await;
            let leads = ensemble.await_leader().expect("someone leads");
            let leads = ensemble.members()[leads].peer();
            println!("  {}: {leads} leads", names(&ensemble));
        }
    }
    load.finish(&ensemble).await;
}
