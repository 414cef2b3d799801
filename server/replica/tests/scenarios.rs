//! The pipeline step by step: who waits for whom, and what happens to those who leave meanwhile.

mod common;

use common::{TICK_MS, TIMEOUT_MS, World, create, read, set, sync};
use lockkeeper_store::ConnectionId;
use lockkeeper_wire::{CreateMode, ErrorCode, Request, SessionId, Xid};

const NO_NODE: i32 = ErrorCode::NO_NODE.0;
const PERSISTENT: CreateMode = CreateMode::Persistent;
const EPHEMERAL: CreateMode = CreateMode::Ephemeral;

/// After this every session that was not heard of since 0 has ended.
const EXPIRED_MS: u64 = TIMEOUT_MS as u64 + TICK_MS;

#[test]
fn reads_wait_for_writes_of_their_own_connection_only() {
    let mut world = World::new();
    let (one, other) = (world.connected(1), world.connected(2));
    let before = world.answered(one);
    world.submit(one, 1, create("/a", PERSISTENT));
    world.submit(one, 2, read("/a", false));
    world.submit(one, 3, read("/b", false));
    world.submit(one, 4, create("/b", PERSISTENT));
    world.submit(one, 5, read("/b", false));
    world.submit(other, 1, read("/a", false));
    assert_eq!(world.replies(one), []);
    assert_eq!(world.replies(other), [(1, NO_NODE)]);
    assert_eq!(world.replica.outstanding(), 2);
    // The first write alone lets go what waits for it, and no more.
    let unlogged = world.unlogged();
    assert_eq!(unlogged.len(), 2);
    world.commit_to(unlogged[0]);
    assert_eq!(world.replies(one), [(1, 0), (2, 0), (3, NO_NODE)]);
    world.commit_to(unlogged[1]);
    assert_eq!(world.replies(one), [(4, 0), (5, 0)]);
    assert_eq!(world.answered(one) - before, 5);
    assert_eq!(world.replica.outstanding(), 0);
}

#[test]
fn refusals_keep_their_place() {
    let mut world = World::new();
    let one = world.connected(1);
    world.submit(one, 1, create("/a", PERSISTENT));
    let code = ErrorCode::MARSHALLING_ERROR;
    world.replica.submit_header(one, Xid(2), None, code, false);
    let code = ErrorCode::UNIMPLEMENTED;
    world.replica.submit_header(one, Xid(3), None, code, true);
    world.submit(one, 4, read("/a", false));
    assert_eq!(world.replies(one), []);
    world.commit();
    assert_eq!(world.replies(one), [(1, 0), (2, -5), (3, -6)]);
    assert!(world.is_closed(one));
    // The session lives on.
    let session = world.session(one);
    let two = ConnectionId(2);
    world.handshake(two, session);
    assert_eq!(world.granted(two).session_id, session);
}

#[test]
fn writes_of_a_connection_that_has_gone_are_done() {
    let mut world = World::new();
    let one = world.connected(1);
    world.submit(one, 1, create("/a", PERSISTENT));
    world.submit(one, 2, read("/a", true));
    world.submit(one, 3, create("/mine", EPHEMERAL));
    world.disconnect(one);
    world.commit();
    assert_eq!(world.replies(one), []);
    assert!(world.exists("/a") && world.exists("/mine"));
    assert!(world.watches.is_empty());
    // What comes after its end is not taken.
    world.submit(one, 4, create("/late", PERSISTENT));
    assert_eq!(world.replica.outstanding(), 0);
    world.tick(EXPIRED_MS);
    world.commit();
    assert!(world.exists("/a") && !world.exists("/mine"));
}

#[test]
fn a_session_moves_with_writes_under_way() {
    let mut world = World::new();
    let one = world.connected(1);
    let session = world.session(one);
    world.submit(one, 1, create("/a", PERSISTENT));
    world.submit(one, 2, read("/a", false));
    let two = ConnectionId(2);
    world.handshake(two, session);
    // Resuming needs no transaction, so it is answered ahead of the write.
    assert_eq!(world.granted(two).session_id, session);
    assert!(world.is_closed(one));
    world.submit(one, 3, create("/late", PERSISTENT));
    world.submit(two, 1, read("/a", false));
    world.submit(two, 2, create("/b", PERSISTENT));
    world.commit();
    assert_eq!(world.replies(one), []);
    assert_eq!(world.replies(two), [(1, NO_NODE), (2, 0)]);
    assert!(world.exists("/a") && !world.exists("/late"));
    // The end of the old connection takes nothing from the new one.
    world.disconnect(one);
    world.submit(two, 3, create("/mine", EPHEMERAL));
    world.commit();
    assert_eq!(world.replies(two), [(3, 0)]);
    world.clients.heard_ms.insert(two, EXPIRED_MS);
    world.tick(EXPIRED_MS);
    world.commit();
    assert!(world.exists("/mine") && !world.is_closed(two));
}

#[test]
fn a_touch_that_the_expiry_has_not_seen_counts() {
    let mut world = World::new();
    let (one, other) = (world.connected(1), world.connected(2));
    world.clients.heard_ms.insert(one, 500);
    world.tick(EXPIRED_MS);
    world.commit();
    assert!(!world.is_closed(one), "heard of at 500 ms");
    assert!(world.is_closed(other), "not heard of");
    assert_eq!(world.replies(other), [], "closed without a frame");
    world.tick(500 + EXPIRED_MS);
    assert_eq!(world.replica.outstanding(), 1);
    // Too late: the end is prepared, and a write behind it fails.
    world.clients.heard_ms.insert(one, 500 + EXPIRED_MS);
    world.submit(one, 1, create("/late", PERSISTENT));
    world.handshake(ConnectionId(3), world.session(one));
    assert_eq!(world.granted(ConnectionId(3)).timeout_ms, 0);
    assert!(world.is_closed(ConnectionId(3)) && !world.is_closed(one));
    world.commit();
    assert!(world.is_closed(one) && !world.exists("/late"));
    assert_eq!(world.replies(one), []);
    assert_eq!(world.replica.traffic().sessions_expired, 2);
}

#[test]
fn never_before_the_timeout() {
    let mut world = World::new();
    let one = world.connected(1);
    for now_ms in 0..TIMEOUT_MS as u64 {
        world.tick(now_ms);
        assert_eq!(world.replica.outstanding(), 0, "{now_ms} ms");
    }
    world.tick(EXPIRED_MS);
    assert_eq!(world.replica.outstanding(), 1);
    world.commit();
    assert!(world.is_closed(one));
}

#[test]
fn a_session_whose_link_breaks_keeps_its_full_timeout() {
    let mut world = World::new();
    let one = world.connected(1);
    world.clients.heard_ms.insert(one, 900);
    world.now_ms = 950;
    world.disconnect(one);
    for now_ms in 950..900 + TIMEOUT_MS as u64 {
        world.tick(now_ms);
        assert_eq!(world.replica.outstanding(), 0, "{now_ms} ms");
    }
    world.tick(900 + EXPIRED_MS);
    assert_eq!(world.replica.outstanding(), 1);
}

/// A client that lost the reply of a create asks behind a sync whether the znode is there. Were the
/// create of its last connection still under way, it would be made twice.
#[test]
fn a_sync_shows_what_the_connection_before_had_under_way() {
    let mut world = World::new();
    let one = world.connected(1);
    world.submit(one, 1, create("/lost", PERSISTENT));
    let two = ConnectionId(3);
    world.handshake(two, world.session(one));
    world.granted(two);
    world.submit(two, 2, sync());
    world.submit(two, 3, read("/lost", false));
    assert_eq!(world.replies(two), []);
    world.commit();
    assert_eq!(world.replies(two), [(2, 0), (3, 0)]);
}

#[test]
fn a_stall_of_the_process_is_nobodys_silence() {
    let mut world = World::new();
    let one = world.connected(1);
    world.replica.stalled(5000);
    world.tick(5000 + TIMEOUT_MS as u64 - 1);
    assert_eq!(world.replica.outstanding(), 0);
    world.tick(5000 + EXPIRED_MS);
    world.commit();
    assert!(world.is_closed(one));
}

#[test]
fn a_client_that_leaves_before_its_session_begins() {
    let mut world = World::new();
    let (one, two) = (ConnectionId(1), ConnectionId(2));
    world.handshake(one, SessionId::NONE);
    world.submit(one, 1, create("/mine", EPHEMERAL));
    world.submit(one, 2, read("/mine", false));
    world.handshake(two, SessionId::NONE);
    world.disconnect(one);
    world.commit();
    assert_eq!(world.replies(one), []);
    assert!(world.granted(two).timeout_ms > 0);
    assert!(world.exists("/mine"));
    world.clients.heard_ms.insert(two, EXPIRED_MS);
    world.tick(EXPIRED_MS);
    world.commit();
    assert!(!world.exists("/mine") && !world.is_closed(two));
}

#[test]
fn requests_in_the_same_piece_as_the_handshake_are_answered_behind_it() {
    let mut world = World::new();
    let one = ConnectionId(1);
    world.handshake(one, SessionId::NONE);
    world.submit(one, 1, read("/", false));
    world.submit(one, 2, Request::Ping);
    world.commit();
    assert_eq!(world.answered(one), 3);
    // The first frame is a connect response, whose protocol version is read as a number here.
    let replies = world.replies(one);
    assert_eq!(replies.len(), 3);
    assert_eq!(replies[1..], [(1, 0), (-2, 0)]);
}

#[test]
fn nothing_is_answered_behind_the_end_of_the_session() {
    let mut world = World::new();
    let (one, other) = (world.connected(1), world.connected(2));
    world.submit(one, 1, create("/mine", EPHEMERAL));
    world.submit(one, 2, Request::CloseSession);
    world.submit(one, 3, create("/late", PERSISTENT));
    world.submit(one, 4, read("/", false));
    world.submit(other, 1, set("/mine"));
    world.commit();
    assert_eq!(world.replies(one), [(1, 0), (2, 0)]);
    assert!(world.is_closed(one));
    assert!(!world.exists("/mine") && !world.exists("/late"));
    assert_eq!(
        world.replies(other),
        [(1, NO_NODE)],
        "judged behind the end of the session"
    );
    let session = world.session(one);
    world.handshake(ConnectionId(3), session);
    assert_eq!(world.granted(ConnectionId(3)).timeout_ms, 0);
}

#[test]
fn the_end_of_a_session_whose_connection_has_gone() {
    let mut world = World::new();
    let one = world.connected(1);
    let session = world.session(one);
    world.submit(one, 1, create("/mine", EPHEMERAL));
    world.submit(one, 2, Request::CloseSession);
    world.disconnect(one);
    world.handshake(ConnectionId(2), session);
    assert_eq!(world.granted(ConnectionId(2)).timeout_ms, 0, "it is ending");
    world.commit();
    assert!(!world.exists("/mine"));
    world.tick(EXPIRED_MS);
    assert_eq!(world.replica.outstanding(), 0, "it ends once");
}

#[test]
fn an_event_stands_before_the_reply_to_its_write() {
    let mut world = World::new();
    let (one, other) = (world.connected(1), world.connected(2));
    world.submit(one, 1, create("/a", PERSISTENT));
    world.commit();
    world.replies(one);
    for connection in [one, other] {
        world.submit(connection, 2, read("/a", true));
        assert_eq!(world.replies(connection), [(2, 0)]);
    }
    world.submit(one, 3, set("/a"));
    world.submit(one, 4, read("/a", false));
    world.commit();
    assert_eq!(world.replies(one), [(-1, 0), (3, 0), (4, 0)]);
    assert_eq!(world.replies(other), [(-1, 0)]);
}
