//! Servers of different makes in one ensemble.
//!
//! Every cast here is two makes in one quorum: ours beside Apache's, and where no binary of ours was
//! named Apache's lines beside each other, which is the proof of the tests. A recorder keeps every
//! write and what became of it (`history`); at the end all members must show one and the same tree,
//! and one that can have come of that history.

mod catching_up;
mod directories;
mod faults;
mod history;
mod load;
mod locks;
mod rolling;
mod serving;

use std::time::Duration;

use lockkeeper::Client;
use lockkeeper_e2e::{Cast, Ensemble, Peer, Settings, wait};

use crate::directories::{SUPER, SUPER_DIGEST};
use crate::tree::{self, Tree, differences};

/// Lives through every fault of these tests, and through a restart of all servers.
const SESSION: Duration = Duration::from_secs(60);

/// The newcomer among servers of Apache's line `old`: ours, or the other line.
fn newcomer(old: Peer) -> Peer {
    let tested = Peer::under_test();
    let other = match old {
        Peer::Apache38 => Peer::Apache39,
        _ => Peer::Apache38,
    };
    let ours = tested.into_iter().find(|&peer| peer == Peer::Ours);
    ours.unwrap_or(other)
}

/// A member that hears nothing gives up after three seconds.
fn settings() -> Settings {
    Settings::default()
        .config("tickTime", "200")
        .config("initLimit", "100")
        .config("syncLimit", "15")
        .property(
            "zookeeper.DigestAuthenticationProvider.superDigest",
            SUPER_DIGEST,
        )
}

fn cast(participants: &[Peer]) -> Cast {
    Cast::of(participants).with(settings())
}

/// A session with each member alone, which may read everything.
async fn connect_each(ensemble: &Ensemble) -> Vec<Client> {
    let mut clients = Vec::new();
    for member in ensemble.members() {
        let client = Client::builder(member.connect_string())
            .session_timeout(SESSION)
            .auth("digest", SUPER);
        clients.push(client.connect().await.expect("a session"));
    }
    clients
}

/// The tree as all members show it, who must agree on every znode and every number of its stat.
/// Nobody may write meanwhile.
async fn common_tree(ensemble: &Ensemble) -> Tree {
    let clients = connect_each(ensemble).await;
    let mut common: Option<Tree> = None;
    for (member, client) in ensemble.members().iter().zip(&clients) {
        client.sync("/").await.expect("a reply");
        let mut tree = tree::read(client).await;
        // The members' configurations, which differ when there is a network between them.
        tree.remove("/zookeeper/config");
        if let Some(common) = &common {
            let first = ensemble.members()[0].peer();
            let differ = differences(common, &tree);
            assert_eq!(differ, [""; 0], "{first} and {}", member.peer());
        }
        common.get_or_insert(tree);
    }
    for client in clients {
        client.close().await.expect("an orderly end");
    }
    common.expect("an ensemble has members")
}

/// Waits until every member serves and one of them leads.
fn await_whole(ensemble: &mut Ensemble) {
    wait::until("every member serves", wait::PATIENCE, || {
        let mut members = ensemble.members().iter();
        members.all(|member| member.mode().is_ok()).then_some(())
    })
    .expect("they find together");
    ensemble.await_leader().expect("someone leads");
}

/// `one`, `other`, `other`: for messages.
fn names(ensemble: &Ensemble) -> String {
    let peers = ensemble.members().iter();
    let names: Vec<String> = peers.map(|member| member.peer().to_string()).collect();
    names.join(", ")
}
