//! Requests: their order, what a lost link does to them, deadlines, chroots.

mod common;

use std::time::Duration;

use common::{World, config, credential, data, delete, get, get_watched};
use lockkeeper_session::{CONFIG_PATH, Error, LinkLoss, Misuse, Outcome, State, Ticket};
use lockkeeper_wire::multi::{MultiOp, MultiRequest, MultiResponse, MultiResult};
use lockkeeper_wire::reply::{Create2Response, CreateResponse, GetEphemeralsResponse};
use lockkeeper_wire::request::{CreateRequest, GetEphemeralsRequest, PathVersion, SetDataRequest};
use lockkeeper_wire::{ErrorCode, ReplyHeader, Request, Response, Stat, Xid, Zxid, reply};

#[test]
fn requests_go_out_and_come_back_in_order() {
    let mut world = World::connected();
    for ticket in 1..=5 {
        world.submit(ticket, get("/a"));
    }
    let sent = world.requests();
    let numbers: Vec<_> = sent.iter().map(|(xid, _)| xid.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    for ticket in 1..=5 {
        world.reply(Xid(ticket as i32), ErrorCode::OK, &data());
        assert_eq!(world.result(ticket), Ok(data()));
    }
}

#[test]
fn refusals_name_operation_and_path() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    world.reply(Xid(1), ErrorCode::NO_NODE, &Response::Empty);
    let error = world.result(1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "GetData of \"/a\" refused: znode does not exist (-101)"
    );
    assert_eq!(error.outcome(), Outcome::NotApplied);
}

#[test]
fn a_reply_out_of_turn_ends_the_link() {
    let mut world = World::connected();
    world.submit(1, delete("/a"));
    world.submit(2, get("/a"));
    world.reply(Xid(2), ErrorCode::OK, &data());
    assert!(!world.linked);
    assert_eq!(world.states(), [State::Suspended]);
    let outcome = Outcome::Unknown;
    assert_eq!(world.result(1), Err(Error::ConnectionLoss { outcome }));
    world.welcome();
    assert_eq!(world.requests()[0].1, get("/a"));
}

#[test]
fn a_lost_link_ends_sent_writes_and_nothing_else() {
    let mut world = World::connected();
    world.submit(1, get("/1"));
    world.submit(2, delete("/2"));
    world.submit(3, get("/3"));
    world.requests();
    world.lose();
    world.submit(4, delete("/4"));
    let outcome = Outcome::Unknown;
    assert_eq!(world.states(), [State::Suspended]);
    assert_eq!(world.result(2), Err(Error::ConnectionLoss { outcome }));
    assert!(world.events.is_empty());
    world.welcome();
    let sent: Vec<_> = world
        .requests()
        .into_iter()
        .map(|(_, request)| request)
        .collect();
    assert_eq!(sent, [get("/1"), get("/3"), delete("/4")]);
}

#[test]
fn a_read_that_breaks_every_link_is_given_up() {
    let mut world = World::connected();
    world.submit(1, get("/poison"));
    for _ in 0..3 {
        assert_eq!(world.requests().len(), 1);
        world.lose();
        if world
            .events
            .iter()
            .any(|event| matches!(event, lockkeeper_session::Event::Reply { .. }))
        {
            break;
        }
        world.welcome();
    }
    world.states();
    let outcome = Outcome::NotApplied;
    assert_eq!(world.result(1), Err(Error::ConnectionLoss { outcome }));
    world.welcome();
    assert_eq!(world.requests(), []);
}

#[test]
fn an_operation_the_server_does_not_know_is_answered_out_of_turn() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    world.submit(2, Request::WhoAmI);
    world.reply_at(Xid(2), -1, ErrorCode::UNIMPLEMENTED, &Response::Empty);
    let error = world.result(2).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNIMPLEMENTED));
    world.lose();
    world.welcome();
    let sent: Vec<_> = world
        .requests()
        .into_iter()
        .map(|(_, request)| request)
        .collect();
    assert_eq!(sent, [get("/a")]);
}

#[test]
fn a_moved_session_is_a_matter_of_the_link() {
    let mut world = World::connected();
    world.submit(1, delete("/a"));
    world.reply(Xid(1), ErrorCode::SESSION_MOVED, &Response::Empty);
    let error = world.result(1).unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_eq!(world.states(), [State::Suspended]);
    world.welcome();
    assert_eq!(world.states(), [State::Connected]);
}

#[test]
fn a_reply_that_cannot_be_read_ends_the_call_and_the_link() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    world.reply(Xid(1), ErrorCode::OK, &Response::Empty);
    assert!(matches!(
        world.result(1),
        Err(Error::Protocol {
            outcome: Outcome::NotApplied,
            ..
        })
    ));
    assert!(!world.linked);
}

#[test]
fn the_window_bounds_what_a_server_is_asked_at_a_time() {
    let mut config = config("a");
    config.limits.in_flight_max = 2;
    let mut world = World::new(config);
    for ticket in 1..=4 {
        world.submit(ticket, get("/a"));
    }
    world.welcome();
    assert_eq!(world.requests().len(), 2);
    world.reply(Xid(1), ErrorCode::OK, &data());
    assert_eq!(world.requests().len(), 1);
}

#[test]
fn a_request_too_long_is_refused_here() {
    let mut world = World::connected();
    let set = Request::SetData(SetDataRequest {
        path: "/a".into(),
        data: Some(vec![0; 0x10_0000].into()),
        version: -1,
    });
    world.submit(1, set);
    assert!(matches!(
        world.result(1),
        Err(Error::Misuse(Misuse::TooLong { .. }))
    ));
    assert_eq!(world.requests(), []);
    assert!(world.linked);
}

#[test]
fn deadlines_leave_the_link_alone() {
    let mut world = World::connected();
    world.submit(1, delete("/a"));
    world.requests();
    world
        .session
        .set_deadline(Ticket(1), world.now + Duration::from_millis(300));
    world.advance(Duration::from_millis(300));
    let outcome = Outcome::Unknown;
    assert_eq!(world.result(1), Err(Error::Timeout { outcome }));
    world.submit(2, get("/b"));
    world.reply(Xid(1), ErrorCode::OK, &Response::Empty);
    world.reply(Xid(2), ErrorCode::OK, &data());
    assert!(world.result(2).is_ok());
    assert!(world.events.is_empty() && world.linked);
}

#[test]
fn a_deadline_before_sending_means_never() {
    let mut world = World::connected();
    world.lose();
    world.states();
    world.submit(1, delete("/a"));
    world
        .session
        .set_deadline(Ticket(1), world.now + Duration::from_millis(5));
    world.advance(Duration::from_millis(5));
    let outcome = Outcome::NotApplied;
    assert_eq!(world.result(1), Err(Error::Timeout { outcome }));
    world.welcome();
    assert_eq!(world.requests(), []);
}

#[test]
fn credentials_then_watches_then_the_queue() {
    let mut world = World::connected();
    world.session.add_auth(world.now, Ticket(0), credential());
    world.settle();
    world.reply_at(Xid::AUTH, 0, ErrorCode::OK, &Response::Empty);
    assert_eq!(world.result(0), Ok(Response::Empty));
    world.submit(1, get_watched("/w"));
    world.requests();
    world.reply(Xid(1), ErrorCode::OK, &data());
    assert!(world.result(1).is_ok());
    world.lose();
    world.submit(2, delete("/q"));
    world.welcome();
    let sent = world.requests();
    assert!(matches!(sent[0], (Xid::AUTH, Request::Auth(_))));
    assert!(matches!(&sent[1].1, Request::SetWatches(body) if body.data == ["/w"]));
    assert_eq!(sent[2].1, delete("/q"));
    assert_eq!(sent.len(), 3);
}

#[test]
fn reasons_of_a_lost_link_are_not_errors_of_calls() {
    let mut world = World::connected();
    world.submit(1, get("/a"));
    world.linked = false;
    let why = LinkLoss::Io(std::io::ErrorKind::ConnectionReset);
    world.session.handle_disconnected(world.now, why);
    world.settle();
    world.welcome();
    let (xid, _) = world.request().unwrap();
    world.reply(xid, ErrorCode::OK, &data());
    world.states();
    assert!(world.result(1).is_ok());
}

fn create(path: &str) -> CreateRequest {
    CreateRequest {
        path: path.into(),
        data: None,
        acl: None,
        flags: 0,
    }
}

#[test]
fn a_chroot_is_put_on_requests_and_taken_off_replies() {
    let mut world = World::new(config("a/app"));
    world.welcome();
    world.states();
    world.submit(1, Request::Create2(create("/x")));
    assert_eq!(
        world.request().unwrap().1,
        Request::Create2(create("/app/x"))
    );
    let made = |path: &str| {
        Response::Create2(Create2Response {
            path: path.into(),
            stat: Stat::default(),
        })
    };
    world.reply(Xid(1), ErrorCode::OK, &made("/app/x"));
    assert_eq!(world.result(1), Ok(made("/x")));

    world.submit(2, get("/"));
    assert_eq!(world.request().unwrap().1, get("/app"));
    world.reply(Xid(2), ErrorCode::NO_NODE, &Response::Empty);
    assert!(world.result(2).unwrap_err().to_string().contains("\"/\""));

    world.submit(3, get(CONFIG_PATH));
    assert_eq!(world.request().unwrap().1, get(CONFIG_PATH));
    world.submit(4, delete("/"));
    assert_eq!(world.request().unwrap().1, delete("/"));
}

#[test]
fn a_chroot_reaches_into_multis_and_lists() {
    let mut world = World::new(config("a/app"));
    world.welcome();
    world.states();
    let check = |path: &str| {
        MultiOp::Check(PathVersion {
            path: path.into(),
            version: 0,
        })
    };
    let multi = |ops| Request::Multi(MultiRequest { ops });
    let ops = vec![MultiOp::Create(create("/x")), check("/y")];
    world.submit(1, multi(ops));
    let ops = vec![MultiOp::Create(create("/app/x")), check("/app/y")];
    assert_eq!(world.request().unwrap().1, multi(ops));
    let results = |path: &str| {
        let path = path.into();
        Response::Multi(MultiResponse {
            results: vec![
                MultiResult::Create(CreateResponse { path }),
                MultiResult::Check,
            ],
        })
    };
    world.reply(Xid(1), ErrorCode::OK, &results("/app/x"));
    assert_eq!(world.result(1), Ok(results("/x")));

    let list = |prefix: Option<&str>| {
        Request::GetEphemerals(GetEphemeralsRequest {
            prefix: prefix.map(Into::into),
        })
    };
    world.submit(2, list(None));
    assert_eq!(world.request().unwrap().1, list(Some("/app")));
    let paths = |paths: &[&str]| {
        Response::GetEphemerals(GetEphemeralsResponse {
            ephemerals: paths.iter().map(|path| (*path).into()).collect(),
        })
    };
    world.reply(Xid(2), ErrorCode::OK, &paths(&["/app/e", "/apple/e"]));
    assert_eq!(world.result(2), Ok(paths(&["/e"])));
}

#[test]
fn what_comes_behind_the_end_of_a_link_belongs_to_no_other() {
    let mut world = World::connected();
    world.advance(Duration::from_millis(1500));
    world.submit(1, delete("/a"));
    world.submit(2, get("/b"));
    let dials = world.dials;
    world.feed(|out| {
        for (xid, err) in [(1, ErrorCode::SESSION_MOVED), (2, ErrorCode::NO_NODE)] {
            let (xid, zxid) = (Xid(xid), Zxid(7));
            reply::encode_frame(ReplyHeader { xid, zxid, err }, &Response::Empty, out);
        }
    });
    assert!(world.linked, "a link that has held is followed at once");
    assert_eq!(world.dials, dials + 1);
}

/// The header of a multi is good even when its first part was refused for the session's sake.
#[test]
fn a_refused_multi_carries_no_lease_on() {
    for (result, proves) in [
        (MultiResult::Check, true),
        (MultiResult::Error(ErrorCode::SESSION_EXPIRED), false),
    ] {
        let mut world = World::connected();
        let check = || {
            Request::Multi(MultiRequest {
                ops: vec![MultiOp::Check(PathVersion {
                    path: "/a".into(),
                    version: -1,
                })],
            })
        };
        // Too slow for the lease, but not silent.
        world.submit(1, get("/a"));
        for _ in 0..3 {
            world.advance(Duration::from_millis(1500));
            world.notify(lockkeeper_wire::EventType::NodeCreated, "/x");
        }
        let (xid, _) = world.request().unwrap();
        let lapsed = world.session.lease_deadline().unwrap();
        assert!(lapsed < world.now);
        world.reply(xid, ErrorCode::OK, &data());
        world.submit(3, get("/a"));
        let (xid, _) = world.requests().pop().unwrap();
        world.reply(xid, ErrorCode::OK, &data());
        world.advance(Duration::from_millis(1800));
        for ticket in [4, 5] {
            world.submit(ticket, check());
            let (xid, _) = world.requests().pop().unwrap();
            let results = vec![result.clone()];
            world.reply(
                xid,
                ErrorCode::OK,
                &Response::Multi(MultiResponse { results }),
            );
        }
        let lease = world.session.lease_deadline().unwrap();
        assert_eq!(lease > lapsed, proves);
    }
}
