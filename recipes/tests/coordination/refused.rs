//! What ACLs forbid and operators take away: a typed error, soon, and nobody hangs or gets in.

use lockkeeper::path::{join, parent};
use lockkeeper::{Acl, Client, CreateMode, ErrorCode, acl};
use lockkeeper_recipes::{
    Barrier, Config, ConfigSet, ConfigStatus, CountdownLatch, DoubleBarrier, Group, Keys,
    LossReason, RecipeError, Rendezvous, SharedValue,
};
use tokio::time::timeout;

use crate::common::{PATIENCE, children, connect, eventually, fresh_path, server};

/// A znode that grants everybody these permissions and no more.
async fn limited(permissions: i32, name: &str) -> (Client, String) {
    let client = connect(&server().await).await;
    let path = fresh_path(name);
    let above = parent(&path).unwrap();
    client
        .create(above, "", CreateMode::Persistent)
        .await
        .unwrap();
    client
        .create(&path, "1", CreateMode::Persistent)
        .await
        .unwrap();
    let list = vec![Acl::new(permissions | acl::ADMIN, "world", "anyone")];
    client.set_acl(&path, list, None).await.unwrap();
    (client, path)
}

fn assert_refused<T>(result: Result<T, RecipeError>, what: &str) {
    let code = match result {
        Err(RecipeError::Client(error)) => error.code(),
        Err(error) => panic!("{what}: {error:?}"),
        Ok(_) => panic!("{what}: allowed"),
    };
    assert_eq!(code, Some(ErrorCode::NO_AUTH), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t52_what_may_not_be_read_is_refused() {
    let (client, path) = limited(acl::CREATE | acl::DELETE, "unread").await;
    let soon = async {
        let barrier = Barrier::new(&client, &path).unwrap();
        assert_refused(barrier.wait().await, "a barrier's wait");
        let point = Rendezvous::new(&client, &path).unwrap();
        assert_refused(point.filled().await, "a rendezvous");
        let value = SharedValue::new(&client, &path).unwrap();
        assert_refused(value.get().await, "a value");
        assert_refused(value.changes().next().await, "a value's changes");
        let config = Config::of_value(&client, &path).unwrap();
        assert_refused(config.open().await, "a configuration");
        let group = Group::new(&client, &path).unwrap();
        assert_refused(group.members().await, "a group's members");
        assert_refused(group.view().next().await, "a group's view");
        let latch = CountdownLatch::new(&client, &path, 1).unwrap();
        assert_refused(latch.wait().await, "a latch");
        let barrier = DoubleBarrier::new(&client, &path, 2).unwrap();
        assert_refused(barrier.enter().await.map(drop), "a double barrier");
    };
    timeout(PATIENCE, soon).await.expect("nothing hangs");
    client.set_acl(&path, Acl::open(), None).await.unwrap();
    eventually("nothing is left", async || {
        children(&client, &path).await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t52_what_may_not_be_written_is_refused() {
    let (client, path) = limited(acl::READ, "unwritten").await;
    let soon = async {
        let group = Group::new(&client, &path).unwrap();
        assert_refused(group.join("a", "").await, "a join");
        let value = SharedValue::new(&client, &path).unwrap();
        assert_refused(value.set("2").await, "a value");
        let latch = CountdownLatch::new(&client, &path, 1).unwrap();
        assert_refused(latch.count_down().await, "an arrival");
        let barrier = DoubleBarrier::new(&client, &path, 1).unwrap();
        assert_refused(barrier.enter().await.map(drop), "a double barrier");
        let point = Rendezvous::new(&client, &path).unwrap();
        assert_refused(point.fill("2").await, "a rendezvous");
        let set = ConfigSet::new(&client, &path).unwrap();
        let keys = Keys::from([("a".into(), "b".into())]);
        assert_refused(set.publish(&keys, None).await, "a publication");
        let barrier = Barrier::new(&client, &join(&path, "gate")).unwrap();
        assert_refused(barrier.close().await, "a barrier");
    };
    timeout(PATIENCE, soon).await.expect("nothing hangs");
}

#[tokio::test(flavor = "multi_thread")]
async fn t49_a_path_deleted_under_those_who_wait_holds_nobody() {
    let client = connect(&server().await).await;
    let path = fresh_path("t49");
    let barrier = DoubleBarrier::new(&client, &path, 2).unwrap();
    let entering = tokio::spawn(async move { barrier.enter().await });
    eventually("it waits", async || {
        children(&client, &path).await.len() == 1
    })
    .await;
    let own = children(&client, &path).await.remove(0);
    client.delete(&join(&path, &own), None).await.unwrap();
    client.delete(&path, None).await.unwrap();
    let ended = timeout(PATIENCE, entering).await.unwrap().unwrap();
    assert_eq!(
        ended.unwrap_err(),
        RecipeError::Lost(LossReason::NodeDeleted)
    );

    let set = ConfigSet::new(&client, &path).unwrap();
    let keys = Keys::from([("a".into(), "b".into())]);
    set.publish(&keys, None).await.unwrap();
    let config = set.follow().open().await.unwrap();
    let mut changes = config.changes();
    client.delete(&join(&path, "current"), None).await.unwrap();
    let told = async { while changes.next().await.unwrap().status != ConfigStatus::Absent {} };
    timeout(PATIENCE, told).await.expect("told");
    assert_eq!(config.good().unwrap().value, keys);
    set.publish(&keys, None).await.expect("it is made again");
}
