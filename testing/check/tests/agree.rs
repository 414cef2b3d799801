//! The two checkers of linearizability judge alike: the search finds an order of a small history if
//! and only if some assignment of zxids to its operations satisfies the replay.

mod common;

use bytes::Bytes;
use common::{Maker, Random, create, delete, get, set};
use lockkeeper_check::{History, Operation, Reply, order, register, replay};
use lockkeeper_wire::{ErrorCode, Response};

const HISTORIES: u64 = 3000;

/// A few overlapping requests of two clients on `/r`, of which some answers are exchanged.
fn small(seed: u64) -> Vec<Operation> {
    let mut random = Random(seed);
    let mut maker = Maker::new();
    maker.open();
    maker.open();
    let count = 3 + random.below(3);
    let mut under_way: [Vec<usize>; 2] = Default::default();
    while maker.history.operations.len() < count || under_way.iter().any(|all| !all.is_empty()) {
        let client = random.below(2);
        let more = maker.history.operations.len() < count;
        if more && under_way[client].len() < 2 && random.below(2) == 0 {
            let data = random.below(3).to_string();
            let request = match random.below(8) {
                0..3 => get("/r", false),
                3 | 4 => create("/r", &data),
                5 | 6 => set("/r", &data, random.below(3) as i32 - 1),
                _ => delete("/r"),
            };
            let index = maker.ask(client, request);
            under_way[client].push(index);
        } else if !under_way[client].is_empty() {
            let index = under_way[client].remove(0);
            if random.below(6) > 0 {
                let reply = maker.carry_out(index);
                maker.tell(index, reply);
            } else if random.below(2) == 0 {
                maker.carry_out(index);
            }
        }
    }
    let mut operations = maker.history.operations;
    if random.below(2) == 0 {
        spoil(&mut operations, &mut random);
    }
    operations
}

/// Gives one operation another answer, which may still be a right one.
fn spoil(operations: &mut [Operation], random: &mut Random) {
    let answered = (0..operations.len()).filter(|&index| operations[index].reply.is_some());
    let answered: Vec<usize> = answered.collect();
    if answered.is_empty() {
        return;
    }
    let index = answered[random.below(answered.len())];
    let donor = answered[random.below(answered.len())];
    let is_alike = operations[donor].request.op() == operations[index].request.op();
    let donated = operations[donor]
        .reply
        .as_ref()
        .map(|reply| reply.result.clone());
    let Some(reply) = &mut operations[index].reply else {
        return;
    };
    match (&mut reply.result, random.below(4)) {
        (result, 0) if is_alike => *result = donated.expect("it was answered"),
        (result, 1) => *result = Err(ErrorCode::NO_NODE),
        (Ok(Response::GetData(body)), 2) => {
            body.data = Some(Bytes::from(random.below(3).to_string()));
        }
        (Ok(Response::GetData(body)), _) => body.stat.version = random.below(3) as i32,
        (Ok(Response::Stat(body)), _) => body.stat.version = random.below(3) as i32,
        _ => {}
    }
}

/// Carries the operations out in this order and gives each the zxid it then has.
fn carried_out(operations: &[Operation], order: &[usize]) -> Option<History> {
    let mut maker = Maker::new();
    maker.open();
    maker.open();
    maker.history.operations = operations.to_vec();
    for operation in &mut maker.history.operations {
        operation.reply = None;
    }
    for &index in order {
        let done = maker.carry_out(index);
        let Some(told) = &operations[index].reply else {
            continue;
        };
        if !alike(&done, told) {
            return None;
        }
        maker.history.operations[index].reply = Some(Reply {
            at: told.at,
            ..done
        });
    }
    Some(maker.history)
}

/// Whether a reply is the one given, but for what only zxids and clocks decide.
fn alike(done: &Reply, told: &Reply) -> bool {
    match (&done.result, &told.result) {
        (Ok(Response::GetData(a)), Ok(Response::GetData(b))) => {
            a.data == b.data && a.stat.version == b.stat.version
        }
        (Ok(Response::Stat(a)), Ok(Response::Stat(b))) => a.stat.version == b.stat.version,
        (Ok(Response::Create2(a)), Ok(Response::Create2(b))) => a.path == b.path,
        (a, b) => a == b,
    }
}

/// Whether some order of the operations, with those in doubt in or out, satisfies the replay.
fn some_order(operations: &[Operation]) -> bool {
    let must = |&index: &usize| operations[index].reply.is_some();
    let needed: Vec<usize> = (0..operations.len()).filter(must).collect();
    let doubtful: Vec<usize> = (0..operations.len()).filter(|index| !must(index)).collect();
    (0..1usize << doubtful.len()).any(|mask| {
        let chosen = doubtful.iter().enumerate();
        let chosen = chosen
            .filter(|(bit, _)| mask >> bit & 1 == 1)
            .map(|(_, &index)| index);
        let mut all: Vec<usize> = needed.iter().copied().chain(chosen).collect();
        any_permutation(&mut all, 0, &mut |order| {
            carried_out(operations, order).is_some_and(|history| satisfies(&history))
        })
    })
}

fn satisfies(history: &History) -> bool {
    let replayed = replay::replay(history);
    let orders = order::check(history, &replayed, order::Reads::Linearizable);
    // Within a session requests are carried out in order here, which a register does not ask for.
    replayed.violations.is_empty() && orders.is_empty()
}

fn any_permutation(
    all: &mut Vec<usize>,
    from: usize,
    holds: &mut dyn FnMut(&[usize]) -> bool,
) -> bool {
    if from == all.len() {
        return holds(all);
    }
    for at in from..all.len() {
        all.swap(from, at);
        let found = any_permutation(all, from + 1, holds);
        all.swap(from, at);
        if found {
            return true;
        }
    }
    false
}

#[test]
fn t50_the_search_and_the_replay_agree() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..HISTORIES {
        let operations = small(seed);
        let history = History {
            operations: operations.clone(),
            ..History::default()
        };
        let found = register::check(&history, "/r").0.is_empty();
        let expected = some_order(&operations);
        assert_eq!(found, expected, "seed {seed}: {operations:#?}");
        *(if found { &mut good } else { &mut bad }) += 1;
    }
    assert!(
        good > HISTORIES / 2 && bad > HISTORIES / 50,
        "{good} good, {bad} bad"
    );
}
