//! Group membership.

use std::collections::BTreeSet;
use std::time::Duration;

use lockkeeper::path::join;
use lockkeeper::{Acl, CreateMode, ErrorCode, acl};
use lockkeeper_e2e::proxy::{Action, Direction, Rule, op};
use lockkeeper_recipes::{
    Group, GroupEvent, GroupLayout, GroupView, GuardState, LossReason, Member, MembershipStates,
    RecipeError,
};
use tokio::time::timeout;

use crate::common::{
    Lane, PATIENCE, children, connect, eventually, fresh_path, kill_session, server,
};

async fn joined(view: &mut GroupView) -> Member {
    match timeout(PATIENCE, view.next()).await.unwrap().unwrap() {
        GroupEvent::Joined(member) => member,
        event => panic!("{event:?}"),
    }
}

async fn left(view: &mut GroupView) -> String {
    match timeout(PATIENCE, view.next()).await.unwrap().unwrap() {
        GroupEvent::Left(member) => member.id,
        event => panic!("{event:?}"),
    }
}

/// Returns when the membership is in this state.
async fn reaches(states: &mut MembershipStates, state: GuardState) {
    let reached = async { while states.next().await.expect("it goes on") != state {} };
    timeout(PATIENCE, reached).await.expect("told in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_tells_joins_and_leaves_in_order() {
    let server = server().await;
    let path = fresh_path("group");
    let (a, b) = (connect(&server).await, connect(&server).await);
    let watcher = connect(&server).await;
    let group = Group::new(&watcher, &path).unwrap();
    assert!(group.members().await.unwrap().is_empty());
    let mut view = group.view();

    let first = Group::new(&a, &path)
        .unwrap()
        .join("a", "at a")
        .await
        .unwrap();
    let member = joined(&mut view).await;
    assert_eq!((member.id.as_str(), &member.data[..]), ("a", &b"at a"[..]));
    assert_eq!(
        (member.session, member.path.as_str()),
        (a.session_id(), first.path())
    );
    let second = Group::new(&b, &path).unwrap().join("b", "").await.unwrap();
    assert_eq!(joined(&mut view).await.id, "b");
    first.update("elsewhere").await.unwrap();
    let members = group.members().await.unwrap();
    let ids: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(&members[0].data[..], b"elsewhere");

    first.leave().await.unwrap();
    assert_eq!(left(&mut view).await, "a");
    drop(second);
    assert_eq!(left(&mut view).await, "b");
    assert_eq!(view.members().count(), 0);
    let third = group.join("c", "").await.unwrap();
    assert_eq!(joined(&mut view).await.id, "c");
    kill_session(&server, &watcher).await;
    assert!(timeout(PATIENCE, view.next()).await.unwrap().is_err());
    let mut states = third.states();
    while let Some(state) = timeout(PATIENCE, states.next()).await.unwrap() {
        if state == GuardState::Lost(LossReason::Expired) {
            break;
        }
    }
    assert_eq!(states.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_a_join_that_was_given_up_can_be_made_again_at_once() {
    let client = connect(&server().await).await;
    let group = Group::new(&client, &fresh_path("t39-group")).unwrap();
    for micros in (0..4000).step_by(50) {
        if let Ok(joined) = timeout(Duration::from_micros(micros), group.join("a", "")).await {
            drop(joined.unwrap());
        }
    }
    let again = group.join("a", "").await.unwrap();
    again.leave().await.unwrap();
    assert!(group.members().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t86_a_member_that_comes_back_waits_for_its_former_self() {
    let server = server().await;
    let path = fresh_path("t86");
    let (before, after) = (connect(&server).await, connect(&server).await);
    let old = Group::new(&before, &path)
        .unwrap()
        .join("node-1", "old")
        .await
        .unwrap();
    let group = Group::new(&after, &path).unwrap();
    let mut view = group.view();
    joined(&mut view).await;
    let coming = group.clone();
    let coming = tokio::spawn(async move { coming.join("node-1", "new").await });
    let twice = Group::new(&before, &path)
        .unwrap()
        .join("node-1", "x")
        .await;
    assert!(
        matches!(twice, Err(RecipeError::Conflict { .. })),
        "{twice:?}"
    );
    assert_eq!(group.members().await.unwrap().len(), 1);
    kill_session(&server, &before).await;
    let new = timeout(PATIENCE, coming).await.unwrap().unwrap().unwrap();
    assert_eq!(new.state(), GuardState::Held);
    let members = group.members().await.unwrap();
    assert_eq!((members.len(), &members[0].data[..]), (1, &b"new"[..]));
    drop(old);
    assert_eq!(group.members().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_znode_an_operator_deletes_makes_it_again() {
    let client = connect(&server().await).await;
    let path = fresh_path("again");
    let group = Group::new(&client, &path).unwrap();
    let member = group.join("a", "one").await.unwrap();
    member.update("two").await.unwrap();
    let czxid = group.members().await.unwrap()[0].joined;
    client.delete(member.path(), None).await.unwrap();
    eventually("made again", async || {
        let members = group.members().await.unwrap();
        members.len() == 1 && members[0].joined > czxid && members[0].data == "two"
    })
    .await;
    eventually("and known", async || member.state() == GuardState::Held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t88_a_reconnect_writes_nothing_and_a_lost_create_is_adopted() {
    let lane = Lane::open().await;
    let path = fresh_path("t88");
    let group = Group::new(&lane.client, &path).unwrap();
    group.join("warm", "").await.unwrap().leave().await.unwrap();
    lane.proxy
        .install(Rule::reply(op::CREATE2).then(Action::Cut));
    let member = group.join("a", "").await.unwrap();
    assert_eq!(children(&lane.client, &path).await, ["a"]);
    let writes = || {
        let count = |opcode| lane.proxy.count(Direction::Request, opcode);
        count(op::CREATE2) + count(op::DELETE) + count(op::SET_DATA) + count(op::MULTI)
    };
    let before = writes();
    let mut states = member.states();
    assert_eq!(states.next().await, Some(GuardState::Held));
    for _ in 0..3 {
        lane.proxy.cut();
        eventually("back", async || {
            timeout(PATIENCE, states.next()).await.unwrap() == Some(GuardState::Held)
        })
        .await;
    }
    assert_eq!(writes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn kazoos_parties_carry_their_id_as_data() {
    let client = connect(&server().await).await;
    let path = fresh_path("party");
    let group = Group::new(&client, &path)
        .unwrap()
        .layout(GroupLayout::KazooParty);
    let a = group.join("host-a", "").await.unwrap();
    let b = group.join("host-b", "").await.unwrap();
    client
        .create(&join(&path, "foreign"), "", CreateMode::Ephemeral)
        .await
        .unwrap();
    let ids: BTreeSet<_> = group
        .members()
        .await
        .unwrap()
        .into_iter()
        .map(|m| m.id)
        .collect();
    assert_eq!(
        ids,
        BTreeSet::from(["host-a".to_owned(), "host-b".to_owned()])
    );
    assert!(matches!(
        group.join("c", "data").await,
        Err(RecipeError::Conflict { .. })
    ));
    assert!(matches!(
        a.update("data").await,
        Err(RecipeError::Conflict { .. })
    ));
    a.leave().await.unwrap();
    b.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_a_join_dropped_at_any_moment_leaves_nothing() {
    let client = connect(&server().await).await;
    for micros in (0..3000).step_by(100) {
        let path = fresh_path("t39-group");
        let group = Group::new(&client, &path).unwrap();
        let cut = std::time::Duration::from_micros(micros);
        drop(timeout(cut, group.join("a", "")).await);
        eventually("nobody is there", async || {
            children(&client, &path).await.is_empty()
        })
        .await;
    }
    let group = Group::new(&client, &fresh_path("names")).unwrap();
    for id in ["", "a/b", "."] {
        let error = group.join(id, "").await.unwrap_err();
        assert!(matches!(error, RecipeError::Conflict { .. }), "{id:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_join_whose_create_is_lost_does_not_take_over_the_first_one() {
    let lane = Lane::open().await;
    let group = Group::new(&lane.client, &fresh_path("twice")).unwrap();
    let first = group.join("a", "first").await.unwrap();
    for rule in [Rule::request(op::CREATE2), Rule::reply(op::CREATE2)] {
        lane.proxy.install(rule.then(Action::Cut));
        let second = timeout(PATIENCE, group.join("a", "second")).await.unwrap();
        assert!(
            matches!(second, Err(RecipeError::Conflict { .. })),
            "{second:?}"
        );
    }
    let members = group.members().await.unwrap();
    assert_eq!((members.len(), &members[0].data[..]), (1, &b"first"[..]));
    first.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_may_not_be_made_again_is_as_soon_as_it_may() {
    let lane = Lane::open().await;
    let operator = connect(&server().await).await;
    let path = fresh_path("refused");
    let group = Group::new(&lane.client, &path).unwrap();
    let member = group.join("a", "").await.unwrap();
    let mut states = member.states();
    let no_create = Acl::new(acl::ALL & !acl::CREATE, "world", "anyone");
    operator
        .set_acl(&path, vec![no_create], None)
        .await
        .unwrap();
    let creates = || lane.proxy.count(Direction::Reply, op::CREATE2);
    let before = creates();
    operator.delete(member.path(), None).await.unwrap();
    reaches(&mut states, GuardState::Lost(LossReason::NodeDeleted)).await;
    eventually("refused", async || creates() > before).await;
    operator.set_acl(&path, Acl::open(), None).await.unwrap();
    reaches(&mut states, GuardState::Held).await;
    assert_eq!(group.members().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_the_server_refuses_says_so() {
    let client = connect(&server().await).await;
    let path = fresh_path("stuck");
    let group = Group::new(&client, &path).unwrap();
    let member = group.join("a", "").await.unwrap();
    let no_delete = Acl::new(acl::ALL & !acl::DELETE, "world", "anyone");
    client.set_acl(&path, vec![no_delete], None).await.unwrap();
    let error = timeout(PATIENCE, member.leave())
        .await
        .unwrap()
        .unwrap_err();
    let RecipeError::Client(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.code(), Some(ErrorCode::NO_AUTH));
    client.set_acl(&path, Acl::open(), None).await.unwrap();
    eventually("it is gone", async || {
        children(&client, &path).await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_ends_with_its_client_and_says_so() {
    let client = connect(&server().await).await;
    let group = Group::new(&client, &fresh_path("closed")).unwrap();
    let member = group.join("a", "").await.unwrap();
    let left = group.join("b", "").await.unwrap();
    let mut states_left = left.states();
    left.leave().await.unwrap();
    let ended = async { while states_left.next().await.is_some() {} };
    timeout(PATIENCE, ended).await.unwrap();
    let mut states = member.states();
    client.close().await.unwrap();
    let closed = GuardState::Lost(LossReason::Closed);
    reaches(&mut states, closed).await;
    assert_eq!((member.state(), states.next().await), (closed, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_updates_that_are_sent_again_the_later_one_counts() {
    let lane = Lane::open().await;
    let group = Group::new(&lane.client, &fresh_path("updates")).unwrap();
    let member = group.join("a", "").await.unwrap();
    for _ in 0..8 {
        lane.proxy
            .install(Rule::request(op::SET_DATA).then(Action::Cut));
        let (first, second) = tokio::join!(member.update("1"), member.update("2"));
        first.and(second).unwrap();
        assert_eq!(group.members().await.unwrap()[0].data, "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_replaced_between_two_looks_leaves_and_joins() {
    let server = server().await;
    let path = fresh_path("replaced");
    let (before, after) = (connect(&server).await, connect(&server).await);
    let lane = Lane::open().await;
    let old = Group::new(&before, &path).unwrap();
    let old = old.join("node-1", "old").await.unwrap();
    let other = Group::new(&after, &path).unwrap();
    let _other = other.join("node-2", "").await.unwrap();
    let mut view = Group::new(&lane.client, &path).unwrap().view();
    assert_eq!(joined(&mut view).await.id, "node-1");
    assert_eq!(joined(&mut view).await.id, "node-2");
    // Both the end and the new beginning are behind the event that the view looks after.
    let held = lane
        .proxy
        .install(Rule::reply(op::EVENT).then(Action::Hold));
    old.leave().await.unwrap();
    held.await_fired(PATIENCE).unwrap();
    let new = other.join("node-1", "new").await.unwrap();
    held.release();
    assert_eq!(left(&mut view).await, "node-1");
    let member = joined(&mut view).await;
    assert_eq!(
        (member.id.as_str(), &member.data[..]),
        ("node-1", &b"new"[..])
    );
    assert_eq!(member.session, after.session_id());
    drop(new);
    assert_eq!(left(&mut view).await, "node-1");
    assert_eq!(view.members().count(), 1);
}
