//! Images on their way from a leader to a learner.

use lockkeeper_wire::txn::CreateTxn;
use lockkeeper_wire::{Acl, SessionId, Txn, TxnEntry, TxnHeader};

use super::*;

/// A store of so many znodes with a kilobyte each.
fn store(znodes: i64) -> Store {
    let mut store = Store::new(1);
    for zxid in 1..=znodes {
        let txn = Txn::Create(CreateTxn {
            path: format!("/{zxid}").as_str().into(),
            data: Some(Bytes::from(vec![zxid as u8; 1000])),
            acl: Acl::open(),
            ephemeral: false,
            parent_cversion: zxid as i32,
        });
        let header = TxnHeader {
            client_id: SessionId(1),
            cxid: 1,
            zxid: Zxid(zxid),
            time_ms: 0,
            op: txn.op().into(),
        };
        let digest = None;
        store.apply(&TxnEntry {
            header,
            txn,
            digest,
        });
    }
    store
}

fn snap(store: &Store) -> LeaderPacket {
    LeaderPacket::Snap {
        zxid: store.last_zxid(),
    }
}

/// What a leader sends: the packet, the image, the signature.
fn sent(store: &Store) -> Vec<u8> {
    let mut bytes = snap(store).to_bytes().to_vec();
    store.write_image(&mut bytes).expect("memory");
    bytes.extend(b"\0\0\0\x0aBenWasHere");
    bytes
}

/// A learner that has dialled a leader in the hands of the test.
fn learner(world: &World) -> (Member, LinkId, Wire) {
    learner_with(world, |_| ())
}

fn learner_with(world: &World, change: impl FnOnce(&mut Settings)) -> (Member, LinkId, Wire) {
    let listener = world.quorum(1).listen();
    let mut learner = world.start_with(2, change);
    learner.outlet().connect(ServerId(1));
    let leader = Wire::accept(&listener);
    let up = learner.opened();
    (learner, up, leader)
}

fn image(input: PeerEvent) -> Option<Box<Store>> {
    match input {
        PeerEvent::Image { store, .. } => Some(store),
        _ => None,
    }
}

#[test]
fn an_image_arrives_between_the_packets_around_it() {
    let world = World::new([1, 2]);
    let mut leader = world.start(1);
    leader.outlet().listen();
    let mut learner = world.start_with(2, |settings| {
        settings.leader_pause = Duration::from_secs(1);
    });
    learner.outlet().connect(ServerId(1));
    let up = learner.opened();
    let down = leader.opened();
    // More than sockets and pieces hold, so that packets gather behind it.
    let mut store = store(20_000);
    leader.outlet().send(down, &snap(&store));
    leader.outlet().send_image(down, store.freeze());
    for counter in 1..=10 {
        let zxid = Zxid::new(1, counter);
        leader.send(down, &LeaderPacket::Commit { zxid });
    }
    let first = learner.next();
    match first {
        PeerEvent::LeaderPacket { link, packet } => assert_eq!((link, packet), (up, snap(&store))),
        input => panic!("{input:?}"),
    }
    let mut activity = false;
    let received = loop {
        match learner.next() {
            PeerEvent::Activity { link } => activity |= link == up,
            input => break image(input).expect("the image is next"),
        }
    };
    assert!(activity, "nobody was told that an image comes in");
    assert_eq!(received.last_zxid(), store.last_zxid());
    assert_eq!(received.digest(), store.digest());
    assert_eq!(received.counts().znodes, store.counts().znodes);
    for counter in 1..=10 {
        let packet = learner.find(|input| match input {
            PeerEvent::LeaderPacket { packet, .. } => Some(packet),
            _ => None,
        });
        let zxid = Zxid::new(1, counter);
        assert_eq!(packet, LeaderPacket::Commit { zxid });
    }
}

#[test]
fn what_comes_in_one_piece_with_an_image_is_not_lost() {
    let world = World::new([1, 2]);
    let (mut learner, _, mut leader) = learner(&world);
    let store = store(3);
    let zxid = Zxid::new(1, 0);
    let after = LeaderPacket::Commit { zxid };
    leader.send(&[sent(&store), after.to_bytes().to_vec()].concat());
    assert_eq!(learner.find(image).digest(), store.digest());
    let packet = learner.find(|input| match input {
        PeerEvent::LeaderPacket { packet, .. } => Some(packet),
        _ => None,
    });
    assert_eq!(packet, after);
}

#[test]
fn an_image_may_come_byte_by_byte() {
    let world = World::new([1, 2]);
    let (mut learner, _, mut leader) = learner(&world);
    let store = store(1);
    for byte in sent(&store) {
        leader.send(&[byte]);
    }
    // The leader says nothing more for now.
    assert_eq!(learner.find(image).digest(), store.digest());
}

#[test]
fn half_an_image_is_none() {
    let world = World::new([1, 2]);
    let store = store(100);
    let whole = sent(&store);
    let mut unsigned = whole.clone();
    *unsigned.last_mut().expect("a signature") ^= 1;
    // An access list of negative length.
    let mut damaged = snap(&store).to_bytes().to_vec();
    damaged.extend([
        0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0,
    ]);
    for bytes in [&whole[..whole.len() - 1], &whole[..30], &unsigned, &damaged] {
        let (mut learner, up, mut leader) = learner(&world);
        leader.send(bytes);
        leader
            .stream
            .shutdown(std::net::Shutdown::Write)
            .expect("still open");
        let end = learner.find(|input| match input {
            PeerEvent::LinkClosed { link } => Some(link),
            PeerEvent::Image { .. } => panic!("half an image was believed"),
            _ => None,
        });
        assert_eq!(end, up);
    }
}

#[test]
fn an_image_longer_than_accepted_ends_the_link() {
    let world = World::new([1, 2]);
    let (mut learner, up, mut leader) = learner_with(&world, |settings| {
        settings.image_len_max = 10_000;
    });
    let image = sent(&store(100));
    // It may close before all is written.
    let _ = leader.stream.write_all(&image);
    assert_eq!(learner.closed(), up);
}

#[test]
fn a_learner_that_takes_no_image_loses_its_link() {
    let world = World::new([1]);
    let mut leader = world.start(1);
    leader.outlet().listen();
    let port = world.quorum(1).address;
    until("an open port", || TcpStream::connect(port).is_ok());
    leader.opened();
    leader.closed();
    let _stalled = Wire::dial(world.quorum(1));
    let down = leader.opened();
    leader.outlet().send_image(down, store(20_000).freeze());
    // Nothing is thrown away of an image; what waits behind it is counted.
    let txn = Bytes::from(vec![0; 1 << 20]);
    for counter in 1..=20 {
        let zxid = Zxid::new(1, counter);
        let txn = txn.clone();
        leader.send(down, &LeaderPacket::Proposal { zxid, txn });
    }
    assert_eq!(leader.closed(), down);
}
