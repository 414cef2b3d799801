//! Who keeps a connection of the election port, what is said on it, and who is kept out.

use lockkeeper_wire::election::NOTIFICATION_LEN_MAX;

use super::*;

#[test]
fn members_hear_one_another_whoever_speaks_first() {
    let world = World::new(1..=3);
    let mut members: Vec<_> = (1..=3).map(|sid| world.start(sid)).collect();
    for sid in 1..=3 {
        for to in 1..=3 {
            members[sid - 1].notify(to, sid as i64);
        }
    }
    for member in &mut members {
        let own = member.sid;
        let mut heard = BTreeMap::new();
        while heard.len() < 2 {
            let (from, round) = member.notification();
            heard.insert(from.0, round);
        }
        let others = (1..=3).filter(|sid| *sid != own);
        assert_eq!(heard, others.map(|sid| (sid, sid)).collect());
    }
}

#[test]
fn the_member_with_the_larger_id_dials() {
    let world = World::new([1, 2]);
    let listener = world.election(1).listen();
    let mut member = world.start(2);
    member.notify(1, 7);
    let mut link = Wire::accept(&listener);
    // Apache's servers take the greeting only if one read gets all of it.
    assert!(link.read());
    let initial = link.initial();
    assert_eq!(initial.sid, ServerId(2));
    assert_eq!(initial.addresses, [world.election(2).address.to_string()]);
    assert_eq!(link.round(), 7);
    link.send_frame(&notification(1, 8));
    assert_eq!(member.notification(), (ServerId(1), 8));
}

#[test]
fn the_member_with_the_smaller_id_says_who_it_is_and_is_dialled_back() {
    let world = World::new([1, 2]);
    let listener = world.election(2).listen();
    let mut member = world.start(1);
    member.notify(2, 7);
    let mut asking = Wire::accept(&listener);
    let initial = asking.initial();
    asking.ended();
    let mut link = Wire::new(TcpStream::connect(&initial.addresses[0]).expect("an open port"));
    link.greet(2, &[&world.election(2).address.to_string()]);
    assert_eq!(link.round(), 7);
    // No second link is asked for.
    member.notify(2, 8);
    assert_eq!(link.round(), 8);
}

#[test]
fn whoever_has_a_smaller_id_is_dialled_where_it_says() {
    let elsewhere = Reserved::new();
    let listener = elsewhere.listen();
    let world = World::new([1, 2]);
    let configured = world.election(1).listen();
    let _member = world.start(2);
    for address in [elsewhere.address.to_string(), "0.0.0.0:1".to_owned()] {
        let mut asking = Wire::dial(world.election(2));
        asking.greet(1, &[&address]);
        asking.ended();
        let listener = match address.starts_with('0') {
            true => &configured,
            false => &listener,
        };
        let initial = Wire::accept(listener).initial();
        assert_eq!(initial.sid, ServerId(2), "{address}");
    }
    // Before 3.5 the greeting was the id alone.
    let mut asking = Wire::dial(world.election(2));
    asking.greet(1, &[]);
    asking.ended();
    assert_eq!(Wire::accept(&configured).initial().sid, ServerId(2));
}

#[test]
fn a_member_asked_again_leaves_the_link_it_has() {
    let world = World::new([1, 2]);
    let listener = world.election(1).listen();
    let mut member = world.start(2);
    member.notify(1, 7);
    let mut link = Wire::accept(&listener);
    link.initial();
    assert_eq!(link.round(), 7);
    Wire::dial(world.election(2)).greet(1, &[]);
    link.ended();
    let mut link = Wire::accept(&listener);
    link.initial();
    // Whether it was delivered nobody knows.
    assert_eq!(link.round(), 7);
}

#[test]
fn a_new_connection_takes_the_place_of_the_old_one() {
    let world = World::new([1, 2]);
    let mut member = world.start(1);
    let mut first = Wire::dial(world.election(1));
    first.greet(2, &["127.0.0.1:1"]);
    first.send_frame(&notification(2, 5));
    assert_eq!(member.notification(), (ServerId(2), 5));
    let mut second = Wire::dial(world.election(1));
    second.greet(2, &["127.0.0.1:1"]);
    first.ended();
    member.notify(2, 6);
    assert_eq!(second.round(), 6);
}

#[test]
fn only_the_newest_message_waits() {
    let world = World::new([1, 2]);
    let mut member = world.start(2);
    for round in 1..=9 {
        member.notify(1, round);
    }
    member.find(|input| matches!(input, PeerEvent::VoterUnreachable { .. }).then_some(()));
    // It dials again by itself.
    let listener = world.election(1).listen();
    let mut link = Wire::accept(&listener);
    link.initial();
    assert_eq!(link.round(), 9);
    member.notify(1, 10);
    assert_eq!(link.round(), 10);
}

#[test]
fn a_member_that_goes_is_reported() {
    let world = World::new([1, 2]);
    let mut member = world.start(1);
    let mut link = Wire::dial(world.election(1));
    link.greet(2, &["127.0.0.1:1"]);
    link.send_frame(&notification(2, 1));
    member.notification();
    drop(link);
    let gone = member.find(|input| match input {
        PeerEvent::VoterUnreachable { sid } => Some(sid),
        _ => None,
    });
    assert_eq!(gone, ServerId(2));
}

#[test]
fn a_member_that_has_moved_is_linked_at_its_new_place() {
    let world = World::new([1, 2]);
    let listener = world.election(1).listen();
    let mut member = world.start(2);
    member.notify(1, 1);
    let mut link = Wire::accept(&listener);
    link.initial();
    assert_eq!(link.round(), 1);
    let elsewhere = Reserved::new();
    let mut directory = world.directory();
    let text = elsewhere.address.to_string();
    let place = directory.get_mut(&ServerId(1)).expect("a member");
    place.election = vec![address::parse(&text).expect("an address")];
    let listener = elsewhere.listen();
    member.outlet().change(directory);
    link.ended();
    member.notify(1, 2);
    let mut link = Wire::accept(&listener);
    link.initial();
    assert_eq!(link.round(), 2);
}

#[test]
fn a_server_about_to_join_is_heard() {
    let world = World::new([1]);
    let mut member = world.start(1);
    let mut link = Wire::dial(world.election(1));
    link.greet(9, &["127.0.0.1:1"]);
    link.send_frame(&notification(9, 3));
    assert_eq!(member.notification(), (ServerId(9), 3));
    member.notify(9, 4);
    assert_eq!(link.round(), 4);
}

#[test]
fn a_server_with_this_members_id_is_shut_out() {
    let world = World::new([1]);
    let _member = world.start(1);
    let mut link = Wire::dial(world.election(1));
    link.greet(1, &["127.0.0.1:1"]);
    link.ended();
}

/// Greetings of nobody.
fn nonsense() -> Vec<Vec<u8>> {
    let head = |version: i64, len: i32| {
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend(2i64.to_be_bytes());
        bytes.extend(len.to_be_bytes());
        bytes
    };
    vec![
        b"\xffET / HTTP/1.1\r\nHost: zk1\r\n\r\n".to_vec(),
        head(-1, 0),
        head(-65_536, 0),
        head(-65_536, -1),
        head(-65_536, 2049),
        head(-65_535, i32::MAX),
    ]
}

#[test]
fn nonsense_is_no_greeting() {
    let world = World::new([1, 2]);
    let mut member = world.start(1);
    for bytes in nonsense() {
        let mut stranger = Wire::dial(world.election(1));
        stranger.send(&bytes);
        stranger.ended();
    }
    let mut link = Wire::dial(world.election(1));
    link.greet(2, &["127.0.0.1:1"]);
    link.send_frame(&notification(2, 1));
    assert_eq!(member.notification(), (ServerId(2), 1));
}

#[test]
fn whoever_takes_too_long_for_its_greeting_is_shut_out() {
    let world = World::new([1, 2]);
    let short = Duration::from_millis(200);
    let _member = world.start_with(1, |settings| settings.greeting_patience = short);
    let mut silent = Wire::dial(world.election(1));
    let mut slow = Wire::dial(world.election(1));
    let mut bytes = BytesMut::new();
    let addresses = vec!["zk2:3888".repeat(100)];
    let sid = ServerId(2);
    Initial { sid, addresses }.encode(&mut bytes);
    let sent = bytes.iter().map(|byte| {
        std::thread::sleep(short / 10);
        slow.stream.write_all(&[*byte])
    });
    // All of it would take longer than anybody waits.
    let refused = sent.take_while(Result::is_ok).count();
    assert!(
        refused < bytes.len(),
        "a greeting byte by byte was waited for"
    );
    silent.ended();
}

#[test]
fn a_thousand_strangers_keep_no_member_out() {
    let world = World::new([1, 2]);
    let mut member = world.start(1);
    let mut strangers = Vec::new();
    for _ in 0..1000 {
        strangers.push(Wire::dial(world.election(1)));
    }
    let mut link = Wire::dial(world.election(1));
    link.greet(2, &["127.0.0.1:1"]);
    link.send_frame(&notification(2, 1));
    assert_eq!(member.notification(), (ServerId(2), 1));
    // The oldest have made room.
    for stranger in &mut strangers[..1000 - strangers::STRANGERS_MAX] {
        stranger.ended();
    }
}

#[test]
fn a_thousand_unknown_servers_keep_no_member_out() {
    let world = World::new([1, 2]);
    let mut member = world.start(1);
    let mut known = Wire::dial(world.election(1));
    known.greet(2, &["127.0.0.1:1"]);
    let mut unknown = Vec::new();
    for sid in 1000..2000 {
        let mut link = Wire::dial(world.election(1));
        link.greet(sid, &["127.0.0.1:1"]);
        link.send_frame(&notification(sid, 1));
        assert_eq!(member.notification().0, ServerId(sid));
        unknown.push(link);
    }
    unknown[0].ended();
    member.notify(2, 1);
    assert_eq!(known.round(), 1);
}

#[test]
fn a_frame_that_cannot_be_ends_the_link() {
    let world = World::new([1, 2]);
    let _member = world.start(1);
    for len in [0, -1, NOTIFICATION_LEN_MAX as i32 + 1] {
        let mut link = Wire::dial(world.election(1));
        link.greet(2, &["127.0.0.1:1"]);
        link.send(&len.to_be_bytes());
        link.ended();
    }
}

#[test]
fn a_notification_that_cannot_be_read_is_passed_over() {
    let world = World::new([1, 2]);
    let mut member = world.start(1);
    let mut link = Wire::dial(world.election(1));
    link.greet(2, &["127.0.0.1:1"]);
    link.send(&[&36i32.to_be_bytes()[..], &[0; 36]].concat());
    link.send_frame(&notification(2, 1));
    assert_eq!(member.notification(), (ServerId(2), 1));
}

#[test]
fn who_talks_without_end_is_not_read_ahead_of_the_replica() {
    let world = World::new([1, 2]);
    let mut member = world.start(1);
    let mut link = Wire::dial(world.election(1));
    link.greet(2, &["127.0.0.1:1"]);
    let mut long = notification(2, 1);
    long.config = Some(Bytes::from(vec![b'x'; 100_000]));
    let mut frame = BytesMut::new();
    long.encode_frame(&mut frame);
    let blocked = Some(Duration::from_secs(2));
    link.stream.set_write_timeout(blocked).expect("an option");
    let sent = (0..1000).take_while(|_| link.stream.write_all(&frame).is_ok());
    let sent = sent.count();
    assert!(sent < 1000, "100 MB were taken while nobody listened");
    // What came before is heard.
    assert_eq!(member.notification(), (ServerId(2), 1));
}
