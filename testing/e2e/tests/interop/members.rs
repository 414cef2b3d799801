//! A member's directory goes from Apache's server to our journal and back: read, cut, and replaced
//! by a snapshot, as a leader orders it.

use std::fs;
use std::io;

use lockkeeper::{Client, CreateMode};
use lockkeeper_e2e::{Ensemble, Peer, Settings};
use lockkeeper_journal::{Journal, RealDisk, Settings as Files};

use crate::common::{LONG, connect};

const WRITES: usize = 40;

/// Everything that was written, asked of one member.
async fn assert_complete(servers: &str, count: usize) {
    let client = connect(servers, LONG).await;
    client.sync("/").await.expect("a reply");
    let children = client.children("/w").await.expect("a reply");
    assert_eq!(children.len(), count);
    client.close().await.expect("an orderly end");
}

async fn write(client: &Client, count: usize) {
    for _ in 0..count {
        let create = client.create("/w/n-", "", CreateMode::PersistentSequential);
        create.await.expect("a majority is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_goes_on_with_what_our_journal_has_changed() {
    for peer in [Peer::Apache39, Peer::Apache38] {
        let settings = Settings::default().property("zookeeper.snapCount", "20");
        let mut ensemble = Ensemble::start_with(&[peer; 3], &settings).expect("it starts");
        let leader = ensemble.await_leader().expect("someone leads");
        let member = (leader + 1) % 3;
        let others = ensemble.members()[leader].connect_string();
        let client = connect(&others, LONG).await;
        let parent = client.create("/w", "", CreateMode::Persistent);
        parent.await.expect("a free path");
        write(&client, WRITES).await;
        let own = ensemble.members()[member].connect_string();
        assert_complete(&own, WRITES).await;
        ensemble.member_mut(member).kill().expect("it runs");

        let dir = ensemble.members()[member].data_dir();
        let files = Files {
            member: true,
            ..Files::new(&dir)
        };
        let (mut journal, mut recovered) = Journal::open(RealDisk, files.clone()).expect("valid");
        recovered.next_snapshot().expect("valid").expect("several");
        let last = recovered.records().last().expect("it logs");
        let last = last.expect("valid").zxid;
        assert!(journal.votes(), "{peer}");
        let epochs = journal.read_epochs(last).expect("Apache wrote them");
        assert_eq!((epochs.accepted, epochs.current), (last >> 32, last >> 32));
        journal.truncate(last - 5).expect("it is in the log");
        drop(journal);
        ensemble.member_mut(member).restart().expect("it starts");
        write(&client, 1).await;
        assert_complete(&own, WRITES + 1).await;

        ensemble.member_mut(member).kill().expect("it runs");
        let (mut journal, mut recovered) = Journal::open(RealDisk, files).expect("valid");
        let snapshot = recovered.next_snapshot().expect("valid").expect("several");
        assert!(journal.votes(), "{peer}");
        let copy = &mut |target: &mut dyn io::Write| {
            let mut image = snapshot.image().map_err(io::Error::other)?;
            io::copy(&mut image, target).map(drop)
        };
        journal.install(snapshot.zxid(), copy).expect("space");
        drop(journal);
        let names = fs::read_dir(dir.join("version-2")).expect("it exists");
        let names = names.map(|entry| entry.expect("readable").file_name());
        let logs = names.filter(|name| name.to_string_lossy().contains("log."));
        assert_eq!(logs.count(), 0, "{peer}");
        ensemble.member_mut(member).restart().expect("it starts");
        write(&client, 1).await;
        assert_complete(&own, WRITES + 2).await;
    }
}
