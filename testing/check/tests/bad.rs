//! Histories that are wrong in one way each, and the promise that each of them breaks.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use common::{
    Maker, check_all, children, create, create_as, create_for, delete, exists, get, multi, set,
    sync,
};
use lockkeeper_check::counts::{self, Attempt, Outcome};
use lockkeeper_check::locks::{self, Hold, Use};
use lockkeeper_check::watches::{Waited, lost};
use lockkeeper_check::{Rule, Violation, list, register, replay};
use lockkeeper_wire::request::{AddWatchRequest, PathWatcherType};
use lockkeeper_wire::watch::SetWatches2;
use lockkeeper_wire::{
    Acl, ByteStr, CreateMode, ErrorCode, EventType, Id, Request, Response, SessionId, Txn, Xid,
    Zxid,
};

/// The first thing that is wrong must be this.
fn assert_rule(name: &str, violations: &[Violation], rule: Rule) {
    let first = violations.first();
    assert_eq!(
        first.map(|first| first.rule),
        Some(rule),
        "{name}: {violations:#?}"
    );
}

type Spoil = fn(&mut Maker);

fn assert_rejected(cases: &[(&str, Rule, Spoil)]) {
    for (name, rule, spoil) in cases {
        let mut maker = Maker::ready();
        spoil(&mut maker);
        assert_rule(name, &check_all(&maker.history), *rule);
    }
}

fn data_of(maker: &mut Maker, read: usize, data: &'static str) {
    match &mut maker.reply(read).result {
        Ok(Response::GetData(body)) => body.data = Some(Bytes::from_static(data.as_bytes())),
        other => panic!("no data: {other:?}"),
    }
}

#[test]
fn t38_histories_with_wrong_writes() {
    assert_rejected(&[
        (
            "an acknowledged write is not in the log",
            Rule::C1,
            |maker| {
                maker.call(0, set("/a", "1", -1));
                maker.history.log.pop();
            },
        ),
        (
            "a write is answered with another's metadata",
            Rule::C1,
            |maker| {
                let wrote = maker.call(0, set("/a", "1", -1));
                match &mut maker.reply(wrote).result {
                    Ok(Response::Stat(body)) => body.stat.version += 1,
                    other => panic!("{other:?}"),
                }
            },
        ),
        (
            "a write is answered with another's zxid",
            Rule::Z2,
            |maker| {
                let wrote = maker.call(0, set("/a", "1", -1));
                maker.reply(wrote).zxid = Zxid(2);
            },
        ),
        (
            "writes one after the other are committed the other way",
            Rule::C1,
            |maker| {
                let one = maker.ask(0, delete("/none"));
                let other = maker.ask(1, delete("/none"));
                let (first, second) = (maker.carry_out(other), maker.carry_out(one));
                maker.tell(one, second);
                maker.history.operations[other].sent = maker.now + 1;
                maker.now += 2;
                maker.tell(other, first);
            },
        ),
        (
            "a create of what is there is answered with a znode",
            Rule::C1,
            |maker| {
                let made = maker.call(0, create("/b", "1"));
                let again = maker.call(1, create("/b", "2"));
                maker.reply(again).result = maker.reply(made).result.clone();
            },
        ),
        (
            "the log carries out what has to be refused",
            Rule::D4,
            |maker| {
                maker.call(0, set("/a", "1", 7));
                let last = maker.history.log.last_mut().expect("a log");
                last.txn = Txn::Delete("/a".into());
            },
        ),
        (
            "the log refuses what has to be carried out",
            Rule::D4,
            |maker| {
                maker.call(0, set("/a", "1", 0));
                let last = maker.history.log.last_mut().expect("a log");
                last.txn = Txn::Error(ErrorCode::BAD_VERSION);
            },
        ),
        ("the tree of a server is another one", Rule::D4, |maker| {
            maker.call(0, set("/a", "1", -1));
            let last = maker.history.log.last_mut().expect("a log");
            last.digest.as_mut().expect("a digest").digest ^= 1;
        }),
        ("the log has a hole", Rule::Z5, |maker| {
            maker.ask(0, sync());
            let asked = maker.ask(0, delete("/none"));
            maker.carry_out(asked);
            maker.call(1, delete("/none"));
            maker.history.log.remove(3);
        }),
        ("a transaction is nobody's", Rule::Z2, |maker| {
            maker.call(0, set("/a", "1", -1));
            maker.history.log.last_mut().expect("a log").header.cxid = 99;
        }),
        ("a request is carried out twice", Rule::Z2, |maker| {
            let asked = maker.ask(0, set("/a", "1", -1));
            maker.carry_out(asked);
            maker.carry_out(asked);
        }),
        (
            "a multi that failed is answered as done",
            Rule::C1,
            |maker| {
                let fails = multi(vec![set("/a", "1", -1), delete("/none")]);
                let done = maker.call(0, multi(vec![set("/a", "1", -1), delete("/a")]));
                let failed = maker.call(0, fails);
                maker.reply(failed).result = maker.reply(done).result.clone();
            },
        ),
        ("a sequence number is given twice", Rule::C1, |maker| {
            let mode = CreateMode::PersistentSequential;
            let first = maker.call(0, create_as("/a/n", "", mode));
            let second = maker.call(1, create_as("/a/n", "", mode));
            let path = match &maker.reply(first).result {
                Ok(Response::Create2(body)) => body.path.clone(),
                other => panic!("{other:?}"),
            };
            match &mut maker.reply(second).result {
                Ok(Response::Create2(body)) => body.path = path,
                other => panic!("{other:?}"),
            }
        }),
        (
            "a znode with a child is removed for its age",
            Rule::Z2,
            |maker| {
                maker.call(0, create_as("/c", "", CreateMode::Container));
                maker.call(0, create("/c/d", ""));
                maker.call(0, delete("/none"));
                let last = maker.history.log.last_mut().expect("a log");
                last.txn = Txn::DeleteContainer("/c".into());
            },
        ),
    ]);
}

#[test]
fn t39_histories_with_wrong_orders() {
    assert_rejected(&[
        ("a read shows old data at a new zxid", Rule::C3, |maker| {
            maker.call(0, set("/a", "1", -1));
            let read = maker.call(0, get("/a", false));
            data_of(maker, read, "0");
        }),
        ("a read shows what is not committed", Rule::Z2, |maker| {
            let read = maker.call(0, get("/a", false));
            maker.reply(read).zxid = Zxid(77);
        }),
        ("a session goes back", Rule::C1, |maker| {
            let old = maker.ask(0, get("/a", false));
            let reply = maker.carry_out(old);
            maker.call(0, set("/a", "1", -1));
            let late = maker.call(0, get("/a", false));
            *maker.reply(late) = reply;
            maker.reply(late).at = maker.now;
        }),
        ("replies come out of order", Rule::C3, |maker| {
            let first = maker.ask(0, get("/a", false));
            let second = maker.ask(0, exists("/a", false));
            for index in [second, first] {
                let reply = maker.carry_out(index);
                maker.tell(index, reply);
            }
        }),
        (
            "a sync does not see what was acknowledged",
            Rule::C5,
            |maker| {
                let reply = {
                    let asked = maker.ask(1, sync());
                    maker.carry_out(asked)
                };
                maker.call(0, set("/a", "1", -1));
                let late = maker.ask(1, sync());
                maker.tell(late, reply);
            },
        ),
        ("a read sees what is asked for later", Rule::C1, |maker| {
            let read = maker.ask(1, get("/a", false));
            let write = maker.ask(0, set("/a", "1", -1));
            let wrote = maker.carry_out(write);
            let reply = maker.carry_out(read);
            maker.tell(read, reply);
            maker.now += 1;
            maker.history.operations[write].sent = maker.now;
            maker.tell(write, wrote);
        }),
    ]);
}

#[test]
fn t40_a_session_goes_back_behind_followers() {
    use lockkeeper_check::order::{Reads, check};
    for reconnects in [false, true] {
        let mut maker = Maker::ready();
        let old = maker.ask(0, get("/a", false));
        let stale = maker.carry_out(old);
        maker.call(1, set("/a", "1", -1));
        maker.call(0, get("/a", false));
        if reconnects {
            maker.reconnect(0);
        }
        let late = maker.ask(0, get("/a", false));
        maker.tell(late, stale);
        let replayed = replay::replay(&maker.history);
        assert_eq!(replayed.violations, []);
        let violations = check(&maker.history, &replayed, Reads::Sequential);
        assert_rule("a session goes back", &violations, Rule::C2);
    }
}

#[test]
fn t41_histories_with_wrong_sessions() {
    assert_rejected(&[
        ("an ephemeral outlives its session", Rule::E1, |maker| {
            maker.call(0, create_as("/e", "", CreateMode::Ephemeral));
            maker.call(0, Request::CloseSession);
            maker.history.log.last_mut().expect("a log").txn = Txn::CloseSession(Some(vec![]));
        }),
        (
            "the end of a session takes what is another's",
            Rule::E1,
            |maker| {
                maker.call(1, create_as("/e", "", CreateMode::Ephemeral));
                maker.call(0, Request::CloseSession);
                let last = maker.history.log.last_mut().expect("a log");
                last.txn = Txn::CloseSession(Some(vec!["/e".into()]));
            },
        ),
        ("a session id is given twice", Rule::E3, |maker| {
            let session = maker.session(0);
            maker.history.connections[1].session = session;
        }),
        ("a session begins once more", Rule::E3, |maker| {
            maker.history.log[1].header.client_id = maker.session(0);
        }),
        (
            "a connection that was replaced still writes",
            Rule::E3,
            |maker| {
                let old = maker.ask(0, set("/a", "old", -1));
                maker.reconnect(0);
                maker.call(0, set("/a", "new", -1));
                maker.carry_out(old);
            },
        ),
        ("a session that has ended goes on", Rule::D4, |maker| {
            maker.call(0, Request::CloseSession);
            let asked = maker.ask(0, set("/a", "1", -1));
            maker.carry_out(asked);
            let last = maker.history.log.last_mut().expect("a log");
            last.txn = Txn::Delete("/a".into());
        }),
    ]);
}

fn add_watch(path: &str, mode: i32) -> Request {
    let path = Some(path.into());
    Request::AddWatch(AddWatchRequest { path, mode })
}

const CHANGED: EventType = EventType::NodeDataChanged;

#[test]
fn t42_histories_with_wrong_events() {
    assert_rejected(&[
        (
            "an event comes behind a reply that shows its change",
            Rule::W1,
            |maker| {
                maker.call(1, get("/a", true));
                maker.call(0, set("/a", "1", -1));
                maker.call(1, get("/a", false));
                maker.event(1, CHANGED, "/a", maker.last_zxid());
            },
        ),
        ("two events come the wrong way round", Rule::W2, |maker| {
            maker.call(0, create("/b", ""));
            maker.call(1, get("/a", true));
            maker.call(1, get("/b", true));
            maker.call(0, set("/a", "1", -1));
            let first = maker.last_zxid();
            maker.call(0, set("/b", "1", -1));
            maker.event(1, CHANGED, "/b", maker.last_zxid());
            maker.event(1, CHANGED, "/a", first);
        }),
        (
            "two events of one multi come the wrong way round",
            Rule::W2,
            |maker| {
                maker.call(0, create("/b", ""));
                maker.call(1, get("/a", true));
                maker.call(1, get("/b", true));
                maker.call(0, multi(vec![set("/a", "1", -1), set("/b", "1", -1)]));
                maker.event(1, CHANGED, "/b", maker.last_zxid());
                maker.event(1, CHANGED, "/a", maker.last_zxid());
                maker.call(1, get("/a", false));
            },
        ),
        ("a one-shot watch fires twice", Rule::W3, |maker| {
            maker.call(1, get("/a", true));
            for data in ["1", "2"] {
                maker.call(0, set("/a", data, -1));
                maker.event(1, CHANGED, "/a", maker.last_zxid());
            }
            maker.call(1, get("/a", false));
        }),
        ("an event comes that nobody waits for", Rule::W3, |maker| {
            maker.call(0, set("/a", "1", -1));
            maker.event(1, CHANGED, "/a", maker.last_zxid());
        }),
        (
            "an event comes for a watch that was taken back",
            Rule::W3,
            |maker| {
                maker.call(1, get("/a", true));
                let path = "/a".into();
                maker.call(1, Request::RemoveWatches(PathWatcherType { path, kind: 2 }));
                maker.call(0, set("/a", "1", -1));
                maker.event(1, CHANGED, "/a", maker.last_zxid());
            },
        ),
        ("an event never comes", Rule::W4, |maker| {
            maker.call(1, get("/a", true));
            maker.call(0, set("/a", "1", -1));
            maker.call(1, Request::Ping);
        }),
        (
            "what happened while the client was away is not told",
            Rule::W4,
            |maker| {
                maker.call(1, get("/a", true));
                let relative_zxid = maker.last_zxid();
                maker.call(0, set("/a", "1", -1));
                maker.reconnect(1);
                maker.call(
                    1,
                    Request::SetWatches2(SetWatches2 {
                        relative_zxid,
                        data: vec!["/a".into()],
                        ..SetWatches2::default()
                    }),
                );
            },
        ),
        ("a watch armed again does not fire", Rule::W4, |maker| {
            maker.call(1, children("/a", true));
            maker.reconnect(1);
            maker.call(
                1,
                Request::SetWatches2(SetWatches2 {
                    relative_zxid: maker.last_zxid(),
                    child: vec!["/a".into()],
                    ..SetWatches2::default()
                }),
            );
            maker.call(0, create("/a/b", ""));
            maker.call(1, Request::Ping);
        }),
        ("an event tells who may not read", Rule::W5, |maker| {
            maker.call(1, exists("/secret", true));
            let acl = vec![Acl::new(31, "digest", "a:b")];
            maker.call(0, create_for("/secret", acl));
            maker.event(1, EventType::NodeCreated, "/secret", maker.last_zxid());
            maker.call(1, Request::Ping);
        }),
        (
            "an event tells of a child under a parent that may not be read",
            Rule::W5,
            |maker| {
                maker.identify(0, Id::new("digest", "a:b"));
                let acl = vec![Acl::new(31, "digest", "a:b")];
                maker.call(1, add_watch("/secret", 0));
                maker.call(0, create_for("/secret", acl));
                maker.call(0, create("/secret/child", ""));
                maker.event(
                    1,
                    EventType::NodeChildrenChanged,
                    "/secret",
                    maker.last_zxid(),
                );
            },
        ),
        ("a persistent watch misses a change", Rule::W6, |maker| {
            maker.call(1, add_watch("/a", 0));
            maker.call(0, set("/a", "1", -1));
            maker.event(1, CHANGED, "/a", maker.last_zxid());
            maker.call(0, create("/a/b", ""));
            maker.call(1, Request::Ping);
        }),
        ("a recursive watch misses a grandchild", Rule::W6, |maker| {
            maker.call(0, create("/a/b", ""));
            maker.call(1, add_watch("/", 1));
            maker.call(0, create("/a/b/c", ""));
            maker.call(1, Request::Ping);
        }),
        (
            "a recursive watch hears of its parents' children",
            Rule::W3,
            |maker| {
                maker.call(1, add_watch("/a", 1));
                maker.call(0, create("/a/b", ""));
                maker.event(1, EventType::NodeCreated, "/a/b", maker.last_zxid());
                maker.event(1, EventType::NodeChildrenChanged, "/a", maker.last_zxid());
                maker.call(1, Request::Ping);
            },
        ),
        ("one deletion is told twice", Rule::W3, |maker| {
            maker.call(1, get("/a", true));
            maker.call(1, children("/a", true));
            maker.call(0, delete("/a"));
            maker.event(1, EventType::NodeDeleted, "/a", maker.last_zxid());
            maker.event(1, EventType::NodeDeleted, "/a", maker.last_zxid());
            maker.call(1, Request::Ping);
        }),
    ]);
}

#[test]
fn t43_a_watch_of_a_program_sleeps_through_a_change() {
    let mut maker = Maker::ready();
    let since = maker.last_zxid();
    maker.call(0, set("/a", "1", -1));
    let replayed = replay::replay(&maker.history);
    let waited = |fired| Waited {
        session: maker.session(1),
        path: "/a".into(),
        since,
        fired,
    };
    let none = BTreeSet::new();
    assert_rule(
        "asleep",
        &lost(&[waited(false)], &replayed.changes, &none),
        Rule::W4,
    );
    assert_eq!(lost(&[waited(true)], &replayed.changes, &none), []);
    let ended = BTreeSet::from([maker.session(1)]);
    assert_eq!(lost(&[waited(false)], &replayed.changes, &ended), []);
}

#[test]
fn t44_registers_that_are_not_linearizable() {
    let cases: &[(&str, Spoil)] = &[
        (
            "a read shows what was overwritten before it was asked",
            |maker| {
                maker.call(0, set("/a", "1", -1));
                maker.call(0, set("/a", "2", -1));
                let read = maker.call(1, get("/a", false));
                data_of(maker, read, "1");
            },
        ),
        ("two sets of one version are done", |maker| {
            let one = maker.ask(0, set("/a", "1", 0));
            let other = maker.ask(1, set("/a", "2", 0));
            let reply = maker.carry_out(one);
            maker.tell(one, reply.clone());
            maker.tell(other, reply);
        }),
        ("a read shows what nobody wrote", |maker| {
            let read = maker.call(1, get("/a", false));
            data_of(maker, read, "77");
        }),
        ("a set in doubt happens and unhappens", |maker| {
            let doubt = maker.ask(0, set("/a", "1", -1));
            let before = maker.call(1, get("/a", false));
            maker.carry_out(doubt);
            maker.call(1, get("/a", false));
            let after = maker.call(1, get("/a", false));
            *maker.reply(after) = maker.reply(before).clone();
            maker.reply(after).at = maker.now;
        }),
        ("what was deleted is there", |maker| {
            let read = maker.call(1, get("/a", false));
            maker.call(0, delete("/a"));
            let late = maker.call(1, get("/a", false));
            *maker.reply(late) = maker.reply(read).clone();
            maker.reply(late).at = maker.now;
        }),
    ];
    for (name, spoil) in cases {
        let mut maker = Maker::ready();
        spoil(&mut maker);
        let (violations, _) = register::check(&maker.history, "/a");
        assert_rule(name, &violations, Rule::C1);
    }
}

#[test]
fn t45_lists_that_are_not_linearizable() {
    let append = || create_as("/a/n", "", CreateMode::PersistentSequential);
    for lies in [false, true] {
        let mut maker = Maker::ready();
        maker.call(0, append());
        let second = maker.call(1, append());
        let look = maker.call(0, children("/a", false));
        match &mut maker.reply(look).result {
            Ok(Response::GetChildren(body)) if lies => body.children.clear(),
            Ok(Response::GetChildren(body)) => assert_eq!(body.children.len(), 2),
            other => panic!("{other:?}"),
        }
        let verdict = list::check(&maker.history, "/a");
        assert_eq!((verdict.0.len(), verdict.1), (usize::from(lies), 3));
        if !lies {
            match &mut maker.reply(second).result {
                Ok(Response::Create2(body)) => body.path = ByteStr::from("/a/n0000000000"),
                other => panic!("{other:?}"),
            }
            assert_rule("twice", &list::check(&maker.history, "/a").0, Rule::C1);
        }
    }
}

fn attempts(outcomes: &[Outcome]) -> Vec<Attempt<usize>> {
    let attempt = |(value, &outcome)| Attempt { value, outcome };
    outcomes.iter().enumerate().map(attempt).collect()
}

#[test]
fn t46_counts_that_cannot_be() {
    use Outcome::{Applied, NotApplied, Unknown};
    let tried = attempts(&[Applied, Unknown, NotApplied]);
    let set = |there: &[usize]| counts::set(&tried, &there.iter().copied().collect());
    assert_eq!(set(&[0]), []);
    assert_eq!(set(&[0, 1]), []);
    assert_rule("a lost addition", &set(&[1]), Rule::C1);
    assert_rule("one that did not happen is there", &set(&[0, 2]), Rule::C4);
    assert_rule("one out of nothing", &set(&[0, 9]), Rule::Z2);

    assert_eq!(counts::unique([1, 2, 3]), []);
    assert_rule("an id twice", &counts::unique([1, 2, 1]), Rule::C1);

    let outcomes = [Applied, Unknown, NotApplied, Applied];
    assert_eq!(counts::counter(&outcomes, 2), []);
    assert_eq!(counts::counter(&outcomes, 3), []);
    assert_rule("a lost increment", &counts::counter(&outcomes, 1), Rule::C1);
    assert_rule("one too many", &counts::counter(&outcomes, 4), Rule::C4);

    let queue =
        |taken: &[usize], unknown, left: &[usize]| counts::queue(&tried, taken, unknown, left);
    assert_eq!(queue(&[0], 0, &[1]), []);
    assert_eq!(queue(&[], 1, &[]), []);
    assert_rule("taken twice", &queue(&[0, 0], 0, &[]), Rule::C1);
    assert_rule("taken and still there", &queue(&[0], 0, &[0]), Rule::C1);
    assert_rule("lost", &queue(&[], 0, &[1]), Rule::C1);
    assert_rule("out of nothing", &queue(&[0, 7], 0, &[]), Rule::Z2);
    assert_rule("not put in", &queue(&[0, 2], 0, &[]), Rule::C4);

    assert_eq!(counts::sums(100, [100, 100]), []);
    assert_rule("money appears", &counts::sums(100, [100, 101]), Rule::C1);
}

#[test]
fn t47_locks_that_let_two_in() {
    let hold = |session, fence, from, until| Hold {
        session: SessionId(session),
        fence,
        number: fence as u64,
        from,
        until,
    };
    let none = BTreeMap::new();
    let good = [hold(1, 10, 5, Some(8)), hold(2, 11, 8, None)];
    assert_eq!(locks::check(&good, &[], &none), []);
    let overlap = [hold(1, 10, 5, Some(9)), hold(2, 11, 8, None)];
    assert_rule("two at once", &locks::check(&overlap, &[], &none), Rule::L3);
    let expired = BTreeMap::from([(SessionId(1), 7)]);
    assert_eq!(locks::check(&overlap, &[], &expired), []);
    let late = BTreeMap::from([(SessionId(1), 9)]);
    assert_rule(
        "before the expiry",
        &locks::check(&overlap, &[], &late),
        Rule::L3,
    );
    let same = [hold(1, 10, 5, Some(6)), hold(2, 10, 8, None)];
    assert_rule(
        "one fence twice",
        &locks::check(&same, &[], &none),
        Rule::L1,
    );
    let unfair = [hold(1, 12, 5, Some(6)), hold(2, 11, 8, None)];
    assert_rule("out of turn", &locks::check(&unfair, &[], &none), Rule::L4);

    // The session of fence 10 ends at 3; each use comes one later than the one before.
    let ended = BTreeMap::from([(SessionId(10), 3)]);
    let uses = |uses: &[(i64, bool)]| {
        let one = |(at, &(fence, accepted))| Use {
            session: SessionId(fence),
            fence,
            at: at as u64 + 1,
            accepted,
        };
        let uses: Vec<Use> = uses.iter().enumerate().map(one).collect();
        locks::check(&[], &uses, &ended)
    };
    assert_eq!(uses(&[(10, true), (11, true), (10, false), (11, true)]), []);
    assert_rule(
        "a late writer gets in",
        &uses(&[(11, true), (10, true)]),
        Rule::L2,
    );
    assert_rule(
        "who lives is kept out",
        &uses(&[(11, true), (10, false)]),
        Rule::L2,
    );
}

#[test]
fn numbers_of_requests_may_come_again_in_a_session_that_was_handed_on() {
    let mut maker = Maker::ready();
    let first = maker.call(0, set("/a", "1", -1));
    maker.reconnect(0);
    let second = maker.call(0, set("/a", "2", -1));
    let xid: Xid = maker.history.operations[first].xid;
    maker.history.operations[second].xid = xid;
    maker.history.log.last_mut().expect("a log").header.cxid = xid.0;
    assert_eq!(check_all(&maker.history), []);
}
