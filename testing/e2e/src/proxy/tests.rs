//! The proxy between a client of a few lines and a server that echoes frames.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// Answers each frame with its own body, after telling the test about it.
struct Echo {
    address: SocketAddr,
    requests: Receiver<Vec<u8>>,
}

impl Echo {
    fn start(mark: u8) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || {
                    while let Ok(mut body) = read_frame(&stream) {
                        let _ = sender.send(body.clone());
                        body.push(mark);
                        if write_frame(&stream, &body).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn next_request(&self) -> Vec<u8> {
        self.requests
            .recv_timeout(PATIENCE)
            .expect("the request arrives at the server")
    }
}

struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects and exchanges a handshake.
    fn connect(proxy: &Proxy) -> Self {
        let client = Self::dial(proxy);
        write_frame(&client.stream, b"hello").expect("the proxy listens");
        read_frame(&client.stream).expect("the handshake is answered");
        client
    }

    fn dial(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.address()).expect("the proxy listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a duration above zero");
        Self { stream }
    }

    fn send(&self, xid: i32, opcode: i32) {
        let body = [xid.to_be_bytes(), opcode.to_be_bytes()].concat();
        write_frame(&self.stream, &body).expect("the connection is up");
    }

    /// The xid of the next reply; an error when the connection ends instead.
    fn reply(&self) -> io::Result<i32> {
        let body = read_frame(&self.stream)?;
        Ok(i32::from_be_bytes(
            *body.first_chunk().expect("a reply starts with an xid"),
        ))
    }

    fn ask(&self, xid: i32, opcode: i32) -> io::Result<i32> {
        self.send(xid, opcode);
        self.reply()
    }

    /// Whether nothing comes for a short while, neither bytes nor an end.
    fn hears_nothing(&self) -> bool {
        self.stream
            .set_read_timeout(Some(SHORT))
            .expect("a duration above zero");
        let silent = read_frame(&self.stream).is_err_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            )
        });
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a duration above zero");
        silent
    }
}

fn read_frame(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let mut body = vec![0; u32::from_be_bytes(header) as usize];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn write_frame(mut stream: &TcpStream, body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len()).expect("frames of the tests are small");
    stream.write_all(&[&len.to_be_bytes(), body].concat())
}

#[test]
fn passes_frames_and_names_them() {
    let (echo, proxy) = pair();
    let client = Client::connect(&proxy);
    assert_eq!(client.ask(1, op::CREATE).expect("an answer"), 1);
    assert_eq!(client.ask(-2, op::PING).expect("an answer"), -2);
    let opcodes: Vec<_> = proxy
        .seen()
        .iter()
        .map(|seen| (seen.direction, seen.opcode))
        .collect();
    let each = [op::CONNECT, op::CREATE, op::PING];
    let expected: Vec<_> = each
        .iter()
        .flat_map(|&o| [(Direction::Request, o), (Direction::Reply, o)])
        .collect();
    assert_eq!(opcodes, expected);
    assert_eq!(echo.next_request(), b"hello");
}

#[test]
fn loses_the_nth_reply_after_the_server_has_the_request() {
    let (echo, proxy) = pair();
    let client = Client::connect(&proxy);
    let lost = proxy.install(Rule::reply(op::CREATE).nth(2).then(Action::Cut));
    assert_eq!(client.ask(1, op::CREATE).expect("the first passes"), 1);
    assert_eq!(client.ask(2, op::DELETE).expect("another kind passes"), 2);
    assert!(!lost.fired());
    assert!(client.ask(3, op::CREATE).is_err());
    lost.await_fired(PATIENCE).expect("it struck");
    let requests: Vec<_> = (0..4).map(|_| echo.next_request()).collect();
    assert_eq!(requests[3][..4], 3_i32.to_be_bytes());

    let again = Client::connect(&proxy);
    assert_eq!(again.ask(1, op::CREATE).expect("a rule strikes once"), 1);
}

#[test]
fn a_lost_request_never_arrives() {
    let (echo, proxy) = pair();
    let client = Client::connect(&proxy);
    echo.next_request();
    proxy.install(Rule::request(op::CREATE));
    assert!(client.ask(1, op::CREATE).is_err());
    assert!(echo.requests.try_recv().is_err());
}

#[test]
fn drops_one_frame_and_passes_the_next() {
    let (_echo, proxy) = pair();
    let client = Client::connect(&proxy);
    proxy.install(Rule::reply(op::SET_DATA).then(Action::Drop));
    client.send(1, op::SET_DATA);
    client.send(2, op::SET_DATA);
    assert_eq!(client.reply().expect("the second"), 2);
}

#[test]
fn cuts_inside_a_frame() {
    for len in [0, 1, 4, 7] {
        let (_echo, proxy) = pair();
        let client = Client::connect(&proxy);
        proxy.install(Rule::any(Direction::Reply).then(Action::CutAt(len)));
        client.send(1, op::CREATE);
        let mut got = Vec::new();
        (&client.stream)
            .read_to_end(&mut got)
            .expect("bytes, then an orderly end");
        assert_eq!(got, [0, 0, 0, 9, 0, 0, 0][..len], "cut at byte {len}");
    }
}

#[test]
fn a_black_hole_sends_neither_bytes_nor_an_end() {
    let (_echo, proxy) = pair();
    let client = Client::connect(&proxy);
    let other = Client::connect(&proxy);
    let gone = proxy.install(Rule::reply(op::CREATE).then(Action::BlackHole));
    client.send(1, op::CREATE);
    gone.await_fired(PATIENCE).expect("it struck");
    client.send(2, op::CREATE);
    assert!(client.hears_nothing());
    assert_eq!(other.ask(1, op::CREATE).expect("other connections live"), 1);

    proxy.black_hole();
    other.send(2, op::CREATE);
    assert!(other.hears_nothing());
    let late = Client::dial(&proxy);
    write_frame(&late.stream, b"hello").expect("new connections are accepted");
    assert!(late.hears_nothing());
    proxy.cut();
    assert!(
        other
            .reply()
            .is_err_and(|e| e.kind() == io::ErrorKind::UnexpectedEof)
    );
}

#[test]
fn holds_a_frame_until_released() {
    let (_echo, proxy) = pair();
    let client = Client::connect(&proxy);
    let held = proxy.install(Rule::reply(op::CREATE).then(Action::Hold));
    client.send(1, op::CREATE);
    client.send(2, op::DELETE);
    held.await_fired(PATIENCE).expect("it struck");
    assert!(client.hears_nothing());
    held.release();
    assert_eq!(client.reply().expect("the held one"), 1);
    assert_eq!(client.reply().expect("the one behind it"), 2);
}

#[test]
fn refuses_and_admits_on_the_same_port() {
    let (_echo, proxy) = pair();
    let client = Client::connect(&proxy);
    proxy.refuse().expect("the listener goes");
    let refused = TcpStream::connect(proxy.address()).expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(client.ask(1, op::CREATE).expect("old connections stay"), 1);
    proxy.admit().expect("the listener is back");
    Client::connect(&proxy);
}

#[test]
fn redirects_new_connections() {
    let (_echo, proxy) = pair();
    let second = Echo::start(b'2');
    let old = Client::connect(&proxy);
    proxy.redirect(second.address);
    let new = Client::connect(&proxy);
    assert_eq!(second.next_request(), b"hello");
    assert_eq!(old.ask(1, op::CREATE).expect("the old server answers"), 1);
    assert_eq!(new.ask(1, op::CREATE).expect("the new server answers"), 1);
    assert_eq!(proxy.count(Direction::Request, op::CREATE), 2);
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn a_closing_server_is_heard_by_the_client() {
    let (_echo, proxy) = pair();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
    proxy.redirect(listener.local_addr().expect("it is bound"));
    let client = Client::dial(&proxy);
    (&client.stream)
        .write_all(b"srvr")
        .expect("the connection is up");
    let (mut server, _) = listener.accept().expect("the proxy connects");
    let mut word = [0; 4];
    server
        .read_exact(&mut word)
        .expect("words that are no frames pass");
    assert_eq!(&word, b"srvr");
    server.write_all(b"ok").expect("the connection is up");
    drop(server);
    let mut answer = String::new();
    (&client.stream)
        .read_to_string(&mut answer)
        .expect("an orderly end");
    assert_eq!(answer, "ok");
}

fn pair() -> (Echo, Proxy) {
    let echo = Echo::start(b'1');
    let proxy = Proxy::start(echo.address).expect("a loopback port");
    (echo, proxy)
}
