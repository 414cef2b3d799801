//! Those who only want to know who leads.

use std::time::Duration;

use futures::future::join_all;
use lockkeeper::{CreateMode, Error};
use lockkeeper_e2e::four_letter::{ask, metric};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{Election, Fence, KnownLeader, LockError, Observer};
use lockkeeper_server::embed::embed;

use crate::common::{
    Lane, PATIENCE, assert_clean, connect, eventually, fresh_path, kill_session, server,
};
use crate::{election, joined, leading};

fn publishing(client: &lockkeeper::Client, path: &str, id: &str) -> Election {
    let builder = Election::builder(client, path).id(id).publish(true);
    builder.build().unwrap()
}

async fn next(observer: &mut Observer) -> KnownLeader {
    let seen = tokio::time::timeout(PATIENCE, observer.next()).await;
    seen.expect("seen in time").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t74_observers_are_woken_once_per_leader_and_never_by_candidates() {
    const OBSERVERS: usize = 500;
    let server = embed().start().unwrap();
    let connect_string = server.connect_string();
    let count = |name: &str| {
        let answer = ask(server.address(), "mntr").unwrap();
        metric(&answer, &format!("zk_sum_node_{name}_watch_count")).unwrap() as usize
    };
    let path = fresh_path("t74");
    let client = connect(&connect_string).await;
    let first = publishing(&client, &path, "first");
    let candidate = joined(&first, 0).await;
    leading(&candidate).await;
    let sessions = join_all((0..OBSERVERS).map(|_| connect(&connect_string))).await;
    let mut observers: Vec<Observer> = sessions
        .iter()
        .map(|client| election(client, &path, "").observe())
        .collect();
    let seen = join_all(observers.iter_mut().map(next)).await;
    assert!(
        seen.iter()
            .all(|leader| leader.id == "first" && leader.is_confirmed)
    );

    let second = joined(&publishing(&client, &path, "second"), 1).await;
    let before = ["changed", "children", "created", "deleted"].map(count);
    for _ in 0..20 {
        joined(&election(&client, &path, "passing"), 2)
            .await
            .close()
            .await
            .unwrap();
    }
    let churn = ["changed", "children", "created", "deleted"].map(count);
    assert_eq!(churn[..3], before[..3], "candidates come and go");
    assert!(churn[3] - before[3] <= 20, "{churn:?} after {before:?}");

    candidate.close().await.unwrap();
    leading(&second).await;
    let seen = join_all(observers.iter_mut().map(next)).await;
    assert!(
        seen.iter()
            .all(|leader| leader.id == "second" && leader.is_confirmed)
    );
    let after = ["changed", "children", "created"].map(count);
    assert_eq!(after, [churn[0] + OBSERVERS, churn[1], churn[2]]);
    second.close().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t75_the_record_of_a_leader_that_is_gone_is_unconfirmed() {
    let server = server().await;
    let path = fresh_path("t75");
    let watching = connect(&server).await;
    let victim = connect(&server).await;
    let crashed = publishing(&victim, &path, "crashed").lead().await.unwrap();
    let fence = crashed.fence();
    kill_session(&server, &victim).await;
    assert_clean(&watching, &path).await;

    let mut observer = election(&watching, &path, "").observe();
    let seen = next(&mut observer).await;
    assert_eq!((seen.id.as_str(), seen.fence), ("crashed", fence));
    assert!(!seen.is_confirmed);
    let leader = publishing(&watching, &path, "next").lead().await.unwrap();
    let seen = next(&mut observer).await;
    assert_eq!((seen.id.as_str(), seen.fence), ("next", leader.fence()));
    assert!(seen.is_confirmed && seen.fence > fence);
    leader.resign().await.unwrap();
    assert_clean(&watching, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn observers_wait_for_the_first_record_and_disbelieve_older_and_foreign_ones() {
    let client = connect(&server().await).await;
    let path = fresh_path("records");
    let mut observer = election(&client, &path, "").observe();
    let early = tokio::time::timeout(Duration::from_millis(50), observer.next()).await;
    assert!(early.is_err(), "{early:?}");
    let election = publishing(&client, &path, "a");
    let leader = election.lead().await.unwrap();
    assert_eq!(next(&mut observer).await.fence, leader.fence());

    let record = format!("{path}-leader");
    let written = client.get(&record).await.unwrap();
    let text = String::from_utf8(written.bytes().to_vec()).unwrap();
    let older = text.replace(&leader.fence().to_string(), "1");
    for data in [
        older.as_str(),
        "",
        "somebody else's",
        r#"{"id":"x","fence":9,"node":"a/b"}"#,
    ] {
        client.set(&record, data.to_owned(), None).await.unwrap();
    }
    let none = tokio::time::timeout(Duration::from_millis(100), observer.next()).await;
    assert!(none.is_err(), "{none:?}");
    leader.resign().await.unwrap();
    let leader = election.lead().await.unwrap();
    assert_eq!(next(&mut observer).await.fence, leader.fence());
    leader.resign().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_written_before_the_term_is_handed_out_or_not_at_all() {
    let lane = Lane::open().await;
    let path = fresh_path("publish");
    let election = publishing(&lane.client, &path, "a");
    let mut observer = election.observe();
    for rule in [
        Rule::request(op::MULTI).then(Action::Cut),
        Rule::reply(op::MULTI).then(Action::Cut),
    ] {
        let lost = lane.proxy.install(rule);
        let leader = election.lead().await.unwrap();
        assert!(lost.fired());
        assert_eq!(next(&mut observer).await.fence, leader.fence());
        leader.resign().await.unwrap();
    }
    // A leader whose znode goes before it has written is none, and stands again.
    let client = connect(&server().await).await;
    let held = lane
        .proxy
        .install(Rule::request(op::MULTI).then(Action::Hold));
    let waiting = tokio::spawn({
        let election = election.clone();
        async move { election.lead().await }
    });
    held.await_fired(PATIENCE).unwrap();
    let first = election_of(&client, &path).await;
    client.delete(&first.1, None).await.unwrap();
    held.release();
    let leader = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(leader.fence() > first.0);
    assert_eq!(next(&mut observer).await.fence, leader.fence());
    leader.resign().await.unwrap();
    assert_clean(&client, &path).await;
}

/// Fence and path of the first candidate.
async fn election_of(client: &lockkeeper::Client, path: &str) -> (Fence, String) {
    let mut candidates = election(client, path, "").candidates().await.unwrap();
    let first = candidates.remove(0);
    (first.fence, first.path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_may_not_be_written_is_an_error_and_no_term() {
    let client = connect(&server().await).await;
    let path = fresh_path("denied");
    election(&client, &path, "a")
        .lead()
        .await
        .unwrap()
        .resign()
        .await
        .unwrap();
    let read_only = vec![lockkeeper::Acl::new(
        lockkeeper::acl::READ,
        "world",
        "anyone",
    )];
    let options = lockkeeper::CreateOptions::new(CreateMode::Persistent).acl(read_only);
    client
        .create(&format!("{path}-leader"), "", options)
        .await
        .unwrap();
    let error = publishing(&client, &path, "a").lead().await.unwrap_err();
    let LockError::Client(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.code(), Some(lockkeeper::ErrorCode::NO_AUTH));
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_survives_its_link_and_ends_with_its_session() {
    let server = server().await;
    let lane = Lane::open().await;
    let path = fresh_path("link");
    let client = connect(&server).await;
    let election_here = publishing(&client, &path, "a");
    election_here.lead().await.unwrap().resign().await.unwrap();
    let mut observer = election(&lane.client, &path, "").observe();
    next(&mut observer).await;
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    let leader = election_here.lead().await.unwrap();
    lane.proxy.admit().unwrap();
    assert_eq!(next(&mut observer).await.fence, leader.fence());
    // Also if a look is what goes wrong.
    for opcode in [op::GET_DATA, op::EXISTS, op::EVENT] {
        lane.proxy.install(Rule::reply(opcode).then(Action::Cut));
    }
    leader.resign().await.unwrap();
    let leader = election_here.lead().await.unwrap();
    assert_eq!(next(&mut observer).await.fence, leader.fence());
    leader.resign().await.unwrap();
    let waiting = tokio::spawn(async move { observer.next().await });
    eventually("it looks", async || {
        lane.proxy.count(Direction::Reply, op::GET_DATA) > 0
    })
    .await;
    kill_session(&server, &lane.client).await;
    let error = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(error, LockError::Client(Error::SessionExpired { .. })),
        "{error:?}"
    );
}
