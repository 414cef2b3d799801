//! Images: what is written is read back whole, a fresh tree is Apache's byte for byte, and bytes
//! that nobody trusts cost an error at most.

mod common;

use std::io::{self, Read};

use bytes::{BufMut, BytesMut};
use common::random::{Pair, step};
use common::{SESSION, Server, acl_of, children_of, create, create_with, data_of, set};
use lockkeeper_store::{ImageError, Store};
use lockkeeper_wire::{Acl, Record, Zxid};
use proptest::prelude::*;
use proptest::test_runner::Config;

fn written(store: &Store) -> Vec<u8> {
    let mut image = Vec::new();
    store.write_image(&mut image).expect("memory takes it all");
    image
}

fn read(image: &[u8]) -> Result<Store, ImageError> {
    Store::read_image(&mut &*image, Zxid(77), 5)
}

/// Every path, the root first.
fn paths(store: &Store) -> Vec<String> {
    let mut paths = vec!["/".to_owned()];
    let mut at = 0;
    while at < paths.len() {
        let parent = paths[at].trim_end_matches('/').to_owned();
        let children = children_of(store, &paths[at]);
        paths.extend(children.iter().map(|name| format!("{parent}/{name}")));
        at += 1;
    }
    paths
}

fn assert_same(one: &Store, other: &Store) {
    assert_eq!(one.digest(), other.digest());
    assert_eq!(one.counts(), other.counts());
    assert!(one.sessions().eq(other.sessions()));
    assert_eq!(paths(one), paths(other));
    for path in paths(one) {
        assert_eq!(one.stat(&path), other.stat(&path), "{path}");
        assert_eq!(data_of(one, &path), data_of(other, &path), "{path}");
        assert_eq!(acl_of(one, &path), acl_of(other, &path), "{path}");
    }
    for (session, _) in one.sessions() {
        assert!(one.ephemerals(session).eq(other.ephemerals(session)));
    }
    for now_ms in [0, i64::MAX] {
        assert_eq!(one.removable(now_ms, 1), other.removable(now_ms, 1));
    }
}

proptest! {
    #![proptest_config(Config { cases: 32, failure_persistence: None, ..Config::default() })]

    #[test]
    fn an_image_is_read_back_as_it_was(steps in prop::collection::vec(step(), 1..200)) {
        let mut pair = Pair::new();
        pair.run(&steps);
        let store = pair.server.store.freeze();
        let back = read(&written(&store)).expect("our own image");
        assert_same(&back, &store);
        prop_assert_eq!(back.last_zxid(), Zxid(77));
    }

    #[test]
    fn changed_bytes_never_panic(
        steps in prop::collection::vec(step(), 1..60),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut pair = Pair::new();
        pair.run(&steps);
        let mut image = written(&pair.server.store);
        let at = at.index(image.len());
        image[at] ^= byte;
        if let Ok(store) = read(&image) {
            // Whatever was accepted can be written again.
            let back = read(&written(&store)).expect("our own image");
            assert_same(&back, &store);
        }
        image.truncate(cut.index(image.len()));
        prop_assert!(read(&image).is_err(), "an image without its end");
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&noise);
        let mut image = vec![0; 8];
        image.extend(noise);
        let _ = read(&image);
    }
}

/// A `snapshot.0` of a standalone Apache 3.9.5 has 478 bytes: header, image, and three seals with
/// the digest and the last zxid between them. Siblings may stand in any order.
#[test]
fn a_fresh_tree_is_written_as_apache_writes_it() {
    const FILE_LEN: usize = 478;
    const AROUND_IMAGE_LEN: usize = 16 + 13 + 20 + 13 + 8 + 13;
    let mut expected = BytesMut::new();
    // No session; one list, of the config znode.
    expected.put_i32(0);
    expected.put_i32(1);
    expected.put_i64(1);
    Acl::read_only().encode(&mut expected);
    put_znode("", -1, &mut expected);
    put_znode("/zookeeper", -1, &mut expected);
    let mut quota = BytesMut::new();
    put_znode("/zookeeper/quota", -1, &mut quota);
    let mut config = BytesMut::new();
    put_znode("/zookeeper/config", 1, &mut config);
    let aversion_at = config.len() - 60 + 4 * 8 + 2 * 4;
    config[aversion_at..aversion_at + 4].copy_from_slice(&(-1i32).to_be_bytes());
    let expected = [[&quota, &config], [&config, &quota]].map(|siblings| {
        let mut image = expected.clone();
        image.extend(siblings.into_iter().flatten());
        put_text("/", &mut image);
        image.to_vec()
    });

    for seed in 0..8 {
        let store = Store::new(seed);
        assert_eq!(store.digest(), 0x51c6_d660);
        let image = written(&store);
        assert_eq!(image.len(), FILE_LEN - AROUND_IMAGE_LEN);
        assert!(expected.contains(&image), "{image:x?}");
    }
}

#[test]
fn a_frozen_store_stays_as_it_was() {
    let mut server = Server::new();
    server.must(&create_with("/a", Acl::read_only()));
    server.must(&create("/a2", 1));
    let frozen = server.store.freeze();
    let before = written(&frozen);
    for request in [
        create("/a2", 0),
        set("/a2", "changed", -1),
        create_with("/b", vec![Acl::new(1, "ip", "10.0.0.1")]),
        common::delete("/a", -1),
    ] {
        let _ = server.run(&request);
    }
    server.must(&lockkeeper_wire::Request::CloseSession);
    assert_ne!(written(&server.store), before);
    assert_eq!(written(&frozen), before);
    assert_eq!(frozen.session_timeout_ms(SESSION), Some(10_000));
}

#[test]
fn lists_that_no_znode_has_are_left_out_after_a_freeze() {
    let mut server = Server::new();
    let long = Acl::new(1, "digest", format!("user:{}", "x".repeat(1000)));
    server.must(&create_with("/a", vec![long]));
    let with = written(&server.store.freeze()).len();
    server.must(&common::delete("/a", -1));
    let without = written(&server.store.freeze()).len();
    assert!(with - without > 1000, "{with} {without}");
}

fn put_text(text: &str, out: &mut BytesMut) {
    lockkeeper_wire::ByteStr::from(text).encode(out);
}

/// A znode with empty data and no list of its own.
fn put_znode(path: &str, acl_id: i64, out: &mut BytesMut) {
    put_text(path, out);
    out.put_i32(0);
    out.put_i64(acl_id);
    out.put_bytes(0, 60);
}

/// No session, no list, the root.
fn image_start() -> BytesMut {
    let mut image = BytesMut::new();
    image.put_i64(0);
    put_znode("", -1, &mut image);
    image
}

fn image_of(paths: &[&str]) -> Vec<u8> {
    let mut image = image_start();
    for path in paths {
        put_znode(path, -1, &mut image);
    }
    put_text("/", &mut image);
    image.to_vec()
}

#[test]
fn a_missing_config_znode_is_added() {
    let store = read(&image_of(&["/zookeeper", "/zookeeper/quota"])).expect("legal");
    assert_same(&store, &Store::new(9));
    assert_same(&read(&written(&store)).expect("our own"), &store);
}

#[test]
fn znodes_in_no_place_are_refused() {
    for paths in [
        &["/a/b"][..],
        &["/a", "/a"],
        &["a"],
        &["a/b"],
        &["//"],
        &["/a", "/a/"],
        &["/a", "/a//b"],
    ] {
        let result = read(&image_of(paths));
        assert!(matches!(result, Err(ImageError::Orphan(_))), "{paths:?}");
    }
}

/// Counts what is taken from it and has no end.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        out.fill(0x7f);
        self.0 += out.len() as u64;
        Ok(out.len())
    }
}

#[test]
fn a_length_is_only_a_claim() {
    // A path of two billion bytes is refused before a byte of it is read.
    let mut image = BytesMut::new();
    image.put_i64(0);
    let mut input = image.as_ref().chain(Endless(0));
    let result = Store::read_image(&mut input, Zxid(1), 1);
    assert!(matches!(result, Err(ImageError::Length(0x7f7f_7f7f))));
    assert_eq!(input.into_inner().1.0, 4);

    // Two billion sessions of which none follows, and a list of two billion entries.
    for head in [
        &[0x7f, 0, 0, 0][..],
        &[
            0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0, 0, 0,
        ],
    ] {
        assert!(matches!(read(head), Err(ImageError::Io(_))));
    }
}

/// Recursion over levels would need more than this stack has: 40 bytes for each.
#[test]
fn a_deep_tree_is_not_walked_by_recursion() {
    const LEVELS: usize = 2_500;
    const STACK_LEN: usize = 100 << 10;
    let walk = || {
        let mut image = image_start();
        let mut path = String::new();
        for _ in 0..LEVELS {
            path.push_str("/d");
            put_znode(&path, -1, &mut image);
        }
        put_text("/", &mut image);
        let store = read(&image).expect("legal");
        assert_eq!(store.counts().znodes, LEVELS + 1);
        assert_eq!(written(&store), image);

        let mut server = Server::on(store.clone());
        assert!(server.store.stat(&path).is_some());
        let frozen = server.store.freeze();
        server.store = Store::new(1);
        drop(store);
        assert_eq!(frozen.counts().znodes, LEVELS + 1);
        drop(frozen);
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_LEN);
        let thread = thread.spawn_scoped(scope, walk).expect("a thread");
        thread.join().expect("no overflow");
    });
}
