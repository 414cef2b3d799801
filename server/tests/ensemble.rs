//! Members of an ensemble as programs that are configured, killed and stopped as operators do it.

mod common;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use common::binary::{Binary, Reserved, reserve, run};
use common::{Client, create, handshake, set, until};
use lockkeeper_wire::request::SyncPath;
use lockkeeper_wire::{ErrorCode, Request};

/// All members, running or not.
struct Ensemble {
    dir: tempfile::TempDir,
    /// For learners, for elections and for clients.
    ports: Vec<[Reserved; 3]>,
    members: Vec<Option<Binary>>,
}

impl Ensemble {
    /// Starts members of these roles; waits until there is a leader and all follow.
    fn start(roles: &[&str], settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut lines = format!(
            "tickTime=500\ninitLimit=20\nsyncLimit=10\nmaxClientCnxns=0\n\
             4lw.commands.whitelist=*\nautopurge.purgeInterval=0\n{settings}\n"
        );
        let mut ports = Vec::new();
        for (index, role) in roles.iter().enumerate() {
            let reserved = [(); 3].map(|()| reserve());
            let [quorum, election, client] = reserved.each_ref().map(Reserved::port);
            let sid = index + 1;
            writeln!(
                lines,
                "server.{sid}=127.0.0.1:{quorum}:{election}:{role};127.0.0.1:{client}"
            )
            .expect("memory");
            ports.push(reserved);
        }
        for index in 0..roles.len() {
            let data = dir.path().join(format!("{index}"));
            std::fs::create_dir(&data).expect("a directory");
            std::fs::write(data.join("myid"), format!("{}\n", index + 1)).expect("a file");
            let text = format!("dataDir={}\n{lines}", data.display());
            let config = data.with_extension("cfg");
            std::fs::write(config, text).expect("a file");
        }
        let mut ensemble = Self {
            dir,
            ports,
            members: roles.iter().map(|_| None).collect(),
        };
        for index in 0..roles.len() {
            ensemble.restart(index);
        }
        ensemble.await_all();
        ensemble
    }

    fn restart(&mut self, index: usize) {
        let config = self.dir.path().join(format!("{index}.cfg"));
        let log = self.dir.path().join(format!("{index}.log"));
        let member = Binary::start([config], self.address(index).port(), &log);
        self.members[index] = Some(member);
    }

    fn address(&self, index: usize) -> SocketAddr {
        let [_, _, client] = &self.ports[index];
        SocketAddr::from(([127, 0, 0, 1], client.port()))
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        let members = self.members.iter().enumerate();
        members.filter_map(|(index, member)| member.as_ref().map(|_| index))
    }

    /// What `srvr` says of the mode; empty while nothing is served.
    fn mode(&self, index: usize) -> String {
        let text = word(self.address(index), "srvr");
        let line = text.lines().find_map(|line| line.strip_prefix("Mode: "));
        line.unwrap_or_default().to_owned()
    }

    fn await_all(&self) {
        until("a leader, and all others in step", || {
            let modes: Vec<_> = self.running().map(|index| self.mode(index)).collect();
            let leaders = modes.iter().filter(|mode| *mode == "leader").count();
            leaders == 1 && modes.iter().all(|mode| !mode.is_empty())
        });
    }

    fn leader(&self) -> usize {
        let mut leaders = self.running().filter(|&index| self.mode(index) == "leader");
        leaders.next().expect("a leader")
    }

    fn kill(&mut self, index: usize) {
        self.members[index].take().expect("a member").kill();
    }

    /// Everything that any member has is on all that run.
    #[track_caller]
    fn assert_same(&self, paths: &[String]) {
        for index in self.running() {
            let mut client = Client::connect(self.address(index));
            client.ask(&Request::Sync(SyncPath {
                path: Some("/".into()),
            }));
            for path in paths {
                assert_eq!(
                    client.data(path).as_deref(),
                    Some(path.as_bytes()),
                    "{index}"
                );
            }
        }
    }
}

/// The answer to a four-letter word; empty if there is none.
fn word(address: SocketAddr, word: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.write_all(word.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_string(&mut text);
    }
    text
}

/// Creates a znode that holds its own path.
fn put(client: &mut Client, path: String, paths: &mut Vec<String>) {
    client.ask(&create(&path, path.as_bytes()));
    paths.push(path);
}

const THREE: [&str; 3] = ["participant"; 3];

#[test]
fn a_write_to_any_member_is_on_all() {
    let ensemble = Ensemble::start(
        &["participant", "participant", "participant", "observer"],
        "",
    );
    let mut paths = Vec::new();
    for index in 0..4 {
        let mut client = Client::connect(ensemble.address(index));
        for number in 0..20 {
            put(&mut client, format!("/{index}-{number}"), &mut paths);
        }
        // A session reads what it has written.
        client.ask(&set("/0-0", b"/0-0"));
        assert_eq!(client.data("/0-0").as_deref(), Some(&b"/0-0"[..]));
    }
    ensemble.assert_same(&paths);
    assert_eq!(ensemble.mode(3), "observer");
}

#[test]
fn a_killed_leader_is_replaced_and_nothing_acknowledged_is_lost() {
    let mut ensemble = Ensemble::start(&THREE, "");
    let mut paths = Vec::new();
    for round in 0..3 {
        let leader = ensemble.leader();
        let mut client = Client::connect(ensemble.address(leader));
        for number in 0..20 {
            put(&mut client, format!("/{round}-{number}"), &mut paths);
        }
        ensemble.kill(leader);
        ensemble.await_all();
        ensemble.assert_same(&paths);
        let mut client = Client::connect(ensemble.address(ensemble.leader()));
        put(&mut client, format!("/{round}-after"), &mut paths);
        ensemble.restart(leader);
        ensemble.await_all();
        ensemble.assert_same(&paths);
    }
}

#[test]
fn a_member_that_was_away_for_long_is_brought_up_to_date() {
    // With so few transactions in a log and in memory, some come from there and some as an image.
    let mut ensemble = Ensemble::start(&THREE, "snapCount=200\nautopurge.snapRetainCount=3");
    let mut paths = Vec::new();
    let away = (ensemble.leader() + 1) % 3;
    for (round, count) in [(0, 50), (1, 700), (2, 3000)] {
        ensemble.kill(away);
        let mut client = Client::connect(ensemble.address(ensemble.leader()));
        let names: Vec<_> = (0..count)
            .map(|number| format!("/{round}-{number}"))
            .collect();
        let requests: Vec<_> = names
            .iter()
            .map(|name| create(name, name.as_bytes()))
            .collect();
        for batch in requests.chunks(100) {
            client.send_all(batch);
            for _ in batch {
                assert_eq!(client.message().header.err, ErrorCode::OK);
            }
        }
        paths.extend(names);
        ensemble.restart(away);
        ensemble.await_all();
        ensemble.assert_same(&paths);
    }
}

#[test]
fn without_a_quorum_nobody_is_served() {
    let mut ensemble = Ensemble::start(&THREE, "");
    let left = (ensemble.leader() + 1) % 3;
    let mut client = Client::connect(ensemble.address(left));
    client.ask(&create("/a", b"/a"));
    for index in 0..3 {
        if index != left {
            ensemble.kill(index);
        }
    }
    client.expect_closed();
    until("an answer that nothing is served", || {
        word(ensemble.address(left), "srvr").contains("not currently serving")
    });
    let refused = Client::open(ensemble.address(left), &handshake(30_000));
    assert_eq!(refused.granted, None);
    ensemble.restart((left + 1) % 3);
    ensemble.await_all();
    ensemble.assert_same(&["/a".to_owned()]);
}

#[test]
fn a_leader_that_is_asked_to_stop_hands_over() {
    let mut ensemble = Ensemble::start(&THREE, "");
    let leader = ensemble.leader();
    let mut client = Client::connect(ensemble.address(leader));
    let mut paths = Vec::new();
    put(&mut client, "/a".to_owned(), &mut paths);
    let mut member = ensemble.members[leader].take().expect("a member");
    member.terminate();
    assert!(member.wait().success());
    ensemble.await_all();
    ensemble.assert_same(&paths);
}

#[test]
fn sessions_outlive_the_server_of_their_connection() {
    let mut ensemble = Ensemble::start(&THREE, "");
    let leader = ensemble.leader();
    let client = Client::connect(ensemble.address(leader));
    let resumption = client.resumption();
    ensemble.kill(leader);
    ensemble.await_all();
    let other = ensemble.running().next().expect("a member");
    let resumed = Client::open(ensemble.address(other), &resumption);
    assert_eq!(resumed.session(), client.session());
}

#[test]
fn an_election_port_that_is_taken_ends_the_server_as_supervisors_know_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let free = [(); 4].map(|()| reserve());
    let [quorum, client, other, another] = free.each_ref().map(Reserved::port);
    let text = format!(
        "dataDir={}\ntickTime=500\ninitLimit=5\nsyncLimit=5\nelectionPortBindRetry=2\n\
         server.1=127.0.0.1:{quorum}:{port};127.0.0.1:{client}\n\
         server.2=127.0.0.1:{other}:{another}\n",
        dir.path().display(),
    );
    std::fs::write(dir.path().join("myid"), "1").expect("a file");
    let config = dir.path().join("zoo.cfg");
    std::fs::write(&config, text).expect("a file");
    let output = run([&config]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(14), "{log}");
    assert!(log.contains("cannot open the election port"), "{log}");
}

#[test]
fn a_member_that_does_not_know_which_one_it_is_does_not_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = format!(
        "dataDir={}\ninitLimit=5\nsyncLimit=5\nclientPort=2181\n\
         server.1=127.0.0.1:2888:3888\nserver.2=127.0.0.1:2889:3889\n",
        dir.path().display()
    );
    let config = dir.path().join("zoo.cfg");
    std::fs::write(&config, text).expect("a file");
    let output = run([&config]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("myid: the file is missing"), "{log}");
}
