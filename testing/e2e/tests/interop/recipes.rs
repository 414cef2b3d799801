//! Recipes of different libraries on one path, two hundred operations for each pair.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lockkeeper::Client;
use lockkeeper_e2e::lines::LinePeer;
use lockkeeper_e2e::oracle::{OracleLink, Report};
use lockkeeper_e2e::{Oracle, Peer, Server, java, python};
use lockkeeper_recipes::{
    Barrier, DoubleBarrier, Election, ElectionLayout, Group, GroupEvent, GroupLayout, Guard,
    RecipeError, RwLock, Semaphore, SharedCount, SharedValue,
};

use crate::common::{LONG, connect, turn};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Sessions of each library.
const SESSIONS: u32 = 2;
/// Operations of each session: four sessions make two hundred.
const COUNT: u32 = 50;

/// The servers that recipes meet on.
fn servers() -> impl Iterator<Item = (Peer, Server)> {
    Peer::under_test().into_iter().map(|peer| {
        let server = Server::standalone(peer).expect("it starts");
        (peer, server)
    })
}

/// A program that takes part on command.
struct Partner(LinePeer);

impl Partner {
    fn curator(servers: &str) -> Self {
        let command = java::peer("lockkeeper.peers.CuratorRecipesPeer");
        Self::start(command, "curator", servers)
    }

    fn kazoo(servers: &str) -> Self {
        Self::start(python::peer("kazoo_recipes.py"), "kazoo", servers)
    }

    fn start(command: io::Result<std::process::Command>, name: &str, servers: &str) -> Self {
        let mut command = command.expect("it is prepared");
        command.args([servers, name]);
        let mut lines = LinePeer::spawn(name, command).expect("it starts");
        lines.expect("ready").expect("it connects");
        Self(lines)
    }

    fn tell(&mut self, line: &str) {
        self.0.send(line).expect("it listens");
    }

    fn answer(&mut self) -> String {
        self.0.answer(LONG).expect("it answers")
    }

    fn done(&mut self) {
        assert_eq!(self.answer(), "done");
    }

    fn does(&mut self, line: &str) {
        self.tell(line);
        self.done();
    }
}

/// Runs `ours` in two sessions beside the partner's command, and returns the judgement.
async fn contest<F>(
    servers: &str,
    limit: usize,
    command: impl Fn(SocketAddr) -> String,
    ours: impl Fn(String, Client, OracleLink) -> F,
) -> Report
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut partner = Partner::curator(servers);
    let oracle = Oracle::with_limit(limit).expect("a loopback port");
    partner.tell(&command(oracle.address()));
    let mut running = Vec::new();
    for session in 0..SESSIONS {
        let client = connect(servers, TIMEOUT).await;
        let link = OracleLink::open(oracle.address())
            .await
            .expect("it listens");
        running.push(tokio::spawn(ours(format!("ours-{session}"), client, link)));
    }
    for each in running {
        let ended = each.await;
        assert!(ended.is_ok(), "{:?}: {ended:?}", oracle.report().violations);
    }
    partner.done();
    let report = oracle.report();
    assert_eq!(report.violations, [""; 0]);
    assert_eq!(report.total(), 2 * SESSIONS * COUNT);
    report
}

async fn elections(layout: ElectionLayout, command: &'static str) {
    for (peer, server) in servers() {
        let servers = server.connect_string();
        let command = |oracle| format!("{command} /election {COUNT} {oracle}");
        let ours = |who: String, client: Client, mut link: OracleLink| async move {
            let builder = Election::builder(&client, "/election")
                .layout(layout)
                .id(&who);
            let election = builder.build().expect("a path");
            for _ in 0..COUNT {
                let leader = election.lead_timeout(LONG).await.expect("it is our turn");
                turn(&mut link, &who, &leader).await;
                leader.resign().await.expect("it leads");
            }
        };
        let report = contest(&servers, 1, command, ours).await;
        assert!(
            report.handovers > 50,
            "{peer}: hardly any contention: {report:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t102_curators_leader_latch_and_ours_lead_in_turn() {
    elections(ElectionLayout::Latch, "latch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t102_curators_leader_selector_and_ours_lead_in_turn() {
    elections(ElectionLayout::Selector, "selector").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t102_curators_read_write_lock_and_ours_exclude_each_other() {
    for (peer, server) in servers() {
        let servers = server.connect_string();
        let command = |oracle| format!("rw /rw {COUNT} {oracle}");
        let ours = |who: String, client: Client, mut link: OracleLink| async move {
            let lock = RwLock::new(&client, "/rw").expect("a path");
            for number in 0..COUNT {
                if number % 4 == 0 {
                    let guard = lock.write_timeout(LONG).await.expect("it is our turn");
                    turn(&mut link, &who, &guard).await;
                    guard.release().await.expect("it is held");
                } else {
                    let guard = lock.read_timeout(LONG).await.expect("it is our turn");
                    link.share(&who).await.expect("no violation");
                    link.exit(&who).await.expect("no violation");
                    guard.release().await.expect("it is held");
                }
            }
        };
        let report = contest(&servers, usize::MAX, command, ours).await;
        assert!(
            report.handovers > 5,
            "{peer}: hardly any contention: {report:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t102_leases_of_curators_semaphore_and_ours_keep_to_one_limit() {
    const LIMIT: usize = 3;
    for (peer, server) in servers() {
        let servers = server.connect_string();
        let command = |oracle| format!("semaphore /semaphore {COUNT} {oracle} {LIMIT}");
        let ours = |who: String, client: Client, mut link: OracleLink| async move {
            let semaphore = Semaphore::new(&client, "/semaphore", LIMIT).expect("a path");
            // Each lease is held until the next one is, so that there is something to share.
            let mut held: Option<(String, Guard)> = None;
            for number in 0..COUNT {
                let guard = semaphore.acquire_timeout(LONG).await;
                let guard = guard.expect("it is our turn");
                let name = format!("{who}-{number}");
                link.share(&name).await.expect("no violation");
                if let Some((name, guard)) = held.replace((name, guard)) {
                    link.exit(&name).await.expect("no violation");
                    guard.release().await.expect("it is held");
                }
            }
            if let Some((name, guard)) = held {
                link.exit(&name).await.expect("no violation");
                guard.release().await.expect("it is held");
            }
        };
        let report = contest(&servers, LIMIT, command, ours).await;
        assert!(report.sharers_max > 1, "{peer}: nobody shared: {report:?}");
    }
}

/// Each closes the barrier and opens it, and each waits before what the other has closed.
#[tokio::test(flavor = "multi_thread")]
async fn t76_barriers_of_curator_and_kazoo_are_ours() {
    for (peer, server) in servers() {
        let servers = server.connect_string();
        let client = connect(&servers, TIMEOUT).await;
        for mut partner in [Partner::curator(&servers), Partner::kazoo(&servers)] {
            for round in 0..25 {
                let path = format!("/barriers/{round}");
                let barrier = Barrier::new(&client, &path).expect("a path");
                partner.does(&format!("set {path}"));
                assert!(barrier.is_closed().await.expect("a read"), "{peer}");
                let waiting = barrier.clone();
                let waiting = tokio::spawn(async move { waiting.wait_timeout(LONG).await });
                assert!(!waiting.is_finished());
                partner.does(&format!("remove {path}"));
                waiting.await.expect("no panic").expect("it is open");

                assert!(barrier.close().await.expect("a write"), "{peer}");
                partner.tell(&format!("wait {path} 20"));
                assert_eq!(partner.answer(), "timeout", "{peer}");
                partner.tell(&format!("wait {path} {}", LONG.as_millis()));
                assert!(barrier.open().await.expect("a write"), "{peer}");
                partner.done();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t77_parties_of_curator_and_ours_meet() {
    const ROUNDS: u64 = 25;
    const PARTIES: usize = 4;
    for (peer, server) in servers() {
        let servers = server.connect_string();
        let mut partner = Partner::curator(&servers);
        partner.tell(&format!("double /meetings {PARTIES} {ROUNDS}"));
        let mut running = Vec::new();
        for _ in 0..2 {
            let client = connect(&servers, TIMEOUT).await;
            running.push(tokio::spawn(async move {
                let barrier = DoubleBarrier::new(&client, "/meetings", PARTIES)?;
                for round in 0..ROUNDS {
                    let party = barrier.round(round).enter_timeout(LONG).await?;
                    party.leave_timeout(LONG).await?;
                }
                Ok::<_, RecipeError>(())
            }));
        }
        for each in running {
            let ended = each.await.expect("no panic");
            assert_eq!(ended, Ok(()), "{peer}");
        }
        partner.done();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t102_shared_counts_and_values_lose_no_write() {
    for (peer, server) in servers() {
        let servers = server.connect_string();
        let mut partner = Partner::curator(&servers);
        let client = connect(&servers, TIMEOUT).await;
        let count = SharedCount::new(&client, "/count").expect("a path");
        partner.tell(&format!("count /count {COUNT}"));
        for _ in 0..2 * COUNT {
            loop {
                let seen = count.get().await.expect("a count");
                let next = seen.as_ref().map_or(1, |seen| seen.value + 1);
                match count.try_set(seen.as_ref(), next).await {
                    Err(RecipeError::Changed { .. }) => {}
                    set => {
                        set.expect("a write");
                        break;
                    }
                }
            }
        }
        partner.done();
        let total = count.get().await.expect("a count").expect("it is there");
        assert_eq!(total.value, 200, "{peer}");

        let value = SharedValue::new(&client, "/value").expect("a path");
        partner.tell(&format!("value /value {COUNT} c"));
        for _ in 0..2 * COUNT {
            loop {
                let seen = value.get().await.expect("a value");
                let mut next = seen.as_ref().map_or(Vec::new(), |seen| seen.value.to_vec());
                next.push(b'o');
                match value.try_set(seen.as_ref(), next).await {
                    Err(RecipeError::Changed { .. }) => {}
                    set => {
                        set.expect("a write");
                        break;
                    }
                }
            }
        }
        partner.done();
        let all = value
            .get()
            .await
            .expect("a value")
            .expect("it is there")
            .value;
        let ours = all.iter().filter(|&&byte| byte == b'o').count();
        assert_eq!((all.len(), ours), (200, 100), "{peer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t102_kazoos_party_and_our_group_see_each_other() {
    for (peer, server) in servers() {
        let servers = server.connect_string();
        let mut partner = Partner::kazoo(&servers);
        let client = connect(&servers, TIMEOUT).await;
        let group = Group::new(&client, "/party").expect("a path");
        let group = group.layout(GroupLayout::KazooParty);
        let mut view = group.view();
        for round in 0..50 {
            let theirs = format!("kazoo-{round}");
            partner.does(&format!("join /party {theirs}"));
            let event = view.next().await.expect("a session");
            assert!(
                matches!(&event, GroupEvent::Joined(member) if member.id == theirs),
                "{peer}: {event:?}"
            );
            let member = group
                .join(&format!("ours-{round}"), "")
                .await
                .expect("it is free");
            let event = view.next().await.expect("a session");
            assert!(matches!(event, GroupEvent::Joined(_)), "{peer}: {event:?}");
            partner.tell("members /party");
            assert_eq!(partner.answer(), format!("members {theirs} ours-{round}"));
            member.leave().await.expect("it is there");
            assert!(
                matches!(view.next().await, Ok(GroupEvent::Left(_))),
                "{peer}"
            );
            partner.does("leave /party");
            let event = view.next().await.expect("a session");
            assert!(
                matches!(&event, GroupEvent::Left(member) if member.id == theirs),
                "{peer}: {event:?}"
            );
        }
    }
}
