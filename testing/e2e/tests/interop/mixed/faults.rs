//! Leaders of either make that die, hang or fall silent under load.

use lockkeeper_e2e::{Cast, Ensemble, Network, Peer};

use super::load::Load;
use super::{await_whole, cast, names, newcomer, serving};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_newcomer_follows_two_of_3_9() {
    let (old, new) = (Peer::Apache39, newcomer(Peer::Apache39));
    survive(&cast(&[old, new, old])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_newcomer_leads_two_of_3_9() {
    let (old, new) = (Peer::Apache39, newcomer(Peer::Apache39));
    survive(&cast(&[old, old, new])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_newcomers_follow_one_of_3_9() {
    let (old, new) = (Peer::Apache39, newcomer(Peer::Apache39));
    survive(&cast(&[new, new, old])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_newcomers_with_one_of_3_9_and_a_newcomer_leads() {
    let (old, new) = (Peer::Apache39, newcomer(Peer::Apache39));
    survive(&cast(&[new, old, new])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_newcomer_follows_two_of_3_8() {
    let (old, new) = (Peer::Apache38, newcomer(Peer::Apache38));
    survive(&cast(&[old, new, old])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_newcomer_leads_two_of_3_8() {
    let (old, new) = (Peer::Apache38, newcomer(Peer::Apache38));
    survive(&cast(&[old, old, new])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_newcomers_follow_one_of_3_8() {
    let (old, new) = (Peer::Apache38, newcomer(Peer::Apache38));
    survive(&cast(&[new, new, old])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_newcomers_with_one_of_3_8_and_a_newcomer_leads() {
    let (old, new) = (Peer::Apache38, newcomer(Peer::Apache38));
    survive(&cast(&[new, old, new])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_of_each_make() {
    for peer in Peer::under_test() {
        survive(&cast(&[peer; 3])).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_of_three_makes_and_two_observers() {
    let new = newcomer(Peer::Apache39);
    let five = [Peer::Apache38, new, Peer::Apache39, new, Peer::Apache39];
    survive(&cast(&five).observed_by(&[new, Peer::Apache39])).await;
    let five = [new, Peer::Apache38, new, Peer::Apache39, new];
    survive(&cast(&five)).await;
}

/// Serves, and goes on serving while one leader after the other is killed, paused, heard by nobody,
/// and deaf.
async fn survive(cast: &Cast) {
    let (mut ensemble, network) = Ensemble::start_led(cast).expect("it starts");
    println!("{}: the last of the participants leads", names(&ensemble));
    serving::through_every_member(&ensemble).await;

    let load = Load::start(&ensemble).await;
    let leader = ensemble.await_leader().expect("someone leads");
    ensemble.member_mut(leader).kill().expect("it runs");
    succeed(&ensemble, leader, "killed");
    load.all_go_on().await;
    ensemble
        .member_mut(leader)
        .restart()
        .expect("it comes back");
    load.all_go_on().await;

    let leader = ensemble.await_leader().expect("someone leads");
    ensemble.member_mut(leader).pause().expect("it runs");
    succeed(&ensemble, leader, "paused");
    load.goes_on().await;
    ensemble.member_mut(leader).resume().expect("it is paused");
    await_whole(&mut ensemble);
    load.all_go_on().await;

    for (what, cut) in [
        ("muted", Network::mute as fn(&_, _)),
        ("deafened", Network::deafen),
    ] {
        let leader = ensemble.await_leader().expect("someone leads");
        cut(&network, leader);
        succeed(&ensemble, leader, what);
        load.goes_on().await;
        network.heal();
        await_whole(&mut ensemble);
        load.all_go_on().await;
    }
    load.finish(&ensemble).await;
}

/// Somebody else leads.
fn succeed(ensemble: &Ensemble, leader: usize, what: &str) {
    let next = ensemble.await_leader_beside(leader).expect("another one");
    let members = ensemble.members();
    let (old, new) = (members[leader].peer(), members[next].peer());
    println!("  {old} {what}, {new} leads");
}
