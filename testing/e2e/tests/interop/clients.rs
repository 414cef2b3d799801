//! Every operation of the Java client and of kazoo, through a proxy that cuts when asked to.

use std::io;
use std::process::Command;

use lockkeeper_e2e::lines::LinePeer;
use lockkeeper_e2e::{Ensemble, Peer, Proxy, Server, java, python, wait};

#[test]
fn java_client_on_a_standalone_server() {
    for peer in Peer::under_test() {
        let server = Server::standalone(peer).expect("it starts");
        let proxy = Proxy::start(server.address()).expect("a loopback port");
        let passed = run_checks(java_ops(), &proxy, &["--ttl"]).expect("every check passes");
        assert!(passed >= 42, "{peer}: only {passed} checks ran");
    }
}

#[test]
fn java_client_on_a_member_of_an_ensemble() {
    for peer in Peer::under_test() {
        let ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        let leader = ensemble.await_leader().expect("someone leads");
        for member in [leader, (leader + 1) % 3] {
            let proxy = Proxy::start(ensemble.members()[member].address()).expect("a port");
            let passed = run_checks(java_ops(), &proxy, &["--ttl", "--ensemble"]);
            let passed = passed.expect("every check passes");
            assert!(passed >= 43, "{peer}: only {passed} checks ran");
        }
    }
}

#[test]
fn kazoo_on_a_standalone_server() {
    for peer in Peer::under_test() {
        let server = Server::standalone(peer).expect("it starts");
        let proxy = Proxy::start(server.address()).expect("a loopback port");
        let passed = run_checks(kazoo_ops(), &proxy, &[]).expect("every check passes");
        assert!(passed >= 25, "{peer}: only {passed} checks ran");
    }
}

#[test]
fn kazoo_on_a_member_of_an_ensemble() {
    for peer in Peer::under_test() {
        let ensemble = Ensemble::start(&[peer; 3]).expect("it starts");
        let leader = ensemble.await_leader().expect("someone leads");
        for member in [leader, (leader + 1) % 3] {
            let proxy = Proxy::start(ensemble.members()[member].address()).expect("a port");
            let passed = run_checks(kazoo_ops(), &proxy, &[]).expect("every check passes");
            assert!(passed >= 25, "{peer}: only {passed} checks ran");
        }
    }
}

fn java_ops() -> Command {
    java::peer("lockkeeper.peers.JavaClientOps").expect("the peers compile")
}

fn kazoo_ops() -> Command {
    python::peer("kazoo_ops.py").expect("the environment can be made")
}

/// Runs a program that prints `ok NAME`, `failed NAME: REASON`, `please cut` and a summary.
/// Returns how many checks passed; any failure is an error.
fn run_checks(mut command: Command, proxy: &Proxy, options: &[&str]) -> io::Result<u32> {
    command
        .arg(proxy.connect_string())
        .arg("--harness")
        .args(options);
    let mut peer = LinePeer::spawn("checks", command)?;
    let mut failed = Vec::new();
    let mut passed = 0;
    while let Some(line) = peer.next_line(wait::PATIENCE)? {
        match line.split_once(' ') {
            Some(("ok", _)) => passed += 1,
            Some(("please", "cut")) => {
                proxy.cut();
                peer.send("cut")?;
            }
            Some(("failed", _)) => failed.push(line),
            _ => {}
        }
    }
    if !failed.is_empty() {
        return Err(peer.blame(&failed.join("\n")));
    }
    let blame = peer.blame("ended badly");
    if peer.finish()?.success() {
        Ok(passed)
    } else {
        Err(blame)
    }
}
