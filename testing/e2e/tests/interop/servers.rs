//! The harness itself: servers and ensembles of every make start, die, hang and come back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lockkeeper_e2e::{Ensemble, Mode, Peer, Server, four_letter, wait};

const SHORT: Duration = Duration::from_millis(500);

#[test]
fn a_standalone_server_comes_back_on_its_data() {
    for peer in Peer::every() {
        let mut server = Server::standalone(peer).expect("it starts");
        assert_eq!(
            server.mode().expect("it serves"),
            Mode::Standalone,
            "{peer}"
        );
        assert_eq!(
            server.four_letter("ruok").expect("it answers"),
            "imok",
            "{peer}"
        );

        server.kill().expect("it runs");
        assert!(server.mode().is_err(), "{peer}");
        assert_eq!(
            server.restart().expect("it starts again"),
            Mode::Standalone,
            "{peer}"
        );

        server.terminate(wait::PATIENCE).expect("it ends");
        server.restart().expect("it starts again");
        let metrics = server.four_letter("mntr").expect("it answers");
        assert!(
            four_letter::metric(&metrics, "zk_znode_count").is_some(),
            "{peer}: {metrics}"
        );
    }
}

#[test]
fn a_paused_server_is_silent_and_goes_on() {
    let mut server = Server::standalone(Peer::Apache39).expect("it starts");
    server.pause().expect("it runs");
    server.resume().expect("it runs");
    server.pause().expect("it runs again");
    // The system still accepts for it, but no answer comes.
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.write_all(b"ruok").expect("the connection is up");
    stream
        .set_read_timeout(Some(SHORT))
        .expect("a duration above zero");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect_err("it is paused");
    server.resume().expect("it runs");
    stream
        .set_read_timeout(Some(wait::PATIENCE))
        .expect("a duration above zero");
    stream.read_exact(&mut answer).expect("an answer at last");
    assert_eq!(&answer, b"imok");
}

#[test]
fn an_ensemble_elects_again_when_its_leader_dies() {
    for peer in Peer::every() {
        let mut ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        let first = ensemble.await_leader().expect("someone leads");
        let followers = ensemble
            .members()
            .iter()
            .filter(|member| member.mode().is_ok_and(|mode| mode == Mode::Follower))
            .count();
        assert_eq!(followers, 2, "{peer}");

        ensemble.member_mut(first).kill().expect("it runs");
        let second = ensemble.await_leader().expect("someone else leads");
        assert_ne!(second, first, "{peer}");
        let mode = ensemble.member_mut(first).restart().expect("it comes back");
        assert_eq!(mode, Mode::Follower, "{peer}");
    }
}

#[test]
fn an_ensemble_may_mix_releases() {
    let peers = [Peer::Apache38, Peer::Apache39, Peer::Apache38];
    let ensemble = Ensemble::start(&peers).expect("it starts");
    ensemble.await_leader().expect("someone leads");
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let settings = lockkeeper_e2e::Settings::default().config("tickTime", "not a number");
    let error = Server::standalone_with(Peer::Apache39, settings).expect_err("no such tick");
    let text = error.to_string();
    assert!(text.contains("ended during its start"), "{text}");
    assert!(text.contains("not a number"), "{text}");
}
