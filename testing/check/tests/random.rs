//! Random histories: right ones pass, and each way of spoiling one is noticed.

mod common;

use bytes::Bytes;
use common::{Maker, Random, check_all, children, create, create_as, delete, exists, get, set};
use lockkeeper_check::{History, Operation, Seen, list, register};
use lockkeeper_wire::{CreateMode, EventType, Request, Response, Zxid};

const HISTORIES: u64 = 400;
const STEPS: usize = 60;

/// A history of three clients whose requests overlap; events come as early as they can.
fn history(seed: u64) -> History {
    let mut random = Random(seed);
    let mut maker = Maker::ready();
    maker.open();
    maker.call(0, create("/list", ""));
    let mut under_way: Vec<Vec<usize>> = vec![Vec::new(); 3];
    let mut watching = [false; 3];
    for _ in 0..STEPS {
        let client = random.below(3);
        if under_way[client].is_empty() || random.below(2) == 0 {
            let data = random.below(1000).to_string();
            let version = random.below(4) as i32 - 1;
            let request = match random.below(9) {
                0 | 1 => get("/a", random.below(3) == 0),
                2 | 3 => set("/a", &data, version),
                4 => create("/a", &data),
                5 => delete("/a"),
                6 => exists("/a", false),
                7 => create_as("/list/n", "", CreateMode::PersistentSequential),
                _ => children("/list", false),
            };
            let index = maker.ask(client, request);
            under_way[client].push(index);
            continue;
        }
        let index = under_way[client].remove(0);
        let before = maker.history.log.len();
        let was_there = maker.model.nodes.contains_key("/a");
        let version = maker.model.nodes.get("/a").map(|node| node.version);
        let reply = maker.carry_out(index);
        if maker.history.log.len() > before {
            let kind = match (was_there, maker.model.nodes.get("/a")) {
                (false, Some(_)) => Some(EventType::NodeCreated),
                (true, None) => Some(EventType::NodeDeleted),
                (true, Some(node)) if Some(node.version) != version => {
                    Some(EventType::NodeDataChanged)
                }
                _ => None,
            };
            for (client, watching) in watching.iter_mut().enumerate() {
                if let Some(kind) = kind
                    && std::mem::take(watching)
                {
                    maker.event(client, kind, "/a", maker.last_zxid());
                }
            }
        }
        let request = &maker.history.operations[index].request;
        watching[client] |=
            matches!(request, Request::GetData(body) if body.watch) && reply.result.is_ok();
        // Some replies get lost, and with them what the client may go on to see.
        if random.below(12) > 0 || watching[client] {
            maker.tell(index, reply);
        }
    }
    maker.history
}

#[test]
fn t48_right_histories_pass_both_checkers() {
    let mut ordered = 0;
    for seed in 0..HISTORIES {
        let history = history(seed);
        assert_eq!(check_all(&history), [], "seed {seed}");
        let (register, count) = register::check(&history, "/a");
        assert_eq!(register, [], "seed {seed}");
        let (list, more) = list::check(&history, "/list");
        assert_eq!(list, [], "seed {seed}");
        ordered += count + more;
    }
    assert!(ordered > 20 * HISTORIES as usize, "{ordered} calls");
}

/// Spoils a history in one way; says whether there was something to spoil.
type Spoil = fn(&mut History, &mut Random) -> bool;

fn pick(history: &History, random: &mut Random, is: fn(&Operation) -> bool) -> Option<usize> {
    let all = (0..history.operations.len()).filter(|&index| is(&history.operations[index]));
    let all: Vec<usize> = all.collect();
    (!all.is_empty()).then(|| all[random.below(all.len())])
}

#[test]
fn t49_spoilt_histories_are_noticed() {
    let spoils: [(&str, Spoil); 7] = [
        ("data of a read", |history, random| {
            let is = |op: &Operation| {
                let result = op.reply.as_ref().map(|reply| &reply.result);
                matches!(result, Some(Ok(Response::GetData(_))))
            };
            let Some(index) = pick(history, random, is) else {
                return false;
            };
            let reply = history.operations[index].reply.as_mut().expect("answered");
            if let Ok(Response::GetData(body)) = &mut reply.result {
                body.data = Some(Bytes::from_static(b"spoilt"));
            }
            true
        }),
        ("metadata of a write", |history, random| {
            let is = |op: &Operation| {
                let result = op.reply.as_ref().map(|reply| &reply.result);
                matches!(result, Some(Ok(Response::Stat(_)))) && op.is_write()
            };
            let Some(index) = pick(history, random, is) else {
                return false;
            };
            let reply = history.operations[index].reply.as_mut().expect("answered");
            if let Ok(Response::Stat(body)) = &mut reply.result {
                body.stat.mzxid = body.stat.mzxid.next();
            }
            true
        }),
        ("zxid of a reply", |history, random| {
            let is = |op: &Operation| op.is_write() && op.reply.is_some();
            let Some(index) = pick(history, random, is) else {
                return false;
            };
            let reply = history.operations[index].reply.as_mut().expect("answered");
            reply.zxid = reply.zxid.next();
            true
        }),
        ("a transaction lost", |history, random| {
            let at = 3 + random.below(history.log.len() - 3);
            let answered = history.operations.iter().any(|op| {
                let zxid = history.log[at].header.zxid;
                op.reply.as_ref().is_some_and(|reply| reply.zxid == zxid)
            });
            history.log.remove(at);
            answered || at < history.log.len()
        }),
        ("an event twice", |history, random| {
            let Some((connection, at)) = event(history, random) else {
                return false;
            };
            let seen = &mut history.connections[connection].seen;
            seen.insert(at, seen[at].clone());
            true
        }),
        ("an event of another kind", |history, random| {
            let Some((connection, at)) = event(history, random) else {
                return false;
            };
            if let Seen::Event { kind, .. } = &mut history.connections[connection].seen[at] {
                *kind = EventType::NodeChildrenChanged;
            }
            true
        }),
        ("an event too late", |history, random| {
            let Some((connection, at)) = event(history, random) else {
                return false;
            };
            let seen = &mut history.connections[connection].seen;
            let Seen::Event { zxid, .. } = seen[at] else {
                return false;
            };
            let shows = |seen: &Seen| match seen {
                Seen::Reply(index) => {
                    let reply = history.operations[*index].reply.as_ref();
                    reply.is_some_and(|reply| reply.zxid >= zxid && reply.zxid > Zxid::ZERO)
                }
                Seen::Event { .. } => false,
            };
            let Some(later) = seen[at..].iter().position(shows) else {
                return false;
            };
            let event = seen.remove(at);
            seen.insert(at + later, event);
            true
        }),
    ];
    for (name, spoil) in spoils {
        let mut spoilt = 0;
        for seed in 0..HISTORIES {
            let mut history = history(seed);
            if spoil(&mut history, &mut Random(seed)) {
                spoilt += 1;
                assert_ne!(check_all(&history), [], "{name}, seed {seed}");
            }
        }
        assert!(spoilt > HISTORIES / 4, "{name}: {spoilt} histories had one");
    }
}

fn event(history: &History, random: &mut Random) -> Option<(usize, usize)> {
    let mut all = Vec::new();
    for (connection, seen) in history.connections.iter().enumerate() {
        let events = seen.seen.iter().enumerate();
        let events = events.filter(|(_, seen)| matches!(seen, Seen::Event { .. }));
        all.extend(events.map(|(at, _)| (connection, at)));
    }
    (!all.is_empty()).then(|| all[random.below(all.len())])
}
