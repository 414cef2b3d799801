//! Writers and readers that go on whatever happens to the servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lockkeeper::{Client, CreateMode, Error, Op, Outcome, SessionId, Zxid};
use lockkeeper_e2e::Ensemble;
use tokio::task::JoinHandle;

use super::history::{self, Book, Fate, Kind, TOPS, Write};
use super::{SESSION, common_tree};
use crate::common::{connect, eventually};

const WRITERS: usize = 4;
const READERS: usize = 2;

/// Between two writes of a writer, so that a tree can be read through at the end.
const PACE: Duration = Duration::from_millis(5);

/// No number of a znode's versions.
const NO_VERSION: i32 = i32::MAX;

/// Some sessions that write or read all the time, and may be with any member.
pub(super) struct Load {
    over: Arc<AtomicBool>,
    /// Of each writer.
    acknowledged: Arc<[AtomicUsize; WRITERS]>,
    writers: Vec<JoinHandle<Book>>,
    readers: Vec<JoinHandle<usize>>,
    sessions: Vec<(Client, SessionId)>,
}

impl Load {
    pub(super) async fn start(ensemble: &Ensemble) -> Self {
        let servers = ensemble.connect_string();
        let first = connect(&servers, SESSION).await;
        for top in TOPS {
            let create = first.create(top, "", CreateMode::Persistent);
            create.await.expect("a free path");
        }
        let mut load = Self {
            over: Arc::default(),
            acknowledged: Arc::default(),
            writers: Vec::new(),
            readers: Vec::new(),
            sessions: Vec::new(),
        };
        for writer in 0..WRITERS {
            let (client, name) = (load.open(&servers).await, format!("writer-{writer}"));
            let create = client.create(&format!("/alive-{name}"), "", CreateMode::Ephemeral);
            create.await.expect("a free path");
            let book = Book::new(name);
            let create = client.create(&book.register(), "0", CreateMode::Persistent);
            create.await.expect("a free path");
            let (over, acknowledged) = (Arc::clone(&load.over), Arc::clone(&load.acknowledged));
            let task = async move { write(&client, book, &over, &acknowledged[writer]).await };
            load.writers.push(tokio::spawn(task));
        }
        for _ in 0..READERS {
            let (client, over) = (load.open(&servers).await, Arc::clone(&load.over));
            load.readers
                .push(tokio::spawn(async move { read(&client, &over).await }));
        }
        first.close().await.expect("an orderly end");
        load.all_go_on().await;
        load
    }

    async fn open(&mut self, servers: &str) -> Client {
        let client = connect(servers, SESSION).await;
        self.sessions.push((client.clone(), client.session_id()));
        client
    }

    fn counts(&self) -> [usize; WRITERS] {
        std::array::from_fn(|writer| self.acknowledged[writer].load(Ordering::Relaxed))
    }

    /// Waits until writes are acknowledged: of some writers, since others may still be waiting on
    /// a member that does not answer.
    pub(super) async fn goes_on(&self) {
        let before: usize = self.counts().iter().sum();
        eventually("acknowledged writes", async || {
            self.counts().iter().sum::<usize>() >= before + 50
        })
        .await;
    }

    /// Waits until writes of every writer are acknowledged.
    pub(super) async fn all_go_on(&self) {
        let before = self.counts();
        eventually("acknowledged writes of everyone", async || {
            let pairs = self.counts().into_iter().zip(before);
            pairs.into_iter().all(|(now, before)| now >= before + 20)
        })
        .await;
    }

    /// Ends, and compares what all members show with what was acknowledged. Every session has
    /// lived on, and its ephemeral with it.
    pub(super) async fn finish(self, ensemble: &Ensemble) {
        self.all_go_on().await;
        self.over.store(true, Ordering::Relaxed);
        let (mut books, mut reads) = (Vec::new(), 0);
        for writer in self.writers {
            books.push(writer.await.expect("no write breaks a promise"));
        }
        for reader in self.readers {
            reads += reader.await.expect("no read goes back");
        }
        let tree = common_tree(ensemble).await;
        assert_eq!(history::violations(&books, &tree), [""; 0]);
        for (book, (client, session)) in books.iter().zip(&self.sessions) {
            assert_eq!(client.session_id(), *session, "{}", book.name);
            let ephemeral = tree.get(&format!("/alive-{}", book.name));
            let ephemeral = ephemeral.expect("the session has lived on");
            assert_eq!(ephemeral.stat.ephemeral_owner, *session);
        }
        for (client, _) in self.sessions {
            client.close().await.expect("the session lives");
        }
        let count = |counts: fn(&Fate) -> bool| {
            let writes = books.iter().flat_map(|book| &book.writes);
            writes.filter(|write| counts(&write.fate)).count()
        };
        println!(
            "  {} writes acknowledged, {} refused, {} in doubt, {reads} reads, none lost",
            count(|fate| matches!(fate, Fate::Done(_))),
            count(|fate| *fate == Fate::Refused),
            count(|fate| *fate == Fate::Unknown),
        );
    }
}

async fn write(
    client: &Client,
    mut book: Book,
    over: &AtomicBool,
    acknowledged: &AtomicUsize,
) -> Book {
    let mut number = 0;
    let mut seen = Zxid::ZERO;
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let (kind, begun) = (Kind::of(number), Instant::now());
        let outcome = attempt(client, &book, number, kind).await;
        let fate = match outcome {
            Ok(zxid) => {
                acknowledged.fetch_add(1, Ordering::Relaxed);
                assert!(client.last_zxid() >= zxid, "{kind:?} at {zxid}");
                Fate::Done(zxid)
            }
            Err(error) => {
                assert!(!error.is_final(), "{}: {error}", book.name);
                let is_refusal = error.code().is_some() && error.outcome() == Outcome::NotApplied;
                assert!(!is_refusal || kind == Kind::Refused, "{kind:?}: {error}");
                match error.outcome() {
                    Outcome::NotApplied => Fate::Refused,
                    Outcome::Unknown => Fate::Unknown,
                }
            }
        };
        book.writes.push(Write {
            number,
            kind,
            begun,
            ended: Instant::now(),
            fate,
        });
        let last = client.last_zxid();
        assert!(last >= seen, "{}: {seen}, then {last}", book.name);
        seen = last;
        tokio::time::sleep(PACE).await;
    }
    book
}

/// Gives the zxid of the write.
async fn attempt(client: &Client, book: &Book, number: usize, kind: Kind) -> Result<Zxid, Error> {
    let (entry, register, value) = (book.entry(number), book.register(), number.to_string());
    match kind {
        Kind::Create => {
            let created = client.create(&entry, value, CreateMode::Persistent);
            Ok(created.await?.stat.czxid)
        }
        Kind::Set => Ok(client.set(&register, value, None).await?.mzxid),
        Kind::Both => {
            let results = client.multi(vec![
                Op::create(&entry, value.clone(), CreateMode::Persistent),
                Op::set(&register, value, None),
            ]);
            match results.await?.last() {
                Some(lockkeeper::OpResult::Set(stat)) => Ok(stat.mzxid),
                other => panic!("a set answered {other:?}"),
            }
        }
        Kind::Refused => {
            let results = client.multi(vec![
                Op::create(&entry, value, CreateMode::Persistent),
                Op::check(&register, Some(NO_VERSION)),
            ]);
            let results = results.await?;
            panic!("a check that does not hold was passed: {results:?}")
        }
    }
}

/// Reads the registers: none of them goes back, whatever member answers. Gives how often it read.
async fn read(client: &Client, over: &AtomicBool) -> usize {
    let mut last: BTreeMap<String, (usize, Zxid)> = BTreeMap::new();
    let mut reads = 0;
    while !over.load(Ordering::Relaxed) {
        for writer in 0..WRITERS {
            let path = format!("/registers/writer-{writer}");
            let seen = client.last_zxid();
            let Ok(znode) = client.get(&path).await else {
                continue;
            };
            assert!(client.last_zxid() >= seen, "{path}: behind {seen}");
            let data = znode.data.expect("a number");
            let text = str::from_utf8(&data).expect("a number");
            let found = (text.parse().expect("a number"), znode.stat.mzxid);
            let before = last.insert(path, found).unwrap_or_default();
            assert!(
                found.0 >= before.0 && found.1 >= before.1,
                "{before:?}, {found:?}"
            );
            reads += 1;
        }
        tokio::time::sleep(PACE).await;
    }
    reads
}
