//! What operators and others do to an election.

use lockkeeper::{Acl, CreateMode, ErrorCode, Op, acl};
use lockkeeper_e2e::proxy::{Action, Rule, op};
use lockkeeper_recipes::{
    CandidateState, Election, ElectionLayout, GuardState, LockError, LossReason,
};

use crate::common::{
    Lane, PATIENCE, assert_clean, children, connect, eventually, fresh_path, server,
};
use crate::{election, ids, joined, leading, state};

#[tokio::test(flavor = "multi_thread")]
async fn t47_t48_a_candidate_whose_znode_is_deleted_joins_again_at_the_tail() {
    let client = connect(&server().await).await;
    let path = fresh_path("t47");
    let (a, b, c) = (
        election(&client, &path, "a"),
        election(&client, &path, "b"),
        election(&client, &path, "c"),
    );
    let standing = [
        joined(&a, 0).await,
        joined(&b, 1).await,
        joined(&c, 2).await,
    ];
    let term = leading(&standing[0]).await;
    // One that waits, then the one that leads.
    let waiting = a.candidates().await.unwrap().remove(1).path;
    client.delete(&waiting, None).await.unwrap();
    eventually("b is at the tail", async || {
        ids(&a).await == ["a", "c", "b"]
    })
    .await;
    client.delete(term.path(), None).await.unwrap();
    eventually("a is at the tail", async || {
        ids(&a).await == ["c", "b", "a"]
    })
    .await;
    assert_eq!(term.state(), GuardState::Lost(LossReason::NodeDeleted));
    assert_eq!(standing[0].state(), CandidateState::Waiting);
    let next = leading(&standing[2]).await;
    assert!(next.fence() > term.fence());
    for candidate in standing {
        candidate.close().await.unwrap();
    }
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_a_parent_that_vanishes_during_an_outage_is_made_again() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t70");
    let election = election(&lane.client, &path, "a");
    let standing = [joined(&election, 0).await, joined(&election, 1).await];
    let fence = leading(&standing[0]).await.fence();
    lane.proxy.refuse().unwrap();
    lane.proxy.cut();
    let names = children(&client, &path).await;
    let mut ops: Vec<Op> = names
        .iter()
        .map(|name| Op::delete(&format!("{path}/{name}"), None))
        .collect();
    ops.push(Op::delete(&path, None));
    client.multi(ops).await.unwrap();
    lane.proxy.admit().unwrap();
    let mut terms = Vec::new();
    for candidate in standing {
        let again = |state: &CandidateState| {
            matches!(state, CandidateState::Leading(next) if *next > fence)
                || *state == CandidateState::Waiting
        };
        state(&candidate, again).await;
        terms.push(candidate);
    }
    eventually("both stand again", async || ids(&election).await.len() == 2).await;
    eventually("one of them leads", async || {
        terms
            .iter()
            .filter(|candidate| candidate.leader().is_some())
            .count()
            == 1
    })
    .await;
    for candidate in terms {
        candidate.close().await.unwrap();
    }
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t71_a_late_create_of_a_closed_candidate_deletes_only_its_own() {
    let lane = Lane::open().await;
    let client = connect(&server().await).await;
    let path = fresh_path("t71");
    let here = election(&lane.client, &path, "closed");
    here.lead().await.unwrap().resign().await.unwrap();
    let held = lane
        .proxy
        .install(Rule::reply(op::CREATE2).then(Action::Hold));
    let candidate = here.join();
    held.await_fired(PATIENCE).unwrap();
    let other = election(&client, &path, "other");
    let standing = joined(&other, 1).await;
    let closing = tokio::spawn(candidate.close());
    lane.proxy.cut();
    let closed = tokio::time::timeout(PATIENCE, closing).await.unwrap();
    closed.unwrap().unwrap();
    leading(&standing).await;
    assert_eq!(ids(&other).await, ["other"]);
    standing.close().await.unwrap();
    assert_clean(&client, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t51_foreign_children_are_no_candidates() {
    let client = connect(&server().await).await;
    let path = fresh_path("t51");
    let election = election(&client, &path, "a");
    election.lead().await.unwrap().resign().await.unwrap();
    for name in [
        "foo",
        "!",
        "0000000000",
        "latch",
        "latch-1",
        "лидер-0000000000",
    ] {
        let foreign = format!("{path}/{name}");
        client
            .create(&foreign, "", CreateMode::Persistent)
            .await
            .unwrap();
    }
    let leader = election.try_lead().await.unwrap();
    assert_eq!(ids(&election).await, ["a"]);
    leader.resign().await.unwrap();
    assert_eq!(children(&client, &path).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_layouts_are_waited_for_and_refused_when_asked() {
    let client = connect(&server().await).await;
    let layouts = [
        ElectionLayout::Latch,
        ElectionLayout::Selector,
        ElectionLayout::Kazoo,
    ];
    for theirs in layouts {
        let path = fresh_path("layouts");
        let holder = Election::builder(&client, &path)
            .layout(theirs)
            .build()
            .unwrap();
        let leader = holder.lead().await.unwrap();
        let name = leader.path()[path.len() + 1..].to_owned();
        for ours in layouts {
            let builder = Election::builder(&client, &path).layout(ours);
            let tolerant = builder.clone().build().unwrap();
            assert_eq!(tolerant.try_lead().await.unwrap_err(), LockError::Busy);
            if ours != theirs {
                let strict = builder.refuse_blind_names(true).build().unwrap();
                let error = strict.lead().await.unwrap_err();
                let name = name.clone();
                assert_eq!(error, LockError::LayoutConflict { name });
                let candidate = strict.join();
                let end = state(&candidate, |state| *state != CandidateState::Waiting).await;
                assert_eq!(end, CandidateState::Ended(error));
            }
        }
        leader.resign().await.unwrap();
        assert_clean(&client, &path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t52_missing_permissions_end_a_candidate_with_an_error() {
    let client = connect(&server().await).await;
    let path = fresh_path("t52");
    // A persistent parent: its ACL is to outlive its children.
    let builder = Election::builder(&client, &path).layout(ElectionLayout::Kazoo);
    let election = builder.build().unwrap();
    let candidate = joined(&election, 0).await;
    leading(&candidate).await;
    let allowed = vec![Acl::new(acl::READ | acl::ADMIN, "world", "anyone")];
    client.set_acl(&path, allowed, None).await.unwrap();
    let late = election.join();
    let end = state(&late, |state| *state != CandidateState::Waiting).await;
    let CandidateState::Ended(LockError::Client(error)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(error.code(), Some(ErrorCode::NO_AUTH));
    let error = candidate.close().await.unwrap_err();
    let LockError::ReleaseRefused(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.code(), Some(ErrorCode::NO_AUTH));
    client.set_acl(&path, Acl::open(), None).await.unwrap();
    assert_clean(&client, &path).await;
}

#[test]
fn a_bad_path_is_refused_before_anything_is_sent() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = connect(&server().await).await;
        assert!(matches!(
            Election::new(&client, "no/slash"),
            Err(LockError::Client(_))
        ));
    });
}
