//! Reads: what they answer and what they make of texts that are no paths.

mod common;

use bytes::{BufMut, Bytes, BytesMut};
use common::{
    OTHER, SESSION, Server, at, create, create_with, delete, local, read, read_as, watch,
};
use lockkeeper_store::{MULTI_READ_REPLY_MAX, Reader, Write};
use lockkeeper_wire::multi::{MultiOp, MultiReadRequest, MultiReadResponse, ReadOp, ReadResult};
use lockkeeper_wire::reply::{
    GetAllChildrenNumberResponse, GetChildren2Response, GetDataResponse, GetEphemeralsResponse,
    StatResponse,
};
use lockkeeper_wire::request::{CreateRequest, GetEphemeralsRequest, PathOnly, SetDataRequest};
use lockkeeper_wire::{Acl, ErrorCode, Request};

#[test]
fn a_text_that_is_no_path_names_no_znode() {
    let mut server = Server::new();
    server.must(&create("/a", 0));
    let store = &server.store;
    for path in [
        "/no", "/a/", "/a//", "//", "a", "/./a", "/a/b", "/a\0", "\0",
    ] {
        let answer = read::<GetDataResponse>(store, &Request::GetData(watch(path)));
        assert_eq!(answer, Err(ErrorCode::NO_NODE), "{path:?}");
        let code = match path.contains('\0') {
            true => ErrorCode::BAD_ARGUMENTS,
            false => ErrorCode::NO_NODE,
        };
        let answer = read::<StatResponse>(store, &Request::Exists(watch(path)));
        assert_eq!(answer, Err(code), "{path:?}");
    }
    for root in ["", "/"] {
        let answer = read::<GetChildren2Response>(store, &Request::GetChildren2(watch(root)));
        let answer = answer.expect("the root is there");
        assert_eq!(answer.stat, server.stat("/"));
        assert_eq!(answer.children.len(), 2);
    }
}

#[test]
fn counts_and_ephemerals_are_of_all_below() {
    let mut server = Server::new();
    for request in [
        create("/a", 0),
        create("/a/b", 0),
        create("/a/b/e", 1),
        create("/ab", 1),
    ] {
        server.must(&request);
    }
    server.write(OTHER, &local(), Write::Request(&create("/a/other", 1)));
    for (path, total) in [
        ("/", 8),
        ("/a", 3),
        ("/a/b", 1),
        ("/ab", 0),
        ("/zookeeper", 2),
    ] {
        let request = Request::GetAllChildrenNumber(PathOnly { path: path.into() });
        let answer = read::<GetAllChildrenNumberResponse>(&server.store, &request);
        assert_eq!(answer.expect(path).total, total, "{path}");
    }
    for (prefix, paths) in [
        (None, &["/a/b/e", "/ab"][..]),
        (Some(""), &["/a/b/e", "/ab"]),
        (Some(" "), &["/a/b/e", "/ab"]),
        (Some("/"), &["/a/b/e", "/ab"]),
        (Some("/a"), &["/a/b/e", "/ab"]),
        (Some("/a/"), &["/a/b/e"]),
        (Some("/no"), &[]),
        (Some(" / "), &["/a/b/e", "/ab"]),
        (Some(" /a"), &[]),
    ] {
        let prefix = prefix.map(Into::into);
        let request = Request::GetEphemerals(GetEphemeralsRequest { prefix });
        let answer = read::<GetEphemeralsResponse>(&server.store, &request);
        assert_eq!(answer.expect("never refused").ephemerals, paths);
    }
    server.must(&delete("/a/b/e", -1));
    assert!(server.store.ephemerals(SESSION).eq(["/ab"]));
}

fn multi_read(ops: Vec<ReadOp>) -> Request {
    Request::MultiRead(MultiReadRequest { ops })
}

#[test]
fn parts_of_a_multi_read_fail_alone() {
    let mut server = Server::new();
    server.must(&create("/a", 0));
    server.must(&create("/a/b", 0));
    server.must(&create_with(
        "/hidden",
        vec![Acl::new(2, "world", "anyone")],
    ));
    let request = multi_read(vec![
        ReadOp::GetData(watch("/no")),
        ReadOp::GetChildren(watch("/hidden")),
        ReadOp::GetData(watch("/a")),
        ReadOp::GetChildren(watch("/a")),
    ]);
    let answer: MultiReadResponse =
        read_as(&server.store, &local(), false, &request).expect("parts fail alone");
    let data = Some(Bytes::from_static(b"data"));
    let expected = [
        ReadResult::Error(ErrorCode::NO_NODE),
        ReadResult::Error(ErrorCode::NO_AUTH),
        ReadResult::GetData {
            data,
            stat: server.stat("/a"),
        },
        ReadResult::GetChildren(vec!["b".into()]),
    ];
    assert_eq!(answer.results, expected);
    let empty: MultiReadResponse = read(&server.store, &multi_read(vec![])).expect("legal");
    assert_eq!(empty.results, []);
}

#[test]
fn a_multi_read_of_writes_or_of_too_much_is_refused_whole() {
    let mut server = Server::new();
    server.must(&create("/a", 0));
    let reader = Reader {
        session: SESSION,
        identities: &local(),
        skip_acl: false,
    };
    let mut out = BytesMut::new();
    out.put_u8(7);
    let writes = multi_read(vec![ReadOp::Foreign(MultiOp::Delete(at("/a", -1)))]);
    let answer = server.store.read(&writes, reader, &mut out);
    assert_eq!(answer, Err(ErrorCode::MARSHALLING_ERROR));

    let large = Some(Bytes::from(vec![0; 1 << 20]));
    let request = Request::SetData(SetDataRequest {
        path: "/a".into(),
        data: large.clone(),
        version: -1,
    });
    server.must(&request);
    let times = |count| multi_read(vec![ReadOp::GetData(watch("/a")); count]);
    let fits = MULTI_READ_REPLY_MAX >> 20;
    assert_eq!(
        server.store.read(&times(fits + 1), reader, &mut out),
        Err(ErrorCode::BAD_ARGUMENTS)
    );
    assert_eq!(out.len(), 1, "nothing is written with an error");
    assert_eq!(server.store.read(&times(fits), reader, &mut out), Ok(()));
    assert!(out.len() > MULTI_READ_REPLY_MAX);
}

#[test]
fn null_and_empty_data_stay_apart() {
    let mut server = Server::new();
    for (path, data) in [("/null", None), ("/empty", Some(Bytes::new()))] {
        server.must(&Request::Create(CreateRequest {
            data: data.clone(),
            ..common::body(path, 0)
        }));
        assert_eq!(common::data_of(&server.store, path), data);
        assert_eq!(server.stat(path).data_length, 0);
    }
}
