//! Creates: the kind of znode that opcode and flags make, times to live, and sequence numbers.

mod common;

use common::{SESSION, Server, body, container, create, delete, furnished, local, ttl, ttl_body};
use lockkeeper_store::{TTL_MAX_MS, Write};
use lockkeeper_wire::multi::{MultiOp, MultiResult};
use lockkeeper_wire::txn::CreateTxn;
use lockkeeper_wire::{ErrorCode, Request, Response, Txn};

fn furnished_with(extended_types: bool) -> Server {
    let mut server = furnished();
    server.settings.extended_types = extended_types;
    server
}

#[derive(Debug, PartialEq, Eq)]
enum Made {
    Persistent,
    Ephemeral,
    Container,
    Ttl,
}

/// What kind the transaction makes, and whether it answers with a Stat.
fn made(txn: &Txn) -> Result<(Made, bool), ErrorCode> {
    let plain = |body: &CreateTxn| match body.ephemeral {
        true => Made::Ephemeral,
        false => Made::Persistent,
    };
    Ok(match txn {
        Txn::Create(body) => (plain(body), false),
        Txn::Create2(body) => (plain(body), true),
        Txn::CreateContainer(_) => (Made::Container, true),
        Txn::CreateTtl(_) => (Made::Ttl, true),
        Txn::Error(code) => return Err(*code),
        other => panic!("{other:?}"),
    })
}

#[test]
fn opcode_and_flags_decide_what_a_create_makes() {
    let plain = |flags| match flags {
        1 | 3 => Ok(Made::Ephemeral),
        0 | 2 | 4 => Ok(Made::Persistent),
        _ => Err(ErrorCode::BAD_ARGUMENTS),
    };
    for extended_types in [true, false] {
        let mut server = furnished_with(extended_types);
        let disabled = |flags| (flags == 5 || flags == 6) && !extended_types;
        for flags in -1..9 {
            let sequential = matches!(flags, 2 | 3 | 6);
            let expect_container = match flags {
                0..5 => Ok(Made::Container),
                _ => Err(ErrorCode::BAD_ARGUMENTS),
            };
            let expect_ttl = match flags {
                5 | 6 => Ok(Made::Ttl),
                _ => Err(ErrorCode::BAD_ARGUMENTS),
            };
            let path = format!("/new{flags}");
            let requests = [
                (Request::Create(body(&path, flags)), plain(flags), false),
                (Request::Create2(body(&path, flags)), plain(flags), true),
                (
                    Request::CreateContainer(body(&path, flags)),
                    expect_container,
                    true,
                ),
                (
                    Request::CreateTtl(ttl_body(&path, flags, 9)),
                    expect_ttl,
                    true,
                ),
            ];
            for (request, expected, with_stat) in requests {
                let expected = match disabled(flags) {
                    true => Err(ErrorCode::UNIMPLEMENTED),
                    false => expected.map(|made| (made, with_stat)),
                };
                let entry = server.prep(SESSION, &local(), Write::Request(&request));
                assert_eq!(made(&entry.txn), expected, "{request:?} {extended_types}");
                let Ok(reply) = server.apply(&entry).outcome else {
                    continue;
                };
                let (made_path, stat) = match reply {
                    Response::Create(body) => (body.path, None),
                    Response::Create2(body) => (body.path, Some(body.stat)),
                    other => panic!("{other:?}"),
                };
                assert_eq!(stat.is_some(), with_stat);
                let suffix_len = if sequential { 10 } else { 0 };
                assert_eq!(made_path.len(), path.len() + suffix_len, "{request:?}");
                let there = server.stat(&made_path);
                assert!(stat.is_none_or(|stat| stat == there));
                assert_eq!(
                    there.ephemeral_owner == SESSION,
                    entry_is_ephemeral(&entry.txn)
                );
                server.must(&delete(&made_path, -1));
            }
        }
    }
}

fn entry_is_ephemeral(txn: &Txn) -> bool {
    made(txn).is_ok_and(|(made, _)| made == Made::Ephemeral)
}

/// A time to live outside its range, and one that stands beside a mode without any: the latter
/// with a negative number stops Apache's servers for good.
#[test]
fn a_time_to_live_is_in_range_and_beside_its_mode() {
    let cases = [
        (5, 1, true),
        (6, TTL_MAX_MS, true),
        (5, 0, false),
        (5, -1, false),
        (5, TTL_MAX_MS + 1, false),
        (5, i64::MIN, false),
        (0, 0, false),
        (0, 1, false),
        (0, -1, false),
        (1, i64::MIN, false),
        (4, -1, false),
    ];
    for extended_types in [true, false] {
        for (flags, ttl_ms, legal) in cases {
            let mut server = furnished_with(extended_types);
            let code = match (flags, legal) {
                (5 | 6, _) if !extended_types => ErrorCode::UNIMPLEMENTED,
                (_, true) => ErrorCode::OK,
                (_, false) => ErrorCode::BAD_ARGUMENTS,
            };
            let part = ttl_body("/ttl", flags, ttl_ms);
            let in_multi = server.multi(vec![MultiOp::CreateTtl(part.clone())]);
            let expected = MultiResult::Error(code);
            assert_eq!(in_multi == [expected], !code.is_ok(), "{part:?}");
            server = furnished_with(extended_types);
            assert_eq!(
                server.err(&Request::CreateTtl(part.clone())),
                code,
                "{part:?}"
            );
        }
    }
}

#[test]
fn sequences_count_every_creation_under_a_parent() {
    let mut server = furnished();
    let steps = [
        (create("/open/a-", 2), Some("/open/a-0000000000")),
        (create("/open/plain", 0), None),
        (delete("/open/plain", -1), None),
        (create("/open/b-", 3), Some("/open/b-0000000002")),
        (create("/open/", 2), Some("/open/0000000003")),
        (create("/open/..", 2), Some("/open/..0000000004")),
        (ttl("/open/ttl", 5), None),
        (container("/open/c"), None),
        (
            Request::CreateTtl(ttl_body("/open/t", 6, 5)),
            Some("/open/t0000000007"),
        ),
        (
            Request::CreateContainer(body("/open/c", 2)),
            Some("/open/c0000000008"),
        ),
    ];
    for (request, path) in steps {
        server.must(&request);
        if let Some(path) = path {
            assert_eq!(server.stat(path).czxid, server.zxid, "{path}");
        }
    }
    assert_eq!(server.err(&create("/open/plain/", 2)), ErrorCode::NO_NODE);
    assert_eq!(server.err(&create("/no/", 2)), ErrorCode::NO_NODE);
    server.must(&create("/open/last", 2));
    assert!(
        server.store.stat("/open/last0000000009").is_some(),
        "failures do not count"
    );
}
