//! Whatever comes, a session neither panics nor forgets or repeats an answer.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{ID, T, World, config, data, delete, get, get_watched};
use lockkeeper_session::{Event, Ticket};
use lockkeeper_wire::{ErrorCode, EventType, Response, Xid};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Advance(u16),
    Submit(u8),
    Deadline(u16),
    Unwatch(u16),
    Connected,
    Welcome(bool),
    Lose,
    Answer(i32),
    OutOfTurn(i32, i32),
    Notify(i32),
    Garbage(Vec<u8>),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u16>().prop_map(|ms| Step::Advance(ms % 3000)),
        6 => any::<u8>().prop_map(Step::Submit),
        1 => any::<u16>().prop_map(Step::Deadline),
        1 => any::<u16>().prop_map(Step::Unwatch),
        3 => Just(Step::Connected),
        3 => prop::bool::weighted(0.95).prop_map(Step::Welcome),
        1 => Just(Step::Lose),
        6 => prop_oneof![Just(0), Just(-101), Just(-118), Just(-6)].prop_map(Step::Answer),
        1 => (-9..20i32, -130..5i32).prop_map(|(xid, err)| Step::OutOfTurn(xid, err)),
        2 => (-2..8i32).prop_map(Step::Notify),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Step::Garbage),
        1 => prop_oneof![19 => Just(Step::Lose), 1 => Just(Step::Close)],
    ]
}

fn take(world: &mut World, step: Step, submitted: &mut u64) {
    match step {
        Step::Advance(ms) => world.advance(Duration::from_millis(ms.into())),
        Step::Submit(kind) => {
            let request = match kind % 3 {
                0 => get("/a"),
                1 => get_watched("/a"),
                _ => delete("/a"),
            };
            world.submit(*submitted, request);
            *submitted += 1;
        }
        Step::Deadline(ms) if *submitted > 0 => {
            let at = world.now + Duration::from_millis(ms.into());
            world.session.set_deadline(Ticket(*submitted - 1), at);
        }
        Step::Deadline(_) => {}
        Step::Unwatch(ticket) => world.session.unwatch(Ticket(ticket.into())),
        Step::Connected if world.linked && !world.opened => {
            world.handshake();
        }
        Step::Connected => {}
        Step::Welcome(good) if world.opened => {
            world.answer_handshake(
                if good {
                    ID
                } else {
                    lockkeeper_wire::SessionId(7)
                },
                T,
            );
        }
        Step::Welcome(_) => {}
        Step::Lose => world.lose(),
        Step::Answer(err) => {
            let oldest = world.requests().first().map_or(Xid(1), |(xid, _)| *xid);
            world.reply(oldest, ErrorCode(err), &data());
        }
        Step::OutOfTurn(xid, err) => world.reply(Xid(xid), ErrorCode(err), &Response::Empty),
        Step::Notify(kind) => {
            if let Ok(kind) = EventType::try_from(kind) {
                world.notify(kind, "/a");
            }
        }
        Step::Garbage(bytes) => world.feed(|out| out.extend_from_slice(&bytes)),
        Step::Close => world.session.close(world.now),
    }
    world.settle();
}

fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new(config("a,b"));
    let mut submitted = 0;
    for step in steps {
        take(&mut world, step, &mut submitted);
    }
    world.session.close(world.now);
    world.settle();
    world.advance(Duration::from_secs(60));
    prop_assert!(world.session.is_over());
    let mut answers = BTreeMap::new();
    for event in world.events {
        if let Event::Reply { ticket, .. } = event {
            *answers.entry(ticket.0).or_insert(0) += 1;
        }
    }
    let expected: BTreeMap<_, _> = (0..submitted).map(|ticket| (ticket, 1)).collect();
    prop_assert_eq!(answers, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_is_answered_once(steps in prop::collection::vec(step(), 0..120)) {
        run(steps)?;
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(
        handshake in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut world = World::new(config("a,b"));
        world.handshake();
        if handshake {
            world.answer_handshake(ID, T);
            world.submit(1, get_watched("/a"));
        }
        world.feed(|out| out.extend_from_slice(&bytes));
        world.advance(Duration::from_secs(1));
    }

    #[test]
    fn frames_of_any_content_do_no_harm(
        xid in prop_oneof![Just(-1), Just(-2), Just(-4), Just(1), any::<i32>()],
        err in prop_oneof![Just(0), any::<i32>()],
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut world = World::connected();
        world.submit(1, get_watched("/a"));
        world.feed(|out| {
            lockkeeper_wire::frame::encode(out, |out| {
                out.extend_from_slice(&xid.to_be_bytes());
                out.extend_from_slice(&5i64.to_be_bytes());
                out.extend_from_slice(&err.to_be_bytes());
                out.extend_from_slice(&body);
            })
        });
        world.advance(Duration::from_secs(1));
    }
}
