//! Two members that are plain sockets.

use std::io::{Read, Write};

use super::*;
use crate::member::Role;

const SHORT: Duration = Duration::from_millis(300);

struct Pair {
    network: Network,
    /// Where member 1 listens for learners and for voters.
    quorum: TcpListener,
    election: TcpListener,
    /// The same as member 0 sees it.
    door: Member,
}

fn pair() -> Pair {
    let ids = [1, 2].map(|id| Member::pick(id, Role::Participant).expect("ports are free"));
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
    let network = Network::start(&ids).expect("ports are free");
    let door = network.seen_by(0, &ids)[1];
    Pair {
        quorum: at(ids[1].quorum_port),
        election: at(ids[1].election_port),
        network,
        door,
    }
}

impl Pair {
    /// A connection of member 0 to member 1's quorum port.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let near = dial(self.door.quorum_port);
        (near, accepted(&self.quorum))
    }
}

fn dial(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a door is open")
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("the door leads here");
    stream
}

fn hears(stream: &mut TcpStream, word: &[u8]) -> bool {
    stream
        .set_read_timeout(Some(wait::PATIENCE))
        .expect("above zero");
    let mut heard = vec![0; word.len()];
    stream.read_exact(&mut heard).is_ok() && heard == word
}

/// A packet that means nothing to the network.
fn packet() -> Vec<u8> {
    [&5_i32.to_be_bytes()[..], &[0; 8], &[255; 8]].concat()
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SHORT)).expect("above zero");
    let error = stream.read(&mut [0]).err();
    error.is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn a_mute_member_hears_and_is_not_heard_until_it_is_healed() {
    let pair = pair();
    let (mut near, mut far) = pair.connect();
    near.write_all(b"before").expect("it is up");
    assert!(hears(&mut far, b"before"));

    pair.network.mute(0);
    near.write_all(b"lost").expect("nobody tells it");
    far.write_all(&packet()).expect("it is up");
    assert!(hears(&mut near, &packet()));
    assert!(is_silent(&mut far));
    // A connection is made by both sides.
    let mut fresh = dial(pair.door.quorum_port);
    assert!(is_silent(&mut fresh));

    pair.network.heal();
    for end in [&mut near, &mut far, &mut fresh] {
        assert!(!hears(end, b"x"), "bytes were lost, so it has to end");
    }
    let (mut near, mut far) = pair.connect();
    near.write_all(b"after").expect("it is up");
    assert!(hears(&mut far, b"after"));
}

#[test]
fn a_deaf_member_is_heard() {
    let pair = pair();
    let (mut near, mut far) = pair.connect();
    pair.network.deafen(0);
    far.write_all(&packet()).expect("nobody tells it");
    near.write_all(b"heard").expect("it is up");
    assert!(hears(&mut far, b"heard"));
    assert!(is_silent(&mut near));
}

#[test]
fn a_slow_line_delivers_everything_in_its_time() {
    const LEN: usize = 40_000;
    let pair = pair();
    let (mut near, mut far) = pair.connect();
    pair.network.throttle(0, 100_000);
    let begun = Instant::now();
    let sent = vec![7; LEN];
    near.write_all(&sent).expect("it is up");
    assert!(hears(&mut far, &sent));
    assert!(begun.elapsed() > Duration::from_millis(350));
    pair.network.heal();
    near.write_all(b"after").expect("a slow line lost nothing");
    assert!(hears(&mut far, b"after"));
}

#[test]
fn an_end_passes_and_so_does_a_closed_port() {
    let pair = pair();
    let (near, mut far) = pair.connect();
    drop(near);
    assert!(!hears(&mut far, b"x"));
    let (mut near, far) = pair.connect();
    drop(far);
    assert!(!hears(&mut near, b"x"));
    drop(pair.quorum);
    assert!(!hears(&mut dial(pair.door.quorum_port), b"x"));
}

#[test]
fn a_voter_is_told_an_address_that_leads_back_through_the_network() {
    let pair = pair();
    let mut near = dial(pair.door.election_port);
    let own = b"127.0.0.1:9";
    let head = [&(-65_536_i64).to_be_bytes()[..], &1_i64.to_be_bytes()].concat();
    let len = i32::try_from(own.len()).expect("short");
    near.write_all(&[&head[..], &len.to_be_bytes(), own].concat())
        .expect("it is up");
    let mut far = accepted(&pair.election);
    let back = pair.network.doors[&(1, 0)].election_port;
    let address = format!("127.0.0.1:{back}");
    let len = i32::try_from(address.len()).expect("short");
    let told = [&head[..], &len.to_be_bytes(), address.as_bytes()].concat();
    assert!(hears(&mut far, &told));
}
