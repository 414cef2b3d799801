//! Watches: which event reaches whom, what a reconnect does, what is taken back from the server.

mod common;

use common::{World, config, data, delete, get, get_watched};
use lockkeeper_session::{Event, State, Ticket, WatchEnd};
use lockkeeper_wire::reply::{ErrorResponse, GetChildrenResponse, StatResponse};
use lockkeeper_wire::request::{AddWatchRequest, PathWatch, PathWatcherType};
use lockkeeper_wire::{
    AddWatchMode, ErrorCode, EventType, ReplyHeader, Request, Response, Stat, WatcherType, Xid,
    Zxid, reply, watch,
};

fn exists(path: &str) -> Request {
    Request::Exists(PathWatch {
        path: path.into(),
        watch: true,
    })
}

fn children(path: &str) -> Request {
    Request::GetChildren(PathWatch {
        path: path.into(),
        watch: true,
    })
}

fn add_watch(path: &str, mode: AddWatchMode) -> Request {
    Request::AddWatch(AddWatchRequest {
        path: Some(path.into()),
        mode: mode.into(),
    })
}

fn remove(path: &str, watcher_type: WatcherType) -> Request {
    Request::RemoveWatches(PathWatcherType {
        path: path.into(),
        kind: watcher_type.into(),
    })
}

/// Submits a request and answers it with a good reply of its kind.
fn arm(world: &mut World, ticket: u64, request: Request) {
    let body = match &request {
        Request::Exists(_) => Response::Stat(StatResponse {
            stat: Stat::default(),
        }),
        Request::GetChildren(_) => Response::GetChildren(GetChildrenResponse { children: vec![] }),
        Request::AddWatch(_) => Response::Error(ErrorResponse { err: ErrorCode::OK }),
        _ => data(),
    };
    world.submit(ticket, request);
    let (xid, _) = world.request().unwrap();
    world.reply(xid, ErrorCode::OK, &body);
    assert!(world.result(ticket).is_ok());
}

/// One watcher of each kind on `/a`, a recursive one above it, and an exist watch on `/none`.
fn all_kinds() -> World {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    arm(&mut world, 2, exists("/a"));
    arm(&mut world, 3, children("/a"));
    arm(&mut world, 4, add_watch("/a", AddWatchMode::Persistent));
    arm(
        &mut world,
        5,
        add_watch("/a", AddWatchMode::PersistentRecursive),
    );
    arm(
        &mut world,
        6,
        add_watch("/", AddWatchMode::PersistentRecursive),
    );
    world.submit(7, exists("/none"));
    let (xid, _) = world.request().unwrap();
    world.reply(xid, ErrorCode::NO_NODE, &Response::Empty);
    assert!(world.result(7).is_err());
    world
}

fn reached(world: &mut World) -> Vec<u64> {
    world
        .events
        .drain(..)
        .map(|event| match event {
            Event::Watch { watcher, .. } => watcher.0,
            other => panic!("a watch event expected, not {other:?}"),
        })
        .collect()
}

#[test]
fn events_reach_the_kinds_they_are_for() {
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    let table: [(EventType, &str, &[u64], &[u64]); 6] = [
        (NodeCreated, "/none", &[7, 6], &[6]),
        (NodeDataChanged, "/a", &[1, 2, 4, 5, 6], &[4, 5, 6]),
        (NodeDeleted, "/a", &[1, 2, 3, 4, 5, 6], &[4, 5, 6]),
        (NodeChildrenChanged, "/a", &[3, 4], &[4]),
        (NodeCreated, "/a/b", &[5, 6], &[5, 6]),
        (NodeChildrenChanged, "/a/b", &[], &[]),
    ];
    for (kind, path, first, second) in table {
        let mut world = all_kinds();
        world.notify(kind, path);
        assert_eq!(reached(&mut world), first, "{kind:?} of {path}");
        world.notify(kind, path);
        assert_eq!(reached(&mut world), second, "{kind:?} of {path} again");
    }
}

#[test]
fn a_refused_read_leaves_no_watch() {
    let mut world = World::connected();
    world.submit(1, get_watched("/a"));
    world.reply(Xid(1), ErrorCode::NO_NODE, &Response::Empty);
    assert!(matches!(
        world.event(),
        Event::Reply {
            result: Err(_),
            is_watching: false,
            ..
        }
    ));
    world.notify(EventType::NodeCreated, "/a");
    assert!(world.events.is_empty());
}

/// What is behind an event in the queue must not change what the event says.
#[test]
fn events_that_came_together_tell_each_what_was_so_in_its_turn() {
    let mut world = World::connected();
    world.submit(1, exists("/none"));
    let (xid, _) = world.request().unwrap();
    let (zxid, err) = (Zxid(101), ErrorCode::NO_NODE);
    world.feed(|out| {
        reply::encode_frame(ReplyHeader { xid, zxid, err }, &Response::Empty, out);
        watch::encode_frame(EventType::NodeCreated, Zxid(-1), "/none", out);
    });
    assert!(matches!(
        world.event(),
        Event::Reply {
            is_watching: true,
            ..
        }
    ));
    assert!(matches!(world.event(), Event::Watch { is_last: true, .. }));

    arm(&mut world, 2, add_watch("/p", AddWatchMode::Persistent));
    world.session.close(world.now);
    world.settle();
    let (xid, _) = world.request().unwrap();
    let (zxid, err) = (Zxid(102), ErrorCode::OK);
    world.feed(|out| {
        watch::encode_frame(EventType::NodeDataChanged, Zxid(-1), "/p", out);
        reply::encode_frame(ReplyHeader { xid, zxid, err }, &Response::Empty, out);
    });
    assert!(matches!(world.event(), Event::Watch { is_last: false, .. }));
    assert_eq!(world.states(), [State::Closed]);
    let (watcher, why) = (Ticket(2), WatchEnd::Closed);
    assert_eq!(world.event(), Event::WatchEnd { watcher, why });
}

#[test]
fn an_event_comes_before_a_later_reply() {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    world.submit(2, get("/a"));
    world.notify(EventType::NodeDataChanged, "/a");
    world.reply(Xid(2), ErrorCode::OK, &data());
    assert!(matches!(
        world.event(),
        Event::Watch {
            watcher: Ticket(1),
            ..
        }
    ));
    assert!(world.result(2).is_ok());
}

#[test]
fn a_reconnect_arms_every_kind_and_marks_the_persistent_ones() {
    let mut world = all_kinds();
    let zxid = world.session.zxid_seen();
    world.lose();
    world.welcome();
    assert_eq!(world.states(), [State::Suspended, State::Connected]);
    let sent = world.requests();
    let (xid, Request::SetWatches2(body)) = &sent[0] else {
        panic!("setWatches2 expected, not {sent:?}");
    };
    assert_eq!(body.relative_zxid, zxid);
    assert_eq!(body.data, ["/a"]);
    assert_eq!(body.exist, ["/none"]);
    assert_eq!(body.child, ["/a"]);
    assert_eq!(body.persistent, ["/a"]);
    assert_eq!(body.persistent_recursive, ["/", "/a"]);
    world.notify(EventType::NodeDataChanged, "/a");
    world.reply(*xid, ErrorCode::OK, &Response::Empty);
    let mut events = world.events.split_off(5);
    assert_eq!(reached(&mut world), [1, 2, 4, 5, 6]);
    for ticket in [4, 6, 5] {
        let watcher = Ticket(ticket);
        assert_eq!(events.pop_front(), Some(Event::Rearmed { watcher }));
    }
    assert!(events.is_empty());
}

#[test]
fn long_lists_go_in_chunks_with_one_zxid() {
    let mut world = World::connected();
    for at in 0..3000 {
        arm(&mut world, at, get_watched(&format!("/{at:0100}")));
    }
    arm(&mut world, 3000, add_watch("/p", AddWatchMode::Persistent));
    let zxid = world.session.zxid_seen();
    world.lose();
    world.welcome();
    let sent = world.requests();
    assert_eq!(sent.len(), 3);
    let mut paths = 0;
    for (xid, request) in sent {
        let (relative_zxid, data, persistent) = match &request {
            Request::SetWatches(body) => (body.relative_zxid, &body.data, 0),
            Request::SetWatches2(body) => (body.relative_zxid, &body.data, body.persistent.len()),
            other => panic!("{other:?}"),
        };
        assert_eq!(relative_zxid, zxid);
        assert!(data.iter().map(|path| path.len()).sum::<usize>() <= 128 * 1024);
        paths += data.len() + persistent;
        world.reply(xid, ErrorCode::OK, &Response::Empty);
    }
    assert_eq!(paths, 3001);
}

/// The first chunk's reply shows a later zxid; what the second one asks for is older.
#[test]
fn a_restore_that_is_cut_short_starts_again_from_the_same_zxid() {
    let mut world = World::connected();
    for at in 0..2000 {
        arm(&mut world, at, get_watched(&format!("/{at:0100}")));
    }
    let seen = world.session.zxid_seen();
    let relative = |request: &Request| match request {
        Request::SetWatches(body) => body.relative_zxid,
        other => panic!("{other:?}"),
    };
    world.lose();
    world.welcome();
    let sent = world.requests();
    assert_eq!(sent.len(), 2);
    world.reply_at(sent[0].0, seen.0 + 50, ErrorCode::OK, &Response::Empty);
    world.lose();
    world.welcome();
    let sent = world.requests();
    for (xid, request) in sent {
        assert_eq!(relative(&request), seen);
        world.reply_at(xid, seen.0 + 60, ErrorCode::OK, &Response::Empty);
    }
    world.lose();
    world.welcome();
    assert_eq!(relative(&world.request().unwrap().1), Zxid(seen.0 + 60));
}

#[test]
fn watchers_of_a_refused_chunk_are_told() {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    world.lose();
    world.welcome();
    world.states();
    let (xid, _) = world.request().unwrap();
    world.reply(xid, ErrorCode::MARSHALLING_ERROR, &Response::Empty);
    let why = WatchEnd::Refused(ErrorCode::MARSHALLING_ERROR);
    let watcher = Ticket(1);
    assert_eq!(world.event(), Event::WatchEnd { watcher, why });
    world.notify(EventType::NodeDataChanged, "/a");
    assert!(world.events.is_empty());
}

#[test]
fn a_restore_refused_for_the_links_sake_is_asked_of_the_next_server() {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    world.lose();
    world.welcome();
    world.states();
    let (xid, _) = world.request().unwrap();
    world.reply(xid, ErrorCode::SESSION_MOVED, &Response::Empty);
    assert_eq!(world.states(), [State::Suspended]);
    assert!(world.events.is_empty());
    world.welcome();
    assert!(matches!(
        world.request().unwrap().1,
        Request::SetWatches(body) if body.data == ["/a"]
    ));
}

#[test]
fn a_chunk_that_an_old_server_refuses_out_of_turn_ends_its_watches() {
    let mut world = World::connected();
    for at in 0..2000 {
        arm(&mut world, at, get_watched(&format!("/{at:0100}")));
    }
    arm(&mut world, 2000, add_watch("/p", AddWatchMode::Persistent));
    world.lose();
    world.welcome();
    world.states();
    let (xid, request) = world.requests().pop().unwrap();
    assert!(matches!(request, Request::SetWatches2(_)));
    world.reply(xid, ErrorCode::UNIMPLEMENTED, &Response::Empty);
    let (watcher, why) = (Ticket(2000), WatchEnd::Refused(ErrorCode::UNIMPLEMENTED));
    assert!(world.events.contains(&Event::WatchEnd { watcher, why }));
}

#[test]
fn the_last_watcher_takes_the_servers_watch_along() {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    arm(&mut world, 2, get_watched("/a"));
    world.session.unwatch(Ticket(1));
    world.settle();
    assert_eq!(world.requests(), []);
    world.session.unwatch(Ticket(2));
    world.settle();
    let sent = world.requests();
    assert_eq!(sent[0].1, remove("/a", WatcherType::Any));
    world.reply(sent[0].0, ErrorCode::NO_WATCHER, &Response::Empty);
    assert!(world.events.is_empty() && world.linked);
}

#[test]
fn a_kind_is_removed_alone_only_where_no_other_can_suffer() {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    arm(&mut world, 2, children("/a"));
    world.session.unwatch(Ticket(1));
    world.settle();
    let (xid, request) = world.request().unwrap();
    assert_eq!(request, remove("/a", WatcherType::Data));
    world.reply(xid, ErrorCode::OK, &Response::Empty);

    arm(&mut world, 3, add_watch("/a", AddWatchMode::Persistent));
    world.session.unwatch(Ticket(2));
    world.settle();
    assert_eq!(
        world.requests(),
        [],
        "3.8 would remove the persistent watch too"
    );
    world.session.unwatch(Ticket(3));
    world.settle();
    assert_eq!(world.request().unwrap().1, remove("/a", WatcherType::Any));
}

#[test]
fn a_watch_on_its_way_is_not_removed_with_an_old_one() {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    world.submit(2, get_watched("/a"));
    world.session.unwatch(Ticket(1));
    world.settle();
    let sent = world.requests();
    assert_eq!(sent.len(), 1);
    world.reply(sent[0].0, ErrorCode::NO_NODE, &Response::Empty);
    assert_eq!(world.request().unwrap().1, remove("/a", WatcherType::Any));
}

#[test]
fn interest_lost_before_the_reply_is_taken_back_after_it() {
    let mut world = World::connected();
    world.submit(1, get_watched("/a"));
    let (xid, _) = world.request().unwrap();
    world.session.unwatch(Ticket(1));
    world.reply(xid, ErrorCode::OK, &data());
    assert!(world.result(1).is_ok());
    assert_eq!(world.request().unwrap().1, remove("/a", WatcherType::Any));
}

#[test]
fn nothing_is_removed_from_a_server_that_is_gone() {
    let mut world = World::connected();
    arm(&mut world, 1, get_watched("/a"));
    world.lose();
    world.session.unwatch(Ticket(1));
    world.welcome();
    assert_eq!(world.requests(), []);
}

#[test]
fn chroots_apply_to_watches() {
    let mut world = World::new(config("a/app"));
    world.welcome();
    world.states();
    world.submit(1, get_watched("/"));
    let (xid, request) = world.request().unwrap();
    assert_eq!(request, get_watched("/app"));
    world.reply(xid, ErrorCode::OK, &data());
    assert!(world.result(1).is_ok());
    world.lose();
    world.welcome();
    world.states();
    assert!(
        matches!(&world.request().unwrap().1, Request::SetWatches(body) if body.data == ["/app"])
    );
    world.notify(EventType::NodeDeleted, "/app");
    let Event::Watch { event, .. } = world.event() else {
        panic!("an event");
    };
    assert_eq!((event.kind, &*event.path), (EventType::NodeDeleted, "/"));
}

#[test]
fn every_watcher_ends_with_the_session() {
    let mut world = all_kinds();
    world.submit(8, delete("/a"));
    world.session.close(world.now);
    world.settle();
    let sent = world.requests();
    world.reply(sent[0].0, ErrorCode::OK, &Response::Empty);
    world.reply(sent[1].0, ErrorCode::OK, &Response::Empty);
    assert_eq!(world.states(), [State::Closed]);
    assert!(world.result(8).is_ok());
    let ended: Vec<_> = world.events.drain(..).collect();
    assert_eq!(ended.len(), 7);
    for (ticket, event) in (1..).zip(ended) {
        let (watcher, why) = (Ticket(ticket), WatchEnd::Closed);
        assert_eq!(event, Event::WatchEnd { watcher, why });
    }
}
