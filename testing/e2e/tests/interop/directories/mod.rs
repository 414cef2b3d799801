//! One data directory, several servers: what one make has written, another one continues.
//!
//! A server is stopped or killed and another make starts on its folder and port. Everything a
//! client can see must be as before: each znode with its data, ACL and every field of its stat,
//! each session with its ephemerals. One client stays all the time and only notices lost links;
//! another session is without a client over each switch and is resumed by id and password.

pub(crate) mod content;

use std::fs;
use std::time::Duration;

use lockkeeper::{Client, CreateMode, SessionCredentials};
use lockkeeper_e2e::{Peer, Proxy, Server, Settings, wait};

use content::{USER, populate, write_round};

use crate::tree::{self, Tree, differences};

/// The `superDigest` of user `super` with password `secret`, so that every ACL can be read.
pub(crate) const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";
pub(crate) const SUPER: &str = "super:secret";

/// Long enough for any switch.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// Snapshots every few transactions, so that the directory gets several, and several logs.
fn settings() -> Settings {
    Settings::default()
        .property("zookeeper.snapCount", "50")
        .property("zookeeper.preAllocSize", "64")
        .property(
            "zookeeper.DigestAuthenticationProvider.superDigest",
            SUPER_DIGEST,
        )
}

/// A server on a directory that others will continue, and the sessions that outlive it.
struct Lineage {
    server: Server,
    /// Connected whenever a server runs.
    resident: Client,
    absent: SessionCredentials,
    round: u32,
}

impl Lineage {
    async fn start(peer: Peer, settings: Settings) -> Self {
        let server = Server::standalone_with(peer, settings).expect("it starts");
        let connect = server.connect_string();
        let resident = Client::builder(&connect)
            .session_timeout(SESSION_TIMEOUT)
            .auth("digest", USER);
        let resident = resident.connect().await.expect("a session");
        populate(&resident, server.address()).await;

        let proxy = Proxy::start(server.address()).expect("a loopback port");
        let absent = Client::builder(proxy.connect_string()).session_timeout(SESSION_TIMEOUT);
        let absent = absent.connect().await.expect("a session");
        let create = absent.create("/absent", "", CreateMode::Ephemeral);
        create.await.expect("a free path");
        let absent = leave(proxy, absent);
        Self {
            server,
            resident,
            absent,
            round: 0,
        }
    }

    /// Everything that is in the tree, as the super user sees it.
    async fn tree(&self) -> Tree {
        let reader = Client::builder(self.server.connect_string()).auth("digest", SUPER);
        let reader = reader.connect().await.expect("a session");
        let tree = tree::read(&reader).await;
        reader.close().await.expect("an orderly end");
        tree
    }

    /// Has `peer` continue and compares before and after; then writes something more.
    async fn switch(&mut self, peer: Peer, kill: bool) {
        let from = self.server.peer();
        let before = self.tree().await;
        let session = self.resident.session_id();
        if kill {
            self.server.kill()
        } else {
            self.server.terminate(wait::PATIENCE)
        }
        .expect("it runs");
        self.server.change_peer(peer);
        self.server.restart().expect("it starts on the directory");
        let changed = differences(&before, &self.tree().await);
        let how = if kill { "killed" } else { "stopped" };
        assert_eq!(changed, [""; 0], "{from} {how}, {peer} went on");

        self.resume_absent().await;
        self.round += 1;
        let seen = self.resident.last_zxid();
        let written = write_round(&self.resident, self.round).await;
        assert!(written > seen, "{peer} went back from {seen} to {written}");
        assert_eq!(self.resident.session_id(), session, "{peer}");
    }

    /// The session without a client is there, with its ephemeral, and takes more of them.
    async fn resume_absent(&mut self) {
        let proxy = Proxy::start(self.server.address()).expect("a loopback port");
        let builder = Client::builder(proxy.connect_string())
            .session_timeout(SESSION_TIMEOUT)
            .resume(self.absent.clone());
        let resumed = builder.connect().await.expect("the session is alive");
        assert_eq!(resumed.session_id(), self.absent.id);
        let mut own = resumed.ephemerals(None).await.expect("a reply");
        own.sort();
        let expected = (1..=self.round).map(|round| format!("/absent-{round:02}"));
        let expected: Vec<String> = ["/absent".to_owned()].into_iter().chain(expected).collect();
        assert_eq!(own, expected);
        let path = format!("/absent-{:02}", self.round + 1);
        let create = resumed.create(&path, "", CreateMode::Ephemeral);
        create.await.expect("a free path");
        self.absent = leave(proxy, resumed);
    }

    /// The sessions end, and their ephemerals with them.
    async fn finish(self) {
        let last = Client::builder(self.server.connect_string()).resume(self.absent.clone());
        let last = last.connect().await.expect("the session is alive");
        last.close().await.expect("an orderly end");
        self.resident.close().await.expect("an orderly end");
        let tree = self.tree().await;
        let left: Vec<&String> = tree
            .iter()
            .filter(|(_, z)| z.is_ephemeral())
            .map(|(p, _)| p)
            .collect();
        assert_eq!(left, [""; 0]);
    }

    fn files(&self, part: &str) -> usize {
        let folder = self.server.data_dir().join("version-2");
        let entries = fs::read_dir(folder).expect("it exists");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        names
            .filter(|name| name.to_string_lossy().contains(part))
            .count()
    }
}

/// Goes without closing the session: with the proxy gone, no word of it gets through.
fn leave(proxy: Proxy, client: Client) -> SessionCredentials {
    let credentials = client.credentials();
    drop(proxy);
    drop(client);
    credentials
}

/// Starts with one make and switches `count` times between the two, with a kill or a stop in turn.
async fn go_back_and_forth(one: Peer, other: Peer, count: usize) {
    let mut lineage = Lineage::start(one, settings()).await;
    assert!(lineage.files("snapshot.") > 1 && lineage.files("log.") > 1);
    for turn in 0..count {
        let peer = if turn % 2 == 0 { other } else { one };
        lineage.switch(peer, turn % 4 < 2).await;
    }
    lineage.finish().await;
}

/// Ours if its binary was named; another release of Apache's for the proof of the test.
fn successor() -> Peer {
    let tested = Peer::under_test();
    let ours = tested.into_iter().find(|peer| *peer == Peer::Ours);
    ours.unwrap_or(Peer::Apache38)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_of_apache_share_a_directory() {
    go_back_and_forth(Peer::Apache39, Peer::Apache38, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_switches_between_two_servers() {
    go_back_and_forth(Peer::Apache39, successor(), 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_release_continues_and_is_continued() {
    go_back_and_forth(Peer::Apache38, successor(), 4).await;
    go_back_and_forth(successor(), Peer::Apache38, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_begun_by_the_successor() {
    go_back_and_forth(successor(), Peer::Apache39, 3).await;
}

/// A crash of one make, continued by itself: what the comparison would miss between makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_changes_nothing() {
    for peer in Peer::under_test() {
        go_back_and_forth(peer, peer, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_snapshots_are_read() {
    for (method, ending) in [("gz", ".gz"), ("snappy", ".snappy")] {
        let settings = settings().property("zookeeper.snapshot.compression.method", method);
        let mut lineage = Lineage::start(Peer::Apache39, settings).await;
        assert!(lineage.files(ending) > 1, "nothing is compressed");
        lineage.switch(successor(), true).await;
        lineage.switch(Peer::Apache39, false).await;
        lineage.switch(successor(), false).await;
        lineage.finish().await;
    }
}
