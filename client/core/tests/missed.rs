//! No change stays unseen, wherever links are cut: a small server with ZooKeeper's watch rules, a
//! reader that reads again after each event, and a knife.

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use common::{World, get, get_watched};
use lockkeeper_session::{Event, Outcome, Ticket};
use lockkeeper_wire::reply::{ErrorResponse, GetDataResponse};
use lockkeeper_wire::request::AddWatchRequest;
use lockkeeper_wire::{
    AddWatchMode, ErrorCode, EventType, ReplyHeader, Request, Response, Stat, Xid, Zxid, reply,
    watch,
};
use proptest::prelude::*;

const PATH: &str = "/a";

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The znode changes.
    Change,
    /// Another znode changes: zxids move on without an event.
    Elsewhere,
    /// The server takes a request.
    Process,
    /// A message of the server arrives.
    Deliver,
    /// The link is cut, with all that is on it.
    Cut,
    /// The client gets a link, if it has none.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Change),
        1 => Just(Step::Elsewhere),
        5 => Just(Step::Process),
        5 => Just(Step::Deliver),
        2 => Just(Step::Cut),
        3 => Just(Step::Reconnect),
    ]
}

/// The server's side of one znode.
struct Server {
    zxid: i64,
    mzxid: i64,
    one_shot: bool,
    persistent: bool,
    out: VecDeque<BytesMut>,
}

impl Server {
    fn new() -> Self {
        Self {
            zxid: 1,
            mzxid: 1,
            one_shot: false,
            persistent: false,
            out: VecDeque::new(),
        }
    }

    fn cut(&mut self) {
        self.one_shot = false;
        self.persistent = false;
        self.out.clear();
    }

    fn change(&mut self) {
        self.zxid += 1;
        self.mzxid = self.zxid;
        if self.one_shot || self.persistent {
            self.notify(Zxid(self.zxid));
        }
    }

    fn notify(&mut self, zxid: Zxid) {
        self.one_shot = false;
        let mut frame = BytesMut::new();
        watch::encode_frame(EventType::NodeDataChanged, zxid, PATH, &mut frame);
        self.out.push_back(frame);
    }

    /// A read of a znode that was there from the start, with the zxid at which it changed.
    fn process(&mut self, xid: Xid, request: &Request) {
        let stat = Stat {
            mzxid: Zxid(self.mzxid),
            ..Stat::default()
        };
        let body = match request {
            Request::GetData(body) => {
                self.one_shot |= body.watch;
                Response::GetData(GetDataResponse { data: None, stat })
            }
            Request::AddWatch(_) => {
                self.persistent = true;
                Response::Error(ErrorResponse { err: ErrorCode::OK })
            }
            Request::SetWatches(body) => {
                self.restore(body.relative_zxid, !body.data.is_empty());
                Response::Empty
            }
            Request::SetWatches2(body) => {
                self.restore(body.relative_zxid, !body.data.is_empty());
                self.persistent = !body.persistent.is_empty();
                Response::Empty
            }
            Request::Ping => Response::Empty,
            other => panic!("{other:?}"),
        };
        let (zxid, err) = (Zxid(self.zxid), ErrorCode::OK);
        let mut frame = BytesMut::new();
        reply::encode_frame(ReplyHeader { xid, zxid, err }, &body, &mut frame);
        self.out.push_back(frame);
    }

    fn restore(&mut self, seen: Zxid, data: bool) {
        if data && Zxid(self.mzxid) > seen {
            self.notify(Zxid(-1));
        } else {
            self.one_shot = data;
        }
    }
}

/// Reads, waits to be told of a change, and reads again.
struct Reader {
    one_shot: bool,
    /// What is on its way, to be asked again when it is given up.
    asked: BTreeMap<Ticket, Request>,
    calls: u64,
    /// The call whose watch is armed.
    watch: Option<Ticket>,
    known: i64,
}

impl Reader {
    fn start(one_shot: bool, world: &mut World) -> Self {
        let mut reader = Self {
            one_shot,
            asked: BTreeMap::new(),
            calls: 0,
            watch: None,
            known: 0,
        };
        if one_shot {
            reader.read(world);
        } else {
            let body = AddWatchRequest {
                path: Some(PATH.into()),
                mode: AddWatchMode::Persistent.into(),
            };
            reader.ask(Request::AddWatch(body), world);
        }
        reader
    }

    fn ask(&mut self, request: Request, world: &mut World) {
        self.asked.insert(Ticket(self.calls), request.clone());
        self.calls += 1;
        world.submit(self.calls - 1, request);
    }

    fn read(&mut self, world: &mut World) {
        let request = if self.one_shot {
            get_watched(PATH)
        } else {
            get(PATH)
        };
        self.ask(request, world);
    }

    fn react(&mut self, world: &mut World) {
        while let Some(event) = world.events.pop_front() {
            match event {
                Event::Reply { ticket, result, .. } => {
                    let request = self.asked.remove(&ticket).unwrap();
                    match result {
                        Ok(response) => self.answered(ticket, &response, world),
                        Err(error) => {
                            assert_eq!(error.outcome(), Outcome::NotApplied);
                            self.ask(request, world);
                        }
                    }
                }
                Event::Watch { watcher, .. } => {
                    assert_eq!(Some(watcher), self.watch, "the newest watch, once");
                    if self.one_shot {
                        self.watch = None;
                    }
                    self.read(world);
                }
                Event::Rearmed { .. } => self.read(world),
                Event::State(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn answered(&mut self, ticket: Ticket, response: &Response, world: &mut World) {
        match response {
            Response::GetData(body) => {
                assert!(body.stat.mzxid.0 >= self.known, "never back in time");
                self.known = body.stat.mzxid.0;
                if self.one_shot {
                    self.watch = Some(ticket);
                }
            }
            // The persistent watch is there: what was before must be read.
            _ => {
                self.watch = Some(ticket);
                self.read(world);
            }
        }
    }
}

fn take(step: Step, world: &mut World, server: &mut Server) {
    match step {
        Step::Change => server.change(),
        Step::Elsewhere => server.zxid += 1,
        Step::Process if world.opened => {
            if let Some((xid, request)) = world.request() {
                server.process(xid, &request);
            }
        }
        Step::Deliver => {
            if let Some(frame) = server.out.pop_front() {
                world.feed(|out| out.extend_from_slice(&frame));
            }
        }
        Step::Cut if world.linked => {
            server.cut();
            world.lose();
        }
        Step::Reconnect if !world.opened => {
            world.welcome();
        }
        Step::Process | Step::Cut | Step::Reconnect => {}
    }
}

fn run(one_shot: bool, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut config = common::config("a,b");
    // The test is about watches, so the session lasts.
    config.session_timeout = Duration::from_secs(1_000_000);
    let mut world = World::new(config);
    let mut server = Server::new();
    let mut reader = Reader::start(one_shot, &mut world);
    for step in steps {
        take(step, &mut world, &mut server);
        reader.react(&mut world);
    }
    take(Step::Reconnect, &mut world, &mut server);
    for _ in 0..50 {
        take(Step::Process, &mut world, &mut server);
        take(Step::Deliver, &mut world, &mut server);
        reader.react(&mut world);
    }
    prop_assert_eq!(reader.known, server.mzxid);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_shot_watches_miss_nothing(steps in prop::collection::vec(step(), 0..60)) {
        run(true, steps)?;
    }

    #[test]
    fn persistent_watches_miss_nothing(steps in prop::collection::vec(step(), 0..60)) {
        run(false, steps)?;
    }
}
