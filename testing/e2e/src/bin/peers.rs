//! The harness by hand: `lockkeeper-peers prepare`, `lockkeeper-peers serve apache-3.9 [N]`,
//! `lockkeeper-peers crash-loop RESTARTS SEED` or `lockkeeper-peers crash-members ROUNDS SEED`.
//!
//! `prepare` fetches and builds everything foreign. `serve` starts a server, or an ensemble of N,
//! prints its connect string as the first line of output and stops it when standard input ends,
//! so that tests in other languages can have a real server as a child process. `crash-loop` kills our
//! server again and again and fails when an acknowledged write is lost; `crash-members` does it to
//! members of an ensemble of three.

#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::process::ExitCode;

use lockkeeper_e2e::{Ensemble, Peer, Server, apache, crash_loop, java, ours, python};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["prepare"] => prepare(),
        ["serve", name] => serve(name, 1),
        ["serve", name, count] => match count.parse() {
            Ok(count) => serve(name, count),
            Err(_) => Err(io::Error::other(format!(
                "not a number of servers: {count}"
            ))),
        },
        ["crash-loop", restarts, seed] => match (restarts.parse(), seed.parse()) {
            (Ok(restarts), Ok(seed)) => kill_often(restarts, seed),
            _ => Err(io::Error::other("restarts and seed are numbers")),
        },
        ["crash-members", rounds, seed] => match (rounds.parse(), seed.parse()) {
            (Ok(rounds), Ok(seed)) => kill_members(rounds, seed),
            _ => Err(io::Error::other("rounds and seed are numbers")),
        },
        _ => Err(io::Error::other(
            "usage: prepare | serve apache-3.9|apache-3.8|ours [N] | crash-loop RESTARTS SEED | \
             crash-members ROUNDS SEED",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> io::Result<()> {
    for release in [apache::RELEASE_39, apache::RELEASE_38] {
        let jars = apache::prepare_release(release)?;
        println!("Apache ZooKeeper {release}: {}", jars.display());
    }
    println!("Java peers: {}", java::prepare_peers()?.display());
    println!("Python peers: {}", python::prepare_venv()?.display());
    Ok(())
}

fn serve(name: &str, count: usize) -> io::Result<()> {
    let all = [Peer::Apache38, Peer::Apache39, Peer::Ours];
    let peer = all.into_iter().find(|peer| peer.to_string() == name);
    let peer = peer.ok_or_else(|| io::Error::other(format!("no such server: {name}")))?;
    if count == 1 {
        let server = Server::standalone(peer)?;
        println!("{}", server.connect_string());
        await_end_of_input()
    } else {
        let ensemble = Ensemble::start(&vec![peer; count])?;
        println!("{}", ensemble.connect_string());
        await_end_of_input()
    }
}

fn kill_members(rounds: usize, seed: u64) -> io::Result<()> {
    println!("seed {seed}");
    println!("{}", crash_loop::members::run(Peer::Ours, rounds, seed)?);
    Ok(())
}

fn kill_often(restarts: usize, seed: u64) -> io::Result<()> {
    let variable = ours::BINARY_VARIABLE;
    let none = || io::Error::other(format!("{variable} does not name our server's binary"));
    let binary = ours::binary().ok_or_else(none)?;
    println!("seed {seed}");
    println!("{}", crash_loop::run(&binary, restarts, seed)?);
    Ok(())
}

fn await_end_of_input() -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
