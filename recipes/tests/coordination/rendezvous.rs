//! The meeting point.

use lockkeeper::CreateMode;
use lockkeeper_e2e::proxy::{Action, Rule, op};
use lockkeeper_recipes::{GuardState, RecipeError, Rendezvous};
use tokio::time::timeout;

use crate::common::{Lane, PATIENCE, connect, fresh_path, kill_session, server};

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_and_those_who_come_late_find_what_was_left() {
    let server = server().await;
    let (master, worker) = (connect(&server).await, connect(&server).await);
    let path = fresh_path("rendezvous");
    let waiting = Rendezvous::new(&worker, &path).unwrap();
    let early = waiting.clone();
    let early = tokio::spawn(async move { early.filled_timeout(PATIENCE).await });
    let point = Rendezvous::new(&master, &path).unwrap();
    point.fill("127.0.0.1:7000").await.unwrap();
    let met = early.await.unwrap().unwrap();
    assert_eq!(&met.data[..], b"127.0.0.1:7000");
    point.fill("127.0.0.1:7001").await.unwrap();
    let met = waiting.filled().await.unwrap();
    assert_eq!(&met.data[..], b"127.0.0.1:7001");
    assert_eq!(met.stat.version, 1);
    assert!(matches!(
        point.fill("").await,
        Err(RecipeError::Conflict { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_znode_made_before_is_not_filled() {
    let client = connect(&server().await).await;
    let path = fresh_path("empty");
    let point = Rendezvous::new(&client, &path).unwrap();
    point.fill("x").await.unwrap();
    client.set(&path, "", None).await.unwrap();
    let waiting = point.clone();
    let waiting = tokio::spawn(async move { waiting.filled().await });
    point.fill("y").await.unwrap();
    let met = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(&met.data[..], b"y");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_occupant_is_noticed() {
    let server = server().await;
    let (master, worker) = (connect(&server).await, connect(&server).await);
    let path = fresh_path("occupied");
    let occupant = Rendezvous::new(&master, &path).unwrap();
    let guard = occupant.occupy("here").await.unwrap();
    let point = Rendezvous::new(&worker, &path).unwrap();
    let met = point.filled().await.unwrap();
    assert_eq!(met.stat.czxid.0, guard.fence().get());

    let error = point.fill("for good").await.unwrap_err();
    assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    assert_eq!(&point.filled().await.unwrap().data[..], b"here");
    let successor = point.clone();
    let successor = tokio::spawn(async move { successor.occupy("there").await });
    let gone = point.clone();
    let gone = tokio::spawn(async move { gone.vacated(&met.stat).await });
    kill_session(&server, &master).await;
    timeout(PATIENCE, gone).await.unwrap().unwrap().unwrap();
    let next = timeout(PATIENCE, successor)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(next.fence() > guard.fence());
    assert_eq!(&point.filled().await.unwrap().data[..], b"there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persistent_znode_cannot_be_occupied() {
    let client = connect(&server().await).await;
    let path = fresh_path("persistent");
    let point = Rendezvous::new(&client, &path).unwrap();
    point.fill("x").await.unwrap();
    let error = point.occupy("y").await.unwrap_err();
    assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
    client.delete(&path, None).await.unwrap();
    client
        .create(&path, "x", CreateMode::Ephemeral)
        .await
        .unwrap();
    let error = point.occupy("y").await.unwrap_err();
    assert!(matches!(error, RecipeError::Conflict { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occupant_that_leaves_twice_because_a_reply_was_lost_spares_its_successor() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("successor");
    let point = Rendezvous::new(&lane.client, &path).unwrap();
    let guard = point.occupy("here").await.unwrap();
    let successor = Rendezvous::new(&client, &path).unwrap();
    let waiting = tokio::spawn(async move { successor.occupy("there").await });
    lane.proxy
        .install(Rule::reply(op::DELETE).then(Action::Cut));
    lane.proxy.refuse().unwrap();
    let leaving = tokio::spawn(guard.release());
    let next = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    lane.proxy.admit().unwrap();
    timeout(PATIENCE, leaving).await.unwrap().unwrap().unwrap();
    let stat = client.exists(&path).await.unwrap().expect("it is there");
    assert_eq!(stat.czxid.0, next.fence().get());
    assert_eq!(next.state(), GuardState::Held);
}
