//! Connecting, heartbeats, loss, expiry, closing: a session's life by the clock.

mod common;

use std::time::Duration;

use common::{ID, T, World, config, credential, data, delete, get};
use lockkeeper_session::{Error, Event, LinkLoss, Outcome, SessionCredentials, State, Ticket};
use lockkeeper_wire::request::SyncPath;
use lockkeeper_wire::{ErrorCode, Record, Request, Response, SessionId, Xid, Zxid, frame};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_first_handshake_asks_for_a_new_session() {
    let mut world = World::new(config("a"));
    let request = world.handshake();
    assert_eq!(request.session_id, SessionId::NONE);
    assert_eq!(request.last_zxid_seen, Zxid::ZERO);
    assert_eq!(request.timeout_ms, 6000);
    assert_eq!(request.password.unwrap().as_ref(), [0; 16]);
    assert_eq!(world.session.lease_deadline(), None);
    world.answer_handshake(ID, secs(4));
    assert_eq!(world.states(), [State::Connected]);
    assert_eq!(world.session.timeout(), secs(4));
    assert_eq!(world.session.credentials().id, ID);
    assert_eq!(
        world.session.lease_deadline(),
        Some(world.now + secs(4) * 7 / 10)
    );
}

#[test]
fn a_short_answer_is_an_old_server() {
    let mut world = World::new(config("a"));
    world.handshake();
    world.feed(|out| {
        frame::encode(out, |out| {
            0i32.encode(out);
            6000i32.encode(out);
            ID.encode(out);
            Some(bytes::Bytes::from_static(&[1; 16])).encode(out);
        })
    });
    assert_eq!(world.states(), [State::Connected]);
}

#[test]
fn a_reply_header_in_place_of_an_answer_means_the_next_server() {
    let mut world = World::new(config("a,b"));
    world.handshake();
    world.feed(|out| {
        frame::encode(out, |out| {
            0i32.encode(out);
            0i64.encode(out);
            ErrorCode::NOT_READ_ONLY.encode(out);
        })
    });
    assert!(!world.linked);
    world.welcome();
    assert_eq!(world.states(), [State::Connected]);
}

#[test]
fn heartbeats_come_after_a_third_of_silence_even_with_requests_outstanding() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    assert_eq!(world.requests().len(), 1);
    world.advance(secs(2) - Duration::from_millis(1));
    assert_eq!(world.requests(), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.requests(), [(Xid::PING, Request::Ping)]);
    world.reply_at(Xid::PING, 0, ErrorCode::OK, &Response::Empty);
    world.advance(secs(2));
    assert_eq!(world.requests(), [(Xid::PING, Request::Ping)]);
}

#[test]
fn a_busy_sender_still_pings_when_nothing_is_heard() {
    let mut world = World::connected();
    for at in 0..5 {
        world.advance(Duration::from_millis(500));
        world.submit(at, get("/a"));
    }
    let pings = world
        .requests()
        .iter()
        .filter(|(xid, _)| *xid == Xid::PING)
        .count();
    assert_eq!(pings, 1);
}

#[test]
fn the_lease_follows_the_send_time_of_what_was_answered() {
    let mut world = World::connected();
    world.advance(secs(1));
    world.submit(1, get("/a"));
    let asked_at = world.now;
    let (xid, _) = world.request().unwrap();
    world.advance(Duration::from_millis(500));
    world.reply(xid, ErrorCode::OK, &data());
    assert_eq!(world.session.lease_deadline(), Some(asked_at + T * 7 / 10));
}

/// Pings, reads and `sync` are answered without a quorum; what a write proves counts.
#[test]
fn the_confirmed_deadline_follows_what_a_quorum_must_have_heard() {
    let mut world = World::connected();
    let linked_at = world.now;
    world.advance(secs(1));
    let read_at = world.now;
    let path = SyncPath {
        path: Some("/a".into()),
    };
    let (sync, synced) = (Request::Sync(path.clone()), Response::Sync(path));
    let proofs = [
        (secs(0), get("/a"), data(), None),
        (secs(0), delete("/a"), Response::Empty, Some(linked_at)),
        (secs(2), sync, synced, Some(linked_at)),
        (secs(0), delete("/a"), Response::Empty, Some(read_at)),
    ];
    for (ticket, (after, request, response, heard_of)) in (1..).zip(proofs) {
        world.advance(after);
        world.submit(ticket, request);
        let (xid, _) = world.requests().pop().unwrap();
        world.reply(xid, ErrorCode::OK, &response);
        let deadline = heard_of.map(|sent_at| sent_at + T * 19 / 20);
        assert_eq!(world.session.confirmed_deadline(), deadline, "{ticket}");
    }
}

#[test]
fn silence_for_two_thirds_means_another_server() {
    let mut world = World::connected();
    world.dials = 0;
    world.advance(secs(4) - Duration::from_millis(1));
    assert_eq!((world.dials, world.states()), (0, vec![]));
    world.advance(Duration::from_millis(1));
    assert_eq!((world.dials, world.states()), (1, vec![State::Suspended]));
    let request = world.welcome();
    assert_eq!(request.session_id, ID);
    assert_eq!(request.password.unwrap().as_ref(), b"0123456789abcdef");
    assert_eq!(world.states(), [State::Connected]);
}

#[test]
fn a_session_nobody_can_be_asked_about_expires_after_four_thirds() {
    let mut world = World::connected();
    world.lose();
    world.states();
    world.advance(secs(8) - Duration::from_millis(1));
    assert!(world.states().is_empty());
    assert!(world.dials > 3, "attempts get shares of the time");
    world.submit(1, get("/a"));
    world.advance(Duration::from_millis(1));
    assert_eq!(world.states(), [State::Expired]);
    let outcome = Outcome::NotApplied;
    assert_eq!(world.result(1), Err(Error::SessionExpired { outcome }));
    assert!(world.session.is_over());
    assert_eq!(world.session.poll_timeout(), None);
    world.submit(2, get("/a"));
    assert_eq!(world.result(2), Err(Error::SessionExpired { outcome }));
}

#[test]
fn reconnects_carry_the_highest_zxid_of_ordinary_replies() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    world.submit(2, get("/a"));
    let sent = world.requests();
    world.reply_at(sent[0].0, 0x50, ErrorCode::NO_NODE, &Response::Empty);
    world.reply_at(sent[1].0, 0x40, ErrorCode::NO_NODE, &Response::Empty);
    world.notify(lockkeeper_wire::EventType::NodeCreated, "/x");
    world.advance(secs(2));
    world.reply_at(Xid::PING, 0x90, ErrorCode::OK, &Response::Empty);
    assert_eq!(world.session.zxid_seen(), Zxid(0x50));
    world.lose();
    assert_eq!(world.welcome().last_zxid_seen, Zxid(0x50));
}

#[test]
fn a_server_that_hangs_up_on_the_handshake_is_passed_over() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    let (xid, _) = world.request().unwrap();
    world.reply_at(xid, 7, ErrorCode::NO_NODE, &Response::Empty);
    world.advance(secs(1));
    world.lose();
    for _ in 0..3 {
        let request = world.handshake();
        assert_eq!(request.last_zxid_seen, Zxid(7));
        assert_eq!(request.session_id, ID);
        let before = world.now;
        world.lose();
        world.redial();
        assert!(
            world.now - before >= Duration::from_millis(20),
            "never a busy loop"
        );
    }
    world.welcome();
    assert_eq!(world.states(), [State::Suspended, State::Connected]);
}

#[test]
fn another_session_in_the_answer_is_an_expiry() {
    for (id, timeout) in [(SessionId(0x9999), T), (SessionId::NONE, Duration::ZERO)] {
        let mut world = World::connected();
        world.submit(1, delete("/a"));
        world.submit(2, get("/a"));
        world.lose();
        world.handshake();
        world.answer_handshake(id, timeout);
        assert_eq!(world.states(), [State::Suspended, State::Expired]);
        assert!(!world.linked);
        let unknown = Outcome::Unknown;
        let lost = Err(Error::ConnectionLoss { outcome: unknown });
        assert_eq!(world.result(1), lost);
        let outcome = Outcome::NotApplied;
        assert_eq!(world.result(2), Err(Error::SessionExpired { outcome }));
    }
}

#[test]
fn a_session_of_a_read_only_server_is_not_taken_to_another() {
    let mut config = config("a,b");
    config.read_only = true;
    let mut world = World::new(config);
    assert_eq!(world.handshake().read_only, Some(true));
    world.answer_handshake_as(ID, T, true);
    assert_eq!(world.states(), [State::ConnectedReadOnly]);
    world.lose();
    assert_eq!(world.handshake().session_id, SessionId::NONE);
    world.answer_handshake(SessionId(0x9999), T);
    assert_eq!(world.states(), [State::Suspended, State::Connected]);
    world.lose();
    assert_eq!(world.handshake().session_id, SessionId(0x9999));
}

#[test]
fn a_resumed_session_is_asked_for_by_id() {
    let mut config = config("a");
    let password = bytes::Bytes::from_static(b"fedcba9876543210");
    config.resume = Some(SessionCredentials {
        id: ID,
        password: password.clone(),
    });
    let mut world = World::new(config);
    let request = world.handshake();
    assert_eq!((request.session_id, request.password), (ID, Some(password)));
    world.answer_handshake(SessionId::NONE, Duration::ZERO);
    assert_eq!(world.states(), [State::Expired]);
}

#[test]
fn a_first_connect_has_its_own_limit() {
    let mut config = config("a,b");
    config.first_connect_max = Some(secs(3));
    let mut world = World::new(config);
    world.submit(1, get("/a"));
    world.lose();
    world.advance(secs(3));
    assert_eq!(world.states(), [State::Closed]);
    assert!(matches!(
        world.result(1),
        Err(Error::Unreachable {
            last: Some(LinkLoss::Eof)
        })
    ));
    assert!(!world.linked);
}

#[test]
fn a_first_connect_without_a_limit_goes_on() {
    let mut world = World::new(config("a,b"));
    world.advance(secs(600));
    assert!(world.states().is_empty());
    world.welcome();
    assert_eq!(world.states(), [State::Connected]);
}

#[test]
fn closing_carries_out_what_came_before() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    world.session.close(world.now);
    world.settle();
    world.submit(2, get("/b"));
    let outcome = Outcome::NotApplied;
    assert_eq!(world.result(2), Err(Error::Closed { outcome }));
    let sent = world.requests();
    assert_eq!(sent.last().unwrap().1, Request::CloseSession);
    world.reply(sent[0].0, ErrorCode::OK, &data());
    assert!(world.result(1).is_ok());
    world.reply(sent[1].0, ErrorCode::OK, &Response::Empty);
    assert_eq!(world.states(), [State::Closed]);
    world.session.close(world.now);
    world.settle();
    assert!(world.events.is_empty(), "closing twice is closing once");
}

#[test]
fn closing_is_bounded() {
    let mut world = World::connected();
    world.submit(1, delete("/a"));
    world.session.close(world.now);
    world.advance(secs(2) - Duration::from_millis(1));
    assert!(world.states().is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.states(), [State::Closed]);
    let outcome = Outcome::Unknown;
    assert_eq!(world.result(1), Err(Error::Closed { outcome }));
}

#[test]
fn closing_out_of_touch_tries_to_tell_the_ensemble() {
    let mut world = World::connected();
    world.advance(secs(1));
    world.lose();
    world.session.close(world.now);
    world.welcome();
    assert_eq!(world.requests().last().unwrap().1, Request::CloseSession);
    world.lose();
    assert_eq!(world.session.state().state, State::Closed);
}

#[test]
fn closing_before_there_is_a_session_is_immediate() {
    let mut world = World::new(config("a"));
    world.session.close(world.now);
    world.settle();
    assert_eq!(world.states(), [State::Closed]);
    assert!(!world.linked);
}

#[test]
fn states_are_told_after_credentials_are_accepted() {
    let mut config = config("a");
    config.auth = vec![credential()];
    let mut world = World::new(config);
    world.submit(1, get("/a"));
    world.welcome();
    assert_eq!(world.states(), []);
    let sent = world.requests();
    assert!(
        matches!(&sent[0], (Xid::AUTH, Request::Auth(packet)) if packet.scheme.as_deref() == Some("digest"))
    );
    assert_eq!(sent[1].1, get("/a"));
    world.reply_at(Xid::AUTH, 0, ErrorCode::OK, &Response::Empty);
    assert_eq!(world.states(), [State::Connected]);
}

#[test]
fn a_refused_credential_is_the_end() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    world.session.add_auth(world.now, Ticket(2), credential());
    world.settle();
    world.reply_at(Xid::AUTH, 0, ErrorCode::AUTH_FAILED, &Response::Empty);
    assert_eq!(world.states(), [State::AuthFailed]);
    let outcome = Outcome::NotApplied;
    assert_eq!(world.result(2), Err(Error::AuthFailed { outcome }));
    assert_eq!(world.result(1), Err(Error::AuthFailed { outcome }));
    assert!(!world.linked);
}

#[test]
fn a_server_that_wants_another_authentication_is_the_end() {
    let mut world = World::connected();
    let code = ErrorCode::SESSION_CLOSED_REQUIRE_SASL_AUTH;
    world.reply_at(Xid(77), 0, code, &Response::Empty);
    assert_eq!(world.states(), [State::AuthFailed]);
}

#[test]
fn generations_number_every_change() {
    let mut world = World::connected();
    world.lose();
    world.welcome();
    let Event::State(suspended) = world.event() else {
        panic!("a state");
    };
    let Event::State(connected) = world.event() else {
        panic!("a state");
    };
    assert_eq!((suspended.generation, connected.generation), (2, 3));
    assert_eq!(connected.session, ID);
}

/// Such a server has lost the ensemble, which may end the session meanwhile.
#[test]
fn a_server_without_a_quorum_carries_no_lease_on() {
    let mut config = config("a,b");
    config.read_only = true;
    let mut world = World::new(config);
    world.welcome();
    let lease = world.session.lease_deadline();
    world.advance(secs(1));
    world.lose();
    world.handshake();
    world.answer_handshake_as(ID, T, true);
    assert_eq!(world.session.lease_deadline(), lease);
    world.advance(secs(2));
    assert_eq!(world.request().unwrap().1, Request::Ping);
    world.reply_at(Xid::PING, 0, ErrorCode::OK, &Response::Empty);
    world.submit(1, get("/a"));
    let (xid, _) = world.request().unwrap();
    world.reply(xid, ErrorCode::OK, &data());
    assert_eq!(world.session.lease_deadline(), lease);
}
