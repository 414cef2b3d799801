//! The harness by hand: `lockkeeper-peers prepare` or `lockkeeper-peers serve apache-3.9 [N]`.
//!
//! `prepare` fetches and builds everything foreign. `serve` starts a server, or an ensemble of N,
//! prints its connect string as the first line of output and stops it when standard input ends,
//! so that tests in other languages can have a real server as a child process.

#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::process::ExitCode;

use lockkeeper_e2e::{Ensemble, Peer, Server, apache, java, python};

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
        _ => Err(io::Error::other(
            "usage: prepare | serve apache-3.9|apache-3.8|ours [N]",
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

fn await_end_of_input() -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
