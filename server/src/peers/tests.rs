//! Members of an ensemble as far as their links go, on loopback addresses, and strangers.

mod election;
mod image;
mod quorum;
mod tls;

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use lockkeeper_wire::quorum::{Packet, decode_packet};
use lockkeeper_wire::{Initial, PeerState, Record, Vote, Zxid};
use socket2::{Domain, Socket, Type};

use super::address::Place;
use super::*;

/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that nobody else is given while this lives, and that is not listened on.
struct Reserved {
    _socket: Socket,
    address: SocketAddr,
}

impl Reserved {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Another socket with this option may be bound to the same port, and listen.
        socket.set_reuse_address(true).expect("an option");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("a port");
        let address = socket.local_addr().expect("an address");
        Self {
            _socket: socket,
            address: address.as_socket().expect("an IP address"),
        }
    }

    fn listen(&self) -> TcpListener {
        let listener = crate::bind::bind_first([self.address], false, None).expect("a port");
        listener.set_nonblocking(false).expect("an option");
        listener
    }
}

/// Ports of some members.
struct World {
    ports: BTreeMap<ServerId, [Reserved; 2]>,
}

impl World {
    fn new(sids: impl IntoIterator<Item = i64>) -> Self {
        let reserve = |sid| (ServerId(sid), [Reserved::new(), Reserved::new()]);
        Self {
            ports: sids.into_iter().map(reserve).collect(),
        }
    }

    fn quorum(&self, sid: i64) -> &Reserved {
        &self.ports[&ServerId(sid)][0]
    }

    fn election(&self, sid: i64) -> &Reserved {
        &self.ports[&ServerId(sid)][1]
    }

    fn directory(&self) -> Directory {
        let address = |port: &Reserved| {
            let text = port.address.to_string();
            vec![address::parse(&text).expect("an address")]
        };
        let place = |[quorum, election]: &[Reserved; 2]| Place {
            quorum: address(quorum),
            election: address(election),
        };
        let places = self.ports.iter();
        places.map(|(sid, ports)| (*sid, place(ports))).collect()
    }

    fn start(&self, sid: i64) -> Member {
        self.start_with(sid, |_| ())
    }

    fn start_with(&self, sid: i64, change: impl FnOnce(&mut Settings)) -> Member {
        let mut settings = Settings {
            sid: ServerId(sid),
            listen_everywhere: false,
            election_bind_attempts_max: Some(1),
            connect_patience: PATIENCE,
            greeting_patience: PATIENCE,
            leader_patience: PATIENCE,
            leader_pause: Duration::from_millis(20),
            learner_packet_len_max: 1 << 20,
            leader_packet_len_max: 1 << 20,
            unsent_len_max: 16 << 20,
            image_len_max: 1 << 30,
            tls: None,
            seed: 1,
        };
        change(&mut settings);
        let (sender, inputs) = mpsc::channel();
        let deliver = move |delivery| drop(sender.send(delivery));
        let (outlet, thread) = spawn(settings, self.directory(), deliver).expect("a thread");
        let member = Member {
            sid,
            outlet: Some(outlet),
            inputs,
            seen: VecDeque::new(),
            thread: Some(thread),
        };
        until("an open port", || {
            TcpStream::connect(self.election(sid).address).is_ok()
        });
        member
    }
}

/// A member's links, and the inputs that come from them.
struct Member {
    sid: i64,
    outlet: Option<PeerOutlet>,
    inputs: mpsc::Receiver<Delivery>,
    seen: VecDeque<PeerEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    fn outlet(&mut self) -> &mut PeerOutlet {
        self.outlet.as_mut().expect("there until the end")
    }

    fn notify(&mut self, to: i64, round: i64) {
        let notification = notification(self.sid, round);
        self.outlet().notify(ServerId(to), &notification);
    }

    #[track_caller]
    fn next(&mut self) -> PeerEvent {
        while self.seen.is_empty() {
            let delivery = self.inputs.recv_timeout(PATIENCE).expect("an input");
            self.seen.extend(delivery.inputs);
        }
        self.seen.pop_front().expect("just looked")
    }

    /// Passes over inputs up to one that is of use.
    #[track_caller]
    fn find<T>(&mut self, of_use: impl Fn(PeerEvent) -> Option<T>) -> T {
        loop {
            if let Some(found) = of_use(self.next()) {
                return found;
            }
        }
    }

    #[track_caller]
    fn notification(&mut self) -> (ServerId, i64) {
        self.find(|input| match input {
            PeerEvent::Notification { from, notification } => Some((from, notification.round)),
            _ => None,
        })
    }

    /// The next link that opens, in either direction.
    #[track_caller]
    fn opened(&mut self) -> LinkId {
        let link = self.find(|input| match input {
            PeerEvent::LearnerAccepted(link) | PeerEvent::LeaderConnected(link) => Some(link),
            _ => None,
        });
        let id = link.id;
        self.outlet().add(link);
        id
    }

    #[track_caller]
    fn closed(&mut self) -> LinkId {
        let link = self.find(|input| match input {
            PeerEvent::LinkClosed { link } => Some(link),
            _ => None,
        });
        self.outlet().remove(link);
        link
    }

    fn send(&mut self, link: LinkId, packet: &impl Packet) {
        self.outlet().send(link, packet);
        self.outlet().flush();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.outlet.take());
        let ended = self.thread.take().expect("there until the end").join();
        if !std::thread::panicking() {
            ended.expect("a thread that ends well");
        }
    }
}

fn notification(leader: i64, round: i64) -> Notification {
    Notification {
        state: PeerState::Looking,
        vote: Vote {
            leader: ServerId(leader),
            zxid: Zxid::ZERO,
            epoch: 0,
        },
        round,
        version: 2,
        config: Some(Bytes::new()),
    }
}

/// Polls until `condition` holds.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One end of a connection in the hands of a test.
struct Wire {
    stream: TcpStream,
    received: BytesMut,
}

impl Wire {
    #[track_caller]
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an option");
        let patience = Some(PATIENCE);
        stream.set_read_timeout(patience).expect("an option");
        Self {
            stream,
            received: BytesMut::new(),
        }
    }

    #[track_caller]
    fn dial(port: &Reserved) -> Self {
        Self::new(TcpStream::connect(port.address).expect("somebody listens"))
    }

    #[track_caller]
    fn accept(listener: &TcpListener) -> Self {
        Self::new(listener.accept().expect("a connection").0)
    }

    #[track_caller]
    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    #[track_caller]
    fn greet(&mut self, sid: i64, addresses: &[&str]) {
        let mut bytes = BytesMut::new();
        let initial = Initial {
            sid: ServerId(sid),
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
        };
        initial.encode(&mut bytes);
        self.send(&bytes);
    }

    #[track_caller]
    fn send_frame(&mut self, notification: &Notification) {
        let mut bytes = BytesMut::new();
        notification.encode_frame(&mut bytes);
        self.send(&bytes);
    }

    #[track_caller]
    fn send_packet(&mut self, packet: &impl Packet) {
        self.send(&packet.to_bytes());
    }

    /// Reads a piece; false at the end.
    #[track_caller]
    fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(len) => {
                self.received.extend_from_slice(&piece[..len]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("nothing comes: {error}"),
        }
    }

    #[track_caller]
    fn initial(&mut self) -> Initial {
        loop {
            if let Some(initial) = Initial::decode(&mut self.received).expect("a greeting") {
                return initial;
            }
            assert!(self.read(), "closed before the greeting");
        }
    }

    /// The round in the next notification.
    #[track_caller]
    fn round(&mut self) -> i64 {
        loop {
            let len = self
                .received
                .first_chunk()
                .map(|len| i32::from_be_bytes(*len) as usize);
            if let Some(len) = len.filter(|len| self.received.len() >= 4 + len) {
                let frame = self.received.split_to(4 + len).freeze().slice(4..);
                return Notification::from_bytes(&frame)
                    .expect("a notification")
                    .round;
            }
            assert!(self.read(), "closed before a notification");
        }
    }

    #[track_caller]
    fn packet<P: Packet>(&mut self) -> P {
        loop {
            if let Some(packet) = decode_packet(&mut self.received, 1 << 20).expect("a packet") {
                return packet;
            }
            assert!(self.read(), "closed before a packet");
        }
    }

    /// Waits for the other side to close, whatever it says before.
    #[track_caller]
    fn ended(&mut self) {
        while self.read() {}
    }
}
