//! `zkCli`, the tool that operators know best, fed a script; what it prints is compared.

use std::io;

use lockkeeper_e2e::lines::LinePeer;
use lockkeeper_e2e::{Peer, Server, java, wait};

const SCRIPT: &str = "\
create /cli hello
create /cli again
get /cli
set /cli world
get -s /cli
create -s /cli/s- x
create -e /cli/e x
create -c /cli/c x
create -t 3600000 /cli/t x
ls /cli
ls -R /cli
stat /cli/none
set -v 7 /cli x
getAcl /cli
setAcl /cli/t world:anyone:r
getAcl /cli/t
getEphemerals /cli
getAllChildrenNumber /cli
delete /cli
delete /cli/e
sync /cli
deleteall /cli
ls /
whoami
quit";

const PRINTED: &str = "\
hello
world
cversion = 0
dataVersion = 1
aclVersion = 0
ephemeralOwner = 0x0
dataLength = 5
numChildren = 0
[c, e, s-0000000000, t]
/cli
/cli/c
/cli/e
/cli/s-0000000000
/cli/t
'world,'anyone
: cdrwa
'world,'anyone
: r
[/cli/e]
4
Sync is OK
[zookeeper]
Auth scheme: User
ip: 127.0.0.1";

const COMPLAINED: &str = "\
Created /cli
Node already exists: /cli
Created /cli/s-0000000000
Created /cli/e
Created /cli/c
Created /cli/t
Node does not exist: /cli/none
version No is not valid : /cli
Node not empty: /cli";

#[test]
fn zk_cli_prints_what_its_users_expect() {
    for peer in Peer::under_test() {
        let server = Server::standalone(peer).expect("it starts");
        let (printed, complained) = run(&server.connect_string()).expect("the script ends");
        assert_eq!(printed, PRINTED, "{peer}");
        assert_eq!(complained, COMPLAINED, "{peer}");
    }
}

/// Runs the script; returns what went to standard output and to standard error.
///
/// Left out are greetings, the notes about the connection, and times and zxids, which differ from
/// run to run.
fn run(connect: &str) -> io::Result<(String, String)> {
    let mut command = java::peer("org.apache.zookeeper.ZooKeeperMain")?;
    command.args(["-server", connect, "-waitforconnection"]);
    let mut cli = LinePeer::spawn("zkCli", command)?;
    for line in SCRIPT.lines() {
        cli.send(line)?;
    }
    let mut printed = Vec::new();
    while let Some(line) = cli.next_line(wait::PATIENCE)? {
        if !is_noise(&line) {
            printed.push(line);
        }
    }
    let complained = cli.process_mut().log_text().trim_end().to_owned();
    Ok((printed.join("\n"), complained))
}

fn is_noise(line: &str) -> bool {
    const STARTS: [&str; 10] = [
        "Connecting to ",
        "Welcome to ZooKeeper!",
        "JLine support is disabled",
        "WATCHER::",
        "WatchedEvent ",
        "cZxid = ",
        "mZxid = ",
        "pZxid = ",
        "ctime = ",
        "mtime = ",
    ];
    line.is_empty() || STARTS.iter().any(|start| line.starts_with(start))
}
