//! Links between a leader and its learners: when there are any, and what passes on them.

use lockkeeper_wire::{LearnerInfo, quorum};

use super::*;

fn info(sid: i64) -> LearnerPacket {
    LearnerPacket::FollowerInfo {
        accepted: Zxid::ZERO,
        info: LearnerInfo::new(ServerId(sid), 0),
    }
}

fn proposal(counter: u32, len: usize) -> LeaderPacket {
    LeaderPacket::Proposal {
        zxid: Zxid::new(1, counter),
        txn: Bytes::from(vec![counter as u8; len]),
    }
}

/// A leader that listens.
fn leader(world: &World, change: impl FnOnce(&mut Settings)) -> Member {
    let mut leader = world.start_with(1, change);
    leader.outlet().listen();
    let port = world.quorum(1).address;
    until("an open port", || match TcpStream::connect(port) {
        Ok(probe) => {
            drop(probe);
            true
        }
        Err(_) => false,
    });
    leader.opened();
    leader.closed();
    leader
}

/// A member and its leader, linked.
fn pair(world: &World) -> (Member, LinkId, Member, LinkId) {
    let mut leader = leader(world, |_| ());
    let mut learner = world.start(2);
    learner.outlet().connect(ServerId(1));
    let up = learner.opened();
    let down = leader.opened();
    (leader, down, learner, up)
}

#[test]
fn the_quorum_port_is_open_only_while_its_member_leads() {
    let world = World::new([1]);
    let port = world.quorum(1).address;
    let mut member = world.start(1);
    assert!(TcpStream::connect(port).is_err());
    for _ in 0..2 {
        member.outlet().listen();
        until("an open port", || TcpStream::connect(port).is_ok());
        member.outlet().stop_listening();
        until("a closed port", || TcpStream::connect(port).is_err());
    }
}

#[test]
fn packets_pass_in_order_in_both_directions() {
    let world = World::new([1, 2]);
    let (mut leader, down, mut learner, up) = pair(&world);
    learner.send(up, &info(2));
    let first = leader.find(|input| match input {
        PeerEvent::LearnerPacket { link, packet } => Some((link, packet)),
        _ => None,
    });
    assert_eq!(first, (down, info(2)));
    // Some fill a socket by themselves, most come many to a piece.
    let len = |counter: u32| {
        if counter.is_multiple_of(100) {
            900_000
        } else {
            10
        }
    };
    for counter in 1..=1000 {
        leader.outlet().send(down, &proposal(counter, len(counter)));
        if counter.is_multiple_of(7) {
            leader.outlet().flush();
        }
    }
    leader.outlet().flush();
    for counter in 1..=1000 {
        let packet = learner.find(|input| match input {
            PeerEvent::LeaderPacket { link, packet } if link == up => Some(packet),
            _ => None,
        });
        assert_eq!(packet, proposal(counter, len(counter)));
    }
}

#[test]
fn what_was_said_before_a_close_arrives() {
    let world = World::new([1, 2]);
    let (mut leader, down, mut learner, up) = pair(&world);
    for counter in 1..=10 {
        leader.outlet().send(down, &proposal(counter, 900_000));
    }
    leader.outlet().close(down);
    assert!(!leader.outlet().has(down));
    for counter in 1..=10 {
        let packet = learner.find(|input| match input {
            PeerEvent::LeaderPacket { packet, .. } => Some(packet),
            _ => None,
        });
        assert_eq!(packet, proposal(counter, 900_000));
    }
    assert_eq!(learner.closed(), up);
}

#[test]
fn a_leader_may_open_its_port_a_little_later() {
    let world = World::new([1, 2]);
    let mut learner = world.start_with(2, |settings| {
        settings.leader_pause = Duration::from_secs(2);
    });
    learner.outlet().connect(ServerId(1));
    let listener = world.quorum(1).listen();
    let mut link = Wire::accept(&listener);
    let up = learner.opened();
    learner.send(up, &info(2));
    assert_eq!(link.packet::<LearnerPacket>(), info(2));
}

#[test]
fn a_leader_that_does_not_listen_is_given_up() {
    let world = World::new([1, 2]);
    let mut learner = world.start(2);
    learner.outlet().connect(ServerId(1));
    let input = learner.next();
    assert!(matches!(input, PeerEvent::LeaderUnreachable), "{input:?}");
    // Time counts as well as attempts.
    drop(learner);
    let mut learner = world.start_with(2, |settings| {
        settings.leader_patience = Duration::ZERO;
        settings.leader_pause = PATIENCE * 2;
    });
    learner.outlet().connect(ServerId(1));
    let input = learner.next();
    assert!(matches!(input, PeerEvent::LeaderUnreachable), "{input:?}");
}

#[test]
fn a_dialled_leader_that_is_none_any_more_is_forgotten() {
    let world = World::new([1, 2, 3]);
    let mut learner = world.start_with(2, |settings| {
        settings.leader_pause = Duration::from_secs(2);
    });
    learner.outlet().connect(ServerId(1));
    let other = world.quorum(3).listen();
    learner.outlet().connect(ServerId(3));
    let _link = Wire::accept(&other);
    let opened = match learner.next() {
        PeerEvent::LeaderConnected(link) => link,
        input => panic!("{input:?}"),
    };
    assert_eq!(opened.peer, world.quorum(3).address);
}

#[test]
fn a_packet_that_cannot_be_ends_the_link() {
    let world = World::new([1]);
    let mut leader = leader(&world, |_| ());
    let head = |len: i32| [&[0; 12][..], &len.to_be_bytes()].concat();
    for bytes in [head(-2), head((1 << 20) + 1), head(i32::MAX)] {
        let mut stranger = Wire::dial(world.quorum(1));
        let down = leader.opened();
        stranger.send(&bytes);
        stranger.ended();
        assert_eq!(leader.closed(), down);
    }
    // Cut off in the middle.
    let mut stranger = Wire::dial(world.quorum(1));
    let down = leader.opened();
    stranger.send(&info(2).to_bytes()[..10]);
    drop(stranger);
    assert_eq!(leader.closed(), down);
}

#[test]
fn an_unknown_packet_is_handed_over_as_such() {
    let world = World::new([1]);
    let mut leader = leader(&world, |_| ());
    let mut learner = Wire::dial(world.quorum(1));
    let down = leader.opened();
    let mut bytes = BytesMut::new();
    99i32.encode(&mut bytes);
    Zxid::ZERO.encode(&mut bytes);
    bytes.extend_from_slice(&[0xff; 8]);
    learner.send(&bytes);
    let packet = leader.find(|input| match input {
        PeerEvent::LearnerPacket { link, packet } => Some((link, packet)),
        _ => None,
    });
    assert_eq!(packet, (down, LearnerPacket::Unknown(99)));
}

#[test]
fn a_learner_that_does_not_read_loses_its_link() {
    let world = World::new([1]);
    let mut leader = leader(&world, |_| ());
    let _stalled = Wire::dial(world.quorum(1));
    let down = leader.opened();
    let packet = proposal(1, 1 << 20);
    for _ in 0..100 {
        leader.send(down, &packet);
    }
    assert_eq!(leader.closed(), down);
}

#[test]
fn a_learner_that_talks_without_end_is_not_read_ahead_of_the_replica() {
    let world = World::new([1]);
    let leader = leader(&world, |_| ());
    let mut learner = Wire::dial(world.quorum(1));
    let blocked = Some(Duration::from_secs(2));
    learner
        .stream
        .set_write_timeout(blocked)
        .expect("an option");
    let touches = vec![
        lockkeeper_wire::Touch {
            session: lockkeeper_wire::SessionId(1),
            timeout_ms: 1
        };
        8000
    ];
    let zxid = Zxid::ZERO;
    let ping = LearnerPacket::Ping { zxid, touches }.to_bytes();
    let sent = (0..1000).take_while(|_| learner.stream.write_all(&ping).is_ok());
    assert!(
        sent.count() < 1000,
        "100 MB were taken while nobody listened"
    );
    drop(leader);
}

#[test]
fn a_thousand_strangers_keep_no_learner_out() {
    let world = World::new([1, 2]);
    let mut leader = leader(&world, |_| ());
    let mut strangers = Vec::new();
    for _ in 0..1000 {
        strangers.push(Wire::dial(world.quorum(1)));
    }
    let mut learner = Wire::dial(world.quorum(1));
    learner.send_packet(&info(2));
    let packet = leader.find(|input| match input {
        PeerEvent::LearnerPacket { packet, .. } => Some(packet),
        _ => None,
    });
    assert_eq!(packet, info(2));
    for stranger in &mut strangers[..1000 - strangers::STRANGERS_MAX] {
        stranger.ended();
    }
}

#[test]
fn the_longest_packet_of_apache_is_taken() {
    let world = World::new([1, 2]);
    let listener = world.quorum(1).listen();
    let mut learner = world.start_with(2, |settings| {
        settings.leader_packet_len_max = quorum::PACKET_LEN_MAX;
    });
    learner.outlet().connect(ServerId(1));
    let mut leader = Wire::accept(&listener);
    let longest = proposal(1, quorum::PACKET_LEN_MAX);
    leader.send_packet(&longest);
    let packet = learner.find(|input| match input {
        PeerEvent::LeaderPacket { packet, .. } => Some(packet),
        _ => None,
    });
    assert_eq!(packet, longest);
}
