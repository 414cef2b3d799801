//! Transactions: all or nothing, one zxid, an answer per part.

use lockkeeper::{CreateMode, CreateOptions, Error, ErrorCode, Op, OpResult, ReadOp, ReadResult};

use super::stage::{ENOUGH_TIME_TO_LIVE, Stage};

pub(super) async fn applies_all(stage: Stage) {
    let client = &stage.client;
    let old = stage.plain("old").await;
    let path = stage.path("a");
    let ops = vec![
        Op::create(&path, "1", CreateMode::Persistent),
        Op::create(&stage.path("a/s-"), "", CreateMode::PersistentSequential),
        Op::set(&path, "2", Some(0)),
        Op::check(&path, Some(1)),
        Op::delete(&old, None),
    ];
    let results = client.multi(ops).await.unwrap();
    let OpResult::Created {
        path: sequential, ..
    } = &results[1]
    else {
        panic!("{results:?}");
    };
    assert_eq!(*sequential, stage.path("a/s-0000000000"));
    let OpResult::Set(stat) = &results[2] else {
        panic!("{results:?}");
    };
    assert_eq!(stat.version, 1);
    assert_eq!(results[3..], [OpResult::Checked, OpResult::Deleted]);
    let made = client.exists(sequential).await.unwrap().unwrap();
    assert_eq!(made.czxid, stat.mzxid);
    assert_eq!(client.exists(&old).await.unwrap(), None);
}

pub(super) async fn applies_nothing(stage: Stage) {
    let path = stage.path("a");
    let ops = vec![
        Op::create(&path, "", CreateMode::Persistent),
        Op::check(&stage.root, Some(99)),
        Op::delete(&stage.path("none"), None),
    ];
    let error = stage.client.multi(ops).await.unwrap_err();
    let code = ErrorCode::BAD_VERSION;
    assert_eq!(error, Error::Multi { index: 1, code });
    assert_eq!(stage.client.exists(&path).await.unwrap(), None);
}

pub(super) async fn makes_every_kind(stage: Stage) {
    let create = |name: &str, options: CreateOptions| Op::create(&stage.path(name), "", options);
    let ttl = |mode| CreateOptions::new(mode).ttl(ENOUGH_TIME_TO_LIVE);
    let ops = vec![
        create("p", CreateMode::Persistent.into()),
        create("e", CreateMode::Ephemeral.into()),
        create("s-", CreateMode::PersistentSequential.into()),
        create("es-", CreateMode::EphemeralSequential.into()),
        create("c", CreateMode::Container.into()),
        create("t", ttl(CreateMode::PersistentTtl)),
        create("ts-", ttl(CreateMode::PersistentSequentialTtl)),
    ];
    let results = stage.client.multi(ops).await.unwrap();
    let names: Vec<&str> = results
        .iter()
        .map(|result| match result {
            OpResult::Created { path, .. } => &path[stage.root.len() + 1..],
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "p",
        "e",
        "s-0000000002",
        "es-0000000003",
        "c",
        "t",
        "ts-0000000006",
    ];
    assert_eq!(names, expected);
    let mut ephemerals = stage.client.ephemerals(Some(&stage.root)).await.unwrap();
    ephemerals.sort();
    assert_eq!(ephemerals, [stage.path("e"), stage.path("es-0000000003")]);
}

pub(super) async fn may_be_empty(stage: Stage) {
    assert_eq!(stage.client.multi(Vec::new()).await.unwrap(), []);
    assert_eq!(stage.client.multi_read(Vec::new()).await.unwrap(), []);
}

pub(super) async fn reads_fail_alone(stage: Stage) {
    stage.plain("a").await;
    let znode = stage.client.get(&stage.root).await.unwrap();
    let ops = vec![
        ReadOp::get(&stage.root),
        ReadOp::get(&stage.path("none")),
        ReadOp::children(&stage.root),
    ];
    let expected = [
        ReadResult::Znode(znode),
        ReadResult::Failed(ErrorCode::NO_NODE),
        ReadResult::Children(vec!["a".into()]),
    ];
    assert_eq!(stage.client.multi_read(ops).await.unwrap(), expected);
}
